// The legend: a button per entrant that hides it, shows it, or shows it alone.

import { element } from "../dom.js";
import { sample } from "../markers.js";

/** @import { Entrant } from "./model.js" */

const TITLE = "Click to hide or show; double-click or Shift-click to show alone";

export class Legend {
  /** @type {Set<string>} labels of entrants */
  hidden = new Set();
  /** @type {Set<string> | null} what was hidden before the last click */
  hiddenBefore = null;
  /** @type {{ label: string, chip: HTMLButtonElement, entry: HTMLElement }[]} */
  chips = [];

  /**
   * @param {Element} parent
   * @param {() => void} changed called when other entrants are hidden
   */
  constructor(parent, changed) {
    this.changed = changed;
    const group = { role: "group", "aria-label": "Methods shown" };
    this.box = element("div", "qnviz-legend", parent);
    this.row = element("div", "qnviz-chips", this.box, group);
  }

  /** @param {Entrant[]} entrants */
  list(entrants) {
    this.chips = entrants.map((entrant) => {
      const entry = element("div", "qnviz-entry");
      const chip = element("button", "qnviz-chip", entry, { type: "button", title: TITLE });
      sample(entrant, 30, chip);
      element("span", "", chip).textContent = entrant.title;
      chip.addEventListener("click", (event) => this.choose(entrant.label, event));
      return { label: entrant.label, chip, entry };
    });
    this.row.replaceChildren(...this.chips.map(({ entry }) => entry));
    this.mark();
  }

  mark() {
    for (const { label, chip } of this.chips) {
      chip.setAttribute("aria-pressed", String(!this.hidden.has(label)));
    }
  }

  /**
   * Click hides or shows; with Shift or Alt, or the second click of two, one is shown alone.
   *
   * @param {string} label
   * @param {MouseEvent} event
   */
  choose(label, event) {
    const labels = this.chips.map((each) => each.label);
    const second = event.detail > 0 && event.detail % 2 === 0;
    if (second)
      this.hidden = this.hiddenBefore ?? this.hidden; // undo what the first click did
    else this.hiddenBefore = new Set(this.hidden);
    if (event.altKey || event.shiftKey || second) {
      const alone = labels.every((other) => this.hidden.has(other) === (other !== label));
      this.hidden = new Set(alone ? [] : labels.filter((other) => other !== label));
    } else {
      this.hidden = new Set(this.hidden);
      if (!this.hidden.delete(label)) this.hidden.add(label);
    }
    this.mark();
    this.changed();
  }
}
