// The drag view: its state, its handles, and what the page hears of it.
//
// `mountPair` knows nothing of Streamlit. While a handle moves, everything is computed and drawn
// here, once per frame of the screen; the page hears of it when the hand rests.

import { element, svg, write } from "../dom.js";
import { fromAxes, norm, spectrum, updateInPlane } from "../engine/pair.js";
import { clamp, say } from "../numbers.js";
import { EDGE, Picture } from "./picture.js";
import { Readout } from "./readout.js";
import { faultOf, point, sentenceOf, titleOf } from "./words.js";

const REST_MS = 250; // a state is reported this long after the last key or release
const RETURN_MS = 5000; // a state that we reported may come back in a payload for this long
const GLIDE_MS = 220; // how long the picture takes to change its scale
const FIELDS = ["H", "s", "y", "mu1", "mu2"];

const HANDLES = [
  { name: "first", label: "End of the first axis of H" },
  { name: "second", label: "End of the second axis of H" },
  { name: "s", label: "Tip of s" },
  { name: "y", label: "Tip of y" },
];

/** What is reported and compared: every number with 6 significant digits. */
function rounded(state) {
  const six = (v) =>
    Array.isArray(v) ? v.map(six) : v === null ? null : Number(Number(v).toPrecision(6));
  return Object.fromEntries(FIELDS.map((name) => [name, six(state[name])]));
}

/** A state from a payload; what JSON could not say (null) becomes NaN. */
function stateFrom(values) {
  const numbers = (v, n) => {
    if (!Array.isArray(v) || v.length !== n)
      throw new Error("H needs 3 numbers, s and y need 2 each");
    return v.map((x) => (x === null ? NaN : Number(x)));
  };
  const state = { H: numbers(values.H, 3), s: numbers(values.s, 2), y: numbers(values.y, 2) };
  for (const name of ["mu1", "mu2"])
    state[name] = values[name] == null ? NaN : Number(values[name]);
  return { ...state, ...axesOf(state.H) };
}

/** H's own axes; lengths stand in for those of a matrix that is not positive definite. */
function axesOf(H) {
  const { low, high, angle } = spectrum(H.every(Number.isFinite) ? H : [1, 0, 1]);
  return { angle, first: Math.sqrt(Math.abs(high)), second: Math.sqrt(Math.abs(low)) };
}

class Pair {
  constructor(root, onPair) {
    Object.assign(this, { root, onPair, echoes: new Map(), stop: new AbortController() });
    root.dataset.qnvizPair = "";
    const head = element("div", "qnviz-pair-head", root);
    this.title = element("h2", "qnviz-pair-title", head);
    this.presets = element("div", "qnviz-pair-presets", head, {
      role: "group",
      "aria-label": "Examples",
    });
    this.complaint = element("p", "qnviz-pair-complaint", root, { role: "alert", hidden: "" });
    this.body = element("div", "qnviz-pair-body", root);
    const figure = element("div", "qnviz-pair-figure", this.body);
    this.picture = new Picture(figure);
    this.handles = HANDLES.map((spec) => this.handle(spec));
    this.readout = new Readout(this.body, (name, value) => {
      this.change({ [name]: value });
      this.rest();
    });
    this.resize = new ResizeObserver(() => {
      this.picture.measure();
      if (this.state) this.fit(false);
    });
    this.resize.observe(figure);
  }

  // -- data ----------------------------------------------------------------------------------

  update(payload) {
    try {
      this.take(payload);
      this.complaint.hidden = true;
      this.body.hidden = false;
    } catch (error) {
      write(this.complaint, `The update could not be drawn: ${error.message}.`);
      this.complaint.hidden = false;
      this.body.hidden = true;
    }
    this.root.dataset.ready = String(!this.body.hidden);
  }

  take(payload) {
    this.root.dataset.theme = payload.theme === "dark" ? "dark" : "light";
    write(this.readout.note, payload.note ?? "");
    const presets = JSON.stringify(payload.presets ?? []);
    if (presets !== this.presetsNow) this.list(payload.presets ?? []);
    this.presetsNow = presets;
    const key = JSON.stringify(rounded(payload));
    if (key !== this.taken && !this.isEcho(key)) {
      this.picture.measure();
      const first = !this.state;
      this.state = stateFrom(payload);
      this.sent = key;
      this.letGo();
      this.compute();
      this.fit(!first);
      this.readout.announce(this.sentence);
    }
    this.taken = key;
    this.cameInto(payload.shows ?? null);
  }

  /** An update was opened elsewhere on the page: come into sight. */
  cameInto(shows) {
    if (shows && this.shows !== undefined && shows !== this.shows) {
      const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
      this.root.scrollIntoView({ block: "center", behavior: still ? "auto" : "smooth" });
    }
    this.shows = shows;
  }

  /** A state that we reported comes back in a later payload; the reader may have moved on. */
  isEcho(key) {
    const age = Date.now() - (this.echoes.get(key) ?? -Infinity);
    this.echoes.delete(key);
    return age < RETURN_MS;
  }

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
    if (this.state) this.mark();
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

  change(part) {
    Object.assign(this.state, part);
    if ("angle" in part || "first" in part || "second" in part) {
      this.state.H = fromAxes(this.state.angle, this.state.first, this.state.second);
    }
    this.due ??= requestAnimationFrame(() => {
      this.due = null;
      this.compute();
      this.draw();
    });
  }

  compute() {
    const { H, s, y, mu1, mu2 } = this.state;
    this.result = faultOf(this.state) ? null : updateInPlane(H, s, y, mu1, mu2);
    this.sentence = sentenceOf(this.state, this.result);
  }

  /** Where a handle is, in data. */
  at(name) {
    const { angle, first, second } = this.state;
    if (name === "first") return [first * Math.cos(angle), first * Math.sin(angle)];
    if (name === "second") return [-second * Math.sin(angle), second * Math.cos(angle)];
    return this.state[name];
  }

  /** Put a handle somewhere, in data; the two axes of H stay perpendicular. */
  put(name, v) {
    if (name === "s" || name === "y") return this.change({ [name]: v });
    const length = norm(v);
    const turn = length
      ? { angle: Math.atan2(v[1], v[0]) - (name === "second" ? Math.PI / 2 : 0) }
      : {};
    return this.change({ ...turn, [name]: length });
  }

  zoomOf(name) {
    return name === "s" || name === "y" ? this.picture.zoom : 1;
  }

  // -- drawing -------------------------------------------------------------------------------

  draw() {
    const { picture, state } = this;
    if (!(picture.w > 0)) return;
    this.drawn = (this.drawn ?? 0) + 1;
    const finite = [...state.H, ...state.s, ...state.y].every(Number.isFinite);
    write(this.title, titleOf(state, this.result));
    this.readout.show(state, this.result, this.sentence);
    this.mark();
    picture.svg.style.visibility = finite ? "" : "hidden";
    if (!finite) return;
    picture.draw(state, this.result, `${titleOf(state, this.result)}. ${this.sentence}`, [
      this.at("first"),
      this.at("second"),
    ]);
    for (const { name, node } of this.handles) {
      const v = this.at(name);
      node.setAttribute("transform", `translate(${picture.pixel(v, this.zoomOf(name))})`);
      const isAxis = name === "first" || name === "second";
      const text = isAxis ? `length ${say(norm(v))}, end at ${point(v)}` : `${name} = ${point(v)}`;
      node.setAttribute("aria-valuetext", text);
      node.setAttribute("aria-valuenow", String(Number(norm(v).toPrecision(6))));
    }
  }

  /** Choose the scale anew, where the one at hand does not show well what there is. */
  fit(gliding) {
    const { picture } = this;
    if (!(picture.w > 0)) return;
    const { zoom, limit, best } = picture.scales(this.state, this.result);
    const fits =
      picture.k > 0 &&
      zoom === picture.zoom &&
      picture.k <= 0.97 * limit &&
      picture.k < 1.35 * best &&
      picture.k > best / 1.35;
    picture.zoom = zoom;
    if (fits) return void this.draw();
    cancelAnimationFrame(this.gliding);
    const from = picture.k;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (!gliding || !(from > 0) || still) {
      picture.k = best;
      return void this.draw();
    }
    const start = performance.now();
    const glide = (now) => {
      const t = clamp((now - start) / GLIDE_MS, 0, 1);
      picture.k = from * (best / from) ** (t * t * (3 - 2 * t));
      this.draw();
      if (t < 1) this.gliding = requestAnimationFrame(glide);
    };
    this.gliding = requestAnimationFrame(glide);
  }

  // -- handles -------------------------------------------------------------------------------

  handle({ name, label }) {
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
    const shape =
      name === "s" || name === "y"
        ? ["circle", { r: 7 }]
        : ["rect", { x: -6, y: -6, width: 12, height: 12 }];
    svg(shape[0], node, { ...shape[1], class: "qnviz-pair-knob" });
    const on = (type, action) => node.addEventListener(type, action, { signal: this.stop.signal });
    on("pointerdown", (event) => this.grab(event));
    on("pointermove", (event) => this.pull(event, name));
    for (const type of ["pointerup", "pointercancel", "lostpointercapture"]) {
      on(type, (event) => {
        if (this.held?.pointer !== event.pointerId) return;
        this.letGo();
        this.rest();
        this.fit(true);
      });
    }
    on("keydown", (event) => this.key(event, name));
    return { name, node };
  }

  /** Take the handle nearest to the pointer: grips are large and may lie on each other. */
  grab(event) {
    if (this.held || event.button > 0) return;
    event.preventDefault(); // the browser would give the focus to the topmost instead
    cancelAnimationFrame(this.gliding);
    const [x, y] = this.pointer(event);
    const places = HANDLES.map(({ name }) => this.picture.pixel(this.at(name), this.zoomOf(name)));
    const far = places.map((p) => Math.hypot(p[0] - x, p[1] - y));
    const nearest = far.lastIndexOf(Math.min(...far));
    const { name, node } = this.handles[nearest];
    this.held = {
      name,
      pointer: event.pointerId,
      off: [places[nearest][0] - x, places[nearest][1] - y],
    };
    node.focus({ preventScroll: true });
    node.setPointerCapture(event.pointerId);
    this.root.dataset.held = name;
  }

  pull(event, name) {
    if (this.held?.name !== name || this.held.pointer !== event.pointerId) return;
    const [x, y] = this.pointer(event);
    const { w, h } = this.picture;
    const [dx, dy] = this.held.off;
    const at = [clamp(x + dx, EDGE, w - EDGE), clamp(y + dy, EDGE, h - EDGE)];
    this.put(name, this.picture.value(at, this.zoomOf(name)));
  }

  letGo() {
    this.held = null;
    delete this.root.dataset.held;
  }

  pointer(event) {
    const box = this.picture.svg.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  key(event, name) {
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };
    const way = ways[event.key];
    if (!way || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const { picture } = this;
    const step = (event.shiftKey ? 0.5 : 0.1) * (picture.tick / this.zoomOf(name));
    const v = this.at(name);
    this.put(name, [v[0] + step * way[0], v[1] + step * way[1]]);
    const [x, y] = picture.pixel(this.at(name), this.zoomOf(name));
    this.compute();
    if (x < EDGE || y < EDGE || x > picture.w - EDGE || y > picture.h - EDGE) this.fit(false);
    this.rest();
  }

  /** Once the reader's hand rests: say what was found, tell the page, look at the scale. */
  rest() {
    clearTimeout(this.resting);
    this.resting = setTimeout(() => {
      if (this.held) return;
      this.fit(true);
      this.readout.announce(this.sentence);
      const values = rounded(this.state);
      const key = JSON.stringify(values);
      if (key === this.sent) return;
      this.sent = key;
      this.echoes.set(key, Date.now());
      this.onPair?.(values);
    }, REST_MS);
  }

  destroy() {
    this.stop.abort();
    this.resize.disconnect();
    clearTimeout(this.resting);
    for (const request of [this.due, this.gliding]) cancelAnimationFrame(request);
    this.root.replaceChildren();
  }
}

/** Draw a payload into an element; gives `update(payload)` and `destroy()`. */
export function mountPair(root, payload, onPair) {
  const pair = new Pair(root, onPair);
  pair.update(payload);
  return pair;
}
