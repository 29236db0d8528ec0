/** Lines per second of the last hour, for the rows that are seen. */
import { get, withQuery } from "../api.js";
import { useEffect, useRef, useState } from "../lib/ui.js";

const SETTLE = 150; // milliseconds without scrolling, before the agent is asked
const KEPT = 60; // readings in a sparkline
const OLD = 120; // seconds, after which they are asked for again
const MOST = 200; // that the agent answers at once
const REMEMBERED = 1000; // containers, before all are forgotten
const DIGITS = 12; // of an id, enough to tell it from others

/** A function: the figures of a row, the newest last; null before they are known. */
export function useSparks(rows, time) {
  const known = useRef(new Map()); // by id: {values, every, at}
  const [, again] = useState(0);
  const ids = rows.map(({ id }) => id).join();
  useEffect(() => {
    const abort = new AbortController();
    const timer = setTimeout(async () => {
      const wanted = rows.filter(({ id }) => !(time - known.current.get(id)?.at < OLD)).slice(0, MOST);
      if (!wanted.length) return;
      const query = { container: wanted.map(({ id }) => id.slice(0, DIGITS)), figure: "lines" };
      try {
        const { containers, every } = await get(withQuery("/api/history", query), abort.signal);
        if (known.current.size > REMEMBERED) known.current.clear();
        for (const { id } of wanted)
          known.current.set(id, { values: (containers[id]?.lines ?? []).slice(-KEPT), every, at: time });
        again((count) => count + 1);
      } catch {
        // A sparkline is not worth a message; the next scroll asks again.
      }
    }, SETTLE);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [ids, Math.floor((time ?? 0) / OLD)]);
  return (row) => {
    const found = known.current.get(row.id);
    return found ? [...found.values, row.lines_per_second] : null;
  };
}
