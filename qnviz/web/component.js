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
 * What is mounted.
 *
 * @template Data
 * @typedef {{ update(data: Data): unknown, destroy(): void }} View
 */

/**
 * Streamlit's default export: mounts a view at the first call for an element, updates it at later
 * ones, and destroys it when the element has gone.
 *
 * @template Data
 * @param {(root: HTMLElement, data: Data, latest: () => Call) => View<Data>} mount `latest` gives
 *   Streamlit's newest call, to report values by
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
      const latest = () => mounted.get(parentElement)?.call ?? call;
      const view = mount(element("div", "", parentElement), data, latest);
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
