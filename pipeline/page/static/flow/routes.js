/** The middle column: routes, what each of their stages filters, and where their entries go. */
import { link } from "../lib/route.js";
import { html } from "../lib/ui.js";
import { NONE, count, known, plural, rate } from "../lib/units.js";

export function Routes({ graph, now, projects, dense }) {
  const figures = new Map(now.routes.map((route) => [route.name, route]));
  return html`<div class="column">
    <h2>Routes <span class="dim">${graph.routes.length}</span></h2>
    ${graph.routes.map((route) => html`<${Route} key=${route.name} route=${route}
      fedBy=${graph.routes.filter(({ feeds }) => feeds.includes(route.name)).map(({ name }) => name)}
      dense=${dense} figures=${figures.get(route.name)} links=${now.links} projects=${projects.get(route.name) ?? []} />`)}
    ${!graph.routes.length && html`<p class="empty">No route is configured: nothing is sent.</p>`}
  </div>`;
}

function Route({ route, fedBy, figures, links, projects, dense }) {
  const entered = figures?.per_second;
  const what = [
    fedBy.length ? `fed by ${fedBy.join(", ")}` : route.from.length && `from ${route.from.join(", ")}`,
    figures && plural(figures.containers, "container"),
  ].filter(Boolean);
  return html`<section class="card route" data-node="route ${route.name}" aria-label="Route ${route.name}">
    <div class="row">
      <h3><a class="cut" href=${link("logs", [], { route: route.name })} title="Lines on ${route.name}">${route.name}</a></h3>
      <span class="num" title="Entries that enter it"><b>${rate(entered)}</b></span>
    </div>
    <p class="dim ${dense ? "cut" : ""}">${what.join(" · ")}${route.labels ? " · and who asks for it by label" : ""}</p>
    ${route.containers && !dense && html`<p class="mono cut dim" title=${route.containers}>${route.containers}</p>`}
    ${projects.length > 0 && !fedBy.length && html`<p class="dim narrow">from ${projects.join(", ")}</p>`}
    ${route.stages.length > 0 && html`<${dense ? StagesInLine : Stages} route=${route} figures=${figures} />`}
    <ul class="outs">
      ${route.to.map((sink) => html`<li class="row" key=${sink} data-node="out ${route.name} ${sink}">
        <a class="cut" href=${link("logs", [], { route: route.name, sink })} title="Lines from ${route.name} to ${sink}">→ ${sink}</a>
        <span class="num">${rate(links.find((each) => each.route === route.name && each.sink === sink)?.per_second)}</span>
      </li>`)}
      ${route.feeds.map((fed) => html`<li class="row" key=${fed} data-node="feed ${route.name} ${fed}">
        <a class="cut" href=${link("logs", [], { route: fed })} title="Lines on ${fed}">↳ feeds ${fed}</a>
        <span class="num">${rate(figures?.passed_per_second)}</span>
      </li>`)}
      ${!route.to.length && !route.feeds.length && html`<li class="dim">goes nowhere</li>`}
    </ul>
  </section>`;
}

/** Each stage with what it filters, and a bar of what is left of what entered. */
function Stages({ route, figures }) {
  let left = figures?.per_second ?? 0;
  const entered = left || 1;
  return html`<ol class="stages" aria-label="Stages">
    ${route.stages.map((name, index) => {
      const stage = figures?.stages[index];
      const gone = stage?.filtered_per_second ?? 0;
      left = Math.max(0, left - gone);
      return html`<li key=${index} class="row">
        <span class="cut">${name}</span>
        ${stage?.held > 0 && html`<span class="dim">holds ${count(stage.held)}</span>`}
        ${stage?.made > 0 && html`<span class="dim">made ${count(stage.made)}</span>`}
        ${stage?.filtered > 0
          ? html`<a class="num" href=${link("logs", [], { route: route.name, show: "dropped" })}
              title="${count(stage.filtered)} filtered so far; show some">${known(stage.filtered_per_second) ? `− ${rate(gone)}` : NONE}</a>`
          : html`<span class="num dim" title=${stage?.filtered === null ? "Counted at the first stage of this name" : "Has filtered nothing"}>${stage?.filtered === null ? "" : "="}</span>`}
        <span class="bar" aria-hidden="true"><span style=${{ width: `${(100 * left) / entered}%` }}></span></span>
      </li>`;
    })}
  </ol>`;
}

/** The stages in one line, where there are many routes. */
function StagesInLine({ route, figures }) {
  return html`<p class="cut" title=${route.stages.join(", ")}>
    ${route.stages.map((name, index) => {
      const gone = figures?.stages[index]?.filtered_per_second;
      return html`<span key=${index}><span class="dim">▸</span> ${name} ${gone > 0 && html`<a href=${link("logs", [], { route: route.name, show: "dropped" })}>− ${rate(gone)}</a> `}</span>`;
    })}
  </p>`;
}
