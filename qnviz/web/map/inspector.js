// The run of a cell beside its map: its path over level lines of the loss, its loss, the eigenvalues
// of its matrix. The start can be dragged.

import { decode } from "../columns.js";
import { element, fit, write } from "../dom.js";
import { clamp, say, significant } from "../numbers.js";
import { dot } from "./overlay.js";

/** @import { Numbers } from "../columns.js" */
/** @import { Maps } from "./maps.js" */
/** @import { MapPanel } from "./panel.js" */
/** @import { LivePayload, RunPlace, SurfacePayload } from "./payload.d.ts" */
/** @import { Result } from "./runner.js" */
/** @import { Area } from "./overlay.js" */

const PATH = 0.52; // share of the height that the path has
const [LEFT, TOP, GAP] = [34, 16, 20]; // pixels: for numbers, for titles, between two pictures
const LEVELS = [-1, 0, 1, 2, 3, 4]; // of log₁₀ of the loss
const GRAB = 24; // pixels from the start at which it is taken
const DIGITS = 3;
const LARGE = 300; // pixels from which letters are larger

/** @typedef {{ x: Numbers, y: Numbers, z: Numbers } & Pick<SurfacePayload, "names" | "minima">} Ground */

export class Inspector {
  /** @type {Ground | null} */
  ground = null;
  /** @type {LivePayload["labels"] | null} */
  labels = null;
  /** @type {{ panel: MapPanel, place: RunPlace, result: Result, end: string } | null} */
  seen = null;
  /** @type {number | null} the pointer that holds the start */
  held = null;
  surfaceKey = "";

  /** @param {Maps} maps */
  constructor(maps) {
    this.maps = maps;
    this.box = element("section", "qnviz-map-inspector", maps.row, { hidden: "" });
    this.title = element("h2", "qnviz-map-title", this.box);
    this.figure = element("div", "qnviz-map-run", this.box);
    this.canvas = element("canvas", "", this.figure, { role: "img" });
    this.words = element("p", "qnviz-map-end", this.box);
    this.context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.figure);
    const options = { signal: maps.stop.signal };
    this.canvas.addEventListener("pointerdown", (event) => this.grab(event), options);
    this.canvas.addEventListener("pointermove", (event) => this.drag(event), options);
    for (const name of /** @type {const} */ (["pointerup", "pointercancel"])) {
      this.canvas.addEventListener(name, () => this.drop(), options);
    }
  }

  /**
   * @param {LivePayload | null} live
   * @param {number} maps how many there are
   */
  take(live, maps) {
    const surface = live?.surface ?? null;
    const hidden = !surface || maps === 0;
    this.box.hidden = hidden;
    this.maps.row.classList.toggle("has-run", !hidden);
    this.maps.row.append(this.box); // after the maps
    this.labels = live?.labels ?? null;
    const key = JSON.stringify(surface);
    if (key !== this.surfaceKey) {
      this.surfaceKey = key;
      this.ground = surface && {
        ...surface,
        x: decode(surface.x),
        y: decode(surface.y),
        z: decode(surface.z),
      };
    }
    if (!this.seen) this.invite();
    this.draw();
  }

  /** Say how a run comes here. */
  invite() {
    const hint = this.labels?.hint ?? "";
    write(this.title, hint);
    this.canvas.setAttribute("aria-label", hint);
  }

  /**
   * @param {MapPanel} panel
   * @param {RunPlace} place
   * @param {Result} result
   * @param {string} end
   */
  show(panel, place, result, end) {
    this.seen = { panel, place, result, end };
    const { map } = panel;
    if (map) {
      const at = `${map.x.label} = ${say(place.x)}, ${map.y.label} = ${say(place.y)}`;
      write(this.title, at);
    }
    write(this.words, end ? end[0].toUpperCase() + end.slice(1) : "");
    this.canvas.setAttribute("aria-label", `${this.title.textContent}. ${end}`);
    this.draw();
  }

  /** No run is asked for: the last one stays, so that nothing is empty. */
  clear() {
    if (!this.seen) this.invite();
  }

  // -- drawing -------------------------------------------------------------------------------

  draw() {
    const { canvas, context, figure } = this;
    const [width, height] = [figure.clientWidth, figure.clientHeight];
    if (!(width > 0 && height > 0)) return;
    const ratio = fit(canvas, width, height);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const style = getComputedStyle(this.maps.root);
    const ink = style.getPropertyValue("--ink").trim();
    const [muted, grid] = [alpha(ink, 0.7), alpha(ink, 0.22)];
    context.font = `${width > LARGE ? 14 : 11}px ${style.fontFamily}`;
    this.drawPath(ink, grid);
    const { seen, labels } = this;
    if (!seen || !labels) return;
    const { columns, stopped } = seen.result;
    const rows = stopped[0] + 1;
    const top = PATH * height;
    const each = (height - top) / 2;
    const area = (/** @type {number} */ i) => ({
      x: LEFT,
      y: top + i * each + TOP + GAP / 2,
      w: width - LEFT - 4,
      h: each - TOP - GAP / 2 - 6,
    });
    const pens = { ink, muted, grid };
    lines(context, area(0), labels.loss, [[columns.loss.data, rows]], true, pens);
    const own = columns.eig_min && columns.eig_max;
    const pair = own ? ["eig_min", "eig_max"] : ["hessian_min", "hessian_max"];
    const shown = pair.flatMap((name) => (columns[name] ? [columns[name].data] : []));
    const positive = shown.every((data) => data.slice(0, rows - 1).every((v) => !(v <= 0)));
    const count = own ? rows - 1 : rows;
    const series = shown.map((data) => /** @type {[Numbers, number]} */ ([data, count]));
    lines(context, area(1), own ? labels.own : labels.hessian, series, positive, pens);
  }

  /** @returns {Area} */
  get pathArea() {
    const { clientWidth: w, clientHeight: h } = this.figure;
    return { x: 1, y: 1, w: w - 2, h: PATH * h - 2 };
  }

  /**
   * @param {string} ink
   * @param {string} grid
   */
  drawPath(ink, grid) {
    const { context, ground, seen, pathArea } = this;
    if (!ground) return;
    const { x, y, w, h } = pathArea;
    const at = placer(ground, pathArea);
    context.save();
    context.beginPath();
    context.rect(x, y, w, h);
    context.clip();
    context.strokeStyle = grid;
    context.lineWidth = 1;
    context.beginPath();
    for (const level of LEVELS) levelLine(context, ground, level, at);
    context.stroke();
    for (const [mx, my] of ground.minima) star(context, at(mx, my), ink);
    const theta = seen?.result.columns.theta.data;
    if (seen && theta) {
      const rows = seen.result.stopped[0] + 1;
      context.beginPath();
      let last = at(theta[0], theta[1]);
      for (let k = 0; k < rows; k += 1) {
        const next = at(theta[2 * k], theta[2 * k + 1]);
        if (!next.every((v) => Math.abs(v) < 1e6)) break;
        context.lineTo(next[0], next[1]);
        last = next;
      }
      context.strokeStyle = "#0072b2";
      context.lineWidth = 1.8;
      context.lineJoin = "round";
      context.stroke();
      dot(context, at(theta[0], theta[1]), "#ffffff");
      dot(context, last, "#101318");
    }
    context.restore();
    context.strokeStyle = grid;
    context.strokeRect(x, y, w, h);
  }

  // -- the start under the hand ----------------------------------------------------------------

  /** @param {PointerEvent} event */
  place(event) {
    const { ground, pathArea } = this;
    if (!ground) return null;
    const box = this.canvas.getBoundingClientRect();
    const across = clamp((event.clientX - box.left - pathArea.x) / pathArea.w, 0, 1);
    const up = clamp(1 - (event.clientY - box.top - pathArea.y) / pathArea.h, 0, 1);
    const [x, y] = [ground.x, ground.y].map((v, i) => {
      const value = v[0] + [across, up][i] * (v[v.length - 1] - v[0]);
      return significant(value, DIGITS);
    });
    return /** @type {[number, number]} */ ([x, y]);
  }

  /** @param {PointerEvent} event */
  grab(event) {
    const { ground, seen, pathArea } = this;
    const theta = seen?.result.columns.theta.data;
    if (!ground || !theta || event.button !== 0) return;
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = placer(ground, pathArea)(theta[0], theta[1]);
    const away = Math.hypot(event.clientX - box.left - x, event.clientY - box.top - y);
    if (away > GRAB) return;
    event.preventDefault();
    this.held = event.pointerId;
    this.canvas.setPointerCapture(event.pointerId);
  }

  /** @param {PointerEvent} event */
  drag(event) {
    if (this.held !== event.pointerId) return;
    const start = this.place(event);
    if (!start) return;
    this.maps.live.change({ start });
    this.maps.offer(this.maps.newest);
  }

  drop() {
    if (this.held === null) return;
    this.held = null;
    this.maps.live.release();
  }

  destroy() {
    this.observer.disconnect();
  }
}

/**
 * Where a point of the plane lies in an area.
 *
 * @param {Ground} ground
 * @param {Area} area
 */
function placer({ x, y }, area) {
  const [x0, x1, y0, y1] = [x[0], x[x.length - 1], y[0], y[y.length - 1]];
  return (/** @type {number} */ px, /** @type {number} */ py) => [
    area.x + (area.w * (px - x0)) / (x1 - x0),
    area.y + area.h * (1 - (py - y0) / (y1 - y0)),
  ];
}

/**
 * A level line as pieces of its path, one or two for each square of the grid that it crosses.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {Ground} ground
 * @param {number} level
 * @param {(x: number, y: number) => number[]} at
 */
function levelLine(context, { x, y, z }, level, at) {
  const n = x.length;
  for (let i = 0; i + 1 < y.length; i += 1) {
    for (let j = 0; j + 1 < n; j += 1) {
      const corners = [
        [j, i],
        [j + 1, i],
        [j + 1, i + 1],
        [j, i + 1],
      ];
      const heights = corners.map(([a, b]) => z[b * n + a] - level);
      /** @type {number[][]} */
      const crossings = [];
      for (let k = 0; k < 4; k += 1) {
        const [p, q] = [heights[k], heights[(k + 1) % 4]];
        if (p < 0 === q < 0 || Number.isNaN(p + q)) continue;
        const t = p / (p - q);
        const [[a, b], [c, d]] = [corners[k], corners[(k + 1) % 4]];
        crossings.push(at(x[a] + t * (x[c] - x[a]), y[b] + t * (y[d] - y[b])));
      }
      for (let k = 0; k + 1 < crossings.length; k += 2) {
        context.moveTo(crossings[k][0], crossings[k][1]);
        context.lineTo(crossings[k + 1][0], crossings[k + 1][1]);
      }
    }
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number[]} place
 * @param {string} color
 */
function star(context, [x, y], color) {
  context.beginPath();
  for (let k = 0; k < 10; k += 1) {
    const r = k % 2 ? 3 : 7;
    context.lineTo(x + r * Math.sin((k * Math.PI) / 5), y - r * Math.cos((k * Math.PI) / 5));
  }
  context.closePath();
  context.fillStyle = color;
  context.fill();
}

/**
 * Series over the steps of a run, between the least and the largest number.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {Area} area
 * @param {string} title
 * @param {[Numbers, number][]} series
 * @param {boolean} log
 * @param {{ ink: string, muted: string, grid: string }} pens
 */
function lines(context, area, title, series, log, { ink, muted, grid }) {
  const height = (/** @type {number} */ v) => (log ? Math.log10(Math.max(v, 1e-300)) : v);
  let [low, high, most] = [Infinity, -Infinity, 1];
  for (const [data, rows] of series) {
    most = Math.max(most, rows - 1);
    for (let k = 0; k < rows; k += 1) {
      const v = height(data[k]);
      if (Number.isFinite(v)) [low, high] = [Math.min(low, v), Math.max(high, v)];
    }
  }
  context.fillStyle = ink;
  context.textAlign = "left";
  context.fillText(title, area.x, area.y - 5);
  context.strokeStyle = grid;
  context.lineWidth = 1;
  context.strokeRect(area.x, area.y, area.w, area.h);
  if (!(high >= low)) return;
  const span = high - low || 1;
  const up = (/** @type {number} */ v) => area.y + 3 + (area.h - 6) * (1 - (v - low) / span);
  context.fillStyle = muted;
  context.textAlign = "right";
  const back = (/** @type {number} */ v) => say(log ? 10 ** v : v, 2);
  context.fillText(back(high), area.x - 4, area.y + 9);
  context.fillText(back(low), area.x - 4, area.y + area.h);
  series.forEach(([data, rows], i) => {
    context.beginPath();
    context.setLineDash(i ? [4, 3] : []);
    for (let k = 0; k < rows; k += 1) {
      const v = height(data[k]);
      if (!Number.isFinite(v)) continue;
      context.lineTo(area.x + (area.w * k) / most, up(v));
    }
    context.strokeStyle = i ? "#d55e00" : "#0072b2";
    context.lineWidth = 1.5;
    context.stroke();
  });
  context.setLineDash([]);
}

/**
 * A colour, such as #1f2430, that lets what is behind it through.
 *
 * @param {string} color
 * @param {number} share
 */
const alpha = (color, share) => `color-mix(in srgb, ${color} ${100 * share}%, transparent)`;
