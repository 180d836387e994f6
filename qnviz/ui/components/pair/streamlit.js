// The drag view as a Streamlit component.

export default lasting((root, data, latest) => (
  mountPair(root, data, (values) => latest().setStateValue("pair", values))));
