/** A line of figures, as small as a word. */
import { html } from "./ui.js";

/** An SVG of the figures, oldest first; null leaves a gap. Scaled to the highest, from zero. */
export function Spark({ values, width = 72, height = 16, label = "" }) {
  const highest = Math.max(1e-9, ...values.map((value) => value ?? 0));
  const step = width / Math.max(1, values.length - 1);
  if (!values.some(Boolean)) return null; // a flat line of nothing only draws the eye
  let path = "";
  let drawing = false;
  values.forEach((value, index) => {
    if (value === null || value === undefined) {
      drawing = false;
      return;
    }
    const y = height - 1 - (value / highest) * (height - 2);
    path += `${drawing ? "L" : "M"}${(index * step).toFixed(1)} ${y.toFixed(1)}`;
    drawing = true;
  });
  return html`<svg class="spark" width=${width} height=${height} viewBox="0 0 ${width} ${height}"
    role=${label ? "img" : "presentation"} aria-label=${label || null} aria-hidden=${label ? null : "true"}>
    <path d=${path || "M0 0"} />
  </svg>`;
}
