// Colours, images, texts and markers on a canvas.

import { markerPath } from "../markers.js";

/** @typedef {{ text: string, background: string }} Ink the page's colours */

const NARROWED = 0.85; // of their width letters may keep at least, before a text is cut
/** @type {Map<string, number[]>} */
const knownParts = new Map();
/** @type {Map<string, Uint32Array>} */
const knownTones = new Map();
/** @type {Map<string, Path2D>} */
const knownMarkers = new Map();

/**
 * A canvas that is not on the page.
 *
 * @param {number} width
 * @param {number} height
 */
export function sheet(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

/**
 * What draws on a canvas; there always is one, as no other kind was asked for before.
 *
 * @param {HTMLCanvasElement} canvas
 */
export function pen(canvas) {
  return /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
}

/**
 * A CSS colour as [red, green, blue].
 *
 * @param {string} color
 */
function parts(color) {
  let found = knownParts.get(color);
  if (!found) {
    const c = pen(sheet(1, 1));
    c.fillStyle = color;
    c.fillRect(0, 0, 1, 1);
    found = [...c.getImageData(0, 0, 1, 1).data.slice(0, 3)];
    knownParts.set(color, found);
  }
  return found;
}

/**
 * @param {string} from
 * @param {string} to
 * @param {number} share of `to`
 */
function blend(from, to, share) {
  const target = parts(to);
  return parts(from).map((v, k) => Math.round(v + share * (target[k] - v)));
}

/**
 * A colour between two others.
 *
 * @param {string} from
 * @param {string} to
 * @param {number} share of `to`
 */
export function mixed(from, to, share) {
  return `rgb(${blend(from, to, share).join(" ")})`;
}

/**
 * Pixels for bytes 0 … 255: ink on the page's own ground, or black to white for photographs.
 *
 * @param {Ink} ink
 * @param {boolean} photo
 */
export function tones(ink, photo) {
  const name = `${ink.text} ${ink.background} ${photo}`;
  let found = knownTones.get(name);
  if (!found) {
    // A ground a shade off the page's shows where an empty image is.
    const low = photo ? "#000" : mixed(ink.background, ink.text, 0.07);
    const high = photo ? "#fff" : ink.text;
    const table = new Uint8ClampedArray(1024);
    for (let v = 0; v < 256; v++) table.set([...blend(low, high, v / 255), 255], 4 * v);
    found = new Uint32Array(table.buffer);
    knownTones.set(name, found);
  }
  return found;
}

/**
 * An image whose pixels have become squares.
 *
 * @param {HTMLCanvasElement} image
 * @param {number} factor
 * @param {HTMLCanvasElement} [canvas] where to draw it
 */
export function enlarged(image, factor, canvas = document.createElement("canvas")) {
  canvas.width = image.width * factor;
  canvas.height = image.height * factor;
  const c = pen(canvas);
  c.imageSmoothingEnabled = false;
  c.drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/**
 * Write a text, narrowed a little where it is too wide, and cut with "…" beyond that.
 *
 * @param {CanvasRenderingContext2D} c
 * @param {string} text
 * @param {number} x
 * @param {number} y
 * @param {number} width how wide it may be
 */
export function writeWithin(c, text, x, y, width) {
  const widest = width / NARROWED;
  let end = text.length;
  const cut = () => (end < text.length ? `${text.slice(0, end)}…` : text);
  while (end > 1 && c.measureText(cut()).width > widest) end--;
  c.fillText(cut(), x, y, width);
}

/**
 * A marker of a head's size.
 *
 * @param {string} name
 */
export function markerShape(name) {
  const shape = knownMarkers.get(name) ?? new Path2D(markerPath(name, 5.5));
  knownMarkers.set(name, shape);
  return shape;
}

/**
 * A marker around a point, ringed in the background's colour; hollow for a run that is over.
 *
 * @param {CanvasRenderingContext2D} c
 * @param {Path2D} shape
 * @param {number} x
 * @param {number} y
 * @param {string} color
 * @param {string} background
 * @param {boolean} hollow
 * @param {number} [scale]
 * @param {number} [angle]
 */
export function drawMarker(c, shape, x, y, color, background, hollow, scale = 1, angle = 0) {
  c.save();
  c.translate(x, y);
  c.rotate(angle);
  c.scale(scale, scale);
  // The ring in the background's colour sets the marker off from lines and contours.
  c.lineJoin = "round";
  c.lineWidth = hollow ? 5 : 3;
  c.strokeStyle = background;
  c.stroke(shape);
  c.fillStyle = hollow ? background : color;
  c.fill(shape);
  if (hollow) {
    c.lineWidth = 2;
    c.strokeStyle = color;
    c.stroke(shape);
  }
  c.restore();
}
