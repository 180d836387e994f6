// The share view as a Streamlit component.

export default lasting((root) => mountShare(root));
