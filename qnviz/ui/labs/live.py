"""A run while it goes on: waited for if it is short, shown growing if it is long."""

from __future__ import annotations

import time

import streamlit as st

from qnviz.jobs.job import Job, Snapshot
from qnviz.jobs.running import Run
from qnviz.jobs.service import JOBS
from qnviz.numbers import duration, percent
from qnviz.runs.trace import Trace
from qnviz.ui.labs.stage import PLAIN, Playing, Stage, show
from qnviz.ui.privates import yield_to_reruns
from qnviz.ui.state.session import viewer

PATIENCE = 1.5                                 # seconds after which a run is shown growing
FIRST = 10.0                                   # … even if it has not made a step yet
WORDS = 0.25                                   # … between two reports of its progress
REFRESH = 0.25                                 # … between two drawings of a growing run
CROWD = 4                                      # viewers beyond whom it is drawn less often: each
RAREST = 3.0                                   # drawing takes time from the runs they wait for
TICK = 0.02
WAITING = "Waiting for another run to end"


def waited_for(job: Job[Run], stage: Stage) -> Job[Run]:
    """Give a short run the time to end, so that it is drawn once; a long one is shown growing.

    The pictures of the run before stand until there is something to put in their place.
    """
    began = reported = time.monotonic()
    while not job.over.wait(paced(TICK)):
        yield_to_reruns()                      # here a changed control ends the wait
        now = job.snapshot()
        if time.monotonic() - began > (FIRST if now.value is None else PATIENCE):
            break
        if time.monotonic() - reported > WORDS:
            reported = time.monotonic()
            stage.status.text(WAITING if now.place else f"Computing: {percent(now.fraction)}")
    return job


def watched(stage: Stage, job: Job[Run], playing: Playing = PLAIN) -> None:
    """A run that goes on: its pictures grow, and it can be paused and stopped."""
    me = viewer()

    @st.fragment(run_every=min(RAREST, paced(REFRESH)))
    def growing() -> None:
        now = job.snapshot(me)
        if (job.over.is_set() and not now.paused) or me not in job.names:
            st.rerun()                         # what was computed is drawn as a whole
        show(stage, now.value, playing, growing=now.value is not None)
        with st.container(horizontal=True, vertical_alignment="center", key="live"):
            st.progress(now.fraction, _progress(now, job))
            if now.paused:
                st.button("Resume", on_click=job.resume, args=(me,), key="live/resume")
            else:
                st.button("Pause", on_click=job.pause, args=(me,), key="live/pause")
            st.button("Stop", on_click=_stop, args=(me,), key="live/stop")

    growing()


def _stop(viewer: str) -> None:
    JOBS.stop(viewer)


def paced(seconds: float) -> float:
    """A time between two drawings, longer in proportion to how many visitors watch."""
    return seconds * max(1.0, JOBS.crowd / CROWD)


def _progress(now: Snapshot[Trace], job: Job[Run]) -> str:
    """How far a job is, in words."""
    if now.place:
        return WAITING
    spec = job.computation.spec
    text = f"{percent(now.fraction)} of {spec.steps} steps × {len(spec.methods)} methods"
    if now.paused:
        return f"Paused at {text}"
    return text + (f", {duration(now.left)} left" if now.left is not None else "")
