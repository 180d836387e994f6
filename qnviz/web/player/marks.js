// What a canvas draws of a picture while a hand drags: its marks (qnviz/figures/live.py) over the rows
// that the engine computes, on the axes that Plotly has laid out.

import { markerPath } from "../markers.js";
import { clamp } from "../numbers.js";
import { ends, toPixel } from "./axes.js";
import { pen, sheet } from "./canvas.js";

/** @import { Head } from "./heads.js" */
/** @import { Rows } from "./rows.js" */
/** @import * as P from "./payload.d.ts" */

/**
 * Where marks are drawn.
 *
 * @typedef {object} Place
 * @property {CanvasRenderingContext2D} c
 * @property {PlotlyAxis} x
 * @property {PlotlyAxis} y the mark's own
 * @property {number} scale
 *
 * @typedef {[left: number, top: number, width: number, height: number]} Box
 */

/** As Plotly draws them, in widths of the line, which count as 3 at least. @type {Record<string, number[]>} */
const DASHES = {
  dot: [1, 1],
  dash: [3, 3],
  longdash: [5, 5],
  dashdot: [3, 1, 1, 1],
  longdashdot: [5, 1, 1, 1],
};
const ARM = 1.4; // how far the arms of a thin line reach, in radii
const FAR = 1e6; // of a path in the plane; what is further out is drawn there, in its direction
const AROUND = 5000; // pixels; dashes to far away would take for ever
const TILE = 6; // pixels of a pattern
/** @type {Map<string, CanvasPattern | string>} */
const fills = new Map();

/** The marks of a picture. */
export class Marks {
  /** @type {Head[]} where entrants stand, after `draw` */
  heads = [];
  /** @type {Map<P.Mark, Head>} those of each mark, to be used again */
  kept = new Map();

  /** @param {P.Mark[]} marks */
  constructor(marks) {
    this.marks = marks;
  }

  /**
   * @param {CanvasRenderingContext2D} c
   * @param {(Rows | null)[]} rows by entrant; null for one that is not shown
   * @param {PlotlyAxis} x
   * @param {(name: string) => PlotlyAxis} named gives the vertical axes
   * @param {number} scale
   */
  draw(c, rows, x, named, scale) {
    this.heads = [];
    const [left, right] = ends(x);
    for (const mark of this.marks) {
      const entrant = rows[mark.entrant];
      const y = named(mark.axis ?? "y");
      if (!entrant || !y) continue;
      const [top, bottom] = ends(y);
      c.save();
      c.beginPath();
      c.rect(left, top, right - left, bottom - top);
      c.clip();
      this.one(mark, entrant, { c, x, y, scale });
      c.restore();
    }
  }

  /**
   * @param {P.Mark} mark
   * @param {Rows} rows
   * @param {Place} place
   */
  one(mark, rows, place) {
    if (mark.kind === "line") {
      const head = this.way(mark, rows, place);
      drawLine(place, mark, head, rows.last);
      if (mark.head) this.heads.push(head);
    } else if (mark.kind === "head") this.heads.push(this.way(mark, rows, place));
    else if (mark.kind === "band") drawBand(place, mark, rows);
    else if (mark.kind === "dots") drawDots(place, mark, rows);
    else if (mark.kind === "end") drawEnd(place, mark, rows);
    else if (mark.kind === "stems") drawStems(place, mark, rows);
    else if (mark.kind === "rule") drawRule(place, mark, rows);
    else if (mark.kind === "bars") drawBars(place, mark, rows);
    else if (mark.kind === "cells") drawCells(place, mark, rows);
    else drawShares(place, mark, rows);
  }

  /**
   * Pixels of a line at each iterate; NaN where it has none.
   *
   * @param {P.LineMark | P.HeadMark} mark
   * @param {Rows} rows
   * @param {Place} place
   */
  way(mark, rows, { x, y }) {
    const head = this.kept.get(mark) ?? {
      entrant: mark.entrant,
      axis: mark.axis ?? "y",
      x: new Float64Array(),
      y: new Float64Array(),
      px: new Float64Array(),
      py: new Float64Array(),
      axes: null,
    };
    this.kept.set(mark, head);
    if (head.px.length !== rows.states) {
      head.px = new Float64Array(rows.states);
      head.py = new Float64Array(rows.states);
    }
    head.axes = [x, y];
    const across = mark.kind === "line" ? mark.x : undefined;
    for (let k = 0; k <= rows.last; k++) {
      const height = rows.value(mark.y, k);
      if (across) {
        const place = rows.value(across, k);
        const far = Math.max(1, Math.abs(place) / FAR, Math.abs(height) / FAR);
        head.px[k] = x._offset + x.l2p(place / far);
        head.py[k] = y._offset + y.l2p(height / far);
      } else {
        head.px[k] = toPixel(x, rows.clock[k]);
        head.py[k] = heightOf(y, height);
      }
    }
    return head;
  }
}

/**
 * Pixel of a height; what a log axis cannot show is nowhere.
 *
 * @param {PlotlyAxis} axis
 * @param {number} value
 */
function heightOf(axis, value) {
  return axis.type === "log" && value <= 0 ? NaN : toPixel(axis, value);
}

/**
 * @param {Place} place
 * @param {{ color: string, width: number, dash?: string, opacity?: number }} stroke
 */
function setStroke({ c, scale }, { color, width, dash, opacity = 1 }) {
  c.strokeStyle = color;
  c.lineWidth = width * scale;
  c.lineJoin = "round";
  c.globalAlpha = opacity;
  const unit = Math.max(3, width * scale);
  const parts = DASHES[dash ?? ""];
  c.setLineDash(parts ? parts.map((part) => part * unit) : []);
}

/**
 * @param {Place} place
 * @param {P.LineMark} mark
 * @param {Head} way
 * @param {number} last
 */
function drawLine(place, mark, { px, py }, last) {
  const { c } = place;
  setStroke(place, mark);
  c.beginPath();
  for (let k = 0, down = false; k <= last; k++) {
    const drawable = !Number.isNaN(px[k] + py[k]);
    const near = drawable && Math.abs(px[k]) <= AROUND && Math.abs(py[k]) <= AROUND;
    if (near && down) c.lineTo(px[k], py[k]);
    else if (near) c.moveTo(px[k], py[k]);
    if (drawable && k && !Number.isNaN(px[k - 1] + py[k - 1]) && !(near && down)) {
      drawPart(c, px[k - 1], py[k - 1], px[k], py[k]);
    }
    down = near;
  }
  c.stroke();
}

/**
 * The part of a line that lies around the picture.
 *
 * @param {CanvasRenderingContext2D} c
 * @param {number} x0
 * @param {number} y0
 * @param {number} x1
 * @param {number} y1
 */
function drawPart(c, x0, y0, x1, y1) {
  let [from, to] = [0, 1];
  for (const [p, q] of [
    [x0, x1],
    [y0, y1],
  ]) {
    if (p === q && Math.abs(p) > AROUND) return;
    if (p === q) continue;
    const [a, b] = [(-AROUND - p) / (q - p), (AROUND - p) / (q - p)];
    from = Math.max(from, Math.min(a, b));
    to = Math.min(to, Math.max(a, b));
  }
  if (from >= to) return;
  c.moveTo(x0 + from * (x1 - x0), y0 + from * (y1 - y0));
  c.lineTo(x0 + to * (x1 - x0), y0 + to * (y1 - y0));
}

/**
 * @param {Place} place
 * @param {P.BandMark} mark
 * @param {Rows} rows
 */
function drawBand({ c, x, y }, mark, rows) {
  c.fillStyle = mark.color;
  /** @param {number} k */
  const known = (k) =>
    !Number.isNaN(heightOf(y, rows.value(mark.low, k)) + heightOf(y, rows.value(mark.high, k)));
  for (let from = 0; from <= rows.last; from++) {
    if (!known(from)) continue;
    let to = from;
    while (to < rows.last && known(to + 1)) to += 1;
    c.beginPath();
    for (let k = from; k <= to; k++) {
      c.lineTo(toPixel(x, rows.clock[k]), heightOf(y, rows.value(mark.low, k)));
    }
    for (let k = to; k >= from; k--) {
      c.lineTo(toPixel(x, rows.clock[k]), heightOf(y, rows.value(mark.high, k)));
    }
    c.fill();
    from = to;
  }
}

/**
 * @param {Place} place
 * @param {P.DotsMark} mark
 * @param {Rows} rows
 */
function drawDots(place, mark, rows) {
  const { x, y } = place;
  const { y: source, where = [], unless } = mark;
  const many = "column" in source && source.part === undefined && !source.last;
  const parts = many ? rows.width(source.column) : 1;
  const symbol = brush(place, mark);
  for (let k = 1; k <= rows.last; k++) {
    for (let part = 0; part < parts; part++) {
      if (!rows.holds(where, k, part)) continue;
      if (unless?.length && rows.holds(unless, k, part)) continue;
      const py = heightOf(y, rows.value(source, k, part));
      if (!Number.isNaN(py)) symbol.at(toPixel(x, rows.clock[k]), py);
    }
  }
  symbol.paint();
}

/**
 * @param {Place} place
 * @param {P.EndMark} mark
 * @param {Rows} rows
 */
function drawEnd(place, mark, rows) {
  if (rows.status !== mark.status) return;
  const py = heightOf(place.y, rows.value(mark.y, rows.last));
  const symbol = brush(place, mark);
  if (!Number.isNaN(py)) symbol.at(toPixel(place.x, rows.clock[rows.last]), py);
  symbol.paint();
}

/**
 * What draws many symbols of one kind in one go.
 *
 * @param {Place} place
 * @param {{ symbol: string, size: number, color: string }} mark
 */
function brush({ c, scale }, { symbol, size, color }) {
  const r = (size * scale) / 2;
  const path = new Path2D();
  const open = symbol.endsWith("-open");
  const arm = r * ARM;
  const shape = open ? null : new Path2D(symbol === "circle" ? "" : markerPath(symbol, r));
  /** @type {Record<string, (x: number, y: number) => void>} */
  const thin = {
    "x-thin-open": (x, y) => {
      path.moveTo(x - r, y - r);
      path.lineTo(x + r, y + r);
      path.moveTo(x - r, y + r);
      path.lineTo(x + r, y - r);
    },
    "line-ew-open": (x, y) => {
      path.moveTo(x - arm, y);
      path.lineTo(x + arm, y);
    },
  };
  /** @param {number} x @param {number} y */
  const round = (x, y) => {
    path.moveTo(x + r, y);
    path.arc(x, y, r, 0, 2 * Math.PI);
  };
  /** @param {number} x @param {number} y */
  const other = (x, y) =>
    path.addPath(/** @type {Path2D} */ (shape), new DOMMatrix([1, 0, 0, 1, x, y]));
  const draw = thin[symbol] ?? (symbol.startsWith("circle") ? round : other);
  let some = false;
  return {
    /** @param {number} x @param {number} y */
    at(x, y) {
      some = true;
      draw(x, y);
    },
    paint() {
      if (!some) return;
      c.globalAlpha = 1;
      if (open) {
        c.setLineDash([]);
        c.strokeStyle = color;
        c.lineWidth = (symbol === "circle-open" ? 1 : 1.4) * scale;
        c.stroke(path);
      } else {
        c.fillStyle = color;
        c.fill(path);
      }
    },
  };
}

/**
 * @param {Place} place
 * @param {P.StemsMark} mark
 * @param {Rows} rows
 */
function drawStems(place, mark, rows) {
  const { c, x, y, scale } = place;
  const width = mark.width * scale;
  c.fillStyle = mark.color;
  c.globalAlpha = mark.opacity ?? 1;
  for (let k = 1; k <= rows.last; k++) {
    if (!rows.holds(mark.where ?? [], k, 0)) continue;
    const [low, high] = [mark.low, mark.high].map((end) => heightOf(y, rows.value(end, k)));
    if (Number.isNaN(low + high)) continue;
    c.fillRect(toPixel(x, rows.clock[k]) - width / 2, low, width, high - low);
  }
}

/**
 * @param {Place} place
 * @param {P.RuleMark} mark
 * @param {Rows} rows
 */
function drawRule(place, mark, rows) {
  const { c, x, y } = place;
  const py = heightOf(y, rows.setting(mark.y));
  if (Number.isNaN(py)) return;
  const [left, right] = ends(x);
  setStroke(place, mark);
  c.beginPath();
  c.moveTo(left, py);
  c.lineTo(right, py);
  c.stroke();
}

/**
 * @param {Place} place
 * @param {P.BarsMark} mark
 * @param {Rows} rows
 */
function drawBars(place, mark, rows) {
  const { c, x, y } = place;
  const base = toPixel(y, 0);
  /** @type {Box[]} */
  const boxes = [];
  for (let k = 1; k <= rows.last; k++) {
    if (!rows.holds(mark.where ?? [], k, 0)) continue;
    const [from, to] = [rows.clock[k - 1], rows.clock[k]];
    const air = ((1 - mark.share) / 2) * (to - from);
    const [left, right] = [toPixel(x, from + air), toPixel(x, to - air)];
    const top = toPixel(y, rows.value(mark.y, k));
    if (Number.isNaN(top)) continue;
    boxes.push([left, top, right - left, base - top]);
  }
  fillBoxes(c, mark, boxes);
}

/**
 * @param {Place} place
 * @param {P.CellsMark} mark
 * @param {Rows} rows
 */
function drawCells({ c, x, y }, mark, rows) {
  const { scale, faintest, row } = mark;
  const [a, b] = [toPixel(y, row - 0.5), toPixel(y, row + 0.5)];
  const [top, height] = [Math.min(a, b), Math.abs(b - a)];
  const { clock, last } = rows;
  /** Between two iterates; at both ends as far out as in. @param {number} k */
  const edge = (k) => {
    if (k < 1) return 1.5 * clock[1] - 0.5 * clock[Math.min(2, last)];
    return k < last ? (clock[k] + clock[k + 1]) / 2 : 1.5 * clock[last] - 0.5 * clock[last - 1];
  };
  for (let k = 1; k <= last; k++) {
    const kept = rows.value(mark.y, k);
    if (!(kept < 1)) continue;
    c.fillStyle = shade(scale, faintest + (1 - faintest) * (1 - kept));
    const left = toPixel(x, last > 1 ? edge(k - 1) : clock[1] - 0.5);
    const right = toPixel(x, last > 1 ? edge(k) : clock[1] + 0.5);
    c.fillRect(left, top, Math.max(1, right - left), Math.max(1, height - 1));
  }
}

/**
 * @param {Place} place
 * @param {P.SharesMark} mark
 * @param {Rows} rows
 */
function drawShares({ c, x, y }, mark, rows) {
  const counts = mark.fills.map(() => 0);
  for (let k = 1; k <= rows.last; k++) counts[rows.value(mark.y, k)] += 1;
  const [a, b] = [mark.row - mark.width / 2, mark.row + mark.width / 2].map((v) => toPixel(y, v));
  let from = 0;
  mark.fills.forEach((fill, code) => {
    if (!counts[code]) return;
    const to = from + counts[code] / rows.last;
    const [left, right] = [toPixel(x, from), toPixel(x, to)];
    fillBoxes(c, fill, [[left, Math.min(a, b), right - left, Math.abs(b - a)]]);
    from = to;
  });
}

/**
 * A colour of Plotly's scale of "#rrggbb".
 *
 * @param {[share: number, color: string][]} scale
 * @param {number} share
 */
function shade(scale, share) {
  const above = clamp(
    scale.findIndex(([end]) => share <= end),
    1,
    scale.length - 1,
  );
  const [[from, low], [to, high]] = [scale[above - 1], scale[above]];
  const part = clamp((share - from) / (to - from), 0, 1);
  const [p, q] = [low, high].map((color) =>
    [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16)),
  );
  return `rgb(${p.map((v, i) => Math.round(v + part * (q[i] - v))).join(" ")})`;
}

/**
 * Boxes in a colour, and its pattern above. One by one: a path of many boxes costs far more.
 *
 * @param {CanvasRenderingContext2D} c
 * @param {{ color: string, pattern: string, ground: string }} fill
 * @param {Box[]} boxes
 */
function fillBoxes(c, { color, pattern, ground }, boxes) {
  if (!boxes.length) return;
  c.globalAlpha = 1;
  c.fillStyle = color;
  for (const box of boxes) c.fillRect(...box);
  if (!pattern) return;
  const key = `${pattern} ${ground}`;
  const made = fills.get(key) ?? c.createPattern(tile(pattern, ground), "repeat") ?? "transparent";
  fills.set(key, made);
  c.fillStyle = made;
  for (const box of boxes) c.fillRect(...box);
}

/**
 * @param {string} pattern as Plotly calls it
 * @param {string} color
 */
function tile(pattern, color) {
  const canvas = sheet(TILE, TILE);
  const c = pen(canvas);
  c.strokeStyle = c.fillStyle = color;
  c.globalAlpha = 0.5; // as Plotly's
  c.lineWidth = 1.8;
  c.beginPath();
  const half = TILE / 2;
  if ("/x".includes(pattern)) {
    for (const shift of [-half, half]) {
      c.moveTo(shift - 1, half + 1 + half);
      c.lineTo(shift + TILE + 1, -1);
    }
  }
  if (pattern === "x") {
    c.moveTo(0, 0);
    c.lineTo(TILE, TILE);
  }
  if ("-+".includes(pattern)) {
    c.moveTo(0, half);
    c.lineTo(TILE, half);
  }
  if ("|+".includes(pattern)) {
    c.moveTo(half, 0);
    c.lineTo(half, TILE);
  }
  c.stroke();
  if (pattern === ".") c.fillRect(half - 1, half - 1, 2, 2);
  return canvas;
}
