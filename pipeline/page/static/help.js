/** The keys, in a dialog. */
import { html } from "./lib/ui.js";
import { Dialog } from "./lib/dialog.js";

const KEYS = [
  ["Anywhere", [
    ["Ctrl K", "find a container, view, route or sink"],
    ["/", "to the view's search"],
    ["g f", "flow"], ["g l", "logs"], ["g c", "containers"], ["g b", "balance"], ["g t", "try"],
    ["?", "this help"],
    ["Esc", "close, or leave a search"],
  ]],
  ["Lists", [["j  k", "next, previous"], ["Enter", "open"]]],
  ["Logs", [["Space", "pause, go on"], ["End", "follow the end"], ["Enter", "why a line is where it is"], ["x", "unfold a line"], ["w", "wrap lines"], ["n  N", "next, previous match"]]],
];

export function Help({ close }) {
  return html`<${Dialog} label="Keys" close=${close}>
    <h2>Keys</h2>
    <div class="help">
      ${KEYS.map(([title, keys]) => html`<section key=${title}>
        <h3>${title}</h3>
        <dl>${keys.map(([key, text]) => html`<div key=${key}>
          <dt>${key.split(/ +/).map((part) => html`<kbd>${part}</kbd> `)}</dt><dd>${text}</dd>
        </div>`)}</dl>
      </section>`)}
    </div>
    <div class="help-end">
      <p class="dim">Ctrl-F is the browser’s own. The address says all of the view: send it to a colleague, who needs the token as well.</p>
      <button onClick=${close}>Close</button>
    </div>
  <//>`;
}
