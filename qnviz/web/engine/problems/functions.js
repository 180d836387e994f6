// What a typed function may be made of: each function with value, slope and curvature, as
// qnviz/problems/typed/ops.py has them. Slopes and curvatures get x and a = φ(x).

import { EngineError } from "../errors.js";

/**
 * @typedef {object} Phi
 * @property {(x: number) => number} value
 * @property {(x: number, a: number) => number} slope
 * @property {(x: number, a: number) => number} curve
 */

/** @param {number} x */
function sigmoid(x) {
  const e = Math.exp(-Math.abs(x));
  return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}

/** @param {number} x */
const beside = (x) => Math.sqrt((1 - x) * (1 + x)); // √(1 − x²), without a difference of squares

/** @type {Record<string, Phi>} */
const FUNCTIONS = {
  sin: { value: Math.sin, slope: (x) => Math.cos(x), curve: (_, a) => -a },
  cos: { value: Math.cos, slope: (x) => -Math.sin(x), curve: (_, a) => -a },
  tan: { value: Math.tan, slope: (_, a) => 1 + a * a, curve: (_, a) => 2 * a * (1 + a * a) },
  asin: {
    value: Math.asin,
    slope: (x) => 1 / beside(x),
    curve: (x) => x / beside(x) ** 3,
  },
  acos: {
    value: Math.acos,
    slope: (x) => -1 / beside(x),
    curve: (x) => -x / beside(x) ** 3,
  },
  atan: {
    value: Math.atan,
    slope: (x) => 1 / (1 + x * x),
    curve: (x) => (-2 * x) / (1 + x * x) ** 2,
  },
  exp: { value: Math.exp, slope: (_, a) => a, curve: (_, a) => a },
  log: { value: Math.log, slope: (x) => 1 / x, curve: (x) => -1 / (x * x) },
  sqrt: { value: Math.sqrt, slope: (_, a) => 0.5 / a, curve: (x, a) => -0.25 / (a * x) },
  cbrt: oddPower(1 / 3),
  sinh: { value: Math.sinh, slope: (x) => Math.cosh(x), curve: (_, a) => a },
  cosh: { value: Math.cosh, slope: (x) => Math.sinh(x), curve: (_, a) => a },
  tanh: {
    value: Math.tanh,
    slope: (_, a) => 1 - a * a,
    curve: (_, a) => -2 * a * (1 - a * a),
  },
  sigmoid: {
    value: sigmoid,
    slope: (_, a) => a * (1 - a),
    curve: (_, a) => a * (1 - a) * (1 - 2 * a),
  },
  softplus: {
    value: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
    slope: (x) => sigmoid(x),
    curve: (x) => sigmoid(x) * (1 - sigmoid(x)),
  },
  reciprocal: {
    value: (x) => 1 / x,
    slope: (_, a) => -a * a,
    curve: (_, a) => 2 * a * a * a,
  },
};

/**
 * xᵖ for x ≥ 0, times a factor. At 0 it is 0 for p > 0, its slope for p > 1 and its curvature for p ≥ 2.
 *
 * @param {number} p
 * @returns {Phi}
 */
function power(p) {
  /** @param {number} x @param {number} times @param {number} q */
  const raised = (x, times, q) => (x < 0 ? NaN : times ? times * x ** q : 0 * x);
  return {
    value: (x) => raised(x, 1, p),
    slope: (x) => raised(x, p, p - 1),
    curve: (x) => raised(x, p * (p - 1), p - 2),
  };
}

/**
 * |x|ᵖ for p > 1: what (x²)^{p/2} is, without an end at 0.
 *
 * @param {number} p
 * @returns {Phi}
 */
function evenPower(p) {
  return {
    value: (x) => Math.abs(x) ** p,
    slope: (x) => p * Math.sign(x) * Math.abs(x) ** (p - 1),
    curve: (x) => p * (p - 1) * Math.abs(x) ** (p - 2),
  };
}

/**
 * sign(x) |x|ᵖ for p > 0: what roots of odd order are, and their powers.
 *
 * @param {number} p
 * @returns {Phi}
 */
function oddPower(p) {
  return {
    value: (x) => Math.sign(x) * Math.abs(x) ** p,
    slope: (x) => p * Math.abs(x) ** (p - 1),
    curve: (x) => {
      if (p === 2 && x === 0) return NaN; // x|x| has two
      return p * (p - 1) * Math.sign(x) * Math.abs(x) ** (p - 2);
    },
  };
}

/** @type {Record<string, (p: number) => Phi>} */
const POWERS = { power, even_power: evenPower, odd_power: oddPower };

/**
 * The function of a step: by its name, and of a power by its exponent.
 *
 * @param {string} op
 * @param {number} exponent
 */
export function functionOf(op, exponent) {
  if (Object.hasOwn(POWERS, op)) return POWERS[op](exponent);
  if (Object.hasOwn(FUNCTIONS, op)) return FUNCTIONS[op];
  throw new EngineError(`The engine does not know the operation ${op}.`);
}
