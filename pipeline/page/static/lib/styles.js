/** Style sheets that the first view does without: its first paint does not wait for them. */
const FIRST = "/page/vendor/uplot.css"; // ours change what it says
const LATER = ["/page/tables.css", "/page/container.css", "/page/logs.css", "/page/try.css"];

let loaded = null;

/** Resolves once all are there, or cannot be had. */
export const styles = () =>
  (loaded ??= Promise.all([add(FIRST, (link) => document.head.prepend(link)), ...LATER.map((path) => add(path, (link) => document.head.append(link)))]));

function add(path, put) {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = path;
  return new Promise((done) => {
    link.onload = link.onerror = done;
    put(link);
  });
}
