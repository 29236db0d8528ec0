/** Text of a route's stages, as somebody would write it. */

/**
 * Puts each stage of `stages = [{ … }, { … }]` on a line of its own. Leaves a text as it is that has
 * several lines already, or that has something in it which this does not read: comments, and texts
 * over several lines.
 */
export function spread(text) {
  const line = text.trimEnd();
  if (line.includes("\n") || line.includes('"""') || line.includes("'''")) return text;
  const open = line.indexOf("[");
  if (open < 0 || !line.endsWith("]") || !/^stages\s*=\s*$/.test(line.slice(0, open))) return text;
  const items = split(line.slice(open + 1, -1));
  if (!items || !items.length) return text;
  return `stages = [\n${items.map((item) => `  ${item},\n`).join("")}]\n`;
}

/** The items between the commas that are in no bracket and no text; null if there is a comment. */
function split(inside) {
  const items = [];
  let depth = 0;
  let quote = "";
  let from = 0;
  for (let at = 0; at < inside.length; at++) {
    const letter = inside[at];
    if (quote) {
      if (letter === "\\" && quote === '"') at++;
      else if (letter === quote) quote = "";
    } else if (letter === '"' || letter === "'") quote = letter;
    else if (letter === "#") return null;
    else if ("[{".includes(letter)) depth++;
    else if ("]}".includes(letter)) depth--;
    else if (letter === "," && depth === 0) {
      items.push(inside.slice(from, at).trim());
      from = at + 1;
    }
    if (depth < 0) return null;
  }
  if (depth || quote) return null;
  items.push(inside.slice(from).trim());
  return items.filter(Boolean);
}
