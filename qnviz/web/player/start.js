// The start of a run, as a handle on the surface: dragged by Panel, moved by keys here.

import { element } from "../dom.js";
import { clamp, roundUp, say, significant } from "../numbers.js";
import { ends, toPixel } from "./axes.js";

/** @import { Panel } from "./panel.js" */

const REST_MS = 250; // keys rest so long before the start is reported
const STEPS = 200; // of a key, across the picture
/** @type {Record<string, [axis: 0 | 1, way: number]>} */
const WAYS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowDown: [1, -1], ArrowUp: [1, 1] };

export class Start {
  resting = 0;

  /** @param {Panel} panel */
  constructor(panel) {
    this.panel = panel;
    // beside the picture, as what is within an image is no element of its own for a screen reader
    this.layer = element("div", "qnviz-layer");
    this.layer.hidden = true; // until it has a place
    this.node = element("div", "qnviz-start", this.layer, {
      role: "slider",
      tabindex: 0,
      "aria-label": "Start of the run",
      title: "Drag the start, or move it with the arrow keys",
    });
    this.node.addEventListener("keydown", (event) => this.key(event));
    this.node.addEventListener("blur", () => this.drop());
  }

  /** Where the start stands now, if it can be dragged here. */
  place() {
    const { axes, picture, player } = this.panel;
    const { start } = player.live;
    const shown = picture?.click === "start" && axes && start;
    const at = shown ? [toPixel(axes[0], start[0]), toPixel(axes[1], start[1])] : null;
    const inside = at?.every((pixel, k) => {
      const [low, high] = ends(/** @type {[PlotlyAxis, PlotlyAxis]} */ (axes)[k]);
      return pixel >= low && pixel <= high;
    });
    this.layer.hidden = !inside;
    if (!shown || !at || !inside) return;
    this.node.style.transform = `translate(${at[0]}px, ${at[1]}px)`;
    if (this.panel.pointer === null) this.tell(start); // who drags it sees where it is
  }

  /**
   * What the handle says.
   *
   * @param {[x: number, y: number]} start
   */
  tell(start) {
    const text = `(${say(start[0])}, ${say(start[1])})`;
    if (this.node.getAttribute("aria-valuetext") === text) return;
    this.node.setAttribute("aria-valuenow", String(start[0]));
    this.node.setAttribute("aria-valuetext", text);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const { axes, player } = this.panel;
    const { live } = player;
    if (event.ctrlKey || event.metaKey || event.altKey || !axes || !live.start) return;
    if (event.key === "Escape" && live.pending) {
      event.preventDefault();
      clearTimeout(this.resting);
      this.resting = 0;
      live.cancel();
      return;
    }
    const found = WAYS[event.key];
    if (!found) return;
    event.preventDefault(); // the playhead's keys are the same
    const [k, way] = found;
    const [low, high] = [0, axes[k]._length]
      .map((pixel) => axes[k].p2d(pixel))
      .sort((a, b) => a - b);
    const step = roundUp((high - low) / STEPS) * (event.shiftKey ? 10 : 1);
    /** @type {[number, number]} */
    const start = [...live.start];
    start[k] = significant(clamp(start[k] + way * step, low, high), 6);
    live.change({ start });
    clearTimeout(this.resting);
    this.resting = window.setTimeout(() => this.drop(), REST_MS);
  }

  drop() {
    if (!this.resting) return;
    clearTimeout(this.resting);
    this.resting = 0;
    this.panel.player.live.release();
  }
}
