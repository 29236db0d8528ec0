/** What is wrong, at its place: a sign and words. */
import { html } from "../lib/ui.js";

export const Problem = ({ text }) => html`<p class="problem">
  <span class="sign" aria-hidden="true">!</span> <span><span class="hidden">Problem: </span>${text}</span>
</p>`;
