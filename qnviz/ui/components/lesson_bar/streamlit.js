// The bar as a Streamlit component.

export default lasting((root, data, latest) => (
  mountBar(root, data, (wish) => latest().setTriggerValue("ask", wish))));
