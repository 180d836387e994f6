// KFAC [Martens, Grosse 2015] in the plane: the twin of qnviz/methods/kfac.py.
//
//     M ← β M + (1−β) ∇W    G ← β G + (1−β) ĝ ĝᵀ                                   (1)
//     step k ≤ T, or k mod T = 0:  H_g = (G + √λ I)⁻¹                              (2)
//     W ← W − α H_g M H_a                                                          (3)
//
// A problem in the plane is one layer with input 1 and no bias: A = 1 for ever, H_a = 1/(1 + √λ). As
// −log of a density, f = ‖u‖² belongs to targets u + N(0, ½ I): ĝ = √2 Jᵀ n with n ~ N(0, I).

import { Solver } from "../lapack.js";
import { lerp, Symmetric } from "../plane.js";
import { Method } from "./method.js";

/** @import { Oracle } from "../oracle.js" */
/** @import { Settings, Summary } from "./method.js" */

export class KFAC extends Method {
  static method = "kfac";
  static layered = ["eig_min", "eig_max"];
  static scalar = ["inverted"];
  /** @type {readonly Summary[]} */
  static summaries = [{ name: "eig_max", how: "max", value: (e) => e.eig_max }];

  alpha = 0;
  root = 1; // √λ
  beta = 0;
  period = 1;

  M1 = 0;
  M2 = 0;
  G = new Symmetric();
  H_a = 1;
  H_g = new Symmetric();
  drawn1 = 0; // ĝ
  drawn2 = 0;
  solver = new Solver();
  events = { inverted: 1, eig_min: 1, eig_max: 1 };

  /** @param {Settings} settings */
  configure({ lr, lam, momentum, period }) {
    this.alpha = lr;
    this.root = Math.sqrt(lam);
    this.beta = momentum;
    this.period = period;
  }

  /**
   * @param {Oracle} oracle
   * @param {number} x1
   * @param {number} x2
   */
  init(oracle, x1, x2) {
    super.init(oracle, x1, x2);
    oracle.gradient(x1, x2); // charged as the forward pass and the pull-back of ĝ
    this.draw(oracle);
    const { drawn1: a, drawn2: b } = this;
    this.G.set(a * a, a * b, b * b);
    this.M1 = this.M2 = 0;
    this.invert();
  }

  /** @param {Oracle} oracle */
  step(oracle) {
    const { x1, x2, alpha, beta, G, H_g } = this;
    const { g1, g2 } = oracle.gradient(x1, x2);
    oracle.charge(2);
    this.draw(oracle);
    const { drawn1: a, drawn2: b } = this;
    this.M1 = lerp(g1, this.M1, beta);
    this.M2 = lerp(g2, this.M2, beta);
    G.set(lerp(a * a, G.h11, beta), lerp(a * b, G.h12, beta), lerp(b * b, G.h22, beta)); //     (1)
    const fresh = this.k <= this.period || this.k % this.period === 0;
    if (fresh) this.invert(); //                                                                (2)
    this.x1 = x1 - alpha * ((H_g.h11 * this.M1 + H_g.h12 * this.M2) * this.H_a);
    this.x2 = x2 - alpha * ((H_g.h12 * this.M1 + H_g.h22 * this.M2) * this.H_a); //             (3)
    this.events.inverted = Number(fresh);
    this.k += 1;
  }

  /**
   * ĝ where the oracle has just been asked for the gradient.
   *
   * @param {Oracle} oracle
   */
  draw(oracle) {
    const { surface } = oracle;
    const { outputs, w } = surface;
    for (let i = 0; i < outputs; i++) w[i] = Math.SQRT2 * oracle.target(i, outputs);
    surface.vjp(w);
    this.drawn1 = surface.p1;
    this.drawn2 = surface.p2;
  }

  invert() {
    const { G, H_g, root, solver } = this;
    const [a, b, d] = [G.h11 + root, G.h12, G.h22 + root];
    solver.solve(a, b, d, 1, 0);
    const { x1, x2 } = solver;
    H_g.set(x1, x2, solver.solve(a, b, d, 0, 1).x2);
    this.H_a = 1 / (1 + root);
  }

  /** Extreme eigenvalues of H_g. */
  watch() {
    this.H_g.extremes();
    this.events.eig_min = this.H_g.low;
    this.events.eig_max = this.H_g.high;
  }
}
