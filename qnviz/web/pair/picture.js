// The picture of one update: half-planes, ellipses, circles and arrows, redrawn at each frame.
//
// Units: data are drawn with `k` pixels per unit around the middle; s, y and what damping makes of
// them are drawn `zoom` times as long, as H⁺ does not change when both grow alike.

import { svg, write } from "../dom.js";
import { dot, mix, norm, spectrum, times } from "../engine/pair.js";
import { niceStep, say } from "../numbers.js";
import { clip, DASHED, dashes, width } from "./shapes.js";

/** Kinds of marks, from the back to the front. */
const LAYERS = [
  "wash",
  "grid",
  "edge",
  "plane",
  "circle",
  "curve",
  "axes",
  "way",
  "shaft",
  "point",
  "text",
];
const NAMES = { none: "undamped", powell: "Powell", double: "double" };
const APART = 3; // pixels between two labels
const ends = ({ low, high }) => ({ low, high });
export const EDGE = 13; // pixels that a handle keeps from the border

export class Picture {
  constructor(parent) {
    this.svg = svg("svg", parent, { class: "qnviz-pair-svg" });
    this.image = svg("g", this.svg, { role: "img" });
    this.layers = Object.fromEntries(
      LAYERS.map((name) => [`qnviz-pair-${name}`, svg("g", this.image, {})]),
    );
    this.nodes = new Map();
    this.spots = new Map(); // by label: which of its places it took, so that it stays there
    this.k = 0;
    this.zoom = 1;
  }

  measure() {
    this.w = this.svg.clientWidth;
    this.h = this.svg.clientHeight;
    this.size = parseFloat(getComputedStyle(this.svg).fontSize) || 13;
    this.svg.setAttribute("viewBox", `0 0 ${this.w} ${this.h}`);
  }

  // -- data and pixels -----------------------------------------------------------------------

  pixel(v, zoom = 1) {
    return [this.w / 2 + this.k * zoom * v[0], this.h / 2 - this.k * zoom * v[1]];
  }

  value([x, y], zoom = 1) {
    return [(x - this.w / 2) / (this.k * zoom), (this.h / 2 - y) / (this.k * zoom)];
  }

  /** How far a handle may go, in pixels from the middle. */
  get reach() {
    return [Math.max(20, this.w / 2 - EDGE), Math.max(20, this.h / 2 - EDGE)];
  }

  /** The distance between two ticks, in data. */
  get tick() {
    return niceStep((4.6 * this.size) / this.k);
  }

  /** Pixels per unit at which all handles are in the picture, and those that look best. */
  scales({ first, second, s, y }, result) {
    const [wide, high] = this.reach;
    const longest = Math.max(first, second);
    const pull = Math.max(norm(s), norm(y));
    const share = pull / longest;
    const zoom =
      share > 0 && longest > 0 && (share < 0.1 || share > 10)
        ? 10 ** -Math.round(Math.log10(share))
        : 1;
    const { pair } = result?.double ?? { pair: { s, y } };
    const fit = (v) => Math.min(wide / Math.abs(v[0] * zoom), high / Math.abs(v[1] * zoom));
    const limits = [high / longest, ...[s, y, pair.s, pair.y].map(fit)].filter((k) => k < Infinity);
    const limit = limits.length ? Math.min(...limits) : high;
    const room = result ? (0.9 * high) / Math.sqrt(Math.max(result.double.high, 0)) : Infinity;
    return { zoom, limit, best: Math.max(0.4 * limit, Math.min(0.72 * limit, room)) };
  }

  // -- drawing -------------------------------------------------------------------------------

  /** The node of this name, made when it is first asked for, with these attributes. */
  node(tag, name, className, attributes) {
    let node = this.nodes.get(name);
    if (!node) {
      node = svg(tag, this.layers[className.split(" ")[0]], { class: className });
      this.nodes.set(name, node);
    }
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    this.used.add(name);
    return node;
  }

  /** Draw a state; `result` is null where it has no update, `axes` are the ends of H's axes. */
  draw(state, result, alt, axes) {
    this.handles = [
      ...axes.map((v) => this.pixel(v)),
      ...[state.s, state.y].map((v) => this.pixel(v, this.zoom)),
    ];
    this.taken = this.handles.map((v) => ({ v, half: [11, 11] })); // boxes that labels keep clear of
    this.used = new Set();
    this.labels = [];
    this.notes = [];
    this.beyond = [];
    this.image.setAttribute("aria-label", alt);
    if (result?.double.pair.usable) this.halfPlanes(state, result.double.pair);
    this.grid();
    if (result) {
      this.circles(result.double);
      this.ellipse("inverse", spectrum(inverseOf(state.H)), "is-inverse", "H⁻¹");
    }
    this.ellipse("H", spectrum(state.H), "is-H", "H");
    if (result) this.updated(result);
    this.axes(axes);
    if (result?.double.pair.usable) this.damped(state, result);
    this.arrow("s", state.s, "is-s");
    this.arrow("y", state.y, "is-y");
    if (!result || result.double.pair.theta1 === 1)
      this.tip("s", state.s, result ? "s = s̃" : "s", "is-s");
    else this.tip("s", state.s, "s", "is-s");
    const same = result && result.double.pair.theta2 === 1;
    this.tip("y", state.y, same ? "y = ỹ" : "y", "is-y");
    if (this.zoom !== 1)
      this.notes.push(`s and y are drawn ${say(this.zoom)} times as long; this changes no H⁺.`);
    this.place();
    this.margin();
    for (const [name, node] of this.nodes) {
      node.style.display = this.used.has(name) ? "" : "none";
    }
  }

  grid() {
    const step = this.tick;
    const [cx, cy] = this.pixel([0, 0]);
    let lines = `M0 ${cy}H${this.w}M${cx} 0V${this.h}`;
    const count = Math.floor(this.w / 2 / this.k / step);
    for (let i = -count; i <= count; i++) {
      if (!i) continue;
      const [x, y] = this.pixel([i * step, i * step]);
      lines += `M${x} ${cy - 3}V${cy + 3}`;
      if (y > 0 && y < this.h) lines += `M${cx - 3} ${y}H${cx + 3}`;
    }
    this.node("path", "grid", "qnviz-pair-grid", { d: lines });
    // the outermost ticks alone bear numbers: the middle is full of other things
    const [across, up] = [this.w, this.h].map((room) =>
      Math.floor((room / 2 - 2 * this.size) / this.k / step),
    );
    const [right, top] = this.pixel([across * step, up * step]);
    const text = say(across * step);
    if (across)
      this.tickText("across", text, right - width(text, 0.8 * this.size) / 2, cy + this.size + 2);
    if (up) this.tickText("up", say(up * step), cx + 6, top + 4);
  }

  tickText(name, text, x, y) {
    this.text(`tick ${name}`, text, "is-tick", x, y);
    const half = [0.5 * width(text, this.size), 0.5 * this.size];
    this.taken.push({ v: [x + half[0], y - half[1]], half });
  }

  /** Where s̃ must lie, vᵀy ≥ μ₁ yᵀHy, and then ỹ, s̃ᵀw ≥ μ₂ s̃ᵀs̃. */
  halfPlanes({ H, y, mu1, mu2 }, pair) {
    this.halfPlane("one", y, mu1 * dot(y, times(H, y)), "s̃ belongs here: s̃ᵀy ≥ μ₁ yᵀHy");
    this.halfPlane("two", pair.s, mu2 * pair.ss, "ỹ belongs here: s̃ᵀỹ ≥ μ₂ s̃ᵀs̃");
  }

  halfPlane(name, normal, least, text) {
    const size = norm(normal);
    const along = [normal[0] / size, -normal[1] / size]; // in pixels y points down
    const offset = (least / size) * this.k * this.zoom + dot(along, [this.w / 2, this.h / 2]);
    const polygon = clip(this.w, this.h, along, offset);
    if (!polygon.length) {
      this.outside(text);
      return;
    }
    const d = `M${polygon.map(([x, y]) => `${x} ${y}`).join("L")}Z`;
    this.node("path", `wash ${name}`, `qnviz-pair-wash is-${name}`, { d });
    const edge = polygon.filter(
      (p) => Math.abs(dot(along, p) - offset) < 1e-6 * (1 + Math.abs(offset)),
    );
    if (edge.length < 2) return;
    const [a, b] = edge;
    this.node("path", `edge ${name}`, `qnviz-pair-edge is-${name}`, { d: `M${a}L${b}` });
    const long = Math.hypot(b[0] - a[0], b[1] - a[1]);
    const [ux, uy] = [(b[0] - a[0]) / long, (b[1] - a[1]) / long];
    let hatch = ""; // short strokes on the allowed side, from edge to edge
    for (let at = 6; at < long; at += 12) {
      const [x, y] = [a[0] + at * ux, a[1] + at * uy];
      hatch += `M${x.toFixed(1)} ${y.toFixed(1)}l${(9 * along[0] + 6 * ux).toFixed(1)} ${(9 * along[1] + 6 * uy).toFixed(1)}`;
    }
    this.node("path", `plane ${name}`, `qnviz-pair-plane is-${name}`, { d: hatch });
    const reach =
      0.5 * width(text, this.size) * Math.abs(along[0]) + 16 + 0.7 * this.size * Math.abs(along[1]);
    const places = [reach, reach + 2 * this.size].flatMap((far) =>
      [0.12, 0.88, 0.2, 0.8, 0.3, 0.7, 0.42, 0.58]
        .map((t) => mix(a, b, t))
        .map((p) => [p[0] + far * along[0], p[1] + far * along[1]]),
    );
    this.label(`plane ${name}`, text, `is-${name}`, places);
  }

  circles(double) {
    const circle = (kind, side, bound) => {
      const words = `λ ${side === "low" ? "≥" : "≤"} ${say(bound)} ${kind === "certified" ? "certified" : "a priori"}`;
      const r = Math.sqrt(bound) * this.k;
      if (!(r < Math.hypot(this.w, this.h) / 2)) {
        this.outside(words);
        return;
      }
      const d = this.line(kind, 0, 2 * Math.PI, (t) => [r * Math.cos(t), r * Math.sin(t)]);
      this.node("path", `${kind} ${side}`, `qnviz-pair-circle is-${kind}`, { d });
      const places = this.around((t) => [r * Math.cos(t), -r * Math.sin(t)], words);
      if (!this.label(`${kind} ${side}`, words, "is-bound", places)) this.outside(words);
    };
    if (double.changed) {
      circle("certified", "low", double.pair_low);
      circle("certified", "high", double.pair_high);
    }
    circle("apriori", "low", double.apriori_low);
    circle("apriori", "high", double.apriori_high);
  }

  /** Places for a text beside a closed curve around the middle, given in pixels from there. */
  around(curve, text) {
    const half = 0.5 * width(text, this.size);
    const places = (side) =>
      Array.from({ length: 24 }, (_, i) => {
        const [x, y] = curve(((0.3 + i * 5) * 2 * Math.PI) / 24);
        const r = side * (Math.hypot(x, y) || 1);
        return [
          this.w / 2 + x + (x / r) * (half + 5),
          this.h / 2 + y + (y / r) * (0.6 * this.size + 4),
        ];
      });
    return [...places(1), ...places(-1)]; // outside it first, then inside
  }

  /** The curve vᵀH⁻¹v = 1: an ellipse, or a hyperbola where H is indefinite. */
  ellipse(name, { low, high, angle }, className, text) {
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    const turn = (u, v) => [this.k * (u * cos - v * sin), -this.k * (u * sin + v * cos)];
    const [a, b] = [Math.sqrt(Math.abs(high)), Math.sqrt(Math.abs(low))];
    const classes = `qnviz-pair-curve ${className}`;
    if (low >= 0) {
      const sight = Math.hypot(this.w, this.h) / 2 / this.k;
      const half = a > sight ? Math.asin(sight / a) : Math.PI / 2; // beyond, it is out of sight
      const arc = (middle) =>
        this.line(name, middle - half, middle + half, (t) =>
          turn(a * Math.cos(t), b * Math.sin(t)),
        );
      this.node("path", `curve ${name}`, classes, { d: arc(Math.PI / 2) + arc(-Math.PI / 2) });
      const places = this.around((t) => turn(a * Math.cos(t), b * Math.sin(t)), text);
      if (!this.label(`curve ${name}`, text, className, places)) this.outside(text);
      return;
    }
    if (high <= 0) return;
    const far = Math.asinh(Math.hypot(this.w, this.h) / 2 / this.k / Math.min(a, b));
    const branch = (sign) =>
      this.line(name, -far, far, (t) => turn(sign * a * Math.cosh(t), b * Math.sinh(t)));
    this.node("path", `branch ${name}`, classes, { d: branch(1) + branch(-1) });
    const reach = Math.asinh(Math.hypot(this.w, this.h) / 5 / this.k / Math.max(a, b));
    const places = this.around(
      (t) =>
        turn(
          Math.sign(Math.cos(t)) * a * Math.cosh(reach * Math.sin(t)),
          b * Math.sinh(reach * Math.sin(t)),
        ),
      text,
    );
    const words = `${text}: a hyperbola`;
    if (!this.label(`curve ${name}`, words, className, places)) this.outside(words);
  }

  /** H⁺ of each damping; those that coincide share one label. */
  updated(result) {
    const groups = [];
    for (const name of ["none", "powell", "double"]) {
      const { H, changed } = result[name];
      if (!changed) continue;
      const size = Math.max(...H.map(Math.abs));
      const alike = groups.find((g) => g.H.every((v, i) => Math.abs(v - H[i]) <= 1e-9 * size));
      if (alike) alike.names.push(name);
      else groups.push({ H, names: [name] });
    }
    if (result.double.changed && !result.none.changed)
      this.notes.push("Undamped: no update, as sᵀy = 0.");
    for (const name of ["double", "powell", "none"]) {
      // the thinner line lies above
      const group = groups.find(({ names }) => names.includes(name));
      if (!group) continue;
      const { names } = group;
      const text =
        names.length === 3 ? "H⁺, all three alike" : `H⁺ ${names.map((n) => NAMES[n]).join(" = ")}`;
      this.ellipse(
        name,
        { ...spectrum(result[name].H), ...ends(result[name]) },
        `is-${name}`,
        name === names[0] ? text : "",
      );
    }
  }

  /** The path of a curve, given in pixels from the middle, with the dashes of its kind. */
  line(kind, from, to, curve) {
    const points = Array.from({ length: 121 }, (_, i) => curve(from + ((to - from) * i) / 120)).map(
      ([x, y]) => [this.w / 2 + x, this.h / 2 + y],
    );
    return dashes(
      points,
      DASHED[kind]?.map((v) => (v * this.size) / 13),
      this.w,
      this.h,
    );
  }

  axes(ends) {
    const [cx, cy] = this.pixel([0, 0]);
    const d = ends.map((v) => `M${cx} ${cy}L${this.pixel(v)}`).join("");
    this.node("path", "axes", "qnviz-pair-axes", { d });
  }

  /** s̃ on the way from s to Hy, ỹ on the way from y to s̃. */
  damped({ H, s, y }, { double }) {
    const { pair } = double;
    if (pair.theta1 < 1) {
      const Hy = times(H, y);
      this.way("one", s, Hy);
      const [cx, cy] = this.pixel(Hy, this.zoom);
      this.node("circle", "end Hy", "qnviz-pair-point is-s", { cx, cy, r: 3.5 });
      this.tip("Hy", Hy, "Hy", "is-s");
      this.arrow("s̃", pair.s, "is-s is-damped");
      this.tip("s̃", pair.s, `s̃ (θ₁ = ${say(pair.theta1)})`, "is-s");
    }
    if (pair.theta2 < 1) {
      this.way("two", y, pair.s);
      this.arrow("ỹ", pair.y, "is-y is-damped");
      this.tip("ỹ", pair.y, `ỹ (θ₂ = ${say(pair.theta2)})`, "is-y");
    }
  }

  way(name, from, to) {
    const d = `M${this.pixel(from, this.zoom)}L${this.pixel(to, this.zoom)}`;
    this.node("path", `way ${name}`, `qnviz-pair-way is-${name}`, { d });
  }

  arrow(name, v, className) {
    const [from, to] = [this.pixel([0, 0]), this.pixel(v, this.zoom)];
    const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
    const length = Math.hypot(dx, dy);
    if (length < 1) return;
    const head = Math.min(0.8 * this.size, length);
    const [ux, uy] = [(dx / length) * head, (dy / length) * head];
    const wing = (side) => [to[0] - ux + side * 0.45 * uy, to[1] - uy - side * 0.45 * ux];
    this.node("path", `shaft ${name}`, `qnviz-pair-shaft ${className}`, {
      d: `M${from}L${to[0] - 0.8 * ux} ${to[1] - 0.8 * uy}`,
    });
    this.node("path", `head ${name}`, `qnviz-pair-point ${className}`, {
      d: `M${to}L${wing(1)}L${wing(-1)}Z`,
    });
  }

  tip(name, v, text, className) {
    const [x, y] = this.pixel(v, this.zoom);
    const [dx, dy] = [0.5 * width(text, this.size) + 12, 0.75 * this.size + 12];
    const [out, up] = [x < this.w / 2 ? -dx : dx, y < this.h / 2 ? -dy : dy]; // away from the middle
    // around the tip, and farther away where what is near is taken
    const places = [
      [1, 1],
      [1.15, 2],
      [1.3, 3.2],
    ].flatMap(([wide, high]) =>
      [
        [1, 0],
        [0, 1],
        [1, 1],
        [-1, 0],
        [0, -1],
        [1, -1],
        [-1, 1],
        [-1, -1],
      ].map(([i, j]) => [x + i * wide * out, y + j * high * up]),
    );
    this.label(`tip ${name}`, text, `${className} is-tip`, places);
  }

  // -- labels --------------------------------------------------------------------------------

  /** Ask for a text at the first free of several places; says whether any is in the picture. */
  label(name, text, className, places) {
    if (!text) return true;
    const half = [0.5 * width(text, this.size), 0.6 * this.size];
    const inside = places.map(
      ([x, y]) => x > half[0] && x < this.w - half[0] && y > half[1] && y < this.h - half[1],
    );
    if (!inside.some(Boolean)) return false;
    this.labels.push({ name, text, className, places, inside, half });
    return true;
  }

  place() {
    const { taken } = this;
    const first = (label) =>
      label.name.startsWith("tip") ? 0 : label.name.startsWith("curve") ? 1 : 2;
    for (const label of this.labels.sort((a, b) => first(a) - first(b))) {
      const { name, text, className, places, inside, half } = label;
      const over = (i) =>
        taken.reduce(
          (sum, { v, half: other }) => {
            const [dx, dy] = [0, 1].map(
              (j) => half[j] + other[j] + APART - Math.abs(v[j] - places[i][j]),
            );
            return sum + (dx > 0 && dy > 0 ? dx * dy : 0);
          },
          inside[i] ? 0 : 1e9,
        );
      let best = this.spots.get(name) ?? 0;
      if (!(best < places.length) || over(best) > 0) {
        const costs = places.map((_, i) => over(i));
        best = costs.indexOf(Math.min(...costs));
      }
      this.spots.set(name, best);
      const [x, y] = places[best];
      taken.push({ v: places[best], half });
      this.text(name, text, className, x - half[0], y + 0.35 * this.size, 2 * half[0]);
    }
  }

  text(name, text, className, x, y, room = null) {
    const middle = room === null ? {} : { "text-anchor": "middle" };
    const node = this.node("text", `text ${name}`, "qnviz-pair-text", {
      x: x + (room ?? 0) / 2,
      y,
      ...middle,
    });
    if (node.dataset.is !== className) {
      node.dataset.is = className;
      node.setAttribute("class", `qnviz-pair-text ${className}`);
    }
    write(node, text);
  }

  outside(text) {
    this.beyond.push(text);
  }

  /** What lies outside is said at the lower border. */
  margin() {
    if (this.beyond.length) this.notes.push(`Outside the picture: ${this.beyond.join("; ")}`);
    this.notes.forEach((text, i) =>
      this.text(
        `note ${i}`,
        text,
        "is-note",
        6,
        this.h - 7 - (this.notes.length - 1 - i) * 1.25 * this.size,
      ),
    );
  }
}

function inverseOf([a, b, c]) {
  const det = a * c - b * b;
  return [c / det, -b / det, a / det];
}
