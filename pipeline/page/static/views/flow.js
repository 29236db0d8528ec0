/** Not written yet. */
import { html } from "../lib/ui.js";

export default function View({ route }) {
  return html`<p class="empty">The view ${route.view} is not written yet.</p>`;
}
