// Something mounted in an element, as a Streamlit component that outlives its calls.

import { element } from "./dom.js";

/** Streamlit's default export; `start(root, data, latest)` gives {update(data), destroy()}. */
export function lasting(start) {
  // by Streamlit's element, each with the component object of the latest call
  const mounts = new WeakMap();
  return (component) => {
    const { parentElement } = component;
    const data = JSON.parse(new TextDecoder().decode(component.data));
    let mount = mounts.get(parentElement);
    if (mount) {
      mount.component = component;
      mount.view.update(data);
    } else {
      mount = { component };
      mount.view = start(element("div", "", parentElement), data, () => mount.component);
      mounts.set(parentElement, mount);
    }
    // Streamlit also cleans up a call that a newer one overtook; the element then lives on.
    return () =>
      setTimeout(() => {
        if (parentElement.isConnected || mounts.get(parentElement) !== mount) return;
        mount.view.destroy();
        mounts.delete(parentElement);
      });
  };
}
