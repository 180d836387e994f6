// Grids: one run per cell of a sweep and seed, in slices of time.

import { EngineError } from "./errors.js";
import { Rule } from "./ends.js";
import { METHODS } from "./methods/registry.js";
import { Oracle } from "./oracle.js";
import { noiseOf, surfaceOf } from "./problem.js";
import { Run } from "./run.js";
import { checkedSweep } from "./spec.js";
import { Totals } from "./totals.js";

/** @import { Spec } from "./spec.js" */
/** @import { Maps } from "./totals.js" */

/**
 * @typedef {{ field: string, from: number, to: number, points: number, scale: "linear" | "log" }} Axis
 * @typedef {{ cells?: Uint32Array, summaries?: boolean }} Options which cells, of (ny, nx, seeds)
 *   flattened, and whether the method's own summaries are wanted
 */

const START = "start.";
const SLICE = 16; // cells between two looks at the clock

/**
 * The points of an axis, as numpy's linspace and geomspace make them.
 *
 * @param {Axis} axis
 * @param {boolean} whole whether the field takes whole numbers alone
 */
function valuesOf({ field, from, to, points, scale }, whole = false) {
  if (!(points >= 1) || ![from, to].every(Number.isFinite)) {
    throw new EngineError(`The axis of ${field} has no points.`);
  }
  const log = scale === "log";
  const [low, high] = log ? [Math.log10(from), Math.log10(to)] : [from, to];
  const values = Float64Array.from({ length: points }, (_, i) => {
    if (i === 0) return from;
    if (i === points - 1) return to;
    const at = low + i * ((high - low) / (points - 1));
    return log ? 10 ** at : at;
  });
  return whole ? values.map((v) => Math.round(v)) : values;
}

export class Grid {
  at = 0; // of the cells that were asked for, the next

  /**
   * @param {Spec} spec a sweep
   * @param {Options} [options]
   */
  constructor(spec, { cells, summaries = true } = {}) {
    this.spec = checkedSweep(spec);
    const { problem, methods, steps, seed, stop_loss, stop_grad, sweep } = spec;
    const label = sweep.entrant ?? methods[0].label ?? methods[0].name;
    this.settings = methods.find(
      (/** @type {any} */ m) => (m.label ?? m.name) === label || m.name === label,
    );
    if (!this.settings) throw new EngineError(`The sweep names no entrant: ${label}.`);
    this.axes = [sweep.x, ...(sweep.y ? [sweep.y] : [])];
    this.values = this.axes.map((axis) => valuesOf(axis, this.whole(axis.field)));
    this.nx = sweep.x.points;
    this.ny = sweep.y ? sweep.y.points : 1;
    this.seeds = sweep.seeds;
    const size = this.nx * this.ny * this.seeds;
    this.cells = cells ?? Uint32Array.from({ length: size }, (_, i) => i);
    if (this.cells.some((cell) => cell >= size)) throw new EngineError("There is no such cell.");
    this.surface = surfaceOf(problem);
    this.rule = new Rule(this.surface, stop_loss, stop_grad);
    this.seed = seed;
    this.steps = steps;
    /** @type {Map<number, Oracle>} by seed: all cells of one share their noise */
    this.oracles = new Map();
    const Kind = METHODS[this.settings.name];
    this.method = new Kind();
    this.totals = new Totals(this.cells.length, Kind, summaries);
    this.method.configure(this.settings);
    this.run = new Run(this.rule, steps, this.oracle(seed), this.method, this.totals);
    this.varies = this.axes.some(({ field }) => !field.startsWith(START));
  }

  /** @param {string} field */
  whole(field) {
    return this.spec.sweep.whole.includes(field);
  }

  /** @returns {Maps} what there is so far: cells that are not computed have status 0 */
  get maps() {
    return this.totals.maps;
  }

  get done() {
    return this.at >= this.cells.length;
  }

  /**
   * Compute for about so many milliseconds; gives whether all is done.
   *
   * @param {number} [ms]
   */
  advance(ms = Infinity) {
    const until = ms === Infinity ? Infinity : performance.now() + ms;
    while (!this.done) {
      this.compute(this.at);
      this.at += 1;
      if (this.at % SLICE === 0 && performance.now() >= until) break;
    }
    return this.done;
  }

  /** @param {number} place of the cells that were asked for */
  compute(place) {
    const { surface, method, totals, nx, seeds, axes } = this;
    const cell = this.cells[place];
    const number = cell % seeds;
    const index = (cell - number) / seeds;
    const seed = this.seed + number;
    let x1 = surface.startAt(0, seed, 0);
    let x2 = surface.startAt(1, seed, 0);
    /** @type {Record<string, number>} */
    const swept = {};
    for (let i = 0; i < axes.length; i++) {
      const value = this.values[i][i === 0 ? index % nx : Math.floor(index / nx)];
      const { field } = axes[i];
      if (field === "start.0") x1 += value - surface.start[0];
      else if (field === "start.1") x2 += value - surface.start[1];
      else swept[field] = value;
    }
    if (this.varies) method.configure({ ...this.settings, ...swept });
    const { run } = this;
    run.oracle = this.oracle(seed);
    totals.begin(place);
    run.begin(seed, 0, x1, x2);
    while (run.alive) run.advance();
  }

  /** @param {number} seed */
  oracle(seed) {
    let oracle = this.oracles.get(seed);
    if (!oracle) {
      oracle = new Oracle(this.surface, noiseOf(this.surface, this.steps));
      this.oracles.set(seed, oracle);
    }
    return oracle;
  }
}

/**
 * A grid to its end.
 *
 * @param {Spec} spec
 * @param {Options} [options]
 */
export function grid(spec, options) {
  const whole = new Grid(spec, options);
  whole.advance();
  return whole.maps;
}
