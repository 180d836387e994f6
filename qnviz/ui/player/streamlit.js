// The player as a Streamlit component.

/** Mounted players by Streamlit's element, each with the component object of the latest call. */
const mounts = new WeakMap();

export default function (component) {
  const { parentElement } = component;
  const data = JSON.parse(new TextDecoder().decode(component.data));
  let mount = mounts.get(parentElement);
  if (mount) {
    mount.component = component;
    mount.player.update(data);
  } else {
    mount = { component };
    mount.root = element("div", "", parentElement);
    mount.player = mountPlayer(mount.root, data, {
      onFrame: (frame) => mount.component.setStateValue("frame", frame),
      onStart: (point, name) => mount.component.setTriggerValue(name, point),
      onEvent: (event) => mount.component.setTriggerValue("event", event),
    });
    mounts.set(parentElement, mount);
  }
  // Streamlit also cleans up a call that a newer one overtook; the element then lives on.
  return () => setTimeout(() => {
    if (parentElement.isConnected || mounts.get(parentElement) !== mount) return;
    mount.player.destroy();
    mounts.delete(parentElement);
  });
}
