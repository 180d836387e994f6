// Something mounted in an element, as a Streamlit component that outlives its calls.

import { element } from "./dom.js";

/**
 * What Streamlit hands to a component's default export.
 *
 * @typedef {object} Call
 * @property {HTMLElement} parentElement
 * @property {BufferSource} data JSON, as bytes
 * @property {(name: string, value: unknown) => void} setStateValue
 * @property {(name: string, value: unknown) => void} setTriggerValue
 */

/**
 * What reports values, by the newest call.
 *
 * @typedef {Pick<Call, "setStateValue" | "setTriggerValue">} Reports
 */

/**
 * What is mounted.
 *
 * @template Data
 * @typedef {{ update(data: Data): unknown, destroy(): void }} View
 */

/**
 * Report a value at once. Streamlit sends it in a timer; if the visitor's Back came before that, a part
 * of the page that is left would run upon the one that was come to, and the browser would lose both.
 *
 * @param {() => void} report
 */
function atOnce(report) {
  const { setTimeout } = window;
  /** @type {(() => void)[]} */
  const due = [];
  window.setTimeout = /** @type {typeof setTimeout} */ (
    /** @param {() => void} action */ (action) => due.push(action)
  );
  try {
    report();
  } finally {
    window.setTimeout = setTimeout;
  }
  for (const action of due) action();
}

/**
 * Streamlit's default export: mounts a view at the first call for an element, updates it at later
 * ones, and destroys it when the element has gone.
 *
 * @template Data
 * @param {(root: HTMLElement, data: Data, streamlit: Reports) => View<Data>} mount
 * @returns {(call: Call) => () => void}
 */
export function persistent(mount) {
  /** @type {WeakMap<HTMLElement, { call: Call, view: View<Data> }>} */
  const mounted = new WeakMap();
  return (call) => {
    const { parentElement } = call;
    const data = JSON.parse(new TextDecoder().decode(call.data));
    const known = mounted.get(parentElement);
    if (known) {
      known.call = call;
      known.view.update(data);
    } else {
      const newest = () => mounted.get(parentElement)?.call ?? call;
      /** @type {Reports} */
      const reports = {
        setStateValue: (name, value) => atOnce(() => newest().setStateValue(name, value)),
        setTriggerValue: (name, value) => atOnce(() => newest().setTriggerValue(name, value)),
      };
      const view = mount(element("div", "", parentElement), data, reports);
      mounted.set(parentElement, { call, view });
    }
    const ours = mounted.get(parentElement);
    // Streamlit also cleans up a call that a newer one overtook; the element then lives on.
    return () => {
      setTimeout(() => {
        if (parentElement.isConnected || mounted.get(parentElement) !== ours) return;
        ours?.view.destroy();
        mounted.delete(parentElement);
      });
    };
  };
}
