// Settings that maps follow while they are dragged: those of one method, or those of both maps.

import { element, write } from "../dom.js";
import { NumberHandle } from "../handle.js";
import { SIDES } from "./live.js";

/** @import { NumberField } from "../player/payload.d.ts" */
/** @import { LiveMaps } from "./live.js" */
/** @import { MapEdit } from "./payload.d.ts" */

const START = "start.";

export class MapControls {
  /** @type {Map<string, NumberHandle>} */
  handles = new Map();

  /**
   * @param {HTMLElement} parent
   * @param {LiveMaps} live
   * @param {number | null} index the map whose method's settings they are; null for those of both
   */
  constructor(parent, live, index) {
    this.live = live;
    this.index = index;
    this.box = element("div", "qnviz-map-controls", parent);
    this.box.dataset.of = index === null ? "both" : SIDES[index];
    this.wrong = element("p", "qnviz-map-wrong", null, { role: "alert" });
  }

  /** @param {NumberField[]} fields */
  take(fields) {
    const names = fields.map(({ name }) => name);
    if (names.join() !== [...this.handles.keys()].join()) {
      this.box.replaceChildren();
      this.handles.clear();
      for (const field of fields) this.handles.set(field.name, this.handle(field));
    }
    for (const field of fields) this.handles.get(field.name)?.take(field);
  }

  /** @param {NumberField} field */
  handle(field) {
    return new NumberHandle(field, this.box, {
      change: ({ name }, value) => this.live.change(this.edit(name, Number(value))),
      release: () => this.live.release(),
      cancel: () => this.live.cancel(),
      note: (words, wrong) => {
        write(this.wrong, wrong ? words : "");
        if (wrong) this.box.append(this.wrong);
        else this.wrong.remove();
      },
    });
  }

  /**
   * @param {string} name
   * @param {number} value
   * @returns {MapEdit}
   */
  edit(name, value) {
    if (this.index !== null) return { [SIDES[this.index]]: { [name]: value } };
    if (!name.startsWith(START)) return { [name]: value };
    const start = [0, 1].map((i) => this.handles.get(`${START}${i}`)?.value ?? 0);
    start[Number(name.slice(START.length))] = value;
    return { start: [start[0], start[1]] };
  }
}
