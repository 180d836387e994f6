"""A visitor's own images: checked, put into the data folder, and chosen."""

from __future__ import annotations

import streamlit as st

from qnviz.errors import DataError
from qnviz.problems.data import folder, save_upload


def upload(key_of_data: str, complaint: str) -> None:
    """A place to drop a file; what is wrong with it is kept under `complaint` to be shown."""
    st.file_uploader("Your images: IDX (gz or not), .npz, .npy or .mat", key="upload",
                     on_change=_take, args=(key_of_data, complaint), max_upload_size=200,
                     help="One array (N, height, width) or (N, pixels), values 0 … 1 or 0 … 255.")
    st.caption(f"MNIST and FACES are read from files in `{folder().name}/` beside the app, or from "
               "here: drop MNIST's four files one after the other.")


def _take(key_of_data: str, complaint: str) -> None:
    file = st.session_state["upload"]
    if file is None:
        return
    try:
        st.session_state[key_of_data] = save_upload(file.name, file.getvalue())
        st.session_state[complaint] = ()
    except DataError as error:
        st.session_state[complaint] = (str(error),)
