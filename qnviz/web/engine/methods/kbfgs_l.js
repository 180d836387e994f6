// K-BFGS(L) [Goldfarb, Ren, Bahamou 2020] in the plane: the twin of qnviz/methods/kbfgs_l.py.
//
// K-BFGS whose H_g is defined by its last p damped pairs, from H₀ = I. When the memory is full, the
// oldest pair is forgotten before the new one is used, so the eigenvalue bounds are those of an update
// of that shortened matrix.

import { CompactLBFGS } from "../lbfgs.js";
import { KBFGS } from "./kbfgs.js";

/** @import { DampedPair } from "../double_damping.js" */
/** @import { Oracle } from "../oracle.js" */
/** @import { Settings } from "./method.js" */

export class KBFGSL extends KBFGS {
  static method = "kbfgs_l";

  H_g = new CompactLBFGS();
  full = false; // whether the memory was, before the step

  /** @param {Settings} settings */
  configure(settings) {
    super.configure(settings);
    this.H_g.remember(settings.memory);
  }

  reset() {
    this.H_g.clear();
    this.H_g.low = this.H_g.high = 1;
  }

  /** @param {Oracle} oracle */
  step(oracle) {
    this.full = this.H_g.full;
    super.step(oracle);
  }

  /**
   * The memory with the new pair; gives whether that was taken.
   *
   * @param {DampedPair} pair
   */
  update({ s1, s2, y1, y2, sy }) {
    if (!(1 / sy + (y1 * y1 + y2 * y2) < Infinity)) return false;
    this.H_g.push(s1, s2, y1, y2, sy);
    this.H_g.form();
    return true;
  }

  /** As for K-BFGS, but the update starts from `base`, not from the H that damping saw. */
  watch() {
    const { H_g, events: e } = this;
    const before = H_g.low;
    H_g.extremes();
    const base = H_g.formBase().extremes();
    const low = e.skipped ? H_g.low : base.low;
    const high = e.skipped ? H_g.high : base.high;
    const i = H_g.newest;
    const c1 = e.skipped ? e.c1 : base.squared(H_g.y1[i], H_g.y2[i]) / H_g.sy[i];
    // where a pair had to leave H, yᵀ base y ≤ q yᵀHy ≤ (q/μ₁) s̃ᵀy with q = λ_max(base)/λ_min(H)
    const ratio = this.full ? high / before : 1;
    this.bound(low, high, c1, this.mu1 / ratio);
    e.eig_min = H_g.low;
    e.eig_max = H_g.high;
  }
}
