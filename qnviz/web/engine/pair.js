// One quasi-Newton update in the plane: double damping, BFGS and both bounds (MATH §2).
//
// Pure functions of numbers. Vectors are [x, y], a symmetric H is [h11, h12, h22]. The fields are
// named as in qnviz/curvature/pair.py, which a test compares with this file.

import {
  DampedPair as Damped,
  lowerBound,
  upperBound,
  worstC1,
  worstC2,
} from "./double_damping.js";
import { lerp, Symmetric } from "./plane.js";
import { bfgsUpdate } from "./secant.js";

/** @import { Damping } from "./double_damping.js" */

/**
 * @typedef {[x: number, y: number]} Vector
 * @typedef {[h11: number, h12: number, h22: number]} Matrix symmetric
 * @typedef {{ low: number, high: number }} Range of eigenvalues
 * @typedef {ReturnType<typeof damp>} DampedPair
 * @typedef {ReturnType<typeof updateWith>} Update
 * @typedef {Record<Damping, Update>} Updates
 */

/**
 * aᵀb; torch sums from 0, hence nothing ever is −0 there.
 *
 * @param {Vector} a
 * @param {Vector} b
 */
export const dot = (a, b) => 0 + a[0] * b[0] + a[1] * b[1];

/** @param {Vector} a */
export const norm = (a) => Math.hypot(a[0], a[1]);

/**
 * Hv.
 *
 * @param {Matrix} H
 * @param {Vector} v
 * @returns {Vector}
 */
export const times = (H, v) => [H[0] * v[0] + H[1] * v[1], H[1] * v[0] + H[2] * v[1]];

/**
 * (1 − t) a + t b, exact at both ends.
 *
 * @param {Vector} a
 * @param {Vector} b
 * @param {number} t
 * @returns {Vector}
 */
export function mix(a, b, t) {
  return [lerp(a[0], b[0], t), lerp(a[1], b[1], t)];
}

/**
 * Eigenvalues of a symmetric H, and the angle of the eigenvector of the larger one.
 *
 * The smaller in size is det H / the other: a difference of the two halves may lose its sign.
 *
 * @param {Matrix} H
 * @param {number} [det] its determinant, where it is known more precisely than from its entries
 */
export function spectrum([a, b, c], det) {
  const middle = (a + c) / 2;
  const large = middle + (middle < 0 ? -1 : 1) * Math.hypot((a - c) / 2, b);
  const small =
    large === 0 ? 0 : det === undefined ? (a / large) * c - (b / large) * b : det / large;
  return {
    low: Math.min(small, large),
    high: Math.max(small, large),
    angle: Math.atan2(2 * b, a - c) / 2,
  };
}

/**
 * det H⁺ = tᵀHt / sᵀy with s turned to t = (s₂, −s₁), as a sum of squares: it has the sign of sᵀy.
 *
 * @param {Matrix} H
 * @param {Range} spectrum of H
 * @param {DampedPair} pair
 */
function determinant([a, b], { low, high }, { s, sy }) {
  const [t1, t2] = [s[1], -s[0]];
  return (a * (t1 + (b / a) * t2) ** 2 + ((low * high) / a) * t2 * t2) / sy;
}

/**
 * H with semi-axes of the given lengths, the first at `angle` and the second at right angles.
 *
 * @param {number} angle
 * @param {number} first
 * @param {number} second
 * @returns {Matrix}
 */
export function fromAxes(angle, first, second) {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const [p, q] = [first * first, second * second];
  return [p * cos * cos + q * sin * sin, (p - q) * cos * sin, p * sin * sin + q * cos * cos];
}

/**
 * The damped pair with its vectors, and the numbers that say what damping did.
 *
 * @param {Matrix} H
 * @param {Vector} s
 * @param {Vector} y
 * @param {number} mu1
 * @param {number} mu2
 * @param {Damping} damping
 */
function damp(H, s, y, mu1, mu2, damping) {
  const pair = new Damped();
  pair.damp(s[0], s[1], y[0], y[1], new Symmetric().set(...H), mu1, mu2, damping);
  const { s1, s2, y1, y2, Hy1, Hy2, ...numbers } = pair;
  /** @type {[Vector, Vector, Vector]} */
  const vectors = [
    [s1, s2],
    [y1, y2],
    [Hy1, Hy2],
  ];
  return { ...numbers, s: vectors[0], y: vectors[1], Hy: vectors[2] };
}

/**
 * H⁺; null where it is not finite.
 *
 * @param {Matrix} H
 * @param {DampedPair} pair
 * @returns {Matrix | null}
 */
function bfgs(H, { s, y, Hy, sy }) {
  const next = new Symmetric().set(...H);
  const changed = bfgsUpdate(next, s[0], s[1], Hy[0], Hy[1], sy, dot(y, Hy));
  return changed ? [next.h11, next.h12, next.h22] : null;
}

/**
 * H⁺ with one kind of damping, its pair, its eigenvalues and their bounds.
 *
 * @param {Matrix} H
 * @param {Vector} s
 * @param {Vector} y
 * @param {number} mu1
 * @param {number} mu2
 * @param {Damping} damping
 */
function updateWith(H, s, y, mu1, mu2, damping) {
  const before = spectrum(H);
  const pair = damp(H, s, y, mu1, mu2, damping);
  const H_new = pair.usable && pair.sy !== 0 ? bfgs(H, pair) : null;
  const { low, high } = H_new ? spectrum(H_new, determinant(H, before, pair)) : before;
  const bounded = pair.usable && pair.sy > 0;
  const c1 = worstC1(before.high, mu1, mu2, damping);
  const c2 = worstC2(mu2, damping);
  return {
    pair,
    H: H_new ?? H,
    changed: H_new !== null,
    low,
    high,
    pair_low: bounded ? lowerBound(before.low, pair.c1) : NaN,
    pair_high: bounded ? upperBound(before.high, pair.c1, pair.c2) : NaN,
    apriori_low: lowerBound(before.low, c1),
    apriori_high: upperBound(before.high, c1, c2),
  };
}

/**
 * H⁺ without damping, with Powell's and with double damping, each with its pair and bounds.
 *
 * @param {Matrix} H
 * @param {Vector} s
 * @param {Vector} y
 * @param {number} mu1
 * @param {number} mu2
 * @returns {Updates}
 */
export function updateInPlane(H, s, y, mu1, mu2) {
  return {
    none: updateWith(H, s, y, mu1, mu2, "none"),
    powell: updateWith(H, s, y, mu1, mu2, "powell"),
    double: updateWith(H, s, y, mu1, mu2, "double"),
  };
}
