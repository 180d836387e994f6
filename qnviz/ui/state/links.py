"""From a cell of a map to its run in a lab, by the address that the lab itself would write."""

from __future__ import annotations

from typing import Any, NoReturn

import streamlit as st

from qnviz.fields import parameters
from qnviz.paths import PAGES
from qnviz.runs.spec import RunSpec
from qnviz.ui.state.defaults import HOMES
from qnviz.ui.state.settings import Settings, base, write_query


def lab_page(name: str) -> Any:
    """The page of a problem's lab; Streamlit knows it by its address."""
    return st.Page(PAGES / f"{name}.py", url_path=name)


def lab_query(run: RunSpec) -> dict[str, str]:
    """A run as its lab's address; what stands as in the lab is left out."""
    return write_query(lab_settings(run), HOMES[run.problem.name])


def lab_settings(run: RunSpec) -> Settings:
    """A run as its lab would hold it; of a second entrant of a method the lab makes a twin."""
    entrants: dict[str, dict[str, Any]] = {}
    for method in run.methods:
        twins = sum(base(e) == method.name for e in entrants)
        entrants[f"{method.name}~{twins + 1}" if twins else method.name] = {
            q.name: getattr(method, q.name) for q in parameters(type(method))}
    return Settings(run.problem.model_dump(), entrants, steps=run.steps, seed=run.seed,
                    stop_loss=run.stop_loss or 0.0)


def open_run(run: RunSpec) -> NoReturn:
    """Go to a run in its lab."""
    st.switch_page(lab_page(run.problem.name), query_params=lab_query(run))


def link_to(run: RunSpec, label: str) -> None:
    """A link to a run in its lab."""
    st.page_link(lab_page(run.problem.name), label=label, query_params=lab_query(run))
