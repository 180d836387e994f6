// One panel of the linked player: a static figure and the canvas above it.

import { decode } from "../columns.js";
import { element, unbroken, write } from "../dom.js";
import { clamp, significant } from "../numbers.js";
import { axesMeaning, magnified, toPixel } from "./axes.js";
import { drawMarker } from "./canvas.js";
import { Cloud } from "./cloud.js";
import { Strip } from "./strip.js";

const CONFIG = {
  displayModeBar: false,
  responsive: false,
  doubleClick: "reset",
  scrollZoom: false,
};
const ARROW = new Path2D("M8 0L-5 6.5L-2.5 0L-5 -6.5Z");
const ARROW_INSET = 9;
const REST = 6; // a growing run draws a figure again after so many times what that takes

export class Panel {
  constructor(player) {
    this.player = player;
    this.box = element("section", "qnviz-panel");
    this.bar = element("div", "qnviz-head", this.box);
    this.title = element("div", "qnviz-title", this.bar, { role: "heading", "aria-level": 2 });
    this.figure = element("div", "qnviz-figure", this.box, { role: "img" });
    this.plot = element("div", "qnviz-plot", this.figure);
    this.canvas = element("canvas", "qnviz-canvas", this.figure, { "aria-hidden": "true" });
    this.tip = element("div", "qnviz-tip", this.figure, { "aria-hidden": "true" });
    this.tip.hidden = true;
    this.context = this.canvas.getContext("2d");
    this.observer = new ResizeObserver(() => {
      clearTimeout(this.resizing);
      this.resizing = setTimeout(() => this.resize(), 100);
    });
    this.observer.observe(this.figure);
    this.seen = true;
    this.watch = new IntersectionObserver((entries) => {
      this.seen = entries.at(-1).isIntersecting;
      this.catchUp();
    });
    this.watch.observe(this.figure);
    for (const type of ["pointerdown", "pointermove", "pointerup", "pointercancel"]) {
      this.figure.addEventListener(type, (event) => this.point(event));
    }
    for (const type of ["pointerdown", "pointermove", "pointerleave"]) {
      this.figure.addEventListener(type, (event) => this.inspect(event));
    }
  }

  /** Show a panel, or (`mayWait`) later, if it is out of sight or takes too much of the time. */
  take(panel, mayWait) {
    this.pending = panel;
    const resting = performance.now() - this.drawnAt < REST * this.cost;
    return mayWait && (!this.seen || resting) ? null : this.show(panel);
  }

  /** What stands there before the figure is drawn: title, choices, and words for a screen reader. */
  begin(panel) {
    this.options = [panel, ...(panel.choices ?? [])];
    this.offer(panel.id);
    this.head(panel);
  }

  catchUp() {
    if (this.pending && this.seen && window.QnvizPlotly) this.show(this.pending);
  }

  /** Show a panel's picture, or the one of its choices that the reader made last. */
  show(panel) {
    this.pending = null;
    this.options = [panel, ...(panel.choices ?? [])];
    this.offer(panel.id);
    const wanted = this.player.choices.get(panel.id);
    const chosen = Math.max(
      0,
      this.options.findIndex((option) => option.label === wanted),
    );
    if (this.select) this.select.value = String(chosen);
    const began = performance.now();
    const drawn = this.present({ ...this.options[chosen], id: panel.id });
    this.drawnAt = performance.now();
    this.cost = this.drawnAt - began;
    return drawn;
  }

  /** A selector beside the title, where there is a choice; it stays while the labels stay. */
  offer(id) {
    const labels = JSON.stringify(this.options.map((option) => option.label));
    if (labels === this.labels) return;
    this.labels = labels;
    this.select?.remove();
    this.select = null;
    if (this.options.length < 2) return;
    this.select = element("select", "qnviz-choice", this.bar, {
      "aria-label": "Shown in this picture",
    });
    this.options.forEach((option, value) => {
      element("option", "", this.select, { value }).textContent = option.label ?? "";
    });
    this.select.addEventListener("change", () => {
      const option = this.options[Number(this.select.value)];
      this.player.choices.set(id, option.label);
      this.present({ ...option, id });
    });
  }

  /** The title, and what the picture says to those who do not see it; there before it is drawn. */
  head({ title = "", alt }) {
    this.figure.setAttribute("aria-label", alt || title || "Picture");
    const shown = `${title} ${this.labels}`;
    if (shown === this.headed) return;
    this.headed = shown;
    this.title.title = title;
    unbroken(this.title, title);
    this.wrap();
  }

  /**
   * A title that one line does not hold gives its row two, at the cost of the figures' height. The
   * row keeps them until its width changes, so that nothing jumps while a run grows. What two
   * lines do not hold can be read whole by pointer and by keyboard.
   */
  wrap() {
    const {
      title,
      box: { parentElement: row },
    } = this;
    if (!row || !title.clientWidth) return;
    if (title.scrollWidth > title.clientWidth) row.classList.add("qnviz-two");
    if (title.scrollHeight > title.clientHeight + 2) title.tabIndex = 0;
    else title.removeAttribute("tabindex");
  }

  /** Draw a figure (again); Plotly keeps the zoom as long as the axes mean the same. */
  present(spec) {
    const {
      model: { entrants },
      hidden,
      scale,
    } = this.player;
    this.spec = spec;
    this.scale = scale;
    this.axes = null; // nothing is drawn until Plotly has laid out the new axes
    this.font = getComputedStyle(this.box).fontFamily;
    this.view = viewOf(spec, this);
    this.tip.hidden = true;
    this.start = null;
    this.heads = (spec.heads ?? []).map((head) => ({
      ...head,
      x: head.x ? decode(head.x) : entrants[head.entrant].clock,
      y: decode(head.y),
    }));
    this.figure.dataset.panel = spec.id ?? "";
    this.head(spec);
    this.figure.classList.toggle("qnviz-clickable", Boolean(spec.click));
    const data = spec.figure.data.map((trace) => {
      const owner = entrants[trace.meta?.entrant];
      // Copies, because Plotly writes what the reader changes into the objects it was given.
      const drawn = scale === 1 ? { ...trace } : magnified(trace, scale);
      return owner && hidden.has(owner.label) ? { ...drawn, visible: false } : drawn;
    });
    const { width, height, ...layout } = magnified(
      structuredClone(spec.figure.layout ?? {}),
      scale,
    );
    layout.autosize = true;
    layout.uirevision ??= axesMeaning(layout, this.player.growing);
    if (spec.click) layout.dragmode = false; // a drag chooses a start, so it must not zoom
    const first = !this.plot.on;
    const drawn = window.QnvizPlotly.react(this.plot, data, layout, CONFIG);
    if (first) {
      for (const name of ["plotly_afterplot", "plotly_relayouting"])
        this.plot.on(name, () => this.project());
    }
    this.project();
    return drawn;
  }

  hide(entrants, hidden) {
    const [traces, visible] = [[], []];
    this.spec.figure.data.forEach((trace, i) => {
      const owner = entrants[trace.meta?.entrant];
      if (!owner || trace.visible === false) return;
      const wanted = hidden.has(owner.label) ? false : (trace.visible ?? true);
      if (this.plot.data[i].visible === wanted) return;
      traces.push(i);
      visible.push(wanted);
    });
    if (traces.length) window.QnvizPlotly.restyle(this.plot, { visible }, traces);
    else this.draw();
  }

  resize() {
    const Plotly = window.QnvizPlotly;
    if (!Plotly || !this.plot.on || !this.figure.clientWidth) return;
    this.player.wrap();
    if (this.scale !== this.player.scale) this.present(this.spec);
    else Plotly.Plots.resize(this.plot);
  }

  /** Data to pixels, once per change of the axes rather than once per frame. */
  project() {
    const layout = this.plot._fullLayout;
    if (!layout?.xaxis || !layout?.yaxis) return;
    this.axes = [layout.xaxis, layout.yaxis];
    const heights = Object.keys(layout)
      .filter((name) => /^yaxis\d*$/.test(name))
      .map((name) => layout[name]);
    this.top = Math.min(...heights.map((axis) => axis._offset));
    this.bottom = Math.max(...heights.map((axis) => axis._offset + axis._length));
    for (const head of this.heads) {
      head.axes = [layout.xaxis, layout[`yaxis${(head.axis ?? "y").slice(1)}`]];
      head.px = Float64Array.from(head.x, (value) => toPixel(head.axes[0], value));
      head.py = Float64Array.from(head.y, (value) => toPixel(head.axes[1], value));
    }
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(layout.width * ratio), Math.round(layout.height * ratio)];
    if (this.canvas.width !== width || this.canvas.height !== height) {
      Object.assign(this.canvas, { width, height });
      Object.assign(this.canvas.style, {
        width: `${layout.width}px`,
        height: `${layout.height}px`,
      });
    }
    this.ratio = ratio;
    this.drawn = null;
    this.draw();
  }

  draw() {
    if (!this.axes) return;
    const { context: c, player } = this;
    const { model, frame, hidden, ink } = player;
    const [xa] = this.axes;
    if (this.view && !this.heads.length && !this.spec.cursor) {
      const key = this.view.key();
      if (key === this.drawn) return;
      this.drawn = key;
    }
    c.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    c.clearRect(0, 0, this.canvas.width, this.canvas.height);
    c.save();
    c.beginPath();
    c.rect(xa._offset, this.top, xa._length, this.bottom - this.top);
    c.clip();
    this.view?.draw(c);
    c.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    if (this.spec.cursor) this.drawCursor(toPixel(xa, model.frames[frame]), ink);
    const alive = this.heads.filter((head) => !hidden.has(model.entrants[head.entrant].label));
    for (const head of alive) this.drawTrail(head, this.stand(head));
    c.restore();
    // The first entrant is the one that the page is about: drawn last, it stays on top.
    for (const head of alive.reverse()) this.drawHead(head, this.stand(head));
    if (this.start) this.drawStart(ink);
    this.tell();
  }

  stand(head) {
    const { model, frame } = this.player;
    return Math.min(model.entrants[head.entrant].index[frame], head.px.length - 1);
  }

  drawCursor(x, ink) {
    const { context: c } = this;
    c.globalAlpha = 0.5;
    c.fillStyle = ink.text;
    c.fillRect(Math.round(x), this.top, 1, this.bottom - this.top);
    c.globalAlpha = 1;
  }

  drawTrail(head, at) {
    const { context: c } = this;
    const from = Math.max(0, at - (this.spec.trail ?? 0));
    if (from === at) return;
    c.strokeStyle = this.player.model.entrants[head.entrant].color;
    c.lineWidth = 3 * this.scale;
    c.lineJoin = "round";
    // Eight pieces of rising opacity look continuous and cost eight strokes, not forty.
    const pieces = Math.min(8, at - from);
    for (let piece = 0; piece < pieces; piece++) {
      const begin = from + Math.floor(((at - from) * piece) / pieces);
      const end = from + Math.floor(((at - from) * (piece + 1)) / pieces);
      c.globalAlpha = 0.12 + (0.83 * (piece + 1)) / pieces;
      c.beginPath();
      for (let i = begin, pen = false; i <= end; i++) {
        const drawable = !Number.isNaN(head.px[i] + head.py[i]);
        if (drawable && pen) c.lineTo(head.px[i], head.py[i]);
        else if (drawable) c.moveTo(head.px[i], head.py[i]);
        pen = drawable;
      }
      c.stroke();
    }
    c.globalAlpha = 1;
  }

  drawHead(head, at) {
    const [x, y] = [head.px[at], head.py[at]];
    if (Number.isNaN(x + y)) return;
    const { context: c, player } = this;
    const entrant = player.model.entrants[head.entrant];
    const [xa, ya] = head.axes;
    const edgeX = clamp(x, xa._offset, xa._offset + xa._length);
    const edgeY = clamp(y, ya._offset, ya._offset + ya._length);
    const outside = Math.hypot(x - edgeX, y - edgeY) > 1;
    // Off the picture an arrow at its edge says where the head is.
    const place = outside
      ? [
          clamp(x, xa._offset + ARROW_INSET, xa._offset + xa._length - ARROW_INSET),
          clamp(y, ya._offset + ARROW_INSET, ya._offset + ya._length - ARROW_INSET),
          ARROW,
          Math.atan2(y - edgeY, x - edgeX),
        ]
      : [x, y, entrant.path, 0];
    const [px, py, shape, angle] = place;
    drawMarker(
      c,
      shape,
      px,
      py,
      entrant.color,
      player.ink.background,
      entrant.over[player.frame],
      this.scale,
      angle,
    );
  }

  drawStart(ink) {
    const { context: c } = this;
    const [x, y] = this.start.map((value, k) => toPixel(this.axes[k], value));
    c.beginPath();
    for (const [dx, dy] of [
      [1, 0],
      [-1, 0],
      [0, 1],
      [0, -1],
    ]) {
      c.moveTo(x + 5 * dx, y + 5 * dy);
      c.lineTo(x + 13 * dx, y + 13 * dy);
    }
    c.moveTo(x + 8, y);
    c.arc(x, y, 8, 0, 2 * Math.PI);
    for (const [width, colour] of [
      [4, ink.background],
      [1.75, ink.text],
    ]) {
      c.lineWidth = width;
      c.strokeStyle = colour;
      c.stroke();
    }
  }

  /** Press, drag and release in the plotting area choose a start. */
  point(event) {
    if (!this.spec?.click || !this.axes) return;
    if (event.type === "pointerdown" ? event.button !== 0 : this.pointer !== event.pointerId)
      return;
    const corner = this.plot.getBoundingClientRect();
    const raw = [event.clientX - corner.left, event.clientY - corner.top];
    const pixels = raw.map((value, k) => value - this.axes[k]._offset);
    if (event.type === "pointerdown") {
      if (pixels.some((value, k) => value < 0 || value > this.axes[k]._length)) return;
      this.pointer = event.pointerId;
      this.figure.setPointerCapture(event.pointerId);
    }
    if (event.type === "pointercancel") this.start = null;
    else {
      this.start = pixels.map((value, k) => {
        const axis = this.axes[k];
        return significant(axis.p2d(clamp(value, 0, axis._length)), 4);
      });
    }
    if (event.type === "pointerup" || event.type === "pointercancel") this.pointer = null;
    if (event.type === "pointerup" && this.spec.click === "event") {
      this.player.chooseEvent(this.start);
      this.start = null;
    } else if (event.type === "pointerup") this.player.chooseStart(this.spec.click, this.start);
    this.draw();
  }

  /** A pointer over an image asks for its number. */
  inspect(event) {
    if (!this.view?.point || !this.axes) return;
    const corner = this.figure.getBoundingClientRect();
    const away = event.type === "pointerleave";
    const at = away ? [] : [event.clientX - corner.left, event.clientY - corner.top];
    if (this.view.point(...at)) this.draw();
  }

  tell() {
    const tip = this.view?.tip?.();
    this.tip.hidden = !tip;
    if (!tip) return;
    write(this.tip, tip.text);
    const half = this.tip.offsetWidth / 2;
    const x = clamp(tip.x, half, Math.max(half, this.figure.clientWidth - half));
    const above = tip.y - this.tip.offsetHeight - 4;
    this.tip.style.transform = `translate(${Math.round(x - half)}px, ${Math.round(Math.max(0, above))}px)`;
  }

  destroy() {
    this.observer.disconnect();
    this.watch.disconnect();
    clearTimeout(this.resizing);
    if (this.plot.on) window.QnvizPlotly.purge(this.plot);
    this.box.remove();
  }
}

/** The view that a panel's spec asks for, or null. */
function viewOf(spec, panel) {
  if (spec.strip) return new Strip(spec.strip, panel);
  return spec.cloud ? new Cloud(spec.cloud, panel) : null;
}
