// The share view as a Streamlit component.

export default lasting((root, data) => mountShare(root, data));
