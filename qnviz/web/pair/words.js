// What a picture of one update found, in words: its title, its sentence, its faults.

import { spectrum } from "../engine/pair.js";
import { say } from "../numbers.js";

/** @import { DampedPair, Updates, Vector } from "../engine/pair.js" */
/** @import { Values } from "./payload.d.ts" */

/** @param {Vector} v */
export const point = ([x, y]) => `(${say(x)}, ${say(y)})`;

/**
 * Why a state has no update to draw, as a sentence; empty where it has one.
 *
 * @param {Values} state
 */
export function faultOf({ H, s, y, mu1, mu2 }) {
  if (![...H, ...s, ...y, mu1, mu2].every(Number.isFinite)) {
    return "Some of the numbers are not finite: pick an example, or set H, s, y, μ₁ and μ₂ again.";
  }
  for (const [mu, name] of /** @type {const} */ ([
    [mu1, "μ₁"],
    [mu2, "μ₂"],
  ])) {
    if (mu > 0 && mu < 1) continue;
    const why = name === "μ₂" && mu >= 1 ? " At 1, ỹ = s̃ whatever y was." : "";
    return `${name} = ${say(mu)} must lie between 0 and 1, both ends excluded.${why}`;
  }
  const { low, high } = spectrum(H);
  if (low > 1e-12 * high) return "";
  const zero = Math.abs(low) <= 1e-12 * Math.abs(high) || high === 0;
  const what = zero ? "is singular" : "is not positive definite";
  return (
    `H ${what}: its eigenvalues are ${say(zero ? 0 : low)} and ${say(high)}, and an estimate of ` +
    "an inverse Hessian needs both above 0. Pull the ends of its axes away from the origin."
  );
}

/**
 * Why the pair of a faultless state teaches nothing; empty where it does.
 *
 * @param {Values} state
 * @param {DampedPair} pair
 */
function skipped({ s, y }, pair) {
  if (pair.usable) return "";
  if (s[0] === 0 && s[1] === 0) return "s = 0: no step was taken";
  if (y[0] === 0 && y[1] === 0) return "y = 0: the gradient did not change along s";
  return "the products of s and y leave the range of numbers";
}

/**
 * @param {Values} state
 * @param {Updates | null} result null where the state is faulty
 */
export function titleOf(state, result) {
  const fault = faultOf(state);
  if (fault || !result) return `No update: ${fault.split(/[:,] /)[0]}`;
  const { pair } = result.double;
  const why = skipped(state, pair);
  if (why) return "Nothing to learn from this pair: H stays";
  const [one, two] = [pair.theta1 < 1, pair.theta2 < 1];
  if (one && two) {
    return `Both steps acted: θ₁ = ${say(pair.theta1)} of s and θ₂ = ${say(pair.theta2)} of y kept`;
  }
  if (one) return `Powell's damping acted: θ₁ = ${say(pair.theta1)} of s kept, y as it was`;
  if (two) return `Step 2 acted: θ₂ = ${say(pair.theta2)} of y kept, s as it was`;
  return "A good pair: damping changed nothing";
}

/**
 * "0.03 < μ₁ = 0.2", also where rounding makes the two look alike.
 *
 * @param {number} ratio
 * @param {string} name
 * @param {number} mu
 */
function below(ratio, name, mu) {
  const close = say(ratio) === say(mu);
  return `${say(ratio)}${close ? " is just below" : " <"} ${name} = ${say(mu)}`;
}

/**
 * Which branch acted and why, and what became of the spectrum.
 *
 * @param {Values} state
 * @param {Updates | null} result null where the state is faulty
 */
export function sentenceOf(state, result) {
  const fault = faultOf(state);
  if (fault || !result) return fault;
  const { pair } = result.double;
  const why = skipped(state, pair);
  if (why) return `${why}, so nothing can be learned from the pair. The update is skipped, H⁺ = H.`;
  return `${actedOf(state, pair)} ${spectraOf(result)}`;
}

/**
 * @param {Values} state
 * @param {DampedPair} pair
 */
function actedOf({ mu1, mu2 }, pair) {
  const parts = [];
  const one = pair.theta1 < 1;
  if (one) {
    const negative = pair.ratio1_before < 0 ? " (negative curvature along s)" : "";
    parts.push(
      `sᵀy/yᵀHy = ${below(pair.ratio1_before, "μ₁", mu1)}${negative}: Powell's damping kept ` +
        `θ₁ = ${say(pair.theta1)} of s.`,
    );
  }
  if (pair.theta2 < 1) {
    parts.push(
      `${one ? "Then " : ""}s̃ᵀy/s̃ᵀs̃ = ${below(pair.ratio2_before, "μ₂", mu2)}: step 2 kept ` +
        `θ₂ = ${say(pair.theta2)} of y.`,
    );
    if (mu2 >= 0.95) parts.push("As μ₂ nears 1, ỹ becomes s̃ whatever y was.");
  }
  if (!parts.length) {
    parts.push(
      `sᵀy/yᵀHy = ${say(pair.ratio1_before)} ≥ μ₁ = ${say(mu1)} and sᵀy/sᵀs = ` +
        `${say(pair.ratio2_before)} ≥ μ₂ = ${say(mu2)}: a good pair, left as it is.`,
    );
  }
  return parts.join(" ");
}

/** @param {Updates} updates */
function spectraOf({ none, double }) {
  const text =
    `Double-damped H⁺ has eigenvalues ${say(double.low)} and ${say(double.high)}, certified ` +
    `to lie within ${say(double.pair_low)} … ${say(double.pair_high)}`;
  if (!none.changed) return `${text}; undamped there is no update, as it divides by sᵀy = 0.`;
  if (none.low < 0) {
    return `${text}; undamped it would be indefinite (${say(none.low)} and ${say(none.high)}).`;
  }
  if (double.pair.theta1 === 1 && double.pair.theta2 === 1) return `${text}.`;
  return `${text}; undamped they would be ${say(none.low)} and ${say(none.high)}.`;
}
