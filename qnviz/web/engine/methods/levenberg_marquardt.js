// Levenberg-Marquardt for sums of squares f = ‖r‖² [Levenberg 1944, Marquardt 1963]: the twin of
// qnviz/methods/levenberg_marquardt.py.
//
//     (JᵀJ + λ D) d = −Jᵀr,   D = I, or the largest diag JᵀJ so far                 (1)
//     gain = (f(W) − f(W + d)) / (m(0) − m(d))                                      (2)
//     gain > 0: take d.  λ ← λ·max(⅓, 1 − (2·gain − 1)³);  else λ ← λν, ν ← 2ν      (3)
//
// Where rounding hides the gain, W, λ and ν stay. What is called JᵀJ is H_u = 2 times it.

import { finite } from "../ends.js";
import { Solver } from "../lapack.js";
import { belowRounding } from "../line_search.js";
import { norm } from "../plane.js";
import { Method } from "./method.js";

/** @import { Oracle } from "../oracle.js" */
/** @import { Settings, Summary } from "./method.js" */

const UNIT = Number.EPSILON;

export class LevenbergMarquardt extends Method {
  static method = "levenberg_marquardt";
  static scalar = ["lam", "lam_next", "gain", "accepted", "at_precision"];
  /** @type {readonly Summary[]} */
  static summaries = [
    { name: "refused", how: "mean", value: (e) => Number(!e.accepted && !e.at_precision) },
  ];

  lam0 = 1e-3;
  identity = true;

  D1 = 1;
  D2 = 1;
  lam = 0;
  nu = 2;
  a11 = 0; // JᵀJ
  a12 = 0;
  a22 = 0;
  solver = new Solver();
  events = { lam: 0, lam_next: 0, gain: NaN, accepted: false, at_precision: false };

  /** @param {Settings} settings */
  configure({ lam, scaling }) {
    this.lam0 = lam;
    this.identity = scaling === "identity";
  }

  /**
   * @param {Oracle} oracle
   * @param {number} x1
   * @param {number} x2
   */
  init(oracle, x1, x2) {
    super.init(oracle, x1, x2);
    oracle.value(x1, x2);
    oracle.surface.see(x1, x2, oracle.xi, 1); // a forward pass all the same: it is J that is needed
    this.form(oracle);
    this.D1 = this.identity ? 1 : this.a11;
    this.D2 = this.identity ? 1 : this.a22;
    this.lam = this.identity ? this.lam0 * Math.max(this.a11, this.a22) : this.lam0;
    this.nu = 2;
  }

  /** @param {Oracle} oracle */
  step(oracle) {
    const { x1, x2, solver, events: e } = this;
    const { f, g1, g2 } = oracle.gradient(x1, x2);
    this.form(oracle);
    const lam = this.weights();
    const [shift1, shift2] = [lam * this.D1, lam * this.D2];
    solver.solve(this.a11 + shift1, this.a12, this.a22 + shift2, -g1, -g2); //                  (1)
    const { x1: d1, x2: d2 } = solver;
    const f_next = oracle.value(x1 + d1, x2 + d2);
    const predicted = 0.5 * (d1 * (shift1 * d1) + d2 * (shift2 * d2) - (g1 * d1 + g2 * d2));
    const gain = (f - f_next) / predicted; //                                                   (2)
    const good = f_next < f && predicted > 0;
    const short = norm(d1, d2) <= UNIT * norm(x1, x2);
    const done = !good && (belowRounding(Math.abs(predicted), f) || short);
    if (good) {
      this.x1 = x1 + d1;
      this.x2 = x2 + d2;
      this.lam = lam * Math.max(1 - (2 * gain - 1) ** 3, 1 / 3);
      this.nu = 2;
    } else if (!done && finite(predicted)) {
      this.lam = lam * this.nu;
      this.nu *= 2;
    } else this.lam = lam; //                                                                   (3)
    e.lam = lam;
    e.lam_next = this.lam;
    e.gain = gain;
    e.accepted = good;
    e.at_precision = done;
    this.k += 1;
  }

  /**
   * JᵀJ at the point whose J is on the surface.
   *
   * @param {Oracle} oracle
   */
  form(oracle) {
    const { surface } = oracle;
    oracle.charge(6);
    surface.gaussNewtonVector(1, 0);
    this.a11 = surface.p1;
    this.a12 = surface.p2;
    surface.gaussNewtonVector(0, 1);
    this.a12 = 0.5 * (this.a12 + surface.p1);
    this.a22 = surface.p2;
  }

  /** Put D to where λ D can be seen beside JᵀJ, and give such a λ. */
  weights() {
    const { a11, a22 } = this;
    const most = Math.max(a11, a22);
    const floor = UNIT * (most > 0 ? most : 1);
    if (this.identity) return Math.max(this.lam, floor);
    this.D1 = Math.max(this.D1, a11, floor);
    this.D2 = Math.max(this.D2, a22, floor);
    return Math.max(this.lam, UNIT);
  }
}
