// The drag view: its state, its handles, and what it reports to the page.
//
// While a handle moves, everything is computed and drawn here, once per frame of the screen; the
// page is sent the state when the hand rests.

import { element, svg, write } from "../dom.js";
import { fromAxes, norm, updateInPlane } from "../engine/pair.js";
import { clamp, say } from "../numbers.js";
import { EDGE } from "./frame.js";
import { Picture } from "./picture.js";
import { Readout } from "./readout.js";
import { rounded, stateFrom, UNKNOWN } from "./state.js";
import { faultOf, point, sentenceOf, titleOf } from "./words.js";

/** @import { Updates, Vector } from "../engine/pair.js" */
/** @import { PairPayload, Preset, State, Values } from "./payload.d.ts" */

/**
 * @typedef {"first" | "second" | "s" | "y"} HandleName
 * @typedef {{ name: HandleName, pointer: number, off: Vector }} Drag
 */

const REST_MS = 250; // a state is reported this long after the last key or release
const RETURN_MS = 5000; // a state that we reported may come back in a payload for this long
const GLIDE_MS = 220; // how long the picture takes to change its scale

/** @type {{ name: HandleName, label: string }[]} */
const HANDLES = [
  { name: "first", label: "End of the first axis of H" },
  { name: "second", label: "End of the second axis of H" },
  { name: "s", label: "Tip of s" },
  { name: "y", label: "Tip of y" },
];
/** @type {Record<string, Vector>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };

const prefersStillness = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

export class Pair {
  /** @type {State} */
  state = UNKNOWN;
  /** Whether a payload was shown, so that the state is more than unknown. */
  shown = false;
  /** @type {Updates | null} what becomes of the state; null where it has no update */
  result = null;
  sentence = "";
  /** @type {{ chip: HTMLButtonElement, preset: Preset }[]} */
  chips = [];
  presetsKey = "";
  /** The values of the newest payload, as text. */
  takenKey = "";
  /** The values that Python knows, as text. */
  sentKey = "";
  /** @type {Map<string, number>} values that were reported, as text, and when */
  echoes = new Map();
  /** @type {string | null | undefined} which update is shown; undefined before the first payload */
  shows;
  /** @type {Drag | null} the handle that a pointer drags */
  drag = null;
  frameRequest = 0;
  glideRequest = 0;
  restTimer = 0;
  stop = new AbortController();

  /**
   * @param {HTMLElement} root
   * @param {PairPayload} payload
   * @param {(values: Values) => void} [onPair] called with the state once the reader's hand rests
   */
  constructor(root, payload, onPair) {
    this.root = root;
    this.onPair = onPair;
    root.dataset.qnvizPair = "";
    const head = element("div", "qnviz-pair-head", root);
    this.title = element("h2", "qnviz-pair-title", head);
    const group = { role: "group", "aria-label": "Examples" };
    this.presets = element("div", "qnviz-pair-presets", head, group);
    this.complaint = element("p", "qnviz-pair-complaint", root, { role: "alert", hidden: "" });
    this.body = element("div", "qnviz-pair-body", root);
    const figure = element("div", "qnviz-pair-figure", this.body);
    this.picture = new Picture(figure);
    this.handles = HANDLES.map(({ name, label }) => ({ name, node: this.handle(name, label) }));
    this.readout = new Readout(this.body, (name, value) => {
      this.change({ [name]: value });
      this.rest();
    });
    this.resize = new ResizeObserver(() => {
      this.picture.measure();
      if (this.shown) this.fit(false);
    });
    this.resize.observe(figure);
    this.update(payload);
  }

  // -- data ----------------------------------------------------------------------------------

  /** @param {PairPayload} payload */
  update(payload) {
    try {
      this.take(payload);
      this.complaint.hidden = true;
      this.body.hidden = false;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      write(this.complaint, `The update could not be drawn: ${why}.`);
      this.complaint.hidden = false;
      this.body.hidden = true;
    }
    this.root.dataset.ready = String(!this.body.hidden);
  }

  /** @param {PairPayload} payload */
  take(payload) {
    this.root.dataset.theme = payload.theme === "dark" ? "dark" : "light";
    write(this.readout.note, payload.note ?? "");
    const presets = JSON.stringify(payload.presets ?? []);
    if (presets !== this.presetsKey) this.list(payload.presets ?? []);
    this.presetsKey = presets;
    const key = JSON.stringify(rounded(payload));
    if (key !== this.takenKey && !this.isEcho(key)) {
      this.picture.measure();
      this.state = stateFrom(payload);
      this.sentKey = key;
      this.letGo();
      this.compute();
      this.fit(this.shown);
      this.shown = true;
      this.readout.announce(this.sentence);
    }
    this.takenKey = key;
    this.comeIntoSight(payload.shows ?? null);
  }

  /**
   * Scroll here if an update was opened elsewhere on the page.
   *
   * @param {string | null} shows
   */
  comeIntoSight(shows) {
    if (shows && this.shows !== undefined && shows !== this.shows) {
      const behavior = prefersStillness() ? "auto" : "smooth";
      this.root.scrollIntoView({ block: "center", behavior });
    }
    this.shows = shows;
  }

  /**
   * A state that we reported comes back in a later payload; the reader may have moved on.
   *
   * @param {string} key
   */
  isEcho(key) {
    const age = Date.now() - (this.echoes.get(key) ?? -Infinity);
    this.echoes.delete(key);
    return age < RETURN_MS;
  }

  /** @param {Preset[]} presets */
  list(presets) {
    this.chips = presets.map((preset) => {
      const chip = element("button", "qnviz-pair-chip", null, { type: "button" });
      chip.textContent = preset.title;
      chip.addEventListener("click", () => {
        this.state = stateFrom({ ...this.state, ...preset });
        this.compute();
        this.fit(true);
        this.rest();
      });
      return { chip, preset };
    });
    this.presets.replaceChildren(...this.chips.map(({ chip }) => chip));
    if (this.shown) this.mark();
  }

  /** Show which preset, if any, this state is. */
  mark() {
    const now = JSON.stringify(rounded(this.state));
    for (const { chip, preset } of this.chips) {
      const same = JSON.stringify(rounded({ ...this.state, ...preset })) === now;
      chip.setAttribute("aria-pressed", String(same));
    }
  }

  // -- state ---------------------------------------------------------------------------------

  /** @param {Partial<State>} part */
  change(part) {
    this.state = { ...this.state, ...part };
    const { angle, first, second } = this.state;
    if ("angle" in part || "first" in part || "second" in part) {
      this.state.H = fromAxes(angle, first, second);
    }
    this.frameRequest ||= requestAnimationFrame(() => {
      this.frameRequest = 0;
      this.compute();
      this.draw();
    });
  }

  compute() {
    const { H, s, y, mu1, mu2 } = this.state;
    this.result = faultOf(this.state) ? null : updateInPlane(H, s, y, mu1, mu2);
    this.sentence = sentenceOf(this.state, this.result);
  }

  /**
   * Where a handle is, in data.
   *
   * @param {HandleName} name
   * @returns {Vector}
   */
  at(name) {
    const { angle, first, second } = this.state;
    if (name === "first") return [first * Math.cos(angle), first * Math.sin(angle)];
    if (name === "second") return [-second * Math.sin(angle), second * Math.cos(angle)];
    return this.state[name];
  }

  /**
   * Put a handle somewhere, in data; the two axes of H stay perpendicular.
   *
   * @param {HandleName} name
   * @param {Vector} v
   */
  put(name, v) {
    const length = norm(v);
    if (name === "s" || name === "y") this.change({ [name]: v });
    else if (!length) this.change({ [name]: length });
    else {
      const quarter = name === "second" ? Math.PI / 2 : 0;
      this.change({ angle: Math.atan2(v[1], v[0]) - quarter, [name]: length });
    }
  }

  /** @param {HandleName} name */
  zoomOf(name) {
    return name === "s" || name === "y" ? this.picture.frame.zoom : 1;
  }

  // -- drawing -------------------------------------------------------------------------------

  draw() {
    const { picture, state } = this;
    if (!(picture.frame.w > 0)) return;
    const finite = [...state.H, ...state.s, ...state.y].every(Number.isFinite);
    const title = titleOf(state, this.result);
    write(this.title, title);
    this.readout.show(state, this.result, this.sentence);
    this.mark();
    picture.svg.style.visibility = finite ? "" : "hidden";
    if (!finite) return;
    const axes = [this.at("first"), this.at("second")];
    picture.draw(state, this.result, `${title}. ${this.sentence}`, axes);
    for (const { name, node } of this.handles) {
      const v = this.at(name);
      const place = picture.frame.pixel(v, this.zoomOf(name));
      node.setAttribute("transform", `translate(${place})`);
      const isAxis = name === "first" || name === "second";
      const text = isAxis ? `length ${say(norm(v))}, end at ${point(v)}` : `${name} = ${point(v)}`;
      node.setAttribute("aria-valuetext", text);
      node.setAttribute("aria-valuenow", String(Number(norm(v).toPrecision(6))));
    }
  }

  /**
   * Choose the scale again, where the one at hand does not show well what there is.
   *
   * @param {boolean} gliding whether the picture may change it bit by bit
   */
  fit(gliding) {
    const { frame } = this.picture;
    if (!(frame.w > 0)) return;
    const { zoom, limit, best } = frame.scales(this.state, this.result);
    const close = frame.k < 1.35 * best && frame.k > best / 1.35;
    const fits = frame.k > 0 && zoom === frame.zoom && frame.k <= 0.97 * limit && close;
    frame.zoom = zoom;
    if (!fits) {
      cancelAnimationFrame(this.glideRequest);
      if (gliding && frame.k > 0 && !prefersStillness()) {
        this.glide(best);
        return;
      }
      frame.k = best;
    }
    this.draw();
  }

  /**
   * Change the scale within a moment.
   *
   * @param {number} best pixels per unit
   */
  glide(best) {
    const { frame } = this.picture;
    const [from, start] = [frame.k, performance.now()];
    /** @param {number} now */
    const step = (now) => {
      const t = clamp((now - start) / GLIDE_MS, 0, 1);
      frame.k = from * (best / from) ** (t * t * (3 - 2 * t));
      this.draw();
      if (t < 1) this.glideRequest = requestAnimationFrame(step);
    };
    this.glideRequest = requestAnimationFrame(step);
  }

  // -- handles -------------------------------------------------------------------------------

  /**
   * @param {HandleName} name
   * @param {string} label
   */
  handle(name, label) {
    const node = svg("g", this.picture.svg, {
      class: `qnviz-pair-handle is-${name}`,
      role: "slider",
      tabindex: 0,
      "aria-label": label,
      "aria-roledescription": "movable point",
      "aria-valuemin": 0,
      "aria-valuemax": 1e6,
      "data-handle": name,
    });
    svg("circle", node, { r: 20, class: "qnviz-pair-grip" });
    const knob = { class: "qnviz-pair-knob" };
    if (name === "s" || name === "y") svg("circle", node, { r: 7, ...knob });
    else svg("rect", node, { x: -6, y: -6, width: 12, height: 12, ...knob });
    const options = { signal: this.stop.signal };
    /** @param {PointerEvent} event */
    const release = (event) => {
      if (this.drag?.pointer !== event.pointerId) return;
      this.letGo();
      this.rest();
      this.fit(true);
    };
    node.addEventListener("pointerdown", (event) => this.grab(event), options);
    node.addEventListener("pointermove", (event) => this.pull(event, name), options);
    node.addEventListener("pointerup", release, options);
    node.addEventListener("pointercancel", release, options);
    node.addEventListener("lostpointercapture", release, options);
    node.addEventListener("keydown", (event) => this.key(event, name), options);
    return node;
  }

  /**
   * Take the handle nearest to the pointer: grips are large and may lie on each other.
   *
   * @param {PointerEvent} event
   */
  grab(event) {
    if (this.drag || event.button > 0) return;
    event.preventDefault(); // the browser would give the focus to the topmost instead
    cancelAnimationFrame(this.glideRequest);
    const [x, y] = this.pointer(event);
    const places = HANDLES.map(({ name }) =>
      this.picture.frame.pixel(this.at(name), this.zoomOf(name)),
    );
    const far = places.map((p) => Math.hypot(p[0] - x, p[1] - y));
    const nearest = far.lastIndexOf(Math.min(...far));
    const { name, node } = this.handles[nearest];
    const [px, py] = places[nearest];
    this.drag = { name, pointer: event.pointerId, off: [px - x, py - y] };
    node.focus({ preventScroll: true });
    node.setPointerCapture(event.pointerId);
    this.root.dataset.dragged = name;
  }

  /**
   * @param {PointerEvent} event
   * @param {HandleName} name
   */
  pull(event, name) {
    if (this.drag?.name !== name || this.drag.pointer !== event.pointerId) return;
    const [x, y] = this.pointer(event);
    const { frame } = this.picture;
    const [dx, dy] = this.drag.off;
    /** @type {Vector} */
    const at = [clamp(x + dx, EDGE, frame.w - EDGE), clamp(y + dy, EDGE, frame.h - EDGE)];
    this.put(name, frame.value(at, this.zoomOf(name)));
  }

  letGo() {
    this.drag = null;
    delete this.root.dataset.dragged;
  }

  /**
   * Where a pointer is in the picture, in pixels.
   *
   * @param {PointerEvent} event
   */
  pointer(event) {
    const box = this.picture.svg.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  /**
   * @param {KeyboardEvent} event
   * @param {HandleName} name
   */
  key(event, name) {
    const way = ARROWS[event.key];
    if (!way || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const { frame } = this.picture;
    const step = (event.shiftKey ? 0.5 : 0.1) * (frame.tick / this.zoomOf(name));
    const v = this.at(name);
    this.put(name, [v[0] + step * way[0], v[1] + step * way[1]]);
    const [x, y] = frame.pixel(this.at(name), this.zoomOf(name));
    this.compute();
    if (x < EDGE || y < EDGE || x > frame.w - EDGE || y > frame.h - EDGE) this.fit(false);
    this.rest();
  }

  /** Once the reader's hand rests: say what was found, report it, look at the scale. */
  rest() {
    clearTimeout(this.restTimer);
    this.restTimer = window.setTimeout(() => {
      if (this.drag) return;
      this.fit(true);
      this.readout.announce(this.sentence);
      const values = rounded(this.state);
      const key = JSON.stringify(values);
      if (key === this.sentKey) return;
      this.sentKey = key;
      this.echoes.set(key, Date.now());
      this.onPair?.(values);
    }, REST_MS);
  }

  destroy() {
    this.stop.abort();
    this.resize.disconnect();
    clearTimeout(this.restTimer);
    cancelAnimationFrame(this.frameRequest);
    cancelAnimationFrame(this.glideRequest);
    this.root.replaceChildren();
  }
}
