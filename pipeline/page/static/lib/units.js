/** Figures in the fewest characters that still tell. What was not measured is "–", never 0. */

export const NONE = "–";
const GROUPED = new Intl.NumberFormat("en"); // made once: toLocaleString makes one for each number
export const known = (value) => value !== null && value !== undefined && Number.isFinite(value);

/** 0, 7, 742, 7,988, 21k, 1.2M. */
export function count(value) {
  if (!known(value)) return NONE;
  if (Math.abs(value) < 10_000) return exact(value);
  for (const [size, unit] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (Math.abs(value) >= size) return short(value / size) + unit;
  }
}

/** 20,000: a number that is compared with another one digit by digit. */
export const exact = (value) => (known(value) ? GROUPED.format(Math.round(value)) : NONE);

/** 742/s, 0.4/s, 0/s. */
export function rate(value) {
  if (!known(value)) return NONE;
  return (value > 0 && value < 10 ? short(value) : count(value)) + "/s";
}

/** 512 B, 1.2 MiB. */
export function bytes(value) {
  if (!known(value)) return NONE;
  for (const [size, unit] of [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]]) {
    if (value >= size) return `${short(value / size)} ${unit}`;
  }
  return `${Math.round(value)} B`;
}

export const byteRate = (value) => (known(value) ? bytes(value) + "/s" : NONE);

/** Cores as per cent of one: 0.021 is "2.1 %". */
export const cores = (value) => (known(value) ? `${short(value * 100)} %` : NONE);

export const percent = (part, whole) => (known(part) && whole > 0 ? `${short((part / whole) * 100)} %` : NONE);

/** 0 s, 30 s, 4 min, 3 h, 12 d. */
export function span(seconds) {
  if (!known(seconds)) return NONE;
  if (seconds < 10) return `${seconds < 0.05 ? 0 : short(seconds)} s`;
  for (const [size, unit] of [[86_400, "d"], [3_600, "h"], [60, "min"]]) {
    if (seconds >= 2 * size) return `${Math.floor(seconds / size)} ${unit}`;
  }
  return `${Math.round(seconds)} s`;
}

/** 14:03:11 of the reader's own clock, with the date where it was another day. */
export function clock(epoch) {
  if (!known(epoch)) return NONE;
  const time = new Date(epoch * 1000);
  const hours = time.toLocaleTimeString("en-GB");
  return time.toDateString() === new Date().toDateString() ? hours : `${date(time)} ${hours}`;
}

const date = (time) =>
  [time.getFullYear(), time.getMonth() + 1, time.getDate()].map((part) => String(part).padStart(2, "0")).join("-");

/** "1 sink", "3 sinks". */
export const plural = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

function short(value) {
  const digits = Math.abs(value) >= 10 ? 0 : 1;
  return value.toFixed(digits).replace(/\.0$/, "");
}
