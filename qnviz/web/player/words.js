// What happened at the playhead, in words: one row per entrant, none of which ever changes height.

import { element, icon, write } from "../dom.js";
import { sample } from "../markers.js";
import { cell } from "../numbers.js";

/** @import { Entrant } from "./model.js" */

export class Words {
  /** When sentences were written last. */
  writtenAt = -Infinity;
  /** @type {ReturnType<typeof line>[]} one for each entrant */
  lines = [];

  constructor() {
    this.box = element("section", "qnviz-panel qnviz-words");
    const heading = { role: "heading", "aria-level": 2 };
    element("div", "qnviz-title", this.box, heading).textContent = "At the playhead, in words";
    const region = { role: "group", "aria-label": "What happened at the playhead", tabindex: 0 };
    this.table = element("table", "", element("div", "qnviz-table", this.box, region));
  }

  /**
   * Rows for these entrants; their text comes with `show`.
   *
   * @param {Entrant[]} entrants
   * @param {string} value what the losses are
   */
  list(entrants, value) {
    this.table.replaceChildren();
    this.table.classList.toggle("qnviz-spacious", entrants.length <= 2);
    const top = element("tr", "", element("thead", "", this.table));
    for (const text of ["Method", value, "What happened"]) {
      element("th", "", top, { scope: "col" }).textContent = text;
    }
    const body = element("tbody", "", this.table);
    this.lines = entrants.map((entrant) => line(entrant, body));
  }

  /**
   * @param {Entrant[]} entrants
   * @param {Set<string>} hidden labels of entrants
   */
  dim(entrants, hidden) {
    entrants.forEach((entrant, k) => {
      this.lines[k].row.classList.toggle("qnviz-dim", hidden.has(entrant.label));
    });
  }

  /**
   * @param {Entrant[]} entrants
   * @param {number} frame
   */
  show(entrants, frame) {
    this.writtenAt = performance.now();
    entrants.forEach((entrant, k) => {
      const { loss, text, sentence, flag } = this.lines[k];
      const at = entrant.index[frame];
      const ended = at === entrant.last && Boolean(entrant.end);
      const words = (ended ? entrant.end : entrant.words?.[at]) ?? "";
      write(loss, cell(entrant.loss[at]));
      if (write(text, words)) sentence.title = words;
      flag.style.display = ended ? "" : "none";
    });
  }

  /**
   * While a hand drags: losses alone, as the sentences are those of the record.
   *
   * @param {number[]} losses
   */
  showLosses(losses) {
    this.writtenAt = performance.now();
    this.lines.forEach(({ loss }, k) => write(loss, cell(losses[k])));
  }

  /**
   * A live region that changes at every step would never let a screen reader finish.
   *
   * @param {boolean} playing
   */
  hush(playing) {
    this.table.setAttribute("aria-live", playing ? "off" : "polite");
  }
}

/**
 * @param {Entrant} entrant
 * @param {Element} parent
 */
function line(entrant, parent) {
  const row = element("tr", "", parent);
  const name = element("div", "qnviz-name", element("th", "", row, { scope: "row" }));
  sample(entrant, 14, name);
  element("span", "", name).textContent = entrant.title;
  const loss = element("td", "qnviz-loss", row);
  const sentence = element("div", "qnviz-sentence", element("td", "", row));
  const flag = icon("flag", sentence).box;
  return { row, loss, sentence, flag, text: element("span", "", sentence) };
}
