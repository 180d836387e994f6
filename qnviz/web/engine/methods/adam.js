// Adam [Kingma, Ba 2015, algorithm 1]: the twin of qnviz/methods/adam.py.
//
//     m ← β₁ m + (1−β₁) g      v ← β₂ v + (1−β₂) g²
//     θ ← θ − α m̂ / (√v̂ + ε),   m̂ = m / (1−β₁ᵏ),  v̂ = v / (1−β₂ᵏ)

import { norm } from "../plane.js";
import { Method } from "./method.js";

/** @import { Oracle } from "../oracle.js" */
/** @import { Settings } from "./method.js" */

/** Powers of a number, each computed once: they take longer than all the rest of a step. */
class Powers {
  base = NaN;
  /** @type {number[]} */
  known = [];

  /** @param {number} base */
  of(base) {
    if (base === this.base) return;
    this.base = base;
    this.known = [];
  }

  /** @param {number} k */
  at(k) {
    const { base, known } = this;
    for (let i = known.length; i <= k; i++) known.push(base ** i);
    return known[k];
  }
}

export class Adam extends Method {
  static method = "adam";
  static scalar = ["rescaling", "move"];

  alpha = 0;
  beta1 = 0;
  beta2 = 0;
  eps = 0;
  powers1 = new Powers();
  powers2 = new Powers();
  m1 = 0;
  m2 = 0;
  v1 = 0;
  v2 = 0;
  events = { rescaling: 0, move: 0 };

  /** @param {Settings} settings */
  configure({ lr, beta1, beta2, eps }) {
    this.alpha = lr;
    this.beta1 = beta1;
    this.beta2 = beta2;
    this.eps = eps;
    this.powers1.of(beta1);
    this.powers2.of(beta2);
  }

  /**
   * @param {Oracle} oracle
   * @param {number} x1
   * @param {number} x2
   */
  init(oracle, x1, x2) {
    super.init(oracle, x1, x2);
    this.m1 = this.m2 = this.v1 = this.v2 = 0;
  }

  /** @param {Oracle} oracle */
  step(oracle) {
    const { beta1: b1, beta2: b2, eps } = this;
    const { g1, g2 } = oracle.gradient(this.x1, this.x2);
    this.k += 1;
    this.m1 = b1 * this.m1 + (1 - b1) * g1;
    this.m2 = b1 * this.m2 + (1 - b1) * g2;
    this.v1 = b2 * this.v1 + (1 - b2) * g1 * g1;
    this.v2 = b2 * this.v2 + (1 - b2) * g2 * g2;
    const root = Math.sqrt(1 - this.powers2.at(this.k));
    const scale1 = Math.sqrt(this.v1) / root + eps;
    const scale2 = Math.sqrt(this.v2) / root + eps;
    const rate = -this.alpha / (1 - this.powers1.at(this.k));
    const move1 = (rate * this.m1) / scale1;
    const move2 = (rate * this.m2) / scale2;
    this.x1 += move1;
    this.x2 += move2;
    this.events.rescaling = Math.max(scale1, scale2) / Math.min(scale1, scale2);
    this.events.move = norm(move1, move2);
  }
}
