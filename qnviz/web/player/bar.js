// The play bar: buttons, the slider that is the playhead, its time, and the speed.

import { element, icon, ICONS, write } from "../dom.js";

const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 5, 10];
const ANNOUNCE_MS = 1000; // nobody hears 60 numbers a second

export class PlayBar {
  /** When the playhead's place was announced last. */
  announcedAt = -Infinity;

  /**
   * @param {(by: number) => void} step
   * @param {() => void} toggle
   */
  constructor(step, toggle) {
    /** @type {HTMLElement} */
    this.box = element("div", "qnviz-bar", null, { role: "group", "aria-label": "Playback" });
    this.button("back", "One step back", () => step(-1));
    this.play = this.button("play", "Play", toggle);
    this.button("forward", "One step forward", () => step(1));
    const range = { type: "range", min: 0, step: 1, "aria-label": "Playhead" };
    this.slider = element("input", "qnviz-slider", this.box, range);
    this.time = element("span", "qnviz-time", this.box);
    const label = element("label", "qnviz-speed", this.box);
    element("span", "", label).textContent = "Speed";
    this.speeds = element("select", "", label, { "aria-label": "Speed" });
    for (const value of SPEEDS) {
      element("option", "", this.speeds, { value }).textContent = `${value}×`;
    }
    this.speeds.value = "1";
  }

  /** How fast the reader wants it, as a multiple of the usual. */
  get speed() {
    return Number(this.speeds.value);
  }

  /**
   * @param {keyof typeof ICONS} name
   * @param {string} label
   * @param {() => void} action
   */
  button(name, label, action) {
    const attributes = { type: "button", "aria-label": label, title: label };
    const node = element("button", `qnviz-button qnviz-${name}`, this.box, attributes);
    node.addEventListener("click", action);
    return { node, path: icon(name, node).path };
  }

  /**
   * @param {number} last frame
   * @param {string} text the longest that the time will be
   */
  setRange(last, text) {
    this.slider.max = String(last);
    this.time.style.minWidth = `${text.length + 1}ch`;
  }

  /**
   * @param {number} frame
   * @param {number} last
   * @param {string} text
   */
  show(frame, last, text) {
    this.slider.value = String(frame);
    this.slider.style.setProperty("--qnviz-part", String(frame / Math.max(1, last)));
    write(this.time, text);
  }

  /**
   * A screen reader reads a slider's words whenever they change: at rest, or once in a while.
   *
   * @param {string} text
   * @param {boolean} playing
   */
  announce(text, playing) {
    if (playing && performance.now() - this.announcedAt < ANNOUNCE_MS) return;
    this.announcedAt = performance.now();
    this.slider.setAttribute("aria-valuetext", text);
  }

  /** @param {boolean} playing */
  setPlaying(playing) {
    const label = playing ? "Pause" : "Play";
    this.play.path.setAttribute("d", ICONS[playing ? "pause" : "play"]);
    this.play.node.title = label;
    this.play.node.setAttribute("aria-label", label);
  }
}
