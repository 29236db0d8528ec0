/** Chooses containers: by a few letters, a pattern, or a Compose project. */
import { plain } from "./ansi.js";
import { rank } from "./fuzzy.js";
import { useJson } from "./hooks.js";
import { patternTest, projectChoice } from "./search.js";
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./ui.js";

const SHOWN = 200;

/** `chosen`: shell patterns; choose(patterns) takes others. */
export function Picker({ chosen, choose, close }) {
  const [text, setText] = useState("");
  const { data, error } = useJson("/api/containers");
  const element = useRef(null);
  const containers = data?.containers ?? [];
  useOutside(element, close);
  useLayoutEffect(() => {
    const beyond = element.current.getBoundingClientRect().right - (innerWidth - 12);
    if (beyond > 0) element.current.style.left = `${-beyond}px`;
  }, []);
  const found = useMemo(() => rank(text, containers, (one) => `${one.project} ${one.name}`), [text, data]);
  const projects = useMemo(() => grouped(containers), [data]);
  const isPattern = /[*?[]/.test(text);
  const matched = useMemo(() => (isPattern ? containers.filter((one) => patternTest(text).test(one.name)).length : 0), [text, data]);
  const has = (name) => chosen.includes(name);
  const toggle = (names) => choose(names.every(has) ? chosen.filter((one) => !names.includes(one)) : [...new Set([...chosen, ...names])]);
  const pressed = (event) => {
    if (event.key === "Escape") close();
    else if (event.key === "Enter" && isPattern) toggle([text]);
    else if (event.key === "Enter" && text && found[0]) toggle([found[0].name]);
    else return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === "Enter") setText("");
  };
  const option = (key, names, label, detail) => html`<li key=${key}><label>
    <input type="checkbox" checked=${names.length > 0 && names.every(has)} onChange=${() => toggle(names)} />
    <span class="cut" title=${plain(label)}>${plain(label)}</span> <span class="dim cut">${plain(detail)}</span>
  </label></li>`;
  const listed = new Set(containers.map((one) => one.name));
  const others = chosen.filter((one) => !listed.has(one));
  return html`<div class="picker" role="dialog" aria-label="Containers" ref=${element} onKeyDown=${pressed}>
    <input type="search" class="picker-text" placeholder="Name, project, or pattern such as shop-*" aria-label="Find containers" autocomplete="off" spellcheck="false"
      ref=${(input) => input && !input.dataset.seen && ((input.dataset.seen = "1"), input.focus())} value=${text} onInput=${(event) => setText(event.target.value)} />
    <div class="picker-list" tabindex="0" role="group" aria-label="Choices">
      ${error && html`<p class="bad">${error.message}</p>`}
      ${!data && !error && html`<p class="dim">Asking the agent…</p>`}
      ${isPattern && html`<ul>${option("pattern", [text], text, `pattern, ${matched} of ${containers.length} now`)}</ul>`}
      ${others.length > 0 && !text && html`<h3>Chosen</h3><ul>${others.map((one) => option(one, [one], one, /[*?[]/.test(one) ? "pattern" : "id"))}</ul>`}
      ${projects.length > 0 && !text && html`<h3>Compose projects</h3><ul>${projects.map(([name, count]) => option(`p ${name}`, projectChoice(name, containers), name, `${count} container${count === 1 ? "" : "s"}`))}</ul>`}
      ${!isPattern && found.length > 0 && html`<h3>Containers</h3><ul>${found.slice(0, SHOWN).map((one) => option(one.id, [one.name], one.name, [one.project, one.followed ? "" : "not followed"].filter(Boolean).join(", ")))}</ul>`}
      ${found.length > SHOWN && html`<p class="dim">${found.length - SHOWN} more: type some letters.</p>`}
      ${data && !found.length && !isPattern && html`<p class="dim">${containers.length ? `None of ${containers.length} containers has these letters.` : "There are no containers."}</p>`}
    </div>
    <div class="picker-foot">
      <span class="dim">${chosen.length ? `${chosen.length} chosen` : "all containers"}</span>
      <button type="button" disabled=${!chosen.length} onClick=${() => choose([])}>All</button>
      <button type="button" onClick=${close}>Done</button>
    </div>
  </div>`;
}

function grouped(containers) {
  const counts = new Map();
  for (const { project } of containers) if (project) counts.set(project, (counts.get(project) ?? 0) + 1);
  return [...counts].sort(([one], [other]) => (one < other ? -1 : 1)).slice(0, 50);
}

/** Calls close() at a click outside of the element. */
export function useOutside(element, close) {
  useEffect(() => {
    const pressed = (event) => {
      const inside = element.current?.contains(event.target) || event.target.closest?.("[data-opens]");
      if (!inside) close();
    };
    addEventListener("pointerdown", pressed);
    return () => removeEventListener("pointerdown", pressed);
  }, []);
}
