// CurveBall [Henriques, Ehrhardt, Albanie, Vedaldi 2018]: the twin of qnviz/methods/curveball.py.
//
//     Δz = Jᵀ(H_u J z + ∇_u f) + λ z                                              (1)
//     ⎡ β⎤        ⎡Δzᵀ Ĥ Δz   zᵀ Ĥ Δz⎤ ⁺ ⎡(JΔz)ᵀ ∇_u f⎤
//     ⎣−ρ⎦   =    ⎣zᵀ Ĥ Δz    zᵀ Ĥ z ⎦   ⎣(Jz)ᵀ ∇_u f ⎦                           (2)
//     z ← ρ z − β Δz,   W ← W + z                                                 (3)
//
// After steps 1, 6, 11, … λ follows the ratio of the true to the predicted change of f    (4).
// H_u is 2 for a sum of squares, and 0 for a plain function.

import { Eigen } from "../lapack.js";
import { norm } from "../plane.js";
import { Method } from "./method.js";

/** @import { Oracle } from "../oracle.js" */
/** @import { Surface } from "../problems/surface.js" */
/** @import { Settings, Summary } from "./method.js" */

const PERIOD = 5; // how often λ moves
const RATE = 0.999 ** PERIOD; // by which factor

export class CurveBall extends Method {
  static method = "curveball";
  static scalar = ["rho", "beta", "lam", "ratio", "z_norm"];
  /** @type {readonly Summary[]} */
  static summaries = [{ name: "momentum", how: "mean", value: (e) => e.rho }];

  lam0 = 1;
  /** @type {"gauss_newton" | "hessian" | "none"} */
  curvature = "gauss_newton";
  automatic = true;
  rho = 0;
  beta = 0;

  z1 = 0;
  z2 = 0;
  lam = 1;
  Jz = new Float64Array(0);
  Jdz = new Float64Array(0);
  system = new Eigen();
  events = { rho: 0, beta: 0, lam: 0, ratio: NaN, z_norm: 0 };
  model = NaN; // the predicted change of f

  /** @param {Settings} settings */
  configure({ lam, curvature, tuning, rho, beta }) {
    this.lam0 = lam;
    this.curvature = curvature;
    this.automatic = tuning === "automatic";
    this.rho = rho;
    this.beta = beta;
  }

  /**
   * @param {Oracle} oracle
   * @param {number} x1
   * @param {number} x2
   */
  init(oracle, x1, x2) {
    super.init(oracle, x1, x2);
    this.z1 = this.z2 = 0;
    this.lam = this.lam0;
    const { outputs } = oracle.surface;
    if (this.Jz.length !== outputs) {
      this.Jz = new Float64Array(outputs);
      this.Jdz = new Float64Array(outputs);
    }
  }

  /** @param {Oracle} oracle */
  step(oracle) {
    const { z1, z2, lam, curvature, events: e } = this;
    const hessian = curvature === "hessian";
    const surface = hessian
      ? oracle.curvature(this.x1, this.x2)
      : oracle.gradient(this.x1, this.x2);
    const { f, g1, g2 } = surface;
    oracle.charge(hessian ? 7 : 1);
    surface.jvp(z1, z2, this.Jz);
    this.bend(surface);
    const [Bz1, Bz2] = curvature === "none" ? [0, 0] : [surface.p1, surface.p2];
    let [dz1, dz2] = [Bz1 + lam * z1, Bz2 + lam * z2]; //                                       (1)
    if (curvature !== "gauss_newton") {
      dz1 += g1;
      dz2 += g2;
    }
    if (this.automatic) this.tune(oracle, dz1, dz2, Bz1, Bz2);
    else {
      e.beta = this.beta;
      e.rho = this.rho;
    }
    this.z1 = e.rho * z1 - e.beta * dz1;
    this.z2 = e.rho * z2 - e.beta * dz2; //                                                     (3)
    this.x1 += this.z1;
    this.x2 += this.z2;
    e.ratio = NaN;
    if (this.automatic && this.k % PERIOD === 0) {
      e.ratio = (oracle.value(this.x1, this.x2) - f) / this.model;
      if (e.ratio < 0.5) this.lam = lam / RATE;
      else if (e.ratio > 1.5) this.lam = lam * RATE; //                                         (4)
    }
    e.lam = this.lam;
    e.z_norm = norm(this.z1, this.z2);
    this.k += 1;
  }

  /**
   * Ĥz without λ (with the gradient already in it for Gauss-Newton), to `p1` and `p2`.
   *
   * @param {Surface} surface
   */
  bend(surface) {
    const { Jz, Jdz: w } = this;
    if (this.curvature === "hessian") surface.hessianVector(this.z1, this.z2);
    else if (this.curvature === "gauss_newton") {
      for (let i = 0; i < w.length; i++) w[i] = 2 * Jz[i] + 2 * surface.u[i];
      surface.vjp(w);
    }
  }

  /**
   * β and ρ of (2), and the predicted change −½ [β, −ρ]·b of f.
   *
   * @param {Oracle} oracle
   * @param {number} dz1
   * @param {number} dz2
   * @param {number} Bz1
   * @param {number} Bz2
   */
  tune(oracle, dz1, dz2, Bz1, Bz2) {
    const { z1, z2, lam, Jz, Jdz, system, events: e } = this;
    const { surface } = oracle;
    const { squares, u } = surface;
    oracle.charge(1);
    surface.jvp(dz1, dz2, Jdz);
    let [a11, a12, a22] = [0, 0, 0];
    if (this.curvature === "gauss_newton") {
      for (let i = 0; i < u.length; i++) {
        a11 += Jdz[i] * (2 * Jdz[i]);
        a12 += Jz[i] * (2 * Jdz[i]);
        a22 += Jz[i] * (2 * Jz[i]);
      }
    } else if (this.curvature === "hessian") {
      oracle.charge(6);
      surface.hessianVector(dz1, dz2);
      a11 = dz1 * surface.p1 + dz2 * surface.p2;
      a12 = z1 * surface.p1 + z2 * surface.p2;
      a22 = z1 * Bz1 + z2 * Bz2;
    }
    a11 += lam * (dz1 * dz1 + dz2 * dz2);
    a12 += lam * (z1 * dz1 + z2 * dz2);
    a22 += lam * (z1 * z1 + z2 * z2);
    let [b1, b2] = [0, 0];
    for (let i = 0; i < u.length; i++) {
      const df = squares ? 2 * u[i] : 1;
      b1 += Jdz[i] * df;
      b2 += Jz[i] * df;
    }
    // Δz and z differ in size by orders of magnitude: scaled to a unit diagonal, the threshold of the
    // pseudo-inverse tells parallel from unequal directions; the step is the same
    const D1 = Math.abs(a11) > 0 ? 1 / Math.sqrt(Math.abs(a11)) : 1;
    const D2 = Math.abs(a22) > 0 ? 1 / Math.sqrt(Math.abs(a22)) : 1;
    system.of(D1 * a11 * D1, D2 * a12 * D1, D2 * a22 * D2).pseudoSolve(D1 * b1, D2 * b2);
    e.beta = D1 * system.x1;
    e.rho = -(D2 * system.x2);
    this.model = -0.5 * (e.beta * b1 - e.rho * b2);
  }
}
