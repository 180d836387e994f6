// Where the images of a strip go, in device pixels: as many rows as fit, in the bands that fill
// best. A long row of images wraps into bands, each with the inputs above the entrants' images.

import { clamp } from "../numbers.js";

/**
 * @typedef {object} Space
 * @property {number} width of the canvas
 * @property {number} height of the canvas
 * @property {number} left of it, for names
 * @property {number} ratio device pixels per CSS pixel
 *
 * @typedef {{ width: number, height: number, count: number }} Images of a row, in their own pixels
 * @typedef {ReturnType<typeof planOf>} Plan
 */

const LEAST_CELL = 15; // CSS pixels; smaller images tell nothing
const CELL_GAP = 1; // at least; what is left over widens it
const BAND_GAP = 8;
const MORE = 18; // the height of the line that says how many rows are left out

/**
 * The plan for so many rows of images under the inputs, or for the first of them.
 *
 * @param {Images} images
 * @param {number} rows
 * @param {Space} space
 */
export function planOf(images, rows, space) {
  const { width, height, left, ratio } = space;
  const gap = Math.max(1, Math.round(CELL_GAP * ratio));
  for (let shown = rows; ; shown--) {
    const more = shown < rows ? Math.round(MORE * ratio) : 0;
    let best = { scale: -1, bands: 1, columns: images.count, between: 0 };
    for (let bands = 1; bands <= images.count; bands++) {
      const columns = Math.ceil(images.count / bands);
      if (columns * (bands - 1) >= images.count) continue; // a band would stay empty
      const between = Math.round(BAND_GAP * ratio) * (bands - 1);
      const across = ((width - left) / columns - gap) / images.width;
      const down = ((height - more - between) / (bands * (shown + 1)) - gap) / images.height;
      const scale = Math.min(across, down);
      // More bands only for a clear gain: one row is easier to read.
      if (bands === 1 || scale > 1.15 * best.scale) best = { scale, bands, columns, between };
    }
    if (shown <= 1 || best.scale * images.height >= LEAST_CELL * ratio) {
      return placed(images, { ...space, ...best, shown, gap, more });
    }
  }
}

/**
 * The sizes of images and steps, and the margins.
 *
 * @param {Images} images
 * @param {Space & { scale: number, bands: number, columns: number, between: number, shown: number,
 *   gap: number, more: number }} plan
 */
function placed(images, plan) {
  const { scale, bands, columns, between, shown, left, gap, more, width, height } = plan;
  const whole = Math.floor(scale);
  // Whole multiples are crispest; where they would waste much space, blocks with soft edges.
  const crisp = whole >= 0.8 * scale && whole > 0;
  const used = crisp ? whole : Math.max(scale, 1 / images.height);
  const blocks = crisp || scale < 1 ? 1 : Math.ceil(scale);
  const lines = bands * (shown + 1);
  const wide = Math.max(1, Math.floor(images.width * used));
  const high = Math.max(1, Math.floor(images.height * used));
  const stepX = wide + clamp(Math.floor((width - left) / columns) - wide, gap, 4 * gap);
  const stepY = high + clamp(Math.floor((height - more - between) / lines) - high, gap, 4 * gap);
  return {
    ...plan,
    crisp,
    blocks,
    wide,
    high,
    stepX,
    stepY,
    bandStep: (shown + 1) * stepY + (bands > 1 ? between / (bands - 1) : 0),
    top: Math.max(0, Math.floor((height - more - lines * stepY - between) / 2)),
    side: Math.max(0, Math.floor((width - left - columns * stepX) / 2)),
  };
}

/**
 * Upper left corner of image `s` in line `line` (0 is the inputs), in device pixels.
 *
 * @param {Plan} plan
 * @param {number} line
 * @param {number} s
 * @returns {[number, number]}
 */
export function corner(plan, line, s) {
  const band = Math.floor(s / plan.columns);
  return [
    plan.side + plan.left + (s % plan.columns) * plan.stepX,
    Math.round(plan.top + band * plan.bandStep + line * plan.stepY),
  ];
}

/**
 * The line and the image at a place in device pixels, or null.
 *
 * @param {Plan} plan
 * @param {number} count of images in a row
 * @param {number} x
 * @param {number} y
 * @returns {[line: number, image: number] | null}
 */
export function imageAt(plan, count, x, y) {
  for (let line = 0; line <= plan.shown; line++) {
    for (let s = 0; s < count; s++) {
      const [left, top] = corner(plan, line, s);
      if (x >= left && y >= top && x < left + plan.wide && y < top + plan.high) return [line, s];
    }
  }
  return null;
}
