/** The toolbar of the lines, and what is said of them. */
import { plain } from "./ansi.js";
import { Picker } from "./picker.js";
import { MODES } from "./search.js";
import { TimeRange } from "./time_range.js";
import { sentence } from "./sentence.js";
import { LEVELS } from "./text.js";
import { clock, exact, span } from "./units.js";
import { html, useEffect, useRef, useState } from "./ui.js";

const HINTS = {
  text: "Search in messages",
  regex: "Regular expression, such as time(out|d out)",
  where: 'Expression, such as status >= 500 and stream == "stderr"',
};
const TYPING = 350; // milliseconds after the last key

/** Search, filters and controls. change(part) changes the search in part. */
export function Toolbar({ search, change, only, look, setLook, download, paused, togglePause }) {
  const [picking, setPicking] = useState(false);
  const names = search.containers;
  const chosen = names.length === 0 ? "All containers" : names.length === 1 ? names[0] : `${names[0]} + ${names.length - 1}`;
  const levels = LEVELS.slice(0, -1);
  return html`<form class="logs-bar" role="search" aria-label="Lines" onSubmit=${(event) => event.preventDefault()}>
    <div class="logs-search">
      <select aria-label="Kind of search" value=${search.mode} onChange=${(event) => change({ mode: event.target.value })}>
        ${Object.entries(MODES).map(([mode, name]) => html`<option key=${mode} value=${mode}>${name}</option>`)}
      </select>
      <${SearchInput} value=${search.q} mode=${search.mode} change=${(q) => change({ q })} />
      ${search.mode !== "where" && html`<button type="button" aria-pressed=${String(search.marked)} title="Mark what matches, and show the other lines too" onClick=${() => change({ marked: !search.marked })}>Highlight only</button>`}
    </div>
    <div class="logs-filters">
    <select aria-label="Level" value=${search.level} onChange=${(event) => change({ level: event.target.value })} class=${search.level ? "set" : ""}>
      <option value="">All levels</option>
      ${levels.map((level) => html`<option key=${level} value=${level}>${level} and worse</option>`)}
    </select>
    <div class="picker-at">
      <button type="button" data-opens aria-expanded=${String(picking)} class=${names.length ? "set" : ""} title=${plain(names.join("\n"))} onClick=${() => setPicking(!picking)}><span class="cut">${plain(chosen)}</span> <span aria-hidden="true">▾</span></button>
      ${picking && html`<${Picker} chosen=${names} choose=${(containers) => change({ containers })} close=${() => setPicking(false)} />`}
    </div>
    ${only && html`<${TimeRange} since=${search.since} until=${search.until} choose=${change} />`}
    <div class="pair" role="group" aria-label="Which lines">
      <button type="button" aria-pressed=${String(!search.dropped)} title="Lines on their way to the sinks" onClick=${() => change({ dropped: false })}>Passed</button>
      <button type="button" aria-pressed=${String(search.dropped)} title="Lines that a stage, a sink or a full buffer dropped" onClick=${() => change({ dropped: true })}>Dropped</button>
    </div>
    ${[["route", "on"], ["sink", "to"]].flatMap(([kind, word]) => search[kind].map((name) => html`<button type="button" key=${kind + name} class="chip set" title=${`Lines ${word} ${kind} ${name} only; click to show all`} onClick=${() => change({ [kind]: search[kind].filter((one) => one !== name) })}><span class="dim">${kind}</span> <span class="cut">${name}</span> <span aria-hidden="true">×</span><span class="hidden">, remove</span></button>`))}
    <div class="logs-controls">
      ${togglePause && html`<button type="button" aria-pressed=${String(paused)} title="Space" onClick=${togglePause}>${paused ? "Go on" : "Pause"}</button>`}
      <button type="button" aria-pressed=${String(look.wrap)} title="w" onClick=${() => setLook({ wrap: !look.wrap })}>Wrap</button>
      <select aria-label="Times" value=${look.times} onChange=${(event) => setLook({ times: event.target.value })}>
        <option value="local">Local time</option><option value="utc">UTC</option><option value="relative">Age</option>
      </select>
      <button type="button" title="Shows objects in JSON as their text and fields" aria-pressed=${String(look.fold)} onClick=${() => setLook({ fold: !look.fold })}>Fields</button>
      <button type="button" title="Saves the lines that are kept here, as JSON lines" onClick=${download}>Download</button>
    </div>
    </div>
  </form>`;
}

/** An input that tells its text once nobody types any more. */
function SearchInput({ value, mode, change }) {
  const [text, setText] = useState(value);
  const timer = useRef(0);
  useEffect(() => {
    setText(value);
    return () => clearTimeout(timer.current);
  }, [value]);
  const send = (next) => {
    clearTimeout(timer.current);
    if (next !== value) change(next);
  };
  const typed = (event) => {
    const next = event.target.value;
    setText(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => send(next), TYPING);
  };
  const pressed = (event) => {
    if (event.key === "Enter") send(text);
    else if (event.key === "Escape" && text) {
      event.preventDefault();
      setText("");
      send("");
    } else if (event.key === "Escape") event.target.blur();
  };
  return html`<input type="search" data-search aria-label="Search" class=${mode === "text" ? "" : "mono"} placeholder=${HINTS[mode]} title="/"
    autocomplete="off" spellcheck="false" maxlength="2000" value=${text} onInput=${typed} onKeyDown=${pressed} />`;
}

/** What is shown, and what is not. */
export function Status({ facts, pane, searching, search, now, history }) {
  const { state } = facts;
  const parts = [];
  const part = (key, text, tone = "", title = "") => parts.push(html`<span key=${key} class=${tone} title=${title}>${text}</span>`);
  if (history) {
    part("history", history.text, "warn");
    if (history.searched) part("matched", `${exact(history.matched)} of ${exact(history.read)} lines match`);
    if (history.beyond) part("beyond", "the expression is not applied to them", "warn");
  }
  else if (state.state === "live") part("live", pane.held === "" ? "● Live" : pane.held === "paused" ? "❚❚ Paused" : "❚ Reading: new lines wait below", pane.held === "" ? "good" : "warn");
  else if (state.state === "away" && !state.first) part("away", `○ Agent away for ${span(now - state.since)}`, "warn", state.text);
  else if (state.state === "refused") part("refused", state.status === 503 ? "! Not now" : "! Refused", "bad");
  else part("first", "○ Asking the agent…", "dim");
  if (facts.idle) part("idle", "idle: no line for 10 s", "dim");
  if (facts.sampled) part("sampled", `1 in ${exact(facts.sampled.one_in)} shown`, "warn", "More lines come than the agent shows to one viewer. A search, or fewer containers, shows more of them.");
  if (facts.hidden) part("hidden", `${exact(facts.hidden)} not shown`, "warn", "Lines since the stream began that the agent left out, or that came faster than this browser took them");
  if (facts.searched) part("searched", `${exact(facts.searched.matched)} of ${exact(facts.searched.of)} lines match`);
  if (facts.searched?.skipped) part("skipped", `${exact(facts.searched.skipped)} not searched`, "warn", "The search had used up its share of the agent's time, or a line was too long for its pattern");
  if (search.dropped && !history) part("dropped", "dropped lines only");
  part("kept", `${exact(pane.kept)} kept`, "dim", `Rows kept in this tab: 20,000 or 16 MiB at most; now ${(pane.bytes / 2 ** 20).toFixed(1)} MiB`);
  if (pane.gone) part("gone", "older lines let go", "dim", `${exact(pane.gone)} rows`);
  return html`<div class="logs-status">${parts}</div>`;
}

/** Why there is no line. */
export function Nothing({ facts, search, searching, history, graph, totals }) {
  const { state } = facts;
  if (graph?.entries) return html`<p>Lines may not be seen here: ${sentence(graph.entries)}</p><p>Where the agent runs, <code>dockline tap</code> shows them.</p>`;
  if (history) return html`<p>${history.error || (history.busy ? "Asking the Engine for its log…" : history.read ? `No line matches, of ${exact(history.read)} of that time.` : "The Engine has no lines of that time.")}</p>`;
  if (state.state === "refused") return html`<p role="alert" class="bad">${state.text}</p>${state.status === 503 && html`<p>Asked again every few seconds.</p>`}`;
  if (state.state !== "live") return html`<p>${state.first ? "Asking the agent…" : `${state.text} Asked again every few seconds.`}</p>`;
  if (totals && !totals.containers) return html`<p>There are no containers on this host.</p>`;
  if (totals && !totals.followed) return html`<p>None of ${exact(totals.containers)} containers is followed. <a href="#/containers">The table of containers</a> tells why.</p>`;
  if (facts.searched) return html`<p>No line matches, of ${exact(facts.searched.of)} read since ${clock(facts.began)}.</p><p>The search is of lines that come from now on.</p>`;
  if (searching) return html`<p>No line has matched yet.</p>`;
  if (search.dropped) return html`<p>Nothing was dropped since this view was opened.</p>`;
  if (search.containers.length) return html`<p>No line yet of ${plain(search.containers.join(", "))}.</p>`;
  return html`<p>Waiting for lines…</p>`;
}
