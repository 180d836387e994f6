// A payload as the player works with it: checked, decoded, and indexed by the playhead's frames.
//
// A *frame* is a tick of the playhead, an *index* is an entrant's own step at that tick.

import { decode } from "../columns.js";

/** @import { Numbers } from "../columns.js" */
/** @import { EntrantPayload, PlayerPayload } from "./payload.d.ts" */

/**
 * @typedef {ReturnType<typeof readEntrant>} Entrant
 * @typedef {ReturnType<typeof readModel>} Model
 */

/**
 * A model of nothing: what there is before the first payload.
 *
 * @type {Model}
 */
export const NOTHING = {
  label: "",
  unit: "",
  end: null,
  frames: new Float64Array(1),
  entrants: [],
  panels: [],
  rows: [],
  value: "",
};

/**
 * The last index whose clock is at most `value`, or 0 before the first.
 *
 * @param {ArrayLike<number>} clock
 * @param {number} value
 */
export function indexAt(clock, value) {
  // float32 clocks meet float64 playheads, so equal times may differ in the last bits.
  const limit = value + 1e-7 * Math.abs(value);
  let low = 0;
  let high = clock.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (clock[middle] <= limit) low = middle;
    else high = middle - 1;
  }
  return low;
}

/**
 * The payload, checked and decoded; its errors are sentences for the reader.
 *
 * @param {PlayerPayload} payload
 */
export function readModel(payload) {
  if (!payload || typeof payload !== "object") throw new Error("there is no payload");
  for (const name of /** @type {const} */ (["clock", "entrants", "panels", "rows"])) {
    if (!payload[name]) throw new Error(`the payload has no ${name}`);
  }
  const frames = decode(payload.clock.frames);
  if (!frames.length) throw new Error("the clock has no frames");
  const known = new Set(["@words", ...payload.panels.map((panel) => panel.id)]);
  const shown = payload.rows.flat();
  for (const id of shown) if (!known.has(id)) throw new Error(`a row names no panel: ${id}`);
  const entrants = payload.entrants.map((entrant) => readEntrant(entrant, frames));
  const panels = payload.panels.filter((panel) => shown.includes(panel.id));
  for (const panel of panels) {
    for (const option of [panel, ...(panel.choices ?? [])]) {
      const owners = [
        ...(option.heads ?? []),
        ...(option.strip?.rows ?? []),
        ...(option.cloud ? [option.cloud] : []),
      ];
      if (owners.some((owner) => !entrants[owner.entrant])) {
        throw new Error(`panel ${panel.id} shows something of no entrant`);
      }
    }
  }
  const { label, unit = "", end = null } = payload.clock;
  const value = payload.value ?? "Loss";
  return { label, unit, end, frames, entrants, panels, rows: payload.rows, value };
}

/**
 * @param {EntrantPayload} entrant
 * @param {Numbers} frames
 */
function readEntrant(entrant, frames) {
  const clock = decode(entrant.clock);
  const last = clock.length - 1;
  if (last < 0) throw new Error(`the clock of ${entrant.title} is empty`);
  const limit = clock[last] * (1 + 1e-7);
  return {
    ...entrant,
    clock,
    loss: decode(entrant.loss),
    last,
    index: Int32Array.from(frames, (value) => indexAt(clock, value)),
    // who is behind in a run that still grows has no end yet
    over: Uint8Array.from(frames, (value) => Number(Boolean(entrant.end) && value > limit)),
  };
}

/**
 * Which row of images or points an entrant shows at a frame.
 *
 * @param {Numbers} rows by step of the entrant
 * @param {Entrant} entrant
 * @param {number} frame
 */
export function rowAt(rows, entrant, frame) {
  return rows[Math.min(entrant.index[frame], rows.length - 1)];
}
