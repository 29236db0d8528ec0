/** What happened to a container: marks in its charts, and their list. */
import { link } from "../lib/route.js";
import { html } from "../lib/ui.js";
import { clock } from "../lib/units.js";

const MANY = 12; // events, that the list shows without scrolling
const HOUR = 3600;
const AROUND = 30; // seconds before and after an event whose lines are shown
/** An event as a word or two, and whether it is a bad one. */
function wordOf({ action, text }) {
  if (action === "health_status") return [text.replace("health: ", ""), text.includes("unhealthy")];
  if (action === "die") {
    if (text.startsWith("killed: out of memory")) return ["OOM", true];
    const code = /\bcode (\d+)/.exec(text)?.[1];
    return [code === undefined ? "ended" : `exit ${code}`, code !== "0" && !text.startsWith("stopped: ")];
  }
  return [{ oom: "OOM", gap: "gap" }[action] ?? action, ["oom", "gap", "kill"].includes(action)];
}

/** {time, sign, bad} for the charts. */
export const marksOf = (events) =>
  events.map((event) => {
    const [sign, bad] = wordOf(event);
    return { time: event.time, sign, bad };
  });

export function Events({ events, name, began }) {
  return html`<section class="card" aria-labelledby="events">
    <h3 id="events">Events of the last hour</h3>
    ${!events.length && html`<p class="dim">None${Date.now() / 1000 - began < HOUR ? ` since the agent began at ${clock(began)}` : ""}: it neither started nor ended, and its log has no gap.</p>`}
    <ol class="events" tabindex=${events.length > MANY ? "0" : null} aria-labelledby="events">
      ${[...events].reverse().map((event) => {
        const { time, action, text } = event;
        const bad = wordOf(event)[1];
        return html`<li key=${time + action}>
          <a class="mono" href=${link("logs", [], { c: name, since: Math.floor(time - AROUND), until: Math.ceil(time + AROUND) })} title="The lines of then">${clock(time)}</a>
          <span class=${bad ? "bad" : ""}>${bad && html`<span aria-hidden="true">! </span>`}${action === "gap" ? `gap in its log: ${text}` : text}</span>
        </li>`;
      })}
    </ol>
  </section>`;
}
