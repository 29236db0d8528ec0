/** The search of the lines: what the address says of it, and what the agent is asked for. */
import { withQuery } from "../api.js";
import { link } from "./route.js";

export const MODES = { text: "Text", regex: "Regular expression", where: "Expression" };
const PARAMETERS = { text: "match", regex: "regex", where: "where" };

/** What an address's query says. */
export function readSearch(query) {
  const mode = query.get("mode");
  return {
    containers: query.getAll("c").filter(Boolean),
    q: query.get("q") ?? "",
    mode: Object.hasOwn(MODES, mode) ? mode : "text",
    level: query.get("level") ?? "",
    route: query.getAll("route").filter(Boolean),
    sink: query.getAll("sink").filter(Boolean),
    dropped: query.get("show") === "dropped",
    marked: query.get("hl") === "1",
    since: query.get("since") ?? "",
    until: query.get("until") ?? "",
  };
}

/** The address of a search. */
export const searchAddress = ({ containers, q, mode, level, route, sink, dropped, marked, since, until }) =>
  link("logs", [], {
    c: containers, q, mode: mode === "text" ? "" : mode, level, route, sink,
    show: dropped ? "dropped" : "", hl: marked ? "1" : "", since, until,
  });

/** The path of the stream that it asks for. With `marked`, lines that do not match come too. */
export const tapPath = ({ containers, q, mode, level, route, sink, dropped, marked }) =>
  withQuery("/tap", {
    container: containers, route, sink, level, dropped: dropped ? "1" : "",
    [PARAMETERS[mode]]: marked ? "" : q,
  });

/** Whether lines may be left out because of it. */
export const isSearching = ({ q, level, marked }) => Boolean((q && !marked) || level);

/** Names in an answer of /api/containers that a choice takes; a choice is a shell pattern or an id. */
export function patternTest(pattern) {
  const body = pattern.replace(/[.+^${}()|\\]/g, "\\$&").replace(/\*/g, ".*").replace(/\?/g, ".").replace(/\[!/g, "[^");
  try {
    return new RegExp(`^(?:${body})$`, "s");
  } catch {
    return /^(?!)/;
  }
}

/** The choices that take the containers of a Compose project: a pattern if it fits those only. */
export function projectChoice(project, containers) {
  const own = containers.filter((one) => one.project === project).map((one) => one.name);
  for (const pattern of [`${project}-*`, `${project}_*`]) {
    const test = patternTest(pattern);
    const taken = containers.filter((one) => test.test(one.name)).length;
    if (taken === own.length && own.every((name) => test.test(name))) return [pattern];
  }
  return own.slice(0, 50);
}
