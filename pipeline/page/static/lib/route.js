/** The address: `#/view/part/part?key=value` says all of what is shown. */

/** {view, path, query} of the fragment; a fragment that makes no sense is the flow. */
export function readRoute(hash = location.hash) {
  const [before, after = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const [view, ...path] = before.split("/").map(decode);
  return { view: view || "flow", path: path.filter(Boolean), query: new URLSearchParams(after) };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** `#/logs?route=all&sink=x` of link("logs", [], {route: "all", sink: "x"}). Empty values are left out. */
export function link(view, path = [], query = {}) {
  const values = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== "" && each !== null && each !== undefined && each !== false) values.append(key, each);
    }
  }
  const parts = ["#", view, ...path.map(encodeURIComponent)].join("/");
  const text = values.toString();
  return text ? `${parts}?${text}` : parts;
}

/** Goes to an address of the page; `replace` leaves no step in the history (typing in a search). */
export function go(address, replace = false) {
  if (address === location.hash) return;
  if (!replace) {
    location.hash = address;
    return;
  }
  history.replaceState(null, "", address);
  dispatchEvent(new HashChangeEvent("hashchange"));
}
