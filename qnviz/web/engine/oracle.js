// An oracle is a function bound to one step's noise: it answers, and counts what that costs.
//
// One unit of work is one pass: a value 1, a gradient 3, a Hessian-vector product 6 (MATH §1). What
// has just been computed at the same point is not computed again, but counted as often as asked for.

import { normal, TARGETS } from "./philox.js";

/** @import { Surface } from "./problems/surface.js" */

export class Oracle {
  work = 0;
  xi = 1;
  seed = 0;
  run = 0;
  step = -1;
  drawn = new Float64Array(0); // for targets, by step; NaN where not yet

  /**
   * @param {Surface} surface
   * @param {Float64Array | null} noise ξ by step, or null where every step sees the same function
   */
  constructor(surface, noise) {
    this.surface = surface;
    this.noise = noise;
  }

  /** Whether this is the same function at every step. */
  get full() {
    return this.noise === null;
  }

  /**
   * Begin a run: the function itself, without noise, as methods see it before their first step.
   *
   * @param {number} seed
   * @param {number} run
   */
  begin(seed, run) {
    if (seed !== this.seed || run !== this.run) this.drawn.fill(NaN);
    this.seed = seed;
    this.run = run;
    this.work = 0;
    this.step = -1;
    this.xi = 1;
  }

  /** @param {number} step */
  take(step) {
    this.step = step;
    const { noise } = this;
    if (noise === null) return;
    // drawn when it is needed, and once: entrants and cells share it
    if (Number.isNaN(noise[step])) noise[step] = this.surface.factorAt(this.seed, this.run, step);
    this.xi = noise[step];
  }

  /**
   * A forward pass: f.
   *
   * @param {number} x1
   * @param {number} x2
   */
  value(x1, x2) {
    this.work += 1;
    this.surface.see(x1, x2, this.xi, 0);
    return this.surface.f;
  }

  /**
   * Forward and backward: f, u, J and ∇f are on the surface that it gives, until it is asked again.
   *
   * @param {number} x1
   * @param {number} x2
   */
  gradient(x1, x2) {
    this.work += 3;
    this.surface.see(x1, x2, this.xi, 1);
    return this.surface;
  }

  /**
   * The same with the Hessian, whose products are charged apart, with `charge`.
   *
   * @param {number} x1
   * @param {number} x2
   */
  curvature(x1, x2) {
    this.work += 3;
    this.surface.see(x1, x2, this.xi, 2);
    return this.surface;
  }

  /**
   * A forward pass on another noise of this step, drawn by (seed, run, step, iteration ≥ 1), whose
   * gradient and products are charged apart.
   *
   * @param {number} x1
   * @param {number} x2
   * @param {number} iteration
   */
  fresh(x1, x2, iteration) {
    this.work += 1;
    const { surface, seed, run, step } = this;
    const xi = this.full ? this.xi : surface.factorAt(seed, run, step, iteration);
    surface.see(x1, x2, xi, 2);
    return surface;
  }

  /**
   * A standard normal number, of `count` that every step of a run gets for the targets that a model
   * itself draws. All cells of a map share them: each is drawn once.
   *
   * @param {number} place
   * @param {number} count
   */
  target(place, count) {
    const at = (this.step + 1) * count + place;
    if (at >= this.drawn.length) {
      const { drawn } = this;
      this.drawn = new Float64Array(2 * at + 64).fill(NaN);
      this.drawn.set(drawn);
    }
    if (Number.isNaN(this.drawn[at])) {
      this.drawn[at] = normal(this.seed, TARGETS, this.run, this.step, place, count);
    }
    return this.drawn[at];
  }

  /** @param {number} units */
  charge(units) {
    this.work += units;
  }
}
