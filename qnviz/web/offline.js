// The player in a page of its own: the run's payload in both lights, and what run it is.

import { element } from "./dom.js";
import { mountPlayer } from "./player/player.js";

const data = JSON.parse(document.getElementById("data").textContent);
window.QnvizPlotly = window.Plotly; // it stands in this very file

/** A payload whose long columns stand once in a table that both lights share. */
function restored(value) {
  if (Array.isArray(value)) return value.map(restored);
  if (!value || typeof value !== "object") return value;
  if ("@" in value) return data.table[value["@"]];
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, restored(item)]));
}

const system = window.matchMedia("(prefers-color-scheme: dark)");
const payloads = {};
let [light, chosen, view] = [null, data.theme !== "auto", null];

function show(name) {
  light = name;
  document.documentElement.dataset.theme = name;
  const other = name === "dark" ? "Light" : "Dark";
  const button = document.getElementById("light");
  button.textContent = other;
  button.title = `${other} colours`;
  payloads[name] ??= restored(data.payloads[name]);
  if (view) view.update(payloads[name]);
  else view = mountPlayer(document.getElementById("player"), payloads[name]);
}

document.getElementById("light").addEventListener("click", () => {
  chosen = true;
  show(light === "dark" ? "light" : "dark");
});
system.addEventListener("change", () => {
  if (!chosen) show(system.matches ? "dark" : "light");
});
if (chosen) show(data.theme);
else show(system.matches ? "dark" : "light");

for (const name of ["title", "subtitle", "problem", "spec", "made"]) {
  document.getElementById(name).textContent = data.about[name];
}
const body = document.querySelector("#methods tbody");
for (const row of data.about.methods) {
  const line = element("tr", "", body);
  row.forEach((text, k) => {
    element(k ? "td" : "th", "", line, k ? {} : { scope: "row" }).textContent = text;
  });
}
