/** Charts of a container, one below the other on one time axis. */
import { Chart, Readings, timesOf } from "../lib/chart.js";
import { link } from "../lib/route.js";
import { html } from "../lib/ui.js";
import { byteRate, bytes, cores, rate, span } from "../lib/units.js";

const CHARTS = [
  { title: "Lines", format: rate, series: [["lines", "", "--accent", (row) => row.lines_per_second]] },
  { title: "Lag", format: span, least: 1, series: [["lag", "", "--warn", (row) => row.lag]] },
  { title: "CPU, of one core", stats: true, format: cores, series: [["cpu", "", "--accent", (row) => row.cpu]] },
  { title: "Memory", stats: true, format: bytes, limited: true, series: [["memory", "", "--accent", (row) => row.memory]] },
  { title: "Network", stats: true, format: byteRate, series: [["receive", "in", "--accent", (row) => row.receive], ["transmit", "out", "--good", (row) => row.transmit, [4, 3]]] },
  { title: "Disk", stats: true, format: byteRate, series: [["disk", "", "--accent", (row) => sum(row.read, row.write)]] },
];

const sum = (one, other) => (one === null && other === null ? null : (one ?? 0) + (other ?? 0));

/** Readings of the agent, and after them the figures of now. */
function readings(history, row, now) {
  const known = history.containers[row.id] ?? {};
  const length = Math.max(0, ...Object.values(known).map((values) => values.length));
  const live = now.time > history.end;
  const times = timesOf(history, length);
  return {
    times: live ? [...times, now.time] : times,
    of: (name, value) => {
      const values = known[name] ?? times.map(() => null);
      return live ? [...values, value(row) ?? null] : values;
    },
  };
}

export function Charts({ history, row, now, graph, marks, go }) {
  const { times, of } = readings(history, row, now);
  const off = graph?.stats_every === 0;
  const charts = CHARTS.filter(({ stats }) => !stats || !off);
  const lines = (since, until) => link("logs", [], { c: row.name || row.id, since: Math.floor(since), until: Math.ceil(until) });
  const columns = charts.flatMap(({ title, format, series }) =>
    series.map(([name, label, , value]) => ({ title: label ? `${title} ${label}` : title, values: of(name, value), format })));
  return html`<section class="c-charts" aria-labelledby="charts">
    <h3 id="charts">The last hour <span class="dim hint">· drag over a stretch to see the lines of then</span></h3>
    ${off && html`<p class="dim">Stats are off in the configuration: CPU, memory, network and disk are not read.</p>`}
    ${!off && row.cpu === null && html`<p class="dim">${row.state === "running" ? "No stats of it have come yet." : "It does not run: the Engine has no stats of it."}</p>`}
    ${charts.map(({ title, format, series, limited, least }, index) => html`<${Chart} key=${title} group="container" height=${92}
      ...${{ title, times, format, marks, least }} named=${index === 0}
      limit=${limited && row.memory_limit ? { value: row.memory_limit, label: "limit" } : null}
      onSelect=${(since, until) => go(lines(since, until))}
      series=${series.map(([name, label, color, value, dash]) => ({ label, color, dash, values: of(name, value) }))} />`)}
    <${Readings} label="Readings of ${row.name}" times=${times} columns=${columns}
      linkOf=${(time) => lines(time - history.every, time + history.every)} />
  </section>`;
}
