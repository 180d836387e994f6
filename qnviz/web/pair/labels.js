// Where labels find room: each has several places, and takes one that covers nothing else.

import { width } from "./shapes.js";

/** @import { Vector } from "../engine/pair.js" */
/** @import { Frame } from "./frame.js" */

/**
 * @typedef {object} Label
 * @property {string} name
 * @property {string} text
 * @property {string} className
 * @property {Vector[]} places for its middle
 * @property {boolean[]} inside whether it would be in the picture there
 * @property {Vector} half its width and height, halved
 */

const APART = 3; // pixels between two labels

export class Labels {
  /** @type {Map<string, number>} by label: which of its places it took, so that it stays there */
  chosen = new Map();
  /** @type {{ v: Vector, half: Vector }[]} boxes that labels keep clear of */
  taken = [];
  /** @type {Label[]} */
  asked = [];

  /**
   * Begin a new picture.
   *
   * @param {Vector[]} handles what no label may cover
   */
  clear(handles) {
    this.taken = handles.map((v) => ({ v, half: [11, 11] }));
    this.asked = [];
  }

  /**
   * Ask for a text at the first free of several places; false if none is in the picture.
   *
   * @param {Frame} frame
   * @param {string} name
   * @param {string} text
   * @param {string} className
   * @param {Vector[]} places
   */
  ask({ w, h, size }, name, text, className, places) {
    if (!text) return true;
    const [across, up] = [0.5 * width(text, size), 0.6 * size];
    const inside = places.map(([x, y]) => x > across && x < w - across && y > up && y < h - up);
    if (!inside.some(Boolean)) return false;
    this.asked.push({ name, text, className, places, inside, half: [across, up] });
    return true;
  }

  /** Labels with the places that they get: tips choose first, then curves. */
  *placed() {
    for (const label of this.asked.sort((a, b) => rank(a) - rank(b))) {
      const { name, places, half } = label;
      let best = this.chosen.get(name) ?? 0;
      if (!(best < places.length) || this.covered(label, best) > 0) {
        const costs = places.map((_, i) => this.covered(label, i));
        best = costs.indexOf(Math.min(...costs));
      }
      this.chosen.set(name, best);
      this.taken.push({ v: places[best], half });
      yield { ...label, place: places[best] };
    }
  }

  /**
   * How much a label would cover at a place, in square pixels, and very much outside the picture.
   *
   * @param {Label} label
   * @param {number} i
   */
  covered({ places, inside, half }, i) {
    const [x, y] = places[i];
    let area = inside[i] ? 0 : 1e9;
    for (const { v, half: other } of this.taken) {
      const dx = half[0] + other[0] + APART - Math.abs(v[0] - x);
      const dy = half[1] + other[1] + APART - Math.abs(v[1] - y);
      if (dx > 0 && dy > 0) area += dx * dy;
    }
    return area;
  }
}

/** @param {Label} label */
function rank({ name }) {
  if (name.startsWith("tip")) return 0;
  return name.startsWith("curve") ? 1 : 2;
}
