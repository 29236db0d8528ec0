/** A text area with line numbers, and marks at the lines that are wrong. */
import { html, useEffect, useRef } from "./ui.js";

/** `marks`: [{line, text, tone}] with `line` from 1, or null for the text as a whole. */
export function Editor({ value, change, marks, label }) {
  const area = useRef(null);
  const gutter = useRef(null);
  const lines = value.split("\n").length;
  const byLine = new Map(marks.filter((mark) => mark.line).map((mark) => [mark.line, mark]));
  const follow = () => {
    gutter.current.style.transform = `translateY(${-area.current.scrollTop}px)`;
  };
  useEffect(follow);
  const goTo = (line) => {
    const start = value.split("\n").slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
    area.current.focus();
    area.current.setSelectionRange(start, start + (value.split("\n")[line - 1]?.length ?? 0));
  };
  return html`<div class="editor">
    <div class="editor-box">
      <div class="editor-gutter" aria-hidden="true"><div ref=${gutter}>${Array.from({ length: lines }, (_, index) => {
        const mark = byLine.get(index + 1);
        return html`<div key=${index} class=${mark ? `marked ${mark.tone}` : ""} title=${mark?.text}><span>${mark ? "!" : ""}</span>${index + 1}</div>`;
      })}</div></div>
      <textarea ref=${area} aria-label=${label} aria-invalid=${String(marks.some((mark) => mark.tone === "bad"))} aria-describedby="editor-marks" wrap="off" spellcheck="false" autocomplete="off" autocapitalize="off"
        value=${value} onInput=${(event) => change(event.target.value)} onScroll=${follow}></textarea>
    </div>
    <ul class="editor-marks" id="editor-marks" aria-live="polite">${marks.map((mark, index) => html`<li key=${index} class=${mark.tone}>
      ${mark.line ? html`<button type="button" class="quiet" onClick=${() => goTo(mark.line)}>line ${mark.line}</button>` : html`<span class="sign ${mark.tone === "bad" ? "" : "soft"}">!</span>`}
      <span>${mark.where && html`<code>${mark.where}</code> `}${mark.text}</span></li>`)}</ul>
  </div>`;
}
