/**
 * Which lines belong to the line before: stack traces of Python, Java, Go and Node, as their
 * runtimes print them. The languages are those of the stage `join`, and shorter.
 */

/** Characters at the start of a line that are searched. */
const LOOKED_AT = 1000;
/** Seconds between two lines of one trace at most. */
export const MOMENT = 1;
/** Most lines folded into one. */
export const MOST_LINES = 500;

const INDENTED = /^[ \t]+\S/;
const BLANK = /^\s*$/;
const CHAINED = /^(?:During handling of the above exception|The above exception was the direct)/;
const JAVA_NEXT = [
  [/^[ \t]+at \S/, "java"],
  [/^[ \t]*(?:Caused by|Suppressed|Wrapped by): /, "java"],
  [/^[ \t]*\.\.\. \d+ (?:more|common frames omitted)/, "java"],
];

/** First lines, and the state that they lead to. */
const HEADS = [
  [/Traceback \(most recent call last\):\s*$/, "python"],
  [/(?:^|[\s\]])panic: |^fatal error: /, "panic"],
  [/^goroutine \d+ \[/, "go"],
  [/(?:Exception|Error|Throwable|Failure|Rejection)\b/, "raised"],
];

/** In each state, the lines that belong to the one before, and the next state. */
const STATES = {
  python: [[INDENTED, "python"], [/^[A-Za-z_][\w.]*(?:: |:?\s*$)/, "pythonEnd"]],
  pythonEnd: [[INDENTED, "pythonEnd"], [BLANK, "pythonGap"], [CHAINED, "pythonGap"]],
  pythonGap: [[BLANK, "pythonGap"], [CHAINED, "pythonGap"], [/^Traceback \(most recent call last\):/, "python"]],
  raised: JAVA_NEXT,
  java: [...JAVA_NEXT, [/^\s+\[?(?:cause|code|errno|details)\]?: /, "java"], [/^\}\s*$/, "java"]],
  panic: [[/^\t|^\[signal |^panic: |^\[recovered/, "panic"], [BLANK, "panic"], [/^goroutine \d+ /, "go"]],
  go: [[INDENTED, "go"], [/^created by |^goroutine \d+ |^panic\(|^\.\.\./, "go"], [/^[^\s([:]+\(/, "go"], [BLANK, "goGap"], [/^exit status \d+/, ""]],
  goGap: [[/^goroutine \d+ |^exit status \d+/, "go"]],
};

const started = (line) => HEADS.find(([pattern]) => pattern.test(line))?.[1] ?? "";

/** {belongs, state}: whether a line belongs to the one before, which left `state` ("" for none). */
export function follows(line, state) {
  const start = line.length > LOOKED_AT ? line.slice(0, LOOKED_AT) : line;
  for (const [pattern, next] of STATES[state] ?? []) {
    if (pattern.test(start)) return { belongs: true, state: next };
  }
  return { belongs: false, state: started(start) };
}

/** Folds the lines of many containers. add(key, line, time) tells what the line belongs to: what
 * `began` returned for the first one, or null. Keeps at most `MOST_OPEN`. */
export function folder() {
  const MOST_OPEN = 2000;
  const open = new Map();
  return {
    /** The row that a line belongs to, or null; `key` is its container and stream. */
    find(key, line, time) {
      const last = open.get(key);
      const near = last && Math.abs(time - last.time) <= MOMENT && last.lines < MOST_LINES;
      const { belongs, state } = follows(line, near ? last.state : "");
      if (belongs) {
        Object.assign(last, { state, time, lines: last.lines + 1 });
        return last.row;
      }
      if (state) {
        open.delete(key);
        open.set(key, { state, time, lines: 1, row: null });
        if (open.size > MOST_OPEN) open.delete(open.keys().next().value);
      } else if (last) open.delete(key);
      return null;
    },
    /** Names the row of the line that `find` was last asked about, which it had none for. */
    began(key, row) {
      const last = open.get(key);
      if (last && !last.row) last.row = row;
    },
  };
}
