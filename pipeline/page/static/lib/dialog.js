/** A dialog over the page, closed by Esc or a click beside it. */
import { html, useEffect, useRef } from "./ui.js";

export function Dialog({ label, close, children, kind = "" }) {
  const element = useRef(null);
  useEffect(() => {
    element.current.showModal();
  }, []);
  const outside = (event) => event.target === element.current && close();
  return html`<dialog class=${kind} ref=${element} aria-label=${label} onClose=${close} onClick=${outside}>
    <div class="dialog-inside">${children}</div>
  </dialog>`;
}
