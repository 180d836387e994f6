"""Pure functions from a Trace to Plotly figures; no torch, no Streamlit."""
