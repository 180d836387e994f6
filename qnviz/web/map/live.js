// Maps that the browser computes itself, and again while a setting is dragged: coarse first, in
// workers. What the server computes stays the record; titles and sentences are its alone.

import { NOTHING } from "./cells.js";
import { judge } from "./judge.js";
import { order } from "./order.js";
import { Pool } from "./pool.js";
import { Runner } from "./runner.js";
import { Palette, Sheet } from "./sheet.js";
import { edited, valuesOf } from "./specs.js";

/** @import { CellMap } from "./cells.js" */
/** @import { Maps } from "./maps.js" */
/** @import { Order } from "./order.js" */
/** @import { MapPanel } from "./panel.js" */
/** @import { NumberField } from "../player/payload.d.ts" */
/** @import { LiveMapPayload, LivePayload, MapEdit, MapsPayload } from "./payload.d.ts" */
/** @import { Engine } from "./runner.js" */
/** @import { Spec } from "./specs.js" */

const FINE = 16; // cells between two of a grid that is fine enough to stand in for a map
const LATE = 150; // ms after which anything does
export const SIDES = /** @type {const} */ (["left", "right"]);

/** A map that the browser computes. */
export class LiveMap {
  /** @type {Sheet} what is shown */
  sheet;
  /** @type {Sheet | null} what is shown as soon as it is fine enough */
  next = null;
  /** @type {Sheet | null} */
  spare = null;
  /** @type {Order} */
  order;
  /** @type {string} what was asked for last */
  asked = "";
  timer = 0;

  /**
   * @param {LiveMapPayload} live
   * @param {MapPanel} panel
   */
  constructor({ spec, nx, ny }, panel) {
    this.nx = nx;
    this.ny = ny;
    this.spec = spec;
    this.panel = panel;
    this.sheet = new Sheet(ny, nx);
    this.order = order(ny, nx);
    const { map } = panel;
    this.xs = map ? valuesOf(map.x, nx) : [];
    this.ys = map ? valuesOf(map.y, ny) : [];
  }

  /** Whether anything is there to be shown. */
  get shows() {
    return this.sheet.done > 0;
  }

  /** Begin anew; what is shown stays until the new one is fine enough. */
  begin() {
    this.next ??= this.spare ?? new Sheet(this.ny, this.nx);
    this.next.clear();
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.reveal(), LATE);
  }

  reveal() {
    clearTimeout(this.timer);
    if (!this.next?.done) return;
    [this.sheet, this.spare, this.next] = [this.next, this.sheet, null];
  }

  /** Whether a grid that can stand in for the map is there. */
  get fine() {
    const level = this.order.levels.find(({ step }) => step <= FINE);
    return !level || (this.next?.done ?? 0) >= level.end;
  }
}

export class LiveMaps {
  /** @type {(LiveMap | null)[]} by panel */
  maps = [];
  /** @type {MapEdit} what was changed since Python's last word */
  edit = {};
  /** @type {string | null} the key of the maps on which an edit was released */
  released = null;
  dragging = false;
  /** @type {MapsPayload | null} */
  payload = null;
  /** @type {Pool | null} */
  pool = null;
  /** @type {Promise<Engine> | null} */
  loading = null;
  /** @type {Engine | null} */
  engine = null;
  /** @type {Runner[]} */
  runners = [];
  /** @type {Palette | null} */
  palette = null;
  scale = "";
  frame = 0;
  address = "";

  /** @param {Maps} owner */
  constructor(owner) {
    this.owner = owner;
  }

  /** @param {MapsPayload} payload drawn already */
  take(payload) {
    if (!this.dragging && this.released !== null && payload.key !== this.released) {
      this.edit = {};
      this.released = null;
    }
    this.payload = payload;
    const { live } = payload;
    this.owner.root.dataset.changing = String(this.changed);
    if (!live) return this.end();
    if (live.engine !== this.address) this.connect(live);
    this.recolor(live);
    payload.maps.forEach(({ live: here }, i) => {
      const known = this.maps[i];
      const grid = JSON.stringify([here && [here.nx, here.ny], payload.maps[i].grid]);
      if (!here) this.drop(i);
      else if (!known || known.panel.grid !== grid) {
        this.drop(i);
        this.maps[i] = new LiveMap(here, this.owner.panels[i]);
        this.owner.panels[i].grid = grid;
      } else known.spec = here.spec;
    });
    for (let i = payload.maps.length; i < this.maps.length; i += 1) this.drop(i);
    this.maps.length = payload.maps.length;
    this.request();
  }

  /**
   * A map is the server's alone again.
   *
   * @param {number} i
   */
  drop(i) {
    const map = this.maps[i];
    this.maps[i] = null;
    if (!map) return;
    this.pool?.drop(String(i));
    clearTimeout(map.timer);
    delete map.panel.figure.dataset.live;
    map.panel.grid = "";
    map.panel.draw();
  }

  /** @param {LivePayload} live */
  connect({ engine, worker }) {
    this.end();
    this.address = engine;
    // this very module is a blob, which has no place that an address could be relative to
    const load = () => (this.loading ??= import(new URL(engine, document.baseURI).href));
    this.pool = new Pool(() => /** @type {any} */ (new Worker(worker, { type: "module" })), load);
    load().then(
      (found) => {
        this.engine = found;
        this.owner.begin();
      },
      () => {
        this.loading = null;
        this.owner.complain("The runs of cells cannot be shown: the engine did not load.");
      },
    );
  }

  /** @param {LivePayload} live */
  recolor(live) {
    const { kinds } = this.owner.legend;
    const { log } = live;
    const [low, high] = this.span(live);
    const scale = JSON.stringify([low, high, log, kinds]);
    if (scale === this.scale) return;
    this.scale = scale;
    const palette = (this.palette = new Palette({ kinds, low, high, log }));
    for (const map of this.maps) {
      for (const sheet of [map?.sheet, map?.next])
        sheet?.repaint(map?.order ?? order(0, 0), palette);
    }
    this.draw();
  }

  /**
   * Between which numbers the colours lie: the server's, or before it has any, those that are here.
   *
   * @param {LivePayload} live
   * @returns {[low: number, high: number]}
   */
  span({ low, high, log }) {
    if (high > low) return [low, high];
    let [least, most] = [Infinity, -Infinity];
    for (const map of this.maps) {
      map?.sheet.value.forEach((value, i) => {
        if (map.sheet.kind[i] === NOTHING || !Number.isFinite(value)) return;
        if (log && !(value > 0)) return;
        least = Math.min(least, value);
        most = Math.max(most, value);
      });
    }
    return most > least ? [least, most] : [low, high];
  }

  /** Whether something is changed that Python does not know yet. */
  get changed() {
    return Object.keys(this.edit).length > 0;
  }

  /**
   * A map's spec as it is under the hand; null where the browser does not compute it.
   *
   * @param {number} i
   * @returns {Spec | null}
   */
  spec(i) {
    const map = this.maps[i];
    return map ? edited(map.spec, this.edit, SIDES[i]) : null;
  }

  /** Compute what is not computed yet. */
  request() {
    const { pool, payload, palette } = this;
    if (!pool || !payload?.live || !palette) return;
    const { rule, seeds } = payload.live;
    this.maps.forEach((map, i) => {
      const spec = this.spec(i);
      if (!map || !spec) return;
      const asked = JSON.stringify([spec, rule]);
      if (asked === map.asked) return;
      map.asked = asked;
      map.begin();
      const { cells, levels } = map.order;
      const runs = seeds === 1 ? cells : withSeeds(cells, seeds);
      const summaries = rule.name === "settings" && !(rule.column in COMMON);
      pool.request(String(i), {
        spec,
        cells: runs,
        ends: levels.map(({ end }) => end * seeds),
        seeds,
        summaries,
        onTile: (from, columns) => {
          const judged = judge(rule, columns, seeds);
          const sheet = map.next ?? map.sheet;
          sheet.put(map.order, from / seeds, judged, this.palette ?? palette);
          if (map.next && map.fine) {
            map.reveal();
            if (this.payload?.live) this.recolor(this.payload.live);
          }
          this.draw();
        },
        onDone: () => {
          map.reveal();
          if (this.payload?.live) this.recolor(this.payload.live);
          this.owner.explain(this.owner.legend); // with the kinds that there are
          this.draw();
          map.panel.figure.dataset.live = "whole";
        },
        onFault: (words) => this.owner.complain(`The map stopped following: ${words}`),
      });
      map.panel.figure.dataset.live = "growing";
    });
  }

  /**
   * A map's cells as they are described: the server's columns, with the numbers computed here.
   *
   * @param {number} i
   * @param {CellMap} map
   * @returns {CellMap}
   */
  cells(i, map) {
    const live = this.maps[i];
    const rule = this.payload?.live?.rule;
    if (!live || !rule) return map;
    const { sheet, xs, ys, nx, ny } = live;
    const columns = map.columns.map(({ title }, k) => {
      const spread = rule.columns[k] === "value" ? { low: sheet.low, high: sheet.high } : {};
      return { title, values: sheet[rule.columns[k]], low: undefined, high: undefined, ...spread };
    });
    const runs = new Uint8Array(nx * ny).fill(map.seeds);
    const counts = map.seeds > 1 ? [runs, sheet.reached, sheet.diverged] : [];
    const [x, y] = [
      { ...map.x, values: Float64Array.from(xs) },
      { ...map.y, values: Float64Array.from(ys) },
    ];
    return { ...map, x, y, nx, ny, kind: sheet.kind, shown: sheet.kind, columns, counts };
  }

  draw() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      for (const map of this.maps) if (map?.shows) map.panel.draw();
    });
  }

  // -- under the hand --------------------------------------------------------------------------

  /**
   * A setting under the hand: the maps follow.
   *
   * @param {MapEdit} edit
   */
  change(edit) {
    this.dragging = true;
    for (const side of SIDES) {
      if (edit[side]) edit = { ...edit, [side]: { ...this.edit[side], ...edit[side] } };
    }
    this.edit = { ...this.edit, ...edit };
    this.owner.root.dataset.changing = "true";
    this.request();
    this.owner.rerun();
  }

  /** The hand is lifted: Python takes the new settings. */
  release() {
    this.dragging = false;
    if (!this.changed || !this.payload) return;
    this.released = this.payload.key;
    this.owner.reports.edit(this.edit);
  }

  /** What was under the hand is as it was. */
  cancel() {
    this.dragging = false;
    if (this.released === null) this.edit = {};
    this.owner.root.dataset.changing = String(this.changed);
    if (this.payload) this.owner.offer(this.payload);
    this.request();
    this.owner.rerun();
  }

  /**
   * A setting's value as it is under the hand.
   *
   * @param {NumberField} field
   * @param {number | null} index the map whose method's setting it is; null for one of both
   * @returns {NumberField}
   */
  under(field, index) {
    const { edit } = this;
    const { name } = field;
    /** @type {Record<string, any>} */
    const common = { noise: edit.noise, seed: edit.seed };
    edit.start?.forEach((value, i) => (common[`start.${i}`] = value));
    const value = index === null ? common[name] : edit[SIDES[index]]?.[name];
    return value === undefined ? field : { ...field, value };
  }

  // -- runs ------------------------------------------------------------------------------------

  /**
   * What computes single runs for a panel; null before the engine is there.
   *
   * @param {number} i
   */
  runner(i) {
    if (!this.engine) return null;
    return (this.runners[i] ??= new Runner(this.engine));
  }

  end() {
    this.pool?.destroy();
    this.pool = null;
    for (const runner of this.runners) runner.stop();
    this.maps.forEach((_, i) => this.drop(i));
    this.maps = [];
    this.address = "";
    cancelAnimationFrame(this.frame);
    this.frame = 0;
  }

  destroy() {
    this.end();
  }
}

const COMMON = { steps_to_target: 1, final_loss: 1, work: 1 };

/**
 * Runs of cells: all seeds of a cell stand together.
 *
 * @param {Uint32Array} cells
 * @param {number} seeds
 */
function withSeeds(cells, seeds) {
  const runs = new Uint32Array(cells.length * seeds);
  cells.forEach((cell, i) => {
    for (let s = 0; s < seeds; s += 1) runs[i * seeds + s] = cell * seeds + s;
  });
  return runs;
}
