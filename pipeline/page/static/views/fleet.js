/** A hub: the hosts that publish to it, and who reads which partition. */
import { useJson } from "../lib/hooks.js";
import { link } from "../lib/route.js";
import { html } from "../lib/ui.js";
import { count, exact, plural, rate, span } from "../lib/units.js";

const EVERY = 5; // seconds
const SILENT = 300; // seconds without an entry, which is worth a word

export default function Fleet({ now }) {
  const { data, error } = useJson("/api/fleet", EVERY);
  if (!data) return html`<p class="empty" aria-busy=${!error}>${error ? error.message : "Waiting for the hosts…"}</p>`;
  const time = now?.time ?? Date.now() / 1000;
  return html`
    <h2>Fleet <span class="dim">${plural(data.hosts.length + (data.others ?? 0), "host")}${data.others > 0 ? `, the ${exact(data.hosts.length)} with the most lines are shown` : ""}</span></h2>
    <${Hosts} hosts=${data.hosts} time=${time} rates=${ratesOf(now)} />
    ${data.streams.map((stream) => html`<${Stream} key=${stream.source} stream=${stream} />`)}
    ${data.publishes.length > 0 && html`<section aria-labelledby="publishes"><h3 id="publishes">This agent publishes</h3>
      ${data.publishes.map(({ sink, type, stream, partitions }) => html`<p key=${sink}>
        to <a href=${link("logs", [], { sink })}>${sink}</a> <span class="dim">(${type})</span>, stream <span class="mono">${stream}</span>${partitions ? `, ${plural(partitions, "partition")}` : ""}
      </p>`)}</section>`}
  `;
}

/** Lines per second by host, as the header counts them: before the answer's own are known. */
const ratesOf = (now) => new Map((now?.projects ?? []).filter((each) => each.host).map((each) => [each.name, each.lines_per_second]));

function Hosts({ hosts, time, rates }) {
  if (!hosts.length) return html`<p class="empty">No host has sent anything yet. Agents publish with a sink of the same type and stream.</p>`;
  return html`<div class="scroll-x" tabindex="0" role="region" aria-label="Hosts"><table class="plain roomy">
    <thead><tr><th scope="col">Host</th><th scope="col" class="num">Containers</th><th scope="col" class="num">Lines/s</th><th scope="col" class="num">Lines</th><th scope="col">Last entry</th><th scope="col">By source</th></tr></thead>
    <tbody>${hosts.map(({ name, containers, lines, lines_per_second, last, sources }) => {
      const silent = time - last > SILENT;
      return html`<tr key=${name}>
        <th scope="row"><a href=${link("containers", [], { q: name })}>${name || "(no name)"}</a></th>
        <td class="num">${count(containers)}</td><td class="num">${rate(lines_per_second ?? rates.get(name))}</td><td class="num">${exact(lines)}</td>
        <td class=${silent ? "warn" : ""}>${silent ? "! silent for " : ""}${last ? span(Math.max(0, time - last)) : "–"}${silent ? "" : " ago"}</td>
        <td>${sources.join(", ")}</td>
      </tr>`;
    })}</tbody>
  </table></div>`;
}

function Stream({ stream }) {
  const severalTopics = new Set(stream.partitions.map(({ topic }) => topic)).size > 1;
  const alone = stream.ordered === false ? [] : stream.partitions.filter(({ reader }) => !reader);
  return html`<section class="fleet-stream" aria-labelledby="stream-${stream.source}">
    <h3 id="stream-${stream.source}">Source ${stream.source} <span class="dim">${stream.type}, stream ${stream.stream}, ${stream.address}</span></h3>
    ${alone.length > 0 && html`<p class="bad"><span class="sign" aria-hidden="true">!</span> Nobody is known to read ${alone.length === 1 ? "partition" : "partitions"} ${alone.map(({ partition }) => partition).join(", ")}.</p>`}
    <p class="dim">${stream.ordered === false ? "Not ordered: any number of hubs read at once, and none holds a partition." : stream.hubs?.length ? `Hubs: ${stream.hubs.join(", ")}` : ""}</p>
    <div class="scroll-x" tabindex="0" role="region" aria-label="Partitions of ${stream.source}"><table class="plain roomy">
      <thead><tr><th scope="col" class="num">Partition</th><th scope="col">Read by</th><th scope="col" class="num">Not read yet</th></tr></thead>
      <tbody>${stream.partitions.map(({ partition, topic, reader, here, pending }) => html`<tr key=${`${topic ?? ""} ${partition}`}>
        <th scope="row" class="num">${topic && severalTopics ? html`<span class="dim">${topic}</span> ` : ""}${partition}</th>
        <td class=${reader || stream.ordered === false ? "" : "bad"}>${reader ? html`${reader}${here ? html` <span class="tag">this agent</span>` : ""}` : stream.ordered === false ? "–" : "nobody, or not known"}</td>
        <td class="num">${exact(pending)}</td>
      </tr>`)}</tbody>
    </table></div>
  </section>`;
}
