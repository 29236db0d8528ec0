/** One container: its facts, its last hour on one time axis, its events, and which routes take it. */
import { Charts } from "../container/charts.js";
import { Events, marksOf } from "../container/events.js";
import { Facts, Head } from "../container/facts.js";
import { Why } from "../container/why.js";
import { withQuery } from "../api.js";
import { useJson, useKeys } from "../lib/hooks.js";
import { link } from "../lib/route.js";
import { html } from "../lib/ui.js";

const EVERY = 20; // seconds, as the agent keeps readings

/** The row of the container that the address names, by name or by a part of its id. */
function rowOf(table, key) {
  const rows = [...table.rows.values()];
  return rows.find(({ name }) => name === key) ?? rows.find(({ id }) => id.startsWith(key)) ?? null;
}

export default function Container({ route, go, graph, now, connection, table }) {
  const key = route.path[0] ?? "";
  const row = rowOf(table, key);
  const history = useJson(row && withQuery("/api/history", { container: row.id }), EVERY);
  useKeys(({ key: pressed }) => {
    if (pressed !== "l" || !row) return false;
    go(link("logs", [], { c: row.name || row.id }));
    return true;
  });
  if (!row || !now) return html`<${Missing} ...${{ name: key, connection, table }} />`;
  const events = history.data?.events?.[row.id] ?? [];
  return html`
    <${Head} row=${row} now=${now} />
    <div class="c-body">
      ${history.data
        ? html`<${Charts} history=${history.data} marks=${marksOf(events)} ...${{ row, now, graph, go }} />`
        : html`<p class="empty">${history.error ? `The last hour is not known: ${history.error.message}` : "…"}</p>`}
      <div class="c-side">
        <${Facts} row=${row} graph=${graph} />
        ${history.data && html`<${Events} events=${events} name=${row.name || row.id} began=${graph?.began} />`}
        <${Why} id=${row.id} generation=${now.generation} />
      </div>
    </div>
  `;
}

function Missing({ name, connection, table }) {
  if (connection.status === 404 || table.complete)
    return html`<div class="empty">
      <h2>${name}</h2>
      <p>${`${connection.status === 404 ? connection.text : `There is no container “${name}”.`} It may have been removed, or another has its name now.`}</p>
      <p><a href=${link("containers", [], { q: name })}>Search the containers for it</a></p>
    </div>`;
  return html`<p class="empty" aria-busy="true">${connection.state === "refused" ? connection.text : "Waiting for its figures…"}</p>`;
}
