"""A page with nothing but the drag view, and what it tells Python."""

import streamlit as st

from qnviz.ui.components.pair import pair
from tests.browser.pair_values import GOOD, PRESETS, STRONG

CASES = {
    "": GOOD,
    "s = 0": {**GOOD, "s": [0.0, 0.0]},
    "y = 0": {**GOOD, "y": [0.0, 0.0]},
    "both 0": {**GOOD, "s": [0.0, 0.0], "y": [0.0, 0.0]},
    "singular": {**GOOD, "H": [1.0, 1.0, 1.0]},
    "indefinite": {**GOOD, "H": [1.0, 2.0, 1.0]},
    "zero": {**GOOD, "H": [0.0, 0.0, 0.0]},
    "nan": {**GOOD, "s": [float("nan"), 1.0]},
    "mu2 = 1": {**GOOD, "mu2": 1.0},
    "mu2 near 1": {**GOOD, "y": [-0.7, 0.9], "mu2": 0.999},
    "orthogonal": {**GOOD, "s": [1.0, 0.5], "y": [-0.5, 1.0]},
    "small": {**GOOD, "s": [0.0012, 0.0004], "y": [0.0002, 0.0009]},
    "strong": STRONG,
    "negative": {**GOOD, "y": [-0.7, 0.9]},
}

st.set_page_config(layout="wide")
state = st.session_state
state.setdefault("pairs", [])
query = st.query_params
case = st.text_input("case", query.get("case", ""))
pin = st.checkbox("pin what was reported")
st.button("Rerun")
payload = {**CASES[case], "theme": query.get("theme", "light"), "presets": PRESETS,
           "note": query.get("note")}
if pin and state.pairs:
    payload |= state.pairs[-1]
pair(payload, key="pair", on_pair=lambda: state.pairs.append(state.pair.pair))
st.text(f"pairs={state.pairs}")
st.text(f"case={case}")
