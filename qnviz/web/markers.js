// What tells entrants apart: markers and dashes.

import { svg } from "./dom.js";

/** @type {Record<string, string>} */
const DASHES = { dot: "2 3", dash: "6 3", dashdot: "6 3 2 3", longdash: "10 4" };

const [ARM, REACH] = [0.42, 1.15]; // half the width of a plus sign's arms, and how far they reach
const PLUS = [
  [-ARM, -REACH, ARM, -REACH, ARM, -ARM, REACH, -ARM, REACH, ARM, ARM, ARM],
  [ARM, REACH, -ARM, REACH, -ARM, ARM, -REACH, ARM, -REACH, -ARM, -ARM, -ARM],
].flat();

/**
 * Corners of markers, x and y in turn, in units of the marker's size; all others are circles.
 *
 * @type {Record<string, number[]>}
 */
const CORNERS = {
  square: [-0.89, -0.89, 0.89, -0.89, 0.89, 0.89, -0.89, 0.89],
  diamond: [0, -1.2, 1.2, 0, 0, 1.2, -1.2, 0],
  "triangle-up": [0, -1.2, 1.15, 0.85, -1.15, 0.85],
  cross: PLUS,
  x: PLUS.map((v, i) => (i % 2 ? PLUS[i - 1] + v : v - PLUS[i + 1]) * Math.SQRT1_2),
  star: Array.from({ length: 20 }, (_, i) => {
    const [turn, size] = [Math.floor(i / 2) * (Math.PI / 5), i % 4 < 2 ? 1.3 : 0.55];
    return size * (i % 2 ? -Math.cos(turn) : Math.sin(turn));
  }),
};

/**
 * A marker as an SVG path around 0, so that the legend and the canvas draw the very same shape.
 *
 * @param {string} shape
 * @param {number} r its size in pixels
 */
export function markerPath(shape, r) {
  const corners = CORNERS[shape]?.map((v) => (v * r).toFixed(2));
  if (!corners) return `M${-r} 0A${r} ${r} 0 1 1 ${r} 0A${r} ${r} 0 1 1 ${-r} 0Z`;
  return `M${corners.reduce((path, v, i) => `${path}${i % 2 ? " " : "L"}${v}`)}Z`;
}

/**
 * A sample of an entrant's line (left out when `width` is small) and marker.
 *
 * @param {{ color: string, dash: string, marker: string }} entrant
 * @param {number} width in pixels
 * @param {Element} parent
 */
export function sample(entrant, width, parent) {
  const viewBox = `${-width / 2} -7 ${width} 14`;
  const box = svg("svg", parent, { width, height: 14, viewBox, "aria-hidden": "true" });
  if (width > 16) {
    svg("path", box, {
      d: `M${-width / 2} 0H${width / 2}`,
      stroke: entrant.color,
      "stroke-width": 2,
      "stroke-dasharray": DASHES[entrant.dash] ?? "none",
    });
  }
  svg("path", box, { d: markerPath(entrant.marker, 4.5), fill: entrant.color });
}
