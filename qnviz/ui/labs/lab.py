"""A lab: controls, the run they describe, its pictures under one playhead, its numbers and code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import streamlit as st

from qnviz.errors import QnvizError, SpecError, TraceError
from qnviz.jobs.running import Run
from qnviz.jobs.service import JOBS
from qnviz.runs.plane import laid_through
from qnviz.runs.spec import RunSpec
from qnviz.runs.trace import Trace
from qnviz.ui.components.share import share
from qnviz.ui.frame.later import later
from qnviz.ui.labs.details import details
from qnviz.ui.labs.export import Shown
from qnviz.ui.labs.live import live, waited_for
from qnviz.ui.labs.stage import Stage
from qnviz.ui.privates import connected
from qnviz.ui.state.form import plain
from qnviz.ui.state.page import Page
from qnviz.ui.state.settings import Settings
from qnviz.ui.state.store import STORE

NOTHING: Mapping[str, Callable[[str], str | None]] = {}
LONG = 2.0                                     # minutes from which a run is announced


def lab(stage: Stage, default: Settings | Mapping[str, Settings], presets: dict[str, Settings],
        more: Callable[[Page], None] | None = None, *, explain: str = "",
        above: Callable[[RunSpec | None, Page], None] | None = None,
        after: Callable[[Trace, RunSpec, Settings], None] | None = None,
        event: Callable[[Trace, int, int], int] | None = None,
        own: Mapping[str, Callable[[str], str | None]] = NOTHING) -> None:
    """Run a lab page once: read the URL, draw controls, run, draw pictures, write the URL.

    Args:
        stage: the page's places.
        default: the state in which it opens without anything in its URL; several, by the name of
            their problem, where the visitor may choose one, the first being where it opens.
        presets: states to jump to, by their names.
        more: controls of the page's own, for its data.
        explain: what there is to see, in Markdown, under 120 words.
        above: draws what the page has above everything else; gets the run, if there is one.
        after: draws what the page has below the pictures of a run that is over.
        event: takes a clicked event up, before the page is drawn again: gets trace, frame and
            row, and returns the frame that was meant.
        own: the page's own URL fields: what is wrong with a value, in a sentence, or None. Their
            values are in `page_extra(stage.page)`.
    """
    labs = {default.problem["name"]: default} if isinstance(default, Settings) else default
    page = Page(stage, labs, own)
    settings = page.remember(page.settings())
    with stage.above:
        share(stage.page)
    spec, faults = _spec(settings)
    known, shown = page.kept(spec), None

    if above:
        with stage.above:
            above(spec, page)

    def draw(trace: Trace) -> Trace:
        try:
            trace = _laid(trace, settings)
        except TraceError as error:
            with stage.faults:
                st.info(_listed([str(error)]))
                if spec:
                    page.compute(spec)
        stage.draw(trace, settings.axis, settings.frame, page.took_start, page.took_frame,
                   partial(page.took_event, trace, event) if event else None)
        return trace

    if known:                                  # the answer comes before the controls are redrawn
        JOBS.leave(page.viewer)
        shown = draw(known)
    with stage.controls:
        page.controls(presets, explain, more)
    if faults:
        stage.faults.warning(_listed(faults))
    for e, why in _out(settings).items():
        stage.faults.info(_listed([f"{settings.title(e)} sits out: {why}"]))
    if spec is None:
        stage.status.text("No method is left that can run here: choose one above." if not faults
                          else "There is nothing to run like this: see above.")
        return
    for words in () if known else _long(spec):
        stage.faults.info(words)
    if known is None:
        job = waited_for(JOBS.watch(page.viewer, Run(spec), connected()), stage)
        if job.error:
            _refuse(job.error, stage)
            return
        if not job.over.is_set():
            with stage.picture:
                live(page, stage, job, settings)
            return
        known = page.finished(job)
        if known is None:
            with stage.status.container():
                st.button("Run again", on_click=page.again, type="tertiary",
                          help="It was stopped before its first step.")
            return
        shown = draw(known)
    with stage.status.container(horizontal=True, vertical_alignment="center"):
        st.text(f"{len(spec.methods)} methods, {_far(known, spec)}, computed {known.device}. "
                f"{page.hint}")
        if known.unfinished:
            st.button("Run again", on_click=page.again, type="tertiary")
    if after:
        with stage.after:
            after(known, spec, settings)
    with stage.below:
        later(partial(details, known, spec, page.compute,
                      Shown(shown or known, stage.layout, settings.axis, settings.frame)))


def _laid(trace: Trace, settings: Settings) -> Trace:
    """The run with its paths in the plane that was asked for.

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
    """What takes minutes is said before it starts."""
    said = []
    for method in spec.methods:
        if (minutes := spec.minutes(method)) > LONG:
            said.append(f"{method.entrant} will take about {minutes:,.0f} minutes on a processor: "
                        f"up to {method.passes(spec.problem):,.0f} passes per step, "
                        f"{spec.problem.size:,} parameters. Fewer steps, smaller batches or "
                        "narrower layers make it shorter; it can be stopped at any time.")
    return said


def _far(trace: Trace, spec: RunSpec) -> str:
    """How far a run went, in words."""
    if trace.unfinished:
        return f"stopped by you before all {spec.steps} steps were done"
    return f"up to {spec.steps} steps"


def _refuse(error: Exception, stage: Stage) -> None:
    """Tell an error that is meant for people; raise any other."""
    if not isinstance(error, QnvizError):
        raise error
    stage.faults.error(_listed([str(error)]))


def _spec(settings: Settings) -> tuple[RunSpec | None, tuple[str, ...]]:
    """The run to be shown, or None, and all that is to be said against the settings."""
    try:
        return settings.spec(), settings.faults
    except SpecError as error:
        return None, (*settings.faults, *error.faults)
    except QnvizError as error:
        return None, (*settings.faults, str(error))


def _out(settings: Settings) -> dict[str, str]:
    """Which entrants cannot run on this problem, and why; none where there is no problem."""
    try:
        return settings.unavailable()
    except QnvizError:                         # told already, as what is wrong with the settings
        return {}


def _listed(faults: Sequence[str]) -> str:
    """Sentences as one message; what a visitor typed is shown as typed, not as Markdown."""
    return "  \n".join(map(plain, faults))


def preset(default: Settings, **changes: Any) -> Settings:
    """A variation of a page's default state."""
    problem = default.problem | changes.pop("problem", {})
    return replace(default, problem=problem, **changes)
