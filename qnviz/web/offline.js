// The player in a page of its own: the run's payload in both themes, and what run it is.
//
// On problems in the plane it holds the engine too: start and settings can be changed, and what was
// changed stands in the page's fragment, so that a changed page can be linked and reloaded.

import { element } from "./dom.js";
import { EngineError, Race, unable } from "./engine/index.js";
import { read, withEdit, written } from "./player/fragment.js";
import { Player } from "./player/player.js";

/** @import { Edit, PlayerPayload } from "./player/payload.d.ts" */

/**
 * What qnviz/export/html.py writes into the page.
 *
 * @typedef {object} Data
 * @property {"light" | "dark" | "auto"} theme in which the page opens
 * @property {Record<Theme, unknown>} payloads with references into the table
 * @property {unknown[]} table long texts and columns, which both themes share
 * @property {Record<"title" | "subtitle" | "problem" | "spec" | "made", string>
 *   & { methods: string[][] }} about
 *
 * @typedef {"light" | "dark"} Theme
 */

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
function byId(id) {
  const node = document.getElementById(id);
  if (!node) throw new Error(`the page has no #${id}`);
  return node;
}

const SOON_MS = 15; // between two looks whether pictures are drawn

/** @type {Data} */
const data = JSON.parse(byId("data").textContent ?? "");
window.QnvizPlotly = window.Plotly; // it stands in this very file

/**
 * A part of a payload with what stands in the table put back.
 *
 * @param {any} value
 * @returns {any}
 */
function restored(value) {
  if (Array.isArray(value)) return value.map(restored);
  if (!value || typeof value !== "object") return value;
  if ("@" in value) return data.table[value["@"]];
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, restored(item)]));
}

const system = window.matchMedia("(prefers-color-scheme: dark)");
const button = byId("theme");
/** @type {Map<Theme, PlayerPayload>} */
const payloads = new Map();
/** @type {Player | null} */
let player = null;
/** @type {Theme} */
let theme = "light";
let chosen = data.theme !== "auto";

/** @type {Edit} what was changed of the run */
let edit = {};
/** The fragment as it was read or written last. */
let fragment = "";

/**
 * A payload as it is to be shown: with the values that were changed, and as the answer to the change.
 *
 * @param {Theme} name
 */
function payloadOf(name) {
  const payload = payloads.get(name) ?? restored(data.payloads[name]);
  payloads.set(name, payload);
  const { handles } = payload;
  return {
    ...payload,
    handles: handles && !handles.waiting ? withEdit(handles, edit) : handles,
    answered: player?.live.serial,
  };
}

/** Show the run with what was changed of it. */
async function changed() {
  const known = edit;
  player?.update(payloadOf(theme));
  while (player?.busy) await new Promise((done) => setTimeout(done, SOON_MS));
  byId("changed").hidden = !written(known);
  if (!player || !written(known)) return;
  player.live.change(known);
  player.live.release();
}

/** What the fragment says was changed. */
function visit() {
  const text = window.location.hash.slice(1);
  const { handles } = payloadOf(theme);
  if (!handles || handles.waiting || text === fragment) return;
  fragment = text;
  const found = read(text, handles);
  edit = found.edit;
  byId("refused").textContent = found.refused.join(" ");
  changed();
}

/** @param {string} text */
function address(text) {
  fragment = text;
  window.history.replaceState(null, "", `#${text}`);
}

/** @param {Theme} name */
function show(name) {
  theme = name;
  document.documentElement.dataset.theme = name;
  const other = name === "dark" ? "Light" : "Dark";
  button.textContent = other;
  button.title = `${other} colours`;
  if (player) {
    changed();
    return;
  }
  player = new Player(byId("player"), payloadOf(name), {
    engine: { EngineError, Race, unable },
    onEdit(made) {
      edit = { ...made };
      delete edit.serial;
      byId("changed").hidden = false;
      address(written(edit));
    },
  });
}

button.addEventListener("click", () => {
  chosen = true;
  show(theme === "dark" ? "light" : "dark");
});
system.addEventListener("change", () => {
  if (!chosen) show(system.matches ? "dark" : "light");
});
if (data.theme !== "auto") show(data.theme);
else show(system.matches ? "dark" : "light");

for (const name of /** @type {const} */ (["title", "subtitle", "problem", "spec", "made"])) {
  byId(name).textContent = data.about[name];
}
byId("reset").addEventListener("click", () => {
  edit = {};
  address("");
  changed();
});
byId("hand").hidden = !payloadOf(theme).live;
window.addEventListener("hashchange", visit);
visit();
const body = document.querySelector("#methods tbody");
for (const [method, ...texts] of data.about.methods) {
  const line = element("tr", "", body);
  element("th", "", line, { scope: "row" }).textContent = method;
  for (const text of texts) element("td", "", line).textContent = text;
}
