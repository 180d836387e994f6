// The drag view as a Streamlit component.

/** Mounted views by Streamlit's element, each with the component object of the latest call. */
const mounts = new WeakMap();

export default function (component) {
  const { parentElement } = component;
  const data = JSON.parse(new TextDecoder().decode(component.data));
  let mount = mounts.get(parentElement);
  if (mount) {
    mount.component = component;
    mount.pair.update(data);
  } else {
    mount = { component };
    mount.root = element("div", "", parentElement);
    mount.pair = mountPair(mount.root, data, (values) => mount.component.setStateValue("pair", values));
    mounts.set(parentElement, mount);
  }
  // Streamlit also cleans up a call that a newer one overtook; the element then lives on.
  return () => setTimeout(() => {
    if (parentElement.isConnected || mounts.get(parentElement) !== mount) return;
    mount.pair.destroy();
    mounts.delete(parentElement);
  });
}
