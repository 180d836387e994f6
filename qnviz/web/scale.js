// Where a value stands on a slider, and which value a key or a text means. Knows of no page.

import { clamp, say, significant } from "./numbers.js";

/** @import { NumberField } from "./player/payload.d.ts" */

/** How many places a slider has. */
export const PLACES = 300;
const TYPED = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const THOUSANDS = /^[+-]?\d{1,3}(,\d{3})+(\.\d*)?$/;

/**
 * The place of a value, 0 … PLACES.
 *
 * @param {NumberField} field
 * @param {number} value
 */
export function placeOf({ first, last, log }, value) {
  const share = log
    ? Math.log(value / first) / Math.log(last / first)
    : (value - first) / (last - first);
  return clamp(PLACES * share, 0, PLACES);
}

/**
 * The value of a place: two digits on a log scale, or a whole number of steps.
 *
 * @param {NumberField} field
 * @param {number} place
 */
export function valueAt(field, place) {
  const { first, last, log } = field;
  if (place <= 0) return first;
  if (place >= PLACES) return last;
  const share = place / PLACES;
  if (!log) return onGrid(field, first + share * (last - first), field.step);
  const value = first * (last / first) ** share;
  return onGrid(field, value, unitOf(value));
}

/**
 * What a key makes of a value, or null where it is no key of sliders. Arrows go to the next step,
 * on a log scale to the next of 1, 2, 5, 10, …; with Shift they go as finely as the pointer.
 *
 * @param {NumberField} field
 * @param {number} value
 * @param {string} key
 * @param {boolean} fine
 */
export function nudged(field, value, key, fine) {
  if (key === "Home") return field.first;
  if (key === "End") return field.last;
  const way = WAYS[key];
  if (!way) return null;
  const far = key.startsWith("Page");
  if (field.log) {
    if (far) return clamp(significant(value * 10 ** way, 12), field.first, field.last);
    if (!fine) return clamp(nextRound(value, way), field.first, field.last);
    const unit = unitOf(way > 0 ? value : value * (1 - 1e-9)); // finer below 1, 2, 10, 20, …
    return onGrid(field, value + way * unit, unit);
  }
  const finest = field.kind === "int" ? 1 : field.step / 10;
  const step = fine ? finest : field.step;
  const from = way > 0 ? Math.floor(value / step + 1e-9) : Math.ceil(value / step - 1e-9);
  return onGrid(field, (from + way * (far ? 10 : 1)) * step, step);
}

/** @type {Record<string, number>} */
const WAYS = {
  ArrowRight: 1,
  ArrowUp: 1,
  PageUp: 1,
  ArrowLeft: -1,
  ArrowDown: -1,
  PageDown: -1,
};

/**
 * A number as it is written beside a slider: in as few digits as tell it from others, up to five.
 *
 * @param {number} value
 */
export function written(value) {
  const exact = significant(value, 5);
  /** @param {number} digits */
  const reads = (digits) =>
    Number(say(value, digits).replaceAll("−", "-").replaceAll(",", "")) === exact;
  return say(value, [3, 4].find(reads) ?? 5);
}

/**
 * A typed number, or null where it is none or lies outside what the field allows.
 *
 * @param {NumberField} field
 * @param {string} text
 */
export function read(field, text) {
  let plain = text.trim().replaceAll("−", "-");
  if (THOUSANDS.test(plain)) plain = plain.replaceAll(",", "");
  if (!TYPED.test(plain)) return null;
  const value = Number(plain);
  const { low, high } = field;
  if (!Number.isFinite(value) || (field.kind === "int" && !Number.isInteger(value))) return null;
  if (low !== null && (value < low || (field.low_open && value === low))) return null;
  if (high !== null && (value > high || (field.high_open && value === high))) return null;
  return value;
}

/**
 * The multiple of a unit that is nearest, within the slider's ends.
 *
 * @param {NumberField} field
 * @param {number} value
 * @param {number} unit
 */
function onGrid({ first, last }, value, unit) {
  return clamp(significant(Math.round(value / unit) * unit, 12), first, last);
}

/**
 * How finely a log slider distinguishes values: 1.05, 1.1, … 2, 2.1, …
 *
 * @param {number} value
 */
function unitOf(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return value < 2 * power ? power / 20 : power / 10;
}

/**
 * The next of 1, 2, 5, 10, 20, … above or below a value.
 *
 * @param {number} value
 * @param {number} way 1 is up, −1 down
 */
function nextRound(value, way) {
  const power = Math.floor(Math.log10(value));
  const marks = [power - 1, power, power + 1].flatMap((p) =>
    [1, 2, 5].map((step) => Number(`${step}e${p}`)),
  );
  const beyond = marks.filter((mark) => way * (mark - value) > 1e-9 * value);
  return way > 0 ? Math.min(...beyond) : Math.max(...beyond);
}
