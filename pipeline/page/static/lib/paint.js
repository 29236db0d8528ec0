/** Puts texts of lines into elements, as text nodes only. */
import { cut, pieces } from "./ansi.js";

/** Appends a text to an element. `find`: a global pattern whose matches are marked, or null. */
export function appendText(element, text, find = null) {
  for (const piece of pieces(text)) {
    if (!piece.mark && !piece.style) {
      appendMarked(element, piece.text, find);
      continue;
    }
    const span = document.createElement("span");
    if (piece.mark) {
      span.className = "ctl";
      span.title = piece.mark;
      span.textContent = piece.text;
    } else {
      applyStyle(span, piece.style);
      appendMarked(span, piece.text, find);
    }
    element.append(span);
  }
}

const MOST_MARKS = 200;

function appendMarked(element, text, find) {
  if (!find) {
    element.append(text);
    return;
  }
  let from = 0;
  let count = 0;
  find.lastIndex = 0;
  for (let at; count < MOST_MARKS && (at = find.exec(text)); count++) {
    if (!at[0]) {
      find.lastIndex++;
      continue;
    }
    if (at.index > from) element.append(text.slice(from, at.index));
    const mark = document.createElement("mark");
    mark.textContent = at[0];
    element.append(mark);
    from = at.index + at[0].length;
  }
  if (from < text.length) element.append(text.slice(from));
}

/** The look of a piece: classes for the theme's colours, properties for others. */
function applyStyle(element, style) {
  const { fg, bg } = style.inverse ? { fg: style.bg ?? "bg", bg: style.fg ?? "text" } : style;
  const names = ["bold", "dim", "italic", "underline", "strike"].filter((name) => style[name]).map((name) => `a-${name}`);
  for (const [kind, colour] of [["fg", fg], ["bg", bg]]) {
    if (colour === undefined) continue;
    if (typeof colour === "string" && colour[0] === "#") {
      element.style.setProperty(kind === "fg" ? "--fg" : "--on", colour);
      names.push(kind === "fg" && bg !== undefined ? "a-fg-exact" : `a-${kind}`);
    } else names.push(`a-${kind}-${colour}`);
  }
  if (bg !== undefined && fg === undefined) names.push("a-bare");
  element.className = names.join(" ");
}

/** A stable hue for a name. */
export function hueOf(name) {
  let hash = 2166136261;
  for (let place = 0; place < name.length; place++) hash = Math.imul(hash ^ name.charCodeAt(place), 16777619);
  return (hash >>> 8) % 24 * 15;
}

/** "1.0 MB". */
export function sizeText(length) {
  if (length < 1000) return `${length} characters`;
  return length < 1_000_000 ? `${(length / 1000).toFixed(length < 10_000 ? 1 : 0)} kB` : `${(length / 1e6).toFixed(1)} MB`;
}

export { cut };

/** The pattern that marks what a search finds, or null if the browser cannot tell. As in the agent,
 * capitals count only where the text has some. */
export function finder(query, mode) {
  if (!query || mode === "where") return null;
  const text = mode === "regex" ? query : query.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  try {
    return new RegExp(text, mode === "regex" || query !== query.toLowerCase() ? "gu" : "giu");
  } catch {
    return null;
  }
}
