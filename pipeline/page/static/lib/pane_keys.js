/** What keys and the clipboard do in the pane of lines. */
import { rowText } from "./row_view.js";

const ACTIONS = {
  j: (pane) => pane.step(1),
  ArrowDown: (pane) => pane.step(1),
  k: (pane) => pane.step(-1),
  ArrowUp: (pane) => pane.step(-1),
  G: (pane) => pane.follow(),
  End: (pane) => pane.follow(),
};
/** Keys for the row that is selected. */
const OF_ROW = {
  Enter: (pane, row) => pane.opened(row),
  x: (pane, row) => pane.unfold(row, row.more.length || /\n/.test(row.entry.message) ? "fold" : "all"),
};
/** Keys that a button or a link takes itself. */
const PRESSES = new Set(["Enter", " "]);

/** Takes a key; whether it was one of the pane's. */
export function paneKey(pane, { key, target }) {
  if (PRESSES.has(key) && target instanceof Element && target.closest("button, a, input, summary")) return false;
  const row = pane.rows.at(pane.selected ?? NaN);
  if (Object.hasOwn(ACTIONS, key)) ACTIONS[key](pane);
  else if (row && Object.hasOwn(OF_ROW, key)) OF_ROW[key](pane, row);
  else if (key === " ") pane.toggle();
  else if ((key === "n" || key === "N") && pane.look.find) pane.step(key === "n" ? 1 : -1, (one) => pane.matches(one));
  else return false;
  return true;
}

/** Copies whole rows where more than one is selected; the text of one is the browser's. */
export function copyRows(pane, event) {
  const range = pane.selecting() && getSelection().getRangeAt(0);
  if (!range) return;
  const chosen = [...pane.inner.children].filter((element) => range.intersectsNode(element));
  if (chosen.length < 2) return;
  event.preventDefault();
  event.clipboardData.setData("text/plain", chosen.map((element) => rowText(element.row, pane.look)).join("\n") + "\n");
}
