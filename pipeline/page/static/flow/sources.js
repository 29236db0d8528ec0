/** The first column: where entries come from, by Compose project or by host. */
import { get, withQuery } from "../api.js";
import { link } from "../lib/route.js";
import { html, useEffect, useState } from "../lib/ui.js";
import { count, plural, rate, span } from "../lib/units.js";
import { Problem } from "./problem.js";

const SHOWN = 30; // of a project's containers
const MANY = 1000; // containers, of which not all are asked for to find some that no pattern tells
const PROJECTS = 40; // the busiest of them, until all are asked for

/** What lines of a project are found by; Compose names its containers PROJECT-SERVICE-N. */
export const patternOf = (project) => (project.host || !project.name ? "" : `${project.name}-*`);

const titleOf = ({ name, host }) => name || (host ? "(no host)" : "(no project)");

export function Sources({ graph, now }) {
  const [all, setAll] = useState(false);
  const problems = now.problems.filter(({ kind }) => kind === "engine");
  return html`<div class="column">
    <h2>Containers <span class="dim">${count(now.totals.followed)} of ${count(now.totals.containers)} followed</span></h2>
    ${graph.sources.map((source) => html`<${Source} key=${source.name}
      ...${{ source, problems, time: now.time, state: now.sources.find(({ name }) => name === source.name) }} />`)}
    ${!now.projects.length && html`<${Empty} graph=${graph} problems=${problems} />`}
    <ul class="card rows">
      ${(all ? now.projects : busiest(now.projects)).map((project) => html`<${Project} key=${project.name} project=${project} many=${now.totals.containers > MANY} />`)}
    </ul>
    ${now.other_projects > 0 && html`<p class="dim">and ${count(now.other_projects)} more with fewer containers</p>`}
    ${now.projects.length > PROJECTS && html`<button class="quiet" aria-expanded=${all} onClick=${() => setAll(!all)}>
      ${all ? `The ${PROJECTS} busiest` : `All ${count(now.projects.length)}, also those with fewer lines`}
    </button>`}
  </div>`;
}

/** The busiest projects, in the order that they have. */
function busiest(projects) {
  if (projects.length <= PROJECTS) return projects;
  const ordered = [...projects].sort((one, other) => other.lines_per_second - one.lines_per_second);
  const chosen = new Set(ordered.slice(0, PROJECTS));
  return projects.filter((project) => chosen.has(project));
}

function Source({ source, state, problems, time }) {
  const problem = state?.problem || (source.type === "docker" && problems.map(({ text, since }) => (since ? `failing for ${span(Math.max(0, time - since))}: ${text}` : text)).join("; "));
  return html`<section class="card source" data-node="source ${source.name}">
    <h3><span class="cut" title=${source.name}>${source.name}</span> <span class="tag">${source.type}</span></h3>
    <p class="dim cut mono" title=${source.address}>${source.address}</p>
    ${problem && html`<${Problem} text=${problem} />`}
    ${state && html`<p class="dim">${rate(state.entries_per_second)} · ${plural(state.containers, "container")}
      ${state.open > 0 && ` · ${plural(state.open, "entry").replace("entrys", "entries")} unsettled`}</p>`}
    ${Object.entries(state?.refused ?? {}).map(([reason, number]) => html`<p class="warn" key=${reason}>${count(number)} refused (${reason})</p>`)}
  </section>`;
}

/** Why there are no containers. */
function Empty({ graph, problems }) {
  if (problems.length) return html`<p class="empty">No container is known, as the Engine does not answer.</p>`;
  if (!graph.sources.length) return html`<p class="empty">No source is configured.</p>`;
  return html`<p class="empty">The Engine has no containers. Start one, and it is here within a second.</p>`;
}

/** A project in a line; its containers are listed when it is opened. */
function Project({ project, many }) {
  const [open, setOpen] = useState(false);
  const title = titleOf(project);
  return html`<li>
    <div class="project" data-node="project ${project.name}">
      <button class="fold" aria-expanded=${open} onClick=${() => setOpen(!open)} title=${open ? "Fold" : "List its containers"}>
        <span aria-hidden="true">${open ? "▾" : "▸"}</span>
        <span class="cut" title=${title}>${title}</span>
        <span class="dim">${count(project.containers)}<span class="hidden"> containers</span></span>
      </button>
      <span class="num">${rate(project.lines_per_second)}</span>
    </div>
    ${open && (many && !patternOf(project)
      ? html`<p class="members"><a href=${link("containers", [], { q: project.name })}>among all containers</a></p>`
      : html`<${Members} project=${project} />`)}
  </li>`;
}

function Members({ project }) {
  const [{ found, note }, setFound] = useState({ found: null, note: "…" });
  useEffect(() => {
    const abort = new AbortController();
    get(withQuery("/api/containers", { container: patternOf(project) }), abort.signal).then(
      ({ containers }) => {
        const own = containers.filter((each) => (project.host ? each.host : each.project) === project.name);
        setFound({ found: own.sort((one, other) => other.lines_per_second - one.lines_per_second), note: "" });
      },
      (error) => !abort.signal.aborted && setFound({ found: null, note: error.message }),
    );
    return () => abort.abort();
  }, [project.name]);
  if (!found) return html`<p class="dim members">${note}</p>`;
  return html`<ul class="members">
    ${found.slice(0, SHOWN).map(({ id, name, lines_per_second, why }) => html`<li key=${id}>
      <a class="cut" href=${link("c", [name || id])} title=${name}>${name}</a>
      <span class="num dim">${why ? "not followed" : rate(lines_per_second)}</span>
    </li>`)}
    ${found.length > SHOWN && html`<li><a href=${link("containers", [], { q: project.name })}>all ${count(found.length)}</a></li>`}
  </ul>`;
}
