// What a hand changed of maps, in the fragment of a page without a server:
// #left.lr=0.1&noise=0.5&start=-1,1&open=0,-1.5,2,0. A bad value costs only itself.

import { read as typed } from "../scale.js";
import { SIDES } from "./live.js";

/** @import { MapEdit, MapsPayload } from "./payload.d.ts" */

/**
 * An edit, and the run that is shown, as a fragment without its #.
 *
 * @param {MapEdit} edit
 * @param {MapsPayload["open"]} open
 */
export function written({ noise, seed, start, ...sides }, open) {
  const fields = new URLSearchParams();
  if (noise !== undefined) fields.set("noise", String(noise));
  if (seed !== undefined) fields.set("seed", String(seed));
  if (start) fields.set("start", start.join(","));
  for (const side of SIDES) {
    for (const [name, value] of Object.entries(sides[side] ?? {})) {
      fields.set(`${side}.${name}`, String(value));
    }
  }
  if (open) fields.set("open", open.join(","));
  return fields.toString().replaceAll("%2C", ",");
}

/**
 * The edit of a fragment, the run that it shows, and a sentence for all that is refused.
 *
 * @param {string} fragment without its #
 * @param {MapsPayload} payload which fields there are, and what they take
 */
export function read(fragment, { fields, maps, open: saved }) {
  /** @type {MapEdit} */
  const edit = {};
  /** @type {string[]} */
  const refused = [];
  let open = saved;
  for (const [name, text] of new URLSearchParams(fragment)) {
    const parts = text.split(",");
    const numbers = parts.map((part) => (part.trim() ? Number(part) : NaN));
    const [side, own] = name.includes(".") ? name.split(".") : ["", name];
    const place = SIDES.findIndex((each) => each === side);
    const known = place < 0 ? fields : (maps[place]?.fields ?? []);
    const wanted = name === "start" ? ["start.0", "start.1"] : [own];
    const found = wanted.map((each) => known.find((field) => field.name === each));
    if (name === "open" && opens(numbers, maps.length)) {
      open = [numbers[0], numbers[1], numbers[2], numbers[3]];
    } else if (!found.every((field, i) => field && typed(field, parts[i] ?? "") !== null)) {
      const why = found[0]?.refusal ?? "There is no such setting here.";
      refused.push(`${name} is “${text}”. ${why}`);
    } else if (name === "start") edit.start = [numbers[0], numbers[1]];
    else if (name === "noise" || name === "seed") edit[name] = numbers[0];
    else if (place >= 0) edit[SIDES[place]] = { ...edit[SIDES[place]], [own]: numbers[0] };
  }
  return { edit, open, refused };
}

/**
 * Whether numbers are a map, a place of it, and a seed.
 *
 * @param {number[]} numbers
 * @param {number} count of maps
 */
function opens(numbers, count) {
  const [map, x, y, seed] = numbers;
  const whole = [map, seed].every((n) => Number.isInteger(n) && n >= 0);
  return numbers.length === 4 && whole && map < count && Number.isFinite(x + y);
}
