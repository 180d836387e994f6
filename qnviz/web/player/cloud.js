// Points at the playhead, each drawn as the digit of its class.

import { decode } from "../columns.js";
import { toPixel } from "./axes.js";
import { rowAt } from "./model.js";

const GLYPH = 11; // height of a point's digit in CSS pixels

/** Points that stand where the latest look found them, each drawn as its class's digit. */
export class Cloud {
  constructor(data, panel) {
    this.panel = panel;
    this.entrant = data.entrant;
    this.colors = data.colors;
    this.labels = decode(data.labels);
    this.views = decode(data.views); // whole steps from an origin, 0 for a point that is nowhere
    this.origin = data.origin;
    this.step = data.step;
    this.rows = decode(data.rows);
  }

  at() {
    const { model, frame } = this.panel.player;
    return rowAt(this.rows, model.entrants[this.entrant], frame);
  }

  get faint() {
    const { model, hidden } = this.panel.player;
    return hidden.has(model.entrants[this.entrant].label);
  }

  key() {
    return `${this.at()} ${this.faint}`;
  }

  draw(c) {
    const {
      axes: [xa, ya],
      ratio,
    } = this.panel;
    const sprites = this.glyphs(ratio);
    const count = this.labels.length;
    const from = 2 * count * this.at();
    const [x0, y0] = [toPixel(xa, this.origin[0]), toPixel(ya, this.origin[1])];
    const dx = toPixel(xa, this.origin[0] + 65535 * this.step[0]) - x0;
    const dy = toPixel(ya, this.origin[1] + 65535 * this.step[1]) - y0;
    c.setTransform(1, 0, 0, 1, 0, 0); // glyphs on whole device pixels stay crisp
    c.globalAlpha = this.faint ? 0.15 : 1;
    for (let n = 0; n < count; n++) {
      const [across, up] = [this.views[from + 2 * n], this.views[from + 2 * n + 1]];
      if (!across) continue;
      const x = x0 + (dx * across) / 65535;
      const y = y0 + (dy * up) / 65535;
      const sprite = sprites.get(this.labels[n]);
      c.drawImage(
        sprite,
        Math.round(x * ratio - sprite.width / 2),
        Math.round(y * ratio - sprite.height / 2),
      );
    }
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.globalAlpha = 1;
  }

  /** One small picture per class: a thousand texts would not be drawn sixty times a second. */
  glyphs(ratio) {
    const { scale } = this.panel;
    if (this.sprites && this.ratio === ratio && this.scale === scale) return this.sprites;
    Object.assign(this, { ratio, scale });
    this.sprites = new Map();
    const side = Math.ceil((GLYPH + 4) * scale * ratio);
    for (const label of new Set(this.labels)) {
      const sprite = Object.assign(document.createElement("canvas"), { width: side, height: side });
      const c = sprite.getContext("2d");
      c.setTransform(scale * ratio, 0, 0, scale * ratio, side / 2, side / 2);
      c.fillStyle =
        label < 0 ? this.panel.player.ink.text : this.colors[label % this.colors.length];
      if (label < 0) {
        c.globalAlpha = 0.6;
        c.arc(0, 0, 2, 0, 2 * Math.PI);
        c.fill();
      } else {
        Object.assign(c, {
          font: `700 ${GLYPH}px ${this.panel.font}`,
          textAlign: "center",
          textBaseline: "middle",
        });
        c.fillText(label.toString(36), 0, 0.5);
      }
      this.sprites.set(label, sprite);
    }
    return this.sprites;
  }
}
