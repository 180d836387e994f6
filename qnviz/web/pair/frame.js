// Where data stand in the picture, in pixels.
//
// Data are drawn with `k` pixels per unit around the middle; s, y and what damping makes of them
// are drawn `zoom` times as long, as H⁺ does not change when both grow alike.

import { norm } from "../engine/pair.js";
import { roundUp } from "../numbers.js";
import { DASHED, dashes, width } from "./shapes.js";

/** @import { Updates, Vector } from "../engine/pair.js" */
/** @import { State } from "./payload.d.ts" */

/** @typedef {(t: number) => Vector} Curve in pixels from the middle */

export const EDGE = 13; // pixels that a handle keeps from the border
const POINTS = 120; // pieces of a curve

export class Frame {
  /** The picture's width and height, and the size of its font, in pixels. */
  w = 0;
  h = 0;
  size = 13;
  k = 0;
  zoom = 1;

  /**
   * @param {Vector} v
   * @param {number} [zoom]
   * @returns {Vector}
   */
  pixel(v, zoom = 1) {
    return [this.w / 2 + this.k * zoom * v[0], this.h / 2 - this.k * zoom * v[1]];
  }

  /**
   * @param {Vector} pixel
   * @param {number} [zoom]
   * @returns {Vector}
   */
  value([x, y], zoom = 1) {
    return [(x - this.w / 2) / (this.k * zoom), (this.h / 2 - y) / (this.k * zoom)];
  }

  /** How far a corner is from the middle. */
  get diagonal() {
    return Math.hypot(this.w, this.h) / 2;
  }

  /** The distance between two ticks, in data. */
  get tick() {
    return roundUp((4.6 * this.size) / this.k);
  }

  /**
   * Pixels per unit at which all handles are in the picture, and those that look best.
   *
   * @param {State} state
   * @param {Updates | null} result null where the state has no update
   */
  scales({ first, second, s, y }, result) {
    // how far a handle may go from the middle
    const [wide, high] = [this.w, this.h].map((size) => Math.max(20, size / 2 - EDGE));
    const longest = Math.max(first, second);
    const share = Math.max(norm(s), norm(y)) / longest;
    const apart = share > 0 && longest > 0 && (share < 0.1 || share > 10);
    const zoom = apart ? 10 ** -Math.round(Math.log10(share)) : 1;
    const { pair } = result?.double ?? { pair: { s, y } };
    const limits = [
      high / longest,
      ...[s, y, pair.s, pair.y].map((v) =>
        Math.min(wide / Math.abs(v[0] * zoom), high / Math.abs(v[1] * zoom)),
      ),
    ].filter((k) => k < Infinity);
    const limit = limits.length ? Math.min(...limits) : high;
    const whole = result ? (0.9 * high) / Math.sqrt(Math.max(result.double.high, 0)) : Infinity;
    return { zoom, limit, best: Math.max(0.4 * limit, Math.min(0.72 * limit, whole)) };
  }

  /**
   * Places for a text beside a closed curve around the middle: outside it first, then inside.
   *
   * @param {Curve} curve
   * @param {string} text
   * @returns {Vector[]}
   */
  around(curve, text) {
    const half = 0.5 * width(text, this.size);
    return [1, -1].flatMap((side) =>
      Array.from({ length: 24 }, (_, i) => {
        const [x, y] = curve(((0.3 + i * 5) * 2 * Math.PI) / 24);
        const r = side * (Math.hypot(x, y) || 1);
        return /** @type {Vector} */ ([
          this.w / 2 + x + (x / r) * (half + 5),
          this.h / 2 + y + (y / r) * (0.6 * this.size + 4),
        ]);
      }),
    );
  }

  /**
   * The path of a curve, with the dashes of its kind.
   *
   * @param {string} kind
   * @param {number} from
   * @param {number} to
   * @param {Curve} curve
   */
  line(kind, from, to, curve) {
    const points = Array.from({ length: POINTS + 1 }, (_, i) => {
      const [x, y] = curve(from + ((to - from) * i) / POINTS);
      return /** @type {Vector} */ ([this.w / 2 + x, this.h / 2 + y]);
    });
    const pattern = DASHED[kind]?.map((v) => (v * this.size) / 13);
    return dashes(points, pattern, this.w, this.h);
  }
}
