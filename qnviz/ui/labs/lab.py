"""A lab: controls, the run they describe, its pictures under one playhead, its numbers and code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import streamlit as st

from qnviz.errors import QnvizError, SpecError, TraceError
from qnviz.jobs.running import Run
from qnviz.jobs.service import JOBS
from qnviz.runs.plane import laid_through
from qnviz.runs.portable import portable
from qnviz.runs.spec import RunSpec
from qnviz.runs.trace import Trace
from qnviz.ui.components.share import share
from qnviz.ui.frame.later import later
from qnviz.ui.labs.details import details
from qnviz.ui.labs.export import Shown
from qnviz.ui.labs.live import waited_for, watched
from qnviz.ui.labs.page import Page
from qnviz.ui.labs.panel import controls
from qnviz.ui.labs.reports import playing, say_refused
from qnviz.ui.labs.stage import Stage
from qnviz.ui.labs.state import Lab
from qnviz.ui.privates import connected
from qnviz.ui.state.form import plain
from qnviz.ui.state.settings import Settings
from qnviz.ui.state.store import STORE

LONG = 2.0                                     # minutes from which a run is announced


def lab(stage: Stage, this: Lab) -> None:
    """Run a lab page once: read the URL, draw controls, run, draw pictures, write the URL."""
    page = Page(stage, this)
    settings = page.remember().settings
    say_refused(page)
    with stage.above:
        share(stage.page)
    spec, faults = _spec(settings, (*page.faults, *page.misunderstood()))
    known, shown = page.finished_run(spec), None

    if this.above:
        with stage.above:
            this.above(page, spec)

    def draw(trace: Trace) -> Trace:
        try:
            trace = _projected(trace, settings)
        except TraceError as error:
            with stage.faults:
                st.info(_listed([str(error)]))
                if spec:
                    page.offer_to_compute(spec)
        stage.draw(trace, playing(page, settings, spec, trace))
        return trace

    if known:                                  # the answer comes before the controls are redrawn
        JOBS.leave(page.viewer)
        shown = draw(known)
    with stage.controls:
        controls(page)
    if faults:
        stage.faults.warning(_listed(faults))
    for e, why in _out(settings).items():
        stage.faults.info(_listed([f"{settings.title(e)} sits out: {why}"]))
    if spec is None:
        stage.draw(None, playing(page, settings))
        stage.status.text("None of the chosen methods can run here: choose another one above."
                          if not faults else "These settings cannot be run; see the message above.")
        return
    for words in () if known else _long(spec):
        stage.faults.info(words)
    if known is None:
        job = waited_for(JOBS.watch(page.viewer, Run(spec), connected()), stage)
        if job.error:
            _refuse(job.error, stage)
            stage.draw(None, playing(page, settings))
            return
        if not job.over.is_set():
            with stage.picture:
                watched(stage, job, playing(page, settings, spec))
            return
        known = page.keep(job)
        if known is None:
            stage.draw(None, playing(page, settings))
            with stage.status.container():
                st.button("Run again", on_click=page.run_again, type="tertiary",
                          help="It was stopped before its first step.")
            return
        shown = draw(known)
    with stage.status.container(horizontal=True, vertical_alignment="center"):
        st.text(f"{counted(len(spec.methods), 'method')}, {_length(known, spec)}, computed "
                f"{known.device}. {page.hint(portable(spec) is not None)}")
        if known.unfinished:
            st.button("Run again", on_click=page.run_again, type="tertiary")
    if this.below:
        with stage.after:
            this.below(page, known, spec)
    with stage.below:
        later(partial(details, known, spec, page.offer_to_compute,
                      Shown(shown or known, stage.layout, settings.axis, settings.frame)))


def counted(number: int, noun: str) -> str:
    """A number of things: 1 method, 2 methods."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _projected(trace: Trace, settings: Settings) -> Trace:
    """The run with its paths in the plane that the settings choose.

    Raises:
        TraceError: the trace does not hold what another plane needs.
    """
    if not settings.ends:
        return trace
    first, second = (settings.title(e) for e in settings.ends)
    if not {first, second} <= set(trace.columns):
        return trace
    known = STORE.get(f"{trace.key}/{first}/{second}")
    if known is None:
        known = laid_through(trace, (first, second))
        STORE.put(known.key, known)
    return known


def _long(spec: RunSpec) -> list[str]:
    """A warning for each method that will take minutes, before it starts."""
    warnings = []
    for method in spec.methods:
        if (minutes := spec.minutes(method)) > LONG:
            warnings.append(
                f"{method.entrant} will take about {minutes:,.0f} minutes on a processor: up to "
                f"{method.passes(spec.problem):,.0f} passes per step, {spec.problem.size:,} "
                "parameters. Fewer steps, smaller batches or narrower layers make it shorter; it "
                "can be stopped at any time.")
    return warnings


def _length(trace: Trace, spec: RunSpec) -> str:
    """How far a run went, in words."""
    if trace.unfinished:
        return f"stopped by you before all {spec.steps} steps were taken"
    return f"up to {counted(spec.steps, 'step')}"


def _refuse(error: Exception, stage: Stage) -> None:
    """Show an error that is meant for people; raise any other."""
    if not isinstance(error, QnvizError):
        raise error
    stage.faults.error(_listed([str(error)]))


def _spec(settings: Settings, faults: tuple[str, ...]) -> tuple[RunSpec | None, tuple[str, ...]]:
    """The run to be shown, or None, and all that is wrong with the settings."""
    try:
        return settings.spec(), faults
    except SpecError as error:
        return None, (*faults, *error.faults)
    except QnvizError as error:
        return None, (*faults, str(error))


def _out(settings: Settings) -> dict[str, str]:
    """Which entrants cannot run on this problem, and why; none where there is no problem."""
    try:
        return settings.unavailable()
    except QnvizError:                         # shown already, with what is wrong
        return {}


def _listed(faults: Sequence[str]) -> str:
    """Sentences as one message; what a visitor typed is shown as typed, not as Markdown."""
    return "  \n".join(map(plain, faults))


def preset(default: Settings, **changes: Any) -> Settings:
    """A variation of a page's default state."""
    problem = default.problem | changes.pop("problem", {})
    return replace(default, problem=problem, **changes)
