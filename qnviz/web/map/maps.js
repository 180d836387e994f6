// Maps side by side under one headline, above one legend.

import { element, write } from "../dom.js";
import { loadPlotly } from "../plotly.js";
import { MapPanel } from "./panel.js";

class Maps {
  constructor(root, onOpen) {
    Object.assign(this, { root, onOpen, panels: [], stop: new AbortController() });
    root.dataset.qnvizMap = "";
    root.dataset.ready = "false";
    this.headline = element("p", "qnviz-map-headline", root);
    this.complaint = element("p", "qnviz-map-complaint", root, { role: "alert", hidden: "" });
    this.row = element("div", "qnviz-map-row", root);
    this.key = element("div", "qnviz-map-legend", root);
    this.live = element("p", "qnviz-map-live", root, { "aria-live": "polite" });
  }

  async update(payload) {
    this.wanted = payload;
    this.root.dataset.theme = payload.theme === "dark" ? "dark" : "light";
    try {
      await loadPlotly(payload.plotly_url);
      if (this.wanted !== payload || this.stop.signal.aborted) return; // a newer one came
      this.draw(payload);
      this.complaint.hidden = true;
    } catch (error) {
      write(this.complaint, `The maps could not be drawn: ${error.message}.`);
      this.complaint.hidden = false;
    }
    this.root.dataset.ready = String(this.complaint.hidden);
    this.root.dataset.id = payload.id;
  }

  draw(payload) {
    this.legend = payload.legend;
    write(this.headline, payload.headline ?? "");
    while (this.panels.length > payload.maps.length) this.panels.pop().destroy();
    while (this.panels.length < payload.maps.length)
      this.panels.push(new MapPanel(this, this.panels.length));
    this.root.dataset.maps = payload.maps.length;
    payload.maps.forEach((map, i) => this.panels[i].take(map));
    // maps over the same grid are looked at together
    const grids = payload.maps.map((map) => JSON.stringify(map.grid));
    this.linked = grids.every((grid) => grid === grids[0]);
    const legend = JSON.stringify(payload.legend);
    if (legend !== this.legendNow) this.explain(payload.legend);
    this.legendNow = legend;
  }

  /** Frame a cell of one map, and the same cell of all others over the same grid. */
  look(cell, from) {
    for (const panel of this.panels) {
      if (panel.map) panel.show(cell && (panel === from || this.linked) ? cell : null);
    }
  }

  say(text) {
    write(this.live, text);
  }

  /** The legend: a ramp for kinds with values, a swatch for the others. */
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
      const sample = element("i", "", entry);
      sample.style.background = kind.hatched
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

/** Draw a payload into an element; gives `update(payload)` and `destroy()`. */
export function mountMaps(root, payload, onOpen) {
  const maps = new Maps(root, onOpen);
  maps.update(payload);
  return maps;
}
