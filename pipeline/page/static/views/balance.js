/** The ledger: what was read is what was delivered, filtered, dropped and waits; or it says what is missing. */
import { withQuery } from "../api.js";
import { balances, equationOfSource, equationsOf } from "../balance/equations.js";
import { Equation, Lines } from "../balance/lines.js";
import { useJson } from "../lib/hooks.js";
import { link } from "../lib/route.js";
import { html, useEffect, useMemo, useState } from "../lib/ui.js";
import { exact, plural } from "../lib/units.js";

const TOTAL_EVERY = 5; // seconds
const LIST_EVERY = 10;
const MANY = 1000; // containers, from which on the ledger of each is read only when asked for
const SHOWN = 100;

export default function Balance({ route, go, now }) {
  const search = route.query.get("c") ?? "";
  const total = useJson("/audit?total=1", TOTAL_EVERY);
  const change = (text) => go(link("balance", [], { c: text }), true);
  return html`<section aria-labelledby="balance">
    <div class="bar-row">
      <h2 id="balance">Balance</h2>
      ${total.data && html`<${Verdict} balanced=${total.data.balanced} />`}
      ${total.error && html`<span class="bad">${total.error.message}</span>`}
    </div>
    <p class="dim intro">Since the agent began, what was read equals what was delivered, filtered, dropped and still waits. Nothing here is an estimate. What is missing would stand here with ✗, and would be a bug.</p>
    ${total.data ? html`<${Totals} report=${total.data} />` : !total.error && html`<p class="empty" aria-busy="true">Waiting for the ledger…</p>`}
    ${now && html`<${List} search=${search} change=${change} containers=${now.totals.containers} />`}
  </section>`;
}

const Verdict = ({ balanced }) =>
  balanced
    ? html`<span><b class="good">✓ balanced</b> <span class="dim">every entry is accounted for</span></span>`
    : html`<b class="bad">✗ not balanced: there are entries that nobody can account for</b>`;

function Totals({ report }) {
  const equations = report.containers.flatMap(equationsOf);
  return html`<section class="card totals-ledger" aria-labelledby="all">
    <h3 id="all">All containers</h3>
    ${!equations.length && html`<p class="dim">Nothing was read yet.</p>`}
    ${report.containers.map((container) => html`<${Lines} key=${container.name} container=${container} equations=${equationsOf(container)} />`)}
    ${(report.sources ?? []).map((source) => {
      const equation = equationOfSource(source);
      return html`<div class="ledger-line" key=${source.source}><span>source ${source.source}</span>
        <div><${Equation} equation=${equation} />${equation.refused.map(([reason, number]) => html`<p class="warn" key=${reason}>${exact(number)} refused (${reason})</p>`)}</div></div>`;
    })}
    ${Object.entries(report.carried).filter(([, number]) => number).map(([sink, number]) =>
      html`<p class="dim" key=${sink}>${sink}: ${exact(number)} of an earlier run ${number === 1 ? "is" : "are"} still on disk.</p>`)}
  </section>`;
}

/** The containers: those that do not balance first. */
function List({ search, change, containers }) {
  const many = containers > MANY;
  const [all, setAll] = useState(false);
  const [pattern, setPattern] = useState("");
  useEffect(() => {
    // The agent searches where there are many; it is asked when the typing pauses.
    const timer = setTimeout(() => setPattern(search.length > 1 ? `*${search}*` : ""), 250);
    return () => clearTimeout(timer);
  }, [search]);
  const path = !many || all ? "/audit" : pattern && withQuery("/audit", { container: pattern });
  const { data, error } = useJson(path, many ? 0 : LIST_EVERY);
  const rows = useMemo(() => orderOf(data?.containers ?? []), [data]);
  const words = search.toLowerCase();
  const found = rows.filter(({ container }) => container.name.toLowerCase().includes(words) || container.id.startsWith(words));
  return html`<section aria-labelledby="each">
    <div class="bar-row">
      <h3 id="each">By container</h3>
      <input type="search" data-search aria-label="Search containers by name" placeholder="Container" value=${search} onInput=${(event) => change(event.target.value)}
        onKeyDown=${(event) => event.key === "Escape" && event.target.blur()} />
      ${many && !all && html`<button onClick=${() => setAll(true)}>Read all ${exact(containers)}</button>`}
      ${data && html`<span class="dim">${exact(found.length)} of ${plural(rows.length, "container")}${found.length > SHOWN ? `, ${SHOWN} shown` : ""}</span>`}
      ${error && html`<span class="bad">${error.message}</span>`}
    </div>
    ${!path && html`<p class="empty">There are ${exact(containers)} containers. Search for some, or read the ledger of all.</p>`}
    ${path && !data && !error && html`<p class="empty" aria-busy="true">Reading…</p>`}
    ${data && !found.length && html`<p class="empty">${rows.length ? `None of ${exact(rows.length)} containers has “${search}” in its name.` : search ? `No container has “${search}” in its name.` : "No container has an account yet."}</p>`}
    ${found.slice(0, SHOWN).map(({ container, equations }) =>
      html`<${Lines} key=${container.id + container.name} container=${container} equations=${equations} name=${container.name || "(no name)"} />`)}
  </section>`;
}

const readOf = ({ read }) => Object.values(read).reduce((sum, number) => sum + number, 0);

/** Those that do not balance first, then those of which most was read. */
function orderOf(containers) {
  const wrong = containers.filter((container) => !balances(container));
  const right = containers.filter((container) => balances(container));
  right.sort((one, other) => readOf(other) - readOf(one));
  return [...wrong, ...right].map((container) => ({ container, equations: equationsOf(container) }));
}
