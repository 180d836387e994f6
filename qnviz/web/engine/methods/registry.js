// All methods of the engine, by what a spec calls them.

import { Adam } from "./adam.js";
import { BFGS } from "./bfgs.js";
import { CurveBall } from "./curveball.js";
import { KBFGS } from "./kbfgs.js";
import { KBFGSL } from "./kbfgs_l.js";
import { KFAC } from "./kfac.js";
import { LBFGS } from "./lbfgs.js";
import { LevenbergMarquardt } from "./levenberg_marquardt.js";
import { Nesterov } from "./nesterov.js";
import { Newton } from "./newton.js";
import { NewtonKrylov } from "./newton_krylov.js";
import { RMSprop } from "./rmsprop.js";
import { SGD } from "./sgd.js";

const ALL = [
  ...[KBFGS, KBFGSL, BFGS, LBFGS, KFAC],
  ...[CurveBall, NewtonKrylov, LevenbergMarquardt, Newton],
  ...[SGD, Nesterov, Adam, RMSprop],
];

/** @type {Record<string, typeof import("./method.js").Method>} */
export const METHODS = Object.fromEntries(ALL.map((method) => [method.method, method]));
