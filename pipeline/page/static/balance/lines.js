/** Equations on the screen: figures, words, and a bar of the parts. */
import { link } from "../lib/route.js";
import { html } from "../lib/ui.js";
import { exact } from "../lib/units.js";

function Sum({ terms, nothing }) {
  if (!terms.length) return html`<span><b>0</b> ${nothing}</span>`;
  return terms.map(([number, words, kind], index) => html`<span key=${words}>
    ${index ? html`<span class="dim">+ </span>` : ""}<b class=${kind === "bad" || kind === "warn" ? kind : ""}>${exact(number)}</b> <span class="dim">${words}</span>
  </span>`);
}

/** A whole equation: "20,000 read = 19,120 filtered by keep + 880 delivered ✓". */
export function Equation({ equation }) {
  const { came, went, unaccounted } = equation;
  const whole = went.reduce((sum, [number]) => sum + Math.max(0, number), 0) || 1;
  return html`<div class="equation">
    <p>
      <${Sum} terms=${came} nothing="read" /> <span class="equals">=</span> <${Sum} terms=${went} nothing="" />
      ${unaccounted
        ? html`<strong class="bad">✗ ${exact(Math.abs(unaccounted))} ${unaccounted > 0 ? "missing" : "counted twice"}</strong>`
        : html`<span class="good" title="Every entry is accounted for">✓<span class="hidden"> balanced</span></span>`}
    </p>
    <span class="parts" aria-hidden="true">
      ${went.map(([number, words, kind]) => html`<i key=${words} class=${kind ?? ""} title="${exact(number)} ${words}" style=${{ flexGrow: Math.max(0, number) / whole }}></i>`)}
    </span>
  </div>`;
}

/** A container, a line for each route and sink that has something of it. `name` null leaves it out. */
export function Lines({ container, equations, name }) {
  const read = Object.values(container.read).reduce((sum, number) => sum + number, 0);
  const told = equations.filter(({ came, went }) => came.length || went.length);
  const known = name && !name.startsWith("(");
  return html`<div class="ledger">
    ${name && html`<h3 class="cut" title=${name}>${known ? html`<a href=${link("c", [name])}>${name}</a>` : name}</h3>`}
    ${!equations.length && html`<p class="dim">${exact(read)} read, and no route takes them.</p>`}
    ${equations.length > 0 && !told.length && html`<p class="dim">nothing read</p>`}
    ${told.map((equation) => html`<div class="ledger-line" key=${equation.source + equation.route + equation.to}>
      <a class="cut" title="Lines from ${equation.route} to ${equation.to}"
        href=${link("logs", [], { route: equation.route, sink: equation.to.startsWith("route ") ? "" : equation.to, c: known ? name : "" })}>
        ${equation.route} → ${equation.to}${equation.source === "logs" ? "" : ` (${equation.source})`}</a>
      <${Equation} equation=${equation} />
    </div>`)}
  </div>`;
}
