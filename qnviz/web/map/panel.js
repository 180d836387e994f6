// One map: Plotly's heatmap, and above it a canvas with the hatch, the cell under the pointer, and
// the cursor of the keyboard.

import { element, write } from "../dom.js";
import { clamp } from "../numbers.js";
import { cellAt, NOTHING, partOf, readMap, tell } from "./cells.js";

const PLAIN = {
  displayModeBar: false,
  responsive: false,
  doubleClick: false,
  scrollZoom: false,
  staticPlot: true,
};
const HATCH = 7; // pixels between two lines
const ARROWS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowDown: [-1, 0], ArrowUp: [1, 0] };

/** A layout whose type and margins suit a larger screen. */
function enlarged(layout, scale) {
  if (scale === 1) return layout;
  const grow = (part) => {
    if (!part || typeof part !== "object") return;
    for (const [name, value] of Object.entries(part)) {
      if (name === "size" && typeof value === "number") part[name] = value * scale;
      else grow(value);
    }
  };
  for (const name of ["font", "xaxis", "yaxis"]) grow(layout[name]);
  layout.margin = Object.fromEntries(
    Object.entries(layout.margin).map(([side, v]) => [side, Math.round(v * scale)]),
  );
  return layout;
}

export class MapPanel {
  constructor(maps, index) {
    Object.assign(this, { maps, index, cursor: null });
    this.box = element("section", "qnviz-map", maps.row);
    this.title = element("h2", "qnviz-map-title", this.box);
    this.figure = element("div", "qnviz-map-figure", this.box, {
      role: "application",
      tabindex: "0",
      "aria-roledescription": "map",
      "data-map": index,
    });
    this.plot = element("div", "qnviz-map-plot", this.figure, { "aria-hidden": "true" });
    this.canvas = element("canvas", "qnviz-map-canvas", this.figure, { "aria-hidden": "true" });
    this.tip = element("div", "qnviz-map-tip", this.figure, { "aria-hidden": "true", hidden: "" });
    this.words = element("p", "qnviz-map-words", this.box);
    this.context = this.canvas.getContext("2d");
    const on = (type, action) =>
      this.figure.addEventListener(type, action, { signal: maps.stop.signal });
    on("pointermove", (event) => this.point(event));
    on("pointerleave", () => maps.look(null));
    on("click", (event) => this.click(event));
    on("keydown", (event) => this.key(event));
    on(
      "focus",
      () => this.figure.matches(":focus-visible") && this.look(this.cursor ?? this.middle()),
    );
    on("blur", () => maps.look(null));
    this.observer = new ResizeObserver(() => {
      clearTimeout(this.resizing);
      this.resizing = setTimeout(() => this.map && this.present(), 60);
    });
    this.observer.observe(this.figure);
  }

  take(panel) {
    this.map = readMap(panel);
    write(this.title, panel.title);
    this.title.title = panel.title;
    write(this.words, panel.words);
    this.figure.setAttribute(
      "aria-label",
      `${panel.alt} Arrow keys choose a cell, Enter opens its run.`,
    );
    this.figure.dataset.nx = this.map.nx;
    this.figure.dataset.ny = this.map.ny;
    this.present();
  }

  present() {
    const { figure, margin } = this.map;
    const scale = this.box.clientWidth > 800 ? 1.2 : 1;
    this.margin = Object.fromEntries(
      Object.entries(margin).map(([side, v]) => [side, Math.round(v * scale)]),
    );
    const layout = enlarged(structuredClone(figure.layout), scale);
    [layout.width, layout.height] = [this.figure.clientWidth, this.figure.clientHeight];
    if (!(layout.width > 0 && layout.height > 0)) return;
    window.QnvizPlotly.react(
      this.plot,
      figure.data.map((trace) => ({ ...trace })),
      layout,
      PLAIN,
    );
    this.draw();
  }

  // -- pixels --------------------------------------------------------------------------------

  get area() {
    const { l, r, t, b } = this.margin;
    return { x: l, y: t, w: this.figure.clientWidth - l - r, h: this.figure.clientHeight - t - b };
  }

  /** The cell at a place of the figure: [row, column], rows counted upwards; null outside. */
  at(px, py) {
    if (!this.map || !this.margin) return null;
    const { x, y, w, h } = this.area;
    const ix = cellAt(this.map.x, (px - x) / w);
    const iy = cellAt(this.map.y, 1 - (py - y) / h);
    return ix < 0 || iy < 0 ? null : [iy, ix];
  }

  /** A cell's rectangle in pixels. */
  rectangle([iy, ix]) {
    const { x, y, w, h } = this.area;
    const [left, right] = [ix, ix + 1].map((i) => x + w * partOf(this.map.x, this.map.x.edges[i]));
    const [low, high] = [iy, iy + 1].map(
      (i) => y + h * (1 - partOf(this.map.y, this.map.y.edges[i])),
    );
    return [left, high, right - left, low - high];
  }

  // -- drawing -------------------------------------------------------------------------------

  draw() {
    if (!this.map || !this.margin) return;
    const [width, height] = [this.figure.clientWidth, this.figure.clientHeight];
    const ratio = window.devicePixelRatio || 1;
    const { canvas, context } = this;
    if (
      canvas.width !== Math.round(width * ratio) ||
      canvas.height !== Math.round(height * ratio)
    ) {
      [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
      Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    this.hatch();
    if (this.looked) this.frame(this.looked);
  }

  /** Lines over the cells of hatched kinds. */
  hatch() {
    const { context, map, area } = this;
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
      context.beginPath();
      for (let d = -area.h; d < area.w; d += HATCH) {
        context.moveTo(area.x + d, area.y + area.h);
        context.lineTo(area.x + d + area.h, area.y);
      }
      Object.assign(context, { strokeStyle: hatch, lineWidth: 1, globalAlpha: 0.75 });
      context.stroke();
    }
    context.restore();
  }

  frame(cell) {
    const { context } = this;
    const [x, y, w, h] = this.rectangle(cell);
    for (const [color, width] of [
      ["#ffffff", 4],
      ["#101318", 1.8],
    ]) {
      Object.assign(context, { strokeStyle: color, lineWidth: width });
      context.strokeRect(x - 1, y - 1, w + 2, h + 2);
    }
  }

  /** Frame a cell and tell it, or stop doing so. */
  show(cell) {
    this.looked = cell && cell[0] < this.map.ny && cell[1] < this.map.nx ? cell : null;
    this.tip.hidden = !this.looked;
    this.draw();
    if (!this.looked) return;
    const lines = tell(this.map, this.maps.legend.kinds, ...this.looked);
    this.tip.replaceChildren(
      ...lines.map((line) => {
        const row = element("div", "");
        row.textContent = line;
        return row;
      }),
    );
    const [x, y, w, h] = this.rectangle(this.looked);
    const right = x + w + 10 + this.tip.offsetWidth < this.figure.clientWidth;
    const top = Math.min(
      Math.max(0, y + h / 2 - this.tip.offsetHeight / 2),
      this.figure.clientHeight - this.tip.offsetHeight,
    );
    this.tip.style.transform = `translate(${right ? x + w + 10 : Math.max(0, x - 10 - this.tip.offsetWidth)}px, ${top}px)`;
  }

  // -- pointer and keys ----------------------------------------------------------------------

  pointed(event) {
    const box = this.figure.getBoundingClientRect();
    return this.at(event.clientX - box.left, event.clientY - box.top);
  }

  point(event) {
    const cell = this.pointed(event);
    this.figure.classList.toggle("is-over", Boolean(cell));
    if (String(cell) !== String(this.looked)) this.look(cell);
  }

  click(event) {
    const cell = this.pointed(event);
    if (cell) this.open(cell);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.map) return;
    const way = ARROWS[event.key];
    if (way) {
      event.preventDefault();
      const far = event.shiftKey ? Math.max(4, Math.round(this.map.nx / 8)) : 1;
      const [iy, ix] = this.cursor ?? this.middle();
      this.look([
        clamp(iy + far * way[0], 0, this.map.ny - 1),
        clamp(ix + far * way[1], 0, this.map.nx - 1),
      ]);
      this.maps.say(tell(this.map, this.maps.legend.kinds, ...this.cursor).join(". "));
    } else if (event.key === "Enter" && this.cursor) {
      event.preventDefault();
      this.open(this.cursor);
    } else if (event.key === "Escape") {
      this.maps.look(null);
    }
  }

  middle() {
    return this.map ? [this.map.ny >> 1, this.map.nx >> 1] : null;
  }

  look(cell) {
    if (cell) this.cursor = cell;
    this.maps.look(cell, this);
  }

  open(cell) {
    const [iy, ix] = cell;
    if (this.map.kind[iy * this.map.nx + ix] !== NOTHING) this.maps.onOpen([this.index, iy, ix]);
  }

  destroy() {
    this.observer.disconnect();
    clearTimeout(this.resizing);
    if (this.plot.on) window.QnvizPlotly.purge(this.plot);
    this.box.remove();
  }
}
