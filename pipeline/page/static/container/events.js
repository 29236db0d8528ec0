/** What happened to a container: marks in its charts, and their list. */
import { link } from "../lib/route.js";
import { html } from "../lib/ui.js";
import { clock } from "../lib/units.js";

const MANY = 12; // events, that the list shows without scrolling
const HOUR = 3600;
const AROUND = 30; // seconds before and after an event whose lines are shown
const WORDS = { oom: "out of memory", die: "ended", start: "started", health_status: "health", gap: "gap in its log" };

/** An event as a word, and whether it is a bad one. */
function wordOf({ action, text }) {
  if (action === "health_status" || action.startsWith("health_status")) {
    const health = text || action.split(":")[1]?.trim() || "health";
    return [health, health.includes("unhealthy")];
  }
  if (action === "die") return [text.replace("exit code", "exit") || "ended", !/\b0$/.test(text)];
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
          <span class=${bad ? "bad" : ""}>${bad && html`<span aria-hidden="true">! </span>`}${WORDS[action] ?? action}${text && `: ${text}`}</span>
        </li>`;
      })}
    </ol>
  </section>`;
}
