/** The last hour of the whole agent. */
import { Chart, Readings } from "../lib/chart.js";
import { useJson } from "../lib/hooks.js";
import { addLive, createLive, withLive } from "../lib/live.js";
import { html } from "../lib/ui.js";
import { bytes, cores, rate, span } from "../lib/units.js";

const EVERY = 20; // seconds, as the agent keeps readings

const CHARTS = [
  ["Lines read and delivered", rate, [["lines", "read", "--accent"], ["delivered", "delivered", "--good", [4, 3]]]],
  ["Dropped", rate, [["dropped", "", "--bad"]]],
  ["Lag of the slowest sink", span, [["lag", "", "--warn"]]],
  ["Agent’s CPU, of one core", cores, [["cpu", "", "--accent"]]],
  ["Agent’s memory", bytes, [["memory", "", "--accent"]]],
];

const live = createLive(); // of this page's agent, also while another view is shown

/** Takes what a line of /api/now says of the host. */
export const addHost = ({ time, totals, agent }) =>
  addLive(live, "host", time, {
    lines: totals.lines_per_second,
    delivered: totals.delivered_per_second,
    dropped: totals.dropped_per_second,
    lag: totals.lag,
    cpu: agent.cpu,
    memory: agent.memory,
  });

export function HostCharts({ now }) {
  addHost(now);
  const { data, error } = useJson("/api/history", EVERY);
  if (!data) return error ? html`<p class="empty">The last hour is not known: ${error.message}</p>` : null;
  const { times, of } = withLive(live, data, data.host);
  return html`<section aria-labelledby="hour">
    <h2 id="hour">The last hour of this agent</h2>
    <div class="charts">
      ${CHARTS.map(([title, format, series]) => html`<${Chart} key=${title} group="host" height=${96}
        ...${{ title, times, format, series: series.map(([name, label, color, dash]) => ({ label, color, dash, values: of(name) })) }} />`)}
    </div>
    <${Readings} label="Readings of the agent" times=${times} columns=${CHARTS.flatMap(([title, format, series]) =>
      series.map(([name, label]) => ({ title: label || title, values: of(name), format })))} />
  </section>`;
}
