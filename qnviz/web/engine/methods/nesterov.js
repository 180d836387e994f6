// Nesterov's accelerated gradient: the twin of qnviz/methods/nesterov.py.
//
//     v ← μ v − α g        θ ← θ + μ v − α g

import { norm } from "../plane.js";
import { SGD } from "./sgd.js";

/** @import { Oracle } from "../oracle.js" */

export class Nesterov extends SGD {
  static method = "nesterov";

  /** @param {Oracle} oracle */
  step(oracle) {
    const { alpha, mu } = this;
    const { g1, g2 } = oracle.gradient(this.x1, this.x2);
    const push1 = -alpha * g1;
    const push2 = -alpha * g2;
    this.push(push1, push2);
    const move1 = mu * this.v1 + push1;
    const move2 = mu * this.v2 + push2;
    this.x1 += move1;
    this.x2 += move2;
    this.k += 1;
    this.events.push = norm(push1, push2);
    this.events.velocity = norm(move1, move2);
  }
}
