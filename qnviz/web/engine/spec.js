// What a spec must say before anything is computed; Python has validated what it writes itself.

import { EngineError } from "./errors.js";
import { METHODS } from "./methods/registry.js";
import { PROBLEMS } from "./problem.js";

/** @typedef {Record<string, any>} Spec Python's RunSpec as JSON, see qnviz/runs/portable.py */

const MOST = 20_000_000; // numbers that a race may record

/**
 * Why the engine cannot compute a spec, in a sentence; null where it can.
 *
 * @param {Spec} spec
 * @returns {string | null}
 */
export function unable(spec) {
  if (!spec || typeof spec !== "object") return "There is no description of a run.";
  const { problem, methods, dtype } = spec;
  if (dtype !== "float64") return "The engine computes in float64 alone.";
  if (!Object.hasOwn(PROBLEMS, problem?.name)) return "The problem is not one of the plane.";
  if (!Array.isArray(methods) || !methods.length) return "There is no method to run.";
  for (const { name } of methods) {
    if (!Object.hasOwn(METHODS, name)) return `The engine has no twin of the method ${name}.`;
  }
  return null;
}

/**
 * The same spec, if all its numbers are there and make sense.
 *
 * @param {Spec} spec
 * @returns {Spec}
 */
export function checked(spec) {
  const why = unable(spec);
  if (why) throw new EngineError(why);
  const { problem, methods, steps, runs, seed, stop_loss, stop_grad, fork } = spec;
  whole("steps", steps, 1, 1e6);
  whole("runs", runs, 1, 1e6);
  whole("seed", seed, 0, Number.MAX_SAFE_INTEGER);
  if (!Array.isArray(problem.start) || problem.start.length !== 2) {
    throw new EngineError("problem.start must be two numbers.");
  }
  problem.start.forEach((/** @type {unknown} */ x) => number("problem.start", x));
  number("problem.start_noise", problem.start_noise);
  if (problem.name === "rosenbrock") number("problem.noise", problem.noise);
  for (const [name, value] of [
    ["stop_loss", stop_loss],
    ["stop_grad", stop_grad],
  ]) {
    if (value !== null) number(name, value);
  }
  const all = fork ? [...methods, fork.method] : methods;
  all.forEach((/** @type {Record<string, unknown>} */ method, /** @type {number} */ i) => {
    for (const [name, value] of Object.entries(method)) {
      if (typeof value === "number") number(`methods[${i}].${name}`, value);
    }
  });
  if (fork) whole("fork.step", fork.step, 0, steps - 1);
  if (steps * runs * methods.length * 30 > MOST) {
    throw new EngineError("That would record more numbers than a page should hold.");
  }
  return spec;
}

/**
 * @param {string} name
 * @param {unknown} value
 */
function number(name, value) {
  if (typeof value !== "number" || !Number.isFinite(value)) {
    throw new EngineError(`${name} must be a number.`);
  }
}

/**
 * @param {string} name
 * @param {unknown} value
 * @param {number} low
 * @param {number} high
 */
function whole(name, value, low, high) {
  if (!Number.isInteger(value) || Number(value) < low || Number(value) > high) {
    throw new EngineError(`${name} must be a whole number from ${low} to ${high}.`);
  }
}
