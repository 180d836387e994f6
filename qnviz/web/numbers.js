// Numbers as they are written, and the steps between ticks. Nothing here knows of a page.

/**
 * A number as people write it: 3.2e-5, 0.031, 12.4.
 *
 * @param {number | null | undefined} value
 */
export function formatNumber(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "-∞";
  const size = Math.abs(value);
  if (size > 0 && (size < 1e-3 || size >= 1e5)) {
    return value.toExponential(1).replace(".0e", "e").replace("e+", "e");
  }
  if (size >= 100) return String(Math.round(value));
  return String(Number(value.toPrecision(size < 1 ? 2 : 3)));
}

/**
 * A value with so many significant digits, as a number.
 *
 * @param {number} value
 * @param {number} digits
 */
export const significant = (value, digits) => Number(value.toPrecision(digits));

/**
 * The value within its bounds that is nearest.
 *
 * @param {number} value
 * @param {number} low
 * @param {number} high
 */
export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/**
 * A number as qnviz.numbers.say writes it: 3.2e−5, 0.031, 12.4, 1,240.
 *
 * @param {number} value
 */
export function say(value) {
  if (Number.isNaN(value)) return "undefined";
  if (value === 0) return "0";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  let text;
  if (size >= 1e5 || size < 1e-3) text = value.toExponential(1).replace("e+", "e");
  else if (size < 999.5) text = String(Number(value.toPrecision(3)));
  else text = Math.round(value).toLocaleString("en-US");
  return text.replaceAll("-", "−");
}

/**
 * 1, 2 or 5 times a power of ten, near to `value` from above.
 *
 * @param {number} value
 */
export function niceStep(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 5].find((m) => m * power >= value * 0.999) ?? 10);
}
