// Races: every entrant of a spec, run after run, in slices of time.

import { Columns } from "./columns.js";
import { Rule } from "./ends.js";
import { METHODS } from "./methods/registry.js";
import { Oracle } from "./oracle.js";
import { noiseOf, surfaceOf } from "./problem.js";
import { Run } from "./run.js";
import { checked } from "./spec.js";

/** @import { Result } from "./columns.js" */
/** @import { Spec } from "./spec.js" */

const SLICE = 64; // steps between two looks at the clock

export class Race {
  /** @type {Columns[]} one per entrant */
  recorders = [];
  done = false;

  /** @param {Spec} spec */
  constructor(spec) {
    this.spec = checked(spec);
    this.work = this.steps();
  }

  /**
   * Compute for about so many milliseconds; gives whether all is done.
   *
   * @param {number} [ms]
   */
  advance(ms = Infinity) {
    if (this.done) return true;
    const until = ms === Infinity ? Infinity : performance.now() + ms;
    do this.done = Boolean(this.work.next().done);
    while (!this.done && performance.now() < until);
    return this.done;
  }

  /** What there is so far; entrants that have not begun are missing. */
  results() {
    return this.recorders.map((recorder) => recorder.result());
  }

  /** All steps, a slice at a time. */
  *steps() {
    const { problem, methods, steps, runs, seed, stop_loss, stop_grad, fork } = this.spec;
    const surface = surfaceOf(problem);
    const rule = new Rule(surface, stop_loss, stop_grad);
    const noises = Array.from({ length: runs }, () => noiseOf(surface, steps));
    let taken = 0; // of all runs, as many of them may be short
    for (const settings of methods) {
      const Kind = METHODS[settings.name];
      const columns = new Columns(
        settings.label ?? settings.name,
        Kind,
        steps,
        runs,
        !surface.deterministic,
      );
      this.recorders.push(columns);
      for (let r = 0; r < runs; r++) {
        const method = new Kind();
        const oracle = new Oracle(surface, noises[r]);
        const later = fork ? { step: fork.step, settings } : null;
        const run = new Run(rule, steps, oracle, method, columns, later);
        method.configure(fork ? fork.method : settings);
        columns.begin(r);
        run.begin(seed, r, surface.startAt(0, seed, r), surface.startAt(1, seed, r));
        for (; run.alive; run.advance()) if (++taken % SLICE === 0) yield;
        if (++taken % SLICE === 0) yield;
      }
    }
  }
}

/**
 * A race to its end.
 *
 * @param {Spec} spec
 * @returns {Result[]}
 */
export function race(spec) {
  const whole = new Race(spec);
  whole.advance();
  return whole.results();
}
