// The player in a page of its own: the run's payload in both themes, and what run it is.

import { element } from "./dom.js";
import { Player } from "./player/player.js";

/** @import { PlayerPayload } from "./player/payload.d.ts" */

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

/** @param {Theme} name */
function show(name) {
  theme = name;
  document.documentElement.dataset.theme = name;
  const other = name === "dark" ? "Light" : "Dark";
  button.textContent = other;
  button.title = `${other} colours`;
  const payload = payloads.get(name) ?? restored(data.payloads[name]);
  payloads.set(name, payload);
  if (player) player.update(payload);
  else player = new Player(byId("player"), payload);
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
const body = document.querySelector("#methods tbody");
for (const [method, ...texts] of data.about.methods) {
  const line = element("tr", "", body);
  element("th", "", line, { scope: "row" }).textContent = method;
  for (const text of texts) element("td", "", line).textContent = text;
}
