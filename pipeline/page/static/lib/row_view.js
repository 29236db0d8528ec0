/** The element of a row: made once, and filled again and again. */
import { plain } from "./ansi.js";
import { appendText, cut, hueOf, sizeText } from "./paint.js";
import { shown, summary } from "./text.js";
import { fullTime, timeText } from "./times.js";

/** Characters of a row's text that are shown, in one line and where it is wrapped; and of one whose
 * rest was asked for. */
const LINE = 600;
export const WRAPPED = 2_000;
const ALL = 65_536;
const MOST_OPEN_LINES = 200;
const SHORT = { emergency: "emerg", critical: "crit", warning: "warn" };

/** @typedef {{wrap: boolean, most: number, times: string, find: RegExp|null, fold: boolean}} Look */

const cell = (name, role = "gridcell") => {
  const element = document.createElement("div");
  element.className = name;
  element.setAttribute("role", role);
  return element;
};

/** An empty element for a row. */
export function makeRow() {
  const element = cell("ln", "row");
  const parts = { time: cell("ln-time"), name: cell("ln-name"), level: cell("ln-level"), text: cell("ln-text"), places: cell("ln-places") };
  element.append(...Object.values(parts));
  Object.assign(element, { parts });
  return element;
}

/** Fills an element with a row. */
export function fillRow(element, row, look) {
  const { time, name, level, text, places } = element.parts;
  text.textContent = "";
  if (element.titled) untitle(element);
  // Of a row that is one line the height is known, so that it need not be read.
  element.flat = !look.wrap && !row.open;
  const flat = element.flat ? " flat" : "";
  if (row.note) {
    element.className = `ln ln-note ${row.tone}${flat}`;
    for (const part of [time, name, level, places]) part.textContent = "";
    text.append(row.note);
    return;
  }
  element.className = `ln${row.level ? ` lv-${row.level}` : ""}${flat}`;
  fillTime(element, row, look);
  name.textContent = plain(row.name);
  const hue = hueOf(row.name);
  if (element.hue !== hue) name.style.setProperty("--hue", (element.hue = hue));
  level.textContent = SHORT[row.level] ?? row.level;
  level.className = row.guessed ? "ln-level guessed" : "ln-level";
  fillText(text, row, look);
  fillPlaces(places, row);
}

/** Gives the parts of a row their titles: only once it is pointed at, as they take as long to make
 * as all the rest of it. */
export function titleRow(element) {
  const { row } = element;
  if (element.titled || !row || row.note) return;
  element.titled = true;
  const { time, name, level, places } = element.parts;
  time.title = fullTime(row.time);
  name.title = plain(row.name);
  level.title = row.guessed ? `${row.level}, guessed by its text` : row.level;
  places.title = row.places.map((place) => placeText(place) + (place.because ? ` (${place.because})` : "")).join("\n");
}

function untitle(element) {
  element.titled = false;
  for (const part of Object.values(element.parts)) part.title = "";
}

/** Fills the time alone: ages change while nothing else does. */
export function fillTime(element, row, look) {
  if (!row.note) element.parts.time.textContent = timeText(row.time, look.times);
}

function fillText(element, row, look) {
  const { text, fields } = look.fold ? summary(row.entry) : { text: row.entry.message ?? "", fields: [] };
  const lines = text.split("\n");
  if (!text && !fields.length && !row.more.length) return element.append(spanOf("ln-key", "(empty)"));
  const whole = row.open || (look.wrap && lines.length === 1 && !row.more.length);
  const most = row.all ? ALL : whole ? look.most : LINE;
  if (whole) appendCut(element, text, most, row, look);
  else appendCut(element, lines[0], most, row, look);
  for (const field of fields.slice(0, whole ? 100 : 30)) appendField(element, field, look.find);
  const further = lines.length - 1 + row.more.length;
  if (further) element.append(button("fold", row.open ? "−" : `+${further}`, `${row.open ? "Fold" : "Show"} ${further} more ${further === 1 ? "line" : "lines"}`));
  if (row.open) appendMore(element, row, look);
  return undefined;
}

function spanOf(name, text) {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  return element;
}

function appendCut(element, text, most, row, look) {
  const part = cut(text, most);
  appendText(element, part.text, look.find);
  if (!part.cut) return;
  const said = row.all ? `… ${sizeText(text.length)}, the rest is not shown` : `… ${sizeText(text.length)}, show all`;
  if (row.all) element.append(said);
  else element.append(button("all", said, "Show the whole line"));
}

function appendMore(element, row, look) {
  for (const line of row.more.slice(0, MOST_OPEN_LINES)) {
    const further = document.createElement("div");
    further.className = "ln-more";
    appendText(further, cut(line, WRAPPED).text, look.find);
    element.append(further);
  }
  const rest = row.more.length - MOST_OPEN_LINES;
  if (rest > 0) element.append(`… ${rest} more lines: open the line`);
}

function appendField(element, { name, value }, find) {
  element.append(spanOf("ln-key", ` ${name}=`));
  const text = shown(value);
  appendText(element, text.length > 200 ? text.slice(0, 200) + "…" : text, find);
}

function button(action, text, title) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = "ln-button";
  element.dataset.action = action;
  element.tabIndex = -1;
  element.textContent = text;
  element.title = title;
  return element;
}

/** Where the entry was seen: "all→logstash", or the stage or policy that dropped it. */
export function placeText(place) {
  const way = [place.route, place.sink].filter(Boolean).join("→");
  if (!place.dropped) return way;
  return `${way}${place.stage ? ` ${place.stage}` : ""}: ${place.dropped}`;
}

/** Places in short: the routes to each sink together. */
function placesText(places) {
  const sinks = new Map();
  for (const place of places) {
    const end = placeText({ ...place, route: "" });
    sinks.set(end, [...(sinks.get(end) ?? []), place.route].filter(Boolean));
  }
  return [...sinks].map(([end, routes]) => (end.startsWith(" ") || !routes.length ? routes + end : `${routes}→${end}`)).join(" · ");
}

function fillPlaces(element, row) {
  element.textContent = placesText(row.places);
  element.className = row.places.some((place) => place.dropped) ? "ln-places dropped" : "ln-places";
}

/** A row as a line of text, for the clipboard. */
export function rowText(row, look) {
  if (row.note) return row.note;
  const head = [timeText(row.time, look.times === "relative" ? "local" : look.times), row.name, row.level].filter(Boolean).join(" ");
  return [`${head} ${row.entry.message ?? ""}`, ...row.more].join("\n");
}
