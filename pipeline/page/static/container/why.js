/** Which routes take a container's entries, and why the others do not. */
import { post } from "../api.js";
import { patiently } from "../lib/patience.js";
import { link } from "../lib/route.js";
import { html, useEffect, useState } from "../lib/ui.js";

export function Why({ id, generation }) {
  const [{ told, note }, setTold] = useState({ told: null, note: "…" });
  useEffect(() => {
    const abort = new AbortController();
    patiently(() => post("/api/explain", { container: id, lines: [] }, abort.signal), abort.signal).then(
      (answer) => setTold({ told: answer, note: "" }),
      (error) => !abort.signal.aborted && setTold({ told: null, note: error.message }),
    );
    return () => abort.abort();
  }, [id, generation]);
  return html`<section class="card" aria-labelledby="why">
    <h3 id="why">Which routes take it, and why</h3>
    ${note && html`<p class="dim">${note}</p>`}
    ${told && html`<${Told} told=${told} />`}
  </section>`;
}

function Told({ told }) {
  return html`
    ${!told.followed && html`<p class="warn">Its log is not followed${told.reasons.length ? `: ${told.reasons.join("; ")}` : ""}.</p>`}
    ${told.notes.map((text) => html`<p class="warn" key=${text}>${text}</p>`)}
    <ul class="why">
      ${told.routes.map((route) => html`<li key=${route.name}>
        <span class=${route.takes ? "good" : "dim"}>${route.takes ? "✓" : "–"}<span class="hidden">${route.takes ? " takes it" : " does not take it"}</span></span>
        <div>
          <a href=${link("try", [route.name])}>${route.name}</a>
          ${route.takes
            ? html`<span class="dim"> ${wayOf(route)}</span>`
            : html`<span class="dim"> ${route.reasons.join("; ")}</span>`}
          ${route.containers && html`<p class="mono dim">${route.containers}</p>`}
        </div>
      </li>`)}
    </ul>`;
}

/** "logs ▸ parse ▸ keep → papertrail" */
const wayOf = ({ from, fed_by, stages, to }) =>
  [(fed_by.length ? fed_by : from).join(", "), ...stages].filter(Boolean).join(" ▸ ") + (to.length ? ` → ${to.map(({ name }) => name.replace(/^route:/, "route ")).join(", ")}` : "");
