// Problems, by what a spec calls them, and the noise that their steps see.

import { EngineError } from "./errors.js";
import { Rosenbrock } from "./problems/rosenbrock.js";
import { Typed } from "./problems/typed.js";

/** @import { Surface } from "./problems/surface.js" */

/** @type {Record<string, new (spec: Record<string, any>) => Surface>} */
export const PROBLEMS = { rosenbrock: Rosenbrock, function: Typed };

/**
 * A problem of a spec.
 *
 * @param {Record<string, any>} spec
 */
export function surfaceOf(spec) {
  const Kind = Object.hasOwn(PROBLEMS, spec.name) ? PROBLEMS[spec.name] : null;
  if (!Kind) throw new EngineError(`The engine does not know the problem ${spec.name}.`);
  return new Kind(spec);
}

/**
 * ξ of each step of a run, not yet drawn; or null where every step sees the same function.
 *
 * @param {Surface} surface
 * @param {number} steps
 */
export function noiseOf(surface, steps) {
  return surface.deterministic ? null : new Float64Array(steps).fill(NaN);
}
