// A few numbers per run, as qnviz/runs/totals.py: what maps are made of.

import { CONVERGED, DIVERGED } from "./ends.js";

/** @import { Method, Summary } from "./methods/method.js" */
/** @import { Run } from "./run.js" */

/** @typedef {Record<string, Float64Array> & { status: Uint8Array, stopped: Int32Array }} Maps */

export class Totals {
  order = 0;
  cell = 0;

  /**
   * @param {number} cells
   * @param {typeof Method} kind
   * @param {boolean} summaries whether those of the method are wanted too
   */
  constructor(cells, kind, summaries) {
    const numbers = () => new Float64Array(cells).fill(NaN);
    /** @type {readonly Summary[]} */
    this.summaries = summaries ? kind.summaries : [];
    this.watches = this.summaries.length > 0;
    this.folded = new Float64Array(this.summaries.length);
    /** @type {any} */
    const maps = {
      status: new Uint8Array(cells),
      stopped: new Int32Array(cells),
      final_loss: numbers(),
      steps_to_target: numbers(),
      work: numbers(),
      "end.0": numbers(),
      "end.1": numbers(),
    };
    for (const { name } of this.summaries) maps[name] = numbers();
    /** @type {Maps} */
    this.maps = maps;
  }

  /**
   * Begin to record a cell.
   *
   * @param {number} cell
   */
  begin(cell) {
    this.cell = cell;
    this.summaries.forEach(({ how }, i) => (this.folded[i] = how === "max" ? -Infinity : 0));
  }

  before() {}

  /** @param {Run} run */
  step({ method }) {
    for (let i = 0; i < this.summaries.length; i++) {
      const { how, value } = this.summaries[i];
      const seen = value(method.events);
      if (Number.isNaN(seen)) continue;
      this.folded[i] = how === "max" ? Math.max(this.folded[i], seen) : this.folded[i] + seen;
    }
  }

  iterate() {}

  /** @param {Run} run */
  end(run) {
    const { maps, cell } = this;
    const { code, stopped, method } = run;
    const earlier = stopped < run.k; // it ended where its last step began
    maps.status[cell] = code;
    maps.stopped[cell] = stopped;
    maps.final_loss[cell] = code === DIVERGED ? NaN : earlier ? run.beforeLoss : run.loss;
    maps.steps_to_target[cell] = code === CONVERGED ? stopped : NaN;
    maps.work[cell] = earlier ? run.beforeWork : run.oracle.work;
    maps["end.0"][cell] = earlier ? run.before1 : method.x1;
    maps["end.1"][cell] = earlier ? run.before2 : method.x2;
    this.summaries.forEach(({ name, how }, i) => {
      const folded = this.folded[i];
      maps[name][cell] = how === "mean" ? folded / stopped : stopped > 0 ? folded : NaN;
    });
  }
}
