/** The head of the page: which host, which views, and what is wrong with it, in words. */
import { html } from "./lib/ui.js";
import { useClock } from "./lib/hooks.js";
import { link } from "./lib/route.js";
import { plural, rate, span } from "./lib/units.js";

const VIEWS = [
  ["flow", "Flow"],
  ["logs", "Logs"],
  ["containers", "Containers"],
  ["balance", "Balance"],
  ["try", "Try"],
];

export function Header({ route, graph, now, connection, open }) {
  const views = graph?.hub ? [...VIEWS, ["fleet", "Fleet"]] : VIEWS;
  const current = route.view === "c" ? "containers" : route.view;
  return html`<header class="head">
    <div class="head-row">
      <a class="brand" href="#/flow" title="dockline ${graph?.version ?? ""}">
        <${Mark} /><h1>${graph?.host ?? "dockline"}</h1>
      </a>
      <nav aria-label="Views">
        ${views.map(
          ([view, title]) =>
            html`<a key=${view} href=${link(view)} aria-current=${view === current ? "page" : null}>${title}</a>`,
        )}
      </nav>
      <${Pulse} ...${{ now, graph }} />
      <button class="quiet" onClick=${() => open("palette")} title="Find a container or a view (Ctrl-K)">
        Find <kbd>Ctrl K</kbd>
      </button>
      <button class="quiet" onClick=${() => open("help")} aria-label="Keys and help" title="Keys and help (?)">?</button>
    </div>
    <${Problems} now=${now} />
    <${Away} connection=${connection} now=${now} />
  </header>`;
}

const Mark = () => html`<svg class="mark" width="18" height="18" viewBox="0 0 16 16" aria-hidden="true">
  <path d="M1 4h5.5v7H15M1 8h3.5M8.5 7H15M1 12h2" />
</svg>`;

/** What passes now, and for how long the agent has run. */
function Pulse({ now, graph }) {
  if (!now) return html`<p class="pulse"></p>`;
  const { totals } = now;
  return html`<p class="pulse">
    <span title="Lines read in a second"><b>${rate(totals.lines_per_second)}</b> lines</span>
    <span title="Containers whose log is followed, of all">
      <b>${totals.followed}</b>/${totals.containers} followed
    </span>
    ${graph && html`<span>agent up ${span(now.time - graph.began)}</span>`}
  </p>`;
}

const KINDS = { engine: "Docker Engine", source: "source", sink: "sink" };
const SHOWN = 3;

function Problems({ now }) {
  const problems = now?.problems ?? [];
  if (!problems.length) return null;
  return html`<ul class="problems" aria-label="Problems">
    ${problems.slice(0, SHOWN).map(
      ({ kind, name, text, since }) => html`<li key=${kind + name}>
        <span class="sign" aria-hidden="true">!</span>
        <span class="dim">${KINDS[kind] ?? kind}</span>
        <a href=${link("flow", [], { at: name })} title="Show it in the flow">${name}</a>
        <span class="problem-text" title=${text}>${since ? `failing for ${span(Math.max(0, now.time - since))}: ` : ""}${text}</span>
      </li>`,
    )}
    ${problems.length > SHOWN &&
    html`<li><a href="#/flow">and ${plural(problems.length - SHOWN, "other problem")}</a></li>`}
  </ul>`;
}

/** Says that what is shown is old, and how old. */
function Away({ connection, now }) {
  // The view says that there is no such container.
  const away = connection.state !== "live" && connection.status !== 404 && (now || !connection.first);
  const time = useClock(away);
  if (!away) return null;
  const old = now ? " What is shown is what it said last." : "";
  if (connection.state === "refused")
    return html`<p class="away" role="status">The agent refuses for now: ${connection.text}</p>`;
  return html`<p class="away">
    <span role="status">The agent does not answer.${old}</span>${" "}
    Away for ${span(Math.max(0, time - connection.since))}; asked again every 5 s.
  </p>`;
}
