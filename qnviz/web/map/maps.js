// Maps side by side under one headline, above one legend.

import { element, write } from "../dom.js";
import { loadPlotly } from "../plotly.js";
import { say } from "../numbers.js";
import { NOTHING } from "./cells.js";
import { MapControls } from "./controls.js";
import { Inspector } from "./inspector.js";
import { LiveMaps } from "./live.js";
import { MapPanel } from "./panel.js";
import { placeOf, runAt } from "./specs.js";

/** @import { Cell, Legend, MapEdit, MapsPayload, RunPlace } from "./payload.d.ts" */
/** @import { Result } from "./runner.js" */

/**
 * What is reported of the maps: a cell whose run the server is to open; a run that stays beside its
 * map, or none; settings that were dragged.
 *
 * @typedef {object} MapReports
 * @property {(cell: [map: number, row: number, column: number]) => void} open
 * @property {(place: [map: number, x: number, y: number, seed: number] | []) => void} pin
 * @property {(edit: MapEdit) => void} edit
 */

export class Maps {
  /** @type {MapPanel[]} */
  panels = [];
  /** Whether all maps have one grid, so that a cell is highlighted on all of them. */
  linked = false;
  legendKey = "";
  stop = new AbortController();
  /** @type {{ index: number, place: RunPlace } | null} the run that stays */
  kept = null;
  /** @type {{ index: number, place: RunPlace } | null} the run that is shown */
  shown = null;

  /**
   * @param {HTMLElement} root
   * @param {MapsPayload} payload
   * @param {MapReports} reports
   */
  constructor(root, payload, reports) {
    this.root = root;
    this.reports = reports;
    this.live = new LiveMaps(this);
    this.newest = payload;
    this.legend = payload.legend;
    root.dataset.qnvizMap = "";
    root.dataset.ready = "false";
    this.headline = element("p", "qnviz-map-headline", root);
    this.complaint = element("p", "qnviz-map-complaint", root, { role: "alert", hidden: "" });
    this.controls = new MapControls(root, this.live, null);
    this.row = element("div", "qnviz-map-row", root);
    this.inspector = new Inspector(this);
    this.key = element("div", "qnviz-map-legend", root);
    this.voice = element("p", "qnviz-map-live", root, { "aria-live": "polite" });
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
      // after the picture stands
      setTimeout(
        () => this.newest === payload && !this.stop.signal.aborted && this.follow(payload),
      );
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.complain(`The maps could not be drawn: ${why}.`);
    }
    this.root.dataset.ready = String(this.complaint.hidden);
    this.root.dataset.id = payload.id;
  }

  /**
   * @param {MapsPayload} payload
   * @param {Plotly} Plotly
   */
  draw(payload, Plotly) {
    const { headline, maps, legend } = payload;
    this.legend = legend;
    write(this.headline, headline ?? "");
    for (const panel of this.panels.splice(maps.length)) panel.destroy();
    while (this.panels.length < maps.length) {
      this.panels.push(new MapPanel(this, this.panels.length, Plotly));
    }
    this.root.dataset.maps = String(maps.length);
    this.inspector.take(payload.live, maps.length);
    maps.forEach((map, i) => this.panels[i].take(map));
    this.offer(payload);
    const grids = maps.map((map) => JSON.stringify(map.grid));
    this.linked = grids.every((grid) => grid === grids[0]);
    this.explain(legend);
  }

  /** @param {string} words */
  complain(words) {
    write(this.complaint, words);
    this.complaint.hidden = false;
  }

  /**
   * The settings that can be dragged, as they are under the hand.
   *
   * @param {MapsPayload} payload
   */
  offer({ fields, maps }) {
    this.controls.take(fields.map((field) => this.live.under(field, null)));
    maps.forEach((map, i) => {
      this.panels[i].controls.take(map.fields.map((field) => this.live.under(field, i)));
    });
  }

  /**
   * Let the browser compute the maps, and the run that stays.
   *
   * @param {MapsPayload} payload
   */
  follow(payload) {
    this.live.take(payload);
    const [index, x, y, seed] = payload.open ?? [];
    this.kept =
      index === undefined || x === undefined || y === undefined || seed === undefined
        ? null
        : { index, place: { x, y, seed } };
    this.rerun();
  }

  // -- runs ----------------------------------------------------------------------------------

  /** The engine is there: show the run that is asked for. */
  begin() {
    this.rerun();
  }

  /** Compute the run that is shown again. */
  rerun() {
    const asked = this.shown ?? this.kept;
    if (asked) this.show(asked.index, asked.place);
    else this.clear();
  }

  /**
   * Point at a cell of a map: it is framed, and its run shown.
   *
   * @param {Cell | null} cell
   * @param {MapPanel} panel
   */
  point(cell, panel) {
    const live = panel.shown;
    const place = live && cell && this.placeOf(panel, cell);
    this.shown = place ? { index: panel.index, place } : null;
    this.highlight(cell, panel);
    if (live) this.rerun();
  }

  /**
   * @param {MapPanel} panel
   * @param {Cell} cell
   */
  placeOf(panel, cell) {
    const live = panel.shown;
    if (!live) return null;
    const at = cell[0] * live.nx + cell[1];
    if (live.sheet.kind[at] === NOTHING) return null;
    return placeOf(live.xs, live.ys, cell, live.sheet.typical[at]);
  }

  /**
   * The run of a cell stays beside its map; chosen again, it goes.
   *
   * @param {MapPanel} panel
   * @param {Cell} cell
   */
  keep(panel, cell) {
    const place = this.placeOf(panel, cell);
    if (!place) return;
    const { kept } = this;
    const same =
      kept?.index === panel.index && JSON.stringify(kept.place) === JSON.stringify(place);
    this.kept = same ? null : { index: panel.index, place };
    this.reports.pin(same ? [] : [panel.index, place.x, place.y, place.seed]);
    this.rerun();
  }

  /**
   * Show a run: on the maps themselves where their axes are the plane, else beside them.
   *
   * @param {number} index
   * @param {RunPlace} place
   */
  show(index, place) {
    const { live } = this.newest;
    if (!live) return this.clear();
    const plane = live.rule.name === "ends";
    for (const panel of this.panels) {
      const spec = this.live.spec(panel.index);
      const runner = this.live.runner(panel.index);
      const here = panel.index === index || (plane && this.linked);
      if (!runner) continue;
      runner.stop();
      panel.path.take(null, 0, []);
      if (!here || !spec) continue;
      runner.run(
        runAt(spec, place),
        (result, done) => this.report(panel, place, result, done),
        (words) => this.refuse(panel, words),
      );
    }
    this.redraw();
  }

  /**
   * @param {MapPanel} panel
   * @param {RunPlace} place
   * @param {Result} result
   * @param {boolean} done
   */
  report(panel, place, result, done) {
    const { live } = this.newest;
    if (!live) return;
    const [status, stopped] = [result.status[0], result.stopped[0]];
    const end = done ? `${live.words[status] ?? status}: ${stopped} steps` : "";
    if (live.rule.name === "ends") {
      // of one that converged the cell says as much
      const words = end && status !== "converged" ? [end] : [];
      panel.path.take(result.columns.theta.data, stopped + 1, words);
      this.redraw(panel);
    } else {
      const loss = result.columns.loss.data[stopped];
      this.inspector.show(panel, place, result, end && `${end}, ${live.labels.loss} ${say(loss)}`);
    }
  }

  /**
   * @param {MapPanel} panel
   * @param {string} words
   */
  refuse(panel, words) {
    panel.path.take(null, 0, [words]);
    this.redraw(panel);
  }

  clear() {
    for (const panel of this.panels) {
      this.live.runner(panel.index)?.stop();
      panel.path.take(null, 0, []);
    }
    this.inspector.clear();
    this.redraw();
  }

  /** @param {MapPanel} [only] */
  redraw(only) {
    for (const panel of only ? [only] : this.panels) panel.highlight(panel.highlighted);
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
    write(this.voice, text);
  }

  /**
   * The legend: a ramp for kinds with values, a swatch for the others.
   *
   * @param {Legend} legend
   */
  explain({ title, ticks, kinds: all, hatch }) {
    const there = new Set(this.panels.flatMap((panel) => [...panel.kinds()]));
    const kinds = all.filter((kind, i) => !kind.rare || there.has(i));
    const key = JSON.stringify([title, ticks, kinds, hatch]);
    if (key === this.legendKey) return;
    this.legendKey = key;
    this.key.replaceChildren();
    const ramps = kinds.filter((kind) => kind.colors.length > 1);
    if (title) element("span", "qnviz-map-legend-title", this.key).textContent = title;
    ramps.forEach((kind, i) => {
      const entry = element("span", "qnviz-map-ramp-entry", this.key);
      if (kind.text) element("span", "", entry).textContent = kind.text;
      const ramp = element("span", i ? "qnviz-map-ramp is-short" : "qnviz-map-ramp", entry);
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
    this.live.destroy();
    this.inspector.destroy();
    for (const panel of this.panels) panel.destroy();
    this.root.replaceChildren();
  }
}
