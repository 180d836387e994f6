// What a cell of a live map is: its category and its number, by the rules of
// qnviz/figures/maps/cells.py. A tile holds whole cells: its seeds stand together.

import { NOTHING } from "./cells.js";

/** @import { Columns } from "../engine/tiles.js" */
/** @import { EndsRule, Rule, SettingsRule } from "./payload.d.ts" */

const [VALUE, UNREACHED, DIVERGED, UNDEFINED] = [0, 1, 2, 3];

/**
 * Cells of a tile, one number each: value and its spread over the seeds, and medians of steps to the
 * target and of the loss at the end; counts of seeds; the seed whose run the cell shows.
 *
 * @typedef {object} Judged
 * @property {Uint8Array} kind
 * @property {Float64Array} value NaN where the kind has none
 * @property {Float64Array} low
 * @property {Float64Array} high
 * @property {Float64Array} steps Infinity where unreached
 * @property {Float64Array} loss Infinity where diverged
 * @property {Uint8Array} reached
 * @property {Uint8Array} diverged
 * @property {Uint8Array} typical
 */

/**
 * @param {Rule} rule
 * @param {Columns} columns of n · seeds runs
 * @param {number} seeds
 * @returns {Judged}
 */
export function judge(rule, columns, seeds) {
  const n = columns.status.length / seeds;
  const numbers = () => new Float64Array(n);
  /** @type {Judged} */
  const judged = {
    kind: new Uint8Array(n),
    value: numbers(),
    low: numbers(),
    high: numbers(),
    steps: numbers(),
    loss: numbers(),
    reached: new Uint8Array(n),
    diverged: new Uint8Array(n),
    typical: new Uint8Array(n),
  };
  if (rule.name === "ends") judgeEnds(rule, columns, seeds, judged);
  else judgeSettings(rule, columns, seeds, judged);
  return judged;
}

/**
 * Where a run of the plane ends, and after how many steps; of several seeds the first is shown.
 *
 * @param {EndsRule} rule
 * @param {Columns} columns
 * @param {number} seeds
 * @param {Judged} judged
 */
function judgeEnds({ points, minima, tolerance, status }, columns, seeds, judged) {
  const [converged, diverged, halted] = codes(status);
  const [xs, ys] = [columns["end.0"], columns["end.1"]];
  const flat = Float64Array.from(points.flat());
  for (let i = 0; i < judged.kind.length; i += 1) {
    const at = i * seeds;
    const code = columns.status[at];
    let nearest = -1;
    let least = Infinity;
    for (let k = 0; k < points.length; k += 1) {
      const dx = xs[at] - flat[2 * k];
      const dy = ys[at] - flat[2 * k + 1];
      const away = dx * dx + dy * dy;
      if (away < least) {
        nearest = k;
        least = away;
      }
    }
    const near = Math.sqrt(least) <= tolerance;
    const place = near && code !== diverged ? nearest : -1;
    const arrived = code === converged;
    const steps = arrived ? columns.steps_to_target[at] : Infinity;
    const atOne = code !== 0 && place >= 0 && place < minima;
    let kind = minima;
    if (code === 0) kind = NOTHING;
    else if (code === diverged) kind = minima + 1;
    else if (atOne) kind = place;
    else if (place >= 0) kind = minima + 3;
    else if (code === halted) kind = minima + 2;
    else if (arrived) kind = minima + 4;
    judged.kind[i] = kind;
    judged.value[i] = judged.low[i] = judged.high[i] = atOne ? steps : NaN;
    judged.steps[i] = atOne ? steps : Infinity;
    judged.loss[i] = columns.final_loss[at];
    judged.reached[i] = Number(atOne);
    judged.diverged[i] = Number(code === diverged);
  }
}

/**
 * The median over the seeds, or the category that most of them share.
 *
 * @param {SettingsRule} rule
 * @param {Columns} columns
 * @param {number} seeds
 * @param {Judged} judged
 */
function judgeSettings({ column, toTarget, target, status }, columns, seeds, judged) {
  const [converged, diverged, halted] = codes(status);
  const given = columns[column];
  const each = new Float64Array(seeds);
  const [steps, loss] = [new Float64Array(seeds), new Float64Array(seeds)];
  for (let i = 0; i < judged.kind.length; i += 1) {
    const from = i * seeds;
    let [runs, hits, over, without] = [0, 0, 0, 0];
    for (let s = 0; s < seeds; s += 1) {
      const code = columns.status[from + s];
      const there = code !== 0;
      const hit = target && code === converged;
      const alive = there && code !== diverged;
      const mine = toTarget ? hit : alive;
      const value = given ? given[from + s] : NaN;
      const missing = there ? Infinity : NaN;
      runs += Number(there);
      hits += Number(hit);
      over += Number(code === diverged);
      without += Number(code === halted);
      if (toTarget || column === "final_loss") each[s] = !given ? NaN : mine ? value : missing;
      else each[s] = mine && Number.isFinite(value) ? value : NaN;
      steps[s] = hit ? columns.steps_to_target[from + s] : missing;
      loss[s] = alive ? columns.final_loss[from + s] : missing;
    }
    const value = lowerMedian(each);
    let kind = Number.isFinite(value) ? VALUE : UNREACHED;
    if (kind === UNREACHED && 2 * without > runs) kind = UNDEFINED;
    if (2 * over > runs) kind = DIVERGED;
    if (runs === 0) kind = NOTHING;
    const finite = each.filter(Number.isFinite);
    judged.kind[i] = kind;
    judged.value[i] = kind === VALUE ? value : NaN;
    judged.low[i] = finite.length ? Math.min(...finite) : NaN;
    judged.high[i] = finite.length ? Math.max(...finite) : NaN;
    judged.steps[i] = lowerMedian(steps);
    judged.loss[i] = lowerMedian(loss);
    judged.reached[i] = hits;
    judged.diverged[i] = over;
    const codesHere = columns.status.subarray(from, from + seeds);
    judged.typical[i] = typical(kind, value, each, codesHere, diverged, halted);
  }
}

/**
 * The seed whose number is the median, where the cell has one; else the first that ended as most did.
 *
 * @param {number} kind
 * @param {number} value
 * @param {Float64Array} each
 * @param {ArrayLike<number>} ended
 * @param {number} diverged
 * @param {number} halted
 */
function typical(kind, value, each, ended, diverged, halted) {
  if (kind === VALUE) {
    let best = 0;
    const away = (/** @type {number} */ s) =>
      Number.isFinite(each[s]) ? Math.abs(each[s] - value) : Infinity;
    for (let s = 1; s < each.length; s += 1) if (away(s) < away(best)) best = s;
    return best;
  }
  const wanted = { [DIVERGED]: diverged, [UNDEFINED]: halted }[kind];
  const at = Array.from(ended).findIndex((code) =>
    wanted === undefined ? ![0, diverged, halted].includes(code) : code === wanted,
  );
  return Math.max(0, at);
}

/**
 * The median, NaN left out; of an even number the lower of the two.
 *
 * @param {Float64Array} values
 */
function lowerMedian(values) {
  const known = values.filter((v) => !Number.isNaN(v)).sort();
  return known.length ? known[(known.length - 1) >> 1] : NaN;
}

/** @param {string[]} status */
const codes = (status) =>
  ["converged", "diverged", "undefined"].map((word) => status.indexOf(word));
