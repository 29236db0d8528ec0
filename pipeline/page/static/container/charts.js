/** Charts of a container, one below the other on one time axis. */
import { Chart, Readings } from "../lib/chart.js";
import { addLive, createLive, withLive } from "../lib/live.js";
import { link } from "../lib/route.js";
import { html, useRef } from "../lib/ui.js";
import { byteRate, bytes, cores, rate, span } from "../lib/units.js";

const CHARTS = [
  { title: "Lines", format: rate, series: [["lines", "", "--accent"]] },
  { title: "Lag", format: span, series: [["lag", "", "--warn"]] },
  { title: "CPU, of one core", stats: true, format: cores, series: [["cpu", "", "--accent"]] },
  { title: "Memory", stats: true, format: bytes, limited: true, series: [["memory", "", "--accent"]] },
  { title: "Network", stats: true, format: byteRate, series: [["receive", "in", "--accent"], ["transmit", "out", "--good", [4, 3]]] },
  { title: "Disk", stats: true, format: byteRate, series: [["disk", "", "--accent"]] },
];

const sum = (one, other) => (one === null && other === null ? null : (one ?? 0) + (other ?? 0));

/** A row's figures under the names of /api/history. */
const figuresOf = (row) => ({ ...pick(row), lines: row.lines_per_second, disk: sum(row.read, row.write) });

const pick = ({ lag, cpu, memory, receive, transmit }) => ({ lag, cpu, memory, receive, transmit });

export function Charts({ history, row, now, graph, marks, go }) {
  const live = useRef(createLive());
  addLive(live.current, row.id, now.time, figuresOf(row));
  const { times, of } = withLive(live.current, history, history.containers[row.id] ?? {});
  const off = graph?.stats_every === 0;
  const measured = ([name]) => of(name).some((value) => value != null);
  const charts = CHARTS.filter(({ stats, series }) => !stats || series.some(measured)); // the facts say what is not
  const lines = (since, until) => link("logs", [], { c: row.name || row.id, since: Math.floor(since), until: Math.ceil(until) });
  const columns = charts.flatMap(({ title, format, series }) =>
    series.map(([name, label]) => ({ title: label ? `${title} ${label}` : title, values: of(name), format })));
  return html`<section class="c-charts" aria-labelledby="charts">
    <h3 id="charts">The last hour <span class="dim hint">· drag over a stretch to see the lines of then</span></h3>
    ${off && html`<p class="dim">Stats are off in the configuration: CPU, memory, network and disk are not read.</p>`}
    ${!off && row.cpu === null && row.memory === null && html`<p class="dim">${row.state === "running" ? "No stats of it have come yet." : "It does not run: the Engine has no stats of it."}</p>`}
    ${charts.map(({ title, format, series, limited }, index) => html`<${Chart} key=${title} group="container" height=${92}
      ...${{ title, times, format, marks }} named=${index === 0}
      limit=${limited && row.memory_limit ? { value: row.memory_limit, label: "limit" } : null}
      onSelect=${(since, until) => go(lines(since, until))}
      series=${series.map(([name, label, color, dash]) => ({ label, color, dash, values: of(name) }))} />`)}
    <${Readings} label="Readings of ${row.name}" times=${times} columns=${columns}
      linkOf=${(time) => lines(time - history.every, time + history.every)} />
  </section>`;
}
