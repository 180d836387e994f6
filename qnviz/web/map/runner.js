// One run at a time, computed in slices on the page: the one under the pointer.

const SLICE = 6; // ms of a frame

/** @import { Spec } from "./specs.js" */

/**
 * @typedef {import("../columns.js").Numbers} Numbers
 * @typedef {{ label: string, name: string, status: string[], stopped: ArrayLike<number>,
 *   columns: Record<string, { data: Numbers, shape: number[] }> }} Result
 * @typedef {{ advance(ms: number): boolean, results(): Result[] }} RaceLike
 * @typedef {{ Race: new (spec: Spec) => RaceLike, EngineError: new (...args: any[]) => Error,
 *   unable(spec: Spec): string | null }} Engine
 */

export class Runner {
  frame = 0;

  /** @param {Engine} engine */
  constructor(engine) {
    this.engine = engine;
  }

  /**
   * Compute a run; one that is under way is given up. What there is of it is reported slice by slice.
   *
   * @param {Spec} spec
   * @param {(result: Result, done: boolean) => void} report
   * @param {(words: string) => void} refuse
   */
  run(spec, report, refuse) {
    this.stop();
    /** @type {RaceLike} */
    let race;
    const advance = () => {
      try {
        race ??= new this.engine.Race(spec);
        const done = race.advance(SLICE);
        report(race.results()[0], done);
        if (!done) this.frame = requestAnimationFrame(advance);
      } catch (error) {
        if (!(error instanceof this.engine.EngineError)) throw error;
        refuse(error.message);
      }
    };
    advance();
  }

  stop() {
    cancelAnimationFrame(this.frame);
  }
}
