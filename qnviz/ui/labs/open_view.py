"""An opened run on the screen: one run under the playhead, how all ended, and its numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from qnviz.figures.player import linked
from qnviz.figures.race import RaceView
from qnviz.figures.theme import THEMES
from qnviz.numbers import say
from qnviz.runs.ends import WORDS
from qnviz.runs.spec import RunSpec
from qnviz.runs.trace import Trace
from qnviz.ui.components.player import player
from qnviz.ui.frame.server import PLOTLY_URL
from qnviz.ui.labs.details import details
from qnviz.ui.labs.export import Shown
from qnviz.ui.labs.stage import Stage
from qnviz.ui.state.defaults import FUNCTION, LABS, ROSENBROCK_N
from qnviz.ui.state.links import lab_page, lab_settings
from qnviz.ui.state.messages import FRAME, received
from qnviz.ui.state.session import theme_name
from qnviz.ui.state.settings import AXES, read_query, write_query
from qnviz.web import encoded

PAGE = "open"
# the page on which a problem has its lab, and the state in which that opens
HOMES = {name: (name, default) for name, default in LABS.items()} | {
    "function": ("function", FUNCTION), "rosenbrock_n": ("function", ROSENBROCK_N)}
MEDIAN = "median loss at the end"


class Run(NamedTuple):
    """An opened run by its file's name."""

    name: str
    trace: Trace
    spec: RunSpec


def show_run(stage: Stage, shown: Run, compute: Callable[[RunSpec], None],
             close: Callable[[], None], uploader: Callable[[], None]) -> None:
    """Draw an opened run.

    Args:
        stage: the page's places.
        shown: the run.
        compute: offers to compute a run here, where a file holds its pictures alone.
        close: forgets the run.
        uploader: a place to drop another file.
    """
    trace, spec = shown.trace, shown.spec
    chosen = st.session_state.setdefault(f"{PAGE}/chosen", {"axis": AXES[0], "run": 0})
    looked_at = len(next(iter(trace.ends.values())))            # runs whose ends are described
    chosen["run"] = min(chosen["run"], looked_at - 1)
    with stage.controls, st.container(horizontal=True, vertical_alignment="bottom"):
        with st.popover("Open another"), st.container(width=400):
            uploader()
        st.session_state.setdefault(f"{PAGE}/axis", chosen["axis"])
        chosen["axis"] = st.segmented_control("axis", AXES, key=f"{PAGE}/axis", required=True)
        if spec.runs > 1:
            st.session_state.setdefault(f"{PAGE}/run", chosen["run"])
            chosen["run"] = int(st.number_input(
                f"run, of {spec.runs:,}", 0, looked_at - 1, step=1, key=f"{PAGE}/run", width=140,
                help="Counted from 0. Words and views are kept of run 0."))
        _lab_link(spec, chosen["run"])
        st.button("Close", on_click=close)
    with stage.picture:
        st.fragment(_drawn)(trace, theme_name(), chosen["axis"], chosen["run"])
    stage.status.text(f"{shown.name}: {len(spec.methods)} methods, {spec.runs:,} "
                      f"run{'s' * (spec.runs > 1)} of up to {spec.steps:,} steps, computed "
                      f"{trace.device or 'elsewhere'}. Space plays, ← → step.")
    if spec.runs > 1:
        with stage.after:
            st.markdown(f"**How all {spec.runs:,} runs ended**")
            st.dataframe(ended(trace), hide_index=True, width="stretch")
    with stage.below:
        details(trace, spec, compute=compute, shown=Shown(
            trace, None, chosen["axis"], st.session_state.get(f"{PAGE}/frame")))


def ended(trace: Trace) -> pd.DataFrame:
    """One row per entrant: how many of its runs converged or diverged, after how many steps."""
    rows = []
    for e in trace.entrants:
        c = trace[e.label]
        status = c["status"]
        good, stayed = status == "converged", status != "diverged"
        row: dict[str, Any] = {"method": e.title} | {
            words: int((status == name).sum()) for name, words in WORDS.items()}
        row["steps where it converged"] = (
            f"{c['stopped'][good].mean():.1f} ± {c['stopped'][good].std():.1f}" if good.any()
            else "–")
        row[MEDIAN] = say(np.median(c["loss"][-1][stayed])) if stayed.any() else "–"
        rows.append(row)
    nobody = [words for words in WORDS.values() if not any(row[words] for row in rows)]
    found = pd.DataFrame(rows).drop(columns=nobody)
    return found.rename(columns={MEDIAN: f"{MEDIAN}, without the diverged"}) if (
        WORDS["diverged"] in found) else found


def _drawn(trace: Trace, theme: str, axis: str, run: int) -> None:
    """The player, in a fragment as in a lab: it stays the same element."""
    state, asked = st.session_state, (trace.key, theme, axis, run)
    if state.get(f"{PAGE}/drawn", (None,))[0] != asked:
        view = RaceView(trace, THEMES[theme], axis, run)
        payload: dict[str, Any] = linked(view, follow=False) | {"plotly_url": PLOTLY_URL}
        for panel in payload["panels"]:
            panel["click"] = None              # there is nothing here that could start elsewhere
        state[f"{PAGE}/drawn"] = asked, payload
    payload = state[f"{PAGE}/drawn"][1] | {"frame": state.get(f"{PAGE}/frame")}
    player(encoded(payload), key=f"{PAGE}/player", on_frame=_took_frame)


def _took_frame() -> None:
    st.session_state[f"{PAGE}/frame"] = received(f"{PAGE}/player", "frame", FRAME)


def _lab_link(spec: RunSpec, run: int) -> None:
    if (query := lab_address(spec)) is None:
        return
    frame = st.session_state.get(f"{PAGE}/frame")
    if frame is not None and run == 0:
        query |= {"step": str(frame)}
    page, _ = HOMES[spec.problem.name]
    st.page_link(lab_page(page), query_params=query, icon=":material/science:",
                 label="These settings in the lab" + (", run 0" if spec.runs > 1 else ""))


def lab_address(spec: RunSpec) -> dict[str, str] | None:
    """The address of the lab that computes this run (of several, run 0); None where none does."""
    name = spec.problem.name
    if name not in HOMES:
        return None
    page, default = HOMES[name]
    query = write_query(lab_settings(spec), default)
    there = read_query(query, default)
    if there.faults or there.unavailable():
        return None
    lab = there.spec()
    if lab is None or _content(lab) != _content(spec):
        return None
    first = next(n for n, (p, _) in HOMES.items() if p == page)       # where the page opens
    return query if name == first else {"on": name} | query


def _content(spec: RunSpec) -> dict[str, Any]:
    """What decides the numbers of run 0."""
    content = spec.model_dump(exclude={"runs", "device"})
    return content | {"stop_loss": spec.stop_loss or 0.0, "methods": [
        m.model_dump(exclude={"label"}) for m in spec.methods]}
