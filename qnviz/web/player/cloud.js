// Points at the playhead, each drawn as the digit of its class.

import { decode } from "../columns.js";
import { toPixel } from "./axes.js";
import { pen, sheet } from "./canvas.js";
import { rowAt } from "./model.js";

/** @import { Panel } from "./panel.js" */
/** @import { CloudPayload } from "./payload.d.ts" */

const GLYPH = 11; // height of a point's digit in CSS pixels
const STEPS = 65535; // from a picture's one side to the other

export class Cloud {
  /** @type {Map<number, HTMLCanvasElement>} a small picture per class */
  sprites = new Map();
  /** What the sprites were drawn for. */
  spritesKey = "";

  /**
   * @param {CloudPayload} data
   * @param {Panel} panel
   */
  constructor(data, panel) {
    this.panel = panel;
    this.entrant = data.entrant;
    this.colors = data.colors;
    this.labels = decode(data.labels);
    this.views = decode(data.views);
    this.origin = data.origin;
    this.step = data.step;
    this.rows = decode(data.rows);
  }

  get at() {
    const { model, frame } = this.panel.player;
    return rowAt(this.rows, model.entrants[this.entrant], frame);
  }

  get faint() {
    const { model, hidden } = this.panel.player;
    return hidden.has(model.entrants[this.entrant].label);
  }

  /** What would be drawn: a frame that changes nothing draws nothing. */
  key() {
    return `${this.at} ${this.faint}`;
  }

  /**
   * @param {CanvasRenderingContext2D} c
   * @param {[PlotlyAxis, PlotlyAxis]} axes
   */
  draw(c, [xa, ya]) {
    const { ratio } = this.panel;
    const sprites = this.glyphs();
    const count = this.labels.length;
    const from = 2 * count * this.at;
    const [x0, y0] = [toPixel(xa, this.origin[0]), toPixel(ya, this.origin[1])];
    const dx = toPixel(xa, this.origin[0] + STEPS * this.step[0]) - x0;
    const dy = toPixel(ya, this.origin[1] + STEPS * this.step[1]) - y0;
    c.setTransform(1, 0, 0, 1, 0, 0); // glyphs on whole device pixels stay crisp
    c.globalAlpha = this.faint ? 0.15 : 1;
    for (let n = 0; n < count; n++) {
      const [across, up] = [this.views[from + 2 * n], this.views[from + 2 * n + 1]];
      const sprite = sprites.get(this.labels[n]);
      if (!across || !sprite) continue;
      const x = (x0 + (dx * across) / STEPS) * ratio;
      const y = (y0 + (dy * up) / STEPS) * ratio;
      c.drawImage(sprite, Math.round(x - sprite.width / 2), Math.round(y - sprite.height / 2));
    }
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.globalAlpha = 1;
  }

  /** One small picture per class: a thousand texts would not be drawn sixty times a second. */
  glyphs() {
    const { scale, ratio } = this.panel;
    const key = `${scale} ${ratio}`;
    if (key === this.spritesKey) return this.sprites;
    this.spritesKey = key;
    this.sprites = new Map(Array.from(new Set(this.labels), (label) => [label, this.glyph(label)]));
    return this.sprites;
  }

  /** @param {number} label */
  glyph(label) {
    const { scale, ratio, font, player } = this.panel;
    const side = Math.ceil((GLYPH + 4) * scale * ratio);
    const sprite = sheet(side, side);
    const c = pen(sprite);
    c.setTransform(scale * ratio, 0, 0, scale * ratio, side / 2, side / 2);
    if (label < 0) {
      c.fillStyle = player.ink.text;
      c.globalAlpha = 0.6;
      c.arc(0, 0, 2, 0, 2 * Math.PI);
      c.fill();
    } else {
      c.fillStyle = this.colors[label % this.colors.length];
      c.font = `700 ${GLYPH}px ${font}`;
      c.textAlign = "center";
      c.textBaseline = "middle";
      c.fillText(label.toString(36), 0, 0.5);
    }
    return sprite;
  }
}
