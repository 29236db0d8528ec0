/** Copies a text, also where the page came by plain HTTP and the browser has no clipboard for it. */
import { html, useEffect, useRef, useState } from "./ui.js";

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyByCommand(text);
  }
}

function copyByCommand(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "hidden";
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  const before = document.activeElement;
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  before?.focus({ preventScroll: true });
  return done;
}

/** A button that copies; `text` is the text, or what returns it. */
export function Copy({ text, label = "Copy", title = "", quiet = false }) {
  const [said, say] = useState("");
  const timer = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), []);
  const clicked = async () => {
    say((await copyText(typeof text === "function" ? text() : text)) ? "Copied" : "Not allowed here");
    clearTimeout(timer.current);
    timer.current = setTimeout(() => say(""), 1500);
  };
  return html`<button type="button" class=${quiet ? "quiet" : ""} title=${title} onClick=${clicked}><span aria-live="polite">${said || label}</span></button>`;
}
