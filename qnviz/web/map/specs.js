// Specs of maps and of their runs, as settings change under the hand. The engine takes them as
// Python writes them (qnviz/runs/portable.py).

import { significant } from "../numbers.js";

/** @import { Side } from "./cells.js" */
/** @import { MapEdit, RunPlace } from "./payload.d.ts" */

const START = "start.";
const DIGITS = 5; // of a place that goes into the address

/**
 * @typedef {Record<string, any>} Spec
 */

/**
 * A map's spec with the settings that were changed since.
 *
 * @param {Spec} spec
 * @param {MapEdit} edit
 * @param {"left" | "right"} side
 * @returns {Spec}
 */
export function edited(spec, edit, side) {
  const { seed = spec.seed, start, noise } = edit;
  const problem = { ...spec.problem };
  if (start) problem.start = start;
  if (noise !== undefined) problem.noise = noise;
  const [method, ...others] = spec.methods;
  return { ...spec, seed, problem, methods: [{ ...method, ...edit[side] }, ...others] };
}

/**
 * The run of a place of a map: its two settings, or its start.
 *
 * @param {Spec} spec a sweep's
 * @param {RunPlace} place
 * @returns {Spec}
 */
export function runAt({ sweep, ...spec }, { x, y, seed }) {
  const problem = { ...spec.problem, start: [...spec.problem.start] };
  const method = { ...spec.methods[0] };
  const settings = [
    [sweep.x, x],
    [sweep.y, y],
  ];
  for (const [axis, value] of settings) {
    if (!axis) continue;
    const { field } = axis;
    if (field.startsWith(START)) problem.start[Number(field.slice(START.length))] = value;
    else method[field] = value;
  }
  return { ...spec, problem, methods: [method], runs: 1, seed: spec.seed + seed };
}

/**
 * The values along an axis of a live map: from the server's first to its last.
 *
 * @param {Side} side
 * @param {number} n
 */
export function valuesOf({ values, log }, n) {
  if (n === values.length) return Array.from(values);
  const [low, high] = [values[0], values[values.length - 1]].map((v) => (log ? Math.log(v) : v));
  return Array.from({ length: n }, (_, i) => {
    const value = low + (i * (high - low)) / (n - 1);
    return log ? Math.exp(value) : value;
  });
}

/**
 * A cell of a live map as a place of its plane, in few digits.
 *
 * @param {number[]} xs
 * @param {number[]} ys
 * @param {[row: number, column: number]} cell
 * @param {number} seed
 * @returns {RunPlace}
 */
export function placeOf(xs, ys, [iy, ix], seed) {
  return { x: significant(xs[ix], DIGITS), y: significant(ys[iy], DIGITS), seed };
}
