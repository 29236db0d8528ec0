/** What a container is, and where else it is told of. */
import { Problem } from "../flow/problem.js";
import { notesOf, stateOf } from "../containers/rows.js";
import { link } from "../lib/route.js";
import { html } from "../lib/ui.js";
import { bytes, byteRate, clock, cores, count, exact, percent, rate, span } from "../lib/units.js";

export function Head({ row, now }) {
  const name = row.name || row.id;
  const up = row.state === "running" && row.started ? `, up ${span(now.time - row.started)}` : "";
  return html`<div class="c-head">
    <div class="c-title">
      <h2 class="cut" title=${name}>${name}</h2>
      <span class=${row.state === "running" ? "good" : "dim"} aria-hidden="true">${row.state === "running" ? "●" : "○"}</span>
      <span class=${row.health === "unhealthy" ? "bad" : ""}>${stateOf(row)}${up}</span>
    </div>
    <nav aria-label="More of this container" class="c-links">
      <a href=${link("logs", [], { c: name })}>Lines</a>
      ${row.dropped >= 1 && html`<a href=${link("logs", [], { c: name, show: "dropped" })}>Dropped lines</a>`}
      ${row.routes[0] && html`<a href=${link("try", [row.routes[0]], { c: name })}>Try its stages</a>`}
      <a href=${link("balance", [], { c: name })}>Balance</a>
    </nav>
    ${notesOf(row).map(({ text, wrong }) => (wrong ? html`<${Problem} key=${text} text=${text} />` : html`<p class="dim note" key=${text}>${text}</p>`))}
  </div>`;
}

const NOT_KNOWN = null; // of a figure, other than of a fact that there is not
const known = (figure) => (figure === null || figure === undefined ? NOT_KNOWN : true);

/** Facts and figures of now, name and value. Those that are not known are left out. */
export function Facts({ row, graph }) {
  const on = row.state === "running" && graph?.stats_every !== 0;
  const facts = [
    ["image", row.image, "mono"],
    ["id", row.id.slice(0, 12), "mono"],
    ["project", row.project && `${row.project}${row.service ? `, service ${row.service}` : ""}`],
    ["host", row.host !== graph?.host && row.host],
    ["created", row.created && clock(row.created)],
    ["started", row.started && clock(row.started)],
    ["restarts", count(row.restarts)],
    ["routes", row.routes.length ? row.routes.map((name) => html`<a key=${name} href=${link("logs", [], { route: name, c: row.name })}>${name}</a> `) : "none"],
    ["lines", `${rate(row.lines_per_second)}, ${exact(row.lines)} so far`],
    ["waiting", `${count(row.waiting)}, lag ${span(row.lag)}`],
    ["dropped", row.dropped >= 1 && exact(row.dropped), "warn"],
    ["CPU", known(row.cpu) && `${cores(row.cpu)} of a core`],
    ["memory", known(row.memory) && `${bytes(row.memory)}${row.memory_limit ? `, ${percent(row.memory, row.memory_limit)} of ${bytes(row.memory_limit)}` : ", no limit"}`],
    ["network", known(row.receive) && `${byteRate(row.receive)} in, ${byteRate(row.transmit)} out`],
    ["disk", known(row.read) && `${byteRate(row.read)} read, ${byteRate(row.write)} written`],
  ];
  return html`<section class="card" aria-labelledby="facts"><h3 id="facts">Facts</h3><dl class="facts">
    ${facts.map(([name, value, kind]) => (value === NOT_KNOWN && on ? [name, "not measured", "dim"] : [name, value, kind]))
      .filter(([, value]) => value).map(([name, value, kind]) => html`<div key=${name}><dt>${name}</dt><dd class=${kind ?? ""}>${value}</dd></div>`)}
  </dl></section>`;
}
