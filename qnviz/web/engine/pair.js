// One quasi-Newton update in the plane: double damping, BFGS and both bounds (MATH §2).
//
// Pure functions of numbers. Vectors are [x, y], a symmetric H is [h11, h12, h22]. The fields are
// named as in qnviz/curvature/pair.py, which a test compares with this file.

/**
 * @typedef {[x: number, y: number]} Vector
 * @typedef {[h11: number, h12: number, h22: number]} Matrix symmetric
 * @typedef {{ low: number, high: number }} Range of eigenvalues
 * @typedef {"none" | "powell" | "double"} Damping
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
  /** @param {number} p @param {number} q */
  const one = (p, q) => (t < 0.5 ? p + t * (q - p) : q - (1 - t) * (q - p));
  return [one(a[0], b[0]), one(a[1], b[1])];
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
 * The damped pair, and the numbers that say what damping did.
 *
 * @param {Matrix} H
 * @param {Vector} s
 * @param {Vector} y
 * @param {number} mu1
 * @param {number} mu2
 * @param {Damping} damping
 */
function damp(H, s, y, mu1, mu2, damping) {
  const Hy = times(H, y);
  const [before, yHy] = [dot(s, y), dot(y, Hy)];
  const usable = dot(s, s) > 0 && yHy > 0 && yHy < Infinity && Math.abs(before) < Infinity;
  let [theta1, theta2] = [1, 1];
  let [st, yt, Hyt] = [s, y, Hy];
  if (damping !== "none" && usable && before < mu1 * yHy) {
    theta1 = ((1 - mu1) * yHy) / (yHy - before);
    st = mix(Hy, s, theta1);
  }
  const [sty, ss] = [dot(st, y), dot(st, st)];
  if (damping === "double" && usable && sty < mu2 * ss) {
    theta2 = ((1 - mu2) * ss) / (ss - sty);
    yt = mix(st, y, theta2);
    Hyt = times(H, yt);
  }
  const sy = dot(st, yt);
  return {
    s: st,
    y: yt,
    Hy: Hyt,
    theta1,
    theta2,
    sy,
    ss,
    usable,
    ratio1_before: before / yHy,
    ratio1_after: sty / yHy,
    ratio2_before: sty / ss,
    ratio2_after: sy / ss,
    c1: dot(yt, Hyt) / sy,
    c2: ss / sy,
  };
}

/**
 * H⁺ = H + s wᵀ + w sᵀ with w = ρ(½(1 + ρ yᵀHy) s − Hy); null where that is not finite.
 *
 * @param {Matrix} H
 * @param {DampedPair} pair
 */
function bfgs(H, { s, y, Hy, sy }) {
  const rho = 1 / sy;
  const half = 0.5 * (1 + rho * dot(y, Hy));
  const w = [rho * (half * s[0] - Hy[0]), rho * (half * s[1] - Hy[1])];
  /** @type {Matrix} */
  const H_new = [
    H[0] + 2 * s[0] * w[0],
    H[1] + (s[0] * w[1] + w[0] * s[1]),
    H[2] + 2 * s[1] * w[1],
  ];
  return H_new.every(Number.isFinite) ? H_new : null;
}

/**
 * The least and greatest eigenvalue that H⁺ may have.
 *
 * @param {Range} spectrum of H
 * @param {number} c1 yᵀHy / sᵀy of the damped pair, or its bound
 * @param {number} c2 sᵀs / sᵀy of the damped pair, or its bound
 */
function bounds({ low, high }, c1, c2) {
  return [low / (1 + c1), (Math.sqrt(high) + Math.sqrt(c1 * c2)) ** 2 + c2];
}

/**
 * The least upper bounds of c₁ and c₂ over all pairs after damping (MATH §2).
 *
 * @param {number} high H's largest eigenvalue
 * @param {number} mu1
 * @param {number} mu2
 * @param {Damping} damping
 * @returns {[c1: number, c2: number]}
 */
function worstCase(high, mu1, mu2, damping) {
  if (damping === "none") return [Infinity, Infinity];
  if (damping === "powell") return [1 / mu1, Infinity];
  const [powell, near, far] = [1 / mu1, 1 - mu2, 1 + mu2];
  if (4 * mu2 * high <= far * far * powell) return [powell, 1 / mu2];
  // a² − b² over a + b, as a − b cancels for small μ₂
  const root =
    (4 * mu2 * high + near * near * powell) /
    (far * Math.sqrt(high) + near * Math.sqrt(Math.max(high - powell, 0)));
  return [(root * root) / (4 * mu2), 1 / mu2];
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
  const [pair_low, pair_high] = bounded ? bounds(before, pair.c1, pair.c2) : [NaN, NaN];
  const [c1, c2] = worstCase(before.high, mu1, mu2, damping);
  const [apriori_low, apriori_high] = bounds(before, c1, c2);
  return {
    pair,
    H: H_new ?? H,
    changed: H_new !== null,
    low,
    high,
    pair_low,
    pair_high,
    apriori_low,
    apriori_high,
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
