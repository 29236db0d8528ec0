/**
 * A text area with line numbers, and marks at the lines that are wrong.
 *
 * Long lines wrap. A copy of the text behind the area, that is not seen, wraps in the same way and
 * carries the numbers, so that each stands at its line without anything being measured.
 */
import { html, useEffect, useRef } from "./ui.js";

/** `marks`: [{line, text, tone}] with `line` from 1, or null for the text as a whole. */
export function Editor({ value, change, marks, label }) {
  const area = useRef(null);
  const copy = useRef(null);
  const lines = value.split("\n");
  const byLine = new Map(marks.filter((mark) => mark.line).map((mark) => [mark.line, mark]));
  const follow = () => {
    copy.current.style.transform = `translateY(${-area.current.scrollTop}px)`;
  };
  useEffect(follow);
  const goTo = (line) => {
    const start = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
    area.current.focus();
    area.current.setSelectionRange(start, start + (lines[line - 1]?.length ?? 0));
  };
  return html`<div class="editor">
    <div class="editor-box">
      <div class="editor-copy" aria-hidden="true"><ol ref=${copy}>${lines.map((text, index) => {
        const mark = byLine.get(index + 1);
        return html`<li key=${index} class=${mark ? `marked ${mark.tone}` : ""}><i>${mark ? "!" : ""}<b>${index + 1}</b></i>${text || " "}</li>`;
      })}</ol></div>
      <textarea ref=${area} aria-label=${label} aria-invalid=${String(marks.some((mark) => mark.tone === "bad"))} aria-describedby="editor-marks" spellcheck="false" autocomplete="off" autocapitalize="off"
        value=${value} onInput=${(event) => change(event.target.value)} onScroll=${follow}></textarea>
    </div>
    <ul class="editor-marks" id="editor-marks" aria-live="polite">${marks.map((mark, index) => html`<li key=${index} class=${mark.tone}>
      ${mark.line ? html`<button type="button" class="quiet" onClick=${() => goTo(mark.line)}>line ${mark.line}</button>` : html`<span class="sign ${mark.tone === "bad" ? "" : "soft"}">!</span>`}
      <span>${mark.where && html`<code>${mark.where}</code> `}${mark.text}</span></li>`)}</ul>
  </div>`;
}
