"""Under the pictures: the numbers, the equations with the code that ran, and the exports."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable

import pandas as pd
import streamlit as st

from qnviz.errors import TraceError
from qnviz.export.tables import columns
from qnviz.fields import parameters
from qnviz.figures.system.density import SpectrumView, density
from qnviz.figures.theme import THEMES
from qnviz.methods.registry import METHODS
from qnviz.numbers import say
from qnviz.problems.registry import PROBLEMS
from qnviz.runs.spec import RunSpec
from qnviz.runs.trace import Trace, snapshots
from qnviz.studies.spectra import Spectrum, hessian_spectrum
from qnviz.ui.labs.export import Shown, export
from qnviz.ui.state.session import theme_name


def details(trace: Trace, spec: RunSpec, compute: Callable[[RunSpec], None],
            shown: Shown | None = None) -> None:
    """A few tabs; only the open one is made: a changed control need not redraw the others.

    `compute` offers to run a spec here, where a trace holds its pictures alone; `shown` is what the
    player above shows of the run, if it is not all of the trace against its steps.
    """
    names = ["Numbers", "Equations and code", "Export"]
    if not PROBLEMS[spec.problem.name].plane:
        names.append("Hessian spectrum")
    numbers, code, taken, *rest = st.tabs(names, on_change="rerun", key="details")
    if numbers.open:
        with numbers:
            _numbers(trace)
    if code.open:
        with code:
            _code(trace, spec)
    if taken.open:
        with taken:
            export(trace, spec, shown or Shown(trace), compute)
    if rest and rest[0].open:
        with rest[0]:
            _spectrum(trace, spec, compute)


def _numbers(trace: Trace) -> None:
    """Where the entrants ended, written as in sentences; and every step of one of them."""
    ends = summary(trace)
    st.dataframe(ends.style.format(say, subset=_floats(ends), na_rep="–"), hide_index=True,
                 width="stretch")
    label = st.selectbox("Every step of", [e.label for e in trace.entrants], key="details/steps")
    steps = table(trace, label)                # so many rows are the browser's to write
    st.dataframe(steps, width="stretch", height=280, column_config={
        name: st.column_config.NumberColumn(format="%.4g") for name in _floats(steps)})


def _floats(frame: pd.DataFrame) -> list[str]:
    return [str(name) for name, kind in frame.dtypes.items() if kind.kind == "f"]


def summary(trace: Trace, run: int = 0) -> pd.DataFrame:
    """One row per entrant: where it ended and what it cost."""
    rows = []
    for e in trace.entrants:
        c = trace[e.label]
        stop, last = int(c["stopped"][run]), len(snapshots(c, run)) - 1
        rows.append({"method": e.title, "steps": stop, str(trace.scene["loss_name"]):
                     c["loss"][last, run]})
        rows[-1] |= {words: c[name][last, run] for name, words in (
            ("test_loss", "held-out loss"), ("error", "held-out error")) if name in c}
        rows[-1] |= {
            "‖∇f‖": c["grad_norm"][last, run], "work": c["work"][stop, run],
            "ms per step": 1e3 * c["seconds"][stop] / max(stop, 1),
            "how it ended": trace.ends[e.label][run]}
    return pd.DataFrame(rows)


def table(trace: Trace, label: str, run: int = 0) -> pd.DataFrame:
    """Everything recorded of one entrant's run, a row per iterate, a column per number.

    What is recorded every few steps only, such as the loss of a net, is empty in between.
    """
    return pd.DataFrame(columns(trace, label, run)).rename_axis("step")


def _code(trace: Trace, spec: RunSpec) -> None:
    st.latex(spec.problem.formula)
    name = st.selectbox("Method", list(dict.fromkeys(e.name for e in trace.entrants)),
                        format_func=lambda n: METHODS[n].title, key="details/code")
    method = METHODS[name]
    left, right = st.columns([2, 3])
    with left:
        for equation in re.split(r",\s*\\q?quad\s*", method.equations):
            st.latex(equation)
        st.markdown(f"{method.idea}\n\n**When it fails.** {method.fails}\n\n"
                    f"**Reference.** {method.reference}")
        st.dataframe(pd.DataFrame([{
            "name": q.name, "default": str(q.default), "allowed": q.range, "meaning": q.help}
            for q in parameters(method)]), hide_index=True, width="stretch")
    with right:
        st.caption("The code that ran:")
        st.code(inspect.getsource(sys.modules[method.__module__]), language="python", height=520)


def _spectrum(trace: Trace, spec: RunSpec, compute: Callable[[RunSpec], None]) -> None:
    """The exact Hessian where a method stood, computed when asked for."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        e = st.selectbox("Method", trace.entrants, format_func=lambda e: e.title,
                         key="details/spectrum", width=220)
        last = int(trace[e.label]["stopped"][0])
        step = st.number_input("at step", 0, last, last, key=f"details/spectrum/{e.label}/{last}",
                               width=140, help="The last iterate recorded up to this step is used.")
    try:
        with st.spinner("Multiplying by the Hessian …", show_time=True):
            s = _spectrum_of(trace, e.label, int(step))
    except TraceError as error:
        st.info(str(error))
        compute(spec)
        return
    picture = density(SpectrumView(
        s.values, s.weights, s.size, s.exact, f"{e.title} at step {s.step}", e.color,
        THEMES[theme_name()]))
    st.markdown(f"**{picture.title}**")
    st.plotly_chart(picture.plotly(), width="stretch", height=340, theme=None,
                    key="details/spectrum/chart")
    st.caption(f"Of the loss on {s.samples} samples. " + (
        "All eigenvalues." if s.exact else "With more than 2,000 parameters, a density by "
        "stochastic Lanczos quadrature: extremes are found first, what lies near 0 is not "
        "resolved."))


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs={Trace: lambda t: t.key})
def _spectrum_of(trace: Trace, label: str, step: int) -> Spectrum:
    return hessian_spectrum(trace, label, step)
