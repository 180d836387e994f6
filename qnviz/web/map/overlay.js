// What a live map draws: its cells beneath Plotly's lines, and above them the path of a run.

import { element } from "../dom.js";
import { partOf } from "./cells.js";

/** @import { CellMap, Side } from "./cells.js" */
/** @import { LiveMap } from "./live.js" */
/** @import { Numbers } from "../columns.js" */

const HATCH = 7; // pixels between two lines
const FAR = 1e6; // pixels; what is further is not drawn
const ROUGH = "#101318";

/** @typedef {{ x: number, y: number, w: number, h: number }} Area */

/**
 * Where a cell begins, as a part of its axis.
 *
 * @param {Side} side
 * @param {number} n cells along it: the server's own, or as many of equal size
 * @param {number} i
 */
export const edgeOf = (side, n, i) =>
  n === side.values.length ? partOf(side, side.edges[i]) : i / n;

/**
 * Slanted lines across an area.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {Area} area
 * @param {string} color
 */
export function hatchLines(context, area, color) {
  context.beginPath();
  for (let d = -area.h; d < area.w; d += HATCH) {
    context.moveTo(area.x + d, area.y + area.h);
    context.lineTo(area.x + d + area.h, area.y);
  }
  context.strokeStyle = color;
  context.lineWidth = 1;
  context.globalAlpha = 0.75;
  context.stroke();
  context.globalAlpha = 1;
}

/** A canvas of its own. */
class Layer {
  canvas = document.createElement("canvas");

  constructor() {
    this.context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
  }

  /**
   * @param {number} width
   * @param {number} height
   */
  size(width, height) {
    const { canvas } = this;
    if (canvas.width === width && canvas.height === height) return;
    [canvas.width, canvas.height] = [width, height];
  }
}

export class LiveCells {
  image = new Layer();
  marks = new Layer();
  lines = new Layer();

  /** @param {HTMLElement} figure */
  constructor(figure) {
    this.canvas = element("canvas", "qnviz-map-cells", figure, { "aria-hidden": "true" });
    this.context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
  }

  /**
   * Draw the cells into the canvas below, their hatch into the one above.
   *
   * @param {LiveMap} live
   * @param {Area} area
   * @param {CanvasRenderingContext2D} above
   * @param {string} hatch its colour
   * @param {number} ratio device pixels
   */
  draw(live, area, above, hatch, ratio) {
    const { sheet, panel } = live;
    const { canvas, context, image, marks, lines } = this;
    const { clientWidth, clientHeight } = panel.figure;
    const [width, height] = [clientWidth, clientHeight].map((v) => Math.round(v * ratio));
    if (!width || !height) return;
    if (canvas.width !== width || canvas.height !== height) {
      [canvas.width, canvas.height] = [width, height];
      canvas.style.width = `${clientWidth}px`;
      canvas.style.height = `${clientHeight}px`;
    }
    image.size(sheet.nx, sheet.ny);
    image.context.putImageData(sheet.pixels, 0, 0);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, clientWidth, clientHeight);
    spread(context, image.canvas, live, area);
    if (!sheet.hatched) return;
    marks.size(sheet.nx, sheet.ny);
    marks.context.putImageData(sheet.marks, 0, 0);
    lines.size(width, height);
    const pen = lines.context;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, clientWidth, clientHeight);
    spread(pen, marks.canvas, live, area);
    pen.globalCompositeOperation = "source-in";
    hatchLines(pen, area, hatch);
    pen.globalCompositeOperation = "source-over";
    above.drawImage(lines.canvas, 0, 0, clientWidth, clientHeight);
  }
}

/**
 * Draw an image of a pixel per cell over a map's area; cells of whole numbers differ in size.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {HTMLCanvasElement} image
 * @param {LiveMap} live
 * @param {Area} area
 */
function spread(context, image, live, { x, y, w, h }) {
  context.imageSmoothingEnabled = false;
  const { nx, ny, panel } = live;
  const { map } = panel;
  if (!map) return;
  const columns = nx === map.nx ? nx : 1;
  const rows = ny === map.ny ? ny : 1;
  for (let i = 0; i < columns; i += 1) {
    const [x0, x1] = [i, i + 1].map((k) => x + w * edgeOf(map.x, columns, k));
    for (let j = 0; j < rows; j += 1) {
      const [y0, y1] = [j, j + 1].map((k) => y + h * (1 - edgeOf(map.y, rows, k)));
      const [sx, sy] = [nx / columns, ny / rows];
      context.drawImage(image, i * sx, (rows - 1 - j) * sy, sx, sy, x0, y1, x1 - x0, y0 - y1);
    }
  }
}

/** The path of a run over a map whose axes are the plane itself. */
export class LivePath {
  /** @type {Numbers | null} */
  theta = null;
  rows = 0;
  /** @type {string[]} */
  words = [];

  /**
   * @param {Numbers | null} theta (rows, 2)
   * @param {number} rows
   * @param {string[]} words how it ended
   */
  take(theta, rows, words) {
    this.theta = theta;
    this.rows = rows;
    this.words = words;
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {CellMap} map
   * @param {Area} area
   */
  draw(context, map, area) {
    const { theta, rows } = this;
    if (!theta || !rows) return;
    const { x, y, w, h } = area;
    const at = (/** @type {number} */ k) => [
      x + w * partOf(map.x, theta[2 * k]),
      y + h * (1 - partOf(map.y, theta[2 * k + 1])),
    ];
    context.save();
    context.beginPath();
    context.rect(x, y, w, h);
    context.clip();
    context.beginPath();
    let drawn = 0;
    for (let k = 0; k < rows; k += 1) {
      const [px, py] = at(k);
      if (!(Math.abs(px) < FAR && Math.abs(py) < FAR)) break;
      context.lineTo(px, py);
      drawn = k;
    }
    context.lineJoin = "round";
    for (const [color, width] of /** @type {[string, number][]} */ ([
      ["#ffffff", 4],
      [ROUGH, 1.7],
    ])) {
      context.strokeStyle = color;
      context.lineWidth = width;
      context.stroke();
    }
    dot(context, at(0), "#ffffff");
    dot(context, at(drawn), ROUGH);
    context.restore();
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number[]} place
 * @param {string} fill
 */
export function dot(context, [px, py], fill) {
  context.beginPath();
  context.arc(px, py, 4, 0, 2 * Math.PI);
  context.fillStyle = fill;
  context.fill();
  context.strokeStyle = fill === ROUGH ? "#ffffff" : ROUGH;
  context.lineWidth = 1.5;
  context.stroke();
}
