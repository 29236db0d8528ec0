/** One line: beside the others, and by its own link with the lines around it. */
import { get, withQuery } from "../api.js";
import { plain } from "../lib/ansi.js";
import { Copy } from "../lib/clipboard.js";
import { engineRows, note } from "../lib/feed.js";
import { useKeys } from "../lib/hooks.js";
import { Explained, Fields, Message, Reach } from "../lib/line_parts.js";
import { LogPane } from "../lib/log_pane.js";
import { link } from "../lib/route.js";
import { fullTime } from "../lib/times.js";
import { html, useEffect, useRef, useState } from "../lib/ui.js";

/** The address of a line: its container, its sequence number, and its time. */
const lineAddress = (row) => link("c", [row.id, String(row.sequence)], { t: row.time });

/** The panel of a row. filter(part) changes the search beside it; without one fields have none. */
export function LinePanel({ row, close, filter = null, linked = false }) {
  const element = useRef(null);
  useEffect(() => {
    if (close) element.current.focus({ preventScroll: true });
  }, []);
  const has = row.sequence !== null && row.sequence !== undefined;
  return html`<aside class="panel" aria-label="Line" tabindex="-1" ref=${element}>
    <header class="panel-top">
      <div class="panel-title"><h2 class="cut" title=${plain(row.name)}><a href=${link("c", [row.name || row.id])}>${plain(row.name) || row.id.slice(0, 12)}</a></h2>
        ${row.level && html`<span class=${`tag lv-${row.level}`}>${row.level}${row.guessed ? " (guessed)" : ""}</span>`}
        ${row.stream && html`<span class="dim">${row.stream}</span>`}</div>
      ${close && html`<button type="button" class="quiet" onClick=${close} title="Esc">Close</button>`}
      <p class="dim panel-time">${fullTime(row.time)}</p>
      <div class="panel-do">
        ${has && !linked && html`<a class="button" href=${lineAddress(row)}>Lines around it</a>`}
        ${!has && html`<a class="button" href=${link("c", [row.id, "-"], { t: row.time })}>Lines around it</a>`}
        ${has && html`<${Copy} label="Copy link" title="A link to this line, for who has a token" text=${() => location.origin + location.pathname + lineAddress(row)} />`}
      </div>
    </header>
    <div class="panel-parts" tabindex="0" role="group" aria-label="About the line">
      ${row.places.some((place) => place.dropped) && html`<${Dropped} row=${row} />`}
      <${Message} row=${row} />
      <${Reach} id=${row.id} sequence=${has ? row.sequence : null} />
      <${Explained} row=${row} />
      <${Fields} row=${row} filter=${filter} />
    </div>
  </aside>`;
}

/** Why it was dropped, as the stream of dropped lines told. */
function Dropped({ row }) {
  return html`<section><h3>Dropped</h3><ul class="reach">${row.places.filter((place) => place.dropped).map((place, index) => html`<li key=${index}>
    <span class="warn" aria-hidden="true">×</span><span>${[place.route, place.sink].filter(Boolean).join("→")}${place.stage && html` <b>${place.stage}</b>`}</span><span class="warn">${place.dropped}</span>
    ${place.because && html`<span class="reach-why bad">${place.because}</span>`}</li>`)}</ul></section>`;
}

/** `#/c/ID/SEQUENCE?t=TIME`: a line in its surroundings, as the Engine's log has them. */
export default function LinkedLine({ route, go }) {
  const [id, number] = route.path;
  const time = route.query.get("t") ?? "";
  const sequence = /^\d{1,15}$/.test(number) ? Number(number) : null;
  const [row, setRow] = useState(null);
  const [said, say] = useState("Asking the Engine for its log…");
  const [empty, setEmpty] = useState(true);
  const element = useRef(null);
  const pane = useRef(null);
  useEffect(() => {
    const abort = new AbortController();
    setRow(null);
    setEmpty(true);
    pane.current = paneOf(element.current, { id, sequence, time, setRow, say, signal: abort.signal, report: (state) => setEmpty(!state.kept) });
    return () => {
      abort.abort();
      pane.current.destroy();
    };
  }, [id, number, time]);
  useKeys((event) => {
    if (event.key === "w") return pane.current.set({ wrap: !pane.current.look.wrap }), true;
    if (event.key === " " || event.key === "G") return false;
    return pane.current.key(event);
  });
  return html`<section class="logs linked" aria-label="A line and those around it">
    <div class="logs-said"><h2>${sequence === null ? "A line" : `Line ${sequence}`} and those around it</h2><span class="logs-status"><span class="dim" title=${said}>${said}</span></span>
      <button type="button" class="quiet" onClick=${() => go(link("logs", [], { c: row?.name || id }))}>Live lines</button></div>
    <div class="logs-body with-panel">
      <div class="logs-pane"><div class="pane" ref=${element}></div>
        ${empty && html`<div class="pane-empty empty"><p>${said}</p></div>`}</div>
      ${row && html`<${LinePanel} key=${row.number} row=${row} linked=${row.sequence !== null} />`}
      ${!row && html`<aside class="panel" aria-label="Line"><div class="panel-parts"><${Reach} id=${id} sequence=${sequence} /></div></aside>`}
    </div>
  </section>`;
}

/** A pane with the lines around a time; more come when its ends are reached. */
function paneOf(element, { id, sequence, time, setRow, say, signal, report }) {
  let busy = false;
  let end = false;
  const pane = new LogPane(element, { pull: () => false, opened: setRow, top: () => older(), forget() {}, report });
  pane.set({ wrap: innerWidth < 700 });
  const ask = async (query, use) => {
    if (busy) return;
    busy = true;
    try {
      use(await get(withQuery("/api/lines", { container: id, limit: 200, ...query }), signal));
    } catch (error) {
      if (!signal.aborted) say(error.message);
    } finally {
      busy = false;
    }
  };
  const older = () => {
    const first = [...pane.rows].find((row) => !row.note);
    if (!first || end) return;
    ask({ before: first.time }, (answer) => {
      end = !answer.more || !answer.lines.length;
      pane.prepend(end ? [note(answer.note || "The Engine's log begins here"), ...engineRows(answer)] : engineRows(answer));
    });
  };
  if (!time) say("The link has no time, so the lines around it cannot be found.");
  else
    ask({ around: time, limit: 400 }, (answer) => {
      const rows = engineRows(answer);
      for (const row of rows) pane.push(row);
      const own = rows.find((row) => row.time === time);
      if (own) {
        own.sequence = sequence;
        setRow(own);
      }
      pane.lay();
      pane.held = "reading";
      const near = own ?? rows.find((row) => row.time > time) ?? rows.at(-1);
      if (near) pane.reveal(near.number, Boolean(own));
      say(own ? `From the Engine's log, before the stages${answer.note ? `; ${answer.note}` : ""}` : rows.length ? "The Engine's log has no line of that time; these are the nearest." : answer.note || "The Engine's log has no lines of that time.");
    });
  return pane;
}

