// Images at the playhead: a row of inputs above one row for each entrant.

import { decode } from "../columns.js";
import { clamp, formatNumber } from "../numbers.js";
import { drawMarker, enlarged, mixed, tones, writeWithin } from "./canvas.js";
import { rowAt } from "./model.js";

const LEAST_CELL = 15; // CSS pixels; smaller images tell nothing
const CELL_GAP = 1; // at least; what room is left over widens it
const BAND_GAP = 8;
const NAME_FONT = (scale) => `600 ${12 * scale}px`;
const NOTE_FONT = (scale) => `${11 * scale}px`;

/** A row of inputs, then one row of images per visible entrant; long rows wrap into bands. */
export class Strip {
  constructor(data, panel) {
    this.panel = panel;
    [this.height, this.width] = data.shape;
    this.count = data.count;
    this.photo = data.photo;
    this.size = this.height * this.width * this.count;
    this.inputs = { images: decode(data.inputs), atlas: null, shown: -1 };
    this.rows = data.rows.map((row) => ({
      entrant: row.entrant,
      images: decode(row.images),
      rows: decode(row.rows),
      errors: row.errors && decode(row.errors),
      mean: row.mean && decode(row.mean),
      shown: -1,
    }));
    this.pointed = null;
  }

  get visible() {
    const { model, hidden } = this.panel.player;
    return this.rows.filter((row) => !hidden.has(model.entrants[row.entrant].label));
  }

  at(row) {
    const { model, frame } = this.panel.player;
    return rowAt(row.rows, model.entrants[row.entrant], frame);
  }

  key() {
    const { model, frame } = this.panel.player;
    const state = (row) => [row.entrant, this.at(row), model.entrants[row.entrant].over[frame]];
    return JSON.stringify([this.visible.map(state), this.pointed]);
  }

  /** Where everything goes, in device pixels: as many rows as fit, in the bands that fill best. */
  layout(c, width, height, ratio) {
    const rows = this.visible;
    const { entrants } = this.panel.player.model;
    const { scale } = this.panel;
    c.font = `${NAME_FONT(scale)} ${this.panel.font}`;
    const names = ["input", ...rows.map((row) => entrants[row.entrant].title)];
    const longest = Math.max(...names.map((name) => c.measureText(name).width)) * ratio;
    const name = Math.min(longest + 22 * scale * ratio, 0.34 * width);
    const left = Math.round(name < 52 * scale * ratio ? 20 * scale * ratio : name); // no room: the markers alone
    const gap = Math.max(1, Math.round(CELL_GAP * ratio));
    for (let shown = rows.length; ; shown--) {
      const more = shown < rows.length ? Math.round(18 * ratio) : 0;
      let best = null;
      for (let bands = 1; bands <= this.count; bands++) {
        const columns = Math.ceil(this.count / bands);
        if (columns * (bands - 1) >= this.count) continue; // a band would stay empty
        const between = Math.round(BAND_GAP * ratio) * (bands - 1);
        const across = ((width - left) / columns - gap) / this.width;
        const down = ((height - more - between) / (bands * (shown + 1)) - gap) / this.height;
        const size = Math.min(across, down);
        // More bands only for a clear gain: one row is easier to read.
        if (!best || size > 1.15 * best.scale) best = { scale: size, bands, columns, between };
      }
      if (shown <= 1 || best.scale * this.height >= LEAST_CELL * ratio) {
        return this.place({
          ...best,
          rows: rows.slice(0, shown),
          left,
          gap,
          more,
          width,
          height,
          ratio,
        });
      }
    }
  }

  place(plan) {
    const { scale, bands, columns, between, rows, left, gap, more, width, height } = plan;
    const whole = Math.floor(scale);
    // Whole multiples are crispest; where they would waste the room, blocks with soft edges.
    plan.crisp = whole >= 0.8 * scale && whole > 0;
    const used = plan.crisp ? whole : Math.max(scale, 1 / this.height);
    plan.blocks = plan.crisp || scale < 1 ? 1 : Math.ceil(scale);
    plan.cell = [
      Math.max(1, Math.floor(this.width * used)),
      Math.max(1, Math.floor(this.height * used)),
    ];
    const slots = [
      (width - left) / columns,
      (height - more - between) / (bands * (rows.length + 1)),
    ];
    plan.step = plan.cell.map((size, k) => size + clamp(Math.floor(slots[k]) - size, gap, 4 * gap));
    plan.bandStep = (rows.length + 1) * plan.step[1] + (bands > 1 ? between / (bands - 1) : 0);
    plan.top = Math.max(
      0,
      Math.floor((height - more - bands * (rows.length + 1) * plan.step[1] - between) / 2),
    );
    plan.side = Math.max(0, Math.floor((width - left - columns * plan.step[0]) / 2));
    return plan;
  }

  /** Upper left corner of image `s` in line `line` (0 is the inputs), in device pixels. */
  corner(plan, line, s) {
    const band = Math.floor(s / plan.columns);
    return [
      plan.side + plan.left + (s % plan.columns) * plan.step[0],
      Math.round(plan.top + band * plan.bandStep + line * plan.step[1]),
    ];
  }

  draw(c) {
    const { canvas, ratio, player } = this.panel;
    c.setTransform(1, 0, 0, 1, 0, 0);
    const plan = (this.plan = this.layout(c, canvas.width, canvas.height, ratio));
    this.tones = tones(player.ink, this.photo);
    this.drawLine(c, plan, 0, this.inputs, 0);
    plan.rows.forEach((row, k) => this.drawLine(c, plan, k + 1, row, this.at(row)));
    if (plan.rows.length < this.visible.length) {
      const y = plan.top + plan.bands * (plan.rows.length + 1) * plan.step[1] + plan.between;
      c.setTransform(ratio, 0, 0, ratio, 0, 0);
      c.font = `${NOTE_FONT(this.panel.scale)} ${this.panel.font}`;
      c.fillStyle = player.ink.text;
      c.textBaseline = "middle";
      c.fillText(
        `… and ${this.visible.length - plan.rows.length} more`,
        (plan.side + plan.left) / ratio,
        y / ratio + 8,
      );
    }
    if (this.pointed) {
      const [x, y] = this.corner(plan, ...this.pointed);
      c.setTransform(1, 0, 0, 1, 0, 0);
      c.strokeStyle = player.ink.text;
      c.lineWidth = Math.max(1, Math.round(1.5 * ratio));
      c.strokeRect(x - 0.5, y - 0.5, plan.cell[0] + 1, plan.cell[1] + 1);
    }
  }

  drawLine(c, plan, line, row, view) {
    const atlas = this.atlas(row, view, plan.blocks);
    const [w, h] = [this.width * plan.blocks, this.height * plan.blocks];
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.imageSmoothingEnabled = !plan.crisp;
    c.imageSmoothingQuality = "high";
    for (let s = 0; s < this.count; s++) {
      c.drawImage(atlas, s * w, 0, w, h, ...this.corner(plan, line, s), ...plan.cell);
    }
    for (let band = 0; band < plan.bands; band++) {
      const [x, y] = this.corner(plan, line, band * plan.columns);
      this.drawName(c, plan, row, view, x / plan.ratio, (y + plan.cell[1] / 2) / plan.ratio);
    }
  }

  drawName(c, plan, row, view, right, middle) {
    const { ratio, player, font, scale } = this.panel;
    const entrant = player.model.entrants[row.entrant];
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.textBaseline = "middle";
    const left = right - plan.left / ratio;
    const room = plan.left / ratio - 22 * scale;
    const named = room >= 20;
    const noted = named && row.mean && plan.cell[1] >= 26 * scale * ratio;
    const line = middle - (noted ? 7 * scale : 0);
    if (entrant) {
      drawMarker(
        c,
        entrant.path,
        left + 8 * scale,
        line,
        entrant.color,
        player.ink.background,
        entrant.over[player.frame],
        scale,
      );
    }
    if (!named) return;
    c.font = `${NAME_FONT(scale)} ${font}`;
    c.fillStyle = entrant ? mixed(entrant.color, player.ink.text, 0.4) : player.ink.text;
    writeWithin(c, entrant?.title ?? "input", left + 18 * scale, line, room);
    if (!noted) return;
    c.font = `${NOTE_FONT(scale)} ${font}`;
    c.fillStyle = mixed(player.ink.text, player.ink.background, 0.28);
    writeWithin(
      c,
      `error ${formatNumber(row.mean[view])}`,
      left + 18 * scale,
      middle + 7 * scale,
      room,
    );
  }

  /** All images of a line side by side in true pixels, or in square blocks of them. */
  atlas(row, view, blocks) {
    if (row.shown === view && row.tones === this.tones && row.blocks === blocks) return row.atlas;
    const [w, h] = [this.width * this.count, this.height];
    row.plain ??= Object.assign(document.createElement("canvas"), { width: w, height: h });
    const context = row.plain.getContext("2d");
    const image = context.createImageData(w, h);
    const pixels = new Uint32Array(image.data.buffer);
    for (let s = 0, from = view * this.size; s < this.count; s++) {
      for (let y = 0; y < h; y++) {
        const start = y * w + s * this.width;
        for (let x = 0; x < this.width; x++) pixels[start + x] = this.tones[row.images[from++]];
      }
    }
    context.putImageData(image, 0, 0);
    row.atlas = blocks === 1 ? row.plain : enlarged(row.plain, blocks, row.large);
    if (blocks > 1) row.large = row.atlas;
    Object.assign(row, { shown: view, tones: this.tones, blocks });
    return row.atlas;
  }

  /** Point at CSS pixels of the canvas, or at nothing; says whether that changed the picture. */
  point(x, y) {
    const { plan, pointed } = this;
    this.pointed = null;
    if (plan && x !== undefined) {
      for (let line = 0; line <= plan.rows.length; line++) {
        for (let s = 0; s < this.count; s++) {
          const [left, top] = this.corner(plan, line, s);
          const [right, down] = [x * plan.ratio - left, y * plan.ratio - top];
          if (right >= 0 && down >= 0 && right < plan.cell[0] && down < plan.cell[1])
            this.pointed = [line, s];
        }
      }
    }
    return String(pointed) !== String(this.pointed);
  }

  /** Words about the image pointed at, and where its middle and top are. */
  tip() {
    if (!this.pointed || this.pointed[0] > this.plan.rows.length) return null;
    const [line, s] = this.pointed;
    const [x, y] = this.corner(this.plan, line, s).map((v) => v / this.plan.ratio);
    const row = this.plan.rows[line - 1];
    const title = row && this.panel.player.model.entrants[row.entrant].title;
    const error = row?.errors?.[this.at(row) * this.count + s];
    const words = error === undefined ? "" : `: squared error ${formatNumber(error)}`;
    return {
      x: x + this.plan.cell[0] / this.plan.ratio / 2,
      y,
      text: `${title ?? "Input"}, image ${s + 1}${words}`,
    };
  }
}
