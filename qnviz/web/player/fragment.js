// What a hand changed of a run, in the fragment of a page without a server:
// #start=-1,0.5&noise=0.3&K-BFGS.lr=0.1. A bad value costs only itself.

import { read as typed } from "../scale.js";

/** @import { Edit, Field, RunSettings } from "./payload.d.ts" */

/**
 * An edit as a fragment, without its #.
 *
 * @param {Edit} edit
 */
export function written({ start, problem = {}, run = {}, entrants = {} }) {
  const fields = new URLSearchParams();
  if (start) fields.set("start", start.join(","));
  for (const [name, value] of Object.entries({ ...problem, ...run })) {
    fields.set(name, String(value));
  }
  for (const [label, values] of Object.entries(entrants)) {
    for (const [name, value] of Object.entries(values)) {
      fields.set(`${label}.${name}`, String(value));
    }
  }
  return fields.toString().replaceAll("%2C", ",");
}

/**
 * The edit of a fragment, and a sentence for all that is refused.
 *
 * @param {string} fragment without its #
 * @param {RunSettings} handles which fields there are, and what they take
 */
export function read(fragment, handles) {
  /** @type {Edit} */
  const edit = {};
  /** @type {string[]} */
  const refused = [];
  for (const [name, text] of new URLSearchParams(fragment)) {
    const dot = name.lastIndexOf(".");
    const owner = handles.entrants.find(({ label }) => label === name.slice(0, Math.max(dot, 0)));
    const fields = owner ? owner.fields : handles.run;
    const field = fields.find((each) => each.name === name.slice(dot + 1));
    if (name === "start") {
      const point = text.split(",").map(Number);
      if (point.length === 2 && text.trim() && point.every(Number.isFinite)) {
        edit.start = [point[0], point[1]];
      } else refused.push(`start is “${text}”, but must be two numbers, such as -1.2,1.`);
    } else if (!field) refused.push(`${name} is no setting of this run.`);
    else {
      const value = valueOf(field, text);
      if (value === null) refused.push(`${name} is “${text}”. ${refusal(field)}`);
      else place(edit, owner?.label ?? null, field, value);
    }
  }
  return { edit, refused };
}

/** @param {Field} field */
const refusal = (field) =>
  field.kind === "choice"
    ? `${field.name} must be one of ${field.options.map(([option]) => option).join(", ")}.`
    : field.refusal;

/**
 * A field's value; null where it does not take that.
 *
 * @param {Field} field
 * @param {string} text
 */
function valueOf(field, text) {
  if (field.kind === "choice") {
    return field.options.some(([option]) => option === text) ? text : null;
  }
  return typed(field, text);
}

/**
 * @param {Edit} edit
 * @param {string | null} label
 * @param {Field} field
 * @param {number | string} value
 */
function place(edit, label, field, value) {
  if (label !== null) {
    edit.entrants ??= {};
    edit.entrants[label] = { ...edit.entrants[label], [field.name]: value };
  } else if (field.of === "problem") edit.problem = { ...edit.problem, [field.name]: value };
  else edit.run = { ...edit.run, [field.name]: value };
}

/**
 * Handles that show what an edit says.
 *
 * @param {RunSettings} handles
 * @param {Edit} edit
 * @returns {RunSettings}
 */
export function withEdit(handles, { problem = {}, run = {}, entrants = {} }) {
  /** @param {Field[]} fields @param {Record<string, any>} values */
  const taken = (fields, values) => fields.map((field) => moved(field, values[field.name]));
  return {
    ...handles,
    entrants: handles.entrants.map((entrant) => ({
      ...entrant,
      fields: taken(entrant.fields, entrants[entrant.label] ?? {}),
    })),
    run: taken(handles.run, { ...problem, ...run }),
  };
}

/**
 * A field with another value, which its slider reaches.
 *
 * @param {Field} field
 * @param {any} value
 * @returns {Field}
 */
function moved(field, value) {
  if (value === undefined) return field;
  if (field.kind === "choice") return { ...field, value };
  const [first, last] = [Math.min(field.first, value), Math.max(field.last, value)];
  return { ...field, value, first, last };
}
