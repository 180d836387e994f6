// The linked player: static Plotly figures, one canvas above each, one playhead for all.
//
// Plotly draws only when data change; a frame of the animation touches canvases and a few text
// nodes. `mountPlayer` knows nothing of Streamlit, so that an HTML export can use it as well.
// Units: a *frame* is a tick of the playhead, an *index* is an entrant's own step at that tick.

import { element, icon, ICONS, write } from "../dom.js";
import { sample } from "../markers.js";
import { clamp, significant } from "../numbers.js";
import { loadPlotly } from "../plotly.js";
import { keyAction, players } from "./keys.js";
import { readModel } from "./model.js";
import { Panel } from "./panel.js";
import { Words } from "./words.js";

const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 5, 10];
const SETTLE_MS = 250; // a frame is reported this long after the last key or release
const ECHO_MS = 5000; // a pinned frame that we reported ourselves may come back for this long
const WORDS_MS = 80; // nobody reads sentences at 60 Hz, and text costs layout
const TOLD_MS = 1000; // nor does anybody hear 60 numbers a second
const LULL_MS = 500; // without news from a growing run, what was left out is drawn
const HIDDEN_MS = 100; // a tab that nobody sees is given no frames
const WIDE = 1500; // pixels; from here on a hall is to read it, and everything is larger
const LARGE = 1.25;

export class Player {
  constructor(root, callbacks) {
    Object.assign(this, {
      root,
      callbacks,
      panels: new Map(),
      hidden: new Set(),
      echoes: new Map(),
    });
    this.choices = new Map(); // by panel: the label of what the reader wants to see in it
    Object.assign(this, {
      frame: 0,
      clockTime: 0,
      speed: 1,
      playing: false,
      dragging: false,
      usedAt: 0,
    });
    this.stop = new AbortController();
    this.build();
    this.listen();
    players.add(this);
  }

  build() {
    const { root } = this;
    root.dataset.qnvizPlayer = "";
    root.dataset.ready = "false";
    this.complaint = element("p", "qnviz-complaint", root, { role: "alert" });
    this.complaint.hidden = true;
    this.body = element("div", "qnviz-body", root);
    this.legend = element("div", "qnviz-legend", this.body, {
      role: "group",
      "aria-label": "Methods shown",
    });
    this.bar = element("div", "qnviz-bar", null, { role: "group", "aria-label": "Playback" });
    this.button("back", "One step back", () => this.step(-1));
    this.playButton = this.button("play", "Play", () => this.toggle());
    this.playIcon = this.playButton.querySelector("path");
    this.button("forward", "One step forward", () => this.step(1));
    const range = { type: "range", min: 0, step: 1, "aria-label": "Playhead" };
    this.slider = element("input", "qnviz-slider", this.bar, range);
    this.time = element("span", "qnviz-time", this.bar);
    const label = element("label", "qnviz-speed", this.bar);
    element("span", "", label).textContent = "Speed";
    this.select = element("select", "", label, { "aria-label": "Speed" });
    for (const value of SPEEDS)
      element("option", "", this.select, { value }).textContent = `${value}×`;
    this.select.value = "1";
    this.words = new Words();
  }

  button(name, label, action) {
    const attributes = { type: "button", "aria-label": label, title: label };
    const node = element("button", `qnviz-button qnviz-${name}`, this.bar, attributes);
    icon(name, node);
    node.addEventListener("click", action);
    return node;
  }

  listen() {
    const { signal } = this.stop;
    const on = (target, type, action) => target.addEventListener(type, action, { signal });
    on(this.slider, "pointerdown", () => {
      this.dragging = true;
      this.pause();
    });
    on(this.slider, "input", () => {
      this.goTo(Number(this.slider.value));
      this.settle();
    });
    for (const type of ["change", "pointerup", "pointercancel"]) {
      on(this.slider, type, () => {
        this.dragging = false;
        this.settle();
      });
    }
    on(this.select, "change", () => {
      this.speed = Number(this.select.value);
    });
    on(document, "keydown", (event) => this.key(event));
    on(document, "keyup", () => {
      if (this.keyHeld) this.release();
    });
    on(window, "blur", () => {
      if (this.keyHeld) this.release();
    });
    on(document, "visibilitychange", () => {
      if (document.hidden) this.pause();
    });
    for (const type of ["pointerdown", "focusin"])
      on(this.root, type, () => {
        this.usedAt = performance.now();
      });
  }

  // -- data ----------------------------------------------------------------------------------

  /** Take a payload; while figures are drawn, only the newest of several waits. */
  async update(payload) {
    this.next = { payload };
    if (this.busy) return;
    this.busy = true;
    while (this.next && !this.stop.signal.aborted) {
      const { payload: newest } = this.next;
      this.next = null;
      try {
        await this.apply(newest);
      } catch (error) {
        this.complain(error);
      }
    }
    this.busy = false;
  }

  async apply(payload) {
    const before = this.payload;
    this.root.dataset.ready = "false";
    const same = before && before.id === payload?.id && before.theme === payload.theme;
    const model = same ? { ...this.model, rows: payload.rows } : readModel(payload);
    this.root.dataset.theme = payload.theme === "dark" ? "dark" : "light";
    this.rate = payload.rate || 60;
    const steady = this.arrange(model);
    this.adopt(model, payload, before);
    if (!before) this.draw(); // the play bar and the words need not wait for Plotly
    await loadPlotly(payload.plotly_url);
    if (this.stop.signal.aborted) return;
    this.payload = payload;
    const fresh = model.panels.filter((spec) => !same || !this.panels.get(spec.id).axes);
    const take = (spec) => this.panels.get(spec.id).take(spec, payload.follow && steady);
    if (!before && fresh.length) await this.first(() => take(fresh.shift()));
    if (this.stop.signal.aborted) return;
    // All others in one go: waiting between them would show old and new side by side.
    await Promise.all(fresh.map(take));
    clearTimeout(this.lull);
    if (payload.follow) this.lull = setTimeout(() => this.catchUp(), LULL_MS);
    if (this.stop.signal.aborted) return;
    this.complaint.hidden = true;
    this.body.hidden = false;
    this.root.dataset.id = payload.id ?? "";
    this.root.dataset.ready = "true";
    this.draw();
    if (
      !before &&
      payload.autoplay &&
      !payload.follow &&
      payload.frame == null &&
      !prefersStillness()
    )
      this.play();
  }

  /** Where nothing stands yet, the first picture need not wait for the others. */
  async first(take) {
    await take();
    this.draw();
    this.root.dataset.begun = "true";
    await new Promise((done) => {
      requestAnimationFrame(() => setTimeout(done));
      setTimeout(done, HIDDEN_MS);
    });
  }

  /** Model, colours and playhead for the figures that are about to be drawn; draws nothing. */
  adopt(model, payload, before) {
    const stood = !before || this.frame >= this.model.frames.length - 1;
    this.model = model;
    this.growing = Boolean(payload.follow || before?.follow);
    const style = getComputedStyle(this.root);
    this.ink = {
      text: style.color,
      background: style.getPropertyValue("--qnviz-paper").trim() || "#fff",
    };
    const last = model.frames.length - 1;
    this.slider.max = last;
    this.integer = model.frames.every(Number.isInteger);
    this.time.style.minWidth = `${this.clockText(last, " / ").length + 1}ch`;
    const pinned = payload.frame;
    if (pinned != null && pinned !== before?.frame && !this.isEcho(pinned)) {
      this.pause();
      this.frame = this.clockTime = this.sent = this.wish = Math.round(pinned);
    }
    if (!this.growing) this.wish = null;
    else if (!this.playing) this.keepUp(stood, last);
    this.frame = clamp(this.frame, 0, last);
    this.clockTime = clamp(this.clockTime, this.frame, last);
    this.sent ??= this.frame;
  }

  /** In a run that grows, stay at its end, or where the reader stood as soon as it is there. */
  keepUp(stood, last) {
    this.wish ??= stood ? Infinity : this.frame;
    this.frame = this.clockTime = this.sent = Math.min(this.wish, last);
    if (this.wish <= last || this.wish === Infinity) this.wish = null;
  }

  /** A frame that we reported comes back in the next payload; the reader may have moved on. */
  isEcho(frame) {
    const age = Date.now() - (this.echoes.get(frame) ?? -Infinity);
    this.echoes.delete(frame);
    return age < ECHO_MS;
  }

  /** Panels and legend for a model; says whether its entrants look as before. */
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
    if (layout !== this.layout) this.lay(model);
    this.wrap();
    this.layout = layout;
    const names = JSON.stringify(
      model.entrants.map((e) => [e.label, e.title, e.color, e.dash, e.marker]),
    );
    const steady = names === this.names;
    if (!steady) this.name(model.entrants, model.value);
    this.names = names;
    return steady;
  }

  catchUp() {
    for (const panel of this.panels.values()) panel.catchUp();
  }

  /** How many lines titles need, once per width of the player. */
  wrap() {
    if (this.wrapped === this.root.clientWidth) return;
    this.wrapped = this.root.clientWidth;
    for (const row of this.body.querySelectorAll(".qnviz-row")) row.classList.remove("qnviz-two");
    for (const panel of this.panels.values()) panel.wrap();
  }

  get scale() {
    const wanted = Number(getComputedStyle(this.root).getPropertyValue("--qnviz-scale"));
    return wanted || (this.root.clientWidth >= WIDE ? LARGE : 1);
  }

  lay(model) {
    const rows = model.rows.map((ids) => {
      const row = element("div", "qnviz-row");
      const spans = ids.map((id) => model.panels.find((spec) => spec.id === id)?.span ?? 1);
      const taken = spans.reduce((sum, span, k) => sum + (ids[k] === "@words" ? 0 : span), 0);
      ids.forEach((id, k) => {
        const box = id === "@words" ? this.words.box : this.panels.get(id).box;
        box.style.setProperty("--qnviz-span", id === "@words" ? Math.max(1, 3 - taken) : spans[k]);
        row.append(box);
      });
      return row;
    });
    this.body.replaceChildren(this.legend, rows[0], this.bar, ...rows.slice(1));
    this.wrapped = null;
  }

  // -- legend ------------------------------------------------------------------------

  name(entrants, value) {
    this.chips = entrants.map((entrant) => {
      const title = "Click to hide or show; double-click or Shift-click to show alone";
      const chip = element("button", "qnviz-chip", null, { type: "button", title });
      sample(entrant, 30, chip);
      element("span", "", chip).textContent = entrant.title;
      chip.addEventListener("click", (event) => this.choose(entrant.label, event));
      return chip;
    });
    this.legend.replaceChildren(...this.chips);
    this.words.list(entrants, value);
    this.markHidden(entrants);
  }

  /** Click hides or shows; with Shift or Alt, or the second click of two, one is shown alone. */
  choose(label, event) {
    const labels = this.model.entrants.map((entrant) => entrant.label);
    const second = event.detail > 0 && event.detail % 2 === 0;
    if (second)
      this.hidden = this.hiddenBefore ?? this.hidden; // undo what the first click did
    else this.hiddenBefore = new Set(this.hidden);
    if (event.altKey || event.shiftKey || second) {
      const alone = labels.every((other) => this.hidden.has(other) === (other !== label));
      this.hidden = new Set(alone ? [] : labels.filter((other) => other !== label));
    } else {
      this.hidden = new Set(this.hidden);
      if (!this.hidden.delete(label)) this.hidden.add(label);
    }
    this.markHidden(this.model.entrants);
    for (const panel of this.panels.values()) panel.hide();
    this.draw();
  }

  markHidden(entrants) {
    entrants.forEach((entrant, k) => {
      const off = this.hidden.has(entrant.label);
      this.chips[k].setAttribute("aria-pressed", String(!off));
    });
    this.words.dim(entrants, this.hidden);
  }

  // -- playhead --------------------------------------------------------------------------------

  clockText(frame, between) {
    const { frames, label, unit } = this.model;
    const short = (value) => (this.integer ? value : significant(value, 3));
    const [now, end] = [frames[frame], this.model.end ?? frames[frames.length - 1]].map(short);
    return `${label} ${now}${between}${end}${unit ? ` ${unit}` : ""}`;
  }

  /** Move the playhead to a frame (`time` keeps the fraction of a frame while playing). */
  goTo(frame, time = frame) {
    const last = this.model.frames.length - 1;
    this.frame = clamp(frame, 0, last);
    this.clockTime = clamp(time, 0, last);
    this.wish = null;
    this.draw();
  }

  draw() {
    const { frame, slider } = this;
    const { entrants } = this.model;
    this.root.dataset.frame = frame;
    slider.value = frame;
    slider.style.setProperty("--qnviz-part", frame / Math.max(1, this.model.frames.length - 1));
    this.tellPlayhead();
    write(this.time, this.clockText(frame, " / "));
    const due = performance.now() - this.words.writtenAt > WORDS_MS;
    if (!this.playing || due) this.words.show(entrants, frame);
    for (const panel of this.panels.values()) panel.draw();
  }

  /** A screen reader reads a slider's words whenever they change: at rest, or once in a while. */
  tellPlayhead() {
    if (this.playing && performance.now() - this.toldAt < TOLD_MS) return;
    this.toldAt = performance.now();
    this.slider.setAttribute("aria-valuetext", this.clockText(this.frame, " of "));
  }

  play() {
    if (this.playing) return;
    if (this.frame >= this.model.frames.length - 1) this.goTo(0);
    this.setPlaying(true);
    this.ticked = performance.now();
    this.request = requestAnimationFrame((now) => this.tick(now));
  }

  tick(now) {
    // After a long task (a figure redrawn) the race goes on from where it stood, not with a leap.
    const seconds = clamp((now - this.ticked) / 1000, 0, 0.1);
    this.ticked = now;
    const time = this.clockTime + seconds * this.rate * this.speed;
    const last = this.model.frames.length - 1;
    if (time >= last) {
      this.goTo(last);
      this.pause(this.byReader);
      return;
    }
    if (Math.floor(time) !== this.frame) this.goTo(Math.floor(time), time);
    else this.clockTime = time;
    this.request = requestAnimationFrame((later) => this.tick(later));
  }

  /** An autoplay that runs out by itself is nobody's choice of a frame, so it is not reported. */
  pause(report = true) {
    if (!this.playing) return;
    cancelAnimationFrame(this.request);
    this.setPlaying(false);
    this.words.show(this.model.entrants, this.frame);
    this.tellPlayhead();
    if (report) this.settle();
  }

  setPlaying(playing) {
    this.playing = playing;
    this.root.dataset.playing = String(playing);
    this.words.hush(playing);
    const label = playing ? "Pause" : "Play";
    this.playIcon.setAttribute("d", ICONS[playing ? "pause" : "play"]);
    this.playButton.title = label;
    this.playButton.setAttribute("aria-label", label);
  }

  toggle() {
    this.byReader = true;
    if (this.playing) this.pause();
    else this.play();
  }

  step(by) {
    this.pause();
    this.goTo(this.frame + by);
    this.settle();
  }

  settle() {
    clearTimeout(this.settling);
    this.settling = setTimeout(() => {
      if (
        this.playing ||
        this.dragging ||
        this.keyHeld ||
        this.payload?.follow ||
        this.frame === this.sent
      )
        return;
      this.sent = this.frame;
      this.echoes.set(this.frame, Date.now());
      this.callbacks.onFrame?.(this.frame);
    }, SETTLE_MS);
  }

  chooseStart(name, point) {
    clearTimeout(this.choosing);
    this.choosing = setTimeout(() => this.callbacks.onStart?.(point, name), 150);
  }

  /** An event was clicked: the playhead goes to its tick, and the page is told which it was. */
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

  // -- keys ------------------------------------------------------------------------------------

  key(event) {
    const action = this.model && keyAction(this, this.model.frames.length - 1, event);
    if (!action) return;
    event.preventDefault(); // also keeps the slider from moving a second time
    if (event.key === " " && event.repeat) return;
    this.keyHeld = event.key !== " ";
    action();
  }

  release() {
    this.keyHeld = false;
    this.settle();
  }

  // -- end -------------------------------------------------------------------------------------

  complain(error) {
    this.pause(false);
    this.payload = undefined; // whatever comes next is drawn anew
    this.body.hidden = true;
    this.complaint.hidden = false;
    this.complaint.textContent = `The picture could not be drawn: ${error.message}.`;
  }

  destroy() {
    this.stop.abort();
    cancelAnimationFrame(this.request);
    clearTimeout(this.settling);
    clearTimeout(this.choosing);
    clearTimeout(this.lull);
    for (const panel of this.panels.values()) panel.destroy();
    players.delete(this);
    this.root.replaceChildren();
  }
}

const prefersStillness = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Show `payload` in `root`; callbacks: `onFrame(frame)`, `onStart([x, y], name)`, `onEvent([frame, row])`. */
export function mountPlayer(root, payload, callbacks = {}) {
  const player = new Player(root, callbacks);
  player.setPlaying(false);
  player.update(payload);
  return { update: (newer) => player.update(newer), destroy: () => player.destroy() };
}
