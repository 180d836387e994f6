// Plotly's axes and layouts, as the player works with them.

import { clamp } from "../numbers.js";

const FAR = 1e5; // pixels; keeps what leaves the picture drawable
const GROWN = new Set(["size", "standoff", "ticklen", "width", "l", "r", "t", "b"]);

/**
 * Pixel of a data value in the figure; a log axis sends 0 far away and negatives nowhere.
 *
 * @param {PlotlyAxis} axis
 * @param {number} value
 */
export function toPixel(axis, value) {
  const linear = axis.type === "log" ? Math.log10(value) : value;
  if (Number.isNaN(linear)) return NaN;
  const pixel = Number.isFinite(linear) ? axis.l2p(linear) : Math.sign(linear * axis._m) * FAR;
  return clamp(axis._offset + pixel, -FAR, FAR);
}

/**
 * Where an axis begins and ends, in pixels of the figure.
 *
 * @param {PlotlyAxis} axis
 * @returns {[low: number, high: number]}
 */
export function ends(axis) {
  return [axis._offset, axis._offset + axis._length];
}

/**
 * The axes that Plotly has laid out, or null where it has none; and the figure's size.
 *
 * @param {PlotlyElement} plot
 */
export function laidOut({ _fullLayout: layout }) {
  if (!layout?.xaxis || !layout.yaxis) return null;
  const heights = Object.keys(layout).filter((name) => /^yaxis\d*$/.test(name));
  const spans = heights.map((name) => ends(layout[name]));
  return {
    width: layout.width,
    height: layout.height,
    x: layout.xaxis,
    y: layout.yaxis,
    /** @param {string} name such as "y2" */
    named: (name) => layout[`yaxis${name.slice(1)}`],
    top: Math.min(...spans.map(([low]) => low)),
    bottom: Math.max(...spans.map(([, high]) => high)),
  };
}

/**
 * What the axes mean: while it stays, Plotly keeps the reader's zoom over new data.
 *
 * @param {PlotlyLayout} layout
 * @param {boolean} growing whether the axes of a growing run may widen
 */
export function axesMeaning(layout, growing) {
  const axes = Object.entries(layout)
    .filter(([name]) => /^[xy]axis\d*$/.test(name))
    .sort();
  const meanings = axes.map(([name, { type, range, title }]) => [
    name,
    type,
    growing ? null : range,
    title?.text ?? title,
  ]);
  return JSON.stringify(meanings);
}

const SLACK = 1.6; // times what a new figure needs, an axis may stay as it was

/**
 * A layout whose axes and margins stay as they were before, where these hold the new ones and are not
 * much larger, so that nothing jumps.
 *
 * @param {PlotlyLayout} before
 * @param {PlotlyLayout} layout
 * @returns {PlotlyLayout}
 */
export function steadied(before, layout) {
  const kept = { ...layout };
  for (const [name, axis] of Object.entries(layout)) {
    if (!/^[xy]axis\d*$/.test(name) || !axis.range || !before[name]?.range) continue;
    const was = before[name];
    const same = was.type === axis.type && was.title?.text === axis.title?.text;
    if (same && holds(was.range, axis.range)) kept[name] = { ...axis, range: was.range };
  }
  for (const side of ["l", "r"]) {
    const [was, is] = [before.margin?.[side], layout.margin?.[side]];
    if (was > is && was <= SLACK * is) kept.margin = { ...kept.margin, [side]: was };
  }
  return kept;
}

/**
 * Whether a range holds another, and is not much larger.
 *
 * @param {[number, number]} was
 * @param {[number, number]} is
 */
function holds(was, is) {
  const [[a, b], [low, high]] = [was, is].map((range) => [...range].sort((p, q) => p - q));
  return a <= low && b >= high && b - a <= SLACK * (high - low);
}

/**
 * A figure's part with larger type, lines and margins.
 *
 * @template T
 * @param {T} part
 * @param {number} scale
 * @returns {T}
 */
export function magnified(part, scale) {
  return scale === 1 ? part : grown(part, scale);
}

/**
 * @param {any} part
 * @param {number} scale
 * @returns {any}
 */
function grown(part, scale) {
  if (Array.isArray(part)) return part.map((item) => grown(item, scale));
  if (!part || typeof part !== "object" || part.bdata) return part;
  /** @type {(entry: [string, any]) => [string, any]} */
  const larger = ([name, value]) => {
    if (name === "contours") return [name, value]; // its size is a step between levels
    const grows = GROWN.has(name) && typeof value === "number";
    return [name, grows ? value * scale : grown(value, scale)];
  };
  return Object.fromEntries(Object.entries(part).map(larger));
}
