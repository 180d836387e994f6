// Vectors and symmetric matrices of the plane, rounded as in Python: qnviz/problems/norms.py,
// qnviz/curvature/spectrum.py. Numbers go in and out one by one, so that nothing is allocated.

const TINY = 1e-290;
const HUGE = 1e290;

const double = new Float64Array(1);
const halves = new Uint32Array(double.buffer); // little-endian, as on every machine with a browser

/**
 * The largest power of two that is at most max(|a|, |b|); 1 where that is 0 or not finite.
 *
 * @param {number} a
 * @param {number} b
 */
export function largestPower(a, b) {
  const most = Math.max(Math.abs(a), Math.abs(b));
  if (!(most > 0) || most === Infinity) return 1;
  const small = most < 1e-300; // maybe denormal: its exponent says nothing
  double[0] = small ? most * 2 ** 64 : most;
  halves[0] = 0;
  halves[1] &= 0x7ff00000;
  return small ? double[0] * 2 ** -64 : double[0];
}

/**
 * ‖(a, b)‖, without overflow or underflow on the way.
 *
 * @param {number} a
 * @param {number} b
 */
export function norm(a, b) {
  const square = a * a + b * b;
  if (square > TINY && square < HUGE) return Math.sqrt(square);
  const m = largestPower(a, b);
  const [p, q] = [a / m, b / m];
  return Math.sqrt(p * p + q * q) * m;
}

/**
 * (1 − t) a + t b, exact at both ends: torch.lerp.
 *
 * @param {number} a
 * @param {number} b
 * @param {number} t
 */
export function lerp(a, b, t) {
  return t < 0.5 ? a + t * (b - a) : b - (1 - t) * (b - a);
}

/** A symmetric matrix, and its eigenvalues where they were asked for. */
export class Symmetric {
  h11 = 1;
  h12 = 0;
  h22 = 1;
  low = 1;
  high = 1;

  /**
   * @param {number} h11
   * @param {number} h12
   * @param {number} h22
   */
  set(h11, h12, h22) {
    this.h11 = h11;
    this.h12 = h12;
    this.h22 = h22;
    return this;
  }

  /**
   * Find both eigenvalues, low and high: m ± r, of which the smaller in size is det H / the other. The
   * determinant is that of the entries, without rounding, so that both have the signs of H's.
   */
  extremes() {
    const { h11: a, h12: b, h22: d } = this;
    const middle = 0.5 * (a + d);
    const radius = Math.hypot(0.5 * (a - d), b);
    const large = middle + (middle < 0 || Object.is(middle, -0) ? -radius : radius);
    const power = 0.5 / largestPower(large, 0);
    const mantissa = large * power;
    const small = large === 0 ? 0 : difference(a * power, d, b * power, b) / mantissa;
    const finite = a - a === 0 && b - b === 0 && d - d === 0;
    this.low = finite ? Math.min(small, large) : NaN;
    this.high = finite ? Math.max(small, large) : NaN;
    return this;
  }
}

/**
 * ab − cd to about one rounding of itself, by exact products [Dekker 1971].
 *
 * @param {number} a
 * @param {number} b
 * @param {number} c
 * @param {number} d
 */
function difference(a, b, c, d) {
  const [p, q] = [a * b, c * d];
  const exact = p - q + (roundedOff(a, b, p) - roundedOff(c, d, q));
  return exact - exact === 0 ? exact : p - q; // beyond 1e300 halves overflow
}

/**
 * What a product ab has lost.
 *
 * @param {number} a
 * @param {number} b
 * @param {number} product
 */
function roundedOff(a, b, product) {
  const [s, t] = [134217729 * a, 134217729 * b];
  const a1 = s - (s - a);
  const b1 = t - (t - b);
  const [a2, b2] = [a - a1, b - b1];
  return a1 * b1 - product + a1 * b2 + a2 * b1 + a2 * b2;
}
