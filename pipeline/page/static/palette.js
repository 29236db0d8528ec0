/** Ctrl-K: finds a container, a view, a route or a sink by a few letters. */
import { get } from "./api.js";
import { Dialog } from "./lib/dialog.js";
import { rank } from "./lib/fuzzy.js";
import { go, link } from "./lib/route.js";
import { html, useEffect, useMemo, useState } from "./lib/ui.js";

const SHOWN = 12;
const VIEWS = ["flow", "logs", "containers", "balance", "try", "fleet"];

/** What can be found: {kind, name, note, address}. */
function targets(graph, containers) {
  return [
    ...VIEWS.filter((view) => view !== "fleet" || graph?.hub).map((view) => ({
      kind: "view", name: view[0].toUpperCase() + view.slice(1), note: "", address: link(view),
    })),
    ...(graph?.routes ?? []).flatMap(({ name }) => [
      { kind: "route", name, note: "lines on it", address: link("logs", [], { route: name }) },
      { kind: "try", name: `Try ${name}`, note: "its stages", address: link("try", [name]) },
    ]),
    ...(graph?.sinks ?? []).map(({ name, type }) => ({
      kind: "sink", name, note: `${type}, lines to it`, address: link("logs", [], { sink: name }),
    })),
    ...containers.map(({ id, name, image, host }) => ({
      kind: "container", name, note: host || image, address: link("c", [name || id]),
    })),
  ];
}

const KEPT = 30_000; // milliseconds, as the list of 10,000 containers takes some megabytes
let list = { at: -KEPT, containers: [] };

/** All containers, as they were at most half a minute ago. */
async function known(signal) {
  if (performance.now() - list.at > KEPT)
    list = { at: performance.now(), containers: (await get("/api/containers", signal)).containers };
  return list.containers;
}

export function Palette({ graph, close }) {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const [containers, setContainers] = useState([]);
  const [note, setNote] = useState("");
  useEffect(() => {
    const abort = new AbortController();
    known(abort.signal).then(
      setContainers,
      (error) => !abort.signal.aborted && setNote(`Containers are not listed: ${error.message}`),
    );
    return () => abort.abort();
  }, []);
  const all = useMemo(() => targets(graph, containers), [graph, containers]);
  const found = useMemo(() => rank(text, all, (target) => target.name).slice(0, SHOWN), [text, all]);
  const open = (target) => {
    close();
    if (target) go(target.address);
  };
  const pressed = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) setAt((at + step + found.length) % Math.max(1, found.length));
    else if (event.key === "Enter") open(found[at]);
    else return;
    event.preventDefault();
  };
  return html`<${Dialog} label="Find" kind="palette" close=${close}>
    <input aria-label="Find a container, view, route or sink" placeholder="Container, view, route or sink"
      role="combobox" aria-expanded="true" aria-controls="found" aria-autocomplete="list"
      aria-activedescendant=${found[at] ? `found-${at}` : null} autofocus autocomplete="off" spellcheck="false"
      value=${text} onKeyDown=${pressed}
      onInput=${(event) => { setText(event.target.value); setAt(0); }} />
    <ul id="found" role="listbox" aria-label="Found">
      ${found.map((target, index) => html`<li key=${target.address} id="found-${index}" role="option"
        aria-selected=${index === at} onClick=${() => open(target)} onMouseMove=${() => setAt(index)}>
        <span class="kind">${target.kind}</span>
        <span class="name" title=${target.name}>${target.name}</span>
        <span class="dim">${target.note}</span>
      </li>`)}
    </ul>
    ${!found.length && html`<p class="empty">Nothing of ${all.length} is like “${text}”.</p>`}
    ${note && html`<p class="dim">${note}</p>`}
  <//>`;
}
