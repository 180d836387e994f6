// What a map's cells are: pixels to cells and back, and each cell in words.

import { decode } from "../columns.js";
import { formatNumber } from "../numbers.js";

export const NOTHING = 255; // the kind of a cell that was not computed yet

/** A map's grid and numbers, decoded. */
export function readMap(panel) {
  const [x, y] = panel.grid.map((side) => ({
    ...side,
    values: decode(side.values),
    edges: decode(side.edges),
  }));
  const columns = panel.columns.map(({ title, values, low, high }) => ({
    title,
    values: decode(values),
    low: low && decode(low),
    high: high && decode(high),
  }));
  const counts = (panel.counts ?? []).map(decode);
  return {
    ...panel,
    x,
    y,
    nx: x.values.length,
    ny: y.values.length,
    kind: decode(panel.kind),
    shown: decode(panel.shown),
    columns,
    counts,
  };
}

/** Where a value lies between an axis's ends, 0 … 1. */
export function partOf(side, value) {
  const on = side.log ? Math.log : (v) => v;
  const [first, last] = [side.edges[0], side.edges[side.edges.length - 1]];
  return (on(value) - on(first)) / (on(last) - on(first));
}

/** The index of the cell at a part of an axis, or -1 outside. */
export function cellAt(side, part) {
  if (!(part >= 0 && part <= 1)) return -1;
  let i = side.values.length - 1;
  while (i > 0 && part < partOf(side, side.edges[i])) i -= 1;
  return i;
}

/** A cell in words, a line each: where it is, what it is, its numbers with their spread. */
export function tell(map, kinds, iy, ix) {
  const at = iy * map.nx + ix;
  const lines = [
    `${map.x.label} = ${formatNumber(map.x.values[ix])}, ${map.y.label} = ${formatNumber(map.y.values[iy])}`,
  ];
  if (map.kind[at] === NOTHING) return [...lines, "not computed yet"];
  if (map.kind[at] > 0 || kinds[0].text) lines.push(kinds[map.kind[at]].text);
  for (const { title, values, low, high } of map.columns) {
    if (!Number.isFinite(values[at])) continue;
    const spread =
      map.seeds > 1 && low && low[at] !== high[at]
        ? ` (${formatNumber(low[at])} … ${formatNumber(high[at])})`
        : "";
    lines.push(`${title}: ${formatNumber(values[at])}${spread}`);
  }
  if (map.counts.length) {
    const [runs, reached, diverged] = map.counts.map((column) => column[at]);
    const lost = diverged ? `, ${diverged} diverged` : "";
    lines.push(`of ${runs} seeds ${reached} reached the target${lost}`);
  }
  return lines;
}
