// One map: Plotly's heatmap, or beneath its lines the cells that the browser computes itself; above
// them a canvas with the hatch, the path of a run, and the cell under the pointer or the cursor.

import { element, fit, write } from "../dom.js";
import { clamp } from "../numbers.js";
import { cellAt, describe, NOTHING, partOf, readMap } from "./cells.js";
import { MapControls } from "./controls.js";
import { dot, edgeOf, hatchLines, LiveCells, LivePath } from "./overlay.js";

/** @import { CellMap, Side } from "./cells.js" */
/** @import { Maps } from "./maps.js" */
/** @import { Cell, MapPayload, Margin } from "./payload.d.ts" */

const PLAIN = {
  displayModeBar: false,
  responsive: false,
  doubleClick: false,
  scrollZoom: false,
  staticPlot: true,
};
const FINEST = 128; // cells along an axis that the arrow keys tell apart
/** @type {Record<string, Cell>} */
const ARROWS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowDown: [-1, 0], ArrowUp: [1, 0] };

export class MapPanel {
  /** @type {CellMap | null} */
  map = null;
  /** @type {Margin | null} in pixels, once the map is drawn */
  margin = null;
  /** @type {Cell | null} where the keyboard's cursor stands */
  cursor = null;
  /** @type {Cell | null} */
  highlighted = null;
  resizeTimer = 0;
  /** What the live map's cells are, so that another grid begins anew. */
  grid = "";

  /**
   * @param {Maps} maps
   * @param {number} index
   * @param {Plotly} Plotly
   */
  constructor(maps, index, Plotly) {
    this.maps = maps;
    this.index = index;
    this.Plotly = Plotly;
    this.box = element("section", "qnviz-map", maps.row);
    this.title = element("h2", "qnviz-map-title", this.box);
    this.controls = new MapControls(this.box, maps.live, index);
    this.figure = element("div", "qnviz-map-figure", this.box, {
      role: "application",
      tabindex: "0",
      "aria-roledescription": "map",
      "data-map": index,
    });
    const hidden = { "aria-hidden": "true" };
    this.cells = new LiveCells(this.figure);
    this.plot = /** @type {PlotlyElement} */ (
      /** @type {unknown} */ (element("div", "qnviz-map-plot", this.figure, hidden))
    );
    this.canvas = element("canvas", "qnviz-map-canvas", this.figure, hidden);
    this.tip = element("div", "qnviz-map-tip", this.figure, { ...hidden, hidden: "" });
    this.words = element("p", "qnviz-map-words", this.box);
    this.context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    this.path = new LivePath();
    this.observer = new ResizeObserver(() => {
      clearTimeout(this.resizeTimer);
      this.resizeTimer = window.setTimeout(() => this.present(), 60);
    });
    this.observer.observe(this.figure);
    this.listen();
  }

  listen() {
    const { figure, maps } = this;
    const options = { signal: maps.stop.signal };
    figure.addEventListener("pointermove", (event) => this.point(event), options);
    figure.addEventListener("pointerleave", () => maps.point(null, this), options);
    figure.addEventListener("click", (event) => this.click(event), options);
    figure.addEventListener("keydown", (event) => this.key(event), options);
    figure.addEventListener("blur", () => maps.point(null, this), options);
    const focused = () => {
      if (figure.matches(":focus-visible")) this.choose(this.cursor ?? this.middle());
    };
    figure.addEventListener("focus", focused, options);
  }

  /** @param {MapPayload} payload */
  take(payload) {
    this.map = readMap(payload);
    write(this.title, payload.title);
    this.title.title = payload.title;
    write(this.words, payload.words);
    const does = payload.live ? "keeps its run beside the map" : "opens its run";
    const label = `${payload.alt} Arrow keys choose a cell, Enter ${does}.`;
    this.figure.setAttribute("aria-label", label);
    this.figure.dataset.nx = String(this.map.nx);
    this.figure.dataset.ny = String(this.map.ny);
    this.present();
  }

  /** Draw the figure for the size that the panel has now. */
  present() {
    if (!this.map) return;
    const { figure, margin } = this.map;
    const scale = this.box.clientWidth > 800 ? 1.2 : 1;
    this.margin = scaled(margin, scale);
    const layout = enlarged(structuredClone(figure.layout), scale);
    [layout.width, layout.height] = [this.figure.clientWidth, this.figure.clientHeight];
    if (!(layout.width > 0 && layout.height > 0)) return;
    // Plotly writes into what it is given
    const data = figure.data.map((trace) => ({ ...trace }));
    this.Plotly.react(this.plot, data, layout, PLAIN);
    this.draw();
  }

  // -- pixels --------------------------------------------------------------------------------

  get area() {
    const { l, r, t, b } = this.margin ?? { l: 0, r: 0, t: 0, b: 0 };
    return { x: l, y: t, w: this.figure.clientWidth - l - r, h: this.figure.clientHeight - t - b };
  }

  /**
   * The cell at a place of the figure, or null outside.
   *
   * @param {number} px
   * @param {number} py
   * @returns {Cell | null}
   */
  at(px, py) {
    if (!this.map || !this.margin) return null;
    const { x, y, w, h } = this.area;
    const { nx, ny } = this.shown ?? this.map;
    const across = this.index_(this.map.x, nx, (px - x) / w);
    const up = this.index_(this.map.y, ny, 1 - (py - y) / h);
    return across < 0 || up < 0 ? null : [up, across];
  }

  /**
   * A cell's rectangle in pixels: left, top, width, height.
   *
   * @param {CellMap} map
   * @param {Cell} cell
   */
  rectangle(map, [iy, ix]) {
    const { x, y, w, h } = this.area;
    const { nx, ny } = this.shown ?? map;
    const across = (/** @type {number} */ i) => x + w * edgeOf(map.x, nx, i);
    const up = (/** @type {number} */ i) => y + h * (1 - edgeOf(map.y, ny, i));
    const [left, right, low, high] = [across(ix), across(ix + 1), up(iy), up(iy + 1)];
    return [left, high, right - left, low - high];
  }

  // -- drawing -------------------------------------------------------------------------------

  draw() {
    const { canvas, context, map } = this;
    if (!map || !this.margin) return;
    const [width, height] = [this.figure.clientWidth, this.figure.clientHeight];
    const ratio = fit(canvas, width, height);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const { shown } = this;
    this.figure.classList.toggle("is-live", Boolean(shown));
    if (shown) this.cells.draw(shown, this.area, context, this.maps.legend.hatch, ratio);
    else this.hatch(map);
    this.path.draw(context, map, this.area);
    const { kept } = this.maps;
    if (kept?.index === this.index) {
      const { x, y, w, h } = this.area;
      const [across, up] = [partOf(map.x, kept.place.x), partOf(map.y, kept.place.y)];
      dot(context, [x + w * across, y + h * (1 - up)], "#ffffff");
    }
    if (this.highlighted) this.frame(map, this.highlighted);
  }

  /**
   * Lines over the cells of hatched kinds.
   *
   * @param {CellMap} map
   */
  hatch(map) {
    const { context, area } = this;
    const { kinds, hatch } = this.maps.legend;
    const hatched = new Set(kinds.flatMap((kind, i) => (kind.hatched ? [i] : [])));
    context.save();
    context.beginPath();
    let some = false;
    const xs = Array.from(map.x.edges, (v) => area.x + area.w * partOf(map.x, v));
    const ys = Array.from(map.y.edges, (v) => area.y + area.h * (1 - partOf(map.y, v)));
    for (let iy = 0; iy < map.ny; iy += 1) {
      for (let ix = 0; ix < map.nx; ix += 1) {
        if (!hatched.has(map.shown[iy * map.nx + ix])) continue;
        let end = ix; // one rectangle for a run of cells
        while (end + 1 < map.nx && hatched.has(map.shown[iy * map.nx + end + 1])) end += 1;
        context.rect(xs[ix], ys[iy + 1], xs[end + 1] - xs[ix], ys[iy] - ys[iy + 1]);
        ix = end;
        some = true;
      }
    }
    if (some) {
      context.clip();
      hatchLines(context, area, hatch);
    }
    context.restore();
  }

  /**
   * @param {CellMap} map
   * @param {Cell} cell
   */
  frame(map, cell) {
    const { context } = this;
    const [x, y, w, h] = this.rectangle(map, cell);
    /** @param {string} color @param {number} width */
    const line = (color, width) => {
      context.strokeStyle = color;
      context.lineWidth = width;
      context.strokeRect(x - 1, y - 1, w + 2, h + 2);
    };
    line("#ffffff", 4);
    line("#101318", 1.8);
  }

  /**
   * Frame a cell and describe it, or stop doing so.
   *
   * @param {Cell | null} cell
   */
  highlight(cell) {
    const { map, tip } = this;
    if (!map) return;
    const { nx, ny } = this.shown ?? map;
    this.highlighted = cell && cell[0] < ny && cell[1] < nx ? cell : null;
    tip.hidden = !this.highlighted;
    this.draw();
    if (!this.highlighted) return;
    const lines = [...this.told(map, this.highlighted), ...this.path.words];
    tip.replaceChildren(
      ...lines.map((line) => {
        const row = element("div");
        row.textContent = line;
        return row;
      }),
    );
    const [x, y, w, h] = this.rectangle(map, this.highlighted);
    const right = x + w + 10 + tip.offsetWidth < this.figure.clientWidth;
    const left = right ? x + w + 10 : Math.max(0, x - 10 - tip.offsetWidth);
    const beside = Math.max(0, y + h / 2 - tip.offsetHeight / 2);
    const top = Math.min(beside, this.figure.clientHeight - tip.offsetHeight);
    tip.style.transform = `translate(${left}px, ${top}px)`;
  }

  /** Which kinds of cells are seen. */
  kinds() {
    return this.shown ? this.shown.sheet.kinds() : new Set(this.map?.shown ?? []);
  }

  /** The map that the browser computes, once there is anything of it; else null. */
  get shown() {
    const live = this.maps.live.maps[this.index];
    return live?.shows ? live : null;
  }

  /**
   * The cell at a part of an axis, or -1 outside.
   *
   * @param {Side} side
   * @param {number} n cells along it
   * @param {number} part
   */
  index_(side, n, part) {
    if (n === side.values.length) return cellAt(side, part);
    return part >= 0 && part <= 1 ? Math.min(n - 1, Math.floor(part * n)) : -1;
  }

  /**
   * A cell in words.
   *
   * @param {CellMap} map
   * @param {Cell} cell
   */
  told(map, cell) {
    const seen = this.shown ? this.maps.live.cells(this.index, map) : map;
    return describe(seen, this.maps.legend.kinds, ...cell);
  }

  // -- pointer and keys ----------------------------------------------------------------------

  /** @param {MouseEvent} event */
  pointed(event) {
    const box = this.figure.getBoundingClientRect();
    return this.at(event.clientX - box.left, event.clientY - box.top);
  }

  /** @param {MouseEvent} event */
  point(event) {
    const cell = this.pointed(event);
    this.figure.classList.toggle("is-over", Boolean(cell));
    if (String(cell) !== String(this.highlighted)) this.choose(cell);
  }

  /** @param {MouseEvent} event */
  click(event) {
    const cell = this.pointed(event);
    if (cell) this.open(cell);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.map) return;
    const { nx, ny } = this.shown ?? this.map;
    const way = ARROWS[event.key];
    if (way) {
      event.preventDefault();
      const near = Math.max(1, Math.round(nx / FINEST));
      const far = event.shiftKey ? Math.max(4, Math.round(nx / 8)) : near;
      const [iy, ix] = this.cursor ?? [ny >> 1, nx >> 1];
      /** @type {Cell} */
      const cell = [clamp(iy + far * way[0], 0, ny - 1), clamp(ix + far * way[1], 0, nx - 1)];
      this.choose(cell);
      this.maps.announce(this.told(this.map, cell).join(". "));
    } else if (event.key === "Enter" && this.cursor) {
      event.preventDefault();
      this.open(this.cursor);
    } else if (event.key === "Escape") {
      this.maps.point(null, this);
    }
  }

  /** @returns {Cell | null} */
  middle() {
    const grid = this.shown ?? this.map;
    return grid ? [grid.ny >> 1, grid.nx >> 1] : null;
  }

  /** @param {Cell | null} cell */
  choose(cell) {
    if (cell) this.cursor = cell;
    this.maps.point(cell, this);
  }

  /** @param {Cell} cell */
  open([iy, ix]) {
    if (this.shown) return this.maps.keep(this, [iy, ix]);
    if (!this.map || this.map.kind[iy * this.map.nx + ix] === NOTHING) return;
    this.maps.reports.open([this.index, iy, ix]);
  }

  destroy() {
    this.observer.disconnect();
    clearTimeout(this.resizeTimer);
    if (this.plot.on) this.Plotly.purge(this.plot);
    this.box.remove();
  }
}

/**
 * @param {Margin} margin
 * @param {number} scale
 * @returns {Margin}
 */
function scaled({ l, r, t, b }, scale) {
  const [left, right, top, bottom] = [l, r, t, b].map((v) => Math.round(v * scale));
  return { l: left, r: right, t: top, b: bottom };
}

/**
 * A layout, changed in place, whose type and margins suit a larger screen.
 *
 * @param {PlotlyLayout} layout
 * @param {number} scale
 */
function enlarged(layout, scale) {
  if (scale === 1) return layout;
  /** @param {any} part */
  const grow = (part) => {
    if (!part || typeof part !== "object") return;
    for (const [name, value] of Object.entries(part)) {
      if (name === "size" && typeof value === "number") part[name] = value * scale;
      else grow(value);
    }
  };
  for (const name of ["font", "xaxis", "yaxis"]) grow(layout[name]);
  layout.margin = scaled(layout.margin, scale);
  return layout;
}
