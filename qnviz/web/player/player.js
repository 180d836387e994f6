// The linked player: static Plotly figures, one canvas above each, one playhead for all.
//
// Plotly draws only when data change; a frame of the animation touches canvases and a few text
// nodes. A player knows nothing of Streamlit, so that an exported page can use it as well.
// Units: a *frame* is a tick of the playhead, an *index* is an entrant's own step at that tick.

import { element } from "../dom.js";
import { clamp, significant } from "../numbers.js";
import { loadPlotly } from "../plotly.js";
import { Address } from "./address.js";
import { PlayBar } from "./bar.js";
import { Handles } from "./handles.js";
import { keyAction, players } from "./keys.js";
import { Legend } from "./legend.js";
import { Live } from "./live.js";
import { NOTHING, readModel } from "./model.js";
import { Panel } from "./panel.js";
import { Words } from "./words.js";

/** @import { Ink } from "./canvas.js" */
/** @import { Engine } from "./live.js" */
/** @import { Model } from "./model.js" */
/** @import { Edit, PlayerPayload } from "./payload.d.ts" */

/**
 * What a player reports.
 *
 * @typedef {object} Callbacks
 * @property {(frame: number) => void} [onFrame] the frame at which the reader stopped
 * @property {(point: [x: number, y: number], name: string) => void} [onStart] a start was chosen
 * @property {(event: [frame: number, row: number]) => void} [onEvent] an event was clicked
 * @property {(edit: Edit) => void} [onEdit] settings were changed by hand
 * @property {Engine} [engine] what computes under the hand, if it need not be loaded
 */

const SETTLE_MS = 250; // a frame is reported this long after the last key or release
const ECHO_MS = 5000; // a pinned frame that we reported ourselves may come back for this long
const WORDS_MS = 80; // nobody reads sentences at 60 Hz, and text costs layout
const LULL_MS = 500; // without news from a growing run, what was left out is drawn
const HIDDEN_MS = 100; // a tab that nobody sees is given no frames
const WIDE = 1500; // pixels; from here on a hall is to read it, and everything is larger
const LARGE = 1.25;

const prefersStillness = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

export class Player {
  /** @type {Model} what is shown */
  model = NOTHING;
  /** @type {PlayerPayload | null} what was drawn last, as it came */
  payload = null;
  /** @type {PlayerPayload[]} the newest that came while figures were drawn, if any */
  waiting = [];
  busy = false;
  /** @type {Map<string, Panel>} by id */
  panels = new Map();
  /** @type {Map<string, string>} by panel: the label of what the reader wants to see in it */
  choices = new Map();
  /** @type {Ink} */
  ink = { text: "", background: "" };
  layoutKey = "";
  namesKey = "";
  /** The width for which titles were wrapped last. */
  wrappedFor = -1;

  frame = 0;
  /** The frame and its fraction while playing. */
  clockTime = 0;
  /** Frames a second. */
  rate = 60;
  playing = false;
  /** Whether the reader pressed play, so that the end of the race is a frame of his choice. */
  byReader = false;
  growing = false;
  /** @type {number | null} where to go as soon as a growing run is there; ∞ is its end */
  resumeAt = null;
  /** Whether all ticks of the clock are whole numbers. */
  integer = false;
  tickedAt = 0;
  tickRequest = 0;

  dragging = false;
  keyHeld = false;
  /** When the reader last used it. */
  usedAt = 0;

  /** @type {number | null} the frame that Python knows */
  sent = null;
  /** @type {Map<number, number>} frames that were reported, and when */
  echoes = new Map();
  address = new Address();
  settling = 0;
  choosing = 0;
  telling = 0;
  lull = 0;
  stop = new AbortController();

  /**
   * @param {HTMLElement} root
   * @param {PlayerPayload} payload
   * @param {Callbacks} [callbacks]
   */
  constructor(root, payload, callbacks = {}) {
    this.root = root;
    this.callbacks = callbacks;
    root.dataset.qnvizPlayer = "";
    root.dataset.ready = "false";
    this.complaint = element("p", "qnviz-complaint", root, { role: "alert" });
    this.complaint.hidden = true;
    this.body = element("div", "qnviz-body", root);
    this.legend = new Legend(this.body, () => this.hide());
    this.live = new Live(this);
    this.handles = new Handles(this, this.legend);
    this.bar = new PlayBar(
      (by) => this.step(by),
      () => this.toggle(),
    );
    this.words = new Words();
    this.listen();
    this.setPlaying(false);
    players.add(this);
    this.update(payload);
  }

  listen() {
    const options = { signal: this.stop.signal };
    const { slider } = this.bar;
    const grab = () => {
      this.dragging = true;
      this.pause();
    };
    const drag = () => {
      this.goTo(Number(slider.value));
      this.settle();
    };
    const drop = () => {
      this.dragging = false;
      this.settle();
    };
    slider.addEventListener("pointerdown", grab, options);
    slider.addEventListener("input", drag, options);
    for (const type of ["change", "pointerup", "pointercancel"]) {
      slider.addEventListener(type, drop, options);
    }
    document.addEventListener("keydown", (event) => this.key(event), options);
    document.addEventListener("keyup", () => this.release(), options);
    window.addEventListener("blur", () => this.release(), options);
    const leave = () => {
      if (document.hidden) this.pause();
    };
    document.addEventListener("visibilitychange", leave, options);
    window.addEventListener("popstate", () => this.travel(), options);
    for (const type of ["pointerdown", "focusin"]) {
      this.root.addEventListener(type, () => (this.usedAt = performance.now()), options);
    }
  }

  /** Labels of hidden entrants. */
  get hidden() {
    return this.legend.hidden;
  }

  // -- data ----------------------------------------------------------------------------------

  /**
   * Take a payload; while figures are drawn, only the newest of several waits.
   *
   * @param {PlayerPayload} payload
   */
  async update(payload) {
    if (this.live.waits(payload)) return;
    this.waiting = [payload];
    if (this.busy) return;
    this.busy = true;
    while (this.waiting.length && !this.stop.signal.aborted) {
      const [newest] = this.waiting.splice(0);
      try {
        await this.apply(newest);
      } catch (error) {
        this.complain(error instanceof Error ? error.message : String(error));
      }
    }
    this.busy = false;
  }

  /** @param {PlayerPayload} payload */
  async apply(payload) {
    const { signal } = this.stop;
    const before = this.payload;
    if (payload.rows?.length === 0) return this.bare(payload);
    this.root.dataset.ready = "false";
    const same = before !== null && before.id === payload?.id && before.theme === payload.theme;
    const model = same ? { ...this.model, rows: payload.rows } : readModel(payload);
    this.root.dataset.theme = payload.theme === "dark" ? "dark" : "light";
    this.rate = payload.rate || 60;
    const steady = this.arrange(model);
    this.live.take(payload);
    this.handles.take(payload.handles ?? null);
    this.adopt(model, payload, before);
    if (!before) this.draw(); // the play bar and the words need not wait for Plotly
    await loadPlotly(payload.plotly_url);
    if (signal.aborted) return;
    this.payload = payload;
    const mayWait = Boolean(payload.follow) && steady;
    const still = this.live.on;
    this.live.end();
    const fresh = model.panels.flatMap((spec) => {
      const panel = this.panels.get(spec.id);
      return panel && !(same && panel.axes) ? [() => panel.take(spec, mayWait, still)] : [];
    });
    const first = before ? undefined : fresh.shift();
    if (first) await this.first(first);
    if (signal.aborted) return;
    // All others in one go: waiting between them would show old and new side by side.
    await Promise.all(fresh.map((take) => take()));
    clearTimeout(this.lull);
    if (payload.follow) this.lull = setTimeout(() => this.catchUp(), LULL_MS);
    if (signal.aborted) return;
    this.complaint.hidden = true;
    this.body.hidden = false;
    this.root.dataset.id = payload.id ?? "";
    this.root.dataset.ready = "true";
    this.draw();
    this.live.load();
    const plays = payload.autoplay && !payload.follow && payload.frame == null;
    if (!before && plays && !prefersStillness()) this.play();
  }

  /**
   * There are no pictures, only settings, so that these can be mended; the pictures wait as they are.
   *
   * @param {PlayerPayload} payload
   */
  bare(payload) {
    this.pause(false);
    this.root.dataset.theme = payload.theme === "dark" ? "dark" : "light";
    this.root.dataset.ready = "bare";
    if (this.namesKey) this.legend.list([]);
    this.namesKey = "";
    this.live.end();
    this.live.take(payload);
    this.handles.take(payload.handles ?? null);
    this.complaint.hidden = true;
    this.body.hidden = false;
  }

  /**
   * Where nothing stands yet, the first picture need not wait for the others.
   *
   * @param {() => unknown} take
   */
  async first(take) {
    await take();
    this.draw();
    this.root.dataset.begun = "true";
    await new Promise((done) => {
      requestAnimationFrame(() => setTimeout(done));
      setTimeout(done, HIDDEN_MS);
    });
  }

  /**
   * Model, colours and playhead for the figures that are about to be drawn; draws nothing.
   *
   * @param {Model} model
   * @param {PlayerPayload} payload
   * @param {PlayerPayload | null} before
   */
  adopt(model, payload, before) {
    const atEnd = !before || this.frame >= this.last;
    this.model = model;
    this.growing = Boolean(payload.follow || before?.follow);
    const style = getComputedStyle(this.root);
    const background = style.getPropertyValue("--qnviz-paper").trim() || "#fff";
    this.ink = { text: style.color, background };
    this.integer = model.frames.every(Number.isInteger);
    this.bar.setRange(this.last, this.clockText(this.last, " / "));
    const pinned = payload.frame;
    if (pinned != null && pinned !== before?.frame && !this.isEcho(pinned)) {
      this.pause();
      const frame = Math.round(pinned);
      this.stand(frame);
      this.resumeAt = frame;
    }
    if (this.live.on && atEnd && this.frame !== this.last) {
      // the hand has seen the end of its race, and stays there
      this.frame = this.clockTime = this.last;
      if (pinned == null) this.sent = this.last;
      else this.settle();
    }
    if (!this.growing) this.resumeAt = null;
    else if (!this.playing) this.keepUp(atEnd);
    this.frame = clamp(this.frame, 0, this.last);
    this.clockTime = clamp(this.clockTime, this.frame, this.last);
    this.sent ??= this.frame;
  }

  /**
   * Stand at a frame that Python knows of.
   *
   * @param {number} frame
   */
  stand(frame) {
    this.frame = frame;
    this.clockTime = frame;
    this.sent = frame;
  }

  /**
   * In a run that grows, stay at its end, or where the reader stood as soon as it is there.
   *
   * @param {boolean} atEnd whether the playhead stood at the end
   */
  keepUp(atEnd) {
    const wanted = this.resumeAt ?? (atEnd ? Infinity : this.frame);
    this.stand(Math.min(wanted, this.last));
    this.resumeAt = wanted <= this.last || wanted === Infinity ? null : wanted;
  }

  /**
   * A frame that we reported comes back in the next payload; the reader may have moved on.
   *
   * @param {number} frame
   */
  isEcho(frame) {
    const age = Date.now() - (this.echoes.get(frame) ?? -Infinity);
    this.echoes.delete(frame);
    return age < ECHO_MS;
  }

  // -- layout --------------------------------------------------------------------------------

  /**
   * Panels and legend for a model; gives whether its entrants look as before.
   *
   * @param {Model} model
   */
  arrange(model) {
    for (const [id, panel] of this.panels) {
      if (!model.panels.some((spec) => spec.id === id)) {
        panel.destroy();
        this.panels.delete(id);
      }
    }
    for (const spec of model.panels) {
      if (!this.panels.has(spec.id)) this.panels.set(spec.id, new Panel(this, spec));
    }
    const layout = JSON.stringify([model.rows, model.panels.map((spec) => [spec.id, spec.span])]);
    if (layout !== this.layoutKey) this.lay(model);
    this.wrap();
    this.layoutKey = layout;
    const { entrants, value } = model;
    const names = JSON.stringify(
      entrants.map((e) => [e.label, e.title, e.color, e.dash, e.marker]),
    );
    const steady = names === this.namesKey;
    if (!steady) {
      this.legend.list(entrants);
      this.words.list(entrants, value);
      this.words.dim(entrants, this.hidden);
    }
    this.namesKey = names;
    return steady;
  }

  /** @param {Model} model */
  lay(model) {
    const rows = model.rows.map((ids) => {
      const row = element("div", "qnviz-row");
      const spans = ids.map((id) => model.panels.find((spec) => spec.id === id)?.span ?? 1);
      const taken = spans.reduce((sum, span, k) => sum + (ids[k] === "@words" ? 0 : span), 0);
      ids.forEach((id, k) => {
        const box = this.panels.get(id)?.box ?? this.words.box;
        const span = box === this.words.box ? Math.max(1, 3 - taken) : spans[k];
        box.style.setProperty("--qnviz-span", String(span));
        row.append(box);
      });
      return row;
    });
    this.body.replaceChildren(this.legend.box, rows[0], this.bar.box, ...rows.slice(1));
    this.wrappedFor = -1;
  }

  /** How many lines titles need, once per width of the player. */
  wrap() {
    if (this.wrappedFor === this.root.clientWidth) return;
    this.wrappedFor = this.root.clientWidth;
    for (const row of this.body.querySelectorAll(".qnviz-row")) row.classList.remove("qnviz-two");
    for (const panel of this.panels.values()) panel.wrap();
  }

  get scale() {
    const wanted = Number(getComputedStyle(this.root).getPropertyValue("--qnviz-scale"));
    return wanted || (this.root.clientWidth >= WIDE ? LARGE : 1);
  }

  /** Draw what was left out while a run grew. */
  catchUp() {
    for (const panel of this.panels.values()) panel.catchUp();
  }

  /** Show what the legend shows. */
  hide() {
    this.words.dim(this.model.entrants, this.hidden);
    for (const panel of this.panels.values()) panel.hide();
    this.draw();
  }

  // -- playhead ------------------------------------------------------------------------------

  /** The last frame. */
  get last() {
    return this.model.frames.length - 1;
  }

  /**
   * @param {number} frame
   * @param {string} between what stands between now and the end
   */
  clockText(frame, between) {
    const { frames, label, unit, end } = this.model;
    /** @param {number} value */
    const short = (value) => (this.integer ? value : significant(value, 3));
    const now = short(frames[frame]);
    return `${label} ${now}${between}${short(end ?? frames[this.last])}${unit ? ` ${unit}` : ""}`;
  }

  /**
   * Move the playhead to a frame.
   *
   * @param {number} frame
   * @param {number} [time] while playing: the frame and its fraction
   */
  goTo(frame, time = frame) {
    this.frame = clamp(frame, 0, this.last);
    this.clockTime = clamp(time, 0, this.last);
    this.resumeAt = null;
    this.draw();
  }

  draw() {
    const { frame, live, words } = this;
    if (!live.on || this.root.dataset.frame !== String(frame)) {
      this.root.dataset.frame = String(frame);
      this.bar.show(frame, this.last, this.clockText(frame, " / "));
      this.announce();
    }
    const due = performance.now() - words.writtenAt > WORDS_MS;
    if (live.on) this.tellLosses(due);
    else if (!this.playing || due) words.show(this.model.entrants, frame);
    for (const panel of this.panels.values()) panel.draw();
  }

  /**
   * While the hand drags: the losses it makes, at once or soon.
   *
   * @param {boolean} due
   */
  tellLosses(due) {
    if (!due) {
      this.telling ||= setTimeout(() => this.tellLosses(true), WORDS_MS);
      return;
    }
    clearTimeout(this.telling);
    this.telling = 0;
    if (this.live.on) this.words.showLosses(this.live.losses);
  }

  /**
   * Whether the pictures follow the hand: words are then those of a record that is not shown.
   *
   * @param {boolean} on
   */
  follow(on) {
    this.root.dataset.live = String(on);
    this.words.hush(on || this.playing);
    for (const panel of this.panels.values()) panel.fade();
  }

  announce() {
    this.bar.announce(this.clockText(this.frame, " of "), this.playing);
  }

  play() {
    if (this.playing) return;
    if (this.frame >= this.last) this.goTo(0);
    this.setPlaying(true);
    this.tickedAt = performance.now();
    this.tickRequest = requestAnimationFrame((now) => this.tick(now));
  }

  /** @param {number} now in milliseconds */
  tick(now) {
    // After a long task (a figure redrawn) the race goes on from where it stood, not with a leap.
    const seconds = clamp((now - this.tickedAt) / 1000, 0, 0.1);
    this.tickedAt = now;
    const time = this.clockTime + seconds * this.rate * this.bar.speed;
    if (time >= this.last) {
      this.goTo(this.last);
      this.pause(this.byReader);
      return;
    }
    if (Math.floor(time) !== this.frame) this.goTo(Math.floor(time), time);
    else this.clockTime = time;
    this.tickRequest = requestAnimationFrame((later) => this.tick(later));
  }

  /** An autoplay that runs out by itself is nobody's choice of a frame, so it is not reported. */
  pause(report = true) {
    if (!this.playing) return;
    cancelAnimationFrame(this.tickRequest);
    this.setPlaying(false);
    if (this.live.on) this.tellLosses(true);
    else this.words.show(this.model.entrants, this.frame);
    this.announce();
    if (report) this.settle();
  }

  /** @param {boolean} playing */
  setPlaying(playing) {
    this.playing = playing;
    this.root.dataset.playing = String(playing);
    this.words.hush(playing || this.live.on);
    this.bar.setPlaying(playing);
  }

  toggle() {
    this.byReader = true;
    if (this.playing) this.pause();
    else this.play();
  }

  /** @param {number} by */
  step(by) {
    this.pause();
    this.goTo(this.frame + by);
    this.settle();
  }

  // -- reports -------------------------------------------------------------------------------

  /** Whether the reader moves the playhead, or it moves by itself. */
  get moving() {
    return this.playing || this.dragging || this.keyHeld || Boolean(this.payload?.follow);
  }

  /** Once the reader's hand rests: the frame goes into the address, then to the page. */
  settle() {
    clearTimeout(this.settling);
    if (this.address.spare) this.note();
    this.settling = setTimeout(() => {
      this.note();
      if (this.moving || !this.address.here || this.frame === this.sent) return;
      this.sent = this.frame;
      this.echoes.set(this.frame, Date.now());
      this.callbacks.onFrame?.(this.frame);
    }, SETTLE_MS);
  }

  /** Put the frame into the address, if that is to hold it and the reader is still there. */
  note() {
    const field = this.payload?.address;
    if (!field || this.moving || !this.address.here) return;
    if (this.frame !== this.sent || this.address.read(field) !== null) {
      this.address.write(field, this.frame);
    }
  }

  /** Back or Forward: the frame of that address, and nothing to report of the one before. */
  travel() {
    clearTimeout(this.settling);
    this.echoes.clear();
    const field = this.payload?.address;
    const frame = field && this.address.here ? this.address.read(field) : null;
    if (frame === null) return;
    this.pause(false);
    this.goTo(frame);
    this.sent = this.frame;
  }

  /**
   * @param {string} name
   * @param {[x: number, y: number]} point
   */
  chooseStart(name, point) {
    clearTimeout(this.choosing);
    this.choosing = setTimeout(() => this.callbacks.onStart?.(point, name), 150);
  }

  /**
   * An event was clicked: the playhead goes to its tick, and the page is sent which it was.
   *
   * @param {[x: number, y: number]} point
   */
  chooseEvent([x, y]) {
    const { frames } = this.model;
    let nearest = 0;
    frames.forEach((value, k) => {
      if (Math.abs(value - x) < Math.abs(frames[nearest] - x)) nearest = k;
    });
    this.pause(false);
    this.goTo(nearest);
    clearTimeout(this.settling);
    this.sent = nearest;
    this.echoes.set(nearest, Date.now());
    this.callbacks.onEvent?.([nearest, Math.round(y)]);
  }

  // -- keys ----------------------------------------------------------------------------------

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.key === "Escape" && [...this.panels.values()].some((panel) => panel.letGo())) {
      event.preventDefault();
      return;
    }
    if (this.model === NOTHING || this.root.dataset.ready === "bare") return;
    const action = keyAction(this, this.last, event);
    if (!action) return;
    event.preventDefault(); // also keeps the slider from moving a second time
    if (event.key === " " && event.repeat) return;
    this.keyHeld = event.key !== " ";
    action();
  }

  release() {
    if (!this.keyHeld) return;
    this.keyHeld = false;
    this.settle();
  }

  // -- end -----------------------------------------------------------------------------------

  /** @param {string} why */
  complain(why) {
    this.pause(false);
    this.payload = null; // whatever comes next is drawn from the start
    this.body.hidden = true;
    this.complaint.hidden = false;
    this.complaint.textContent = `The picture could not be drawn: ${why}.`;
  }

  destroy() {
    this.stop.abort();
    this.live.end();
    cancelAnimationFrame(this.tickRequest);
    clearTimeout(this.settling);
    clearTimeout(this.choosing);
    clearTimeout(this.telling);
    clearTimeout(this.lull);
    for (const panel of this.panels.values()) panel.destroy();
    players.delete(this);
    this.root.replaceChildren();
  }
}
