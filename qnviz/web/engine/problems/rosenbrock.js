// Rosenbrock's function with CurveBall's multiplicative noise: qnviz/problems/rosenbrock.py.
//
//     u(h; ε) = (10 ε (x₂ − x₁²), 1 − x₁)      f = u₁² + u₂²

import { uniform, NOISE } from "../philox.js";
import { Surface } from "./surface.js";

export class Rosenbrock extends Surface {
  smooth = true;
  signed = false;
  /** @type {number | null} */
  lowest = 0;

  /** @param {Record<string, any>} spec */
  constructor(spec) {
    super(spec, 2, true);
    this.noise = spec.noise;
    this.noise_in = spec.noise_in;
  }

  get deterministic() {
    return this.noise === 0;
  }

  /**
   * The factor of the residual at a step: ε, or √ε where f has ε.
   *
   * @param {number} seed
   * @param {number} run
   * @param {number} step
   * @param {number} [iteration]
   */
  factorAt(seed, run, step, iteration = 0) {
    const epsilon = this.noise * uniform(seed, NOISE, run, step, 0, iteration);
    return this.noise_in === "function" ? Math.sqrt(epsilon) : epsilon;
  }

  /**
   * @param {number} x1
   * @param {number} x2
   * @param {number} xi
   * @param {number} order
   */
  compute(x1, x2, xi, order) {
    const u1 = 10 * xi * (x2 - x1 * x1);
    const u2 = 1 - x1;
    this.f = u1 * u1 + u2 * u2;
    if (order < 1) return;
    const { u, J } = this;
    u[0] = u1;
    u[1] = u2;
    J[0] = 10 * xi * (-2 * x1);
    J[1] = 10 * xi;
    J[2] = -1;
    J[3] = 0;
    const slope = 10 * xi * (2 * u1);
    this.g1 = -2 * x1 * slope - 2 * u2;
    this.g2 = slope;
    if (order < 2) return;
    const across = 10 * xi * (2 * J[0]); // as in Python, H e₁ and H e₂, made symmetric
    this.h22 = 10 * xi * (2 * J[1]);
    this.h12 = 0.5 * (across + -2 * x1 * this.h22);
    this.h11 = -2 * x1 * across + 2 + -20 * xi * (2 * u1);
  }

  // Products, rounded as in Python: where a Krylov space is used up, all that is left is rounding.

  /**
   * @param {number} v1
   * @param {number} v2
   * @param {Float64Array} Jv
   */
  jvp(v1, v2, Jv) {
    Jv[0] = 10 * this.xi * (v2 - 2 * this.x1 * v1);
    Jv[1] = -v1;
  }

  /** @param {Float64Array} w */
  vjp(w) {
    const slope = 10 * this.xi * w[0];
    this.p1 = -2 * this.x1 * slope - w[1];
    this.p2 = slope;
  }

  /**
   * @param {number} v1
   * @param {number} v2
   */
  hessianVector(v1, v2) {
    this.gaussNewtonVector(v1, v2);
    this.p1 += -20 * this.xi * (2 * this.u[0]) * v1;
  }
}
