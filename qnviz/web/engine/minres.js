// MINRES on H d = −g, ended by the same rules as conjugate gradients [Paige, Saunders 1975]: the twin
// of qnviz/curvature/minres.py, which has the formulas (1) to (4).

import { finite } from "./ends.js";
import { checked, firstReason, isFlat, rounding, scaled, STAGNATED, UNIT } from "./krylov.js";
import { hypot, norm } from "./plane.js";

/** Solve H d = −g. */
export const minres = scaled((k, system, g1, g2) => {
  const { eta, epsilon, budget, early, fixed } = system;
  const g_norm = norm(g1, g2);
  const goal = eta * g_norm;
  let [phi, beta, size, largest, drift, q] = [g_norm, 0, 0, 0, 0, 0];
  let [v1, v2] = phi > 0 ? [-g1 / phi, -g2 / phi] : [0, 0];
  let [v1_, v2_] = [0, 0]; // v, w, H w of one iteration before end in _, of two in __
  let [w1_, w2_, w1__, w2__] = [0, 0, 0, 0];
  let [Hw1_, Hw2_, Hw1__, Hw2__] = [0, 0, 0, 0];
  let [c, s, delta1, eps] = [-1, 0, 0, 0];
  for (let j = 0; j < budget; j++) {
    system.product(v1, v2);
    const { Hv1, Hv2 } = system;
    const alpha = v1 * Hv1 + v2 * Hv2; //                                                       (1)
    const y1 = Hv1 - alpha * v1 - beta * v1_;
    const y2 = Hv2 - alpha * v2 - beta * v2_;
    const beta1 = norm(y1, y2);
    const delta2 = c * delta1 + s * alpha;
    const gamma1 = s * delta1 - c * alpha; //                                                   (2)
    const rayleigh = fixed ? -c * gamma1 : alpha;
    const gamma2 = hypot(gamma1, beta1); //                                                (3)
    const [c1, s1] = [gamma1 / gamma2, beta1 / gamma2];
    const w1 = (v1 - delta2 * w1_ - eps * w1__) / gamma2; //                                    (4)
    const w2 = (v2 - delta2 * w2_ - eps * w2__) / gamma2;
    const Hw1 = (Hv1 - delta2 * Hw1_ - eps * Hw1__) / gamma2;
    const Hw2 = (Hv2 - delta2 * Hw2_ - eps * Hw2__) / gamma2;
    const tau = c1 * phi;
    const [d1, d2] = [k.d1 + tau * w1, k.d2 + tau * w2];
    const [Hd1, Hd2] = [k.Hd1 + tau * Hw1, k.Hd2 + tau * Hw2];
    const phi1 = s1 * phi;
    const gd = g1 * d1 + g2 * d2;
    const q1 = gd + 0.5 * (d1 * Hd1 + d2 * Hd2);

    size = Math.max(size, Math.abs(alpha) + beta + beta1);
    drift += UNIT * (size * norm(tau * w1, tau * w2) + phi1);
    let flat = isFlat(rayleigh, largest, norm(Hv1, Hv2), epsilon);
    largest = Math.max(largest, Math.abs(rayleigh));
    let rise = rayleigh > 0;
    let calm = q1 <= q + rounding(g_norm, d1, d2, Hd1, Hd2, drift) && gd < 0;
    if (!early) {
      flat = !(hypot(gamma1, c * beta1) > UNIT ** 0.75 * size) && phi > 0;
      rise = calm = phi > 0;
    }
    const known = finite(alpha) && finite(Hv1) && finite(Hv2);
    const sound = known && (finite(q1) || flat || phi === 0);
    const taken = sound && !flat && rise && calm;
    let end = firstReason(sound, flat, rise, calm, phi === 0, fixed);
    const small = taken && phi1 <= goal;
    let left = phi1;
    if (small && fixed) {
      left = checked(system, g1, g2, d1, d2, goal, left, drift);
      if (!(left <= goal)) end = STAGNATED;
    }
    k.iterations += 1;
    k.curvature.push(rayleigh * (phi * phi));
    k.rayleigh.push(rayleigh);
    k.alpha.push(alpha);
    k.beta.push(beta1);
    k.residual.push(taken ? left : NaN);
    k.model.push(taken ? q1 : NaN);
    if (taken) k.take(d1, d2, Hd1, Hd2);
    else if (j === 0 && phi !== 0) k.strip(-g1, -g2, sound, Hv1 * phi, Hv2 * phi);
    if (!taken || small) {
      k.reason = end;
      return;
    }
    [v1_, v2_, v1, v2] = [v1, v2, y1 / beta1, y2 / beta1];
    [w1__, w2__, w1_, w2_] = [w1_, w2_, w1, w2];
    [Hw1__, Hw2__, Hw1_, Hw2_] = [Hw1_, Hw2_, Hw1, Hw2];
    [eps, delta1, c, s] = [s * beta1, -c * beta1, c1, s1];
    [phi, q, beta] = [phi1, q1, beta1];
  }
});
