/** Keys of the whole page. Ctrl-F stays the browser's. */
import { isTyping } from "./lib/hooks.js";

const VIEWS = { f: "#/flow", l: "#/logs", c: "#/containers", b: "#/balance", t: "#/try", h: "#/fleet" };
const TOGETHER = 1_000; // milliseconds between "g" and the next key

/** Listens until what it returns is called. `open` shows the palette or the help. */
export function pageKeys({ go, open }) {
  let began = -TOGETHER; // when "g" was pressed
  const pressed = (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      open("palette");
      return;
    }
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
    if (event.timeStamp - began < TOGETHER && VIEWS[event.key]) {
      began = -TOGETHER;
      event.preventDefault();
      event.stopImmediatePropagation(); // the second key is none of the view's
      go(VIEWS[event.key]);
    } else if (event.key === "g") {
      began = event.timeStamp;
    } else if (event.key === "/") {
      event.preventDefault();
      search(go);
    } else if (event.key === "?") {
      event.preventDefault();
      open("help");
    }
  };
  addEventListener("keydown", pressed, true);
  return () => removeEventListener("keydown", pressed, true);
}

/** To the view's search, or to that of the lines where it has none. */
function search(go) {
  const found = document.querySelector("[data-search]");
  if (found) {
    found.focus();
    found.select();
    return;
  }
  go("#/logs");
  const until = performance.now() + 1_000;
  const wait = () => {
    const input = document.querySelector("[data-search]");
    if (input) input.focus();
    else if (performance.now() < until) requestAnimationFrame(wait);
  };
  requestAnimationFrame(wait);
}
