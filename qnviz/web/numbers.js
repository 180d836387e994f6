// Numbers as they are written, and the steps between ticks. Nothing here knows of a page.

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

const [SMALL, LARGE] = [1e-3, 1e5]; // below and from here on a power of ten is easier to read

/**
 * A number as `say` of qnviz/numbers.py writes it: 0.0119, 12.4, 1,240, 3.2e−5.
 *
 * @param {number} value
 * @param {number} [digits] 2 … 5
 * @returns {string}
 */
export function say(value, digits = 3) {
  if (Number.isNaN(value)) return "undefined";
  const [size, sign] = [Math.abs(value), value < 0 ? "−" : ""];
  if (size === 0) return "0";
  if (size === Infinity) return `${sign}∞`;
  const short = size.toExponential(digits - 2);
  if (size >= LARGE || (size < SMALL && !short.endsWith("e-3"))) {
    return sign + short.replace("e+", "e").replace("-", "−");
  }
  const rounded = Number(size.toPrecision(digits));
  if (rounded < 10 ** digits) return sign + String(rounded);
  const whole = Math.round(size);
  if (whole >= LARGE) return say(value < 0 ? -whole : whole, digits);
  return sign + String(whole).replace(/\B(?=(\d{3})+$)/g, ",");
}

/**
 * A number in a table or a note; – where there is none.
 *
 * @param {number | null | undefined} value
 */
export const cell = (value) => (value == null || Number.isNaN(value) ? "–" : say(value));

/**
 * As `round_up` of qnviz/numbers.py: the least of 1, 2, 5, 10, 20, … that reaches `value` > 0.
 *
 * @param {number} value
 */
export function roundUp(value) {
  const power = Math.floor(Math.log10(value));
  const marks = [power, power + 1].flatMap((p) => [1, 2, 5].map((step) => Number(`${step}e${p}`)));
  return marks.find((mark) => mark >= (1 - 1e-9) * value) ?? value;
}
