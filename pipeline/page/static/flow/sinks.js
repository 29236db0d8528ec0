/** The last column: where entries go, and how well. */
import { link } from "../lib/route.js";
import { html } from "../lib/ui.js";
import { bytes, byteRate, count, rate, span } from "../lib/units.js";
import { Problem } from "./problem.js";

const POLICIES = { block: "waits when full", drop_newest: "drops the newest when full", drop_oldest: "drops the oldest when full" };
const LATE = 5; // seconds of lag that are worth a look

export function Sinks({ graph, now, at, dense }) {
  const states = new Map(now.sinks.map((sink) => [sink.name, sink]));
  const troubled = ({ name }) => Boolean(states.get(name)?.problem);
  // Of many, those with a problem come first.
  const sinks = dense ? [...graph.sinks.filter(troubled), ...graph.sinks.filter((sink) => !troubled(sink))] : graph.sinks;
  return html`<div class="column">
    <h2>Sinks <span class="dim">${graph.sinks.length}</span></h2>
    ${sinks.map((sink) => html`<${Sink} key=${sink.name} sink=${sink} state=${states.get(sink.name)} at=${at === sink.name} dense=${dense} now=${now.time} />`)}
    ${!graph.sinks.length && html`<p class="empty">No sink is configured: nothing is sent.</p>`}
  </div>`;
}

/** "failing for 30 s: connection refused", as the head says it. */
const wordsOf = (state, now) =>
  state.problem_since ? `failing for ${span(Math.max(0, now - state.problem_since))}: ${state.problem}` : state.problem;

function Sink({ sink, state, now, at, dense }) {
  return html`<section class="card sink ${at ? "at" : ""} ${state?.problem ? "broken" : ""}" data-node="sink ${sink.name}"
    aria-label="Sink ${sink.name}" ref=${at ? intoView : null}>
    <div class="row">
      <h3><a class="cut" href=${link("logs", [], { sink: sink.name })} title="Lines to ${sink.name}">${sink.name}</a>
        ${sink.type !== sink.name && html`<span class="tag">${sink.type}</span>`}</h3>
      ${state && html`<span class="num" title="${byteRate(state.bytes_per_second)}"><b>${rate(state.delivered_per_second)}</b></span>`}
    </div>
    ${!dense && html`<p class="dim cut mono" title=${sink.address}>${sink.address}</p>`}
    ${state?.problem && html`<${Problem} text=${wordsOf(state, now)} />`}
    ${state && html`<${dense && calm(state) ? Calm : State} sink=${sink} state=${state} />`}
  </section>`;
}

/** Whether a line says all that is to say. */
const calm = (state) =>
  !state.problem && state.lag <= LATE && !state.retried && !state.dead_lettered && !Object.keys(state.dropped).length;

const Calm = ({ state }) => html`<p class="row dim">
  <span>lag ${span(state.lag)}</span><${Fill} part=${fill(state.memory, state.memory_limit)} />
</p>`;

const intoView = (element) => element?.scrollIntoView({ block: "nearest" });

function State({ sink, state }) {
  const drops = Object.entries(state.dropped).filter(([, number]) => number > 0);
  const full = Math.max(fill(state.memory, state.memory_limit), fill(state.disk, state.disk_limit));
  return html`<dl class="facts">
    <div><dt>buffer</dt><dd>
      <${Fill} part=${fill(state.memory, state.memory_limit)} />
      <span title=${`${count(state.entries)} entries; ${POLICIES[sink.when_full] ?? sink.when_full}`}>
        ${bytes(state.memory)} of ${bytes(state.memory_limit)}
      </span>
    </dd></div>
    ${state.disk_limit > 0 && html`<div><dt>disk</dt><dd><${Fill} part=${fill(state.disk, state.disk_limit)} /> ${bytes(state.disk)} of ${bytes(state.disk_limit)}</dd></div>`}
    ${full > 0.5 && html`<div><dt></dt><dd class="warn">${POLICIES[sink.when_full] ?? sink.when_full}</dd></div>`}
    <div><dt>lag</dt><dd class=${state.lag > LATE ? "warn" : ""}>${span(state.lag)}${state.blocked > 0 && ` · holds up ${count(state.blocked)}`}</dd></div>
    ${state.retried > 0 && html`<div><dt>retries</dt><dd>${count(state.retried)}${state.retried_per_second > 0 && `, now ${rate(state.retried_per_second)}`}</dd></div>`}
    ${state.dead_lettered > 0 && html`<div><dt>rejected</dt><dd class="warn">${count(state.dead_lettered)} to ${sink.dead_letter ?? "the dead letters"}</dd></div>`}
    ${drops.length > 0 && html`<div><dt>dropped</dt><dd>
      <a class=${state.dropped_per_second > 0 ? "bad" : "warn"} href=${link("logs", [], { show: "dropped", sink: sink.name })} title="Show some of them">
        ${drops.map(([reason, number]) => `${count(number)} (${reason})`).join(", ")}${state.dropped_per_second > 0 && `, now ${rate(state.dropped_per_second)}`}
      </a>
    </dd></div>`}
  </dl>`;
}

const fill = (used, limit) => (limit > 0 ? used / limit : 0);
const PARTS = 8;

/** How full a buffer is, in eighths: any entry shows, and only what is full shows as full. */
function Fill({ part }) {
  const parts = part <= 0 ? 0 : Math.max(1, Math.min(PARTS, Math.floor(part * PARTS + 0.5)));
  const kind = part > 0.9 ? "bad" : part > 0.5 ? "warn" : "";
  return html`<span class="fill ${kind}" role="img" aria-label="${Math.round(part * 100)} per cent full" title="${Math.round(part * 100)} % full">
    ${Array.from({ length: PARTS }, (_, index) => html`<i key=${index} class=${index < parts ? "on" : ""}></i>`)}
  </span>`;
}
