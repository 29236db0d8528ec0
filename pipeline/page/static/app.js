/** The page: its token, its one stream, its header, and the view that the address names. */
import { get, isFinal, stream } from "./api.js";
import { takeToken } from "./token.js";
import { Header } from "./header.js";
import { Palette } from "./palette.js";
import { Help } from "./help.js";
import { Refused } from "./refused.js";
import { pageKeys } from "./keys.js";
import { useJson } from "./lib/hooks.js";
import { go, readRoute } from "./lib/route.js";
import { applyTable, createTable } from "./lib/table.js";
import { html, render, useEffect, useLayoutEffect, useRef, useState } from "./lib/ui.js";
import { Guard, View, titleOf } from "./view.js";

const SILENCE = 10; // seconds; a line comes every two
const POLL = 5_000; // beside the stream of lines, which is then the tab's one stream

/** The stream that a view needs, or null where it has its own. */
function streamFor(route) {
  if (route.view === "logs") return null;
  if (route.view === "containers") return "/api/now?containers=1";
  if (route.view === "c" && route.path.length === 1) return `/api/now?container=${encodeURIComponent(route.path[0])}`;
  return "/api/now";
}

function useRoute() {
  const [route, setRoute] = useState(readRoute);
  // Before the first paint: after it, an address that changed in between was passed over.
  useLayoutEffect(() => {
    const changed = () => {
      takeToken();
      setRoute(readRoute());
    };
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return route;
}

/** {now, connection, table}: what the agent says, and whether it still does. */
function useNow(path) {
  const [now, setNow] = useState(null);
  const [connection, setConnection] = useState({ state: "away", since: Date.now() / 1000, text: "", first: true });
  const table = useRef(null);
  table.current ??= createTable();
  useEffect(() => {
    const state = (told) => setConnection((old) => (old.state === "live" && told.state === "live" ? old : told));
    if (path === null) return poll(setNow, state);
    let fresh = true;
    table.current = createTable();
    return stream(
      path,
      (line) => {
        applyTable(table.current, line.table, fresh);
        fresh = false;
        setNow(line);
      },
      (told) => {
        fresh = true;
        state(told);
      },
      { silence: SILENCE },
    );
  }, [path]);
  return { now, connection, table: table.current };
}

/** What the configuration fixes: asked for once the agent answers, again after a reload of its
 * configuration, and when it answers again. */
function useGraph(now, connection) {
  const [asked, ask] = useState(0);
  const { data } = useJson(asked ? "/api/graph" : null, 0, asked);
  const changed = Boolean(data && now && data.generation !== now.generation);
  useEffect(() => {
    if (connection.state === "live") ask((count) => count + 1);
  }, [connection.state]);
  useEffect(() => {
    if (changed) ask((count) => count + 1);
  }, [changed, now?.generation]);
  return data;
}

/** Asks for the newest figures again and again. Returns what ends that. */
function poll(setNow, setConnection) {
  const abort = new AbortController();
  let since = null;
  const ask = async () => {
    if (document.hidden) return;
    try {
      setNow(await get("/api/now?once=1", abort.signal));
      since = null;
      setConnection({ state: "live", since, text: "", status: 200 });
    } catch (error) {
      if (abort.signal.aborted) return;
      since ??= Date.now() / 1000;
      setConnection({ state: error.status ? "refused" : "away", since, text: error.message, status: error.status });
      if (isFinal(error.status)) clearInterval(timer);
    }
  };
  const timer = setInterval(ask, POLL);
  ask();
  return () => {
    abort.abort();
    clearInterval(timer);
  };
}

function App() {
  const route = useRoute();
  const { now, connection, table } = useNow(streamFor(route));
  const graph = useGraph(now, connection);
  const [open, setOpen] = useState(""); // "palette" or "help"
  useEffect(() => pageKeys({ go, open: setOpen }), []);
  useEffect(() => {
    const marks = now?.problems.length ? "! " : "";
    document.title = `${marks}${titleOf(route)} · ${graph?.host ?? "dockline"}`;
  }, [route, graph, now]);
  // Nothing may be seen without a token or from a forbidden address; a 503 passes.
  if (connection.state === "refused" && [401, 403, 421, 429].includes(connection.status))
    return html`<${Refused} text=${connection.text} status=${connection.status} />`;
  return html`
    <a class="skip" href="#main" onClick=${toMain}>To the view</a>
    <${Header} ...${{ route, graph, now, connection, open: setOpen }} />
    <main id="main" tabindex="-1">
      <${View} ...${{ route, go, graph, now, connection, table }} />
    </main>
    ${open === "palette" && html`<${Palette} graph=${graph} close=${() => setOpen("")} />`}
    ${open === "help" && html`<${Help} close=${() => setOpen("")} />`}
  `;
}

/** The address is the view's: a link within the page must not change it. */
function toMain(event) {
  event.preventDefault();
  document.getElementById("main").focus();
}

takeToken();
const page = document.getElementById("page");
page.textContent = ""; // what was there while scripts were loaded
render(html`<${Guard}><${App} /><//>`, page);
