/** The lines of all or some containers, as they come. */
import { note } from "../lib/feed.js";
import { useClock, useKeys } from "../lib/hooks.js";
import { Nothing, Status, Toolbar } from "../lib/logs_bar.js";
import { fitsOf, isBeyond, useHistory, useOlder } from "../lib/older.js";
import { finder } from "../lib/paint.js";
import { placeText } from "../lib/row_view.js";
import { isSearching, readSearch, searchAddress, tapPath } from "../lib/search.js";
import { createTail } from "../lib/tail.js";
import { both } from "../lib/text.js";
import { exact } from "../lib/units.js";
import { html, useEffect, useMemo, useRef, useState } from "../lib/ui.js";
import { LinePanel } from "./line.js";

const LOOK = "dockline.lines";
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
    <${Toolbar} ...${{ search, change, look, setLook }} only=${lines.only} download=${() => download(tail.current.pane, graph)}
      paused=${pane.held === "paused"} togglePause=${history ? null : () => tail.current.pane.toggle()} />
    <div class="logs-said">
      <${Status} facts=${facts} pane=${pane} searching=${isSearching(search)} search=${search} now=${time} history=${lines.history} />
      ${lines.only && !lines.older.end && html`<button type="button" class="quiet" disabled=${lines.older.busy} onClick=${lines.older.load}>${lines.older.busy ? "Asking the Engine…" : "Older lines"}</button>`}
      ${lines.history?.later && html`<button type="button" class="quiet" disabled=${lines.history.busy} onClick=${lines.history.loadLater}>Later lines</button>`}
      ${history && html`<button type="button" class="quiet" onClick=${() => change({ since: "", until: "" })}>Live lines</button>`}
      ${!empty && !history && html`<button type="button" class="quiet" onClick=${() => tail.current.clear()}>Clear</button>`}
    </div>
    ${facts.state.state === "refused" && !empty && html`<p class="logs-refused" role="alert">${facts.state.text}</p>`}
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
  const latest = useRef(null);
  const only = search.containers.length === 1 && !/[*?[]/.test(search.containers[0]) ? search.containers[0] : "";
  const active = Boolean(search.since);

  useEffect(() => {
    const opened = (row) => setOpen({ row, key: `${row.id} ${row.time} ${row.number}` });
    tail.current = createTail(element.current, { told, opened, top: () => latest.current(), report });
    element.current.querySelector(".pane-scroll").focus({ preventScroll: true });
    return () => {
      tail.current.close();
      tail.current = null;
    };
  }, []);

  useEffect(() => {
    tail.current.pane.set({ ...look, find: finder(search.q, search.mode) });
  }, [look, search.q, search.mode]);

  const path = tapPath(search);
  const before = useRef(null);
  useEffect(() => {
    const old = before.current;
    before.current = search;
    if (active) return undefined;
    keepMatching(tail.current, old, search);
    tail.current.open(path);
    return () => tail.current?.shut();
  }, [path, active]);

  const history = useHistory(tail, search, only, active);
  const older = useOlder(tail, only, search, `${path} ${search.since} ${search.until}`);
  latest.current = older.load;
  return { element, tail, facts, pane, only, older, history: active ? history : null };
}

/** Of the lines that are kept, those stay that fit another text or level; for another choice of
 * containers or places all go. */
function keepMatching(tail, old, search) {
  if (!old) return;
  const place = ({ containers, route, sink, dropped }) => JSON.stringify([containers, route, sink, dropped]);
  if (place(old) !== place(search) || isBeyond(search) || old.since) return void tail.clear();
  const fits = fitsOf(search) ?? ((row) => !row.note);
  tail.pane.filter(fits);
  if (tail.pane.state.kept) tail.pane.push(note(`From here on: ${described(search)}`));
}

const described = ({ q, level, marked }) =>
  [q && !marked ? `lines that match ${q}` : "all lines", level && `${level} and worse`].filter(Boolean).join(", ");

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
