// The maps as a Streamlit component.

export default lasting((root, data, latest) => (
  mountMaps(root, data, (cell) => latest().setTriggerValue("open", cell))));
