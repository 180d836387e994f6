// Plotly's axes and layouts, as the player works with them.

import { clamp } from "../numbers.js";

const FAR = 1e5; // pixels; keeps what leaves the picture drawable

/** Pixel of a data value in the figure; a log axis sends 0 far away and negatives nowhere. */
export function toPixel(axis, value) {
  const linear = axis.type === "log" ? Math.log10(value) : value;
  if (Number.isNaN(linear)) return NaN;
  const pixel = Number.isFinite(linear) ? axis.l2p(linear) : Math.sign(linear * axis._m) * FAR;
  return clamp(axis._offset + pixel, -FAR, FAR);
}

/** What the axes mean: while it stays, Plotly keeps the reader's zoom over new data. */
export function axesMeaning(layout, growing) {
  const axes = Object.entries(layout)
    .filter(([name]) => /^[xy]axis\d*$/.test(name))
    .sort();
  const meaning = ([name, axis]) => [
    name,
    axis.type,
    growing ? null : axis.range,
    axis.title?.text ?? axis.title,
  ];
  return JSON.stringify(axes.map(meaning));
}

const GROWN = new Set(["size", "standoff", "ticklen", "width", "l", "r", "t", "b"]);

/** A figure's part with larger type, lines and margins. */
export function magnified(part, scale) {
  if (scale === 1) return part;
  if (Array.isArray(part)) return part.map((item) => magnified(item, scale));
  if (!part || typeof part !== "object" || part.bdata) return part;
  return Object.fromEntries(
    Object.entries(part).map(([name, value]) => {
      if (name === "contours") return [name, value]; // its size is a step between levels
      return [
        name,
        GROWN.has(name) && typeof value === "number" ? value * scale : magnified(value, scale),
      ];
    }),
  );
}
