/**
 * The figures since the agent's last reading: the stream's, every two seconds. With them a chart
 * ends now, and has something to show before the first readings of an agent that just began.
 */

const KEPT = 60;

/** Points of one thing, which is `key`; another key begins afresh. */
export function createLive() {
  return { key: "", points: [] };
}

/** Adds what `figures` has (by the names of /api/history) at a time, once. */
export function addLive(live, key, time, figures) {
  if (live.key !== key) Object.assign(live, { key, points: [] });
  if (live.points.at(-1)?.time === time) return;
  live.points.push({ time, figures });
  if (live.points.length > KEPT) live.points.shift();
}

/**
 * {times, of(name)}: readings of a history (`known`: figures by name), and after them the points
 * that are newer than its end.
 */
export function withLive(live, history, known) {
  const length = Math.max(0, ...Object.values(known).map((values) => values.length));
  // A ring that has not been filled yet has nulls, or nothing, before its first reading.
  const times = Array.from({ length }, (_, index) => history.end - history.every * (length - 1 - index));
  const newer = live.points.filter(({ time }) => !length || time > history.end);
  return {
    times: [...times, ...newer.map(({ time }) => time)],
    // A rate is not known at the first look: undefined is no gap to a chart, as null is.
    of: (name) => [...(known[name] ?? times.map(() => null)), ...newer.map(({ figures }) => figures[name] ?? undefined)],
  };
}
