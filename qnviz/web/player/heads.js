// Heads and their trails, the cursor and the chosen start, drawn on a panel's canvas.

import { clamp } from "../numbers.js";
import { ends } from "./axes.js";
import { drawMarker, markerShape } from "./canvas.js";

/** @import { Numbers } from "../columns.js" */
/** @import { Ink } from "./canvas.js" */
/** @import { Entrant } from "./model.js" */

/**
 * A marker that moves along a line: its place at each step of its entrant, in data and in pixels.
 *
 * @typedef {object} Head
 * @property {number} entrant
 * @property {string} axis which of Plotly's axes it is drawn on: "y", "y2"
 * @property {Numbers} x
 * @property {Numbers} y
 * @property {Float64Array} px
 * @property {Float64Array} py
 * @property {[PlotlyAxis, PlotlyAxis] | null} axes
 */

const ARROW = "M8 0L-5 6.5L-2.5 0L-5 -6.5Z";
const ARROW_INSET = 9;
const TRAIL_PIECES = 8; // of rising opacity: they look continuous, and cost eight strokes, not forty
/** @type {Path2D | undefined} */
let arrow;

/**
 * The last steps of a head, fading.
 *
 * @param {CanvasRenderingContext2D} c
 * @param {Head} head
 * @param {number} from the first of its steps
 * @param {number} at the last
 * @param {string} color
 * @param {number} width
 */
export function drawTrail(c, { px, py }, from, at, color, width) {
  if (from === at) return;
  c.strokeStyle = color;
  c.lineWidth = width;
  c.lineJoin = "round";
  const pieces = Math.min(TRAIL_PIECES, at - from);
  for (let piece = 0; piece < pieces; piece++) {
    const begin = from + Math.floor(((at - from) * piece) / pieces);
    const end = from + Math.floor(((at - from) * (piece + 1)) / pieces);
    c.globalAlpha = 0.12 + (0.83 * (piece + 1)) / pieces;
    c.beginPath();
    for (let i = begin, down = false; i <= end; i++) {
      const drawable = !Number.isNaN(px[i] + py[i]);
      if (drawable && down) c.lineTo(px[i], py[i]);
      else if (drawable) c.moveTo(px[i], py[i]);
      down = drawable;
    }
    c.stroke();
  }
  c.globalAlpha = 1;
}

/**
 * A head at one of its steps; off the picture an arrow at its edge says where it is.
 *
 * @param {CanvasRenderingContext2D} c
 * @param {Head} head
 * @param {number} at
 * @param {Entrant} entrant
 * @param {boolean} over whether its run has ended before
 * @param {string} background
 * @param {number} scale
 */
export function drawHead(c, { px, py, axes }, at, entrant, over, background, scale) {
  const [x, y] = [px[at], py[at]];
  if (!axes || Number.isNaN(x + y)) return;
  const [[left, right], [top, bottom]] = axes.map(ends);
  const [edgeX, edgeY] = [clamp(x, left, right), clamp(y, top, bottom)];
  const { color, marker } = entrant;
  if (Math.hypot(x - edgeX, y - edgeY) > 1) {
    arrow ??= new Path2D(ARROW);
    const ax = clamp(x, left + ARROW_INSET, right - ARROW_INSET);
    const ay = clamp(y, top + ARROW_INSET, bottom - ARROW_INSET);
    const angle = Math.atan2(y - edgeY, x - edgeX);
    drawMarker(c, arrow, ax, ay, color, background, over, scale, angle);
  } else drawMarker(c, markerShape(marker), x, y, color, background, over, scale);
}

/**
 * Cross-hairs at a start that is being chosen.
 *
 * @param {CanvasRenderingContext2D} c
 * @param {number} x
 * @param {number} y
 * @param {Ink} ink
 */
export function drawStart(c, x, y, ink) {
  c.beginPath();
  for (const [from, to] of [
    [5, 13],
    [-5, -13],
  ]) {
    c.moveTo(x + from, y);
    c.lineTo(x + to, y);
    c.moveTo(x, y + from);
    c.lineTo(x, y + to);
  }
  c.moveTo(x + 8, y);
  c.arc(x, y, 8, 0, 2 * Math.PI);
  c.lineWidth = 4;
  c.strokeStyle = ink.background;
  c.stroke();
  c.lineWidth = 1.75;
  c.strokeStyle = ink.text;
  c.stroke();
}
