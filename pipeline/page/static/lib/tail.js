/** A stream of lines into a pane, with what the agent says about it. */
import { stream } from "../api.js";
import { feed } from "./feed.js";
import { LogPane, MOST_ROWS } from "./log_pane.js";

/** Milliseconds that "1 in 12" is shown after it was last said. */
const STALE = 2500;

/** Counts of a search; a line has those since the line before. */
const added = (sum, { matched = 0, of = 0, skipped = 0 }) => ({
  matched: (sum?.matched ?? 0) + matched, of: (sum?.of ?? 0) + of, skipped: (sum?.skipped ?? 0) + skipped,
});

/**
 * A pane in an element, and its streams. told(facts) is called when something that is said of the
 * stream changes: {state, sampled, hidden, searched, idle, read}. `opened`, `top` and `report` are
 * the pane's.
 */
export function createTail(element, { told, opened, top, report }) {
  const rows = feed();
  let queue = [];
  let taken = 0;
  let stop = null;
  let facts = {};
  let soon = 0;

  const tell = (change) => {
    facts = { ...facts, ...change };
    soon ||= setTimeout(() => {
      soon = 0;
      told(facts);
    }, 100);
  };

  function pull(deadline) {
    while (taken < queue.length) {
      const found = rows.take(JSON.parse(queue[taken++]));
      if (found.row) pane.push(found.row);
      else if (found.changed) pane.changed(found.changed, found.bytes);
      if ((taken & 31) === 0 && performance.now() >= deadline) break;
    }
    if (taken === queue.length) {
      queue = [];
      taken = 0;
    }
    return queue.length > 0;
  }

  const pane = new LogPane(element, { pull, opened, top, report, forget: (row) => rows.forget(row) });

  /** Takes a line's text; entries are parsed later, a frame's share at a time. */
  function heard(line) {
    if (line.startsWith('{"control"')) return control(JSON.parse(line));
    if (queue.length - taken > MOST_ROWS) {
      queue = queue.slice(taken + MOST_ROWS / 2);
      taken = 0;
      tell({ hidden: facts.hidden + MOST_ROWS / 2 });
    }
    queue.push(line);
    facts.read++;
    if (facts.idle) tell({ idle: false });
    return pane.schedule();
  }

  function control(line) {
    if (line.control === "idle") tell({ idle: true });
    if (line.control === "lost") tell({ hidden: facts.hidden + line.entries });
    if (line.control === "searched") tell({ searched: added(facts.searched, line) });
    if (line.control === "sampled") tell({ sampled: { ...line, at: Date.now() }, hidden: facts.hidden + Math.max(0, line.of - line.shown) });
  }

  const fresh = () => ({ state: { state: "away", since: Date.now() / 1000, text: "", first: true }, sampled: null, hidden: 0, searched: null, idle: false, read: 0, began: Date.now() / 1000 });
  const aged = setInterval(() => facts.sampled && Date.now() - facts.sampled.at > STALE && tell({ sampled: null }), 500);

  return {
    pane,
    /** Follows another path; what was kept stays unless it is cleared. */
    open(path) {
      stop?.();
      queue = [];
      taken = 0;
      tell(fresh());
      stop = stream(path, heard, (state) => {
        tell({ state });
        // A wrong query stays wrong: it is not asked again and again.
        if (state.state === "refused" && state.status === 400) stop?.();
      }, { parse: String });
    },
    /** Ends the stream. */
    shut() {
      stop?.();
      stop = null;
    },
    clear() {
      queue = [];
      taken = 0;
      rows.clear();
      pane.clear();
    },
    close() {
      stop?.();
      clearInterval(aged);
      clearTimeout(soon);
      pane.destroy();
    },
  };
}
