// What a first visit does not show yet need not hold up what it shows: wait for the pictures.

import { persistent } from "../component.js";

const POLL_MS = 100;
const LONGEST_MS = 5000;

/**
 * @param {HTMLElement} root
 * @param {() => void} ready called once the pictures are drawn, or have taken too long
 */
function mountLater(root, ready) {
  root.dataset.qnvizLater = "";
  const began = performance.now();
  let timer = 0;
  const poll = () => {
    const drawn = document.querySelector("[data-qnviz-player][data-ready=true]");
    if (drawn || performance.now() - began > LONGEST_MS) ready();
    else timer = window.setTimeout(poll, POLL_MS);
  };
  poll();
  return { update: () => {}, destroy: () => clearTimeout(timer) };
}

export default persistent((root, _, streamlit) =>
  mountLater(root, () => streamlit.setTriggerValue("ready", true)),
);
