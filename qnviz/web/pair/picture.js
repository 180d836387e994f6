// The picture of one update: half-planes, ellipses, circles and arrows, redrawn at each frame.

import { svg, write } from "../dom.js";
import { dot, mix, norm, spectrum, times } from "../engine/pair.js";
import { say } from "../numbers.js";
import { Frame } from "./frame.js";
import { Labels } from "./labels.js";
import { clip, width } from "./shapes.js";

/** @import { Damping } from "../engine/double_damping.js" */
/** @import { DampedPair, Matrix, Update, Updates, Vector } from "../engine/pair.js" */
/** @import { Attributes } from "../dom.js" */
/** @import { State } from "./payload.d.ts" */

/** Kinds of marks, from the back to the front. */
const LAYERS = "wash grid edge plane circle curve axes way shaft point text".split(" ");
const NAMES = { none: "undamped", powell: "Powell", double: "double" };
/** @type {Vector[]} around the tip of an arrow, in units of its label's half-size */
const ASIDE = [1, 0, 0, 1, 1, 1, -1, 0, 0, -1, 1, -1, -1, 1, -1, -1].flatMap((x, i, all) =>
  i % 2 ? [] : [[x, all[i + 1]]],
);

export class Picture {
  frame = new Frame();
  labels = new Labels();
  /** @type {Map<string, SVGElement>} by name: what was drawn at least once */
  nodes = new Map();
  /** @type {Set<string>} names of what this picture shows */
  used = new Set();
  /** @type {string[]} sentences at the lower border */
  notes = [];
  /** @type {string[]} what lies outside the picture */
  beyond = [];

  /** @param {Element} parent */
  constructor(parent) {
    this.svg = svg("svg", parent, { class: "qnviz-pair-svg" });
    this.image = svg("g", this.svg, { role: "img" });
    this.layers = new Map(LAYERS.map((name) => [name, svg("g", this.image, {})]));
  }

  /** Read the picture's size off the page. */
  measure() {
    const { frame } = this;
    frame.w = this.svg.clientWidth;
    frame.h = this.svg.clientHeight;
    frame.size = parseFloat(getComputedStyle(this.svg).fontSize) || 13;
    this.svg.setAttribute("viewBox", `0 0 ${frame.w} ${frame.h}`);
  }

  /**
   * A mark, made when it is first asked for.
   *
   * @param {"path" | "circle" | "text"} tag
   * @param {string} layer
   * @param {string} name
   * @param {string} kinds further classes
   * @param {Attributes} attributes
   */
  mark(tag, layer, name, kinds, attributes) {
    let node = this.nodes.get(name);
    if (!node) {
      node = svg(tag, this.layers.get(layer) ?? this.image, {});
      this.nodes.set(name, node);
    }
    const className = `qnviz-pair-${layer} ${kinds}`.trim();
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
    if (node.getAttribute("class") !== className) node.setAttribute("class", className);
    this.used.add(name);
    return node;
  }

  /**
   * @param {string} layer
   * @param {string} name
   * @param {string} kinds
   * @param {string} d
   */
  path(layer, name, kinds, d) {
    this.mark("path", layer, name, kinds, { d });
  }

  /**
   * Draw a state.
   *
   * @param {State} state
   * @param {Updates | null} result null where the state has no update
   * @param {string} alt what the picture shows, in words
   * @param {Vector[]} axes the ends of H's axes
   */
  draw(state, result, alt, axes) {
    const { frame } = this;
    const pair = result?.double.pair;
    this.labels.clear([
      ...axes.map((v) => frame.pixel(v)),
      frame.pixel(state.s, frame.zoom),
      frame.pixel(state.y, frame.zoom),
    ]);
    this.used.clear();
    this.notes = [];
    this.beyond = [];
    this.image.setAttribute("aria-label", alt);
    if (pair?.usable) this.halfPlanes(state, pair);
    this.grid();
    if (result) {
      this.circles(result.double);
      this.ellipse("inverse", spectrum(inverseOf(state.H)), "H⁻¹");
    }
    this.ellipse("H", spectrum(state.H), "H");
    if (result) this.updated(result);
    this.axes(axes);
    if (pair?.usable) this.damped(state, pair);
    this.arrow("s", state.s, "is-s");
    this.arrow("y", state.y, "is-y");
    this.tip("s", state.s, pair?.theta1 === 1 ? "s = s̃" : "s", "is-s");
    this.tip("y", state.y, pair?.theta2 === 1 ? "y = ỹ" : "y", "is-y");
    if (frame.zoom !== 1) {
      this.notes.push(`s and y are drawn ${say(frame.zoom)} times as long; this changes no H⁺.`);
    }
    for (const { name, text, className, place } of this.labels.placed()) {
      const [x, y] = [place[0], place[1] + 0.35 * frame.size];
      this.text(name, text, className, x, y, { "text-anchor": "middle" });
    }
    this.margin();
    for (const [name, node] of this.nodes) node.style.display = this.used.has(name) ? "" : "none";
  }

  grid() {
    const { frame } = this;
    const { w, h, k, size, tick } = frame;
    const [cx, cy] = frame.pixel([0, 0]);
    let lines = `M0 ${cy}H${w}M${cx} 0V${h}`;
    const count = Math.floor(w / 2 / k / tick);
    for (let i = -count; i <= count; i++) {
      if (!i) continue;
      const [x, y] = frame.pixel([i * tick, i * tick]);
      lines += `M${x} ${cy - 3}V${cy + 3}`;
      if (y > 0 && y < h) lines += `M${cx - 3} ${y}H${cx + 3}`;
    }
    this.path("grid", "grid", "", lines);
    // the outermost ticks alone bear numbers: the middle is full of other things
    const [across, up] = [w, h].map((side) => Math.floor((side / 2 - 2 * size) / k / tick));
    const [right, top] = frame.pixel([across * tick, up * tick]);
    const text = say(across * tick);
    if (across) this.tickText("across", text, right - width(text, 0.8 * size) / 2, cy + size + 2);
    if (up) this.tickText("up", say(up * tick), cx + 6, top + 4);
  }

  /**
   * @param {string} name
   * @param {string} text
   * @param {number} x
   * @param {number} y
   */
  tickText(name, text, x, y) {
    this.text(`tick ${name}`, text, "is-tick", x, y);
    const { size } = this.frame;
    /** @type {Vector} */
    const half = [0.5 * width(text, size), 0.5 * size];
    this.labels.taken.push({ v: [x + half[0], y - half[1]], half });
  }

  /**
   * Where s̃ must lie, vᵀy ≥ μ₁ yᵀHy, and then ỹ, s̃ᵀw ≥ μ₂ s̃ᵀs̃.
   *
   * @param {State} state
   * @param {DampedPair} pair
   */
  halfPlanes({ H, y, mu1, mu2 }, pair) {
    this.halfPlane("one", y, mu1 * dot(y, times(H, y)), "s̃ belongs here: s̃ᵀy ≥ μ₁ yᵀHy");
    this.halfPlane("two", pair.s, mu2 * pair.ss, "ỹ belongs here: s̃ᵀỹ ≥ μ₂ s̃ᵀs̃");
  }

  /**
   * @param {string} name
   * @param {Vector} normal
   * @param {number} least what normalᵀv is at least
   * @param {string} text
   */
  halfPlane(name, normal, least, text) {
    const { w, h, k, zoom, size } = this.frame;
    const long = norm(normal);
    /** @type {Vector} */
    const along = [normal[0] / long, -normal[1] / long]; // in pixels y points down
    const offset = (least / long) * k * zoom + dot(along, [w / 2, h / 2]);
    const polygon = clip(w, h, along, offset);
    if (!polygon.length) {
      this.beyond.push(text);
      return;
    }
    const corners = polygon.map(([x, y]) => `${x} ${y}`).join("L");
    this.path("wash", `wash ${name}`, `is-${name}`, `M${corners}Z`);
    const slack = 1e-6 * (1 + Math.abs(offset));
    const edge = polygon.filter((p) => Math.abs(dot(along, p) - offset) < slack);
    if (edge.length < 2) return;
    const [a, b] = edge;
    this.path("edge", `edge ${name}`, `is-${name}`, `M${a}L${b}`);
    this.path("plane", `plane ${name}`, `is-${name}`, hatch(a, b, along));
    const reach =
      0.5 * width(text, size) * Math.abs(along[0]) + 16 + 0.7 * size * Math.abs(along[1]);
    const places = [reach, reach + 2 * size].flatMap((far) =>
      [0.12, 0.88, 0.2, 0.8, 0.3, 0.7, 0.42, 0.58].map((t) => {
        const p = mix(a, b, t);
        return /** @type {Vector} */ ([p[0] + far * along[0], p[1] + far * along[1]]);
      }),
    );
    this.labels.ask(this.frame, `plane ${name}`, text, `is-${name}`, places);
  }

  /**
   * Circles between which the eigenvalues of double-damped H⁺ are certain to lie.
   *
   * @param {Update} double
   */
  circles(double) {
    if (double.changed) {
      this.circle("certified", "low", `λ ≥ ${say(double.pair_low)} certified`, double.pair_low);
      this.circle("certified", "high", `λ ≤ ${say(double.pair_high)} certified`, double.pair_high);
    }
    const { apriori_low: low, apriori_high: high } = double;
    this.circle("apriori", "low", `λ ≥ ${say(low)} a priori`, low);
    this.circle("apriori", "high", `λ ≤ ${say(high)} a priori`, high);
  }

  /**
   * @param {string} kind
   * @param {string} side
   * @param {string} text
   * @param {number} bound of an eigenvalue
   */
  circle(kind, side, text, bound) {
    const { frame } = this;
    const r = Math.sqrt(bound) * frame.k;
    if (!(r < frame.diagonal)) {
      this.beyond.push(text);
      return;
    }
    const d = frame.line(kind, 0, 2 * Math.PI, (t) => [r * Math.cos(t), r * Math.sin(t)]);
    this.path("circle", `${kind} ${side}`, `is-${kind}`, d);
    const places = frame.around((t) => [r * Math.cos(t), -r * Math.sin(t)], text);
    this.orBeyond(`${kind} ${side}`, text, "is-bound", places);
  }

  /**
   * The curve vᵀH⁻¹v = 1: an ellipse, or a hyperbola where H is indefinite.
   *
   * @param {string} name
   * @param {{ low: number, high: number, angle: number }} spectrum of H
   * @param {string} text
   */
  ellipse(name, { low, high, angle }, text) {
    const { frame } = this;
    const { k, diagonal } = frame;
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    /** @type {(u: number, v: number) => Vector} */
    const turn = (u, v) => [k * (u * cos - v * sin), -k * (u * sin + v * cos)];
    const [a, b] = [Math.sqrt(Math.abs(high)), Math.sqrt(Math.abs(low))];
    if (low >= 0) {
      const sight = diagonal / k;
      const half = a > sight ? Math.asin(sight / a) : Math.PI / 2; // beyond, it is out of sight
      /** @param {number} t */
      const curve = (t) => turn(a * Math.cos(t), b * Math.sin(t));
      /** @param {number} middle */
      const arc = (middle) => frame.line(name, middle - half, middle + half, curve);
      this.path("curve", `curve ${name}`, `is-${name}`, arc(Math.PI / 2) + arc(-Math.PI / 2));
      this.orBeyond(`curve ${name}`, text, `is-${name}`, frame.around(curve, text));
      return;
    }
    if (high <= 0) return;
    const far = Math.asinh(diagonal / k / Math.min(a, b));
    /** @param {1 | -1} sign */
    const branch = (sign) =>
      frame.line(name, -far, far, (t) => turn(sign * a * Math.cosh(t), b * Math.sinh(t)));
    this.path("curve", `branch ${name}`, `is-${name}`, branch(1) + branch(-1));
    const reach = Math.asinh((0.4 * diagonal) / k / Math.max(a, b));
    /** @param {number} t */
    const near = (t) => {
      const u = reach * Math.sin(t);
      return turn(Math.sign(Math.cos(t)) * a * Math.cosh(u), b * Math.sinh(u));
    };
    const places = frame.around(near, text);
    this.orBeyond(`curve ${name}`, text && `${text}: a hyperbola`, `is-${name}`, places);
  }

  /**
   * H⁺ of each damping; those that coincide share one label.
   *
   * @param {Updates} result
   */
  updated(result) {
    /** @type {{ H: Matrix, names: Damping[] }[]} */
    const groups = [];
    for (const name of /** @type {Damping[]} */ (["none", "powell", "double"])) {
      const { H, changed } = result[name];
      if (!changed) continue;
      const size = Math.max(...H.map(Math.abs));
      const alike = groups.find((g) => g.H.every((v, i) => Math.abs(v - H[i]) <= 1e-9 * size));
      if (alike) alike.names.push(name);
      else groups.push({ H, names: [name] });
    }
    if (result.double.changed && !result.none.changed) {
      this.notes.push("Undamped: no update, as sᵀy = 0.");
    }
    // the thinner line lies above
    for (const name of /** @type {Damping[]} */ (["double", "powell", "none"])) {
      const names = groups.find((group) => group.names.includes(name))?.names;
      if (!names) continue;
      const alike = names.map((n) => NAMES[n]).join(" = ");
      const text = names.length === 3 ? "H⁺, all three alike" : `H⁺ ${alike}`;
      const { H, low, high } = result[name];
      this.ellipse(name, { ...spectrum(H), low, high }, name === names[0] ? text : "");
    }
  }

  /** @param {Vector[]} ends */
  axes(ends) {
    const { frame } = this;
    const [cx, cy] = frame.pixel([0, 0]);
    this.path("axes", "axes", "", ends.map((v) => `M${cx} ${cy}L${frame.pixel(v)}`).join(""));
  }

  /**
   * s̃ on the way from s to Hy, ỹ on the way from y to s̃.
   *
   * @param {State} state
   * @param {DampedPair} pair
   */
  damped({ H, s, y }, pair) {
    if (pair.theta1 < 1) {
      const Hy = times(H, y);
      this.way("one", s, Hy);
      const [cx, cy] = this.frame.pixel(Hy, this.frame.zoom);
      this.mark("circle", "point", "end Hy", "is-s", { cx, cy, r: 3.5 });
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

  /**
   * @param {string} name
   * @param {Vector} from
   * @param {Vector} to
   */
  way(name, from, to) {
    const { frame } = this;
    const d = `M${frame.pixel(from, frame.zoom)}L${frame.pixel(to, frame.zoom)}`;
    this.path("way", `way ${name}`, `is-${name}`, d);
  }

  /**
   * @param {string} name
   * @param {Vector} v
   * @param {string} className
   */
  arrow(name, v, className) {
    const { frame } = this;
    const [from, to] = [frame.pixel([0, 0]), frame.pixel(v, frame.zoom)];
    const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
    const length = Math.hypot(dx, dy);
    if (length < 1) return;
    const head = Math.min(0.8 * frame.size, length);
    const [ux, uy] = [(dx / length) * head, (dy / length) * head];
    const neck = [to[0] - 0.8 * ux, to[1] - 0.8 * uy];
    const left = [to[0] - ux + 0.45 * uy, to[1] - uy - 0.45 * ux];
    const right = [to[0] - ux - 0.45 * uy, to[1] - uy + 0.45 * ux];
    this.path("shaft", `shaft ${name}`, className, `M${from}L${neck}`);
    this.path("point", `head ${name}`, className, `M${to}L${left}L${right}Z`);
  }

  /**
   * The label of an arrow: around its tip, and farther away where what is near is taken.
   *
   * @param {string} name
   * @param {Vector} v
   * @param {string} text
   * @param {string} className
   */
  tip(name, v, text, className) {
    const { w, h, size, zoom } = this.frame;
    const [x, y] = this.frame.pixel(v, zoom);
    const [dx, dy] = [0.5 * width(text, size) + 12, 0.75 * size + 12];
    const [out, up] = [x < w / 2 ? -dx : dx, y < h / 2 ? -dy : dy]; // away from the middle
    /** @type {(wide: number, high: number) => Vector[]} */
    const ring = (wide, high) => ASIDE.map(([i, j]) => [x + i * wide * out, y + j * high * up]);
    const places = [...ring(1, 1), ...ring(1.15, 2), ...ring(1.3, 3.2)];
    this.labels.ask(this.frame, `tip ${name}`, text, `${className} is-tip`, places);
  }

  // -- texts ---------------------------------------------------------------------------------

  /**
   * A label, or a word at the border where it has no place in the picture.
   *
   * @param {string} name
   * @param {string} text
   * @param {string} className
   * @param {Vector[]} places
   */
  orBeyond(name, text, className, places) {
    if (!this.labels.ask(this.frame, name, text, className, places)) this.beyond.push(text);
  }

  /**
   * @param {string} name
   * @param {string} text
   * @param {string} className
   * @param {number} x
   * @param {number} y
   * @param {Attributes} [attributes]
   */
  text(name, text, className, x, y, attributes = {}) {
    write(this.mark("text", "text", `text ${name}`, className, { x, y, ...attributes }), text);
  }

  /** What lies outside is said at the lower border. */
  margin() {
    const { h, size } = this.frame;
    if (this.beyond.length) this.notes.push(`Outside the picture: ${this.beyond.join("; ")}`);
    this.notes.forEach((text, i) => {
      const below = this.notes.length - 1 - i;
      this.text(`note ${i}`, text, "is-note", 6, h - 7 - below * 1.25 * size);
    });
  }
}

/**
 * Short strokes on the side that is allowed, along an edge from a to b.
 *
 * @param {Vector} a
 * @param {Vector} b
 * @param {Vector} along at right angles to the edge, of length 1
 */
function hatch(a, b, along) {
  const long = Math.hypot(b[0] - a[0], b[1] - a[1]);
  const [ux, uy] = [(b[0] - a[0]) / long, (b[1] - a[1]) / long];
  const stroke = `l${(9 * along[0] + 6 * ux).toFixed(1)} ${(9 * along[1] + 6 * uy).toFixed(1)}`;
  let path = "";
  for (let at = 6; at < long; at += 12) {
    path += `M${(a[0] + at * ux).toFixed(1)} ${(a[1] + at * uy).toFixed(1)}${stroke}`;
  }
  return path;
}

/**
 * @param {Matrix} H
 * @returns {Matrix}
 */
function inverseOf([a, b, c]) {
  const det = a * c - b * b;
  return [c / det, -b / det, a / det];
}
