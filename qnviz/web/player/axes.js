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
