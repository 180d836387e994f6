// The one driver of runs: it steps a method, looks at the iterate, and ends the run by one rule.
//
// What becomes of it all is the recorder's affair, as in qnviz/runs/step.py: `Columns` records
// everything, `Totals` a few numbers.

import { BUDGET, DIVERGED, finite, RUNNING, UNDEFINED } from "./ends.js";
import { norm, Symmetric } from "./plane.js";

/** @import { Rule } from "./ends.js" */
/** @import { Method, Settings } from "./methods/method.js" */
/** @import { Oracle } from "./oracle.js" */

/**
 * What becomes of a run. `order` is what it needs of an iterate: 0 the loss, 1 also ‖∇f‖, 2 also the
 * Hessian. Without it what decides how runs end is enough, and `watches` spares spectra likewise.
 *
 * @typedef {object} Recorder
 * @property {number} order
 * @property {boolean} watches whether it needs what `Method.watch` measures
 * @property {(run: Run) => void} before called with the oracle at a step, before that is taken
 * @property {(run: Run) => void} step called after a step, before its iterate is looked at
 * @property {(run: Run) => void} iterate called with each iterate
 * @property {(run: Run) => void} end
 */

const matrix = new Symmetric();

export class Run {
  k = 0; // the iterate
  loss = NaN;
  grad = NaN; // ‖∇f‖ there; 0 where it is not needed
  code = RUNNING;
  /** The iterate at which it ended. */
  stopped = 0;
  /** The last iterate that counts. */
  final = 0;

  // at the start
  start1 = 0;
  start2 = 0;
  firstLoss = NaN;
  firstGrad = NaN;
  // one iterate earlier
  before1 = 0;
  before2 = 0;
  beforeLoss = NaN;
  beforeGrad = NaN;
  beforeWork = 0;

  /**
   * @param {Rule} rule
   * @param {number} steps
   * @param {Oracle} oracle
   * @param {Method} method
   * @param {Recorder} recorder
   * @param {{ step: number, settings: Settings } | null} [fork] from where on the method has others
   */
  constructor(rule, steps, oracle, method, recorder, fork = null) {
    this.rule = rule;
    this.steps = steps;
    this.oracle = oracle;
    this.method = method;
    this.recorder = recorder;
    this.fork = fork;
    this.order = Math.max(recorder.order, rule.needsGradient ? 1 : 0);
  }

  /**
   * Begin at a point.
   *
   * @param {number} seed
   * @param {number} run its number, by which it draws
   * @param {number} x1
   * @param {number} x2
   */
  begin(seed, run, x1, x2) {
    this.oracle.begin(seed, run);
    this.method.init(this.oracle, x1, x2);
    this.k = 0;
    this.start1 = x1;
    this.start2 = x2;
    this.beforeGrad = NaN;
    this.code = RUNNING;
    this.look();
    this.firstLoss = this.loss;
    this.firstGrad = this.grad;
    this.recorder.iterate(this);
    this.judge();
  }

  /** Whether it goes on. */
  get alive() {
    return this.code === RUNNING;
  }

  /** Take one step. */
  advance() {
    const { method, oracle, recorder, fork } = this;
    this.before1 = method.x1;
    this.before2 = method.x2;
    this.beforeLoss = this.loss;
    this.beforeWork = oracle.work;
    this.beforeGrad = this.grad;
    if (fork !== null && this.k === fork.step) method.configure(fork.settings);
    oracle.take(this.k);
    recorder.before(this);
    method.step(oracle);
    if (recorder.watches) method.watch();
    recorder.step(this);
    this.k += 1;
    this.look();
    recorder.iterate(this);
    this.judge();
  }

  /** Loss and gradient at the iterate, without noise and without a charge. */
  look() {
    const { method, order } = this;
    const { surface } = this.oracle;
    surface.see(method.x1, method.x2, 1, order);
    this.loss = surface.f;
    this.grad = order ? norm(surface.g1, surface.g2) : 0;
  }

  judge() {
    const { method, rule, k } = this;
    const placed = finite(method.x1) && finite(method.x2);
    const code = rule.code(this, placed);
    const halted = !rule.smooth && k > 0 && this.halted(placed && finite(this.loss));
    if (code === RUNNING && !halted && k < this.steps) return;
    this.finish(code, halted, placed);
  }

  /**
   * End the run.
   *
   * @param {number} code what the rule says of its last iterate
   * @param {boolean} halted whether it ended where its last step began
   * @param {boolean} placed whether θ is finite
   */
  finish(code, halted, placed) {
    const { method, rule, loss, k } = this;
    let stopped = k;
    let final = k;
    if (halted) {
      code = UNDEFINED;
      stopped = final = k - 1;
    } else if (code === RUNNING) {
      const moved = norm(method.x1 - this.start1, method.x2 - this.start2);
      const blown = rule.blown(loss, this.firstLoss, this.grad, this.firstGrad, moved);
      code = blown ? DIVERGED : BUDGET;
    } else if (code === DIVERGED && !(placed && finite(loss))) final = Math.max(0, k - 1);
    this.code = code;
    this.stopped = stopped;
    this.final = final;
    this.recorder.end(this);
  }

  /**
   * Whether the last step led nowhere because the Hessian has no value where it began.
   *
   * @param {boolean} there whether the iterate it led to has f and θ finite
   */
  halted(there) {
    const { method, before1, before2, beforeGrad } = this;
    const unmoved = method.x1 === before1 && method.x2 === before2;
    if (!((!there || unmoved) && beforeGrad > 0 && finite(beforeGrad))) return false;
    const { surface } = this.oracle;
    surface.see(before1, before2, 1, 2);
    return Number.isNaN(matrix.set(surface.h11, surface.h12, surface.h22).extremes().low);
  }
}
