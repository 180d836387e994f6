// Maps side by side under one headline, above one legend.

import { element, write } from "../dom.js";
import { loadPlotly } from "../plotly.js";
import { MapPanel } from "./panel.js";

/** @import { Cell, Legend, MapsPayload } from "./payload.d.ts" */

export class Maps {
  /** @type {MapPanel[]} */
  panels = [];
  /** Whether all maps have one grid, so that a cell is highlighted on all of them. */
  linked = false;
  legendKey = "";
  stop = new AbortController();

  /**
   * @param {HTMLElement} root
   * @param {MapsPayload} payload
   * @param {(cell: [map: number, row: number, column: number]) => void} onOpen
   */
  constructor(root, payload, onOpen) {
    this.root = root;
    this.onOpen = onOpen;
    this.newest = payload;
    this.legend = payload.legend;
    root.dataset.qnvizMap = "";
    root.dataset.ready = "false";
    this.headline = element("p", "qnviz-map-headline", root);
    this.complaint = element("p", "qnviz-map-complaint", root, { role: "alert", hidden: "" });
    this.row = element("div", "qnviz-map-row", root);
    this.key = element("div", "qnviz-map-legend", root);
    this.live = element("p", "qnviz-map-live", root, { "aria-live": "polite" });
    this.update(payload);
  }

  /** @param {MapsPayload} payload */
  async update(payload) {
    this.newest = payload;
    this.root.dataset.theme = payload.theme === "dark" ? "dark" : "light";
    try {
      const Plotly = await loadPlotly(payload.plotly_url);
      if (this.newest !== payload || this.stop.signal.aborted) return; // a newer one came
      this.draw(payload, Plotly);
      this.complaint.hidden = true;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      write(this.complaint, `The maps could not be drawn: ${why}.`);
      this.complaint.hidden = false;
    }
    this.root.dataset.ready = String(this.complaint.hidden);
    this.root.dataset.id = payload.id;
  }

  /**
   * @param {MapsPayload} payload
   * @param {Plotly} Plotly
   */
  draw({ headline, maps, legend }, Plotly) {
    this.legend = legend;
    write(this.headline, headline ?? "");
    for (const panel of this.panels.splice(maps.length)) panel.destroy();
    while (this.panels.length < maps.length) {
      this.panels.push(new MapPanel(this, this.panels.length, Plotly));
    }
    this.root.dataset.maps = String(maps.length);
    maps.forEach((map, i) => this.panels[i].take(map));
    const grids = maps.map((map) => JSON.stringify(map.grid));
    this.linked = grids.every((grid) => grid === grids[0]);
    const key = JSON.stringify(legend);
    if (key !== this.legendKey) this.explain(legend);
    this.legendKey = key;
  }

  /**
   * Frame a cell of one map, and the same cell of all others over the same grid.
   *
   * @param {Cell | null} cell
   * @param {MapPanel} [from]
   */
  highlight(cell, from) {
    for (const panel of this.panels) {
      panel.highlight(cell && (panel === from || this.linked) ? cell : null);
    }
  }

  /** @param {string} text */
  announce(text) {
    write(this.live, text);
  }

  /**
   * The legend: a ramp for kinds with values, a swatch for the others.
   *
   * @param {Legend} legend
   */
  explain({ title, ticks, kinds, hatch }) {
    this.key.replaceChildren();
    const ramps = kinds.filter((kind) => kind.colors.length > 1);
    if (title) element("span", "qnviz-map-legend-title", this.key).textContent = title;
    ramps.forEach((kind, i) => {
      const entry = element("span", "qnviz-map-ramp-entry", this.key);
      if (kind.text) element("span", "", entry).textContent = kind.text;
      const ramp = element("span", "qnviz-map-ramp", entry);
      const band = element("span", "qnviz-map-band", ramp);
      band.style.background = `linear-gradient(to right, ${kind.colors.join(", ")})`;
      for (const { at, text } of i === 0 ? ticks : []) {
        const tick = element("span", "qnviz-map-tick", ramp);
        tick.style.left = `${100 * at}%`;
        tick.textContent = text;
      }
    });
    for (const kind of kinds.filter((each) => each.colors.length === 1 && each.text)) {
      const entry = element("span", "qnviz-map-swatch", this.key);
      const swatch = element("i", "", entry);
      swatch.style.background = kind.hatched
        ? `repeating-linear-gradient(135deg, ${hatch} 0 1px, ${kind.colors[0]} 1px 5px)`
        : kind.colors[0];
      entry.append(kind.text);
    }
  }

  destroy() {
    this.stop.abort();
    for (const panel of this.panels) panel.destroy();
    this.root.replaceChildren();
  }
}
