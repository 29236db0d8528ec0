/** The way of entries through the agent: containers, routes with their stages, sinks. */
import { Edges, edgesOf } from "../flow/edges.js";
import { Routes } from "../flow/routes.js";
import { Sinks } from "../flow/sinks.js";
import { Sources } from "../flow/sources.js";
import { styles } from "../lib/styles.js";
import { html, useEffect, useState } from "../lib/ui.js";
import { bytes, cores, count, rate, span } from "../lib/units.js";

const MANY = 12; // routes or sinks, from which on each is told in fewer lines

/** The names of the projects that each route takes from. */
function projectsByRoute(now) {
  const found = new Map();
  for (const project of now.projects) {
    for (const route of project.routes) found.set(route, [...(found.get(route) ?? []), project.name || "(no project)"]);
  }
  return found;
}

export default function Flow({ route, graph, now, connection }) {
  if (!now || !graph)
    return html`<p class="empty" aria-busy="true">${connection.state === "refused" ? connection.text : "Waiting for the agent’s first figures…"}</p>`;
  const dense = Math.max(graph.routes.length, graph.sinks.length) > MANY;
  return html`
    <h2 class="hidden">Flow</h2>
    <${Totals} now=${now} />
    <${Edges} edges=${edgesOf(graph, now)} dense=${dense}>
      <${Sources} graph=${graph} now=${now} />
      <${Routes} graph=${graph} now=${now} projects=${projectsByRoute(now)} dense=${dense} />
      <${Sinks} graph=${graph} now=${now} at=${route.query.get("at")} dense=${dense} />
    <//>
    <${Charts} now=${now} />
  `;
}

/** The charts, whose library is as big as all else: loaded once the flow itself is seen. */
function Charts({ now }) {
  const [HostCharts, setLoaded] = useState(null);
  useEffect(() => {
    Promise.all([import("../flow/host_charts.js"), styles()]).then(([module]) => setLoaded(() => module.HostCharts), () => {});
  }, []);
  return HostCharts && html`<${HostCharts} now=${now} />`;
}

function Totals({ now: { totals, agent, sinks } }) {
  const down = sinks.filter(({ problem }) => problem).length;
  const dropping = totals.dropped_per_second > 0;
  const figures = [
    ["read", rate(totals.lines_per_second), `${count(totals.lines)} in all`],
    ["delivered", rate(totals.delivered_per_second), down ? `${down} of ${sinks.length} sinks down` : `to ${sinks.length} sink${sinks.length === 1 ? "" : "s"}`, down && "short"],
    ["dropped", dropping ? rate(totals.dropped_per_second) : count(totals.dropped), dropping ? `${count(totals.dropped)} in all` : "in all", dropping ? "bad" : totals.dropped > 0 && "warn"],
    ["waiting", count(totals.waiting), "entries in buffers"],
    ["lag", span(totals.lag), "of the slowest sink", totals.lag > 5 && "warn"],
    ["agent’s CPU", cores(agent.cpu), `of a core; ${bytes(agent.memory)} of memory`],
  ];
  return html`<dl class="totals">
    ${figures.map(([name, value, note, kind]) => html`<div key=${name}>
      <dt>${name}</dt><dd class=${kind || ""}><b>${value}</b> <span class="cut" title=${note}>${note}</span></dd>
    </div>`)}
  </dl>`;
}
