"""A visitor's own images: checked, put into the data folder, chosen, and read as they say."""

from __future__ import annotations

import streamlit as st

from qnviz.errors import DataError
from qnviz.fields import parameters
from qnviz.problems.autoencoder import Autoencoder
from qnviz.problems.data import folder, readable, save_uploads, strip
from qnviz.ui.labs.page import Page
from qnviz.ui.state.controls import control
from qnviz.ui.state.form import plain

KINDS = "IDX, .npz, .npy, .mat, .csv; each may be packed with gzip"


def upload(page: Page) -> None:
    """A place to drop files; below it how the chosen one is read, and what may be changed."""
    st.file_uploader(f"Your images: {KINDS}", key="upload", on_change=_take, args=(page,),
                     max_upload_size=200, accept_multiple_files=True,
                     help="Arrays (N, height, width) or (N, pixels), or the other way round. Files "
                          "that make one set, such as images and labels, are dropped together.")
    st.caption(f"MNIST and FACES are read from files in `{folder().name}/` beside the app, or from "
               "here: drop MNIST's four files at once.")
    if readable(st.session_state[page.key("data")]):
        _reading(page)


def _reading(page: Page) -> None:
    """A file's images as they are read, in words and to look at, and the choices."""
    state = st.session_state
    chosen = {name: state[page.key(name)] for name in ("data", *Autoencoder.reads)}
    try:
        images = Autoencoder(**chosen).images()
    except DataError as error:
        st.warning(plain(str(error)))
    else:
        st.image(strip(images), width="stretch", output_format="PNG",
                 alt=f"Images of {images.name}, as they are read")
        for note in images.notes:
            st.caption(plain(note))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for q in parameters(Autoencoder):
            if q.name in Autoencoder.reads:
                control(q, page.key(q.name), in_row=True)


def _take(page: Page) -> None:
    """Files that were dropped at once make one set; those of before stay in the list."""
    state = st.session_state
    known = state.get("upload/known", ())
    state["upload/known"] = [file.file_id for file in state["upload"]]
    sent = [(f.name, f.getvalue()) for f in state["upload"] if f.file_id not in known]
    if not sent:
        return
    try:
        state[page.key("data")] = save_uploads(sent)
    except DataError as error:
        page.faults = (str(error),)
    else:
        page.reset_reading()
        page.faults = ()
