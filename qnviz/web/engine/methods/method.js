// What a method is in the engine: one run of it in the plane, with `init` and `step`.
//
// A method never loops over steps, stops or records: `run.js` does. Its numbers are fields, so a step
// allocates nothing; what it lets people see it writes into `events`, under the names that Python's
// method of the same name uses.

/** @import { Oracle } from "../oracle.js" */

/**
 * @typedef {Record<string, any>} Settings
 *
 * @typedef {object} Summary one number per run over all its steps, as Python's of the same name
 * @property {string} name
 * @property {"max" | "mean" | "sum"} how
 * @property {(events: any) => number} value
 */

export class Method {
  /** What a spec calls it. */
  static method = "";
  /** Events that Python records per layer, (T, R, 1). @type {readonly string[]} */
  static layered = [];
  /** … per run, (T, R). @type {readonly string[]} */
  static scalar = [];
  /** … as long as needed, (T, R, J): `Row`s in `events`. @type {readonly string[]} */
  static ragged = [];
  /** @type {readonly Summary[]} */
  static summaries = [];

  x1 = 0; // θ
  x2 = 0;
  k = 0; // the step
  /** @type {any} what the last step exposed */
  events = {};

  /**
   * Take settings, before `init` or amid a run.
   *
   * @param {Settings} _settings
   */
  configure(_settings) {}

  /**
   * The state before the first step; the oracle holds the function without noise.
   *
   * @param {Oracle} _oracle
   * @param {number} x1
   * @param {number} x2
   */
  init(_oracle, x1, x2) {
    this.x1 = x1;
    this.x2 = x2;
    this.k = 0;
  }

  /**
   * One step; its first pass is at θ.
   *
   * @param {Oracle} _oracle
   */
  step(_oracle) {
    throw new Error("a method must have a step");
  }

  /** What there is to see around the last step and is not the method's own time, such as spectra. */
  watch() {}
}
