/** The curves between the columns. Each is a link to the lines that take it. */
import { html, useLayoutEffect, useRef, useState } from "../lib/ui.js";
import { link } from "../lib/route.js";
import { rate } from "../lib/units.js";
import { patternOf } from "./sources.js";

/** All edges: {from, to (data-node), address, title, per, broken}. `per`: entries per second, or null. */
export function edgesOf(graph, now) {
  const edges = [];
  const fed = new Set(graph.routes.flatMap(({ feeds }) => feeds)); // they take what others hand on, not what is read
  const entered = new Set();
  for (const project of now.projects) {
    for (const route of project.routes) {
      if (fed.has(route) || !graph.routes.some(({ name }) => name === route)) continue;
      entered.add(route);
      edges.push({
        from: `project ${project.name}`,
        to: `route ${route}`,
        address: link("logs", [], { route, c: patternOf(project) }),
        title: `${project.name || "other containers"} to ${route}`,
        per: project.lines_per_second,
      });
    }
  }
  const broken = new Set(now.sinks.filter(({ problem }) => problem).map(({ name }) => name));
  for (const { name, from, to, feeds } of graph.routes) {
    if (from.length && !fed.has(name) && !entered.has(name) && graph.sources.length)
      edges.push({ from: `source ${graph.sources[0].name}`, to: `route ${name}`, address: link("logs", [], { route: name }), title: `${from.join(", ")} to ${name}`, per: null });
    for (const sink of to) {
      const found = now.links.find((each) => each.route === name && each.sink === sink);
      edges.push({ from: `out ${name} ${sink}`, to: `sink ${sink}`, address: link("logs", [], { route: name, sink }), title: `${name} to ${sink}`, per: found?.per_second ?? null, broken: broken.has(sink) });
    }
    for (const next of feeds)
      edges.push({ from: `feed ${name} ${next}`, to: `route ${next}`, address: link("logs", [], { route: next }), title: `${name} feeds ${next}`, per: null, back: true });
  }
  return edges;
}

const HEAD = 17; // pixels below a card's upper edge at which its name stands

/** The curve of an edge between two boxes, both relative to the picture. */
function curve(from, to, back) {
  const y1 = from.y + Math.min(from.height / 2, HEAD);
  const y2 = to.y + HEAD;
  if (back) {
    const x = from.x + from.width;
    return `M${x} ${y1}C${x + 34} ${y1} ${x + 34} ${y2} ${x + 4} ${y2}`;
  }
  const [x1, x2] = [from.x + from.width, to.x - 3];
  const middle = (x1 + x2) / 2;
  return `M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}`;
}

/** Draws over `children`, which has the nodes. Places are measured after each drawing of them. */
export function Edges({ edges, dense, children }) {
  const place = useRef(null);
  const [drawn, setDrawn] = useState({ key: "", paths: [] });
  const measure = () => {
    const origin = place.current.getBoundingClientRect();
    const boxes = new Map();
    for (const element of place.current.querySelectorAll("[data-node]")) {
      const box = element.getBoundingClientRect();
      boxes.set(element.dataset.node, { x: box.x - origin.x, y: box.y - origin.y, width: box.width, height: box.height });
    }
    const paths = edges.map(({ from, to, back }) => {
      const [start, end] = [boxes.get(from), boxes.get(to)];
      return start && end ? curve(start, end, back) : null;
    });
    const key = paths.join();
    setDrawn((old) => (old.key === key ? old : { key, paths }));
  };
  useLayoutEffect(measure);
  useLayoutEffect(() => {
    const seen = new ResizeObserver(() => latest.current());
    for (const column of place.current.querySelectorAll(".column")) seen.observe(column);
    return () => seen.disconnect();
  }, []);
  const latest = useRef(measure);
  latest.current = measure;
  const [near, setNear] = useState("");
  const over = (event) => setNear(event.target.closest?.("[data-node]")?.dataset.node ?? "");
  return html`<div class="flow ${near ? "pointed" : ""} ${dense ? "dense" : ""}" ref=${place} onMouseOver=${over} onMouseLeave=${() => setNear("")} onFocusIn=${over}>
    <svg class="edges" aria-hidden="true">
      ${edges.map((edge, index) => drawn.paths[index] && html`<${Edge} key=${edge.from + edge.to} edge=${edge} path=${drawn.paths[index]} near=${near} />`)}
    </svg>
    ${children}
  </div>`;
}

/** "out all logstash" and "feed api errors" belong to the route that they begin at. */
const ownerOf = (node) => node.replace(/^(out|feed) (\S+) .*/s, "route $2");

function Edge({ edge, path, near }) {
  const { from, to, address, title, per, broken } = edge;
  const on = near && [from, to, ownerOf(from)].includes(near);
  const width = per === null ? 1.2 : Math.min(5, 1 + Math.log10(1 + per));
  // The link in the card is the one for the keyboard and for who cannot see the picture.
  return html`<a href=${address} tabindex="-1" class="edge ${broken ? "broken" : ""} ${per === 0 ? "still" : ""} ${on ? "on" : ""}">
    <title>${title}${per === null ? "" : `: ${rate(per)}`}</title>
    <path class="hit" d=${path} /><path class="wire" d=${path} stroke-width=${width} />
  </a>`;
}
