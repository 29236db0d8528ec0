/** Hooks that several views share. */
import { get } from "../api.js";
import { useEffect, useLayoutEffect, useRef, useState } from "./ui.js";

/**
 * The JSON at a path, asked again every `every` seconds while the tab is visible (0: once) and when
 * `again` changes. {data, error}: data stays as it was when a later request fails.
 */
export function useJson(path, every = 0, again = null) {
  const [answer, setAnswer] = useState({ path: null, data: null, error: null });
  useEffect(() => {
    if (!path) return;
    const abort = new AbortController();
    const ask = async () => {
      if (document.hidden && every) return;
      try {
        const data = await get(path, abort.signal);
        setAnswer({ path, data, error: null });
      } catch (error) {
        if (!abort.signal.aborted) setAnswer((old) => ({ path, data: old.path === path ? old.data : null, error }));
      }
    };
    ask();
    const timer = every ? setInterval(ask, every * 1000) : null;
    return () => {
      abort.abort();
      clearInterval(timer);
    };
  }, [path, every, again]);
  return answer.path === path ? answer : { path, data: null, error: null };
}

/** A ref and the width in pixels of the element it is given to; 0 before it is known. */
export function useWidth() {
  const element = useRef(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    if (!element.current) return;
    const seen = new ResizeObserver(([entry]) => setWidth(Math.floor(entry.contentRect.width)));
    seen.observe(element.current);
    return () => seen.disconnect();
  }, []);
  return [element, width];
}

/** The seconds since the epoch, again each second while `active`. */
export function useClock(active) {
  const [time, setTime] = useState(Date.now() / 1000);
  useEffect(() => {
    if (!active) return;
    const timer = setInterval(() => setTime(Date.now() / 1000), 1000);
    return () => clearInterval(timer);
  }, [active]);
  return time;
}

/** Whether a media query holds, also after the window has changed. */
export function useMedia(query) {
  const [holds, setHolds] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const asked = matchMedia(query);
    const changed = () => setHolds(asked.matches);
    changed();
    asked.addEventListener("change", changed);
    return () => asked.removeEventListener("change", changed);
  }, [query]);
  return holds;
}

/** Keys of a view, while nobody types: handler(event) returns true for one that it has taken. */
export function useKeys(handler) {
  const latest = useRef(handler);
  latest.current = handler;
  useEffect(() => {
    const pressed = (event) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (latest.current(event)) event.preventDefault();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}

/** Whether keys pressed there are text. */
export const isTyping = (element) =>
  element instanceof HTMLElement &&
  (element.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName)) &&
  element.type !== "checkbox";
