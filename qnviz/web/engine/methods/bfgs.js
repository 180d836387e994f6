// BFGS with a strong Wolfe line search [NW06, algorithm 6.1]: the twin of qnviz/methods/bfgs.py.
//
//     d = −H g                                                                      (1)
//     s = a d,   y = ∇f(θ + s) − ∇f(θ), with the same noise                         (2)
//     H ← (I − ρ s yᵀ) H (I − ρ y sᵀ) + ρ s sᵀ,   ρ = 1/sᵀy                         (3)
//
// H₀ = I, rescaled to (sᵀy / yᵀy) I before the first update [NW06, eq. 6.20] unless asked otherwise.

import { LineSearch } from "../line_search.js";
import { norm, Symmetric } from "../plane.js";
import { bfgsUpdate, quotient, skip } from "../secant.js";
import { Method } from "./method.js";

/** @import { Oracle } from "../oracle.js" */
/** @import { Settings, Summary } from "./method.js" */

export class BFGS extends Method {
  static method = "bfgs";
  static scalar = [
    "step_size",
    "trials",
    "wolfe",
    "skipped",
    "at_precision",
    "stationary",
    "eig_min",
    "eig_max",
  ];
  /** @type {readonly Summary[]} */
  static summaries = [
    { name: "eig_max", how: "max", value: (e) => e.eig_max },
    { name: "trials", how: "mean", value: (e) => e.trials },
  ];

  scaling = "pair";
  H = new Symmetric();
  search = new LineSearch(); // stands at θ, with loss and gradient there if they are still valid
  fresh = true; // whether H has seen no pair yet
  events = {
    step_size: 0,
    trials: 0,
    wolfe: 0,
    skipped: 0,
    at_precision: 0,
    stationary: 0,
    eig_min: 1,
    eig_max: 1,
  };

  /** @param {Settings} settings */
  configure({ scaling }) {
    this.scaling = scaling;
  }

  /**
   * @param {Oracle} oracle
   * @param {number} x1
   * @param {number} x2
   */
  init(oracle, x1, x2) {
    super.init(oracle, x1, x2);
    this.know(oracle);
    this.reset();
    this.fresh = true;
  }

  /** @param {Oracle} oracle */
  step(oracle) {
    const { H, search, events: e } = this;
    if (!oracle.full) this.know(oracle); // new noise is a new function
    const { x1, x2, g1, g2 } = search;
    const d1 = -H.times1(g1, g2);
    const d2 = -H.times2(g1, g2); //                                                                (1)
    // with H = I nothing is known of the scale of f: the first trial moves by 1
    search.strongWolfe(oracle, d1, d2, this.fresh ? 1 / norm(g1, g2) : 1);
    const s1 = search.x1 - x1;
    const s2 = search.x2 - x2;
    const y1 = search.g1 - g1;
    const y2 = search.g2 - g2; //                                                               (2)
    const keep = skip(s1 * y1 + s2 * y2, s1 * s1 + s2 * s2, 0, search.a > 0);
    if (!keep) this.update(s1, s2, y1, y2, this.fresh && this.scaling === "pair"); //           (3)
    // where no step was found H has gone bad: forget it
    const lost = search.a === 0;
    if (lost) this.reset();
    this.fresh = (this.fresh && keep) || lost;
    this.x1 = search.x1;
    this.x2 = search.x2;
    this.k += 1;
    e.step_size = search.a;
    e.trials = search.trials;
    e.wolfe = Number(search.found);
    e.skipped = Number(keep);
    e.at_precision = Number(search.at_precision);
    e.stationary = Number(g1 === 0 && g2 === 0);
  }

  /**
   * Ask for f and ∇f at θ, with the noise of this step.
   *
   * @param {Oracle} oracle
   */
  know(oracle) {
    const { f, g1, g2 } = oracle.gradient(this.x1, this.x2);
    this.search.begin(this.x1, this.x2, f, g1, g2);
  }

  // --- what L-BFGS does differently -------------------------------------------------------------

  /**
   * H after the pair; where `rescale`, from (sᵀy / yᵀy) I instead of I.
   *
   * @param {number} s1
   * @param {number} s2
   * @param {number} y1
   * @param {number} y2
   * @param {boolean} rescale
   */
  update(s1, s2, y1, y2, rescale) {
    const { H } = this;
    if (rescale) {
      const gamma = quotient(s1, s2, y1, y2);
      H.set(gamma, 0, gamma);
    }
    const Hy1 = H.times1(y1, y2);
    const Hy2 = H.times2(y1, y2);
    bfgsUpdate(H, s1, s2, Hy1, Hy2, s1 * y1 + s2 * y2, y1 * Hy1 + y2 * Hy2);
  }

  /** H = I. */
  reset() {
    this.H.set(1, 0, 1);
  }

  // --- what there is to see ---------------------------------------------------------------------

  /** Extreme eigenvalues of H. */
  watch() {
    const { low, high } = this.H.extremes();
    this.events.eig_min = low;
    this.events.eig_max = high;
  }
}
