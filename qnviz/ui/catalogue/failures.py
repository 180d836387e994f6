"""The run in which a method fails, as its lab holds it and as a link."""

from __future__ import annotations

import streamlit as st

from qnviz.methods.base import Method
from qnviz.problems.registry import PROBLEMS
from qnviz.ui.state.defaults import LABS
from qnviz.ui.state.form import plain
from qnviz.ui.state.links import lab_page
from qnviz.ui.state.settings import Settings, write_query

SHOWN = {"diverged": "See it diverge", "slow": "See it fall behind", "stalls": "See it stall",
         "jumps": "See it jump"}


def failing(method: type[Method]) -> Settings:
    """The state of a lab in which a method fails; the method is the first entrant."""
    f, name = method.failure, method.model_fields["name"].default
    entrants = {name: dict(f.settings)}
    for other in f.beside:
        chosen = dict(other)
        kind = chosen.pop("name")
        twins = sum(e.partition("~")[0] == kind for e in entrants)
        entrants[f"{kind}~{twins + 1}" if twins else kind] = chosen
    # whole, as a lab's own defaults are not those of the problem
    problem = PROBLEMS[f.problem["name"]].model_validate(f.problem).model_dump()
    return Settings(problem, entrants, steps=f.steps, seed=f.seed)


def link_to_failure(method: type[Method]) -> None:
    """A link to the lab in which a method can be seen failing."""
    s = failing(method)
    name = s.problem["name"]
    first, *others = s.entrants
    st.page_link(lab_page(name), label=f"{SHOWN[method.failure.shows]} in the lab",
                 query_params=write_query(s, LABS[name]), icon=":material/play_arrow:")
    beside = " and ".join(s.title(e) for e in others)
    st.caption(plain(f"{s.title(first)}, beside {beside}, on {PROBLEMS[name].title}."))
