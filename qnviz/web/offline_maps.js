// Maps in a page of their own. On problems in the plane it holds the engine too: the maps follow
// settings that are dragged, and what was changed stands in the page's fragment.

import { Maps } from "./map/maps.js";
import { read, written } from "./map/fragment.js";
import { byId, Fragment, OfflinePage } from "./offline_page.js";

/** @import { MapEdit, MapsPayload } from "./map/payload.d.ts" */

/** @type {OfflinePage<MapsPayload>} */
const page = new OfflinePage(show);
/** @type {Maps | null} */
let maps = null;
/** @type {MapEdit} what was changed since the maps were saved */
let edit = {};
/** @type {MapsPayload["open"]} the run that is shown */
let open = page.data.about.open;

/** The engine's scripts stand in this very file; a worker and a module need an address. */
const scripts = ["engine", "worker"].map((id) =>
  URL.createObjectURL(new Blob([byId(id).textContent ?? ""], { type: "text/javascript" })),
);

function show() {
  const { live, ...rest } = page.payload;
  const [engine, worker] = scripts;
  const payload = { ...rest, open, live: live && { ...live, engine, worker } };
  if (maps) {
    maps.update(payload);
    return;
  }
  maps = new Maps(byId("maps"), payload, {
    open: () => {}, //                            no server is here that could open a run
    pin: (place) => {
      open = place.length ? place : null;
      remember();
    },
    edit: (made) => {
      edit = made;
      remember();
    },
  });
}

function remember() {
  byId("changed").hidden = !Object.keys(edit).length;
  fragment.write(written(edit, open));
}

const fragment = new Fragment((text) => {
  const found = read(text, page.payload);
  ({ edit, open } = found);
  byId("refused").textContent = found.refused.join(" ");
  byId("changed").hidden = !Object.keys(edit).length;
  show();
  if (maps) maps.live.edit = edit;
});

page.begin();
fragment.visit();
byId("hand").hidden = !page.payload.live;
byId("reset").addEventListener("click", () => {
  edit = {};
  remember();
  if (maps) maps.live.edit = {};
  show();
});

const { about } = page.data;
for (const name of ["title", "spec", "made"]) byId(name).textContent = about[name];
