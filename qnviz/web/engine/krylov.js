// Conjugate gradients on H d = −g that end at the first disturbing direction [Shen et al. 2020]: the
// twin of qnviz/curvature/krylov.py, which says by which rules they end.

import { finite } from "./ends.js";
import { ROUNDINGS } from "./line_search.js";
import { largestPower, norm } from "./plane.js";
import { Row } from "./row.js";

/** Why a Krylov iteration ended; the numbers stand in saved runs. */
const CONVERGED = 0;
export const NEGATIVE_CURVATURE = 1;
export const DISTURBING = 2;
const BUDGET = 3;
const NON_FINITE = 4;
const ZERO_CURVATURE = 5;
export const STAGNATED = 6;

export const UNIT = Number.EPSILON;

/**
 * What a solver is to solve, and how exactly.
 *
 * @typedef {object} System
 * @property {(v1: number, v2: number) => void} product leaves H v in `Hv1`, `Hv2`
 * @property {number} Hv1
 * @property {number} Hv2
 * @property {number} eta relative tolerance on the residual
 * @property {number} epsilon curvature below that times the largest seen before counts as zero
 * @property {number} budget the largest number of iterations
 * @property {boolean} early whether negative curvature and disturbing directions end it
 * @property {boolean} fixed whether all products are of the same H
 */

/** The direction, and everything the iteration saw. */
export class Krylov {
  d1 = 0;
  d2 = 0;
  Hd1 = 0; // at no extra product
  Hd2 = 0;
  bare = false; // whether d is steepest descent, in place of an empty direction
  reason = BUDGET;
  iterations = 0; // products that were asked for
  curvature = new Row(); // κ_j
  rayleigh = new Row(); // κ_j / ‖p_j‖²
  residual = new Row(); // ‖r_{j+1}‖, NaN where d_{j+1} was not taken
  model = new Row(); // q(d_{j+1})
  alpha = new Row(); // CG's step lengths, or MINRES's Lanczos α_j
  beta = new Row(); // CG's ‖r_{j+1}‖²/‖r_j‖², or MINRES's β_{j+1}

  begin() {
    this.d1 = this.d2 = this.Hd1 = this.Hd2 = 0;
    this.bare = false;
    this.reason = BUDGET;
    this.iterations = 0;
    this.curvature.clear();
    this.rayleigh.clear();
    this.residual.clear();
    this.model.clear();
    this.alpha.clear();
    this.beta.clear();
  }

  /**
   * @param {number} d1
   * @param {number} d2
   * @param {number} Hd1
   * @param {number} Hd2
   */
  take(d1, d2, Hd1, Hd2) {
    this.d1 = d1;
    this.d2 = d2;
    this.Hd1 = Hd1;
    this.Hd2 = Hd2;
  }

  /**
   * Nothing to keep yet: steepest descent, −g, whose length `scaled` finds. Where H g is not finite it
   * says nothing.
   *
   * @param {number} d1
   * @param {number} d2
   * @param {boolean} known whether H g is finite
   * @param {number} Hd1
   * @param {number} Hd2
   */
  strip(d1, d2, known, Hd1, Hd2) {
    this.bare = true;
    this.take(d1, d2, known ? Hd1 : 0, known ? Hd2 : 0);
  }
}

/** @typedef {(k: Krylov, system: System, g1: number, g2: number) => void} Solve */

/**
 * A solver that sees g at a length of about 1, so that no square over- or underflows; steepest descent
 * gets its length here.
 *
 * @param {Solve} solve
 * @returns {Solve}
 */
export const scaled = (solve) => (k, system, g1, g2) => {
  const m = largestPower(g1, g2);
  k.begin();
  solve(k, system, g1 / m, g2 / m);
  let by = m;
  if (k.bare) {
    const length = norm(k.d1, k.d2);
    const size = (length / norm(k.Hd1, k.Hd2)) * m; // of −g/m: ‖g‖/‖H(g/m)‖
    by = finite(size) && size > 0 ? size : 1 / length;
  }
  k.take(by * k.d1, by * k.d2, by * k.Hd1, by * k.Hd2);
  k.residual.scale(m);
  k.curvature.scale(m * m);
  k.model.scale(m * m);
};

/** Solve H d = −g. */
export const conjugateGradients = scaled((k, system, g1, g2) => {
  const { eta, epsilon, budget, early, fixed } = system;
  let [r1, r2, p1, p2] = [-g1, -g2, -g1, -g2];
  let rr = r1 * r1 + r2 * r2;
  let [q, largest, drift] = [0, 0, 0];
  const g_norm = Math.sqrt(rr);
  const goal = eta * g_norm;
  for (let j = 0; j < budget; j++) {
    system.product(p1, p2);
    const { Hv1: Hp1, Hv2: Hp2 } = system;
    const pp = p1 * p1 + p2 * p2;
    const kappa = p1 * Hp1 + p2 * Hp2;
    const size = norm(Hp1, Hp2);
    const rayleigh = kappa / pp;
    const flat = isFlat(rayleigh, largest, size / Math.sqrt(pp), epsilon);
    largest = Math.max(largest, Math.abs(rayleigh));

    const alpha = rr / kappa;
    const [d1, d2] = [k.d1 + alpha * p1, k.d2 + alpha * p2];
    const [Hd1, Hd2] = [k.Hd1 + alpha * Hp1, k.Hd2 + alpha * Hp2];
    r1 -= alpha * Hp1;
    r2 -= alpha * Hp2;
    const rr1 = r1 * r1 + r2 * r2;
    const gd = g1 * d1 + g2 * d2;
    const q1 = gd + 0.5 * (d1 * Hd1 + d2 * Hd2);
    let left = Math.sqrt(rr1);
    drift += UNIT * (Math.abs(alpha) * size + left);
    const known = finite(kappa) && finite(Hp1) && finite(Hp2);
    const sound = known && (finite(q1) || flat || rr === 0);
    let calm = q1 <= q + rounding(g_norm, d1, d2, Hd1, Hd2, drift) && gd < 0;
    let rise = kappa > 0;
    if (!early) rise = calm = rr > 0;

    const taken = sound && !flat && rise && calm;
    let end = firstReason(sound, flat, rise, calm, rr === 0, fixed);
    const small = taken && left <= goal;
    if (small && fixed) {
      left = checked(system, g1, g2, d1, d2, goal, left, drift);
      if (!(left <= goal)) end = STAGNATED;
    }
    const beta = rr1 / rr;
    k.iterations += 1;
    k.curvature.push(kappa);
    k.rayleigh.push(rayleigh);
    k.residual.push(taken ? left : NaN);
    k.model.push(taken ? q1 : NaN);
    k.alpha.push(taken ? alpha : NaN);
    k.beta.push(taken ? beta : NaN);
    if (taken) k.take(d1, d2, Hd1, Hd2);
    else if (j === 0 && rr !== 0) k.strip(p1, p2, sound, Hp1, Hp2);
    if (!taken || small) {
      k.reason = end;
      return;
    }
    p1 = r1 + beta * p1;
    p2 = r2 + beta * p2;
    rr = rr1;
    q = q1;
  }
});

/**
 * Whether a curvature is zero as far as this solve can tell.
 *
 * @param {number} rayleigh vᵀHv/‖v‖²
 * @param {number} largest |vᵀHv|/‖v‖² of the iterations before
 * @param {number} size ‖Hv‖/‖v‖, of which the scalar product vᵀHv is a rounded part
 * @param {number} epsilon the share of `largest` below which curvature counts as zero
 */
export function isFlat(rayleigh, largest, size, epsilon) {
  return Math.abs(rayleigh) <= Math.max(Math.max(epsilon, UNIT) * largest, UNIT * size);
}

/**
 * By how much rounding alone may change q(d) = gᵀd + ½dᵀHd, generously.
 *
 * @param {number} g_norm
 * @param {number} d1
 * @param {number} d2
 * @param {number} Hd1
 * @param {number} Hd2
 * @param {number} drift what each rounding has added to Hd on its way, about
 */
export function rounding(g_norm, d1, d2, Hd1, Hd2, drift) {
  return ROUNDINGS * norm(d1, d2) * (UNIT * (g_norm + norm(Hd1, Hd2)) + drift);
}

/**
 * The residual of a d that claims convergence, by a product where in doubt: one kept by recurrence goes
 * on falling when that of d, which rounding keeps up, does not.
 *
 * @param {System} system
 * @param {number} g1
 * @param {number} g2
 * @param {number} d1
 * @param {number} d2
 * @param {number} goal η ‖g‖
 * @param {number} left by recurrence
 * @param {number} drift a bound on how far rounding has taken that from the true one
 */
export function checked(system, g1, g2, d1, d2, goal, left, drift) {
  if (!(left + ROUNDINGS * drift > goal)) return left;
  system.product(d1, d2);
  return norm(g1 + system.Hv1, g2 + system.Hv2);
}

/**
 * The first rule that fired, in the order of the rules. Where all products are of one H and κ > 0, only
 * rounding can raise the model.
 *
 * @param {boolean} sound
 * @param {boolean} flat
 * @param {boolean} rise
 * @param {boolean} calm
 * @param {boolean} solved where g = 0
 * @param {boolean} fixed
 */
export function firstReason(sound, flat, rise, calm, solved, fixed) {
  if (!sound) return NON_FINITE;
  if (solved) return CONVERGED;
  if (flat) return ZERO_CURVATURE;
  if (!rise) return NEGATIVE_CURVATURE;
  if (!calm) return fixed ? STAGNATED : DISTURBING;
  return CONVERGED;
}
