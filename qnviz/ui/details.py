"""Under the pictures: the numbers, the equations with the code that ran, and downloads."""

from __future__ import annotations

import inspect
import io
import json
import re
import sys
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from qnviz.fields import parameters
from qnviz.methods.registry import METHODS
from qnviz.problems.registry import PROBLEMS
from qnviz.runs.spec import RunSpec
from qnviz.runs.trace import STATE_COLUMNS, Trace


def details(trace: Trace, spec: RunSpec) -> None:
    """Three tabs; only the open one is made: a changed control need not redraw the others."""
    numbers, code, export = st.tabs(["Numbers", "Equations and code", "Export"],
                                    on_change="rerun", key="details")
    if numbers.open:
        with numbers:
            _frame(summary(trace), hide_index=True)
            label = st.selectbox("Every step of", [e.label for e in trace.entrants],
                                 key="details/steps")
            _frame(table(trace, label), height=280)
    if code.open:
        with code:
            _code(trace, spec)
    if export.open:
        with export:
            _export(trace, spec)


def _frame(frame: pd.DataFrame, **options: Any) -> None:
    """A table whose numbers read 5.2e-10, not 0.0000000005."""
    formats = {name: st.column_config.NumberColumn(format="%.4g")
               for name, kind in frame.dtypes.items() if kind.kind == "f"}
    st.dataframe(frame, width="stretch", column_config=formats, **options)


def summary(trace: Trace, run: int = 0) -> pd.DataFrame:
    """One row per entrant: where it ended and what it cost."""
    rows = []
    for e in trace.entrants:
        c = trace[e.label]
        stop = int(c["stopped"][run])
        rows.append({
            "method": e.title, "steps": stop, "loss at ε = 1": c["loss"][stop, run],
            "‖∇f‖": c["grad_norm"][stop, run], "work": c["work"][stop, run],
            "ms per step": 1e3 * c["seconds"][stop] / max(stop, 1),
            "how it ended": trace.ends[e.label][run]})
    return pd.DataFrame(rows)


def table(trace: Trace, label: str, run: int = 0) -> pd.DataFrame:
    """Everything recorded of one entrant's run, a row per iterate, a column per number."""
    c = trace[label]
    stop = int(c["stopped"][run])
    columns: dict[str, np.ndarray] = {}
    for name, a in c.items():
        if a.ndim == 1:
            if name == "seconds":
                columns[name] = a[:stop + 1]
            continue
        values = a[:stop + 1 if name in STATE_COLUMNS else stop, run]
        if name not in STATE_COLUMNS:          # row t+1 shows the step that led there
            first = np.full((1, *values.shape[1:]), np.nan)
            values = np.concatenate([first, values.astype(float)])
        if values.ndim == 1:
            columns[name] = values
        elif values.shape[1] <= 8:
            columns |= {f"{name}[{i}]" if values.shape[1] > 1 else name: values[:, i]
                        for i in range(values.shape[1])}
    return pd.DataFrame(columns).rename_axis("step")


def _code(trace: Trace, spec: RunSpec) -> None:
    problem = PROBLEMS[spec.problem.name]
    st.latex(problem.equation)
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


def _export(trace: Trace, spec: RunSpec) -> None:
    def archive() -> bytes:
        file = io.BytesIO()
        trace.save(file)
        return file.getvalue()

    label = st.selectbox("Entrant for the CSV", [e.label for e in trace.entrants],
                         key="details/csv")
    with st.container(horizontal=True):
        st.download_button("Run as spec (JSON)", json.dumps(spec.short(), indent=1),
                           "qnviz-run.json", "application/json", on_click="ignore")
        st.download_button("All numbers (.npz)", archive, "qnviz-run.npz",
                           "application/octet-stream", on_click="ignore")
        st.download_button(f"{label} (CSV)", lambda: table(trace, label).to_csv(),
                           "qnviz-run.csv", "text/csv", on_click="ignore")
    st.caption("The spec runs without the app: `python -m qnviz run qnviz-run.json --out run.npz`")
    st.code(json.dumps(spec.short(), indent=1), language="json")
