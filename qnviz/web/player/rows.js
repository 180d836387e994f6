// An entrant of a race that the engine computes, as the canvas reads it: run 0, row by row.

/** @import { Result } from "../engine/columns.js" */
/** @import { ColumnSource, SettingSource, Source, Test } from "./payload.d.ts" */

const LN10 = Math.LN10;

/** A row of a ragged column that holds no number. */
const NOWHERE = -1;

export class Rows {
  /** @type {Float64Array} where its iterates stand on the horizontal axis */
  clock = new Float64Array();
  /** How many steps it took. */
  last = 0;
  status = "running";

  /**
   * @param {Result} result
   * @param {Record<string, any>} settings of its method
   * @param {"iterations" | "work" | "seconds"} axis
   */
  constructor(result, settings, axis) {
    this.columns = result.columns;
    this.settings = settings;
    this.last = result.stopped[0];
    this.status = result.status[0];
    this.states = this.columns.loss.shape[0];
    this.clock = axis === "work" ? this.columns.work.data : counted(this.states);
    this.runs = this.columns.loss.shape[1];
  }

  /**
   * How many numbers each row of a column has, 0 where there is no such column.
   *
   * @param {string} name
   */
  width(name) {
    const column = this.columns[name];
    return column ? (column.shape[2] ?? 1) : 0;
  }

  /**
   * The iterate at which the first row of a column stands: 0, or 1 where it has a row per step.
   *
   * @param {string} name
   */
  first(name) {
    return this.columns[name]?.shape[0] === this.states ? 0 : 1;
  }

  /**
   * A number of an iterate, as it was computed; NaN where there is none.
   *
   * @param {string} name
   * @param {number} k the iterate
   * @param {number} part
   */
  raw(name, k, part) {
    const column = this.columns[name];
    const row = k - this.first(name);
    if (!column || row < 0) return NaN;
    const wide = column.shape[2] ?? 1;
    return part < wide && part >= 0 ? column.data[row * this.runs * wide + part] : NaN;
  }

  /**
   * Where a source stands at an iterate, on its axis.
   *
   * @param {Source} source
   * @param {number} k
   * @param {number} [part] of a row of several numbers
   */
  value(source, k, part = 0) {
    if ("at" in source) return source.at;
    if ("setting" in source) return this.setting(source);
    const place = source.last ? this.lastPart(source.column, k) : (source.part ?? part);
    return placed(source, this.raw(source.column, k, place));
  }

  /** @param {SettingSource} source */
  setting({ setting, power, squeezed }) {
    const value = Number(this.settings[setting]) ** power;
    return squeezed === undefined ? value : Math.asinh(value / squeezed) / LN10;
  }

  /**
   * The last place of a row that holds a number.
   *
   * @param {string} name
   * @param {number} k
   */
  lastPart(name, k) {
    for (let part = this.width(name) - 1; part >= 0; part--) {
      if (Number.isFinite(this.raw(name, k, part))) return part;
    }
    return NOWHERE;
  }

  /**
   * Whether all of these conditions hold.
   *
   * @param {Test[]} tests
   * @param {number} k
   * @param {number} part of what is drawn
   */
  holds(tests, k, part) {
    return tests.every((test) => this.passes(test, k, part));
  }

  /**
   * @param {Test} test
   * @param {number} k
   * @param {number} part
   */
  passes(test, k, part) {
    const { column, value } = test;
    if (test.is === "last") return part === this.lastPart(column, k);
    const place = test.part ?? Math.min(part, this.width(column) - 1);
    const here = this.raw(column, k, place);
    if (test.is === "finite") return Number.isFinite(here);
    if (test.is === "differs") return here !== this.raw(String(value), k, place);
    const bound = typeof value === "object" ? this.setting(value) : Number(value);
    if (test.is === "below") return here < bound;
    if (test.is === "from") return here >= bound;
    return test.is === "above" ? here > bound : here === bound;
  }
}

/**
 * @param {ColumnSource} source
 * @param {number} value
 */
function placed({ minus, least, signed, squeezed }, value) {
  if (minus !== undefined) value -= minus;
  if (least !== undefined && value < least) value = least;
  if (signed !== undefined) return Math.sign(value) * Math.log10(1 + Math.abs(value) / signed);
  return squeezed === undefined ? value : Math.asinh(value / squeezed) / LN10;
}

let numbers = new Float64Array();

/**
 * 0, 1, 2, …: one array for all that ask.
 *
 * @param {number} count
 */
function counted(count) {
  if (numbers.length < count) numbers = Float64Array.from({ length: count }, (_, k) => k);
  return numbers;
}
