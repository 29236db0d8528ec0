/** What an entry says: its level, its fields, and the text that its row shows. */
import { plain } from "./ansi.js";

/** Our word for each severity of RFC 5424, the worst first. */
export const LEVELS = ["emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"];

const SPELLINGS = {
  emergency: "emergency emerg panic 0",
  alert: "alert 1",
  critical: "critical crit fatal ftl f 2 60",
  error: "error err eror severe failure fail e 3 50",
  warning: "warning warn wrn w 4 40",
  notice: "notice 5",
  info: "info information informational inf log i 6 30",
  debug: "debug dbg dbug trace trce verbose vrb fine finer finest d 7 10 20",
};
const WORDS = new Map(
  Object.entries(SPELLINGS).flatMap(([word, all]) => all.split(" ").map((one) => [one, word])),
);
const LEVEL_KEYS = ["level", "log.level", "severity", "lvl", "levelname", "@l"];
const TEXT_KEYS = ["message", "msg", "text", "event", "@m", "@mt", "short_message", "log"];
const TIME_KEYS = ["time", "timestamp", "@timestamp", "ts", "@t", "datetime"];
const OWN = new Set("@timestamp message event stream log container host orchestrator ecs fields".split(" "));

/** One of `LEVELS`, or "" for a value that spells none. */
export const levelWord = (value) => WORDS.get(String(value ?? "").trim().toLowerCase()) ?? "";

/** The level that the agent tells. */
export const toldLevel = (entry) => levelWord(entry.log?.level ?? entry["log.level"]);

const EVERY = [...WORDS.keys()].filter((word) => /[a-z]/.test(word)).sort((one, other) => other.length - one.length);
const LONG = EVERY.filter((word) => word.length > 2);
const ALONE = LONG.filter((word) => !["log", "fail", "failure", "fine"].includes(word));
const either = (words) => words.join("|");
const BEGIN = new RegExp(`^(?:<(\\d{1,3})>|([IWEF])\\d{4} \\d\\d:\\d\\d:\\d\\d|(${either(LONG)})(?=:\\s|:$)|<(${either(LONG)})>)`, "i");
/** A pattern's letters in any case. */
const anyCase = (pattern) => pattern.replace(/[a-z]/g, (letter) => `[${letter}${letter.toUpperCase()}]`);
const INSIDE = new RegExp(
  `(?<!\\w)(?:${anyCase("log")}[._]?${anyCase("level")}|${anyCase("levelname|level|lvl|severity")})["']?\\s?[=:]\\s?["']?(\\w+)` +
    `|\\[\\s?(${anyCase(either(EVERY))})\\s*\\]` +
    `|(?<![\\w.=/-])(?:(${either(LONG).toUpperCase()})(?=:\\s)|(${either(ALONE).toUpperCase()})(?![\\w.=/-]))`,
);

/** The level that a text tells by itself, "" if none: as the stage `level` and the agent's search
 * find it, in the first 128 characters. */
export function guessedLevel(text) {
  const start = (text.includes("\u001b") ? plain(text.slice(0, 256)) : text).slice(0, 128);
  const begun = BEGIN.exec(start);
  if (begun?.[1]) return Number(begun[1]) < 192 ? LEVELS[Number(begun[1]) % 8] : "";
  const found = begun ?? INSIDE.exec(start);
  return found ? levelWord(found.slice(1).find(Boolean)) : "";
}

/** The object that a message is, if it is one in JSON; null otherwise. */
export function jsonOf(message) {
  if (message.length > 65_536 || !/^\s*\{[^]*\}\s*$/.test(message)) return null;
  try {
    return JSON.parse(message);
  } catch {
    return null;
  }
}

/** Most fields told of an entry. */
export const MOST_FIELDS = 500;
const DEEPEST = 12;

/** Names with dots and values of all that is in an object: [["http.status", 500], …]. A list is one
 * value. `path` has the names of the objects above. */
export function flat(object, found = [], prefix = "", path = []) {
  for (const [name, value] of Object.entries(object)) {
    if (found.length >= MOST_FIELDS) return found;
    const own = [...path, name];
    const inner = value && typeof value === "object" && !Array.isArray(value);
    if (inner && own.length < DEEPEST && Object.keys(value).length) flat(value, found, `${prefix}${name}.`, own);
    else found.push({ name: prefix + name, value, path: own });
  }
  return found;
}

/** A value as text: texts as they are, all else in JSON. */
export const shown = (value) => (typeof value === "string" ? value : JSON.stringify(value) ?? "");

/** The fields that stages found in an entry, or put into it, under the names of expressions. */
export function parsedFields(entry) {
  const own = Object.fromEntries(Object.entries(entry).filter(([name]) => !OWN.has(name) && !/^(?:container|event|log|host|orchestrator|ecs)\./.test(name)));
  return [...flat(own), ...flat(entry.fields ?? {}).map((field) => ({ ...field, taken: true }))];
}

/** What the agent tells of an entry beside its text: container, host, sequence number and so on. */
export const ownFields = (entry) =>
  flat(Object.fromEntries(Object.entries(entry).filter(([name]) => OWN.has(name) && name !== "message" && name !== "fields")));

/**
 * The text of an entry's row: {text, fields}. A message that is an object in JSON becomes its own
 * text, and the fields that stages left in it, or the object's if no stage has parsed it.
 */
export function summary(entry) {
  const message = entry.message ?? "";
  const object = jsonOf(message);
  if (!object) return { text: message || fieldsAsText(entry), fields: [] };
  const parsed = parsedFields(entry);
  const all = parsed.length ? parsed : flat(object);
  const head = TEXT_KEYS.map((key) => all.find((field) => field.name === key && typeof field.value === "string")).find(Boolean);
  const skip = (field) => field === head || LEVEL_KEYS.includes(field.name) || TIME_KEYS.includes(field.name);
  return { text: head?.value ?? "", fields: all.filter((field) => !skip(field)) };
}

const fieldsAsText = (entry) =>
  parsedFields(entry)
    .map((field) => `${field.name}=${shown(field.value)}`)
    .join(" ");

/** The expression that is true of entries in which a field has its value; "" if none can be written. */
export function whereEquals(field) {
  const { value, path } = field;
  if (value && typeof value === "object") return "";
  const plainName = /^[A-Za-z_]\w*$/;
  const simple = !field.taken && plainName.test(path[0]) && !KEYWORDS.has(path[0]);
  const first = simple ? path[0] : `fields[${quoted(path[0])}]`;
  const name = path.slice(1).reduce((all, part) => all + (plainName.test(part) && !KEYWORDS.has(part) ? `.${part}` : `[${quoted(part)}]`), first);
  if (value === null) return `${name} == None`;
  if (typeof value === "boolean") return `${name} == ${value ? "True" : "False"}`;
  return `${name} == ${typeof value === "number" ? value : quoted(value)}`;
}

const KEYWORDS = new Set(
  ("and or not in is if else for None True False lambda def class from import as with while try return pass " +
    "message stream time source container fields").split(" "),
);
const quoted = (text) => JSON.stringify(text);

/** `first` and `second` both; either may be empty. */
export function both(first, second) {
  const bracket = (text) => (/\bor\b/.test(text) ? `(${text})` : text);
  return first && second ? `${bracket(first)} and ${bracket(second)}` : first || second;
}

/** The size of a text in UTF-8. */
export const byteLength = (text) => new TextEncoder().encode(text).length;
