// One panel of the linked player: a static figure and the canvas above it.

import { decode } from "../columns.js";
import { element, fit, unbroken, write } from "../dom.js";
import { clamp, significant } from "../numbers.js";
import { axesMeaning, ends, laidOut, magnified, steadied, toPixel } from "./axes.js";
import { pen } from "./canvas.js";
import { Cloud } from "./cloud.js";
import { drawHead, drawStart, drawTrail } from "./heads.js";
import { Marks } from "./marks.js";
import { Start } from "./start.js";
import { Strip } from "./strip.js";

/** @import { Ink } from "./canvas.js" */
/** @import { Head } from "./heads.js" */
/** @import { PanelPayload, PicturePayload } from "./payload.d.ts" */
/** @import { Player } from "./player.js" */

const CONFIG = {
  displayModeBar: false,
  responsive: false,
  doubleClick: "reset",
  scrollZoom: false,
};
const REST = 6; // a growing run draws a figure again after so many times what that takes

export class Panel {
  /** @type {PanelPayload | null} what waits to be drawn */
  pending = null;
  /** @type {PicturePayload[]} what the reader can choose among */
  options = [];
  optionsKey = "";
  /** @type {HTMLSelectElement | null} */
  select = null;
  headKey = "";
  /** @type {PicturePayload | null} what is shown */
  picture = null;
  /** @type {Strip | Cloud | null} what its canvas shows besides heads */
  view = null;
  /** @type {Head[]} */
  heads = [];
  /** What is drawn while a hand drags. */
  marks = new Marks([]);
  /** @type {PlotlyLayout} as it was given to Plotly */
  layout = {};
  /** @type {((name: string) => PlotlyAxis) | null} the vertical axes */
  named = null;
  /** @type {[PlotlyAxis, PlotlyAxis] | null} null until Plotly has laid out new ones */
  axes = null;
  /** Between which heights axes lie, in pixels. */
  top = 0;
  bottom = 0;
  scale = 1;
  ratio = 1;
  font = "";
  /** What the view drew last. */
  viewKey = "";
  /** @type {[x: number, y: number] | null} a start that is being chosen, in data */
  start = null;
  /** @type {number | null} the pointer that chooses it */
  pointer = null;
  /** Whether that is by its handle, or may yet become a swipe. */
  held = false;
  swipes = false;
  /** Where the picture's corner is for the pointer, so that what it has taken hold of stays below it. */
  grip = [0, 0];
  /** Whether the panel is in sight. */
  seen = true;
  /** When the figure was drawn, and how long that took, in milliseconds. */
  drawnAt = -Infinity;
  cost = 0;
  resizeTimer = 0;

  /**
   * A panel with its title, choices, and words for a screen reader, but without its figure.
   *
   * @param {Player} player
   * @param {PanelPayload} payload
   */
  constructor(player, payload) {
    this.player = player;
    this.box = element("section", "qnviz-panel");
    this.bar = element("div", "qnviz-head", this.box);
    this.title = element("div", "qnviz-title", this.bar, { role: "heading", "aria-level": 2 });
    this.handle = new Start(this);
    this.box.append(this.handle.layer);
    this.figure = element("div", "qnviz-figure", this.box, { role: "img" });
    this.plot = /** @type {PlotlyElement} */ (
      /** @type {unknown} */ (element("div", "qnviz-plot", this.figure))
    );
    this.canvas = element("canvas", "qnviz-canvas", this.figure, { "aria-hidden": "true" });
    this.tip = element("div", "qnviz-tip", this.figure, { "aria-hidden": "true" });
    this.tip.hidden = true;
    this.context = pen(this.canvas);
    this.observer = new ResizeObserver(() => {
      clearTimeout(this.resizeTimer);
      this.resizeTimer = window.setTimeout(() => this.resize(), 100);
    });
    this.observer.observe(this.figure);
    this.watch = new IntersectionObserver((entries) => {
      this.seen = entries[entries.length - 1].isIntersecting;
      this.catchUp();
    });
    this.watch.observe(this.figure);
    for (const type of /** @type {const} */ (["down", "move", "up", "cancel"])) {
      this.figure.addEventListener(`pointer${type}`, (event) => this.point(event));
      this.handle.node.addEventListener(`pointer${type}`, (event) => this.point(event));
    }
    // Plotly would keep a swipe that begins on a surface from scrolling the page
    const whole = (/** @type {Event} */ event) => {
      if (this.picture?.click) event.stopPropagation();
    };
    this.figure.addEventListener("touchstart", whole, { capture: true, passive: true });
    for (const type of /** @type {const} */ (["down", "move", "leave"])) {
      this.figure.addEventListener(`pointer${type}`, (event) => this.inspect(event));
    }
    this.offer(payload);
    this.head(payload);
  }

  /**
   * Show a panel, or (`mayWait`) later, if it is out of sight or takes too much of the time.
   *
   * @param {PanelPayload} payload
   * @param {boolean} mayWait
   * @param {boolean} still whether axes are to stay, if they can
   */
  take(payload, mayWait, still) {
    this.pending = payload;
    const resting = performance.now() - this.drawnAt < REST * this.cost;
    return mayWait && (!this.seen || resting) ? null : this.show(payload, still);
  }

  catchUp() {
    if (this.pending && this.seen && window.QnvizPlotly) this.show(this.pending);
  }

  /**
   * Show a panel's picture, or the one of its choices that the reader made last.
   *
   * @param {PanelPayload} payload
   * @param {boolean} [still]
   */
  show(payload, still = false) {
    this.pending = null;
    this.offer(payload);
    const wanted = this.player.choices.get(payload.id);
    const found = this.options.findIndex((option) => option.label === wanted);
    const chosen = Math.max(0, found);
    if (this.select) this.select.value = String(chosen);
    const began = performance.now();
    const drawn = this.present({ ...this.options[chosen], id: payload.id }, still);
    this.drawnAt = performance.now();
    this.cost = this.drawnAt - began;
    return drawn;
  }

  /**
   * A selector beside the title, where there is a choice; it stays while the labels stay.
   *
   * @param {PanelPayload} payload
   */
  offer(payload) {
    const { id } = payload;
    this.options = [payload, ...(payload.choices ?? [])];
    const key = JSON.stringify(this.options.map((option) => option.label));
    if (key === this.optionsKey) return;
    this.optionsKey = key;
    this.select?.remove();
    this.select = null;
    if (this.options.length < 2) return;
    const select = element("select", "qnviz-choice", this.bar, {
      "aria-label": "Shown in this picture",
    });
    this.options.forEach((option, value) => {
      element("option", "", select, { value }).textContent = option.label ?? "";
    });
    select.addEventListener("change", () => {
      const option = this.options[Number(select.value)];
      this.player.choices.set(id, option.label ?? "");
      this.present({ ...option, id });
    });
    this.select = select;
  }

  /**
   * The title, and what the picture says to those who do not see it; there before it is drawn.
   *
   * @param {PicturePayload} picture
   */
  head({ title = "", alt }) {
    this.figure.setAttribute("aria-label", alt || title || "Picture");
    const key = `${title} ${this.optionsKey}`;
    if (key === this.headKey) return;
    this.headKey = key;
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
    const { title, box } = this;
    const row = box.parentElement;
    if (!row || !title.clientWidth) return;
    if (title.scrollWidth > title.clientWidth) row.classList.add("qnviz-two");
    if (title.scrollHeight > title.clientHeight + 2) title.tabIndex = 0;
    else title.removeAttribute("tabindex");
  }

  /**
   * Draw a figure (again); Plotly keeps the zoom as long as the axes mean the same.
   *
   * @param {PicturePayload} picture
   * @param {boolean} [still] whether axes are to stay, if they can
   */
  present(picture, still = false) {
    const { player, plot } = this;
    const { entrants } = player.model;
    const { scale } = player;
    const Plotly = window.QnvizPlotly;
    if (!Plotly) throw new Error("plotly.js has not loaded");
    this.picture = picture;
    this.scale = scale;
    this.axes = null;
    this.font = getComputedStyle(this.box).fontFamily;
    this.view = viewOf(picture, this);
    this.tip.hidden = true;
    this.start = null;
    this.marks = new Marks(picture.live ?? []);
    this.fade();
    this.heads = (picture.heads ?? []).map(({ entrant, x, y, axis = "y" }) => ({
      entrant,
      axis,
      x: x ? decode(x) : entrants[entrant].clock,
      y: decode(y),
      px: new Float64Array(),
      py: new Float64Array(),
      axes: null,
    }));
    this.figure.dataset.panel = picture.id ?? "";
    this.head(picture);
    this.figure.classList.toggle("qnviz-clickable", Boolean(picture.click));
    const data = picture.figure.data.map((trace) => {
      const owner = entrants[trace.meta?.entrant ?? -1];
      // Copies, because Plotly writes what the reader changes into the objects it was given.
      const drawn = { ...magnified(trace, scale) };
      if (owner && player.hidden.has(owner.label)) drawn.visible = false;
      return drawn;
    });
    const wanted = magnified(structuredClone(picture.figure.layout ?? {}), scale);
    const layout = still ? steadied(this.layout, wanted) : wanted;
    this.layout = structuredClone(layout);
    delete layout.width;
    delete layout.height;
    layout.autosize = true;
    layout.uirevision ??= axesMeaning(layout, player.growing);
    if (picture.click) layout.dragmode = false; // a drag chooses a start, so it must not zoom
    const first = !plot.on;
    const drawn = Plotly.react(plot, data, layout, CONFIG);
    if (first) {
      for (const name of ["plotly_afterplot", "plotly_relayouting"]) {
        plot.on?.(name, () => this.project());
      }
    }
    this.project();
    return drawn;
  }

  /** Hide the traces of hidden entrants, and show all others. */
  hide() {
    const { picture, plot } = this;
    const { model, hidden } = this.player;
    if (!picture || !window.QnvizPlotly) return;
    /** @type {number[]} */
    const traces = [];
    /** @type {(boolean | "legendonly")[]} */
    const visible = [];
    picture.figure.data.forEach((trace, i) => {
      const owner = model.entrants[trace.meta?.entrant ?? -1];
      if (!owner || trace.visible === false) return;
      const wanted = hidden.has(owner.label) ? false : (trace.visible ?? true);
      if (plot.data[i].visible === wanted) return;
      traces.push(i);
      visible.push(wanted);
    });
    if (traces.length) window.QnvizPlotly.restyle(plot, { visible }, traces);
    else this.draw();
  }

  resize() {
    const Plotly = window.QnvizPlotly;
    if (!Plotly || !this.picture || !this.plot.on || !this.figure.clientWidth) return;
    this.player.wrap();
    if (this.scale !== this.player.scale) this.present(this.picture);
    else Plotly.Plots.resize(this.plot);
  }

  /** Data to pixels, once per change of the axes rather than once per frame. */
  project() {
    const layout = laidOut(this.plot);
    if (!layout) return;
    const { canvas } = this;
    this.axes = [layout.x, layout.y];
    this.named = layout.named;
    this.top = layout.top;
    this.bottom = layout.bottom;
    for (const head of this.heads) {
      const [x, y] = [layout.x, layout.named(head.axis)];
      head.axes = [x, y];
      head.px = Float64Array.from(head.x, (value) => toPixel(x, value));
      head.py = Float64Array.from(head.y, (value) => toPixel(y, value));
    }
    this.ratio = fit(canvas, layout.width, layout.height);
    this.viewKey = "";
    this.draw();
  }

  /** Whether it shows what the hand makes. */
  get follows() {
    return this.player.live.on && this.marks.marks.length > 0;
  }

  /** While the hand drags, the record stays as faint lines to compare with. */
  fade() {
    this.box.classList.toggle("qnviz-faint", this.follows);
  }

  draw() {
    const { context: c, player, picture, axes, view, follows } = this;
    if (!axes || !picture) return;
    const { model, frame, hidden, ink, live } = player;
    this.handle.place();
    if (view && !this.heads.length && !picture.cursor) {
      const key = view.key();
      if (key === this.viewKey) return;
      this.viewKey = key;
    }
    c.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    c.clearRect(0, 0, this.canvas.width, this.canvas.height);
    c.save();
    c.beginPath();
    const [left, right] = ends(axes[0]);
    c.rect(left, this.top, right - left, this.bottom - this.top);
    c.clip();
    view?.draw(c, axes);
    c.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    const now = follows ? live.now : model.frames[frame];
    if (picture.cursor) this.drawCursor(toPixel(axes[0], now), ink);
    const shown = model.entrants.map(({ label }) => !hidden.has(label));
    if (follows && this.named) {
      const rows = live.rows.map((each, i) => (shown[i] ? each : null));
      this.marks.draw(c, rows, axes[0], this.named, this.scale);
    }
    const heads = follows ? this.marks.heads : this.heads;
    const alive = heads.filter(({ entrant }) => shown[entrant]);
    for (const head of alive) {
      const at = this.stand(head);
      const from = Math.max(0, at - (picture.trail ?? 0));
      drawTrail(c, head, from, at, model.entrants[head.entrant].color, 3 * this.scale);
    }
    c.restore();
    // The first entrant is the one that the page is about: drawn last, it stays on top.
    for (const head of alive.reverse()) {
      const entrant = model.entrants[head.entrant];
      const over = follows ? live.over(head.entrant) : Boolean(entrant.over[frame]);
      drawHead(c, head, this.stand(head), entrant, over, ink.background, this.scale);
    }
    if (this.start) {
      const [x, y] = this.start;
      drawStart(c, toPixel(axes[0], x), toPixel(axes[1], y), ink);
    }
    this.showTip();
  }

  /**
   * Which of its steps a head is at.
   *
   * @param {Head} head
   */
  stand({ entrant, px }) {
    const { model, frame, live } = this.player;
    const at = this.follows ? live.index(entrant) : model.entrants[entrant].index[frame];
    return Math.min(at, px.length - 1);
  }

  /**
   * @param {number} x
   * @param {Ink} ink
   */
  drawCursor(x, ink) {
    const { context: c } = this;
    c.globalAlpha = 0.5;
    c.fillStyle = ink.text;
    c.fillRect(Math.round(x), this.top, 1, this.bottom - this.top);
    c.globalAlpha = 1;
  }

  // -- pointer -------------------------------------------------------------------------------

  /**
   * Press, drag and release in the plotting area choose a start. By touch only its handle is dragged,
   * as a swipe elsewhere scrolls the page.
   *
   * @param {PointerEvent} event
   */
  point(event) {
    const { axes } = this;
    const click = this.picture?.click;
    if (!click || !axes) return;
    const { type, pointerId, button } = event;
    if (type === "pointerdown" ? button !== 0 : this.pointer !== pointerId) return;
    if (type === "pointerdown" && !this.grab(event, axes)) return;
    const [px, py] = [event.clientX - this.grip[0], event.clientY - this.grip[1]];
    const start = /** @type {[number, number]} */ (
      axes.map((axis, k) => {
        const [low, high] = ends(axis);
        return significant(axis.p2d(clamp((k ? py : px) - low, 0, high - low)), 4);
      })
    );
    const { live } = this.player;
    const dragged = click === "start" && live.start !== null;
    this.start = dragged || type === "pointercancel" ? null : start;
    if (type === "pointerup" || type === "pointercancel") this.pointer = null;
    if (dragged) {
      this.drag(event, start);
      this.handle.place();
      return;
    }
    if (type === "pointerup" && click === "event") {
      this.start = null;
      this.player.chooseEvent(start);
    } else if (type === "pointerup") this.player.chooseStart(click, start);
    this.draw();
  }

  /**
   * Whether a press takes hold of the start, or of the surface.
   *
   * @param {PointerEvent} event
   * @param {[PlotlyAxis, PlotlyAxis]} axes
   */
  grab(event, axes) {
    const { clientX, clientY, currentTarget, pointerId, pointerType } = event;
    const { node } = this.handle;
    const [[left, right], [top, bottom]] = axes.map(ends);
    const corner = this.plot.getBoundingClientRect();
    const [px, py] = [clientX - corner.left, clientY - corner.top];
    this.held = currentTarget === node;
    this.grip = [corner.left, corner.top];
    if (this.held) {
      const { x, y, width, height } = node.getBoundingClientRect();
      this.grip[0] += clientX - (x + width / 2);
      this.grip[1] += clientY - (y + height / 2);
      node.focus({ preventScroll: true });
      event.preventDefault();
    } else if (px < left || px > right || py < top || py > bottom) return false;
    this.pointer = pointerId;
    this.swipes = pointerType === "touch" && !this.held;
    /** @type {Element} */ (currentTarget).setPointerCapture(pointerId);
    return true;
  }

  /**
   * The start under the hand.
   *
   * @param {PointerEvent} event
   * @param {[x: number, y: number]} start
   */
  drag({ type }, start) {
    const { live } = this.player;
    if (type === "pointercancel") return live.cancel();
    if (this.swipes && type !== "pointerup") return;
    // to take hold of the handle and let it go moves nothing
    const moves = this.held ? type === "pointermove" : true;
    if (moves) live.change({ start });
    if (type === "pointerup") live.release();
  }

  /** Escape while the start is dragged: the rest of the drag is nobody's. */
  letGo() {
    if (this.pointer === null) return false;
    this.pointer = null;
    this.start = null;
    this.player.live.cancel();
    this.draw();
    return true;
  }

  /**
   * A pointer over an image asks for its number.
   *
   * @param {PointerEvent} event
   */
  inspect(event) {
    if (!(this.view instanceof Strip) || !this.axes) return;
    const corner = this.figure.getBoundingClientRect();
    const away = event.type === "pointerleave";
    if (this.view.point(away ? null : [event.clientX - corner.left, event.clientY - corner.top])) {
      this.draw();
    }
  }

  /** Words over the image that the pointer is at. */
  showTip() {
    const { tip, figure, view } = this;
    const found = view instanceof Strip ? view.tip() : null;
    tip.hidden = !found;
    if (!found) return;
    write(tip, found.text);
    const half = tip.offsetWidth / 2;
    const x = clamp(found.x, half, Math.max(half, figure.clientWidth - half));
    const above = Math.max(0, found.y - tip.offsetHeight - 4);
    tip.style.transform = `translate(${Math.round(x - half)}px, ${Math.round(above)}px)`;
  }

  destroy() {
    this.observer.disconnect();
    this.watch.disconnect();
    clearTimeout(this.resizeTimer);
    if (this.plot.on) window.QnvizPlotly?.purge(this.plot);
    this.box.remove();
  }
}

/**
 * What a picture's canvas shows besides heads, or null.
 *
 * @param {PicturePayload} picture
 * @param {Panel} panel
 */
function viewOf({ strip, cloud }, panel) {
  if (strip) return new Strip(strip, panel);
  return cloud ? new Cloud(cloud, panel) : null;
}
