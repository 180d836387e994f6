// What to do with a secant pair: qnviz/curvature/secant.py.
//
// H⁺ = (I − ρ s yᵀ) H (I − ρ y sᵀ) + ρ s sᵀ,    ρ = 1/sᵀy                     [NW06, eq. 6.17]

import { largestPower } from "./plane.js";

/** @import { Symmetric } from "./plane.js" */

/**
 * BFGS update of an inverse H, as a correction of rank two: H⁺ = H + s wᵀ + w sᵀ. Where that is not
 * finite H stays as it is; gives whether it changed.
 *
 * @param {Symmetric} H
 * @param {number} s1
 * @param {number} s2
 * @param {number} Hy1 of H y
 * @param {number} Hy2
 * @param {number} sy
 * @param {number} yHy
 */
export function bfgsUpdate(H, s1, s2, Hy1, Hy2, sy, yHy) {
  const rho = 1 / sy;
  const half = 0.5 * (1 + rho * yHy);
  const w1 = rho * (half * s1 - Hy1);
  const w2 = rho * (half * s2 - Hy2);
  const largest = Math.max(Math.abs(s1), Math.abs(s2)) * Math.max(Math.abs(w1), Math.abs(w2));
  if (!(2 * largest < Infinity)) return false; // of s wᵀ: finite, then so is all of H⁺
  H.h11 += 2 * (s1 * w1);
  H.h12 += s1 * w2 + w1 * s2;
  H.h22 += 2 * (s2 * w2);
  return true;
}

/**
 * Whether a pair must not be used: sᵀy ≤ 10⁻⁴ sᵀs·scale, or not finite (MATH §3).
 *
 * @param {number} sy
 * @param {number} ss
 * @param {number} scale
 * @param {boolean} usable
 */
export function skip(sy, ss, scale, usable) {
  // an sᵀs that is not finite fails the second comparison, and a NaN all of them
  return !(usable && sy > 0 && sy > 1e-4 * ss * scale && sy < Infinity);
}

/**
 * The first scale sᵀy / yᵀy of an inverse, for y of any size that numbers have.
 *
 * @param {number} s1
 * @param {number} s2
 * @param {number} y1
 * @param {number} y2
 */
export function quotient(s1, s2, y1, y2) {
  const m = largestPower(y1, y2);
  const u1 = y1 / m;
  const u2 = y2 / m;
  return (s1 * u1 + s2 * u2) / (u1 * u1 + u2 * u2) / m;
}
