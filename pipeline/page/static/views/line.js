/** One line. */
import { html } from "../lib/ui.js";
export function LinePanel({ row, close }) {
  return html`<aside class="panel"><button onClick=${close}>Close</button><pre>${row.entry.message}</pre></aside>`;
}
export default function LinkedLine() { return html`<p>…</p>`; }
