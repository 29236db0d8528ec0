/** Finds by letters in their order: "shw3" finds "shop-web-3". */

/** How well the name has the letters of `wanted` (lower case): higher is better, 0 is not at all. */
export function score(wanted, name) {
  if (!wanted) return 1;
  const text = name.toLowerCase();
  const whole = text.indexOf(wanted);
  if (whole >= 0) return 1000 - whole - text.length / 100 + (whole === 0 ? 100 : 0);
  let points = 0;
  let at = -1;
  for (const letter of wanted) {
    const next = text.indexOf(letter, at + 1);
    if (next < 0) return 0;
    // A letter that follows its neighbour, or begins a word, counts more.
    points += next === at + 1 ? 4 : next === 0 || "-_./: ".includes(text[next - 1]) ? 3 : 1;
    at = next;
  }
  return points;
}

/** The items that have the letters, the best first; all of them in their order without letters. */
export function rank(text, items, nameOf) {
  const wanted = text.trim().toLowerCase().replace(/\s+/g, "");
  if (!wanted) return items;
  return items
    .map((item, index) => ({ item, index, points: score(wanted, nameOf(item)) }))
    .filter(({ points }) => points > 0)
    .sort((one, other) => other.points - one.points || one.index - other.index)
    .map(({ item }) => item);
}
