/** The view that the address names, loaded when it is first shown. */
import { styles } from "./lib/styles.js";
import { Fragment, html, useEffect, useErrorBoundary, useState } from "./lib/ui.js";

const VIEWS = new Map(Object.entries({
  flow: { title: "Flow", load: () => import("./views/flow.js") },
  logs: { title: "Logs", load: () => import("./views/logs.js") },
  containers: { title: "Containers", load: () => import("./views/containers.js") },
  container: { title: "Container", load: () => import("./views/container.js") },
  line: { title: "Line", load: () => import("./views/line.js") },
  try: { title: "Try", load: () => import("./views/try.js") },
  balance: { title: "Balance", load: () => import("./views/balance.js") },
  fleet: { title: "Fleet", load: () => import("./views/fleet.js") },
}));
const loaded = new Map();

/** Its name in VIEWS: `#/c/NAME` is a container, `#/c/ID/SEQUENCE` a line. */
const nameOf = ({ view, path }) => (view === "c" ? (path.length > 1 ? "line" : "container") : view);

export function titleOf(route) {
  const name = nameOf(route);
  return name === "container" && route.path[0] ? route.path[0] : (VIEWS.get(name)?.title ?? "No such view");
}

/** Shows the view with the properties that each has. */
export function View(props) {
  const name = nameOf(props.route);
  const [, setShown] = useState(0);
  useEffect(() => {
    if (loaded.has(name) || !VIEWS.has(name)) return;
    Promise.all([VIEWS.get(name).load(), name === "flow" || styles()]).then(
      ([module]) => loaded.set(name, module.default),
      () => loaded.set(name, Unloaded),
    ).finally(() => setShown((count) => count + 1));
  }, [name]);
  if (!VIEWS.has(name))
    return html`<p class="empty">There is no view “${props.route.view}”. <a href="#/flow">The flow</a> is the first one.</p>`;
  const Component = loaded.get(name);
  if (!Component) return html`<p class="empty" aria-busy="true">Loading…</p>`;
  return html`<${Guard} key=${name}><${Component} ...${props} /><//>`;
}

/** Says that a view, or the page around it, failed, in place of an empty window. */
export function Guard({ children }) {
  const [error, reset] = useErrorBoundary((caught) => console.error(caught));
  if (!error) return html`<${Fragment}>${children}<//>`;
  return html`<div class="empty" role="alert">
    <p>This failed: ${error.message}</p>
    <button onClick=${reset}>Show it again</button>
  </div>`;
}

const Unloaded = () =>
  html`<p class="empty">This view could not be loaded from the agent. Reload the page once the agent answers again.</p>`;
