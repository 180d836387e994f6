// The player in a page of its own: the run's payload in both themes, and what run it is.
//
// On problems in the plane it holds the engine too: start and settings can be changed, and what was
// changed stands in the page's fragment, so that a changed page can be linked and reloaded.

import { element } from "./dom.js";
import { EngineError, Race, unable } from "./engine/index.js";
import { byId, Fragment, OfflinePage } from "./offline_page.js";
import { read, withEdit, written } from "./player/fragment.js";
import { Player } from "./player/player.js";

/** @import { Edit, PlayerPayload } from "./player/payload.d.ts" */

const SOON_MS = 15; // between two looks whether pictures are drawn

/** @type {OfflinePage<PlayerPayload>} */
const page = new OfflinePage(show);
/** @type {Player | null} */
let player = null;
/** @type {Edit} what was changed of the run */
let edit = {};

/** The payload as it is to be shown: with the values that were changed, and as the answer to them. */
function payload() {
  const { handles, ...rest } = page.payload;
  const moved = handles && !handles.waiting ? withEdit(handles, edit) : handles;
  return { ...rest, handles: moved, answered: player?.live.serial };
}

function show() {
  if (player) {
    changed();
    return;
  }
  player = new Player(byId("player"), payload(), {
    engine: { EngineError, Race, unable },
    onEdit(made) {
      edit = { ...made };
      delete edit.serial;
      byId("changed").hidden = false;
      fragment.write(written(edit));
    },
  });
}

/** Show the run with what was changed of it. */
async function changed() {
  const known = edit;
  player?.update(payload());
  while (player?.busy) await new Promise((done) => setTimeout(done, SOON_MS));
  byId("changed").hidden = !written(known);
  if (!player || !written(known)) return;
  player.live.change(known);
  player.live.release();
}

const fragment = new Fragment((text) => {
  const { handles } = page.payload;
  if (!handles || handles.waiting) return;
  const found = read(text, handles);
  edit = found.edit;
  byId("refused").textContent = found.refused.join(" ");
  changed();
});

page.begin();
fragment.visit();
byId("hand").hidden = !page.payload.live;
byId("reset").addEventListener("click", () => {
  edit = {};
  fragment.write("");
  changed();
});

const { about } = page.data;
for (const name of ["title", "subtitle", "problem", "spec", "made"]) {
  byId(name).textContent = about[name];
}
const body = document.querySelector("#methods tbody");
for (const [method, ...texts] of about.methods) {
  const line = element("tr", "", body);
  element("th", "", line, { scope: "row" }).textContent = method;
  for (const text of texts) element("td", "", line).textContent = text;
}
