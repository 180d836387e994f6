// What LAPACK does with matrices of two rows and columns, rounded as there: qnviz/problems/lapack.py.

import { largestPower } from "./plane.js";

/** Eigenvalues and eigenvectors of a symmetric matrix, as `dsteqr` and `dlaev2` find them. */
export class Eigen {
  low = NaN; // belongs to (−s, c)
  high = NaN; // belongs to (c, s)
  c = NaN;
  s = NaN;
  // a solution, where one was asked for
  x1 = NaN;
  x2 = NaN;

  /**
   * Decompose a matrix; all is NaN where an entry is not finite.
   *
   * @param {number} h11
   * @param {number} h12
   * @param {number} h22
   */
  of(h11, h12, h22) {
    if (h11 - h11 !== 0 || h12 - h12 !== 0 || h22 - h22 !== 0)
      this.low = this.high = this.c = this.s = NaN;
    else {
      const m = largestPower(Math.max(Math.abs(h11), Math.abs(h22)), h12);
      this.decompose(h11 / m, h12 / m, h22 / m);
      this.low *= m;
      this.high *= m;
    }
    return this;
  }

  /**
   * @param {number} a
   * @param {number} b
   * @param {number} d
   */
  decompose(a, b, d) {
    const [sum, apart, twice] = [a + d, a - d, 2 * b];
    const [A, B] = [Math.abs(apart), Math.abs(twice)];
    const root =
      A > B
        ? A * Math.sqrt(1 + (B / A) * (B / A))
        : A < B
          ? B * Math.sqrt(1 + (A / B) * (A / B))
          : B * Math.SQRT2;
    const [most, least] = Math.abs(a) > Math.abs(d) ? [a, d] : [d, a];
    // the larger in size, and det H divided by it
    const large = 0.5 * (sum < 0 ? sum - root : sum + root);
    const small = sum === 0 ? -large : (most / large) * least - (b / large) * b;
    const across = apart + (apart < 0 ? -root : root);
    let c = 1;
    let s = 0;
    if (Math.abs(across) > B) {
      const t = -twice / across;
      s = 1 / Math.sqrt(1 + t * t);
      c = t * s;
    } else if (B > 0) {
      const t = -across / twice;
      c = 1 / Math.sqrt(1 + t * t);
      s = t * c;
    }
    if (sum < 0 === apart < 0) [c, s] = [-s, c];
    const up = large >= small; // whether (c, s), which belongs to `large`, belongs to the upper
    this.low = up ? small : large;
    this.high = up ? large : small;
    this.c = up ? c : -s;
    this.s = up ? s : c;
  }

  /**
   * Q diag(1 / (low, high)) Qᵀ g, to `x1` and `x2`.
   *
   * @param {number} low the divisor in place of that eigenvalue
   * @param {number} high
   * @param {number} g1
   * @param {number} g2
   */
  divide(low, high, g1, g2) {
    const { c, s } = this;
    const a = (c * g2 - s * g1) / low;
    const b = (c * g1 + s * g2) / high;
    this.x1 = b * c - a * s;
    this.x2 = a * c + b * s;
  }

  /**
   * M⁺ b for the M decomposed, to `x1` and `x2`; eigenvalues below 2 ε λ_max count as zero, as in
   * qnviz/curvature/spectrum.py.
   *
   * @param {number} b1
   * @param {number} b2
   */
  pseudoSolve(b1, b2) {
    const { low, high, c, s } = this;
    const floor = 2 * Number.EPSILON * Math.abs(high);
    const a = (low > floor ? 1 / low : 0) * (c * b2 - s * b1);
    const b = (high > floor ? 1 / high : 0) * (c * b1 + s * b2);
    this.x1 = b * c - a * s;
    this.x2 = a * c + b * s;
  }
}

/** Solutions of A x = b by elimination with partial pivoting, as `dgesv` finds them. */
export class Solver {
  x1 = NaN;
  x2 = NaN;

  /**
   * x = A⁻¹ b for a symmetric A, to `x1` and `x2`; NaN where A is singular.
   *
   * @param {number} a11
   * @param {number} a12
   * @param {number} a22
   * @param {number} b1
   * @param {number} b2
   */
  solve(a11, a12, a22, b1, b2) {
    const swap = Math.abs(a12) > Math.abs(a11);
    const [p, q, s] = swap ? [a12, a22, a12] : [a11, a12, a22];
    const l = swap ? a11 / p : a12 / p;
    const pivot = s - l * q;
    const [u, v] = swap ? [b2, b1] : [b1, b2];
    if (p === 0 || pivot === 0) this.x1 = this.x2 = NaN;
    else {
      this.x2 = (v - l * u) * (1 / pivot);
      this.x1 = (u - q * this.x2) * (1 / p);
    }
    return this;
  }
}
