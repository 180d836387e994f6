// A live map's cells as pixels. A cell of a coarse grid fills the place of those around it until
// they are there.

import { NOTHING } from "./cells.js";
import { standsFor } from "./order.js";

/** @import { Judged } from "./judge.js" */
/** @import { Order } from "./order.js" */
/** @import { LiveScale } from "./payload.d.ts" */

const SHADES = 256; // of a category that has more than one colour
const OPAQUE = 0xff000000;
const EDGE = 2e-3; // of a category's colours, so that neighbours never mix

/** The colours of a scale, ready to be looked up. */
export class Palette {
  /** @param {LiveScale} scale */
  constructor({ kinds, low, high, log }) {
    this.log = log;
    this.low = log ? Math.log(low) : low;
    this.high = log ? Math.log(high) : high;
    this.tables = kinds.map(({ colors }) => shades(colors));
    this.hatched = kinds.map(({ hatched }) => hatched);
  }

  /**
   * The pixel of a cell; what has no number has the last colour of its kind.
   *
   * @param {number} kind
   * @param {number} value
   */
  pixel(kind, value) {
    const table = this.tables[kind];
    if (!table) return 0;
    if (table.length === 1) return table[0];
    return table[Math.round(this.place(value) * (SHADES - 1))];
  }

  /** @param {number} value */
  place(value) {
    const { low, high } = this;
    const part = high > low ? ((this.log ? Math.log(value) : value) - low) / (high - low) : 0;
    if (Number.isNaN(value)) return 1 - EDGE;
    return Math.min(1 - EDGE, Math.max(EDGE, part));
  }
}

/**
 * Pixels from a kind's first colour to its last, as Plotly blends them.
 *
 * @param {string[]} colors #rrggbb
 */
function shades(colors) {
  const stops = colors.map((color) =>
    [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16)),
  );
  if (stops.length === 1) return Uint32Array.of(pixel(stops[0]));
  return Uint32Array.from({ length: SHADES }, (_, i) => {
    const t = (i / (SHADES - 1)) * (stops.length - 1);
    const k = Math.min(Math.floor(t), stops.length - 2);
    return pixel(stops[k].map((c, j) => Math.round(c + (t - k) * (stops[k + 1][j] - c))));
  });
}

/** @param {number[]} rgb */
const pixel = ([r, g, b]) => (OPAQUE | (b << 16) | (g << 8) | r) >>> 0;

/** What is known of a map's cells. */
export class Sheet {
  /**
   * @param {number} ny
   * @param {number} nx
   */
  constructor(ny, nx) {
    const numbers = () => new Float32Array(ny * nx);
    this.ny = ny;
    this.nx = nx;
    this.kind = new Uint8Array(ny * nx);
    this.value = numbers();
    this.low = numbers();
    this.high = numbers();
    this.steps = numbers();
    this.loss = numbers();
    this.reached = new Uint8Array(ny * nx);
    this.diverged = new Uint8Array(ny * nx);
    this.typical = new Uint8Array(ny * nx);
    this.pixels = new ImageData(nx, ny);
    this.marks = new ImageData(nx, ny); // opaque where cells are hatched
    this.colors = new Uint32Array(this.pixels.data.buffer);
    this.hatch = new Uint32Array(this.marks.data.buffer);
    this.done = 0; // cells, in their order
    this.hatched = false; // whether any cell is
    this.clear();
  }

  clear() {
    this.kind.fill(NOTHING);
    this.colors.fill(0);
    this.hatch.fill(0);
    this.done = 0;
    this.hatched = false;
  }

  /**
   * Take a tile's cells, and paint them.
   *
   * @param {Order} order
   * @param {number} from the place of the first of them in that order
   * @param {Judged} judged
   * @param {Palette} palette
   */
  put(order, from, judged, palette) {
    const names = /** @type {const} */ ([
      "kind",
      "value",
      "low",
      "high",
      "steps",
      "loss",
      "reached",
      "diverged",
      "typical",
    ]);
    const n = judged.kind.length;
    for (let i = 0; i < n; i += 1) {
      const cell = order.cells[from + i];
      for (const name of names) this[name][cell] = judged[name][i];
    }
    this.done += n;
    this.paint(order, from, from + n, palette);
  }

  /**
   * @param {Order} order
   * @param {number} from
   * @param {number} to
   * @param {Palette} palette
   */
  paint({ cells, levels }, from, to, palette) {
    const { ny, nx, kind, value, colors, hatch } = this;
    let level = levels.findIndex(({ end }) => end > from);
    for (let i = from; i < to; i += 1) {
      while (i >= levels[level].end) level += 1;
      const cell = cells[i];
      if (kind[cell] === NOTHING) continue;
      const color = palette.pixel(kind[cell], value[cell]);
      const mark = palette.hatched[kind[cell]] ? OPAQUE : 0;
      if (mark) this.hatched = true;
      const { step } = levels[level];
      if (step === 1) {
        const at = (ny - 1 - Math.floor(cell / nx)) * nx + (cell % nx);
        colors[at] = color;
        hatch[at] = mark;
        continue;
      }
      const [x0, x1] = standsFor(cell % nx, nx, step);
      const [y0, y1] = standsFor(Math.floor(cell / nx), ny, step);
      for (let y = y0; y < y1; y += 1) {
        const row = (ny - 1 - y) * nx;
        for (let x = x0; x < x1; x += 1) {
          const other = y * nx + x;
          // a finer cell may have come before, from another worker
          if (other !== cell && kind[other] !== NOTHING) continue;
          colors[row + x] = color;
          hatch[row + x] = mark;
        }
      }
    }
  }

  /**
   * Paint all that is there in other colours.
   *
   * @param {Order} order
   * @param {Palette} palette
   */
  repaint(order, palette) {
    this.paint(order, 0, order.cells.length, palette);
  }

  /** Which kinds there are. */
  kinds() {
    return new Set(this.kind);
  }
}
