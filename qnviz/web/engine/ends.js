// How a run ends: the one rule of qnviz/runs/ends.py.

/** @import { Surface } from "./problems/surface.js" */

export const STATUS = ["running", "converged", "budget", "diverged", "undefined"];
export const RUNNING = 0;
export const CONVERGED = 1;
export const BUDGET = 2;
export const DIVERGED = 3;
export const UNDEFINED = 4;

const BLOWN = 1e6; // times its scale at the start: a run that ends there diverged
const FALLING = 0.1; // least ‖∇f‖ ‖θ − θ₀‖ over f₀ − f of a run that goes on falling
const SAME = 1e-9; // relative to the lowest known value: a loss that is as low

/** @param {number} x */
export const finite = (x) => x - x === 0;

export class Rule {
  /**
   * @param {Surface} surface
   * @param {number | null} stop_loss
   * @param {number | null} stop_grad
   */
  constructor({ signed, smooth, lowest }, stop_loss, stop_grad) {
    this.signed = signed;
    this.smooth = smooth;
    this.lowest = lowest;
    // −1 where nothing is near or flat enough
    this.near = stop_loss === null || lowest === null ? -1 : stop_loss;
    this.bottom = lowest ?? 0;
    this.flat = stop_grad ?? -1;
    /** Whether ‖∇f‖ decides, beside the loss. */
    this.needsGradient = stop_grad !== null || !smooth || signed;
  }

  /**
   * How a run ends at an iterate; RUNNING where it goes on.
   *
   * @param {{ loss: number, grad: number, firstLoss: number }} run f and ‖∇f‖ there, or 0 where the
   *   rule does not need that, and f at the start
   * @param {boolean} placed whether θ is finite
   */
  code({ loss, grad, firstLoss }, placed) {
    if (!placed || !finite(loss)) return DIVERGED;
    if (Math.abs(loss - this.bottom) <= this.near || grad <= this.flat) return CONVERGED;
    if (finite(grad)) return RUNNING;
    return this.above(loss, firstLoss, 0) ? DIVERGED : UNDEFINED;
  }

  /**
   * Whether a run that has used all its steps diverged all the same.
   *
   * @param {number} loss at the last iterate
   * @param {number} first at the start
   * @param {number} grad ‖∇f‖ at the last iterate
   * @param {number} firstGrad at the start
   * @param {number} moved ‖θ − θ₀‖
   */
  blown(loss, first, grad, firstGrad, moved) {
    return this.above(loss, first, firstGrad) || this.falls(loss, first, grad, firstGrad, moved);
  }

  /**
   * @param {number} loss
   * @param {number} first
   * @param {number} firstGrad
   */
  above(loss, first, firstGrad) {
    if (!this.signed) return loss > BLOWN * first;
    return loss - first > BLOWN * (Math.abs(first - this.bottom) + firstGrad);
  }

  /**
   * Whether a run is absurdly far below its first loss, and goes on falling.
   *
   * @param {number} loss
   * @param {number} first
   * @param {number} grad
   * @param {number} firstGrad
   * @param {number} moved
   */
  falls(loss, first, grad, firstGrad, moved) {
    if (!this.signed) return false;
    const scale = Math.abs(first) + firstGrad;
    const drop = first - loss;
    if (!(drop > BLOWN * scale && grad * moved > FALLING * drop)) return false;
    return this.lowest === null || loss < this.lowest - SAME * (Math.abs(this.lowest) + scale);
  }
}
