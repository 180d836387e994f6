// Gradient descent with heavy-ball momentum [Polyak 1964]: the twin of qnviz/methods/sgd.py.
//
//     v ← μ v − α g        θ ← θ + v

import { norm } from "../plane.js";
import { Method } from "./method.js";

/** @import { Oracle } from "../oracle.js" */
/** @import { Settings } from "./method.js" */

export class SGD extends Method {
  static method = "sgd";
  static scalar = ["push", "velocity"];

  alpha = 0;
  mu = 0;
  v1 = 0;
  v2 = 0;
  events = { push: 0, velocity: 0 };

  /** @param {Settings} settings */
  configure({ lr, momentum }) {
    this.alpha = lr;
    this.mu = momentum;
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
    const { g1, g2 } = oracle.gradient(this.x1, this.x2);
    const push1 = -this.alpha * g1;
    const push2 = -this.alpha * g2;
    this.push(push1, push2);
    this.x1 += this.v1;
    this.x2 += this.v2;
    this.k += 1;
    this.events.push = norm(push1, push2);
    this.events.velocity = norm(this.v1, this.v2);
  }

  /**
   * v ← μ v + push.
   *
   * @param {number} push1
   * @param {number} push2
   */
  push(push1, push2) {
    this.v1 = this.mu * this.v1 + push1;
    this.v2 = this.mu * this.v2 + push2;
  }
}
