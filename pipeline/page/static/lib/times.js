/** Times of entries: RFC 3339 texts with nanoseconds, shown in the reader's time, UTC, or as an age. */
import { span } from "./units.js";

const two = (number) => (number < 10 ? "0" + number : String(number));
const three = (number) => String(number).padStart(3, "0");

/** Seconds since the epoch; NaN for what is no time. */
export const seconds = (text) => Date.parse(text) / 1000;

/** `mode`: "local", "utc" or "relative". Milliseconds, and the day if it was not today. */
export function timeText(text, mode, now = Date.now()) {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) return String(text ?? "").slice(0, 30);
  if (mode === "relative") return span(Math.max(0, (now - time) / 1000)) + " ago";
  const today = new Date(now);
  if (mode === "utc") {
    const clock = time.toISOString().slice(11, 23) + "Z";
    return same(time, today, "UTC") ? clock : `${two(time.getUTCMonth() + 1)}-${two(time.getUTCDate())} ${clock}`;
  }
  const clock = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${three(time.getMilliseconds())}`;
  return same(time, today, "") ? clock : `${two(time.getMonth() + 1)}-${two(time.getDate())} ${clock}`;
}

const same = (first, second, zone) =>
  ["Date", "Month", "FullYear"].every((part) => first[`get${zone}${part}`]() === second[`get${zone}${part}`]());

/** A time in full, for a title: the reader's, and the entry's own. */
export function fullTime(text) {
  const time = new Date(text);
  return Number.isNaN(time.getTime()) ? String(text) : `${time.toLocaleString()} (${text})`;
}
