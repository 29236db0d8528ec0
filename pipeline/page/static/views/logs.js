/** The lines of all or some containers, as they come. */
import { get, withQuery } from "../api.js";
import { engineRows, note } from "../lib/feed.js";
import { useClock, useKeys } from "../lib/hooks.js";
import { Nothing, Status, Toolbar } from "../lib/logs_bar.js";
import { finder } from "../lib/paint.js";
import { placeText } from "../lib/row_view.js";
import { isSearching, readSearch, searchAddress, tapPath } from "../lib/search.js";
import { createTail } from "../lib/tail.js";
import { both, LEVELS, sentence } from "../lib/text.js";
import { seconds } from "../lib/times.js";
import { clock, exact } from "../lib/units.js";
import { html, useEffect, useMemo, useRef, useState } from "../lib/ui.js";
import { LinePanel } from "./line.js";

const LOOK = "dockline.lines";
const MOST_THEN = 500;
const START = { state: { state: "away", since: 0, text: "", first: true }, sampled: null, hidden: 0, searched: null, idle: false, read: 0 };
const EMPTY = { held: "", below: 0, gone: 0, kept: 0, bytes: 0, selected: null };

export default function Logs({ route, go, graph, now }) {
  const search = useMemo(() => readSearch(route.query), [route.query.toString()]);
  const history = Boolean(search.since);
  const [look, setLook] = useLook();
  const [open, setOpen] = useState(null);
  const lines = useLines(search, look, setOpen);
  const { tail, facts, pane } = lines;
  const time = useClock(facts.state.state === "away");
  const change = (part) => go(searchAddress({ ...search, ...part }), true);
  const close = () => {
    setOpen(null);
    element.current?.querySelector(".pane-scroll")?.focus({ preventScroll: true });
  };
  const element = useRef(null);
  useKeys((event) => {
    if (event.key === "Escape") return open ? (close(), true) : pane.held ? (tail.current.pane.follow(), true) : false;
    if (event.key === "w") return setLook({ wrap: !look.wrap }), true;
    if (document.querySelector("dialog[open], .picker")) return false;
    return tail.current?.pane.key(event) ?? false;
  });
  const filter = (part) => change(part.where ? { mode: "where", q: search.mode === "where" ? both(search.q, part.where) : part.where, marked: false } : part);
  const empty = pane.kept === 0;
  return html`<section class="logs" ref=${element} aria-label="Logs">
    <h2 class="hidden">Logs</h2>
    <${Toolbar} ...${{ search, change, graph, look, setLook }} pane=${pane} download=${() => download(tail.current.pane, graph)}
      paused=${pane.held === "paused"} togglePause=${history ? null : () => tail.current.pane.toggle()} />
    <div class="logs-said">
      <${Status} facts=${facts} pane=${pane} searching=${isSearching(search)} search=${search} now=${time} history=${lines.history} />
      ${lines.older && html`<button type="button" class="quiet" disabled=${lines.busy} onClick=${lines.loadOlder}>${lines.busy ? "Asking the Engine…" : "Older lines"}</button>`}
      ${lines.history?.later && html`<button type="button" class="quiet" disabled=${lines.history.busy} onClick=${lines.history.loadLater}>Later lines</button>`}
      ${history && html`<button type="button" class="quiet" onClick=${() => change({ since: "", until: "" })}>Live lines</button>`}
      ${!empty && !history && html`<button type="button" class="quiet" onClick=${() => tail.current.clear()}>Clear</button>`}
    </div>
    ${facts.state.state === "refused" && !empty && html`<p class="logs-refused" role="alert">${sentence(facts.state.text)}</p>`}
    <div class=${`logs-body${open ? " with-panel" : ""}`}>
      <div class="logs-pane">
        <div class="pane" ref=${lines.element}></div>
        ${empty && html`<div class="pane-empty empty"><${Nothing} facts=${facts} search=${search} searching=${isSearching(search)} history=${lines.history} graph=${graph} totals=${now?.totals} /></div>`}
        ${pane.held && html`<button type="button" class="pane-below" onClick=${() => tail.current.pane.follow()} title="End">
          ${pane.below ? `${exact(pane.below)} new ${pane.below === 1 ? "line" : "lines"} below` : "To the end"} <span aria-hidden="true">↓</span></button>`}
      </div>
      ${open && html`<${LinePanel} key=${open.key} row=${open.row} close=${close} go=${go} graph=${graph} filter=${filter} />`}
    </div>
  </section>`;
}

/** How lines look, as this browser last had it. */
function useLook() {
  const [look, set] = useState(() => {
    const usual = { wrap: innerWidth < 700, times: "local", fold: true };
    try {
      return { ...usual, ...JSON.parse(localStorage.getItem(LOOK) ?? "{}") };
    } catch {
      return usual;
    }
  });
  const change = (part) => {
    const next = { ...look, ...part };
    try {
      localStorage.setItem(LOOK, JSON.stringify(next));
    } catch {
      // Kept for this tab only.
    }
    set(next);
  };
  return [look, change];
}

/** The pane, its stream, and older lines: all that lives longer than one rendering. */
function useLines(search, look, setOpen) {
  const element = useRef(null);
  const tail = useRef(null);
  const [facts, told] = useState(START);
  const [pane, report] = useState(EMPTY);
  const [older, setOlder] = useState({ busy: false, end: false, error: "" });
  const latest = useRef({});
  const only = search.containers.length === 1 && !/[*?[]/.test(search.containers[0]) ? search.containers[0] : "";
  const history = Boolean(search.since);

  useEffect(() => {
    const opened = (row) => setOpen({ row, key: `${row.id} ${row.time} ${row.number}` });
    const top = () => latest.current.loadOlder?.();
    tail.current = createTail(element.current, { told, opened, top, report });
    element.current.querySelector(".pane-scroll").focus({ preventScroll: true });
    return () => tail.current.close();
  }, []);

  useEffect(() => {
    tail.current.pane.set({ ...look, find: finder(search.q, search.mode) });
  }, [look, search.q, search.mode]);

  const path = tapPath(search);
  const before = useRef(null);
  useEffect(() => {
    if (history) return undefined;
    keepMatching(tail.current, before.current, search);
    before.current = search;
    setOlder({ busy: false, end: false, error: "" });
    tail.current.open(path);
    return () => tail.current?.shut();
  }, [path, history]);

  const then = useHistory(tail, search, only, history);

  const loadOlder = async () => {
    const { pane: kept } = tail.current;
    const first = [...kept.rows].find((row) => !row.note) ?? kept.waiting[0];
    if (!only || older.busy || older.end) return;
    setOlder({ ...older, busy: true });
    try {
      const answer = await get(withQuery("/api/lines", { container: only, before: first?.time ?? new Date().toISOString(), limit: 200 }));
      const rows = engineRows(answer);
      const words = history ? [] : [note("Above: from the Engine's log, before the stages and without the search")];
      const marked = [...kept.rows].some((row) => row.origin === "engine") ? rows : [...rows, ...words];
      if (kept.follows) kept.hold("reading");
      const room = kept.prepend(marked);
      if (!answer.more || !rows.length) kept.prepend([note(answer.note || "The Engine's log begins here")]);
      setOlder({ busy: false, end: !answer.more || !rows.length || room < marked.length, error: "" });
    } catch (error) {
      if (kept.rows.length) kept.prepend([note(sentence(error.message), "bad")]);
      setOlder({ busy: false, end: error.status >= 400 && error.status < 500, error: error.message });
    }
  };
  latest.current.loadOlder = loadOlder;
  return { element, tail, facts, pane, history: history ? then : null, older: Boolean(only) && !older.end, busy: older.busy, loadOlder };
}

/** Of the lines that are kept, those stay that fit another text or level; for another choice of
 * containers or places all go. */
function keepMatching(tail, old, search) {
  if (!old) return;
  const place = ({ containers, route, sink, dropped }) => JSON.stringify([containers, route, sink, dropped]);
  const unknown = search.mode === "where" && search.q && !search.marked;
  if (place(old) !== place(search) || unknown || old.since) return void tail.clear();
  const find = search.marked ? null : finder(search.q, search.mode);
  const worst = search.level ? LEVELS.indexOf(search.level) : LEVELS.length;
  const fits = (row) => !row.note && (!find || matches(find, row)) && (!search.level || (row.level && LEVELS.indexOf(row.level) <= worst));
  tail.pane.filter(fits);
  if (tail.pane.state.kept) tail.pane.push(note(`From here on: ${described(search)}`));
}

function matches(find, row) {
  find.lastIndex = 0;
  return find.test(row.entry.message ?? "");
}

const described = ({ q, level, marked }) =>
  [q && !marked ? `lines that match ${q}` : "all lines", level && `${level} and worse`].filter(Boolean).join(", ");

/** The Engine's lines of a time, instead of those that come. {text, busy, error} */
function useHistory(tail, search, only, history) {
  const [state, set] = useState({ text: "", busy: false, error: "" });
  useEffect(() => {
    if (!history) return undefined;
    const abort = new AbortController();
    tail.current.clear();
    const text = `${clock(Number(search.since))} to ${search.until ? clock(Number(search.until)) : "now"}, from the Engine's log, before the stages`;
    if (!only) {
      set({ text, busy: false, error: "Choose one container: the Engine has a log for each." });
      return undefined;
    }
    set({ text, busy: true, error: "" });
    loadBetween(only, search, abort.signal, (answer) => {
      const rows = engineRows(answer);
      if (tail.current.pane.follows) tail.current.pane.held = "reading";
      tail.current.pane.prepend(rows);
      tail.current.pane.anchor = { number: tail.current.pane.rows.first, offset: 0 };
      tail.current.pane.tell();
      set({ text, busy: false, error: "", later: answer.more ? rows.at(-1)?.time : "" });
    }).catch((error) => !abort.signal.aborted && set({ text, busy: false, error: error.message }));
    return () => abort.abort();
  }, [history, only, search.since, search.until]);
  const loadLater = async () => {
    set({ ...state, busy: true });
    try {
      const answer = await get(withQuery("/api/lines", { container: only, after: state.later, limit: MOST_THEN }));
      const until = search.until ? Number(search.until) : Infinity;
      const rows = engineRows(answer).filter((row) => seconds(row.time) <= until);
      const { pane } = tail.current;
      pane.append(rows);
      set({ ...state, busy: false, later: answer.more && rows.length === answer.lines.length ? rows.at(-1)?.time : "" });
    } catch (error) {
      set({ ...state, busy: false, error: error.message });
    }
  };
  return { ...state, loadLater };
}

async function loadBetween(container, { since, until }, signal, found) {
  const query = { container, since, until: until || Date.now() / 1000, limit: MOST_THEN };
  found(await get(withQuery("/api/lines", query), signal));
}

/** Saves the rows that are kept as JSON lines: entries, each with where it was seen. */
function download(pane, graph) {
  const rows = [...pane.rows, ...pane.waiting].filter((row) => !row.note);
  const texts = rows.map((row) => {
    const message = [row.entry.message, ...row.more].join("\n");
    return JSON.stringify({ ...row.entry, message, seen: row.places.map(placeText) }) + "\n";
  });
  const address = URL.createObjectURL(new Blob(texts, { type: "application/x-ndjson" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = `${graph?.host || "dockline"}-${new Date().toISOString().slice(0, 19).replace(/[-:]/g, "")}.jsonl`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
