// L-BFGS in the plane: the twin of CompactLBFGS in qnviz/curvature/secant.py.
//
//     H⁺ = P H Pᵀ + ρ s sᵀ,   P = I − ρ s yᵀ,   ρ = 1/sᵀy
//
// In the plane Ps = 0 and yᵀP = 0 leave P = ρ r tᵀ with t = (s₂, −s₁), r = (y₂, −y₁). So of all that was
// there before a pair one number remains, κ² = tᵀHt / ‖s‖², and H is a sum of squares, as is κ²:
//
//     H⁺ = a aᵀ + b bᵀ,   a = √ρ s,   b = ρ ‖s‖ κ r,        det H⁺ = ρ ‖s‖² κ²
//     of the next pair κ² = (tᵀa)² / ‖s‖² + (tᵀb)² / ‖s‖²,    of the first κ² = γ from H₀ = γ I

import { EngineError } from "./errors.js";
import { difference, largestPower, norm, Symmetric } from "./plane.js";

const LARGEST_MEMORY = 200; // as the method's field allows

/** H = a aᵀ + b bᵀ, whose small eigenvalue is as exact as its large one. */
class Squares extends Symmetric {
  a1 = 1;
  a2 = 0;
  b1 = 0;
  b2 = 1;
  root = 1; // of the determinant

  /**
   * H = γ I.
   *
   * @param {number} gamma
   */
  scale(gamma) {
    this.a1 = this.b2 = Math.sqrt(gamma);
    this.a2 = this.b1 = 0;
    this.root = gamma;
    this.set(gamma, 0, gamma);
  }

  /**
   * H after a pair.
   *
   * @param {number} s1
   * @param {number} s2
   * @param {number} y1
   * @param {number} y2
   * @param {number} sy
   * @param {number} kappa of H before it
   */
  after(s1, s2, y1, y2, sy, kappa) {
    const root = Math.sqrt(sy);
    const share = (norm(s1, s2) / sy) * kappa;
    const a1 = s1 / root;
    const a2 = s2 / root;
    const b1 = share * y2;
    const b2 = -share * y1;
    this.a1 = a1;
    this.a2 = a2;
    this.b1 = b1;
    this.b2 = b2;
    this.root = share * root;
    this.set(a1 * a1 + b1 * b1, a1 * a2 + b1 * b2, a2 * a2 + b2 * b2);
  }

  /**
   * @param {number} v1
   * @param {number} v2
   */
  times1(v1, v2) {
    return this.a1 * (this.a1 * v1 + this.a2 * v2) + this.b1 * (this.b1 * v1 + this.b2 * v2);
  }

  /**
   * @param {number} v1
   * @param {number} v2
   */
  times2(v1, v2) {
    return this.a2 * (this.a1 * v1 + this.a2 * v2) + this.b2 * (this.b1 * v1 + this.b2 * v2);
  }

  /**
   * vᵀHv, never negative.
   *
   * @param {number} v1
   * @param {number} v2
   */
  squared(v1, v2) {
    const a = this.a1 * v1 + this.a2 * v2;
    const b = this.b1 * v1 + this.b2 * v2;
    return a * a + b * b;
  }

  /** Find both eigenvalues, low and high: m + r, and det H over that. */
  extremes() {
    const { h11, h12, h22, root } = this;
    const large = 0.5 * (h11 + h22) + norm(0.5 * (h11 - h22), h12);
    this.low = Math.min((root / large) * root, large);
    this.high = large;
    return this;
  }
}

/** The last p pairs, sᵀy > 0 each, and the H that they define. */
export class CompactLBFGS extends Squares {
  memory = 0; // p
  count = 0; // pairs that are there
  oldest = 0; // its place
  gamma = 1;
  before = 1; // κ² of the last pair but one
  /** What the newest pair was applied to, once the oldest had been forgotten. */
  base = new Squares();
  s1 = new Float64Array(0);
  s2 = new Float64Array(0);
  y1 = new Float64Array(0);
  y2 = new Float64Array(0);
  sy = new Float64Array(0);
  // κ² = kept + passed · κ² of the pair before
  kept = new Float64Array(0);
  passed = new Float64Array(0);

  /** @param {number} memory how many pairs are remembered */
  remember(memory) {
    if (memory === this.memory) return;
    if (!(Number.isInteger(memory) && memory > 0 && memory <= LARGEST_MEMORY)) {
      throw new EngineError(`memory must be a whole number from 1 to ${LARGEST_MEMORY}.`);
    }
    this.memory = memory;
    this.s1 = new Float64Array(memory);
    this.s2 = new Float64Array(memory);
    this.y1 = new Float64Array(memory);
    this.y2 = new Float64Array(memory);
    this.sy = new Float64Array(memory);
    this.kept = new Float64Array(memory);
    this.passed = new Float64Array(memory);
    this.clear();
  }

  /** No pairs: H = I. */
  clear() {
    this.count = 0;
    this.oldest = 0;
    this.gamma = 1;
    this.form();
  }

  /** Whether the next pair drives one out. */
  get full() {
    return this.count === this.memory;
  }

  /** The place of the newest pair. */
  get newest() {
    return (this.oldest + this.count - 1) % this.memory;
  }

  /**
   * Append a pair, and forget the oldest where there is no room; `form` then makes H.
   *
   * @param {number} s1
   * @param {number} s2
   * @param {number} y1
   * @param {number} y2
   * @param {number} sy
   */
  push(s1, s2, y1, y2, sy) {
    const last = this.count ? this.newest : -1;
    if (this.full) this.oldest = (this.oldest + 1) % this.memory;
    else this.count += 1;
    const i = this.newest;
    if (last >= 0) this.link(last, i, s1, s2);
    this.s1[i] = s1;
    this.s2[i] = s2;
    this.y1[i] = y1;
    this.y2[i] = y2;
    this.sy[i] = sy;
  }

  /**
   * What κ² at a new pair is, from κ² at the one before.
   *
   * @param {number} last
   * @param {number} i the place of the new one
   * @param {number} s1
   * @param {number} s2
   */
  link(last, i, s1, s2) {
    const p1 = this.s1[last];
    const p2 = this.s2[last];
    const sy = this.sy[last];
    const unit = largestPower(s1, s2);
    const u1 = s1 / unit;
    const u2 = s2 / unit;
    const long = norm(u1, u2);
    const across = difference(u2, p1, u1, p2) / long;
    const along = ((u1 * this.y1[last] + u2 * this.y2[last]) / long) * (norm(p1, p2) / sy);
    this.kept[i] = (across * across) / sy;
    this.passed[i] = along * along;
  }

  /** Make H of the pairs and γ. */
  form() {
    const { count, memory, oldest, gamma, kept, passed } = this;
    if (count === 0) {
      this.scale(gamma);
      return;
    }
    let square = gamma; // κ² of the oldest pair, then of the others
    let before = gamma;
    for (let j = 1; j < count; j++) {
      const i = (oldest + j) % memory;
      before = square;
      square = kept[i] + passed[i] * square;
    }
    this.before = before;
    this.become(this, count - 1, square);
  }

  /** Make `base`; `form` has been called. */
  formBase() {
    const { base, count, gamma } = this;
    if (count < 2) base.scale(gamma);
    else this.become(base, count - 2, this.before);
    return base;
  }

  /**
   * @param {Squares} H what is to be
   * @param {number} j H after which pair
   * @param {number} square κ² of that pair
   */
  become(H, j, square) {
    const i = (this.oldest + j) % this.memory;
    H.after(this.s1[i], this.s2[i], this.y1[i], this.y2[i], this.sy[i], Math.sqrt(square));
  }
}
