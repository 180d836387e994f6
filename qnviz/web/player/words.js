// What happened at the playhead, in words: one row per entrant, none of which ever changes height.

import { element, icon, write } from "../dom.js";
import { sample } from "../markers.js";
import { formatNumber } from "../numbers.js";

export class Words {
  constructor() {
    this.box = element("section", "qnviz-panel qnviz-words");
    element("div", "qnviz-title", this.box, { role: "heading", "aria-level": 2 }).textContent =
      "At the playhead, in words";
    const region = { role: "group", "aria-label": "What happened at the playhead", tabindex: 0 };
    this.table = element("table", "", element("div", "qnviz-table", this.box, region));
  }

  /** Rows for these entrants; their text comes with `speak`. */
  list(entrants, value) {
    this.table.replaceChildren();
    this.table.classList.toggle("qnviz-roomy", entrants.length <= 2);
    const top = element("tr", "", element("thead", "", this.table));
    for (const text of ["Method", value, "What happened"]) {
      element("th", "", top, { scope: "col" }).textContent = text;
    }
    const lines = element("tbody", "", this.table);
    this.lines = entrants.map((entrant) => {
      const row = element("tr", "", lines);
      const name = element("div", "qnviz-name", element("th", "", row, { scope: "row" }));
      sample(entrant, 14, name);
      element("span", "", name).textContent = entrant.title;
      const loss = element("td", "qnviz-loss", row);
      const sentence = element("div", "qnviz-sentence", element("td", "", row));
      const flag = icon("flag", sentence).parentNode;
      return { row, loss, sentence, flag, text: element("span", "", sentence) };
    });
  }

  dim(entrants, hidden) {
    entrants.forEach((entrant, k) => {
      this.lines[k].row.classList.toggle("qnviz-dim", hidden.has(entrant.label));
    });
  }

  speak(entrants, frame) {
    this.spokenAt = performance.now();
    entrants.forEach((entrant, k) => {
      const line = this.lines[k];
      const at = entrant.index[frame];
      const ended = at === entrant.last && Boolean(entrant.end);
      const text = (ended ? entrant.end : entrant.words?.[at]) ?? "";
      write(line.loss, formatNumber(entrant.loss[at]));
      if (write(line.text, text)) line.sentence.title = text;
      line.flag.style.display = ended ? "" : "none";
    });
  }

  /** A live region that changes at every step would never let a screen reader finish. */
  hush(playing) {
    this.table.setAttribute("aria-live", playing ? "off" : "polite");
  }
}
