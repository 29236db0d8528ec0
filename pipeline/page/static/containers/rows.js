/** Which containers are shown, and in which order. 10,000 rows take some milliseconds. */

const REMEMBERED = 30_000;
const remembered = new Map();

/** Text so that it sorts as people do: "api-2" before "api-10". */
function natural(text) {
  let found = remembered.get(text);
  if (found === undefined) {
    found = text.toLowerCase().replace(/\d+/g, (digits) => digits.padStart(8, "0"));
    if (remembered.size >= REMEMBERED) remembered.clear();
    remembered.set(text, found);
  }
  return found;
}

/** What a row is found by. Kept on the row, which is a new one when a figure changes. */
const haystack = (row) =>
  (row.text ??= `${row.name}\n${row.image}\n${row.project}\n${row.service}\n${row.host}\n${stateOf(row)}\n${row.why}\n${row.id}`.toLowerCase());

/** "running, healthy", "exited with 137", in words. */
export function stateOf({ state, health, exit_code }) {
  const code = ["exited", "dead"].includes(state) && exit_code !== null && exit_code !== undefined ? ` with ${exit_code}` : "";
  return `${state || "not known"}${code}${health ? `, ${health}` : ""}`;
}

/** The same in one word: "healthy", "exited 137". */
export function shortStateOf({ state, health, exit_code }) {
  if (health && state === "running") return health;
  return ["exited", "dead"].includes(state) ? `${state} ${exit_code ?? ""}`.trim() : state || "–";
}

/** What is wrong with a container, a sentence each. That it is not followed is as configured. */
export function troublesOf(row) {
  const found = [];
  if (row.health === "unhealthy") found.push("unhealthy");
  for (const [label, text] of Object.entries(row.label_errors ?? {})) found.push(`${label}: ${text}`);
  if (row.oom) found.push(`out of memory${row.oom > 1 ? `, ${row.oom} times` : ""}`);
  if (row.state === "restarting") found.push("restarts again and again");
  return found;
}

/** What is to know of it beside its figures: {text, wrong}. */
export const notesOf = (row) => [
  ...troublesOf(row).map((text) => ({ text, wrong: true })),
  ...(row.why ? [{ text: `not followed: ${row.why}`, wrong: false }] : []),
];

const troubled = (row) =>
  row.health === "unhealthy" || row.oom || row.dropped > 0 || row.state === "restarting" || Object.keys(row.label_errors ?? {}).length > 0;

/** All ids by name. Names seldom change, so that sorting by figures can start from this order. */
export function idsByName(table) {
  return [...table.rows.values()]
    .map(({ id, name }) => ({ id, key: natural(name) }))
    .sort(byKey(1))
    .map(({ id }) => id);
}

/** The rows of these ids that have all words of the search; `only` "trouble": and something wrong. */
export function filterRows(ids, table, search, only) {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const found = [];
  for (const id of ids) {
    const row = table.rows.get(id);
    if (!row || (only && !troubled(row))) continue;
    const text = words.length ? haystack(row) : "";
    if (words.every((word) => text.includes(word))) found.push(row);
  }
  return found;
}

/** Sorts by value(row), a number, text or null (always last); equal ones stay in their order. */
export function sortRows(rows, value, descending) {
  return rows
    .map((row) => ({ row, key: keyOf(value(row)) }))
    .sort(byKey(descending ? -1 : 1))
    .map(({ row }) => row);
}

const keyOf = (value) => (typeof value === "string" ? natural(value) : (value ?? null));

const byKey = (way) => (one, other) => {
  if (one.key === other.key) return 0;
  if (one.key === null) return 1;
  if (other.key === null) return -1;
  return one.key < other.key ? -way : way;
};
