// Double damping of a secant pair (s, y), and what it guarantees [Goldfarb, Ren, Bahamou 2020].
//
//     1.  Powell's damping, on H:   if sᵀy < μ₁ yᵀHy:   θ₁ = (1−μ₁) yᵀHy / (yᵀHy − sᵀy)
//                                   s̃ = θ₁ s + (1−θ₁) H y
//     2.  damping with B = I:       if s̃ᵀy < μ₂ s̃ᵀs̃:   θ₂ = (1−μ₂) s̃ᵀs̃ / (s̃ᵀs̃ − s̃ᵀy)
//                                   ỹ = θ₂ y + (1−θ₂) s̃
//
// The twin of qnviz/curvature/double_damping.py; the formulas are in docs/MATH.md, §2.

import { lerp } from "./plane.js";

/** @import { Symmetric } from "./plane.js" */

/** @typedef {"double" | "powell" | "none"} Damping */

/** The damped pair and the numbers that show what damping did. */
export class DampedPair {
  s1 = 0; // s̃
  s2 = 0;
  y1 = 0; // ỹ
  y2 = 0;
  Hy1 = 0; // H ỹ
  Hy2 = 0;
  theta1 = 1; // 1 where step 1 did not act
  theta2 = 1;
  ratio1_before = NaN; // sᵀy / yᵀHy, to be ≥ μ₁
  ratio1_after = NaN;
  ratio2_before = NaN; // s̃ᵀy / s̃ᵀs̃, to be ≥ μ₂
  ratio2_after = NaN;
  sy = 0; // s̃ᵀỹ
  ss = 0; // s̃ᵀs̃
  c1 = NaN; // ỹᵀHỹ / s̃ᵀỹ
  c2 = NaN; // s̃ᵀs̃ / s̃ᵀỹ
  usable = false; // false where s = 0 or yᵀHy = 0: nothing can be learned from the pair

  /**
   * Damp (s, y) against H.
   *
   * @param {number} s1
   * @param {number} s2
   * @param {number} y1
   * @param {number} y2
   * @param {Symmetric} H
   * @param {number} mu1
   * @param {number} mu2
   * @param {Damping} damping
   */
  damp(s1, s2, y1, y2, H, mu1, mu2, damping) {
    let Hy1 = H.times1(y1, y2);
    let Hy2 = H.times2(y1, y2);
    const sy = 0 + s1 * y1 + s2 * y2; // from 0, as torch sums: never −0
    const yHy = 0 + y1 * Hy1 + y2 * Hy2;
    this.usable = s1 * s1 + s2 * s2 > 0 && yHy > 0 && yHy < Infinity && Math.abs(sy) < Infinity;
    this.theta1 = 1;
    if (damping !== "none" && this.usable && sy < mu1 * yHy) {
      this.theta1 = ((1 - mu1) * yHy) / (yHy - sy);
      s1 = lerp(Hy1, s1, this.theta1);
      s2 = lerp(Hy2, s2, this.theta1);
    }
    const s_ty = 0 + s1 * y1 + s2 * y2;
    const ss = s1 * s1 + s2 * s2;
    this.theta2 = 1;
    if (damping === "double" && this.usable && s_ty < mu2 * ss) {
      this.theta2 = ((1 - mu2) * ss) / (ss - s_ty);
      y1 = lerp(s1, y1, this.theta2);
      y2 = lerp(s2, y2, this.theta2);
      Hy1 = H.times1(y1, y2);
      Hy2 = H.times2(y1, y2);
    }
    this.ratio1_before = sy / yHy;
    this.ratio1_after = s_ty / yHy;
    this.ratio2_before = s_ty / ss;
    this.sy = 0 + s1 * y1 + s2 * y2;
    this.ratio2_after = this.sy / ss;
    this.ss = ss;
    this.c1 = (0 + y1 * Hy1 + y2 * Hy2) / this.sy;
    this.c2 = ss / this.sy;
    this.s1 = s1;
    this.s2 = s2;
    this.y1 = y1;
    this.y2 = y2;
    this.Hy1 = Hy1;
    this.Hy2 = Hy2;
  }
}

/**
 * The least eigenvalue that H⁺ may have, from H's and the update's c₁.
 *
 * @param {number} low
 * @param {number} c1
 */
export const lowerBound = (low, c1) => low / (1 + c1);

/**
 * The greatest one, from H's and the update's c₁ and c₂.
 *
 * @param {number} high
 * @param {number} c1
 * @param {number} c2
 */
export const upperBound = (high, c1, c2) => (Math.sqrt(high) + Math.sqrt(c1 * c2)) ** 2 + c2;

/**
 * The least upper bound of c₁ over all pairs after damping, given λ_max(H) = high (MATH §2).
 *
 * @param {number} high
 * @param {number} mu1
 * @param {number} mu2
 * @param {Damping} damping
 */
export function worstC1(high, mu1, mu2, damping) {
  if (damping === "none") return Infinity;
  const [powell, near, far] = [1 / mu1, 1 - mu2, 1 + mu2];
  if (damping === "powell" || !(4 * mu2 * high > far ** 2 * powell)) return powell;
  // a² − b² over a + b, as a − b cancels for small μ₂
  const root =
    (4 * mu2 * high + near ** 2 * powell) /
    (far * Math.sqrt(high) + near * Math.sqrt(Math.max(high - powell, 0)));
  return root ** 2 / (4 * mu2);
}

/**
 * That of c₂: nothing bounds it but step 2.
 *
 * @param {number} mu2
 * @param {Damping} damping
 */
export const worstC2 = (mu2, damping) => (damping === "double" ? 1 / mu2 : Infinity);
