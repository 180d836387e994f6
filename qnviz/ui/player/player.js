// The linked player: static Plotly figures, one canvas above each, one playhead for all.
//
// Plotly draws only when data change; a frame of the animation touches canvases and a few text
// nodes. `mountPlayer` knows nothing of Streamlit, so that an HTML export can use it as well.
// Units: a *frame* is a tick of the playhead, an *index* is an entrant's own step at that tick.

// ---- the player: panels, legend, play bar, words, keys ---------------------------------------

const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 5, 10];
const SETTLE_MS = 250; // a frame is reported this long after the last key or release
const ECHO_MS = 5000; // a pinned frame that we reported ourselves may come back for this long
const WORDS_MS = 80; // nobody reads sentences at 60 Hz, and text costs layout

const players = new Set();

/** The one player that answers to keys: of those in sight the one used last, else the topmost. */
function answering() {
  const above = (a, b) => a.root.compareDocumentPosition(b.root) & Node.DOCUMENT_POSITION_FOLLOWING;
  return [...players]
    .filter((player) => player.root.getClientRects().length)
    .sort((a, b) => b.usedAt - a.usedAt || (above(a, b) ? -1 : 1))[0];
}

// Widgets that use arrows, home, end or letters themselves, and those that use space only.
const roles = (names) => names.split(" ").map((name) => `[role=${name}]`).join(", ");
const OWN_KEYS = "input, textarea, select, canvas, iframe, video, audio, "
  + "[contenteditable]:not([contenteditable=false]), "
  + roles("slider tab radio option menuitem combobox listbox textbox spinbutton grid tree dialog");
const OWN_SPACE = `button, a[href], summary, ${roles("button checkbox switch link")}`;

class Player {
  constructor(root, callbacks) {
    Object.assign(this, { root, callbacks, panels: new Map(), hidden: new Set(), echoes: new Map() });
    Object.assign(this, { frame: 0, clockTime: 0, speed: 1, playing: false, dragging: false, usedAt: 0 });
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
    this.legend = element("div", "qnviz-legend", this.body, { role: "group", "aria-label": "Methods shown" });
    this.bar = element("div", "qnviz-bar", null, { role: "group", "aria-label": "Playback" });
    this.button("back", "One step back", () => this.step(-1));
    this.playButton = this.button("play", "Play", () => this.toggle());
    this.button("forward", "One step forward", () => this.step(1));
    const range = { type: "range", min: 0, step: 1, "aria-label": "Playhead" };
    this.slider = element("input", "qnviz-slider", this.bar, range);
    this.time = element("span", "qnviz-time", this.bar);
    const label = element("label", "qnviz-speed", this.bar);
    element("span", "", label).textContent = "Speed";
    this.select = element("select", "", label, { "aria-label": "Speed" });
    for (const value of SPEEDS) element("option", "", this.select, { value }).textContent = `${value}×`;
    this.select.value = "1";
    this.words = new Words();
  }

  button(name, label, action) {
    const attributes = { type: "button", "aria-label": label, title: label };
    const node = element("button", `qnviz-button qnviz-${name}`, this.bar, attributes);
    node.icon = icon(name, node);
    node.addEventListener("click", action);
    return node;
  }

  listen() {
    const { signal } = this.stop;
    const on = (target, type, action) => target.addEventListener(type, action, { signal });
    on(this.slider, "pointerdown", () => { this.dragging = true; this.pause(); });
    on(this.slider, "input", () => { this.goTo(Number(this.slider.value)); this.settle(); });
    for (const type of ["change", "pointerup", "pointercancel"]) {
      on(this.slider, type, () => { this.dragging = false; this.settle(); });
    }
    on(this.select, "change", () => { this.speed = Number(this.select.value); });
    on(document, "keydown", (event) => this.key(event));
    on(document, "keyup", () => { if (this.keyHeld) this.release(); });
    on(window, "blur", () => { if (this.keyHeld) this.release(); });
    on(document, "visibilitychange", () => { if (document.hidden) this.pause(); });
    for (const type of ["pointerdown", "focusin"]) on(this.root, type, () => { this.usedAt = performance.now(); });
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
    this.arrange(model);
    this.adopt(model, payload, before);
    if (!before) this.draw(); // the play bar and the words need not wait for Plotly
    const Plotly = await loadPlotly(payload.plotly_url);
    if (this.stop.signal.aborted) return;
    this.payload = payload;
    // All figures in one go: waiting between them would show old and new side by side.
    const fresh = model.panels.filter((spec) => !same || !this.panels.get(spec.id).axes);
    const show = (spec) => this.panels.get(spec.id).show(spec, Plotly, model.entrants, this.hidden);
    await Promise.all(fresh.map(show));
    if (this.stop.signal.aborted) return;
    this.complaint.hidden = true;
    this.body.hidden = false;
    this.root.dataset.id = payload.id ?? "";
    this.root.dataset.ready = "true";
    this.draw();
    if (!before && payload.autoplay && payload.frame == null && !prefersStillness()) this.play();
  }

  /** Model, colours and playhead for the figures that are about to be drawn; draws nothing. */
  adopt(model, payload, before) {
    this.model = model;
    for (const entrant of model.entrants) entrant.path ??= new Path2D(markerPath(entrant.marker, 5.5));
    const style = getComputedStyle(this.root);
    this.ink = { text: style.color, background: style.getPropertyValue("--qnviz-paper").trim() || "#fff" };
    const last = model.frames.length - 1;
    this.slider.max = last;
    this.integer = model.frames.every(Number.isInteger);
    this.time.style.minWidth = `${this.clockText(last, " / ").length + 1}ch`;
    const pinned = payload.frame;
    if (pinned != null && pinned !== before?.frame && !this.isEcho(pinned)) {
      this.pause();
      this.frame = this.clockTime = this.sent = Math.round(pinned);
    }
    this.frame = clamp(this.frame, 0, last);
    this.clockTime = clamp(this.clockTime, this.frame, last);
    this.sent ??= this.frame;
  }

  /** A frame that we reported comes back in the next payload; the reader may have moved on. */
  isEcho(frame) {
    const age = Date.now() - (this.echoes.get(frame) ?? -Infinity);
    this.echoes.delete(frame);
    return age < ECHO_MS;
  }

  arrange(model) {
    for (const [id, panel] of this.panels) {
      if (!model.panels.some((spec) => spec.id === id)) {
        panel.destroy();
        this.panels.delete(id);
      }
    }
    for (const spec of model.panels) {
      if (!this.panels.has(spec.id)) this.panels.set(spec.id, new Panel(this));
      this.panels.get(spec.id).title.textContent ||= spec.title ?? "";
    }
    const layout = JSON.stringify([model.rows, model.panels.map((spec) => [spec.id, spec.span])]);
    if (layout !== this.layout) this.lay(model);
    this.layout = layout;
    const names = JSON.stringify(model.entrants.map((e) => [e.label, e.title, e.color, e.dash, e.marker]));
    if (names !== this.names) this.name(model.entrants);
    this.names = names;
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
  }

  // -- legend ------------------------------------------------------------------------

  name(entrants) {
    this.chips = entrants.map((entrant) => {
      const title = "Click to hide or show, double-click to show alone";
      const chip = element("button", "qnviz-chip", null, { type: "button", title });
      sample(entrant, 30, chip);
      element("span", "", chip).textContent = entrant.title;
      chip.addEventListener("click", (event) => this.choose(entrant.label, event));
      return chip;
    });
    this.legend.replaceChildren(...this.chips);
    this.words.list(entrants);
    this.markHidden(entrants);
  }

  /** Click hides or shows; alt-click or the second click of a double-click shows one alone. */
  choose(label, event) {
    const labels = this.model.entrants.map((entrant) => entrant.label);
    const second = event.detail > 0 && event.detail % 2 === 0;
    if (second) this.hidden = this.hiddenBefore ?? this.hidden; // undo what the first click did
    else this.hiddenBefore = new Set(this.hidden);
    if (event.altKey || second) {
      const alone = labels.every((other) => this.hidden.has(other) === (other !== label));
      this.hidden = new Set(alone ? [] : labels.filter((other) => other !== label));
    } else {
      this.hidden = new Set(this.hidden);
      if (!this.hidden.delete(label)) this.hidden.add(label);
    }
    this.markHidden(this.model.entrants);
    for (const panel of this.panels.values()) panel.hide(this.model.entrants, this.hidden);
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
    const [now, end] = [frames[frame], frames[frames.length - 1]].map(short);
    return `${label} ${now}${between}${end}${unit ? ` ${unit}` : ""}`;
  }

  /** Move the playhead to a frame (`time` keeps the fraction of a frame while playing). */
  goTo(frame, time = frame) {
    const last = this.model.frames.length - 1;
    this.frame = clamp(frame, 0, last);
    this.clockTime = clamp(time, 0, last);
    this.draw();
  }

  draw() {
    const { frame, slider } = this;
    const { entrants, frames } = this.model;
    this.root.dataset.frame = frame;
    slider.value = frame;
    slider.style.setProperty("--qnviz-part", frame / Math.max(1, frames.length - 1));
    slider.setAttribute("aria-valuetext", this.clockText(frame, " of "));
    write(this.time, this.clockText(frame, " / "));
    const due = performance.now() - this.words.spokenAt > WORDS_MS;
    if (!this.playing || due) this.words.speak(entrants, frame);
    for (const panel of this.panels.values()) panel.draw();
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
    this.words.speak(this.model.entrants, this.frame);
    if (report) this.settle();
  }

  setPlaying(playing) {
    this.playing = playing;
    this.root.dataset.playing = String(playing);
    this.words.hush(playing);
    const label = playing ? "Pause" : "Play";
    this.playButton.icon.setAttribute("d", ICONS[playing ? "pause" : "play"]);
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
      if (this.playing || this.dragging || this.keyHeld || this.frame === this.sent) return;
      this.sent = this.frame;
      this.echoes.set(this.frame, Date.now());
      this.callbacks.onFrame?.(this.frame);
    }, SETTLE_MS);
  }

  chooseStart(name, point) {
    clearTimeout(this.choosing);
    this.choosing = setTimeout(() => this.callbacks.onStart?.(point, name), 150);
  }

  // -- keys ------------------------------------------------------------------------------------

  key(event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || !this.model) return;
    if (answering() !== this) return;
    const target = event.target instanceof Element ? event.target : document.body;
    const widget = target.closest(OWN_KEYS); // a dialog or the like may hold the player itself
    if (widget && widget !== this.slider && !widget.contains(this.root)) return;
    const action = this.actionOf(event, target);
    if (!action) return;
    event.preventDefault(); // also keeps the slider from moving a second time
    if (event.key === " " && event.repeat) return;
    this.keyHeld = event.key !== " ";
    action();
  }

  actionOf(event, target) {
    const last = this.model.frames.length - 1;
    if (event.key === "ArrowLeft") return () => this.step(event.shiftKey ? -10 : -1);
    if (event.key === "ArrowRight") return () => this.step(event.shiftKey ? 10 : 1);
    if (event.shiftKey) return null;
    if (event.key === "Home") return () => this.step(-last);
    if (event.key === "End") return () => this.step(last);
    if (event.key === " " && !target.closest(OWN_SPACE)) return () => this.toggle();
    return null;
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
    for (const panel of this.panels.values()) panel.destroy();
    players.delete(this);
    this.root.replaceChildren();
  }
}

const prefersStillness = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Show `payload` in `root`; callbacks are `onFrame(frame)` and `onStart([x, y], name)`. */
export function mountPlayer(root, payload, callbacks = {}) {
  const player = new Player(root, callbacks);
  player.setPlaying(false);
  player.update(payload);
  return { update: (newer) => player.update(newer), destroy: () => player.destroy() };
}

// ---- Streamlit -------------------------------------------------------------------------------

/** Mounted players by Streamlit's element, each with the component object of the latest call. */
const mounts = new WeakMap();

export default function (component) {
  const { parentElement } = component;
  const data = JSON.parse(new TextDecoder().decode(component.data));
  let mount = mounts.get(parentElement);
  if (mount) {
    mount.component = component;
    mount.player.update(data);
  } else {
    mount = { component };
    mount.root = element("div", "", parentElement);
    mount.player = mountPlayer(mount.root, data, {
      onFrame: (frame) => mount.component.setStateValue("frame", frame),
      onStart: (point, name) => mount.component.setTriggerValue(name, point),
    });
    mounts.set(parentElement, mount);
  }
  // Streamlit also cleans up a call that a newer one overtook; the element then lives on.
  return () => setTimeout(() => {
    if (parentElement.isConnected || mounts.get(parentElement) !== mount) return;
    mount.player.destroy();
    mounts.delete(parentElement);
  });
}
