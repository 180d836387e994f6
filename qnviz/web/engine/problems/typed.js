// A function that somebody typed: the list of steps that Python's reader made of the text, and its
// derivatives by second-order forward differentiation (MATH §7b).
//
//     v_i = v_a + v_b,   v_a v_b,   or φ(v_a)          from v_0 = x and v_1 = y
//     ∇v_i = ∇v_a + ∇v_b,   v_b ∇v_a + v_a ∇v_b,   φ′ ∇v_a
//     ∇²v_i = …,   v_b ∇²v_a + v_a ∇²v_b + ∇v_a ∇v_bᵀ + ∇v_b ∇v_aᵀ,   φ′ ∇²v_a + φ″ ∇v_a ∇v_aᵀ
//
// A slope is asked for only along coordinates on which a step depends: 0 · ∞ is not 0.

import { EngineError } from "../errors.js";
import { functionOf } from "./functions.js";
import { Surface } from "./surface.js";

const [VARIABLE, CONSTANT, ADD, TIMES, SCALE, FUNCTION] = [0, 1, 2, 3, 4, 5];
const ON_X = 1;
const ON_Y = 2;
/** @type {Record<string, number>} */
const PLAIN = { variable: VARIABLE, constant: CONSTANT, add: ADD, times: TIMES };
const MOST = 10_000; // steps; Python's reader makes far fewer of the longest text it takes

/** @param {number} n */
const below = (n) => (/** @type {unknown} */ i) =>
  Number.isInteger(i) && 0 <= Number(i) && Number(i) < n;

export class Typed extends Surface {
  smooth = false;

  /** @param {Record<string, any>} spec with `program`, `loss` and `lowest` as Python gives them */
  constructor(spec) {
    const { program, loss, lowest } = spec;
    if (!Array.isArray(program?.steps) || !Array.isArray(program.outputs)) {
      throw new EngineError("The function comes without the program that was made of its text.");
    }
    const n = program.steps.length;
    if (!(n <= MOST) || !program.outputs.length || !program.outputs.every(below(n))) {
      throw new EngineError("The function's program has no end, or none that is its value.");
    }
    if (!(loss === "squares" || loss === "value")) {
      throw new EngineError("The function's loss must be its value, or the sum of its squares.");
    }
    if (!(lowest === null || Number.isFinite(lowest))) {
      throw new EngineError("The lowest value that is known of the function must be a number.");
    }
    super(spec, program.outputs.length, loss === "squares");
    this.signed = !this.squares;
    this.lowest = lowest;
    this.out = Int32Array.from(program.outputs);
    this.kinds = new Uint8Array(n);
    this.a = new Int32Array(n);
    this.b = new Int32Array(n);
    this.on = new Uint8Array(n); // on which coordinates a step depends
    /** @type {(import("./functions.js").Phi | null)[]} */
    this.phi = [];
    const numbers = () => new Float64Array(n);
    this.v = numbers();
    this.dx = numbers();
    this.dy = numbers();
    this.dxx = numbers();
    this.dxy = numbers();
    this.dyy = numbers();
    this.slope = numbers();
    program.steps.forEach((/** @type {any[]} */ step, /** @type {number} */ i) => {
      this.read(i, step);
    });
    /** What is to be computed at each point: all but variables and constants. */
    this.todo = Int32Array.from(this.kinds.keys()).filter((i) => this.kinds[i] >= ADD);
  }

  /**
   * @param {number} i
   * @param {any} step operation, its arguments, and its number
   */
  read(i, step) {
    const [op, args, value] = Array.isArray(step) ? step : [];
    const first = i < 2; // where x and y stand, and nowhere else
    if (typeof op !== "string" || !Array.isArray(args) || (op === "variable") !== first) {
      throw new EngineError("The function's program has a step that is none.");
    }
    const needed = first || op === "constant" ? 0 : op === "add" || op === "times" ? 2 : 1;
    if (args.length !== needed || !args.every(below(i))) {
      throw new EngineError("The function's program uses a step before it is there.");
    }
    if (!Number.isFinite(value) && op !== "constant") {
      throw new EngineError("The function's program has a power that is no number.");
    }
    const [p = 0, q = p] = args;
    const { on } = this;
    const kind = PLAIN[op] ?? FUNCTION;
    this.kinds[i] = kind;
    this.a[i] = p;
    this.b[i] = q;
    this.phi.push(kind === FUNCTION ? functionOf(op, value) : null);
    if (kind === VARIABLE) {
      on[i] = i === 0 ? ON_X : ON_Y;
      (i === 0 ? this.dx : this.dy)[i] = 1;
    } else if (kind === CONSTANT) this.v[i] = value ?? NaN;
    else on[i] = on[p] | on[q];
    if (kind === TIMES && !(on[p] && on[q])) {
      this.kinds[i] = SCALE; // by `a`, which is constant
      if (on[p]) [this.a[i], this.b[i]] = [q, p];
    }
  }

  /**
   * @param {number} x1
   * @param {number} x2
   * @param {number} _xi
   * @param {number} order
   */
  compute(x1, x2, _xi, order) {
    const { out, outputs, squares, u, J, v, dx, dy, dxx, dxy, dyy } = this;
    v[0] = 0 + x1; // Python's W·1 is a sum, and never −0
    v[1] = 0 + x2;
    if (order > 0) this.slopes();
    else this.values();
    if (order > 1) this.curves();
    let f = 0;
    let g1 = 0;
    let g2 = 0;
    let h11 = 0;
    let h12 = 0;
    let h22 = 0;
    for (let k = 0; k < outputs; k++) {
      const i = out[k];
      const r = v[i];
      f += squares ? r * r : r;
      if (order < 1) continue;
      u[k] = r;
      J[2 * k] = dx[i];
      J[2 * k + 1] = dy[i];
      const w = squares ? 2 * r : 1; // of the loss in u
      g1 += this.on[i] & ON_X ? w * dx[i] : 0;
      g2 += this.on[i] & ON_Y ? w * dy[i] : 0;
      if (order < 2) continue;
      const c = squares ? 2 : 0;
      h11 += w * dxx[i] + c * dx[i] * dx[i];
      h12 += w * dxy[i] + c * dx[i] * dy[i];
      h22 += w * dyy[i] + c * dy[i] * dy[i];
    }
    this.f = f;
    this.g1 = g1;
    this.g2 = g2;
    this.h11 = h11;
    this.h12 = h12;
    this.h22 = h22;
  }

  /**
   * As in Python: Jᵀ H_u J v, which of a quadratic is all of it, and then what bends u.
   *
   * @param {number} v1
   * @param {number} v2
   */
  hessianVector(v1, v2) {
    if (!this.squares) {
      super.hessianVector(v1, v2);
      return;
    }
    const { out, u, dxx, dxy, dyy } = this;
    this.gaussNewtonVector(v1, v2);
    for (let k = 0; k < u.length; k++) {
      const i = out[k];
      this.p1 += 2 * u[k] * (dxx[i] * v1 + dxy[i] * v2);
      this.p2 += 2 * u[k] * (dxy[i] * v1 + dyy[i] * v2);
    }
  }

  /** All v. */
  values() {
    const { todo, kinds, a, b, v, phi } = this;
    for (let n = 0; n < todo.length; n++) {
      const i = todo[n];
      const kind = kinds[i];
      if (kind === ADD) v[i] = v[a[i]] + v[b[i]];
      else if (kind === FUNCTION) v[i] = /** @type {any} */ (phi[i]).value(v[a[i]]);
      else v[i] = v[a[i]] * v[b[i]];
    }
  }

  /** All v and ∇v, in one go. */
  slopes() {
    const { todo, kinds, a, b, v, dx, dy, phi, slope, on } = this;
    for (let n = 0; n < todo.length; n++) {
      const i = todo[n];
      const p = a[i];
      const q = b[i];
      const kind = kinds[i];
      if (kind === ADD) {
        v[i] = v[p] + v[q];
        dx[i] = dx[p] + dx[q];
        dy[i] = dy[p] + dy[q];
        continue;
      }
      const at = v[p];
      if (kind === TIMES) {
        const by = v[q];
        v[i] = at * by;
        dx[i] = (on[p] & ON_X ? dx[p] * by : 0) + (on[q] & ON_X ? dx[q] * at : 0);
        dy[i] = (on[p] & ON_Y ? dy[p] * by : 0) + (on[q] & ON_Y ? dy[q] * at : 0);
      } else if (kind === SCALE) {
        v[i] = at * v[q];
        dx[i] = on[q] & ON_X ? at * dx[q] : 0;
        dy[i] = on[q] & ON_Y ? at * dy[q] : 0;
      } else {
        const f = /** @type {any} */ (phi[i]);
        const value = f.value(at);
        const s = f.slope(at, value);
        v[i] = value;
        slope[i] = s;
        dx[i] = on[p] & ON_X ? s * dx[p] : 0;
        dy[i] = on[p] & ON_Y ? s * dy[p] : 0;
      }
    }
  }

  /** All ∇²v, after the slopes. */
  curves() {
    const { todo, kinds, a, b, v, dx, dy, dxx, dxy, dyy, phi, slope, on } = this;
    for (let n = 0; n < todo.length; n++) {
      const i = todo[n];
      const p = a[i];
      const q = b[i];
      const kind = kinds[i];
      if (kind === ADD) {
        dxx[i] = dxx[p] + dxx[q];
        dxy[i] = dxy[p] + dxy[q];
        dyy[i] = dyy[p] + dyy[q];
      } else if (kind === TIMES) {
        dxx[i] = dxx[p] * v[q] + dxx[q] * v[p] + 2 * dx[p] * dx[q];
        dxy[i] = dxy[p] * v[q] + dxy[q] * v[p] + (dx[p] * dy[q] + dy[p] * dx[q]);
        dyy[i] = dyy[p] * v[q] + dyy[q] * v[p] + 2 * dy[p] * dy[q];
      } else if (kind === SCALE) {
        dxx[i] = v[p] * dxx[q];
        dxy[i] = v[p] * dxy[q];
        dyy[i] = v[p] * dyy[q];
      } else {
        const bend = /** @type {any} */ (phi[i]).curve(v[p], v[i]);
        const s = slope[i];
        dxx[i] = on[p] & ON_X ? s * dxx[p] + bend * dx[p] * dx[p] : 0;
        dyy[i] = on[p] & ON_Y ? s * dyy[p] + bend * dy[p] * dy[p] : 0;
        dxy[i] = on[p] === (ON_X | ON_Y) ? s * dxy[p] + bend * dx[p] * dy[p] : 0;
      }
    }
  }
}
