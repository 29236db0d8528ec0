/** Lines to try stages on: the newest of a container as it wrote them, or typed ones. */
import { get, stream, withQuery } from "../api.js";
import { cut } from "./ansi.js";
import { useEffect, useRef, useState } from "./ui.js";

export const MOST = 20;
const LONGEST = 4096;
const EVERY = 3_000;

/** {lines, error} of a container; they stay while `held`. */
export function useLiveLines(container, held) {
  const [state, set] = useState({ lines: [], error: "" });
  const holding = useRef(held);
  holding.current = held;
  useEffect(() => {
    set({ lines: [], error: "" });
    if (!container) return undefined;
    const abort = new AbortController();
    let lines = [];
    let end = null;
    const add = (more) => {
      if (!more.length || holding.current) return;
      lines = [...lines, ...more].slice(-MOST);
      set({ lines, error: "" });
    };
    const ask = async () => {
      if (document.hidden || (holding.current && lines.length)) return;
      const last = lines.at(-1)?.time;
      try {
        const query = last ? { after: last, limit: MOST } : { before: new Date().toISOString(), limit: MOST };
        const answer = await get(withQuery("/api/lines", { container, ...query }), abort.signal);
        // Many lines after the last one: the newest are wanted, not the next.
        if (last && answer.lines.length >= MOST) {
          lines = [];
          return void ask();
        }
        add(answer.lines.map(line));
        if (!lines.length) set({ lines, error: "The container has written nothing yet." });
      } catch (error) {
        if (abort.signal.aborted) return;
        if (error.status === 404 && !lines.length && !end) end = fromTap(container, add, (text) => set({ lines, error: text }));
        else set({ lines, error: error.message });
      }
    };
    ask();
    const timer = setInterval(() => !end && ask(), EVERY);
    return () => {
      abort.abort();
      clearInterval(timer);
      end?.();
    };
  }, [container]);
  return state;
}

/** Without an Engine here: lines on their way, as stages left them. Returns what ends it. */
function fromTap(container, add, fail) {
  const seen = new Set();
  let waiting = [];
  const end = stream(
    withQuery("/tap", { container }),
    (told) => {
      const number = told.entry?.event?.sequence;
      if (told.entry?.message === undefined || seen.has(number)) return;
      seen.add(number);
      if (seen.size > 1000) seen.clear();
      waiting = [...waiting, line({ time: told.entry["@timestamp"], stream: told.entry.stream, message: told.entry.message })].slice(-MOST);
    },
    (state) => state.state === "refused" && fail(state.text),
  );
  const timer = setInterval(() => {
    add(waiting);
    waiting = [];
  }, EVERY);
  return () => {
    end();
    clearInterval(timer);
  };
}

const line = ({ time, stream: name, message }) => ({ text: cut(message, LONGEST).text, stream: name || "stdout", time });

/** Typed lines. */
export const typedLines = (text) =>
  text.split("\n").filter(Boolean).slice(0, 200).map((one) => ({ text: cut(one, LONGEST).text, stream: "stdout" }));
