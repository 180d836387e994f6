// Newton-Krylov on complex-step derivatives, ended by the first disturbing direction [Shen et al.
// 2020]: the twin of qnviz/methods/newton_krylov.py.
//
//     (H + λI) d = −g    until tolerance, budget, negative curvature or a disturbing direction    (1)
//
// Halving a from min(1, 2 a_prev) until the Taylor expansion m(a) = f + a gᵀd + ½a² dᵀHd holds:
//
//     err(a) = |f(W + a d) − m(a)| / |f − m(a)| ≤ τ   and   f(W + a d) < f                        (2)
//
// In the plane all exact ways to H v are the Hessian times v; finite differences really are taken.

import { EngineError } from "../errors.js";
import { conjugateGradients, DISTURBING, Krylov, NEGATIVE_CURVATURE } from "../krylov.js";
import { belowRounding, ROUNDINGS } from "../line_search.js";
import { minres } from "../minres.js";
import { norm } from "../plane.js";
import { Row } from "../row.js";
import { Method } from "./method.js";

/** @import { Oracle } from "../oracle.js" */
/** @import { Settings, Summary } from "./method.js" */

const HALVINGS = 60;
const LARGEST_BUDGET = 500;
const CUBE_ROOT = 6.055454452393343e-6; // of Number.EPSILON
const SMALLEST = 2 ** -1022; // normal number

/** One outer step's system, with the tolerance η to which it is solved. */
class System {
  g1 = 0;
  g2 = 0;
  Hv1 = 0;
  Hv2 = 0;
  eta = 0.1;
  epsilon = 0;
  budget = 1;
  lam = 0;
  early = true;
  fixed = true; // whether all products are of the same H
  gauss = false; // Gauss-Newton
  differences = false; // of gradients, in place of derivatives
  iteration = 0; // of the products that were drawn

  /** @type {Oracle} */
  oracle;
  x1 = 0;
  x2 = 0;

  /** @param {Oracle} oracle */
  constructor(oracle) {
    this.oracle = oracle;
  }

  /**
   * (H + λI) v, on a batch of its own where they are fresh.
   *
   * @param {number} v1
   * @param {number} v2
   */
  product(v1, v2) {
    const { oracle, x1, x2, lam, gauss } = this;
    const { surface } = oracle;
    if (!this.fixed) {
      this.iteration += 1;
      oracle.fresh(x1, x2, this.iteration);
      if (!gauss) oracle.charge(2); // the gradient that H v starts from
    }
    oracle.charge(gauss ? 3 : 6);
    if (gauss) surface.gaussNewtonVector(v1, v2);
    else if (this.differences) this.difference(v1, v2);
    else surface.hessianVector(v1, v2);
    this.Hv1 = surface.p1 + lam * v1;
    this.Hv2 = surface.p2 + lam * v2;
  }

  /**
   * (∇f(θ + hv) − ∇f(θ − hv)) / 2h, with the usual balance of truncation and rounding.
   *
   * @param {number} v1
   * @param {number} v2
   */
  difference(v1, v2) {
    const { x1, x2 } = this;
    const { surface } = this.oracle;
    const { xi } = surface;
    const h = (CUBE_ROOT * Math.max(norm(x1, x2), 1)) / Math.max(norm(v1, v2), SMALLEST);
    surface.see(x1 + h * v1, x2 + h * v2, xi, 1);
    const { g1, g2 } = surface;
    surface.see(x1 - h * v1, x2 - h * v2, xi, 1);
    surface.p1 = (g1 - surface.g1) / (2 * h);
    surface.p2 = (g2 - surface.g2) / (2 * h);
  }
}

/** What the last step exposed: the solve, and every trial of a step size. */
class Solve extends Krylov {
  krylov_iterations = 0;
  krylov_reason = 0;
  step_size = 0;
  grad_norm_batch = 0;
  tolerance = 0;
  taylor_error = NaN;
  at_precision = false;
  krylov_alpha = this.alpha;
  krylov_beta = this.beta;
  trial_step = new Row();
  trial_loss = new Row();
  trial_model = new Row();
  trial_error = new Row();
}

export class NewtonKrylov extends Method {
  static method = "newton_krylov";
  static scalar = [
    "krylov_iterations",
    "krylov_reason",
    "step_size",
    "grad_norm_batch",
    "tolerance",
    "taylor_error",
    "at_precision",
  ];
  static ragged = [
    "curvature",
    "rayleigh",
    "residual",
    "model",
    "krylov_alpha",
    "krylov_beta",
    "trial_step",
    "trial_loss",
    "trial_model",
    "trial_error",
  ];
  /** @type {readonly Summary[]} */
  static summaries = [
    { name: "krylov", how: "sum", value: (e) => e.krylov_iterations },
    {
      name: "negative",
      how: "mean",
      value: (e) => Number(e.krylov_reason === NEGATIVE_CURVATURE),
    },
    {
      name: "disturbing",
      how: "mean",
      value: (e) => Number(e.krylov_reason === DISTURBING),
    },
  ];

  /** @type {Settings} */
  p = {};
  a = 1; // the step size to go on from
  first = NaN; // ‖g‖ at the first step
  /** @type {System | null} */
  linear = null;
  events = new Solve();

  /** @param {Settings} settings */
  configure(settings) {
    if (!(settings.budget <= LARGEST_BUDGET)) {
      throw new EngineError(`budget must be a whole number up to ${LARGEST_BUDGET}.`);
    }
    this.p = settings;
  }

  /**
   * @param {Oracle} oracle
   * @param {number} x1
   * @param {number} x2
   */
  init(oracle, x1, x2) {
    super.init(oracle, x1, x2);
    this.a = 1;
    this.first = NaN;
  }

  /** @param {Oracle} oracle */
  step(oracle) {
    const { events: e, p } = this;
    const { f, g1, g2 } = oracle.curvature(this.x1, this.x2);
    const g_norm = norm(g1, g2);
    const system = this.system(oracle, g_norm);
    const solve = p.solver === "minres" ? minres : conjugateGradients;
    solve(e, system, g1, g2); //                                                                (1)
    const a = this.stepSize(oracle, f, g1, g2); //                                              (2)
    // after a refusal the next batch may well allow a long step, and the length of steepest descent
    // says nothing about a direction that CG has found: start over from 1
    this.a = a === 0 || e.bare ? 1 : a;
    e.krylov_iterations = e.iterations;
    e.krylov_reason = e.reason;
    e.step_size = a;
    e.grad_norm_batch = g_norm;
    e.tolerance = system.eta * g_norm;
    if (Number.isNaN(this.first)) this.first = g_norm;
    this.k += 1;
  }

  /**
   * The system at θ on the oracle's batch.
   *
   * @param {Oracle} oracle
   * @param {number} g_norm
   */
  system(oracle, g_norm) {
    const { p, first } = this;
    if (this.linear?.oracle !== oracle) this.linear = new System(oracle);
    const system = this.linear;
    const share = first > 0 ? g_norm / first : 1;
    system.eta = p.forcing === "fixed" ? p.eta : Math.min(Math.sqrt(share), 0.5);
    system.epsilon = p.epsilon;
    system.budget = p.budget;
    system.lam = p.lam;
    system.gauss = p.curvature === "gauss_newton";
    system.differences = p.derivative === "finite_difference";
    system.fixed = p.krylov_batches === "same" || oracle.full;
    system.iteration = 0;
    system.x1 = this.x1;
    system.x2 = this.x2;
    return system;
  }

  /**
   * Move to the accepted step size, and give it: 0 where all were refused.
   *
   * @param {Oracle} oracle
   * @param {number} f
   * @param {number} g1
   * @param {number} g2
   */
  stepSize(oracle, f, g1, g2) {
    const { x1, x2, events: e } = this;
    const { tau } = this.p;
    const { d1, d2, trial_step, trial_loss, trial_model, trial_error } = e;
    const slope = g1 * d1 + g2 * d2;
    const bend = d1 * e.Hd1 + d2 * e.Hd2;
    let a = Math.min(2 * this.a, 1);
    let taken = 0;
    let gain = 0; // the largest decrease that any trial found
    e.taylor_error = NaN;
    trial_step.clear();
    trial_loss.clear();
    trial_model.clear();
    trial_error.clear();
    for (let trial = 0; slope < 0 && trial <= HALVINGS; trial++) {
      const [there1, there2] = [x1 + a * d1, x2 + a * d2];
      const f_a = oracle.value(there1, there2);
      const predicted = a * slope + 0.5 * a * a * bend; // m(a) − f
      const err = Math.abs(f_a - f - predicted) / Math.abs(predicted);
      trial_step.push(a);
      trial_loss.push(f_a);
      trial_model.push(f + predicted);
      trial_error.push(err);
      e.taylor_error = err;
      if (f - f_a > gain) gain = f - f_a;
      if (err <= tau && f_a < f) {
        taken = a;
        this.x1 = there1;
        this.x2 = there2;
        break;
      }
      // a predicted change below rounding cannot be seen in f: shorter steps neither
      if (belowRounding(Math.abs(predicted), f)) break;
      a = 0.5 * a;
    }
    e.at_precision = slope < 0 && taken === 0 && belowRounding(gain / ROUNDINGS, f);
    return taken;
  }
}
