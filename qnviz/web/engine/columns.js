// Everything about runs, in columns, as qnviz/runs/record.py records it.

import { DIVERGED, finite, STATUS } from "./ends.js";
import { Symmetric } from "./plane.js";

/** @import { Method } from "./methods/method.js" */
/** @import { Run } from "./run.js" */

/**
 * @typedef {{ data: Float64Array, shape: number[] }} Column
 *
 * @typedef {object} Result what was recorded of an entrant
 * @property {string} label
 * @property {string} name of its method
 * @property {Record<string, Column>} columns
 * @property {string[]} status of each run, one of STATUS
 * @property {Int32Array} stopped how many steps each run took
 */

const matrix = new Symmetric();

/**
 * A ragged event while it is recorded: its numbers one after the other.
 *
 * @typedef {{ numbers: number[], at: { row: number, from: number, to: number }[] }} Ragged
 */

export class Columns {
  order = 2;
  watches = true;
  r = 0; // which run is recorded
  /** @type {Record<string, Float64Array>} (T, R) each */
  events = {};
  /** @type {Record<string, Ragged>} */
  ragged = {};
  taken = 0; // steps of all runs

  /**
   * @param {string} label
   * @param {typeof Method} kind
   * @param {number} steps
   * @param {number} runs
   * @param {boolean} noisy whether steps see other functions than the one that is reported
   */
  constructor(label, kind, steps, runs, noisy) {
    this.label = label;
    this.kind = kind;
    this.steps = steps;
    this.runs = runs;
    this.noisy = noisy;
    const states = () => new Float64Array((steps + 1) * runs);
    this.loss = states();
    this.theta = new Float64Array((steps + 1) * runs * 2);
    this.grad = states();
    this.low = states();
    this.high = states();
    this.work = states();
    this.stopped = new Int32Array(runs);
    this.final = new Int32Array(runs);
    this.codes = new Uint8Array(runs);
    const names = [...kind.layered, ...kind.scalar];
    if (noisy) names.push("batch_loss", "batch_hessian_min", "batch_hessian_max");
    for (const name of names) this.events[name] = new Float64Array(steps * runs);
    for (const name of kind.ragged) this.ragged[name] = { numbers: [], at: [] };
    this.names = [...kind.layered, ...kind.scalar];
  }

  /**
   * Begin to record a run.
   *
   * @param {number} r
   */
  begin(r) {
    this.r = r;
  }

  /** @param {Run} run */
  before({ k, oracle, method }) {
    if (!this.noisy) return;
    const { surface } = oracle;
    const { low, high } = this.spectrum(surface, method.x1, method.x2, oracle.xi);
    const row = k * this.runs + this.r;
    this.events.batch_loss[row] = surface.f;
    this.events.batch_hessian_min[row] = low;
    this.events.batch_hessian_max[row] = high;
  }

  /** @param {Run} run */
  step({ k, method }) {
    const row = k * this.runs + this.r;
    for (const name of this.names) this.events[name][row] = method.events[name];
    for (const name of this.kind.ragged) {
      const { numbers, at } = this.ragged[name];
      const from = numbers.length;
      const event = method.events[name];
      for (let i = 0; i < event.length; i++) numbers.push(event.at(i));
      at.push({ row, from, to: numbers.length });
    }
    this.taken += 1;
  }

  /** @param {Run} run */
  iterate({ k, oracle, method, loss, grad }) {
    const row = k * this.runs + this.r;
    const { low, high } = this.spectrum(oracle.surface, method.x1, method.x2, 1);
    this.loss[row] = loss;
    this.theta[2 * row] = method.x1;
    this.theta[2 * row + 1] = method.x2;
    this.grad[row] = grad;
    this.low[row] = low;
    this.high[row] = high;
    this.work[row] = oracle.work;
    // so that what there is so far can be drawn at any time
    this.stopped[this.r] = this.final[this.r] = k;
  }

  /** @param {Run} run */
  end({ stopped, final, code, k, loss, method }) {
    const { r } = this;
    this.codes[r] = code;
    this.stopped[r] = stopped;
    this.final[r] = final;
    const lost = code === DIVERGED && !(finite(loss) && finite(method.x1) && finite(method.x2));
    if (lost && this.noisy && k > 0) {
      // steps on batches show it between two evaluations
      const row = (k - 1) * this.runs + r;
      if (!finite(this.events.batch_loss[row])) this.stopped[r] = k - 1;
    }
  }

  /**
   * @param {import("./problems/surface.js").Surface} surface
   * @param {number} x1
   * @param {number} x2
   * @param {number} xi
   */
  spectrum(surface, x1, x2, xi) {
    surface.see(x1, x2, xi, 2);
    return matrix.set(surface.h11, surface.h12, surface.h22).extremes();
  }

  /**
   * What there is, at full length: what has ended, or is not there yet, repeats its last row.
   *
   * @returns {Result}
   */
  result() {
    const { steps, runs, label, kind } = this;
    /** @type {Record<string, Column>} */
    const columns = {};
    const states = steps + 1;
    /** @param {Float64Array} data @param {ArrayLike<number>} last @param {number} wide */
    const state = (data, last, wide = 1) => {
      const shape = wide > 1 ? [states, runs, wide] : [states, runs];
      return { data: this.repeated(data, states, wide, last), shape };
    };
    columns.loss = state(this.loss, this.final);
    columns.theta = state(this.theta, this.final, 2);
    columns.grad_norm = state(this.grad, this.final);
    columns.hessian_min = state(this.low, this.final);
    columns.hessian_max = state(this.high, this.final);
    columns.work = state(this.work, this.stopped);
    if (this.taken) {
      const last = this.stopped.map((k) => Math.max(k - 1, 0));
      const layered = new Set(kind.layered);
      for (const [name, data] of Object.entries(this.events)) {
        const shape = layered.has(name) ? [steps, runs, 1] : [steps, runs];
        columns[name] = { data: this.repeated(data, steps, 1, last), shape };
      }
      for (const name of kind.ragged) columns[name] = this.spread(name, last);
    }
    const status = Array.from(this.codes, (code) => STATUS[code]);
    return { label, name: kind.method, columns, status, stopped: this.stopped.slice() };
  }

  /**
   * The rows of every run up to its last, which is then repeated.
   *
   * @param {Float64Array} data (rows, R, wide)
   * @param {number} rows
   * @param {number} wide
   * @param {ArrayLike<number>} last of each run
   */
  repeated(data, rows, wide, last) {
    const { runs } = this;
    const width = runs * wide;
    for (let r = 0; r < runs; r++) {
      const from = last[r] * width + r * wide;
      for (let row = last[r] + 1; row < rows; row++) {
        for (let i = 0; i < wide; i++) data[row * width + r * wide + i] = data[from + i];
      }
    }
    return data;
  }

  /**
   * A ragged event as (T, R, J), J as long as any run needs before it ends; NaN elsewhere.
   *
   * @param {string} name
   * @param {ArrayLike<number>} last row of each run
   * @returns {Column}
   */
  spread(name, last) {
    const { runs, steps } = this;
    const { numbers, at } = this.ragged[name];
    const counted = at.filter(({ row }) => Math.floor(row / runs) <= last[row % runs]);
    let wide = 1;
    for (const { from, to } of counted) {
      for (let i = to - 1; i >= from && i - from >= wide; i--) {
        if (!Number.isNaN(numbers[i])) wide = i - from + 1;
      }
    }
    const data = new Float64Array(steps * runs * wide).fill(NaN);
    for (const { row, from, to } of counted) {
      for (let i = from; i < Math.min(to, from + wide); i++)
        data[row * wide + i - from] = numbers[i];
    }
    return { data: this.repeated(data, steps, wide, last), shape: [steps, runs, wide] };
  }
}
