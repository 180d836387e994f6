// Newton's method with λI and eigenvalue modification [NW06, §3.4]: the twin of
// qnviz/methods/newton.py.
//
//     H = Q diag(μ) Qᵀ        d = −Q diag(1 / (max(|μ|, δ) + λ_k)) Qᵀ g             (1)
//     λ_k = λ ‖g‖,  or λ where it is fixed                                          (2)
//
// and backtracking until the Armijo condition holds; δ = 10⁻⁸ max|μ|.

import { Eigen } from "../lapack.js";
import { LineSearch } from "../line_search.js";
import { norm } from "../plane.js";
import { Method } from "./method.js";

/** @import { Oracle } from "../oracle.js" */
/** @import { Settings } from "./method.js" */

const FLAT = 1e-8;
const PRODUCTS = 6 * 2; // the Hessian, by one product per coordinate

export class Newton extends Method {
  static method = "newton";
  static scalar = [
    "hessian_low",
    "hessian_high",
    "step_size",
    "modified",
    "lam",
    "trials",
    "at_precision",
  ];

  lam = 0;
  fades = true; // whether the damping is λ‖g‖
  mu = new Eigen();
  line = new LineSearch();
  events = {
    hessian_low: NaN,
    hessian_high: NaN,
    step_size: 0,
    modified: 0,
    lam: 0,
    trials: 0,
    at_precision: false,
  };

  /** @param {Settings} settings */
  configure({ lam, regularization }) {
    this.lam = lam;
    this.fades = regularization === "gradient";
  }

  /** @param {Oracle} oracle */
  step(oracle) {
    const { x1, x2, mu, line, events: e } = this;
    const { f, g1, g2, h11, h12, h22 } = oracle.curvature(x1, x2);
    oracle.charge(PRODUCTS);
    const { low, high } = mu.of(h11, h12, h22);
    const steep = norm(g1, g2);
    const lam = this.fades ? this.lam * steep : this.lam; //                                    (2)
    const flat = FLAT * Math.max(Math.abs(low), Math.abs(high));
    let size1 = Math.max(Math.abs(low), flat) + lam;
    let size2 = Math.max(Math.abs(high), flat) + lam;
    // H = 0 without damping gives no scale but the gradient's: d = −g/‖g‖, whatever multiplies f
    const scale = steep > 0 ? steep : 1;
    if (!(size1 > 0)) size1 = scale;
    if (!(size2 > 0)) size2 = scale;
    mu.divide(size1, size2, g1, g2);
    line.backtracking(oracle, x1, x2, f, g1, g2, -mu.x1, -mu.x2); //                            (1)
    this.x1 = line.x1;
    this.x2 = line.x2;
    this.k += 1;
    e.hessian_low = low;
    e.hessian_high = high;
    e.step_size = line.a;
    e.modified = Number(low < 0) + Number(high < 0);
    e.lam = lam;
    e.trials = line.trials;
    e.at_precision = line.at_precision;
  }
}
