"""Runs of a lesson: from the store, computed with progress, or ahead of time beside the reader."""

from __future__ import annotations

import time

import streamlit as st

from qnviz.errors import QnvizError
from qnviz.jobs.running import Run
from qnviz.jobs.service import JOBS
from qnviz.numbers import percent
from qnviz.runs.spec import RunSpec
from qnviz.runs.trace import Trace
from qnviz.ui.privates import connected, yield_to_reruns
from qnviz.ui.state.session import viewer
from qnviz.ui.state.store import STORE

TICK = 0.02                                    # seconds between two checks whether it is over
REPORT = 1.0                                   # … two reports of its progress


def kept(spec: RunSpec, whole: bool = False) -> Trace | None:
    """The run if it is there; with its parameters, if these are needed."""
    trace = STORE.get(spec.key())
    return trace if trace is None or trace.whole or not whole else None


def computed(spec: RunSpec, whole: bool = False) -> Trace:
    """The run, waited for with its progress; thirty viewers of one step cost one computation.

    Raises:
        QnvizError: the run cannot be.
    """
    if (known := kept(spec, whole)) is not None:
        return known
    job = JOBS.watch(viewer(), Run(spec), connected(), slot="lesson")
    place, reported = st.empty(), time.monotonic()
    while not job.over.wait(TICK):
        yield_to_reruns()                      # here a changed control ends the wait
        if time.monotonic() - reported > REPORT:
            reported, now = time.monotonic(), job.snapshot()
            place.progress(now.fraction, "Waiting for another run to end" if now.place
                           else f"Computing: {percent(now.fraction)} of {spec.steps} steps")
    place.empty()
    if job.error:
        raise job.error
    trace = job.snapshot().value
    if trace is None or not job.complete:
        raise QnvizError("The run was stopped before its end.")
    STORE.put(trace.key, trace)
    return trace


def ahead(spec: RunSpec, place: str, whole: bool = False) -> None:
    """Begin to compute a run that is about to be asked for; `place` tells it from others."""
    if kept(spec, whole) is None:
        JOBS.watch(viewer(), Run(spec), connected(), slot=f"lesson/{place}")
