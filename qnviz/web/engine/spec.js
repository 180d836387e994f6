// What a spec must say before anything is computed; Python has validated what it writes itself.

import { EngineError } from "./errors.js";
import { METHODS } from "./methods/registry.js";
import { PROBLEMS } from "./problem.js";

/** @typedef {Record<string, any>} Spec Python's RunSpec as JSON, see qnviz/runs/portable.py */

const MOST = 20_000_000; // numbers that a race may record
const MOST_CELLS = 4_000_000; // of a sweep with all its seeds, as in Python

/** @param {unknown} value */
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * Why the engine cannot compute a spec, in a sentence; null where it can.
 *
 * @param {Spec} spec
 * @returns {string | null}
 */
export function unable(spec) {
  if (!isObject(spec)) return "There is no description of a run.";
  const { problem, methods, dtype, fork } = spec;
  if (dtype !== "float64") return "The engine computes in float64 alone.";
  if (!isObject(problem) || !Object.hasOwn(PROBLEMS, problem.name)) {
    return "The problem is not one of the plane.";
  }
  if (!Array.isArray(methods) || !methods.length) return "There is no method to run.";
  if (fork && !isObject(fork)) return "The fork is not described.";
  for (const method of fork ? [...methods, fork.method] : methods) {
    if (!isObject(method) || typeof method.name !== "string") return "A method has no name.";
    if (!Object.hasOwn(METHODS, method.name)) {
      return `The engine has no twin of the method ${method.name}.`;
    }
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
  const { problem, methods, steps, runs, seed, fork } = spec;
  whole("steps", steps, 1, 1e6);
  whole("runs", runs, 1, 1e6);
  whole("seed", seed, 0, Number.MAX_SAFE_INTEGER);
  if (!Array.isArray(problem.start) || problem.start.length !== 2) {
    throw new EngineError("problem.start must be two numbers.");
  }
  for (const x of problem.start) number("problem.start", x);
  number("problem.start_noise", problem.start_noise);
  if (problem.name === "rosenbrock") number("problem.noise", problem.noise);
  for (const name of ["stop_loss", "stop_grad"]) {
    if (spec[name] !== null) number(name, spec[name]);
  }
  methods.forEach((/** @type {Spec} */ method, /** @type {number} */ i) => {
    settings(`methods[${i}]`, method);
  });
  if (fork) {
    settings("fork.method", fork.method);
    whole("fork.step", fork.step, 0, steps - 1);
    if (methods.some((/** @type {Spec} */ method) => method.name !== fork.method.name)) {
      throw new EngineError("Only the method of a fork can go on from its state.");
    }
  }
  if (steps * runs * methods.length * 30 > MOST) {
    throw new EngineError("That would record more numbers than a page should hold.");
  }
  return spec;
}

/**
 * A sweep, if it also says what is swept.
 *
 * @param {Spec} spec
 * @returns {Spec}
 */
export function checkedSweep(spec) {
  if (!isObject(spec)) throw new EngineError("There is no description of a sweep.");
  const { sweep } = checked({ ...spec, runs: 1 });
  if (!isObject(sweep)) throw new EngineError("This describes no sweep.");
  whole("sweep.seeds", sweep.seeds, 1, 1e6);
  if (!Array.isArray(sweep.whole)) {
    throw new EngineError("The sweep must say which of its fields take whole numbers alone.");
  }
  let size = sweep.seeds;
  for (const name of sweep.y ? ["x", "y"] : ["x"]) {
    const axis = sweep[name];
    if (!isObject(axis) || typeof axis.field !== "string") {
      throw new EngineError(`sweep.${name} does not say which field is swept.`);
    }
    whole(`sweep.${name}.points`, axis.points, 1, 1e6);
    number(`sweep.${name}.from`, axis.from);
    number(`sweep.${name}.to`, axis.to);
    if (axis.scale === "log" && !(axis.from > 0 && axis.to > 0)) {
      throw new EngineError(`sweep.${name} is logarithmic and must have ends above 0.`);
    }
    size *= axis.points;
  }
  if (size > MOST_CELLS) {
    throw new EngineError(`A sweep may make ${MOST_CELLS} runs, and this would make ${size}.`);
  }
  return spec;
}

/**
 * Refuse settings of a method that are missing, or no numbers, words, or yes or no.
 *
 * @param {string} where
 * @param {Spec} method
 */
function settings(where, method) {
  if (!(method.label === null || typeof method.label === "string")) {
    throw new EngineError(`${where}.label must be text.`);
  }
  for (const [name, value] of Object.entries(method)) {
    if (name === "label" || typeof value === "string" || typeof value === "boolean") continue;
    number(`${where}.${name}`, value);
  }
  new METHODS[method.name]().configure(
    new Proxy(method, {
      get(all, name) {
        if (Object.hasOwn(all, name)) return all[String(name)];
        throw new EngineError(`${where}.${String(name)} is missing.`);
      },
    }),
  );
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
