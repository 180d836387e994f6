// All methods of the engine, by what a spec calls them.

import { KBFGS } from "./kbfgs.js";
import { SGD } from "./sgd.js";

/** @type {Record<string, typeof import("./method.js").Method>} */
export const METHODS = Object.fromEntries([KBFGS, SGD].map((method) => [method.method, method]));
