// All methods of the engine, by what a spec calls them.

import { Adam } from "./adam.js";
import { BFGS } from "./bfgs.js";
import { KBFGS } from "./kbfgs.js";
import { Nesterov } from "./nesterov.js";
import { RMSprop } from "./rmsprop.js";
import { SGD } from "./sgd.js";

/** @type {Record<string, typeof import("./method.js").Method>} */
export const METHODS = Object.fromEntries(
  [KBFGS, BFGS, SGD, Nesterov, Adam, RMSprop].map((method) => [method.method, method]),
);
