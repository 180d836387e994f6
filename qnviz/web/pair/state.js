// What the drag view shows, from a payload and back.

import { spectrum } from "../engine/pair.js";

/** @import { Matrix } from "../engine/pair.js" */
/** @import { Given, State, Values } from "./payload.d.ts" */

/** A state before anything was shown. */
export const UNKNOWN = stateFrom({ H: [NaN, 0, 0], s: [0, 0], y: [0, 0], mu1: NaN, mu2: NaN });

/**
 * What is reported and compared: every number with 6 significant digits.
 *
 * @template {Given | Values} T
 * @param {T} values
 * @returns {Pick<T, "H" | "s" | "y" | "mu1" | "mu2">}
 */
export function rounded({ H, s, y, mu1, mu2 }) {
  /** @type {(v: any) => any} */
  const six = (v) =>
    Array.isArray(v) ? v.map(six) : v === null ? null : Number(Number(v).toPrecision(6));
  return { H: six(H), s: six(s), y: six(y), mu1: six(mu1), mu2: six(mu2) };
}

/**
 * A state from a payload; what JSON could not say (null) becomes NaN.
 *
 * @param {Given} values
 * @returns {State}
 */
export function stateFrom({ H, s, y, mu1, mu2 }) {
  const [h11, h12, h22] = numbers(H, 3);
  const [s1, s2] = numbers(s, 2);
  const [y1, y2] = numbers(y, 2);
  /** @type {Matrix} */
  const matrix = [h11, h12, h22];
  const [m1, m2] = [mu1 ?? NaN, mu2 ?? NaN];
  return { H: matrix, s: [s1, s2], y: [y1, y2], mu1: m1, mu2: m2, ...axesOf(matrix) };
}

/**
 * @param {(number | null)[]} values
 * @param {number} count
 */
function numbers(values, count) {
  if (!Array.isArray(values) || values.length !== count) {
    throw new Error("H needs 3 numbers, s and y need 2 each");
  }
  return values.map((v) => v ?? NaN);
}

/**
 * H's own axes; lengths stand in for those of a matrix that is not positive definite.
 *
 * @param {Matrix} H
 */
function axesOf(H) {
  const { low, high, angle } = spectrum(H.every(Number.isFinite) ? H : [1, 0, 1]);
  return { angle, first: Math.sqrt(Math.abs(high)), second: Math.sqrt(Math.abs(low)) };
}
