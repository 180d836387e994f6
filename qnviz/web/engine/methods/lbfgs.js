// L-BFGS with a strong Wolfe line search [NW06, algorithm 7.5]: the twin of qnviz/methods/lbfgs.py.
//
// The last p pairs define H from H₀ = γI, γ = sᵀy / yᵀy of the newest pair [NW06, eq. 7.20].

import { CompactLBFGS } from "../lbfgs.js";
import { quotient } from "../secant.js";
import { BFGS } from "./bfgs.js";

/** @import { Settings } from "./method.js" */

export class LBFGS extends BFGS {
  static method = "lbfgs";

  H = new CompactLBFGS();

  /** @param {Settings} settings */
  configure(settings) {
    super.configure(settings);
    this.H.remember(settings.memory);
  }

  /**
   * @param {number} s1
   * @param {number} s2
   * @param {number} y1
   * @param {number} y2
   */
  update(s1, s2, y1, y2) {
    const { H } = this;
    H.push(s1, s2, y1, y2, s1 * y1 + s2 * y2);
    if (this.scaling === "pair") H.gamma = quotient(s1, s2, y1, y2);
    H.form();
  }

  reset() {
    this.H.clear();
  }
}
