// What a first visit does not show yet need not hold up what it shows: wait for the pictures.

import { lasting } from "../component.js";

const LOOK_MS = 100;
const LONGEST_MS = 5000;

function mountLater(root, data, ready) {
  root.dataset.qnvizLater = "";
  const began = performance.now();
  let next = null;
  const look = () => {
    const drawn = document.querySelector("[data-qnviz-player]")?.dataset.ready === "true";
    if (drawn || performance.now() - began > LONGEST_MS) ready();
    else next = setTimeout(look, LOOK_MS);
  };
  look();
  return { update: () => {}, destroy: () => clearTimeout(next) };
}

export default lasting((root, data, latest) =>
  mountLater(root, data, () => latest().setTriggerValue("ready", true)),
);
