// Images at the playhead: a row of inputs, then one row of images per visible entrant.

import { decode } from "../columns.js";
import { cell } from "../numbers.js";
import {
  drawMarker,
  enlarged,
  markerShape,
  mixed,
  pen,
  sheet,
  tones,
  writeWithin,
} from "./canvas.js";
import { rowAt } from "./model.js";
import { corner, imageAt, planOf } from "./strip_plan.js";

/** @import { Numbers } from "../columns.js" */
/** @import { Panel } from "./panel.js" */
/** @import { StripPayload } from "./payload.d.ts" */
/** @import { Plan } from "./strip_plan.js" */

/** @param {number} scale */
const nameFont = (scale) => `600 ${12 * scale}px`;
/** @param {number} scale */
const noteFont = (scale) => `${11 * scale}px`;

/** A row of images, all of which are drawn side by side once, and copied from there. */
class Row {
  /** @type {HTMLCanvasElement | null} in true pixels */
  plain = null;
  /** @type {HTMLCanvasElement | null} in squares of them */
  large = null;
  /** @type {{ view: number, blocks: number, tones: Uint32Array | null }} what the two show */
  drawn = { view: -1, blocks: 0, tones: null };

  /**
   * @param {Numbers} images bytes, one view of all images after the other
   * @param {number} [entrant] whose they are; without one they are the inputs
   */
  constructor(images, entrant = -1) {
    this.images = images;
    this.entrant = entrant;
  }

  /**
   * All images of a view side by side, in true pixels or in squares of them.
   *
   * @param {{ width: number, height: number, count: number }} size
   * @param {number} view
   * @param {number} blocks pixels of a square's side
   * @param {Uint32Array} table a pixel for each byte
   */
  atlas({ width, height, count }, view, blocks, table) {
    const { drawn } = this;
    const fresh = drawn.view === view && drawn.blocks === blocks && drawn.tones === table;
    if (!fresh || !this.plain) {
      const w = width * count;
      this.plain ??= sheet(w, height);
      const context = pen(this.plain);
      const image = context.createImageData(w, height);
      const pixels = new Uint32Array(image.data.buffer);
      for (let s = 0, from = view * width * height * count; s < count; s++) {
        for (let y = 0; y < height; y++) {
          const start = y * w + s * width;
          for (let x = 0; x < width; x++) pixels[start + x] = table[this.images[from++]];
        }
      }
      context.putImageData(image, 0, 0);
      if (blocks > 1) this.large = enlarged(this.plain, blocks, this.large ?? undefined);
      this.drawn = { view, blocks, tones: table };
    }
    return blocks > 1 && this.large ? this.large : this.plain;
  }
}

export class Strip {
  /** @type {Plan | null} of what was drawn last */
  plan = null;
  /** @type {[line: number, image: number] | null} the image under the pointer */
  pointed = null;

  /**
   * @param {StripPayload} data
   * @param {Panel} panel
   */
  constructor(data, panel) {
    this.panel = panel;
    const [height, width] = data.shape;
    this.size = { height, width, count: data.count };
    this.photo = data.photo;
    this.inputs = new Row(decode(data.inputs));
    this.rows = data.rows.map(({ entrant, images, rows, errors, mean }) => ({
      entrant,
      row: new Row(decode(images), entrant),
      rows: decode(rows),
      errors: errors && decode(errors),
      mean: mean && decode(mean),
    }));
  }

  get visible() {
    const { model, hidden } = this.panel.player;
    return this.rows.filter(({ entrant }) => !hidden.has(model.entrants[entrant].label));
  }

  /**
   * Which of its views a row shows.
   *
   * @param {{ entrant: number, rows: Numbers }} row
   */
  at({ entrant, rows }) {
    const { model, frame } = this.panel.player;
    return rowAt(rows, model.entrants[entrant], frame);
  }

  /** What would be drawn: a frame that changes nothing draws nothing. */
  key() {
    const { model, frame } = this.panel.player;
    const states = this.visible.map((row) => [
      row.entrant,
      this.at(row),
      model.entrants[row.entrant].over[frame],
    ]);
    return JSON.stringify([states, this.pointed]);
  }

  /** @param {CanvasRenderingContext2D} c */
  draw(c) {
    const { canvas, ratio, scale, font, player } = this.panel;
    const rows = this.visible;
    c.setTransform(1, 0, 0, 1, 0, 0);
    const left = this.nameWidth(c, canvas.width);
    const space = { width: canvas.width, height: canvas.height, left, ratio };
    const plan = planOf(this.size, rows.length, space);
    this.plan = plan;
    const table = tones(player.ink, this.photo);
    this.drawLine(c, plan, 0, this.inputs, 0, table);
    rows.slice(0, plan.shown).forEach((row, k) => {
      this.drawLine(c, plan, k + 1, row.row, this.at(row), table, row.mean);
    });
    if (plan.shown < rows.length) {
      const y = plan.top + plan.bands * (plan.shown + 1) * plan.stepY + plan.between;
      c.setTransform(ratio, 0, 0, ratio, 0, 0);
      c.font = `${noteFont(scale)} ${font}`;
      c.fillStyle = player.ink.text;
      c.textBaseline = "middle";
      const text = `… and ${rows.length - plan.shown} more`;
      c.fillText(text, (plan.side + plan.left) / ratio, y / ratio + 8);
    }
    if (this.pointed) {
      const [x, y] = corner(plan, ...this.pointed);
      c.setTransform(1, 0, 0, 1, 0, 0);
      c.strokeStyle = player.ink.text;
      c.lineWidth = Math.max(1, Math.round(1.5 * ratio));
      c.strokeRect(x - 0.5, y - 0.5, plan.wide + 1, plan.high + 1);
    }
  }

  /**
   * How wide the column of names is, in device pixels.
   *
   * @param {CanvasRenderingContext2D} c
   * @param {number} width of the canvas
   */
  nameWidth(c, width) {
    const { ratio, scale, font, player } = this.panel;
    const { entrants } = player.model;
    c.font = `${nameFont(scale)} ${font}`;
    const names = ["input", ...this.visible.map((row) => entrants[row.entrant].title)];
    const longest = Math.max(...names.map((name) => c.measureText(name).width)) * ratio;
    const name = Math.min(longest + 22 * scale * ratio, 0.34 * width);
    // on a narrow canvas the markers alone
    return Math.round(name < 52 * scale * ratio ? 20 * scale * ratio : name);
  }

  /**
   * @param {CanvasRenderingContext2D} c
   * @param {Plan} plan
   * @param {number} line
   * @param {Row} row
   * @param {number} view
   * @param {Uint32Array} table
   * @param {Numbers | null} [mean] errors by view
   */
  drawLine(c, plan, line, row, view, table, mean) {
    const { width, height, count } = this.size;
    const atlas = row.atlas(this.size, view, plan.blocks, table);
    const [w, h] = [width * plan.blocks, height * plan.blocks];
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.imageSmoothingEnabled = !plan.crisp;
    c.imageSmoothingQuality = "high";
    for (let s = 0; s < count; s++) {
      const [x, y] = corner(plan, line, s);
      c.drawImage(atlas, s * w, 0, w, h, x, y, plan.wide, plan.high);
    }
    const note = mean ? `error ${cell(mean[view])}` : "";
    for (let band = 0; band < plan.bands; band++) {
      const [x, y] = corner(plan, line, band * plan.columns);
      this.drawName(c, plan, row, note, x / plan.ratio, (y + plan.high / 2) / plan.ratio);
    }
  }

  /**
   * @param {CanvasRenderingContext2D} c
   * @param {Plan} plan
   * @param {Row} row
   * @param {string} note below the name, where there is room
   * @param {number} right in CSS pixels
   * @param {number} middle in CSS pixels
   */
  drawName(c, plan, row, note, right, middle) {
    const { ratio, player, font, scale } = this.panel;
    const { frame, ink } = player;
    const entrant = player.model.entrants[row.entrant];
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.textBaseline = "middle";
    const left = right - plan.left / ratio;
    const width = plan.left / ratio - 22 * scale;
    const named = width >= 20;
    const noted = named && note && plan.high >= 26 * scale * ratio;
    const line = middle - (noted ? 7 * scale : 0);
    if (entrant) {
      const [marker, over] = [markerShape(entrant.marker), Boolean(entrant.over[frame])];
      drawMarker(c, marker, left + 8 * scale, line, entrant.color, ink.background, over, scale);
    }
    if (!named) return;
    c.font = `${nameFont(scale)} ${font}`;
    c.fillStyle = entrant ? mixed(entrant.color, ink.text, 0.4) : ink.text;
    writeWithin(c, entrant?.title ?? "input", left + 18 * scale, line, width);
    if (!noted) return;
    c.font = `${noteFont(scale)} ${font}`;
    c.fillStyle = mixed(ink.text, ink.background, 0.28);
    writeWithin(c, note, left + 18 * scale, middle + 7 * scale, width);
  }

  /**
   * Point at a place of the canvas, or at nothing; gives whether that changes the picture.
   *
   * @param {[x: number, y: number] | null} place in CSS pixels
   */
  point(place) {
    const { plan, pointed, size } = this;
    const [x, y] = place && plan ? place.map((v) => v * plan.ratio) : [NaN, NaN];
    this.pointed = plan && imageAt(plan, size.count, x, y);
    return String(pointed) !== String(this.pointed);
  }

  /** Words about the image pointed at, and where its middle and top are. */
  tip() {
    const { plan, pointed } = this;
    if (!plan || !pointed || pointed[0] > plan.shown) return null;
    const [line, s] = pointed;
    const [x, y] = corner(plan, line, s).map((v) => v / plan.ratio);
    const row = this.visible[line - 1];
    const title = row ? this.panel.player.model.entrants[row.entrant].title : "Input";
    const error = row?.errors?.[this.at(row) * this.size.count + s];
    const words = error === undefined ? "" : `: squared error ${cell(error)}`;
    return { x: x + plan.wide / plan.ratio / 2, y, text: `${title}, image ${s + 1}${words}` };
  }
}
