/**
 * Lines of `/tap` and `/api/lines` as rows of the log pane.
 *
 * An entry that reaches several sinks comes once for each; it is one row with several places. Lines
 * of a stack trace are folded into the row of its first line. What containers share is kept once.
 */
import { guessedLevel, jsonOf, levelWord, shown, toldLevel } from "./text.js";
import { folder } from "./trace.js";

const MOST_CONTAINERS = 20_000;
const MOST_MORE = 64 * 1024;
/** Bytes of a row beside its texts, about. */
const ROW_BYTES = 400;

/** @typedef {{note?: string, time: string, id: string, name: string, stream: string, level: string,
 *   guessed: boolean, entry: object, places: object[], more: string[], origin: string,
 *   bytes: number, chars: number, height: number, number: number}} Row */

/** Turns lines into rows; one for each pane. */
export function feed() {
  const known = new Map(); // rows by container, sequence and part
  const shared = new Map(); // by container, what its entries have in common
  let fold = folder();

  /** The entry with the objects that all entries of its container share. */
  function interned(entry) {
    const id = entry.container?.id ?? entry["container.id"] ?? "";
    const own = shared.get(id);
    if (own && own.container?.name === entry.container?.name) Object.assign(entry, own);
    else if (shared.size < MOST_CONTAINERS) {
      const common = {};
      for (const key of ["container", "host", "orchestrator", "ecs"]) if (entry[key]) common[key] = entry[key];
      shared.set(id, common);
    }
    return entry;
  }

  /** {row} for a line that begins a row, {changed} for a row that has more to show now, {} for one
   * that tells nothing new. */
  function take(line) {
    const { entry: given, ...place } = line;
    if (!given) return { row: note(withoutEntry(line), "warn") };
    const entry = interned(given);
    const row = lineRow(entry, "tap");
    const key = row.sequence === null ? "" : `${row.id} ${row.sequence} ${entry.event?.part ?? ""}`;
    const same = key && known.get(key);
    if (same) return addPlace(same, place, entry, key);
    const into = fold.find(`${row.id} ${row.stream}`, entry.message ?? "", Date.parse(row.time) / 1000);
    if (into && samePlace(into, place)) return addLine(into, entry.message, key);
    fold.began(`${row.id} ${row.stream}`, row);
    row.places.push(place);
    remember(row, key);
    return { row };
  }

  function remember(row, key) {
    if (!key) return;
    known.set(key, row);
    (row.keys ??= []).push(key);
  }

  function addPlace(row, place, entry, key) {
    if (row.keys[0] !== key || samePlace(row, place)) return {};
    if (entry.message !== row.entry.message || Object.keys(entry).length !== Object.keys(row.entry).length) place.entry = entry;
    row.places.push(place);
    return { changed: row, bytes: 100 + (place.entry ? sizeOf(entry) : 0) };
  }

  function addLine(row, message, key) {
    remember(row, key);
    if (row.moreBytes > MOST_MORE) return { changed: row, bytes: 0 };
    row.more.push(message);
    row.moreBytes = (row.moreBytes ?? 0) + message.length;
    return { changed: row, bytes: message.length + 50 };
  }

  return {
    take,
    /** Forgets a row that was let go. */
    forget(row) {
      for (const key of row.keys ?? []) known.delete(key);
    },
    /** Forgets everything: another search, or an empty pane. */
    clear() {
      known.clear();
      shared.clear();
      fold = folder();
    },
    get size() {
      return known.size;
    },
  };
}

const samePlace = (row, place) =>
  row.places.some(
    (one) => one.route === place.route && one.sink === place.sink && one.stage === place.stage && one.dropped === place.dropped,
  );

const withoutEntry = ({ sink, route, dropped, because, entries }) =>
  `${entries ?? "some"} entries ${dropped ? `dropped (${dropped})` : ""} ${sink ? `at ${sink}` : route ? `on ${route}` : ""}${because ? `: ${because}` : ""}`.replace(/ +/g, " ").trim();

/** A row for an entry. `origin`: "tap", or "engine" for one as the Engine's log has it. */
export function lineRow(entry, origin) {
  if (typeof entry.message !== "string") entry.message = entry.message == null ? "" : shown(entry.message);
  const { message } = entry;
  const told = toldLevel(entry);
  const own = told ? "" : ownLevel(message);
  const level = told || own || guessedLevel(message);
  return {
    time: String(entry["@timestamp"] ?? ""),
    id: String(entry.container?.id ?? entry["container.id"] ?? ""),
    name: String(entry.container?.name ?? entry["container.name"] ?? ""),
    sequence: entry.event?.sequence ?? entry["event.sequence"] ?? null,
    stream: entry.stream ?? "",
    level,
    guessed: !told && !own && level !== "",
    entry,
    places: [],
    more: [],
    origin,
    open: false,
    chars: message.length,
    bytes: sizeOf(entry),
    height: 0,
    number: null,
  };
}

/** The level in a message that is an object in JSON, "" if none. */
function ownLevel(message) {
  const object = message.length < 4096 ? jsonOf(message) : null;
  return object ? levelWord(object.level ?? object.severity ?? object.lvl ?? object.levelname ?? object["@l"]) : "";
}

function sizeOf(entry) {
  let size = ROW_BYTES;
  for (const value of Object.values(entry)) size += typeof value === "string" ? value.length : 30;
  return size;
}

/** The rows of an answer of `/api/lines`, oldest first. */
export function engineRows(answer) {
  const container = answer.container;
  const fold = folder();
  const rows = [];
  for (const { time, stream, message } of answer.lines) {
    const into = fold.find(stream, message, Date.parse(time) / 1000);
    if (into) {
      into.more.push(message);
      into.bytes += message.length + 50;
      continue;
    }
    const row = lineRow({ "@timestamp": time, message, stream, container }, "engine");
    fold.began(stream, row);
    rows.push(row);
  }
  return rows;
}

/** A row that says something about the lines around it. */
export function note(text, tone = "dim") {
  return { note: text, tone, time: "", id: "", name: "", level: "", entry: {}, places: [], more: [], origin: "", bytes: 200, chars: text.length, height: 0, number: null };
}
