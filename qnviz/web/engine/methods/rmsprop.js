// RMSprop [Tieleman, Hinton 2012]: the twin of qnviz/methods/rmsprop.py.
//
//     v ← β v + (1−β) g²        θ ← θ − α g / (√v + ε)

import { norm } from "../plane.js";
import { Method } from "./method.js";

/** @import { Oracle } from "../oracle.js" */
/** @import { Settings } from "./method.js" */

export class RMSprop extends Method {
  static method = "rmsprop";
  static scalar = ["rescaling", "move"];

  alpha = 0;
  beta = 0;
  eps = 0;
  v1 = 0;
  v2 = 0;
  events = { rescaling: 0, move: 0 };

  /** @param {Settings} settings */
  configure({ lr, beta, eps }) {
    this.alpha = lr;
    this.beta = beta;
    this.eps = eps;
  }

  /**
   * @param {Oracle} oracle
   * @param {number} x1
   * @param {number} x2
   */
  init(oracle, x1, x2) {
    super.init(oracle, x1, x2);
    this.v1 = this.v2 = 0;
  }

  /** @param {Oracle} oracle */
  step(oracle) {
    const { alpha, beta: b, eps } = this;
    const { g1, g2 } = oracle.gradient(this.x1, this.x2);
    this.v1 = b * this.v1 + (1 - b) * g1 * g1;
    this.v2 = b * this.v2 + (1 - b) * g2 * g2;
    const scale1 = Math.sqrt(this.v1) + eps;
    const scale2 = Math.sqrt(this.v2) + eps;
    const move1 = (-alpha * g1) / scale1;
    const move2 = (-alpha * g2) / scale2;
    this.x1 += move1;
    this.x2 += move2;
    this.k += 1;
    this.events.rescaling = Math.max(scale1, scale2) / Math.min(scale1, scale2);
    this.events.move = norm(move1, move2);
  }
}
