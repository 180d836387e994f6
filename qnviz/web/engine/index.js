// The engine: problems in the plane, computed where a finger moves.
//
// ES modules without dependencies, which know of no page: usable from a page, a worker, an exported
// file. Python is the truth; tests hold this to it.

import { STATUS as status } from "./ends.js";
import { EngineError as Refused } from "./errors.js";
import { Grid as OneGrid, grid as wholeGrid } from "./grid.js";
import { Race as OneRace, race as wholeRace } from "./race.js";
import { unable as why } from "./spec.js";

export const STATUS = status;
export const EngineError = Refused;
export const Race = OneRace;
export const race = wholeRace;
export const Grid = OneGrid;
export const grid = wholeGrid;
export const unable = why;
