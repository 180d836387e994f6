// Vectors and symmetric matrices of the plane, rounded as in Python: qnviz/problems/norms.py,
// qnviz/curvature/spectrum.py. Numbers go in and out one by one, so that nothing is allocated.

const TINY = 1e-290;
const HUGE = 1e290;

const double = new Float64Array(1);
const halves = new Uint32Array(double.buffer); // little-endian, as on every machine with a browser

/** Powers of two by the exponent that a number holds in its bits; 1 for what is not finite. */
const POWERS = Float64Array.from({ length: 2048 }, (_, e) => (e < 2047 ? 2 ** (e - 1023) : 1));

/**
 * The largest power of two that is at most max(|a|, |b|); 1 where that is 0 or not finite.
 *
 * @param {number} a
 * @param {number} b
 */
export function largestPower(a, b) {
  const most = Math.max(Math.abs(a), Math.abs(b));
  double[0] = most;
  const exponent = (halves[1] >>> 20) & 0x7ff;
  if (exponent > 0) return POWERS[exponent];
  if (!(most > 0)) return 1;
  double[0] = most * 2 ** 64; // denormal: its exponent says nothing
  return POWERS[halves[1] >>> 20] * 2 ** -64;
}

/**
 * ‖(a, b)‖, without overflow or underflow on the way; b² is added to a² with one rounding, as processors
 * do it for torch.
 *
 * @param {number} a
 * @param {number} b
 */
export function norm(a, b) {
  const p = a * a;
  const q = b * b;
  const square = p + q;
  if (!(square > TINY && square < HUGE)) return scaledNorm(a, b);
  return Math.sqrt(square + (lost(p, q, square) + roundedOff(b, b, q)));
}

/**
 * @param {number} a
 * @param {number} b
 */
function scaledNorm(a, b) {
  const m = largestPower(a, b);
  const c = a / m;
  const d = b / m;
  return Math.sqrt(c * c + d * d) * m;
}

/**
 * √(a² + b²) to the last digit, as torch.hypot: Math.hypot may be wrong by one or two.
 *
 * @param {number} a
 * @param {number} b
 */
export function hypot(a, b) {
  const p = a * a;
  const q = b * b;
  const square = p + q;
  if (!(square > TINY && square < HUGE)) return Math.hypot(a, b);
  const root = Math.sqrt(square);
  const rest = lost(p, q, square) + roundedOff(a, a, p) + roundedOff(b, b, q);
  const back = root * root;
  return root + (square - back - roundedOff(root, root, back) + rest) / (2 * root);
}

/**
 * What a sum p + q has lost [Knuth 1969].
 *
 * @param {number} p
 * @param {number} q
 * @param {number} sum
 */
function lost(p, q, sum) {
  const of = sum - p;
  return p - (sum - of) + (q - of);
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
   * The first coordinate of Hv.
   *
   * @param {number} v1
   * @param {number} v2
   */
  times1(v1, v2) {
    return this.h11 * v1 + this.h12 * v2;
  }

  /**
   * The second one.
   *
   * @param {number} v1
   * @param {number} v2
   */
  times2(v1, v2) {
    return this.h12 * v1 + this.h22 * v2;
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
export function difference(a, b, c, d) {
  const p = a * b;
  const q = c * d;
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
  const s = 134217729 * a;
  const t = 134217729 * b;
  const a1 = s - (s - a);
  const b1 = t - (t - b);
  const a2 = a - a1;
  const b2 = b - b1;
  return a1 * b1 - product + a1 * b2 + a2 * b1 + a2 * b2;
}
