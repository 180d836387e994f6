// What a map's cells are: pixels to cells and back, and each cell in words.

import { decode } from "../columns.js";
import { say } from "../numbers.js";

/** @import { Numbers } from "../columns.js" */
/** @import { Kind, MapPayload, SidePayload } from "./payload.d.ts" */

export const NOTHING = 255; // the kind of a cell that was not computed yet

/**
 * @typedef {{ label: string, log: boolean, values: Numbers, edges: Numbers }} Side
 * @typedef {ReturnType<typeof readMap>} CellMap
 */

/**
 * A map's grid and numbers, decoded.
 *
 * @param {MapPayload} payload
 */
export function readMap(payload) {
  const [x, y] = payload.grid.map(readSide);
  const columns = payload.columns.map(({ title, values, low, high }) => ({
    title,
    values: decode(values),
    low: low && decode(low),
    high: high && decode(high),
  }));
  return {
    ...payload,
    x,
    y,
    nx: x.values.length,
    ny: y.values.length,
    kind: decode(payload.kind),
    shown: decode(payload.shown),
    columns,
    counts: (payload.counts ?? []).map(decode),
  };
}

/**
 * @param {SidePayload} side
 * @returns {Side}
 */
function readSide(side) {
  return { ...side, values: decode(side.values), edges: decode(side.edges) };
}

/**
 * Where a value lies between an axis's ends, 0 … 1.
 *
 * @param {Side} side
 * @param {number} value
 */
export function partOf({ edges, log }, value) {
  const [first, last] = [edges[0], edges[edges.length - 1]];
  if (!log) return (value - first) / (last - first);
  return (Math.log(value) - Math.log(first)) / (Math.log(last) - Math.log(first));
}

/**
 * The index of the cell at a part of an axis, or -1 outside.
 *
 * @param {Side} side
 * @param {number} part
 */
export function cellAt(side, part) {
  if (!(part >= 0 && part <= 1)) return -1;
  let i = side.values.length - 1;
  while (i > 0 && part < partOf(side, side.edges[i])) i -= 1;
  return i;
}

/**
 * A cell in words, a line each: where it is, what it is, its numbers with their spread.
 *
 * @param {CellMap} map
 * @param {Kind[]} kinds
 * @param {number} iy its row, counted upwards
 * @param {number} ix its column
 */
export function describe(map, kinds, iy, ix) {
  const at = iy * map.nx + ix;
  const place = [
    `${map.x.label} = ${say(map.x.values[ix])}`,
    `${map.y.label} = ${say(map.y.values[iy])}`,
  ];
  const lines = [place.join(", ")];
  if (map.kind[at] === NOTHING) return [...lines, "not computed yet"];
  if (map.kind[at] > 0 || kinds[0].text) lines.push(kinds[map.kind[at]].text);
  for (const { title, values, low, high } of map.columns) {
    if (!Number.isFinite(values[at])) continue;
    const spread =
      map.seeds > 1 && low && high && low[at] !== high[at]
        ? ` (${say(low[at])} … ${say(high[at])})`
        : "";
    lines.push(`${title}: ${say(values[at])}${spread}`);
  }
  if (map.counts.length) {
    const [runs, reached, diverged] = map.counts.map((column) => column[at]);
    const lost = diverged ? `, ${diverged} diverged` : "";
    lines.push(`of ${runs} seeds ${reached} reached the target${lost}`);
  }
  return lines;
}
