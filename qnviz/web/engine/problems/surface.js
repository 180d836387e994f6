// A function of the plane at a point: its value and derivatives, computed once per point.
//
//     f = ‖u‖²  of residuals u, or f = u where it is a plain function           (loss in u)

import { normal, START } from "../philox.js";

/** Base of all problems; a subclass fills in what `compute` is asked for. */
export class Surface {
  f = NaN;
  g1 = NaN; // ∇f
  g2 = NaN;
  h11 = NaN; // the Hessian
  h12 = NaN;
  h22 = NaN;

  p1 = NaN; // a product that was asked for
  p2 = NaN;

  // of which point, factor and order all this is
  x1 = NaN;
  x2 = NaN;
  xi = NaN;
  order = -1;

  /** Whether there are derivatives wherever f has a value. */
  smooth = true;
  /** Whether f may fall below 0. */
  signed = false;
  /** @type {number | null} the lowest loss, where it is known */
  lowest = 0;

  /**
   * @param {Record<string, any>} spec
   * @param {number} outputs how many residuals
   * @param {boolean} squares whether f is the sum of their squares
   */
  constructor(spec, outputs, squares) {
    this.start = spec.start;
    this.start_noise = spec.start_noise;
    this.outputs = outputs;
    this.squares = squares;
    this.u = new Float64Array(outputs);
    this.J = new Float64Array(2 * outputs); // row by row
    this.w = new Float64Array(outputs); // on its way through a product
  }

  /** Whether every step sees the same function. */
  get deterministic() {
    return true;
  }

  /**
   * The factor of the noise at a step: of functions without noise none is ever asked for.
   *
   * @param {number} _seed
   * @param {number} _run
   * @param {number} _step
   * @param {number} [_iteration]
   */
  factorAt(_seed, _run, _step, _iteration = 0) {
    return 1;
  }

  /**
   * A coordinate of the start of a run.
   *
   * @param {number} place
   * @param {number} seed
   * @param {number} run
   */
  startAt(place, seed, run) {
    if (!this.start_noise) return this.start[place];
    return this.start[place] + this.start_noise * normal(seed, START, run, 0, place, 2);
  }

  /**
   * Look at a point: order 0 gives f, 1 also u, J and ∇f, 2 also the Hessian.
   *
   * @param {number} x1
   * @param {number} x2
   * @param {number} xi the step's factor of the noise
   * @param {number} order
   */
  see(x1, x2, xi, order) {
    if (x1 === this.x1 && x2 === this.x2 && xi === this.xi && order <= this.order) return;
    this.x1 = x1;
    this.x2 = x2;
    this.xi = xi;
    this.order = order;
    this.compute(x1, x2, xi, order);
  }

  /**
   * H v at the point, looked at with order 2, to `p1` and `p2`.
   *
   * @param {number} v1
   * @param {number} v2
   */
  hessianVector(v1, v2) {
    this.p1 = this.h11 * v1 + this.h12 * v2;
    this.p2 = this.h12 * v1 + this.h22 * v2;
  }

  /**
   * J v at the point, looked at with order 1.
   *
   * @param {number} v1
   * @param {number} v2
   * @param {Float64Array} Jv where it goes
   */
  jvp(v1, v2, Jv) {
    const { J, outputs } = this;
    for (let i = 0; i < outputs; i++) Jv[i] = J[2 * i] * v1 + J[2 * i + 1] * v2;
  }

  /**
   * Jᵀ w at the point, looked at with order 1, to `p1` and `p2`.
   *
   * @param {Float64Array} w
   */
  vjp(w) {
    const { J, outputs } = this;
    let [p1, p2] = [0, 0];
    for (let i = 0; i < outputs; i++) {
      p1 += J[2 * i] * w[i];
      p2 += J[2 * i + 1] * w[i];
    }
    this.p1 = p1;
    this.p2 = p2;
  }

  /**
   * Jᵀ H_u J v likewise; H_u is 2 for squares, and 0 otherwise.
   *
   * @param {number} v1
   * @param {number} v2
   */
  gaussNewtonVector(v1, v2) {
    const { w, outputs } = this;
    this.jvp(v1, v2, w);
    for (let i = 0; i < outputs; i++) w[i] *= this.squares ? 2 : 0;
    this.vjp(w);
  }

  /**
   * @param {number} _x1
   * @param {number} _x2
   * @param {number} _xi
   * @param {number} _order
   */
  compute(_x1, _x2, _xi, _order) {
    throw new Error("a surface must say how it is computed");
  }
}
