/** The columns of the table of containers. */
import { link } from "../lib/route.js";
import { Spark } from "../lib/spark.js";
import { html } from "../lib/ui.js";
import { byteRate, bytes, cores, count, rate, span } from "../lib/units.js";
import { notesOf, shortStateOf, stateOf } from "./rows.js";

const LATE = 5;
const sum = (one, other) => (one === null && other === null ? null : (one ?? 0) + (other ?? 0));

/** What is nothing stands back. */
const zero = (value, text) => (value ? text : html`<span class="dim">${text}</span>`);

function State({ row, short }) {
  const bad = row.health === "unhealthy" || row.state === "dead" || row.state === "restarting";
  const sign = bad ? "!" : row.state === "running" ? "●" : "○";
  return html`<span class=${bad ? "bad" : row.state === "running" ? "" : "dim"} title=${short ? stateOf(row) : null}>
    <span class=${bad ? "" : row.state === "running" ? "good" : ""} aria-hidden="true">${sign}</span> ${short ? shortStateOf(row) : stateOf(row)}
  </span>`;
}

const textOf = (row, between) => notesOf(row).map(({ text }) => text).join(between);

function Memory({ row }) {
  if (!row.memory_limit) return bytes(row.memory);
  const part = row.memory / row.memory_limit;
  return html`<span class=${part > 0.9 ? "bad" : part > 0.75 ? "warn" : ""} title="of ${bytes(row.memory_limit)}">${bytes(row.memory)}
    <span class="dim"> ${Math.round(part * 100)}%</span></span>`;
}

/**
 * {key, title, width (px), narrow (px on a phone), value(row) to sort by, cell(row, about)};
 * `num`: to the right, and the highest first; `wide`, `widest`: only where there is room. `about`:
 * {spark: readings or null, short: it is a phone, hub}.
 */
export const COLUMNS = [
  { key: "name", title: "Name", width: 210, value: (row) => row.name,
    cell: (row, { short, hub }) => html`<a href=${link("c", [row.name || row.id])} tabindex="-1" title=${row.name}>${row.name || row.id.slice(0, 12)}</a>${short && hub && row.host && html` <span class="dim">${row.host}</span>`}` },
  { key: "host", title: "Host", width: 90, hub: true, wide: true, value: (row) => row.host, cell: (row) => row.host },
  { key: "state", title: "State", width: 150, narrow: 84, value: stateOf, cell: (row, { short }) => html`<${State} row=${row} short=${short} />` },
  { key: "lines", title: "Lines/s", width: 74, narrow: 70, num: true, value: (row) => row.lines_per_second, cell: (row) => zero(row.lines_per_second, rate(row.lines_per_second).replace("/s", "")) },
  { key: "spark", title: "20 min", width: 84, wide: true, plain: true, cell: (row, { spark }) => spark && html`<${Spark} values=${spark} />` },
  { key: "cpu", title: "CPU", width: 64, num: true, wide: true, value: (row) => row.cpu, cell: (row) => cores(row.cpu) },
  { key: "memory", title: "Memory", width: 108, num: true, wide: true, value: (row) => row.memory, cell: (row) => html`<${Memory} row=${row} />` },
  { key: "net", title: "Network", width: 84, num: true, wide: true, value: (row) => sum(row.receive, row.transmit), cell: (row) => byteRate(sum(row.receive, row.transmit)) },
  { key: "lag", title: "Lag", width: 60, num: true, wide: true, value: (row) => row.lag, cell: (row) => html`<span class=${row.lag > LATE ? "warn" : row.lag < 1 ? "dim" : ""}>${span(row.lag)}</span>` },
  { key: "dropped", title: "Dropped", width: 72, narrow: 76, num: true, value: (row) => row.dropped,
    cell: (row) => row.dropped >= 1 ? html`<a class="warn" tabindex="-1" href=${link("logs", [], { c: row.name, show: "dropped" })}>${count(row.dropped)}</a>` : zero(row.dropped, count(row.dropped)) },
  { key: "restarts", title: "Restarts", width: 72, num: true, wide: true, value: (row) => row.restarts, cell: (row) => zero(row.restarts, count(row.restarts)) },
  { key: "project", title: "Project", width: 90, widest: true, value: (row) => row.project || null, cell: (row) => row.project },
  { key: "image", title: "Image", width: 190, widest: true, value: (row) => row.image, cell: (row) => html`<span class="dim">${row.image}</span>`, hint: (row) => row.image },
  { key: "note", title: "Notes", wide: true, value: (row) => textOf(row, "; ") || null, hint: (row) => textOf(row, "\n"),
    cell: (row) => notesOf(row).map(({ text, wrong }, index) => html`<span key=${text} class=${wrong ? "warn" : "dim"}>${index ? "; " : ""}${text}</span>`) },
];
