"""The Krylov page: a lab of Newton-Krylov, and under it the system at the playhead, taken apart."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

from qnviz.errors import TraceError
from qnviz.figures.player import newton_player
from qnviz.figures.system import SystemView
from qnviz.figures.theme import THEMES
from qnviz.numbers import percent
from qnviz.runs.spec import RunSpec
from qnviz.runs.trace import Trace
from qnviz.studies.newton_system import (
    Counts,
    NewtonSystem,
    krylov_labels,
    longest,
    never_early,
    newton_system,
    solves_systems,
)
from qnviz.ui.components.player import player
from qnviz.ui.frame.server import PLOTLY_URL
from qnviz.ui.labs.page import Page
from qnviz.ui.labs.state import Lab, Own
from qnviz.ui.privates import went_back
from qnviz.ui.state.codec import described
from qnviz.ui.state.messages import FRAME, received
from qnviz.ui.state.session import theme_name
from qnviz.ui.state.settings import Settings

PAGE = "krylov"
MOVED, SEEN = f"{PAGE}/moved", f"{PAGE}/seen"
MOST = 500                            # iterations; what a budget may be at most

TIGHT = {"newton_krylov": {"eta": 1e-3}}       # tight enough to meet the curvature that is there
LABS = {
    "linear_net": Settings({"name": "linear_net"}, TIGHT),
    "rosenbrock": Settings({"name": "rosenbrock", "start": [-0.5, 2.5]}, {"newton_krylov": {}}),
    "autoencoder": Settings({"name": "autoencoder", "batch": 10},
                            {"newton_krylov": {"budget": 20}}, steps=60, stop_loss=0.0)}
PRESETS = {
    "Linear net: early ends halve the work": LABS["linear_net"],
    "Autoencoder, batches of 10: noise bends H": LABS["autoencoder"],
    "Rosenbrock: the whole system in the plane": LABS["rosenbrock"],
    "Rosenbrock, another ε in every product": Settings(
        {"name": "rosenbrock", "start": [-0.25, -0.25], "noise": 1.0},
        {"newton_krylov": {"eta": 1e-2, "krylov_batches": "fresh"}}, steps=60)}
EXPLAIN = r"""
Each outer step solves $Hd = -g$ by products $Hv$ alone. Conjugate gradients make the model
$q(d) = g^\top d + \tfrac12 d^\top H d$ smallest in a growing space, MINRES the residual $\|Hd+g\|$.

Where a direction has **negative curvature**, $p^\top Hp < 0$, the model has no minimum along it,
and going on would chase a saddle: the solver ends there, keeping what it has. Curvature counts as
**zero** below $\varepsilon$ of the largest seen.

**Try this.** Stop the upper playhead at a red bar; play the system below. Where the smallest
Ritz value crosses 0, both solvers meet the same curvature. Take smaller batches, another
$\eta$ or $\lambda$, and watch the reasons' shares and the products saved.
"""

ONE_MATRIX = (
    r"**No direction can be disturbing here**, as all products of a step are of one $H$: while "
    r"$\kappa_j > 0$ every CG iteration lowers the model, by $\tfrac12\alpha_j\|r_j\|^2$. Where a "
    r"problem draws batches, `krylov_batches: fresh` takes each product on one of its own, and the "
    r"model may rise.")


class KrylovState(Own):
    """The iteration at which the playhead of the system rests; None is its last one."""

    j: int | None = described(None, f"a whole number from 0 to {MOST}", ge=0, le=MOST,
                              instead="The system is shown at its last iteration.")


def below(page: Page, trace: Trace, spec: RunSpec) -> None:
    """The work that was saved, and the system of the step at the playhead."""
    settings = page.settings
    labels = krylov_labels(trace)
    if not labels:
        there = [trace.ends[e.label][0] for e in trace.entrants if solves_systems(e)]
        st.info("There is no system to take apart. " + (
            f"No step was taken: {there[0][0].lower()}{there[0][1:]}" if there else
            "Add Newton-Krylov to the methods above."))
        return
    label = labels[0]
    saved = st.container()
    try:
        last = int(trace[label]["stopped"][0])
        asked = None if settings.frame is None else min(max(1, settings.frame), last)
        system = _system(trace, label, asked or longest(trace, label))
        _forget_other(page, trace, system)
        _show(page, trace, system, asked)
        with saved, st.spinner("Solving every system again, without early ends …"):
            counts = {e: _counts(trace, e) for e in labels}
        words = [work_saved(e, c) for e, c in counts.items()]
        saved.markdown("  \n".join([*words, *dict.fromkeys(map(disturbance, counts.values()))]))
    except TraceError as error:
        st.info(f"{error} Change a setting to compute a run here.")


def work_saved(label: str, counts: Counts) -> str:
    """The work saved against never ending early, in a sentence with its numbers."""
    which = f"the {counts.steps:,} systems" if counts.steps == counts.of else (
        f"{counts.steps:,} of the {counts.of:,} systems")
    if not counts.ended_early:
        nothing = "neither negative curvature nor a disturbing direction" if counts.fresh else (
            "no negative curvature")
        return (f"**Nothing to save.** {label} met {nothing} in {which} of this run, "
                f"so early termination never acted: {counts.used:,} products $Hv$.")
    going_on = "going on to tolerance or budget" if counts.fresh else (
        "MINRES, which needs the fewest of all to go on to tolerance or budget")
    return (f"**{percent(counts.saved)} of the work saved.** With early termination {label} used "
            f"{counts.used:,} products $Hv$ where {going_on}, in {which} of "
            f"this run, would have used {counts.never_early:,}. {counts.ended_early:,} ended "
            "early.")


def disturbance(counts: Counts) -> str:
    """What ending at disturbing directions saved, or why there was none, in a few sentences."""
    if not counts.fresh:
        return ONE_MATRIX
    if not counts.disturbing:
        return "**No direction was disturbing.** Every product was taken on a batch of its own."
    return (f"**Disturbing directions ended {counts.disturbing:,} systems.** Every product was "
            f"taken on a batch of its own, so that the model may rise. In {counts.lower:,} of them "
            "going on would have left a higher $q(d)$ on the step's own batch.")


def heading(system: NewtonSystem, asked: int | None) -> str:
    """Which system is shown, and what is special about it."""
    why = " It took the most iterations; stop the playhead above to see another."
    if asked is not None:
        why = "" if asked == system.step else (
            f" Of step {asked} the parameters were not kept; this is the last one before.")
    text = (f"**Outer step {system.step} taken apart**: the system of {system.label} with "
            f"{system.size:,} unknowns, solved by CG and by MINRES.{why}")
    return "  \n".join([text, *system.notes])


def _show(page: Page, trace: Trace, system: NewtonSystem, asked: int | None) -> None:
    st.markdown(heading(system, asked))
    if system.plane is None:
        return                                     # its notes say why there is nothing to draw
    last = max(s.iterations for s in system.solves)
    theme = theme_name()
    frame = last if page.own.j is None else min(page.own.j, last)
    payload = _payload(trace, system.label, system.step, theme)

    def drawn() -> None:
        if st.session_state.pop(MOVED, False):
            st.rerun()
        player(payload | {"frame": frame}, key=f"{PAGE}/system", address="j",
               on_frame=partial(_frame, page))

    st.fragment(drawn)()


def _frame(page: Page) -> None:
    """The playhead of the system came to rest."""
    page.change(j=received(f"{PAGE}/system", "frame", FRAME))
    st.session_state[MOVED] = True


def _forget_other(page: Page, trace: Trace, system: NewtonSystem) -> None:
    """An iteration at which another system's playhead rested means nothing in this one.

    One that a link asks for, or that Back comes to, belongs to this system.
    """
    here = (trace.key, system.label, system.step)
    before = st.session_state.get(SEEN, here)
    st.session_state[SEEN] = here
    if before != here and page.own.j is not None and not page.seeded and not went_back():
        page.change(j=None)
        st.rerun()                                 # the address was written with it already


def _key(trace: Trace) -> Any:
    return trace.key, [int(c["stopped"][0]) for c in trace.columns.values()]


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs={Trace: _key})
def _system(trace: Trace, label: str, step: int) -> NewtonSystem:
    return newton_system(trace, label, step)


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs={Trace: _key})
def _counts(trace: Trace, label: str) -> Counts:
    return never_early(trace, label)


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs={Trace: _key})
def _payload(trace: Trace, label: str, step: int, theme: str) -> dict[str, Any]:
    view = SystemView(_system(trace, label, step), THEMES[theme])
    return newton_player(view, [trace.key, label]) | {"plotly_url": PLOTLY_URL}


KRYLOV = Lab(LABS, PRESETS, explain=EXPLAIN, own=KrylovState, below=below)
