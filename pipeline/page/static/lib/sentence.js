/** What the agent says, as a sentence. */
export function sentence(text) {
  if (!text) return "";
  const start = /^[a-z]+(?=[\s,:])/.test(text) ? text[0].toUpperCase() + text.slice(1) : text; // a name stays as it is
  return /[.!?”"]$/.test(start) ? start : `${start}.`;
}
