/** Charts over time, by uPlot: one time axis, a shared cursor, marks of events. */
import uPlot from "../vendor/uplot.js";
import { html, useEffect, useRef } from "./ui.js";
import { useWidth } from "./hooks.js";
import { byteRate, bytes, cores, NONE, rate, span } from "./units.js";

const FONT = '11px system-ui, "DejaVu Sans", sans-serif';
const AXIS = 62; // pixels for the figures at the left, the same for all: the times stand below one another

const BINARY = new Set([bytes, byteRate]); // figures whose round numbers are powers of two
const POWERS = Array.from({ length: 50 }, (_, power) => 2 ** power);

// What a scale goes up to at least: noise about nothing is not to look like a mountain.
const LEAST = new Map([[rate, 1], [span, 1], [cores, 0.01], [bytes, 2 ** 20], [byteRate, 2 ** 10]]);
const MINUTES = [1, 5, 10, 15, 30, 60].map((minutes) => minutes * 60); // between times, which have no seconds
const SHORTEST = 600; // seconds that the axis of time spans at least

/** The value of a token of app.css in the theme of now. */
const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const hours = (epoch) => new Date(epoch * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });

/**
 * A chart. `times`: seconds since the epoch. `series`: {label, values, color (a token), dash}.
 * `format`: a value as text. `group`: charts of one group share their cursor. `marks`:
 * {time, sign, bad} as vertical lines. onSelect(since, until): a stretch was marked.
 * `named`: whether the marks have their words. `limit`: {value, label}, a level that is always shown.
 */
export function Chart({ title, times, series, format, group = "", marks = [], named = true, onSelect = null, height = 110, limit = null }) {
  const [place, width] = useWidth();
  const chart = useRef(null);
  const readout = useRef(null);
  const latest = useRef({});
  latest.current = { series, format, marks, named, onSelect };
  const shape = series.map(({ label, color, dash }) => `${label}${color}${dash}`).join() + (limit ? "limit" : "");
  const empty = !series.some(({ values }) => values.some((value) => value != null));
  const soon = times.length < 2 || empty; // a line has two points at least
  const data = [times, ...series.map(({ values }) => values), ...(limit ? [times.map(() => limit.value)] : [])];

  useEffect(() => {
    if (!width || soon) return;
    const made = new uPlot(options({ width, height, series, limit, group, latest, readout }), data, place.current);
    chart.current = made;
    const theme = matchMedia("(prefers-color-scheme: light)");
    const again = () => made.redraw();
    theme.addEventListener("change", again);
    return () => {
      theme.removeEventListener("change", again);
      made.destroy();
      chart.current = null;
    };
  }, [shape, width > 0, soon, height, group]);
  useEffect(() => chart.current?.setSize({ width, height }), [width]);
  useEffect(() => {
    if (!chart.current) return;
    chart.current.setData(data);
    tell(chart.current, latest.current, readout.current);
  });

  return html`<figure class="chart">
    <figcaption><h3>${title}</h3><span class="readout" ref=${readout}>${!soon ? "" : empty ? "not measured" : "the first readings come in some seconds"}</span></figcaption>
    <div class="plot" ref=${place} style=${{ height: empty ? "0" : `${height}px` }} aria-hidden="true"></div>
  </figure>`;
}

function options({ width, height, series, limit, group, latest, readout }) {
  const format = (value) => (value === null ? NONE : latest.current.format(value));
  const axis = { stroke: () => token("--dim"), font: FONT, grid: { stroke: () => token("--line"), width: 1 }, ticks: { show: false } };
  return {
    width,
    height,
    legend: { show: false },
    padding: [6, 16, 0, 0],
    cursor: {
      drag: { x: Boolean(latest.current.onSelect), y: false, setScale: false },
      points: { size: 5 },
      y: false,
      ...(group && { sync: { key: group, setSeries: false } }),
    },
    select: { show: Boolean(latest.current.onSelect) },
    scales: {
      x: { time: true, range: (_, low, high) => [Math.min(low, high - SHORTEST), high] },
      y: { range: (_, low, high) => [0, Math.max(high, LEAST.get(latest.current.format) ?? 1e-9) * 1.08] },
    },
    axes: [
      // A time at the very left would stand on the lowest figure.
      { ...axis, size: 20, gap: 3, space: 70, incrs: MINUTES, values: (chart, splits) => splits.map((time) => (chart.valToPos(time, "x") < 20 ? "" : hours(time))) },
      { ...axis, size: AXIS, gap: 4, space: 30, ...(BINARY.has(latest.current.format) && { incrs: POWERS }), values: (_, splits) => splits.map(format) },
    ],
    series: [
      {},
      ...series.map(({ label, color, dash }, index) => ({
        label,
        stroke: () => token(color),
        fill: index ? undefined : () => token(color) + "22",
        width: 1.3,
        dash,
        points: { show: false, filter: alone, size: 4 },
      })),
      ...(limit ? [{ label: limit.label, stroke: () => token("--warn"), width: 1, dash: [3, 3], points: { show: false } }] : []),
    ],
    hooks: {
      setCursor: [(chart) => tell(chart, latest.current, readout.current)],
      setSelect: [(chart) => selected(chart, latest.current.onSelect)],
      draw: [(chart) => drawMarks(chart, latest.current)],
    },
  };
}

/** The readings without a neighbour, which no line would show. */
function alone(chart, index) {
  const values = chart.data[index];
  const found = [];
  values.forEach((value, at) => {
    if (value != null && values[at - 1] == null && values[at + 1] == null) found.push(at);
  });
  return found.length ? found : null;
}

/** Writes the values under the cursor, or the newest, into the caption. */
function tell(chart, { series, format }, element) {
  const index = chart.cursor.idx;
  const at = index ?? lastOf(series);
  const text = series.map(({ label, values }) => `${label} ${values[at] == null ? NONE : format(values[at])}`.trim());
  const time = index === null || index === undefined ? "now" : hours(chart.data[0][index]);
  if (element) element.textContent = `${time}  ${text.join("   ")}`;
}

function lastOf(series) {
  for (let at = series[0].values.length - 1; at > 0; at--) if (series.some(({ values }) => values[at] != null)) return at;
  return 0;
}

function selected(chart, onSelect) {
  if (!onSelect || chart.select.width < 3) return;
  const [since, until] = [chart.select.left, chart.select.left + chart.select.width].map((x) => chart.posToVal(x, "x"));
  chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  onSelect(since, until);
}

function drawMarks(chart, { marks, named }) {
  const { ctx } = chart;
  const { left, top, width, height } = chart.bbox;
  const scale = devicePixelRatio;
  ctx.save();
  ctx.font = `600 ${10 * scale}px system-ui, sans-serif`;
  ctx.textAlign = "left";
  ctx.textBaseline = "top";
  ctx.lineWidth = scale;
  ctx.setLineDash([2 * scale, 3 * scale]);
  let free = 0; // no text over another
  for (const { time, sign, bad } of marks) {
    const x = Math.round(chart.valToPos(time, "x", true));
    if (x < left || x > left + width) continue;
    ctx.strokeStyle = ctx.fillStyle = token(bad ? "--bad" : "--dim");
    ctx.beginPath();
    ctx.moveTo(x, top);
    ctx.lineTo(x, top + height);
    ctx.stroke();
    const size = ctx.measureText(sign).width;
    if (!named || x < free || x + size > left + width) continue;
    ctx.fillStyle = token("--panel");
    ctx.fillRect(x + scale, top, size + 4 * scale, 12 * scale);
    ctx.fillStyle = ctx.strokeStyle;
    ctx.fillText(sign, x + 3 * scale, top + scale);
    free = x + size + 6 * scale;
  }
  ctx.restore();
}

/** The readings of charts as a table, newest first, for who cannot see them. `linkOf(time)` may be null. */
export function Readings({ times, columns, linkOf = null, label }) {
  return html`<details class="readings">
    <summary>Readings as a table</summary>
    <div class="scroll" tabindex="0" role="region" aria-label=${label}>
      <table class="plain">
        <thead><tr><th scope="col">Time</th>${columns.map(({ title }) => html`<th scope="col" class="num" key=${title}>${title}</th>`)}</tr></thead>
        <tbody>${times.map((_, index) => {
          const at = times.length - 1 - index;
          const time = new Date(times[at] * 1000).toLocaleTimeString("en-GB");
          return html`<tr key=${at}>
            <th scope="row">${linkOf ? html`<a href=${linkOf(times[at])} title="The lines of then">${time}</a>` : time}</th>
            ${columns.map(({ title, values, format }) => html`<td class="num" key=${title}>${values?.[at] == null ? NONE : format(values[at])}</td>`)}
          </tr>`;
        })}</tbody>
      </table>
    </div>
  </details>`;
}
