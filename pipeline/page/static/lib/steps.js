/** What the stages of a route did with a line. */
import { shown } from "./text.js";
import { plain } from "./ansi.js";
import { html } from "./ui.js";

const SIGNS = { changed: "~", unchanged: "=", dropped: "×", joined: "↑", split: "÷" };
const LONG = 300;

const brief = (value) => {
  const text = plain(typeof value === "string" ? value : shown(value));
  return text.length > LONG ? text.slice(0, LONG) + "…" : text;
};

/** One field: "+ level = error", "- card", "~ message = …, was …". */
function Change({ change }) {
  const { field, before, after } = change;
  const added = !("before" in change) || before === null;
  const removed = !("after" in change);
  if (removed) return html`<li class="change removed"><span class="change-sign">−</span> <b>${plain(field)}</b> <del>${brief(before)}</del></li>`;
  return html`<li class=${`change ${added ? "added" : "changed"}`}><span class="change-sign">${added ? "+" : "~"}</span> <b>${plain(field)}</b> <span>${brief(after)}</span>${!added && html` <span class="dim">was <del>${brief(before)}</del></span>`}</li>`;
}

function outcome({ outcome: word, line, parts }) {
  if (word === "joined") return `joined to line ${line}`;
  if (word === "split") return parts === 1 ? "split into one entry" : `split into ${parts} entries`;
  return word;
}

/** The stages in order, each with its outcome and changes. `most` changes are shown of each. With
 * `compact`, stages that changed nothing stand beside each other. A stage of a route before has that one's name. */
export function Steps({ stages, most = 50, afresh = [], compact = false }) {
  if (!stages.length) return html`<p class="dim">No stages.</p>`;
  return html`<ol class=${compact ? "steps compact" : "steps"}>${stages.map((step, index) => html`<li key=${index} class=${`step ${step.outcome}`}>
    <span class="step-sign" aria-hidden="true">${SIGNS[step.outcome] ?? "?"}</span>
    <span class="step-name" title=${afresh.includes(step.stage) ? "It began afresh for this: what it remembers of other lines is not known here" : ""}>${step.route && html`<span class="dim">${step.route} ▸ </span>`}${step.stage}${afresh.includes(step.stage) && html` <span class="tag">afresh</span>`}</span>
    <span class="step-outcome">${outcome(step)}</span>
    ${step.changes.length > 0 && html`<ul class="changes">${step.changes.slice(0, most).map((change, place) => html`<${Change} key=${place} change=${change} />`)}
      ${step.changes.length > most && html`<li class="dim">${step.changes.length - most} more fields</li>`}</ul>`}
  </li>`)}</ol>`;
}

/** "dedupe and sample began afresh". */
export function Afresh({ names }) {
  if (!names?.length) return null;
  const listed = names.length === 1 ? names[0] : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
  return html`<p class="dim">${listed} began afresh here: what ${names.length === 1 ? "it remembers" : "they remember"} of other lines is left out.</p>`;
}
