"""The frame around all pages, and their list: one line per page."""

from pathlib import Path

import streamlit as st

from qnviz.paths import ASSETS, PAGES
from qnviz.ui.frame.theme import follow
from qnviz.ui.state.session import stay

STYLE = Path(__file__).with_name("style.css").read_text(encoding="utf-8")


def page(file: str, title: str, **more) -> st.Page:
    """One page; its address is its file's name."""
    return st.Page(PAGES / f"{file}.py", title=title, url_path=file, **more)


st.set_page_config(page_title="qnviz", page_icon=str(ASSETS / "icon.svg"),
                   layout="wide", initial_sidebar_state="collapsed")
st.html(f"<style>{STYLE}</style>")
here = st.navigation({
    "": [page("race", "Race", default=True),
         page("lessons", "Lessons"),
         page("methods", "Methods")],
    "Labs": [page("rosenbrock", "Rosenbrock"),
             page("linear_net", "Linear net"),
             page("autoencoder", "Autoencoder"),
             page("function", "Your function"),
             page("open", "Open a run")],
    "Mechanisms": [page("damping", "Double damping"),
                   page("krylov", "Krylov"),
                   page("complex_step", "Complex step")],
    "Many runs": [page("atlas", "Atlas"),
                  page("basins", "Basins"),
                  page("scoreboard", "Scoreboard")],
}, position="top")
if here.url_path != "lessons":                 # which has a headline of its own
    st.html(f'<h1 class="qnviz-page-name">{here.title}</h1>')
with st.container(key="unseen", gap=None):
    stay()
    follow()
here.run()
