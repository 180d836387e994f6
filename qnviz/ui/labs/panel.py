"""The controls of a lab: the problem in one row, presets and the list of methods in another.

A method's own settings are handles at its chip, in the player (`runs/handles.py`).
"""

from __future__ import annotations

import streamlit as st

from qnviz.fields import parameters
from qnviz.methods.registry import METHODS
from qnviz.problems.registry import PROBLEMS
from qnviz.runs.handles import SEED
from qnviz.ui.labs.page import Page
from qnviz.ui.state import widgets
from qnviz.ui.state.controls import control
from qnviz.ui.state.form import NARROW
from qnviz.ui.state.settings import AXES, LIMITS, base

WIDE = 440                                     # pixels of a popover that is read


def controls(page: Page) -> None:
    """Draw all controls."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="problem"):
        _problem(page)
        if page.lab.data:
            with st.popover("Your data"), st.container(width=NARROW):
                page.lab.data(page)
        with st.popover("More"), st.container(width=NARROW):
            _more(page)
    with st.container(horizontal=True, key="entrants"):
        if page.lab.explain:
            with st.popover("Explain"), st.container(width=WIDE):
                st.markdown(page.lab.explain)
        with st.popover("Presets"), st.container(width=NARROW):
            for title, preset in page.lab.presets.items():
                st.button(title, on_click=page.jump, args=(preset,), width="stretch",
                          type="tertiary")
        _choose(page)


# --- the problem and the run ----------------------------------------------------------------------

def _problem(page: Page) -> None:
    model = PROBLEMS[page.on]
    if len(page.labs) > 1:
        widgets.choice("problem", list(page.labs), key=page.on_key, width=140,
                       format_func=lambda n: n.replace("_", " "))
    for q in parameters(model):
        if q.name not in model.rare and q.name not in model.reads:
            control(q, page.key(q.name), in_row=True, then=page.reset_reading)
    if model.plane:
        for i in (0, 1):
            widgets.number(f"start ${model.axes[i]}$", -model.reach, model.reach,
                           step=0.05, format="%.4g", key=page.key(f"start.{i}"), width=120,
                           help="Or click the surface.")
        _seed(page)
    widgets.segments("axis", AXES, key=page.key("axis"),
                     help="Compare by iterations alone and costly steps look cheap. "
                     "Work counts forward passes of the batch.")


def _more(page: Page) -> None:
    """What is seldom changed."""
    model = PROBLEMS[page.on]
    for q in parameters(model):
        if q.name in model.rare:
            control(q, page.key(q.name))
    if not model.plane:
        _seed(page)
    widgets.number("steps", 1, LIMITS["steps"], step=50, key=page.key("steps"))
    widgets.number("stop at loss", 0.0, LIMITS["stop_loss"], format="%.3g",
                   key=page.key("stop_loss"), help="A method that reaches this loss has "
                   "converged and stops; 0 lets it run on.")
    if not model.plane:
        _plane(page)


def _seed(page: Page) -> None:
    widgets.number("seed", 0, LIMITS["seed"], step=1, key=page.key("seed"), width=120,
                   help=SEED.help)


def _plane(page: Page) -> None:
    """Which directions span the plane of the paths."""
    state, entrants = st.session_state, list(st.session_state[page.key("m")])
    chosen = [e for e in state[page.key("ends")] if e in entrants]
    state[page.key("ends")] = tuple(chosen) if len(chosen) == 2 else ()
    picked = [e for e in state.get(page.key("pick_ends"), ()) if e in entrants]
    widgets.several("Draw the plane through the ends of two methods", entrants,
                    picked if len(picked) < 2 and not chosen else chosen,
                    key=page.key("pick_ends"), then=_picked_ends, args=(page,),
                    draw=st.multiselect, max_selections=2, format_func=page.settings.title,
                    placeholder="their principal components",
                    help="It contains the start and the two points where they ended.")


def _picked_ends(page: Page) -> None:
    chosen = tuple(st.session_state[page.key("pick_ends")])
    st.session_state[page.key("ends")] = chosen if len(chosen) == 2 else ()


# --- the methods ----------------------------------------------------------------------------------

def _choose(page: Page) -> None:
    """Which methods take part, in the registry's order; a twin to compare settings."""
    chosen = [base(e) for e in st.session_state[page.key("m")]]
    with st.popover(f"Methods ({len(chosen)})"), st.container(width=NARROW):
        widgets.several("Methods in the race", list(METHODS),
                        [n for n in METHODS if n in chosen], key=page.key("pick"),
                        then=_picked, args=(page,), selection_mode="multi",
                        format_func=lambda n: METHODS[n].title)
        st.selectbox("Add a method a second time, to compare settings",
                     [n for n in METHODS if n in chosen], index=None,
                     format_func=lambda n: METHODS[n].title, key=page.key("twin"),
                     on_change=_twin, args=(page,), placeholder="choose a method")


def _picked(page: Page) -> None:
    wanted, chosen = (st.session_state[page.key(name)] for name in ("pick", "m"))
    stay = [e for e in chosen if base(e) in wanted]
    new = [n for n in wanted if n not in map(base, chosen)]
    page.enter(stay + new if stay + new else chosen)


def _twin(page: Page) -> None:
    name, chosen = (st.session_state[page.key(name)] for name in ("twin", "m"))
    st.session_state[page.key("twin")] = None
    if name in map(base, chosen):
        number = next(i for i in range(2, 100) if f"{name}~{i}" not in chosen)
        at = max(i for i, e in enumerate(chosen) if base(e) == name) + 1
        page.enter([*chosen[:at], f"{name}~{number}", *chosen[at:]])
