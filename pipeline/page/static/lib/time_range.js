/** Chooses a time: from and to, in the reader's own time. */
import { useOutside } from "./picker.js";
import { html, useRef, useState } from "./ui.js";

const DAY = 86_400;

/** "2026-01-31T23:59:59" of the reader's clock, as an input has it. */
function local(epoch) {
  const time = new Date(epoch * 1000);
  return new Date(time - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

const epochOf = (text) => Math.floor(new Date(text).getTime() / 1000);

/** A button that opens it; choose({since, until}) gets seconds since the epoch as texts. */
export function TimeRange({ since, until, choose }) {
  const [open, setOpen] = useState(false);
  const element = useRef(null);
  const now = Math.floor(Date.now() / 1000);
  return html`<div class="picker-at" ref=${element}>
    <button type="button" data-opens aria-expanded=${String(open)} class=${since ? "set" : ""} onClick=${() => setOpen(!open)}>Time <span aria-hidden="true">▾</span></button>
    ${open && html`<${Range} ...${{ element, now, choose }} since=${Number(since) || now - 900} until=${Number(until) || now} close=${() => setOpen(false)} />`}
  </div>`;
}

function Range({ element, since, until, now, choose, close }) {
  const [from, setFrom] = useState(local(since));
  const [to, setTo] = useState(local(until));
  useOutside(element, close);
  const wrong = !from || !to || epochOf(from) >= epochOf(to);
  const take = (start, end) => {
    choose({ since: String(start), until: String(end) });
    close();
  };
  const pressed = (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    close();
  };
  const input = (label, value, set) => html`<label>${label} <input type="datetime-local" step="1" max=${local(now + DAY)} value=${value} onInput=${(event) => set(event.target.value)} /></label>`;
  return html`<div class="picker range" role="dialog" aria-label="Time" onKeyDown=${pressed}>
    <p class="dim">Lines of then, from the Engine's own log.</p>
    ${input("From", from, setFrom)} ${input("To", to, setTo)}
    <div class="range-quick">${[["5 min", 300], ["1 h", 3600], ["24 h", DAY]].map(([word, size]) => html`<button type="button" key=${word} onClick=${() => take(now - size, now)}>Last ${word}</button>`)}</div>
    <div class="picker-foot"><span class="bad">${wrong ? "The end comes first." : ""}</span><button type="button" onClick=${close}>Cancel</button><button type="button" disabled=${wrong} onClick=${() => take(epochOf(from), epochOf(to))}>Show</button></div>
  </div>`;
}
