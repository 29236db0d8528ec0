/** Asks the agent: JSON answers, and streams of JSON lines. Each request carries the token. */
import { sentence } from "./lib/sentence.js";
import { accepted, current, fallBack } from "./token.js";

const FIRST_PAUSE = 500;
const LAST_PAUSE = 5_000;
const FINAL = new Set([400, 401, 403, 421, 429]);

/** Whether the same request will be answered so again: with a wrong token it does harm, too. */
export const isFinal = (status) => FINAL.has(status);

/** An answer that is not 200: `status` (0 where there was none) and a sentence in `message`. */
export class Refusal extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

async function ask(path, options = {}) {
  let answer;
  const token = current();
  const headers = token ? { ...options.headers, Authorization: `Bearer ${token}` } : { ...options.headers };
  try {
    answer = await fetch(path, { cache: "no-store", ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0, "The agent does not answer.");
  }
  if (answer.status === 401 && fallBack(token)) return ask(path, options);
  if (!answer.ok) throw new Refusal(answer.status, await why(answer));
  accepted(token);
  return answer;
}

async function why(answer) {
  const text = (await answer.text()).trim().slice(0, 500);
  return sentence(text) || `The agent answered ${answer.status} ${answer.statusText}.`;
}

/** The JSON at a path. Throws a Refusal. */
export const get = async (path, signal) => (await ask(path, { signal })).json();

/** The JSON that a POST of JSON answers. Throws a Refusal. */
export const post = async (path, body, signal) =>
  (
    await ask(path, {
      method: "POST",
      body: JSON.stringify(body),
      headers: { "Content-Type": "application/json" },
      signal,
    })
  ).json();

/** A path with a query: a list gives its key once for each value; what is empty is left out. */
export function withQuery(path, values) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== "" && each !== null && each !== undefined && each !== false) query.append(key, each);
    }
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/**
 * Follows a stream of JSON lines while the tab is visible, and connects again when it ends.
 * onLine(object) gets each line. onState({state, since, text}) is told "live", "away" (no answer
 * since then) or "refused" (the agent's sentence). `silence`: seconds without a byte after which
 * the agent counts as away; 0 for streams that may be quiet. `parse`: what a line is read with, for
 * who would rather do it later. Returns what closes it.
 */
export function stream(path, onLine, onState = () => {}, { silence = 0, parse = JSON.parse } = {}) {
  let ended = false;
  let pause = FIRST_PAUSE;
  let awaySince = null;
  let timer = null;
  let abort = null;

  const report = (state, text = "", status = 0) => {
    if (ended) return;
    if (state === "live") awaySince = null;
    else awaySince ??= Date.now() / 1000;
    onState({ state, since: awaySince, text, status });
  };

  async function run() {
    timer = null;
    if (ended || document.hidden) return;
    const mine = new AbortController();
    abort = mine;
    try {
      const answer = await ask(path, { signal: mine.signal });
      report("live");
      await readLines(answer.body, mine, silence, (line) => {
        pause = FIRST_PAUSE;
        if (!ended && abort === mine) onLine(parse(line));
      });
      if (abort === mine) report("away", "The agent closed the stream.");
    } catch (error) {
      if (ended || abort !== mine) return;
      report(error.status > 0 ? "refused" : "away", error.message, error.status);
      if (isFinal(error.status)) return;
    }
    if (ended || abort !== mine) return;
    timer = setTimeout(run, pause);
    pause = Math.min(pause * 2, LAST_PAUSE);
  }

  const stop = () => {
    clearTimeout(timer);
    timer = null;
    const old = abort;
    abort = null;
    old?.abort();
  };
  // A tab that nobody sees costs the agent nothing.
  const shown = () => {
    stop();
    if (!document.hidden) run();
  };
  document.addEventListener("visibilitychange", shown);
  run();
  return () => {
    ended = true;
    document.removeEventListener("visibilitychange", shown);
    stop();
  };
}

async function readLines(body, abort, silence, onLine) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let parts = []; // of a line whose end has not come: joined once, as the first may have megabytes
  let watch = null;
  const heard = () => {
    clearTimeout(watch);
    if (silence) watch = setTimeout(() => abort.abort(new Refusal(0, "The agent has gone silent.")), silence * 1000);
  };
  try {
    for (;;) {
      heard();
      const { value, done } = await reader.read();
      if (done) return;
      const lines = value.split("\n");
      for (let index = 0; index < lines.length - 1; index++) {
        const text = parts.length ? parts.join("") + lines[index] : lines[index];
        parts = [];
        if (text) onLine(text);
      }
      if (lines.at(-1)) parts.push(lines.at(-1));
    }
  } finally {
    clearTimeout(watch);
  }
}
