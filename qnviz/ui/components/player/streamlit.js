// The player as a Streamlit component.

export default lasting((root, data, latest) => mountPlayer(root, data, {
  onFrame: (frame) => latest().setStateValue("frame", frame),
  onStart: (point, name) => latest().setTriggerValue(name, point),
  onEvent: (event) => latest().setTriggerValue("event", event),
}));
