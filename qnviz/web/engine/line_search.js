// Line searches along d: strong Wolfe, and backtracking. The twin of qnviz/curvature/line_search.py.
//
//     φ(a) ≤ φ(0) + c₁ a φ′(0)        |φ′(a)| ≤ c₂ |φ′(0)|,        φ(a) = f(θ + a d)
//
// All of it is done in units of two powers of two, those of ‖g‖ and ‖d‖: they round nothing. The
// search is NW06's algorithm 3.5 (grow until a bracket is found) joined with 3.6 (zoom into it by
// safeguarded cubic interpolation).

import { largestPower } from "./plane.js";

/** @import { Oracle } from "./oracle.js" */

const C1 = 1e-4;
const C2 = 0.9;
const TRIALS = 30;
const HALVINGS = 40;
export const ROUNDINGS = 100; // that a number may have gone through on its way, generously

/** A point that moves along directions, and where the last search ended. */
export class LineSearch {
  x1 = 0; // θ + a d
  x2 = 0;
  f = 0; // loss there
  g1 = 0; // gradient there
  g2 = 0;
  a = 0; // accepted step length, 0 where none was found
  found = false; // whether the conditions hold
  trials = 0; // points tried
  at_precision = false; // whether no step at all lowers f any more, but for rounding

  /**
   * Stand at a point.
   *
   * @param {number} x1
   * @param {number} x2
   * @param {number} f
   * @param {number} g1
   * @param {number} g2
   */
  begin(x1, x2, f, g1, g2) {
    this.x1 = x1;
    this.x2 = x2;
    this.f = f;
    this.g1 = g1;
    this.g2 = g2;
  }

  /**
   * Go on by a step length that satisfies the strong Wolfe conditions.
   *
   * @param {Oracle} oracle the function, with one noise
   * @param {number} d1 descent direction
   * @param {number} d2
   * @param {number} first trial
   */
  strongWolfe(oracle, d1, d2, first) {
    const { x1, x2, g1, g2 } = this;
    const unit = largestPower(g1, g2);
    const long = largestPower(d1, d2);
    d1 /= long;
    d2 /= long;
    const phi = this.f / unit;
    const slope0 = (g1 * d1 + g2 * d2) / unit;
    this.a = 0;
    this.found = false;
    this.trials = 0;
    this.at_precision = false;
    if (!(slope0 < 0)) return; // not where NaN: there is nothing to search
    // the best point so far is one end of a bracket, lo; hi is the other, once there is one (zoom)
    let zoom = false;
    let a_lo = 0;
    let f_lo = phi;
    let slope_lo = slope0;
    let a_hi = 0;
    let f_hi = phi;
    let slope_hi = slope0;
    let a = first * long;
    for (let trial = 1; ; trial++) {
      const seen = oracle.gradient(x1 + a * d1, x2 + a * d2);
      const f_a = seen.f / unit;
      const slope = (seen.g1 * d1 + seen.g2 * d2) / unit;
      const steep = Math.abs(slope);
      // NaN and infinity count as "too high", so a step into overflow is zoomed back from
      const low_enough = f_a <= phi + C1 * a * slope0 && steep < Infinity;
      const better = low_enough && (f_a < f_lo || (!zoom && a_lo === 0));
      const accept = better && steep <= C2 * -slope0;
      if (!better) {
        zoom = true;
        a_hi = a;
        f_hi = f_a;
        slope_hi = slope;
      } else {
        if (slope * (zoom ? a_hi - a_lo : 1) >= 0) {
          zoom = true; // the minimum lies between new and lo
          a_hi = a_lo;
          f_hi = f_lo;
          slope_hi = slope_lo;
        }
        a_lo = a;
        f_lo = f_a;
        slope_lo = slope;
        this.g1 = seen.g1;
        this.g2 = seen.g2;
      }
      if (accept || trial === TRIALS) {
        this.found = accept;
        this.trials = trial;
        break;
      }
      if (!zoom) a = 2 * a_lo;
      else if (!(Math.abs(f_hi + slope_hi) < Infinity)) a = 0.5 * (a_lo + a_hi);
      else a = cubicMinimiser(a_lo, f_lo, slope_lo, a_hi, f_hi, slope_hi);
    }
    if (a_lo > 0) {
      this.a = a_lo / long;
      this.x1 = x1 + a_lo * d1;
      this.x2 = x2 + a_lo * d2;
      this.f = f_lo * unit;
    }
    this.at_precision = exhausted(a_lo, slope0, phi, a, f_lo);
  }

  /**
   * Halve a from 1 until φ(a) ≤ φ(0) + c₁ a φ′(0) (Armijo); a = 0 where that never happens.
   *
   * @param {Oracle} oracle
   * @param {number} x1
   * @param {number} x2
   * @param {number} f
   * @param {number} g1
   * @param {number} g2
   * @param {number} d1
   * @param {number} d2
   * @param {number} [halvings]
   */
  backtracking(oracle, x1, x2, f, g1, g2, d1, d2, halvings = HALVINGS) {
    const unit = largestPower(g1, g2);
    const long = largestPower(d1, d2);
    const slope0 = ((g1 * (d1 / long) + g2 * (d2 / long)) / unit) * long;
    const phi = f / unit;
    this.begin(x1, x2, f, g1, g2);
    this.a = 0;
    this.found = false;
    this.trials = 0;
    this.at_precision = false;
    if (!(slope0 < 0)) return;
    let a = 1;
    for (; ; a *= 0.5) {
      this.trials += 1;
      const f_a = oracle.value(x1 + a * d1, x2 + a * d2);
      if (f_a / unit <= phi + C1 * a * slope0) {
        this.found = true;
        this.a = a;
        this.x1 = x1 + a * d1;
        this.x2 = x2 + a * d2;
        this.f = f_a;
        break;
      }
      if (this.trials > halvings) {
        a *= 0.5;
        break;
      }
    }
    this.at_precision = exhausted(this.a, slope0, phi, a, this.f / unit);
  }
}

/**
 * Whether a decrease is so small that f, as a rounded number, cannot show it.
 *
 * @param {number} gain
 * @param {number} f
 */
export const belowRounding = (gain, f) => gain <= Number.EPSILON * Math.abs(f);

/**
 * Whether no step along d lowers f at this precision.
 *
 * None was accepted, a = 0, down to a last one whose gain rounding would hide; or the accepted one
 * was accepted for such a gain, and f, found to be the same there, does not show it.
 *
 * @param {number} a
 * @param {number} slope
 * @param {number} f
 * @param {number} last
 * @param {number} found
 */
function exhausted(a, slope, f, last, found) {
  if (a !== 0 && found !== f) return false;
  const step = a === 0 ? last : a;
  return slope < 0 && belowRounding((step * -slope) / ROUNDINGS, f);
}

/**
 * Minimiser of the cubic through (a, φ, φ′) and (b, φ, φ′) [NW06, eq. 3.59], kept a tenth of the
 * interval away from both ends; where the cubic has none, it is the middle.
 *
 * @param {number} a
 * @param {number} fa
 * @param {number} da
 * @param {number} b
 * @param {number} fb
 * @param {number} db
 */
function cubicMinimiser(a, fa, da, b, fb, db) {
  const w = b - a;
  const d1 = da + db + 3 * ((fa - fb) / w);
  const square = Math.max(d1 * d1 - da * db, 0);
  const root = w < 0 ? -Math.sqrt(square) : Math.sqrt(square);
  const t = 1 - (db - d1 + root) / (db - da + 2 * root);
  return a + w * (t - t === 0 ? Math.min(Math.max(t, 0.1), 0.9) : 0.5);
}
