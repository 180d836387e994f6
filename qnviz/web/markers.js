// What tells entrants apart: markers and dashes.

import { svg } from "./dom.js";

const DASHES = { dot: "2 3", dash: "6 3", dashdot: "6 3 2 3", longdash: "10 4" };

const polygon = (points) =>
  `M${points.map(([x, y]) => `${x.toFixed(2)} ${y.toFixed(2)}`).join("L")}Z`;
const turned = (points) => points.map(([x, y]) => [(x - y) * Math.SQRT1_2, (x + y) * Math.SQRT1_2]);

/** Markers as SVG paths around 0, so that the legend and the canvas draw the very same shape. */
const MARKERS = {
  circle: (r) => `M${-r} 0A${r} ${r} 0 1 1 ${r} 0A${r} ${r} 0 1 1 ${-r} 0Z`,
  square: (r) =>
    polygon(
      [
        [-1, -1],
        [1, -1],
        [1, 1],
        [-1, 1],
      ].map(([x, y]) => [x * 0.89 * r, y * 0.89 * r]),
    ),
  diamond: (r) =>
    polygon(
      [
        [0, -1],
        [1, 0],
        [0, 1],
        [-1, 0],
      ].map(([x, y]) => [x * 1.2 * r, y * 1.2 * r]),
    ),
  "triangle-up": (r) =>
    polygon([
      [0, -1.2 * r],
      [1.15 * r, 0.85 * r],
      [-1.15 * r, 0.85 * r],
    ]),
  cross: (r) => polygon(plus(r)),
  x: (r) => polygon(turned(plus(r))),
  star: (r) =>
    polygon(
      Array.from({ length: 10 }, (_, i) => {
        const [angle, size] = [(i * Math.PI) / 5, (i % 2 ? 0.55 : 1.3) * r];
        return [Math.sin(angle) * size, -Math.cos(angle) * size];
      }),
    ),
};

function plus(r) {
  const [a, b] = [0.42 * r, 1.15 * r];
  return [
    [-a, -b],
    [a, -b],
    [a, -a],
    [b, -a],
    [b, a],
    [a, a],
    [a, b],
    [-a, b],
    [-a, a],
    [-b, a],
    [-b, -a],
    [-a, -a],
  ];
}

export const markerPath = (shape, r) => (MARKERS[shape] ?? MARKERS.circle)(r);

/** A sample of an entrant's line (left out when `width` is small) and marker. */
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
