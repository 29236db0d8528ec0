/** A route's stages, edited and run on lines of a container. Nothing is saved. */
import { post } from "../api.js";
import { plain } from "../lib/ansi.js";
import { Copy } from "../lib/clipboard.js";
import { Editor } from "../lib/editor.js";
import { useJson } from "../lib/hooks.js";
import { appendText } from "../lib/paint.js";
import { link } from "../lib/route.js";
import { Afresh, Steps } from "../lib/steps.js";
import { sentence } from "../lib/sentence.js";
import { spread } from "../lib/toml.js";
import { typedLines, useLiveLines } from "../lib/try_lines.js";
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../lib/ui.js";

const TYPING = 300; // milliseconds after the last key
const AGAIN = 600; // milliseconds before a busy agent is asked again
const MOST_CONTAINERS = 300;
const MOST_BYTES = 80_000;

export default function Try({ route, go, graph }) {
  const names = (graph?.routes ?? []).map((one) => one.name);
  const name = route.path[0] ?? names[0] ?? "";
  const { data, error } = useJson(name ? `/api/try?route=${encodeURIComponent(name)}` : null);
  const running = useMemo(() => data && { ...data, stages: spread(data.stages) }, [data]);
  const containers = useContainers(name);
  const container = route.query.get("c") ?? containers.list[0]?.name ?? "";
  const [stages, setStages] = useDraft(name, running);
  const [held, hold] = useState(false);
  const [own, setOwn] = useState("");
  const [typing, setTyping] = useState(false);
  const live = useLiveLines(typing ? "" : container, held);
  const lines = typing ? typedLines(own) : live.lines;
  const result = useTry({ container, route: name, stages, lines });
  if (graph && !names.length) return html`<p class="empty">The configuration has no routes, so there are no stages to try.</p>`;
  if (graph?.entries) return html`<p class="empty">Stages cannot be tried here: ${sentence(graph.entries)}</p>`;
  const marks = [...result.errors.map((one) => ({ ...one, tone: "bad" })), ...result.warnings.map((one) => ({ ...one, tone: "warn" }))];
  const to = (next, c) => go(link("try", [next], { c }));
  return html`<section class="try" aria-label="Try stages">
    <header class="try-top">
      <label>Route <select value=${name} onChange=${(event) => to(event.target.value, "")}>${names.map((one) => html`<option key=${one} value=${one}>${one}</option>`)}</select></label>
      <label>Lines of <select value=${container} disabled=${typing && !containers.list.length} onChange=${(event) => to(name, event.target.value)}>
        ${container && !containers.list.some((one) => one.name === container) && html`<option value=${container}>${plain(containers.nameOf(container))}</option>`}
        ${containers.list.map((one) => html`<option key=${one.id} value=${one.name}>${plain(one.name)}</option>`)}</select></label>
      <p class="dim">Nothing is saved: the agent runs these stages beside its own, which go on as they are.${running?.place && html` They are written in <code>${running.place}</code>.`}</p>
    </header>
    <div class="try-body">
      <div class="try-left">
        <div class="try-head"><h2>Stages</h2>
          ${running && stages !== running.stages && html`<button type="button" class="quiet" onClick=${() => setStages(running.stages)}>Back to those running</button>`}
          <${Copy} label="Copy the route's TOML" title="For the configuration" text=${() => result.toml || stages} /></div>
        ${error && html`<p class="bad" role="alert">${error.message}</p>`}
        ${stages !== null && html`<${Editor} label=${`Stages of ${name}, in TOML`} value=${stages} change=${setStages} marks=${marks} />`}
      </div>
      <div class="try-right">
        <div class="try-head"><h2>Lines</h2>
          <div class="pair" role="group" aria-label="Which lines"><button type="button" aria-pressed=${String(!typing)} onClick=${() => setTyping(false)}>Of the container</button><button type="button" aria-pressed=${String(typing)} onClick=${() => setTyping(true)}>My own</button></div>
          ${!typing && html`<button type="button" aria-pressed=${String(held)} title="No new lines come while they are held" onClick=${() => hold(!held)}>Hold lines</button>`}
          <span class="try-said" role="status"><${Said} result=${result} count=${lines.length} /></span></div>
        ${typing && html`<textarea class="try-own" aria-label="Lines to try" placeholder="One line each" spellcheck="false" value=${own} onInput=${(event) => setOwn(event.target.value)}></textarea>`}
        ${!typing && live.error && html`<p class="warn try-note">${live.error}</p>`}
        ${result.note && html`<p class="dim try-note">${sentence(result.note)}</p>`}
        <${Afresh} names=${result.afresh} />
        <${Outcomes} result=${result} lines=${lines} container=${container} typing=${typing} />
      </div>
    </div>
  </section>`;
}

/** The containers that a route takes, the busiest first. */
function useContainers(route) {
  const { data } = useJson("/api/containers");
  const all = data?.containers ?? [];
  const list = all
    .filter((one) => one.routes.includes(route))
    .sort((one, other) => (other.lines_per_second ?? 0) - (one.lines_per_second ?? 0))
    .slice(0, MOST_CONTAINERS);
  const nameOf = (key) => all.find((one) => one.id === key || one.name === key)?.name ?? key.slice(0, 40);
  return { list, nameOf };
}

/** The text of the stages, kept for the tab as it was edited; null before it is known. */
function useDraft(route, running) {
  const key = `dockline.try.${route}`;
  const [draft, setDraft] = useState({ route: null, text: null });
  const kept = draft.route === route ? draft.text : sessionStorage.getItem(key);
  const text = kept ?? running?.stages ?? null;
  const set = (next) => {
    if (next === running?.stages) sessionStorage.removeItem(key);
    else sessionStorage.setItem(key, next);
    setDraft({ route, text: next });
  };
  return [text, set];
}

const NOTHING = { errors: [], warnings: [], lines: [], afresh: [], toml: "", note: "", said: "" };

/** What the stages do with the lines: asked once nobody types, one request at a time, and the
 * newest one counts. */
function useTry(asked) {
  const [result, set] = useState(NOTHING);
  const { container, route, stages, lines } = asked;
  const busy = useRef(false);
  const latest = useRef(null);
  const ended = useRef(false);
  useEffect(() => () => void (ended.current = true), []);
  const run = async () => {
    if (busy.current || ended.current) return;
    busy.current = true;
    const mine = latest.current;
    let pause = 0;
    try {
      const answer = await post("/api/try", mine);
      if (!ended.current && mine === latest.current) set({ ...NOTHING, ...answer, sent: mine.lines });
    } catch (error) {
      if (error.status === 503) pause = AGAIN;
      if (!ended.current) set((old) => ({ ...old, said: error.message }));
    }
    busy.current = false;
    if (pause) setTimeout(run, pause);
    else if (mine !== latest.current) run();
  };
  useEffect(() => {
    if (!container || stages === null) return undefined;
    const timer = setTimeout(() => {
      latest.current = { container, route, stages, lines: within(lines) };
      run();
    }, TYPING);
    return () => clearTimeout(timer);
  }, [container, route, stages, lines.map((line) => `${line.time ?? ""}${line.text}`).join("\n")]);
  return result;
}

/** As many of the newest lines as a request may have. */
function within(lines) {
  let size = 0;
  let from = lines.length;
  while (from > 0 && (size += lines[from - 1].text.length * 2 + 80) < MOST_BYTES) from--;
  return lines.slice(from);
}

function Said({ result, count }) {
  if (result.said) return html`<span class="warn">${result.said}</span>`;
  if (result.errors.length) return html`<span class="bad">Not run: the stages are wrong</span>`;
  if (!result.lines.length) return html`<span class="dim">${count ? "Asking the agent…" : ""}</span>`;
  const passed = result.lines.filter((line) => line.entry).length;
  return html`<span><b class="good">${passed}</b> <span class="dim">of</span> ${result.lines.length} <span class="dim">pass</span></span>`;
}

/** Each line with what became of it, the newest first. */
function Outcomes({ result, lines, container, typing }) {
  if (!lines.length) return html`<p class="empty">${typing ? "Type a line above." : container ? "No lines yet." : "No container of this route is followed."}</p>`;
  const shown = result.lines.length && !result.errors.length ? result.lines : lines.map((one) => ({ line: one.text, stages: null, entry: null }));
  const numbered = shown.map((one, index) => ({ ...one, number: index + 1 }));
  return html`<ol class="outcomes">${(typing ? numbered : numbered.reverse()).map((one) => html`<${Outcome} key=${one.number} one=${one} afresh=${result.afresh} />`)}</ol>`;
}

function Outcome({ one, afresh }) {
  const { stages, entry, number } = one;
  const last = stages?.findLast((step) => step.outcome === "dropped" || step.outcome === "joined");
  const word = !stages ? "" : entry ? "passes" : last?.outcome === "joined" ? `joined to line ${last.line}` : last ? `dropped by ${last.stage}` : "dropped";
  return html`<li class="outcome">
    <div class="outcome-head"><span class="dim outcome-number">${number}</span><${Text} text=${one.line} />
      ${word && html`<span class=${`outcome-word ${entry ? "good" : last?.outcome === "joined" ? "warn" : "bad"}`}>${entry ? "✓" : last?.outcome === "joined" ? "↑" : "×"} ${word}</span>`}</div>
    ${stages && html`<${Steps} stages=${stages} most=${12} compact afresh=${afresh} />`}
  </li>`;
}

function Text({ text }) {
  const element = useRef(null);
  useLayoutEffect(() => {
    element.current.textContent = "";
    appendText(element.current, text.slice(0, 600));
  }, [text]);
  return html`<code class="outcome-text cut" title=${text.slice(0, 600)} ref=${element}></code>`;
}
