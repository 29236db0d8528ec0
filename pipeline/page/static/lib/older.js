/** Lines from the Engine's own log: before the first that is kept, or of a time. */
import { get, withQuery } from "../api.js";
import { engineRows, note } from "./feed.js";
import { finder } from "./paint.js";
import { LEVELS } from "./text.js";
import { seconds } from "./times.js";
import { clock, exact } from "./units.js";
import { useEffect, useRef, useState } from "./ui.js";

const AT_ONCE = 200;
/** Lines of a time that are asked for at once; the agent returns no more. */
const MOST = 500;
/** Requests for one wish, while no line of the answers matches. */
const MOST_REQUESTS = 5;

/** Whether a row fits a search, as far as the page can tell: by text, regular expression and level.
 * Null if it takes all. */
export function fitsOf({ q, mode, level, marked }) {
  const find = marked ? null : finder(q, mode);
  const worst = level ? LEVELS.indexOf(level) : LEVELS.length;
  if (!find && !level) return null;
  return (row) => {
    if (row.note) return false;
    if (level && !(row.level && LEVELS.indexOf(row.level) <= worst)) return false;
    if (!find) return true;
    find.lastIndex = 0;
    return find.test([row.entry.message, ...row.more].join("\n"));
  };
}

/** Whether the page cannot apply the search by itself. */
export const isBeyond = ({ q, mode, marked }) => Boolean(q && !marked && (mode === "where" || !finder(q, mode)));

/**
 * Older lines of one container. {busy, end, load}: load() puts some before the first row.
 * `container` is "" if there is not just one; `tail` is a ref. Starts anew with `key`.
 */
export function useOlder(tail, container, search, key) {
  const [state, set] = useState({ busy: false, end: false });
  const cursor = useRef({});
  useEffect(() => {
    cursor.current = {};
    set({ busy: false, end: false });
  }, [key, container]);

  const load = async () => {
    const { pane } = tail.current;
    const own = cursor.current;
    if (!container || own.busy || own.end) return;
    own.busy = true;
    set({ busy: true, end: false });
    try {
      if (pane.follows) pane.hold("reading");
      await more(pane, own, container, search, () => own !== cursor.current);
    } catch (error) {
      own.end = error.status >= 400 && error.status < 500;
      if (own === cursor.current) pane.prepend([note(error.message, "bad")]);
    }
    own.busy = false;
    if (own === cursor.current) set({ busy: false, end: Boolean(own.end) });
  };
  return { ...state, load };
}

async function more(pane, own, container, search, stale) {
  const fits = fitsOf(search);
  const first = [...pane.rows].find((row) => !row.note) ?? pane.waiting[0];
  let found = 0;
  for (let count = 0; count < MOST_REQUESTS && !found && !own.end; count++) {
    const before = own.time ?? first?.time ?? new Date().toISOString();
    const answer = await get(withQuery("/api/lines", { container, before, limit: AT_ONCE }));
    if (stale()) return;
    const rows = engineRows(answer).filter((row) => !fits || fits(row));
    if (!own.told) {
      const how = isBeyond(search) ? "; the expression is not applied to them" : fits ? ", searched by this page" : "";
      pane.prepend([note(`Above: from the Engine's log, before the stages${how}`)]);
      own.told = true;
    }
    found = rows.length;
    own.time = answer.lines[0]?.time ?? before;
    own.end = !answer.more || !answer.lines.length || pane.prepend(rows) < rows.length;
    if (own.end && (!answer.more || !answer.lines.length)) {
      pane.prepend(rows.filter((row) => row.number === null));
      pane.prepend([note(answer.note || "The Engine's log begins here")]);
    }
  }
  if (!found && !own.end) pane.prepend([note(`None of ${exact(MOST_REQUESTS * AT_ONCE)} lines before matches, back to ${clock(seconds(own.time))}`)]);
}

/** The Engine's lines of a time, `search.since` to `search.until`, instead of those that come.
 * {text, busy, error, later, loadLater} */
export function useHistory(tail, search, container, active) {
  const [state, set] = useState({ text: "", busy: false, error: "", later: "", read: 0, matched: 0 });
  const { since, until } = search;
  const key = JSON.stringify([active, container, since, until, search.q, search.mode, search.level, search.marked]);
  const latest = useRef("");
  latest.current = key;
  useEffect(() => {
    if (!active) return;
    tail.current.clear();
    const text = `${clock(Number(since))} to ${until ? clock(Number(until)) : "now"}, from the Engine's log, before the stages`;
    const start = { text, busy: Boolean(container), error: "", later: "", read: 0, matched: 0 };
    set(container ? start : { ...start, error: "Choose one container: the Engine has a log for each." });
    if (container) load(start, { since, until: until || Math.ceil(Date.now() / 1000) });
  }, [key]);

  async function load(before, query) {
    const mine = key;
    set({ ...before, busy: true });
    try {
      const answer = await get(withQuery("/api/lines", { container, limit: MOST, ...query }));
      if (latest.current !== mine || !tail.current) return;
      const limit = until ? Number(until) : Infinity;
      const within = engineRows(answer).filter((row) => seconds(row.time) <= limit);
      const fits = fitsOf(search);
      const rows = fits ? within.filter(fits) : within;
      const { pane } = tail.current;
      const begins = !before.read;
      if (begins) pane.hold("reading");
      pane.append(rows);
      if (begins) pane.anchor = { number: pane.rows.first, offset: 0 };
      pane.tell();
      const last = answer.lines.at(-1)?.time;
      const goesOn = answer.more && last && seconds(last) <= limit;
      set({ ...before, busy: false, error: "", later: goesOn ? last : "", read: before.read + within.length, matched: before.matched + rows.length, searched: Boolean(fits), beyond: isBeyond(search) });
    } catch (error) {
      if (latest.current === mine) set({ ...before, busy: false, error: error.message });
    }
  }
  return { ...state, loadLater: () => load(state, { after: state.later }) };
}
