/** The parts of an opened line: its text, its fields, its way, and where it is. */
import { post, withQuery } from "../api.js";
import { cut, plain } from "./ansi.js";
import { Copy } from "./clipboard.js";
import { useJson } from "./hooks.js";
import { appendText, sizeText } from "./paint.js";
import { patiently } from "./patience.js";
import { link } from "./route.js";
import { Afresh, Steps } from "./steps.js";
import { byteLength, flat, jsonOf, ownFields, parsedFields, shown, whereEquals } from "./text.js";
import { exact, span } from "./units.js";
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./ui.js";

const MOST_SHOWN = 20_000;
const MOST_ALL = 262_144;
const MOST_EXPLAINED = 20;
const LONGEST_EXPLAINED = 16_384;
/** Seconds between two questions where an entry is. */
const REACH_EVERY = 2;

/** The text of a line as it is, colours and all. */
export function Message({ row }) {
  const element = useRef(null);
  const [all, setAll] = useState(false);
  const text = [row.entry.message ?? "", ...row.more].join("\n");
  const part = cut(text, all ? MOST_ALL : MOST_SHOWN);
  useLayoutEffect(() => {
    element.current.textContent = "";
    appendText(element.current, part.text);
  }, [part.text]);
  return html`<section>
    <div class="panel-head"><h3>Message</h3><span class="dim">${sizeText(byteLength(text))}</span><${Copy} quiet text=${text} /></div>
    <pre class="message" ref=${element} tabindex="0" aria-label="Message"></pre>
    ${part.cut && (all ? html`<p class="dim">The rest is not shown; it is copied.</p>` : html`<button type="button" onClick=${() => setAll(true)}>Show all</button>`)}
  </section>`;
}

/** Where the entry is: at which sinks, and where it waits. */
export function Reach({ id, sequence }) {
  const { data, error } = useJson(sequence === null || !id ? null : withQuery("/api/reach", { container: id, sequence }), REACH_EVERY);
  if (sequence === null)
    return html`<section><h3>At the sinks?</h3><p class="dim">A line of the Engine's log has no sequence number, so where it is cannot be told.</p></section>`;
  return html`<section>
    <div class="panel-head"><h3>At the sinks?</h3><span class="dim">entry ${exact(sequence)}${data ? `, ${exact(data.read)} read` : ""}</span></div>
    ${error && html`<p class=${error.status === 404 ? "dim" : "bad"}>${error.message}</p>`}
    ${!data && !error && html`<p class="dim">Asking the agent…</p>`}
    ${data && !data.sinks.length && html`<p class="dim">No route takes this container to a sink.</p>`}
    <ul class="reach">${data?.sinks.map((sink) => html`<${Sink} key=${`${sink.route} ${sink.sink}`} sink=${sink} />`)}</ul>
  </section>`;
}

const STATES = {
  settled: ["good", "✓", "done", "The sink is done with it: it has it, or a stage or a policy dropped it"],
  ahead: ["warn", "×", "does not wait", "A stage or a policy dropped it, or it was delivered sooner than those before it"],
  waiting: ["warn", "…", "waits", "The agent keeps it until the sink has taken it"],
  "on disk": ["good", "▤", "on disk", "It is safe in the sink's spool, or has left it: the agent need not read it again"],
  before: ["dim", "–", "not known", "It was read before the agent started, or before its log led to this sink"],
  unread: ["dim", "○", "not read yet", "The agent has not come to it"],
};

/** How many of the container the sink has dropped, and why. */
function droppedText({ dropped }) {
  const reasons = Object.entries(dropped ?? {}).map(([reason, count]) => `${exact(count)} (${reason})`);
  return reasons.length ? `; of the container it dropped ${reasons.join(", ")}` : "";
}

function Sink({ sink }) {
  const [tone, sign, word, title] = STATES[sink.state] ?? ["", "?", sink.state, ""];
  return html`<li title=${title}>
    <span class=${tone} aria-hidden="true">${sign}</span>
    <span><a title=${`The whole way: ${wayText(sink.way)}→${sink.sink}`} href=${link("logs", [], { route: sink.route, sink: sink.sink })}>${sink.route}→${sink.sink}</a></span>
    <span class=${tone}>${word}</span>
    ${sink.state === "waiting" && html`<span class="reach-why">${sink.waiting > 0 && `${exact(sink.waiting)} of the container wait, `}lag ${span(sink.lag)}${sink.problem && html`: <span class="bad">${sink.problem}</span>`}</span>`}
    ${sink.state === "ahead" && html`<span class="reach-why">dropped, or delivered sooner than those before it${droppedText(sink)}</span>`}
    ${sink.state !== "waiting" && sink.problem && html`<span class="reach-why bad">${sink.problem}</span>`}
  </li>`;
}

/** What the routes and their stages do with the line, by the running configuration. */
export function Explained({ row }) {
  const [state, set] = useState({ data: null, error: "" });
  const lines = [row.entry.message ?? "", ...row.more].join("\n").split("\n");
  useEffect(() => {
    const abort = new AbortController();
    set({ data: null, error: "" });
    const asked = lines.slice(0, MOST_EXPLAINED).map((text) => ({ text: cut(text, LONGEST_EXPLAINED).text, stream: row.stream || "stdout" }));
    patiently(() => post("/api/explain", { container: row.id, lines: asked }, abort.signal), abort.signal).then(
      (data) => set({ data, error: "" }),
      (error) => !abort.signal.aborted && set({ data: null, error: error.message }),
    );
    return () => abort.abort();
  }, [row]);
  const { data, error } = state;
  return html`<section>
    <div class="panel-head"><h3>What the stages do with it</h3></div>
    ${error && html`<p class="bad">${error}</p>`}
    ${!data && !error && html`<p class="dim">Asking the agent…</p>`}
    ${data && html`<${Ways} data=${data} id=${row.id} row=${row} count=${lines.length} />`}
  </section>`;
}

/** "all→errors" for a way as the agent writes it: "all>errors", or "all → errors". */
const wayText = (way) => way.replace(/\s*[>→]\s*/g, "→");

/** "papertrail", or "route errors" for what goes on there. */
const endText = ({ name, type }) => (type === "route" ? `route ${name.replace(/^route:/, "")}` : name);

function Ways({ data, row, count }) {
  const [line, setLine] = useState(0);
  const ways = data.lines[line]?.routes ?? [];
  const left = data.routes.filter((route) => !route.takes);
  const cutOff = byteLength(row.entry.message ?? "") > LONGEST_EXPLAINED;
  return html`
    ${!data.followed && html`<p class="warn">Not followed: ${data.reasons.join("; ")}</p>`}
    ${data.notes.map((note) => html`<p class="warn" key=${note}>${note}</p>`)}
    ${data.lines.length > 1 && html`<label class="which">Line <select value=${line} onChange=${(event) => setLine(Number(event.target.value))}>
      ${data.lines.map((one, index) => html`<option key=${index} value=${index}>${index + 1}: ${plain(one.line.slice(0, 50))}</option>`)}</select>${count > data.lines.length && ` of ${count}; the first ${data.lines.length} were explained`}</label>`}
    ${ways.map((way) => html`<div class="way" key=${way.route}>
      <${WayTitle} way=${way} id=${row.id} />
      <${Steps} stages=${way.stages} afresh=${data.afresh ?? []} />
    </div>`)}
    ${!ways.length && data.followed && html`<p class="dim">No route takes its lines.</p>`}
    ${left.length > 0 && html`<details><summary>${left.length === 1 ? "One route does" : `${left.length} routes do`} not take the container</summary>
      <ul class="left">${left.map((route) => html`<li key=${route.name}><b>${route.name}</b> ${route.reasons.join("; ")}</li>`)}</ul></details>`}
    <${Afresh} names=${data.afresh} />
    <p class="dim">Run now, by the running configuration, on the text shown here${row.origin === "tap" ? ", which is as the stages left it" : ""}${cutOff ? `; of a long line the first ${sizeText(LONGEST_EXPLAINED)}` : ""}.</p>`;
}

/** "all→errors→papertrail", with a link to the last route. */
function WayTitle({ way, id }) {
  const routes = wayText(way.route).split("→");
  const last = routes.pop();
  return html`<h4>${routes.length > 0 && html`<span class="dim">${routes.join("→")}→</span>`}<a href=${link("try", [last], { c: id })} title="Try other stages on lines of this container">${last}</a>
    <span class=${way.entry ? "good" : "warn"}>${way.entry ? `→${way.to.map(endText).join(", ") || "no sink"}` : "→nothing"}</span></h4>`;
}

/** All fields, with a filter and a copy for each. filter(part) changes the search, if there is one. */
export function Fields({ row, filter }) {
  const variants = [{ text: row.places[0] ? where(row.places[0]) : "", entry: row.entry }, ...row.places.filter((place) => place.entry).map((place) => ({ text: where(place), entry: place.entry }))];
  const [chosen, choose] = useState(0);
  const { entry } = variants[Math.min(chosen, variants.length - 1)];
  const { found, own, unparsed } = useMemo(() => fieldsOf(entry), [entry]);
  return html`<section>
    <div class="panel-head"><h3>Fields</h3>
      ${variants.length > 1 && html`<label class="which">at <select value=${chosen} onChange=${(event) => choose(Number(event.target.value))}>${variants.map((one, index) => html`<option key=${index} value=${index}>${one.text}</option>`)}</select></label>`}
      <${Copy} quiet label="Copy as JSON" text=${() => JSON.stringify(entry, null, 2)} /></div>
    ${!found.length && html`<p class="dim">No stage has found fields in it, and it is no object in JSON.</p>`}
    ${unparsed && html`<p class="dim">Read from the message here; no stage has parsed it.</p>`}
    ${found.length > 0 && html`<${FieldTable} label="Fields" fields=${found} filter=${filter} expression=${whereEquals} />`}
    <details><summary>${own.length} of the agent's own: container, host, sequence number</summary>
      <${FieldTable} label="The agent's own fields" fields=${own} filter=${filter} expression=${ownWhere} /></details>
  </section>`;
}

const where = (place) => [place.route, place.sink ?? place.stage].filter(Boolean).join("→");

function fieldsOf(entry) {
  const parsed = parsedFields(entry);
  const object = parsed.length ? null : jsonOf(entry.message ?? "");
  return { found: object ? flat(object) : parsed, own: ownFields(entry), unparsed: Boolean(object) };
}

/** An expression for the fields of the agent's own that have one. */
function ownWhere({ name, value }) {
  const known = ["stream", "container.name", "container.id", "host.name"];
  if (!known.includes(name)) return "";
  return `${name === "host.name" ? "container.host" : name} == ${JSON.stringify(value)}`;
}

function FieldTable({ label, fields, filter, expression }) {
  return html`<table class="fields"><caption class="hidden">${label}</caption><thead class="hidden"><tr><th scope="col">Field</th><th scope="col">Value</th><th scope="col">Do</th></tr></thead>
    <tbody>${fields.map((field, index) => {
      const text = shown(field.value);
      const asked = filter ? expression(field) : "";
      return html`<tr key=${index}><th scope="row">${plain(field.name)}</th><td>${plain(text.slice(0, 4000))}${text.length > 4000 && "…"}</td>
        <td class="field-do">${asked && html`<button type="button" class="quiet" title=${`Lines with ${asked}`} aria-label=${`filter: lines with this ${plain(field.name)}`} onClick=${() => filter({ where: asked })}>filter</button>`}<${Copy} quiet label="copy" title=${`Copy ${plain(field.name)}`} text=${text} /></td></tr>`;
    })}</tbody></table>`;
}
