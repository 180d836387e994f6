// K-BFGS [Goldfarb, Ren, Bahamou 2020] in the plane: the twin of qnviz/methods/kbfgs.py.
//
//     M ← β M + (1−β) ∇W                                                         (1)
//     W ← W − α H_g M H_a                                                        (2)
//     s_g ← β s_g + (1−β)(h⁺ − h),   y_g ← β y_g + (1−β)(g⁺ − g)                 (3)
//     (s̃, ỹ) = DD(s_g, y_g; H_g, μ₁, μ₂ = √λ);   BFGS update of H_g with (s̃, ỹ)   (4)
//     H_a = (A + √λ I)⁻¹                                                         (5)
//
// A problem in the plane is one layer with input 1 and no bias: h = W, g = ∇W, and A = 1 for ever, so
// that Hessian-action BFGS leaves H_a = 1/(1 + √λ) as it is (MATH §3).

import { DampedPair, lowerBound, upperBound, worstC1, worstC2 } from "../double_damping.js";
import { lerp, norm, Symmetric } from "../plane.js";
import { bfgsUpdate, skip } from "../secant.js";
import { Method } from "./method.js";

/** @import { Oracle } from "../oracle.js" */
/** @import { Settings, Summary } from "./method.js" */

/** What the last step exposed: the pair, whether it was skipped, spectra and their bounds. */
class Update extends DampedPair {
  skipped = 0;
  eig_min = 1;
  eig_max = 1;
  pair_low = NaN;
  pair_high = NaN;
  apriori_low = NaN;
  apriori_high = NaN;
}

export class KBFGS extends Method {
  static method = "kbfgs";
  static layered = [
    "theta1",
    "theta2",
    "c1",
    "c2",
    "ratio1_before",
    "ratio1_after",
    "ratio2_before",
    "ratio2_after",
    "skipped",
    "eig_min",
    "eig_max",
    "pair_low",
    "pair_high",
    "apriori_low",
    "apriori_high",
  ];
  /** @type {readonly Summary[]} */
  static summaries = [
    { name: "eig_max", how: "max", value: (e) => e.eig_max },
    { name: "damped", how: "mean", value: (e) => Number(e.theta1 < 1 || e.theta2 < 1) },
  ];

  alpha = 0;
  root = 0; // √λ, which is μ₂
  mu1 = 0;
  beta = 0;
  /** @type {import("../double_damping.js").Damping} */
  damping = "double";

  M1 = 0;
  M2 = 0;
  s1 = 0;
  s2 = 0;
  y1 = 0;
  y2 = 0;
  H_a = 1;
  H_g = new Symmetric();
  events = new Update();

  /** @param {Settings} settings */
  configure({ lr, lam, mu1, momentum, damping }) {
    this.alpha = lr;
    this.root = Math.sqrt(lam);
    this.mu1 = mu1;
    this.beta = momentum;
    this.damping = damping;
  }

  /**
   * @param {Oracle} oracle
   * @param {number} x1
   * @param {number} x2
   */
  init(oracle, x1, x2) {
    super.init(oracle, x1, x2);
    oracle.charge(1); // the pass that A is taken from
    this.M1 = this.M2 = this.s1 = this.s2 = this.y1 = this.y2 = 0;
    this.H_a = 1 / (1 + this.root);
    this.reset();
    this.events.eig_min = this.events.eig_max = 1;
  }

  /** H_g = I. */
  reset() {
    this.H_g.set(1, 0, 1);
    this.H_g.low = this.H_g.high = 1;
  }

  /** @param {Oracle} oracle */
  step(oracle) {
    const { x1, x2, alpha, root, mu1, H_a, H_g, events: pair } = this;
    const { g1, g2 } = oracle.gradient(x1, x2);
    this.M1 = lerp(g1, this.M1, this.beta);
    this.M2 = lerp(g2, this.M2, this.beta); //                                                  (1)
    this.x1 = x1 - alpha * (H_g.times1(this.M1, this.M2) * H_a);
    this.x2 = x2 - alpha * (H_g.times2(this.M1, this.M2) * H_a); //                  (2)
    const after = oracle.gradient(this.x1, this.x2);
    const beta = oracle.full ? 0 : this.beta;
    this.s1 = lerp(this.x1 - x1, this.s1, beta);
    this.s2 = lerp(this.x2 - x2, this.s2, beta);
    this.y1 = lerp(after.g1 - g1, this.y1, beta);
    this.y2 = lerp(after.g2 - g2, this.y2, beta); //                                            (3)
    pair.damp(this.s1, this.s2, this.y1, this.y2, H_g, mu1, root, this.damping);
    const keep = skip(pair.sy, pair.ss, norm(g1, g2), pair.usable);
    pair.skipped = Number(keep || !this.update(pair)); //                                       (4)
    this.k += 1;
  }

  // --- H_g, which K-BFGS(L) represents differently ----------------------------------------------

  /**
   * H_g after the pair; gives whether it changed.
   *
   * @param {DampedPair} pair
   */
  update(pair) {
    return bfgsUpdate(this.H_g, pair.s1, pair.s2, pair.Hy1, pair.Hy2, pair.sy, pair.c1 * pair.sy);
  }

  // --- what there is to see ---------------------------------------------------------------------

  /** Extreme eigenvalues of H_g, and the bounds that the step's c₁, c₂ and damping give. */
  watch() {
    const { H_g, events: e } = this;
    const { low, high } = H_g; // measured before the update
    this.bound(low, high, e.c1, this.mu1);
    H_g.extremes();
    e.eig_min = H_g.low;
    e.eig_max = H_g.high;
  }

  /**
   * Bounds on H⁺ from the pair, and from the worst case; NaN where there are none.
   *
   * @param {number} low of H
   * @param {number} high
   * @param {number} c1 of the pair, for that H
   * @param {number} mu1
   */
  bound(low, high, c1, mu1) {
    const { events: e, root: mu2, damping } = this;
    const definite = low > 0;
    const bounded = definite && e.c2 > 0 && e.c2 < Infinity;
    e.pair_low = !bounded ? NaN : e.skipped ? low : lowerBound(low, c1);
    e.pair_high = !bounded ? NaN : e.skipped ? high : upperBound(high, c1, e.c2);
    const [w1, w2] = [worstC1(high, mu1, mu2, damping), worstC2(mu2, damping)];
    e.apriori_low = definite ? lowerBound(low, w1) : NaN;
    e.apriori_high = definite ? upperBound(high, w1, w2) : NaN;
  }
}
