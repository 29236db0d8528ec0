/** The last hour of the whole agent. */
import { Chart, Readings, timesOf } from "../lib/chart.js";
import { useJson } from "../lib/hooks.js";
import { html } from "../lib/ui.js";
import { bytes, cores, rate, span } from "../lib/units.js";

const EVERY = 20; // seconds, as the agent keeps readings

const CHARTS = [
  ["Lines read and delivered", rate, [["lines", "read", "--accent"], ["delivered", "delivered", "--good", [4, 3]]]],
  ["Dropped", rate, [["dropped", "", "--bad"]]],
  ["Lag of the slowest sink", span, [["lag", "", "--warn"]], 1],
  ["Agent’s CPU, of one core", cores, [["cpu", "", "--accent"]]],
  ["Agent’s memory", bytes, [["memory", "", "--accent"]]],
];

export function HostCharts() {
  const { data, error } = useJson("/api/history", EVERY);
  if (!data) return error ? html`<p class="empty">The last hour is not known: ${error.message}</p>` : null;
  const length = Math.max(0, ...Object.values(data.host).map((values) => values.length));
  if (!length) return html`<p class="empty">No reading yet: the first comes after ${span(data.every)}.</p>`;
  const times = timesOf(data, length);
  const of = (name) => data.host[name] ?? times.map(() => null);
  return html`<section aria-labelledby="hour">
    <h2 id="hour">The last hour of this agent</h2>
    <div class="charts">
      ${CHARTS.map(([title, format, series, least]) => html`<${Chart} key=${title} group="host" height=${96}
        least=${least ?? 0}
        ...${{ title, times, format, series: series.map(([name, label, color, dash]) => ({ label, color, dash, values: of(name) })) }} />`)}
    </div>
    <${Readings} label="Readings of the agent" times=${times} columns=${CHARTS.flatMap(([title, format, series]) =>
      series.map(([name, label]) => ({ title: label || title, values: of(name), format })))} />
  </section>`;
}
