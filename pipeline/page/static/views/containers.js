/** All containers: 10,000 of them as well, sorted and searched while they change. */
import { COLUMNS } from "../containers/columns.js";
import { filterRows, idsByName, sortRows } from "../containers/rows.js";
import { useSparks } from "../containers/sparks.js";
import { useKeys, useMedia } from "../lib/hooks.js";
import { link } from "../lib/route.js";
import { html, useMemo, useRef, useState } from "../lib/ui.js";
import { exact } from "../lib/units.js";
import { useVirtual } from "../lib/virtual.js";

const ROW = 28; // pixels; as in tables.css
const HEAD = 30;
const ROOM = { wide: "(min-width: 861px)", widest: "(min-width: 1600px)" };

/** What the address says: {search, only, column, descending}. */
function choiceOf({ query }) {
  const column = COLUMNS.find(({ key }) => key === query.get("sort")) ?? COLUMNS.find(({ key }) => key === "lines");
  const way = query.get("dir") || (column.num ? "desc" : "asc");
  return { search: query.get("q") ?? "", only: query.get("only") ?? "", column, descending: way === "desc" };
}

export default function Containers({ route, go, graph, now, connection, table }) {
  const choice = choiceOf(route);
  const room = { wide: useMedia(ROOM.wide), widest: useMedia(ROOM.widest) };
  const [pointed, setPointed] = useState(false);
  const rows = useOrder(table, choice, pointed);
  const { scroller, first, last, show } = useVirtual(rows.length, ROW, HEAD);
  const visible = rows.slice(first, last).map((row) => table.rows.get(row.id) ?? row);
  const sparkOf = useSparks(visible, now?.time);
  const [at, setAt] = useState(null); // the id of the chosen row
  const columns = COLUMNS.filter(({ wide, widest, hub }) => (!wide || room.wide) && (!widest || room.widest) && (!hub || graph?.hub));

  const longest = useMemo(() => widthOfNames(table), [table, table.members]);
  const widthOf = ({ key, width, narrow }) => {
    const pixels = room.wide ? (key === "name" ? longest : width) : narrow;
    return pixels ? `${pixels}px` : "auto";
  };

  const change = (values) => {
    const { search, only, column, descending } = { ...choice, ...values };
    go(link("containers", [], { q: search, only, sort: column.key, dir: descending ? "desc" : "asc" }), true);
  };
  const sortBy = (column) =>
    change({ column, descending: column === choice.column ? !choice.descending : Boolean(column.num) });
  const step = (by) => {
    const index = rows.findIndex(({ id }) => id === at);
    const next = Math.max(0, Math.min(rows.length - 1, index < 0 ? first : index + by));
    if (!rows[next]) return;
    setAt(rows[next].id);
    show(next);
  };
  useKeys(({ key, target }) => {
    if (key === "j" || key === "ArrowDown") step(1);
    else if (key === "k" || key === "ArrowUp") step(-1);
    else if (key === "Enter" && at && !target.closest("a, button")) {
      const row = table.rows.get(at);
      if (row) go(link("c", [row.name || row.id]));
    } else return false;
    return true;
  });

  return html`<section class="fill-view" aria-labelledby="containers">
    <div class="bar-row">
      <h2 id="containers">Containers</h2>
      <input type="search" data-search aria-label="Search name, image, project, state" placeholder="Name, image, project, state"
        value=${choice.search} onInput=${(event) => change({ search: event.target.value })}
        onKeyDown=${(event) => event.key === "Escape" && event.target.blur()} />
      <button aria-pressed=${choice.only === "trouble"} onClick=${() => change({ only: choice.only ? "" : "trouble" })}>
        With something wrong
      </button>
      <span class="dim">${exact(rows.length)} of ${exact(table.rows.size)}${pointed ? ", order held while pointed at" : ""}</span>
      ${graph?.stats_every === 0 && html`<span class="dim">Stats are off: no CPU, memory or network.</span>`}
    </div>
    <div class="scroll rows-scroll" ref=${scroller} tabindex="0" role="region" aria-label="Table of containers">
      <table class="rows-table" aria-rowcount=${rows.length + 1}>
        <colgroup>${columns.map((column) => html`<col key=${column.key} style=${{ width: widthOf(column) }} />`)}</colgroup>
        <thead><tr aria-rowindex="1">${columns.map((column) => html`<${Heading} key=${column.key} ...${{ column, choice, sortBy }} />`)}</tr></thead>
        <tbody onMouseEnter=${() => setPointed(true)} onMouseLeave=${() => setPointed(false)}>
          ${first > 0 && html`<tr key="before" class="space" aria-hidden="true"><td style=${{ height: `${first * ROW}px` }}></td></tr>`}
          ${/* By place, not by id: sorting then changes text, and makes no element. */ ""}
          ${visible.map((row, index) => html`<${Row} key=${index} ...${{ row, columns, index: first + index, on: row.id === at, about: { spark: room.wide ? sparkOf(row) : null, short: !room.wide, hub: graph?.hub } }} />`)}
          ${last < rows.length && html`<tr key="after" class="space" aria-hidden="true"><td style=${{ height: `${(rows.length - last) * ROW}px` }}></td></tr>`}
        </tbody>
      </table>
      ${!rows.length && html`<${Empty} ...${{ table, choice, connection, now }} />`}
    </div>
  </section>`;
}

const LETTER = 7; // pixels

/** Enough for the longest name, within bounds. */
function widthOfNames(table) {
  let most = 0;
  for (const { name } of table.rows.values()) most = Math.max(most, name.length);
  return Math.min(240, Math.max(110, most * LETTER + 36));
}

/** The rows in their order, which is held while they are pointed at: a row must not leave the mouse. */
function useOrder(table, { search, only, column, descending }, held) {
  const version = useRef(0);
  if (!held || !version.current) version.current = table.version;
  const ids = useMemo(() => idsByName(table), [table, table.members]);
  return useMemo(
    () => sortRows(filterRows(ids, table, search, only), column.value, descending),
    [ids, version.current, search, only, column, descending],
  );
}

function Heading({ column, choice, sortBy }) {
  const { title, num, plain } = column;
  if (plain) return html`<th scope="col"><span class="dim">${title}</span></th>`;
  const sorted = choice.column === column;
  const way = choice.descending ? "descending" : "ascending";
  return html`<th scope="col" class=${num ? "num" : ""} aria-sort=${sorted ? way : null}>
    <button onClick=${() => sortBy(column)}>${title}${sorted && html`<span aria-hidden="true"> ${choice.descending ? "↓" : "↑"}</span>`}</button>
  </th>`;
}

function Row({ row, columns, index, on, about }) {
  return html`<tr class=${on ? "on" : ""} aria-rowindex=${index + 2} aria-current=${on ? "true" : null}>
    ${columns.map(({ key, num, cell, hint }) => html`<td key=${key} class=${num ? "num" : ""} title=${hint?.(row) || null}>${cell(row, about)}</td>`)}
  </tr>`;
}

function Empty({ table, choice, connection, now }) {
  if (!table.complete)
    return html`<p class="empty" aria-busy="true">${connection.state === "refused" ? connection.text : "Waiting for the containers…"}</p>`;
  if (table.rows.size)
    return html`<p class="empty">None of ${exact(table.rows.size)} containers ${choice.search ? `has “${choice.search}” in its name, image, project, host or state` : ""}${choice.search && choice.only ? " and " : ""}${choice.only ? "has something wrong" : ""}.</p>`;
  const engine = now?.problems.find(({ kind }) => kind === "engine");
  return html`<p class="empty">${engine ? `No container is known: ${engine.text}` : "The Engine has no containers. Start one, and it is here within a second."}</p>`;
}
