/**
 * Text of log lines as pieces that may be shown.
 *
 * Of escape sequences only colours and weights (SGR) have an effect, on the line they stand in.
 * Cursor movements and the like are left out. Texts that a terminal would take for a title, a link
 * or a command of its own (OSC, DCS and others) become a mark that tells them. Control characters,
 * bidirectional overrides, characters without width and lone surrogates become marks too: no line
 * can hide what it says.
 */

/** @typedef {{fg?: Colour, bg?: Colour, bold?: boolean, dim?: boolean, italic?: boolean,
 *   underline?: boolean, strike?: boolean, inverse?: boolean}} Style
 * A colour is 0 to 15 (the theme's), or "#rrggbb". */
/** @typedef {{text: string, style: Style|null, mark?: string}} Piece
 * `mark` says what stands there, for what has no look of its own. */

/** Most pieces of a line; what follows has no colours. */
export const MOST_PIECES = 200;
const LONGEST_CSI = 64;
const LONGEST_STRING = 4096;

const SPECIAL =
  // eslint-disable-next-line no-control-regex
  /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]|\udb40[\udc00-\udc7f]/g;
const CSI = /\u001b\[([0-9;:]*)([<-?]*)([ -/]*)([@-~])/y;
const CSI_ANY = /\u001b\[[0-?]*[ -/]*[@-~]/y;
const STRING = /\u001b([\]PX^_])([^\u0007\u001b]*)(?:\u0007|\u001b\\)/y;
const SHORT = /\u001b(?:[ -/]{1,2}[0-~]|[0-Z\\`-~])/y;

const CONTROLS = (
  "NUL SOH STX ETX EOT ENQ ACK BEL BS TAB LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US"
).split(" ");
const NAMES = {
  "\u00ad": "soft hyphen",
  "\u061c": "Arabic letter mark",
  "\u200b": "space without width",
  "\u200e": "left-to-right mark",
  "\u200f": "right-to-left mark",
  "\u2028": "line separator",
  "\u2029": "paragraph separator",
  "\u202a": "left-to-right embedding",
  "\u202b": "right-to-left embedding",
  "\u202c": "end of direction",
  "\u202d": "left-to-right override",
  "\u202e": "right-to-left override",
  "\u2060": "word joiner",
  "\u2066": "left-to-right isolate",
  "\u2067": "right-to-left isolate",
  "\u2068": "first strong isolate",
  "\u2069": "end of isolate",
  "\ufeff": "byte order mark",
};

/** The pieces of a text. `colours`: false shows all in the text's own colour.
 * @returns {Piece[]} */
export function pieces(text, colours = true) {
  const found = [];
  const add = (part, style, mark) => {
    const last = found[found.length - 1];
    const same = last && last.style === style && last.mark === mark;
    if (!part) return;
    if (same || (last && found.length >= MOST_PIECES)) last.text += mark ? ` ${part}` : part;
    else found.push(mark ? { text: part, style, mark } : { text: part, style });
  };
  let style = null;
  let from = 0;
  SPECIAL.lastIndex = 0;
  for (let at; (at = SPECIAL.exec(text)); ) {
    add(text.slice(from, at.index), style);
    from = at.index + at[0].length;
    if (at[0] === "\u001b") {
      const escape = readEscape(text, at.index);
      if (escape.sgr !== undefined && colours) style = applied(style, escape.sgr);
      if (escape.mark) add(escape.shown, null, escape.mark);
      from = SPECIAL.lastIndex = escape.end;
    } else if (at[0] === "\n") {
      add("\n", style);
    } else if (!(at[0] === "\r" && atEndOfLine(text, from))) {
      const mark = described(at[0]);
      add(mark.shown, null, mark.name);
    }
  }
  add(text.slice(from), style);
  return found;
}

/** The text as it is shown, without colours. */
export function plain(text) {
  SPECIAL.lastIndex = 0;
  if (!SPECIAL.test(text)) return text;
  return pieces(text, false)
    .map((piece) => piece.text)
    .join("");
}

const atEndOfLine = (text, place) => place === text.length || text[place] === "\n";

/** How a character without a look is shown, and its name. */
export function described(character) {
  const code = character.codePointAt(0);
  if (code < 0x20) return { shown: CONTROLS[code], name: `${hex(code)} control character` };
  if (code === 0x7f) return { shown: "DEL", name: `${hex(code)} control character` };
  const name = NAMES[character];
  return { shown: hex(code), name: name ? `${hex(code)} ${name}` : hex(code) };
}

const hex = (code) => "U+" + code.toString(16).toUpperCase().padStart(4, "0");

/** What stands at an escape character: where it ends, its SGR parameters if it is one, and the mark
 * it is shown as if it is to be seen. */
function readEscape(text, start) {
  const csi = match(CSI, text, start) || match(CSI_ANY, text, start);
  if (csi && csi[0].length <= LONGEST_CSI) {
    const sgr = csi[4] === "m" && !csi[2] && !csi[3] ? csi[1] : undefined;
    return { end: start + csi[0].length, sgr };
  }
  const string = match(STRING, text.length - start > LONGEST_STRING ? text.slice(0, start + LONGEST_STRING) : text, start);
  if (string) {
    return { end: start + string[0].length, shown: `ESC${string[1]}\u2026`, mark: `escape sequence: ${plain(string[2])}` };
  }
  const short = match(SHORT, text, start);
  if (short) return { end: start + short[0].length };
  return { end: start + 1, shown: "ESC", mark: `${hex(0x1b)} control character` };
}

function match(pattern, text, start) {
  pattern.lastIndex = start;
  return pattern.exec(text);
}

const ON = { 1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "strike" };
const OFF = { 22: ["bold", "dim"], 23: ["italic"], 24: ["underline"], 27: ["inverse"], 29: ["strike"], 39: ["fg"], 49: ["bg"] };

/** A style after the parameters of an SGR sequence; null is the style of plain text. */
function applied(style, parameters) {
  const next = { ...style };
  const list = parameters.split(";");
  for (let place = 0; place < list.length; place++) {
    const [first, ...sub] = list[place].split(":");
    const code = Number(first || 0);
    if (code === 0) for (const key of Object.keys(next)) delete next[key];
    else if (code === 38 || code === 48) {
      const rest = sub.length ? sub : list.slice(place + 1);
      const [colour, used] = extended(rest, sub.length > 0);
      if (!sub.length) place += used;
      if (colour !== null) next[code === 38 ? "fg" : "bg"] = colour;
    } else if (code === 4 && sub[0] === "0") delete next.underline;
    else if (code === 21) next.underline = true;
    else if (ON[code]) next[ON[code]] = true;
    else if (OFF[code]) for (const key of OFF[code]) delete next[key];
    else if (code >= 30 && code <= 37) next.fg = code - 30;
    else if (code >= 40 && code <= 47) next.bg = code - 40;
    else if (code >= 90 && code <= 97) next.fg = code - 82;
    else if (code >= 100 && code <= 107) next.bg = code - 92;
  }
  return Object.keys(next).length ? next : null;
}

/** The colour that `5;n` or `2;r;g;b` tells, and how many parameters that took. */
function extended(rest, colons) {
  if (rest[0] === "5") return [indexed(byte(rest[1])), 2];
  if (rest[0] !== "2") return [null, 1];
  const parts = colons && rest.length > 4 ? rest.slice(2, 5) : rest.slice(1, 4);
  return [rgb(...[0, 1, 2].map((place) => byte(parts[place]))), 4];
}

const byte = (text) => Math.min(255, Number(text) || 0);
const rgb = (...parts) => "#" + parts.map((part) => part.toString(16).padStart(2, "0")).join("");

/** A colour of the 256: the theme's 16, a cube of 6 steps, and greys. */
function indexed(number) {
  if (number < 16) return number;
  if (number >= 232) return rgb(...Array(3).fill(8 + (number - 232) * 10));
  const step = (part) => (part ? 55 + part * 40 : 0);
  const place = number - 16;
  return rgb(step(Math.floor(place / 36)), step(Math.floor(place / 6) % 6), step(place % 6));
}

/** A text of at most `most` characters, and whether that is less than all. Does not end within a
 * surrogate pair or a short escape sequence. */
export function cut(text, most) {
  if (text.length <= most) return { text, cut: false };
  let end = most;
  if (/[\ud800-\udbff]/.test(text[end - 1])) end--;
  const escape = text.lastIndexOf("\u001b", end - 1);
  if (escape > 0 && end - escape < 24 && !/[A-Za-z]/.test(text.slice(escape + 1, end))) end = escape;
  return { text: text.slice(0, end), cut: true };
}
