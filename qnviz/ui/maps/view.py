"""Maps on a page: their sweeps are watched, drawn as they grow, and opened by a click."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from qnviz.errors import QnvizError, TraceError
from qnviz.jobs.job import Job, Snapshot
from qnviz.jobs.service import JOBS
from qnviz.jobs.workers import pool, warm
from qnviz.numbers import duration, percent
from qnviz.paths import ASSETS
from qnviz.runs.spec import RunSpec
from qnviz.sweeps.result import SweepResult
from qnviz.sweeps.spec import SweepSpec
from qnviz.sweeps.sweeping import Sweep, keep
from qnviz.sweeps.tile import ready
from qnviz.ui.components.map import maps
from qnviz.ui.privates import connected
from qnviz.ui.state.form import plain
from qnviz.ui.state.links import open_run
from qnviz.ui.state.messages import CELL, MAP_EDIT, PIN, MapEdit, received
from qnviz.ui.state.session import viewer

REFRESH = 0.25                                 # seconds between two snapshots of growing maps
CROWD = 4                                      # sweeps beyond which snapshots are rarer
RAREST = 1.5
PATIENCE = 0.4                                 # … for which a first tile is waited for
TICK = 0.02

Results = tuple[SweepResult | None, ...]
Run = Callable[[int, int, int, SweepResult | None], RunSpec]     # of a map's row and column
Draw = Callable[[Results], bytes]              # a payload of results, the same for the same ones
Take = Callable[[MapEdit], None]               # settings that were dragged
Pin = Callable[[tuple[int, float, float, int] | None], None]     # a run that stays beside its map


def prepare(name: str) -> None:
    """Put a page's shipped maps among those that are known, and start the workers beside it."""
    warm(ready)                                   # they leave when idle for long
    _keep(name)


@cache
def _keep(name: str) -> None:
    for path in shipped(name):
        try:
            keep(SweepResult.load(path))
        except TraceError:                     # of another version: computed anew when asked for;
            return                             # a test says that `make home` is due


def shipped(name: str) -> tuple[Path, Path]:
    """The files of a page's two maps."""
    return ASSETS / f"{name}-left.npz", ASSETS / f"{name}-right.npz"


class Maps:
    """The maps of one visitor on one page."""

    def __init__(self, page: str, specs: Sequence[SweepSpec], run: Run, take: Take, pin: Pin):
        self.page, self.specs, self.run, self.take, self.pin = page, specs, run, take, pin
        self.viewer = viewer()
        self._stopped = f"{page}/stopped"
        self._ended = False                    # before it was complete, by somebody else

    def watch(self) -> tuple[Job[Sweep], ...]:
        """The jobs of all maps; those before them are let go."""
        here = connected()
        return tuple(JOBS.watch(self.viewer, Sweep(spec), here, slot=f"{self.page}/{i}")
                     for i, spec in enumerate(self.specs))

    @property
    def keys(self) -> tuple[str, ...]:
        """What tells these maps from others."""
        return tuple(spec.key() for spec in self.specs)

    def stopped(self) -> Results | None:
        """What there was of these maps when this visitor stopped them."""
        keys, results = st.session_state.get(self._stopped, ((), None))
        return results if keys == self.keys else None

    def show(self, draw: Draw) -> Results:
        """Draw the maps, growing if they do, and give what there is of them now."""
        results = self.stopped()
        if results is not None:
            self._fragment(draw, results, ())
            return results
        jobs = self.watch()
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and not all(_begun(job) for job in jobs):
            time.sleep(TICK)
        self._fragment(draw, None, jobs)
        self._ended = any(job.over.is_set() and not job.error and job.snapshot().fraction < 1
                          for job in jobs)
        return tuple(job.snapshot().value for job in jobs)

    def _fragment(self, draw: Draw, results: Results | None, jobs: tuple[Job[Sweep], ...]) -> None:
        """The maps stand in a fragment always, so that they stay the same element."""
        growing = any(not job.over.is_set() for job in jobs)

        every = min(RAREST, REFRESH * max(1.0, JOBS.busy / CROWD))

        @st.fragment(run_every=every if growing else None)
        def shown() -> None:
            snapshots = [job.snapshot() for job in jobs]
            if growing and all(job.over.is_set() for job in jobs):
                st.rerun()                     # words and links of the whole page follow
            seen = results or tuple(snapshot.value for snapshot in snapshots)
            maps(draw(seen), key=f"{self.page}/maps", on_open=self._took, on_pin=self._pinned,
                 on_edit=self._edited)
            if st.session_state.pop(f"{self.page}/changed", False):
                st.rerun()                     # it was this part of the page alone that ran
            if (cell := st.session_state.pop(f"{self.page}/open", None)) is not None:
                i, iy, ix = cell
                open_run(self.run(i, iy, ix, seen[i]))
            if growing:
                self._progress(snapshots, jobs)

        shown()
        for job in jobs:
            if job.error is not None:
                if not isinstance(job.error, QnvizError):
                    raise job.error
                st.error(plain(str(job.error)))

    def _progress(self, snapshots: Sequence[Snapshot[SweepResult]],
                  jobs: Sequence[Job[Sweep]]) -> None:
        if note := pool().note:                # such as a cluster that is out of reach
            st.info(plain(note))
        with st.container(horizontal=True, vertical_alignment="center", key="live"):
            fraction = sum(snapshot.fraction for snapshot in snapshots) / len(snapshots)
            st.progress(min(1.0, fraction), progress(snapshots))
            st.button("Stop", on_click=self._stop, args=(jobs,), key=f"{self.page}/stop")

    def _took(self) -> None:
        cell = received(f"{self.page}/maps", "open", CELL)
        if cell is not None and self._there(*cell):
            st.session_state[f"{self.page}/open"] = cell

    def _pinned(self) -> None:
        place = received(f"{self.page}/maps", "pin", PIN)
        if place is not None and (not place or place[0] < len(self.specs)):
            self.pin(place or None)
            st.session_state[f"{self.page}/changed"] = True

    def _edited(self) -> None:
        edit = received(f"{self.page}/maps", "edit", MAP_EDIT)
        if edit is not None:
            self.take(edit)
            st.session_state[f"{self.page}/changed"] = True

    def _there(self, i: int, iy: int, ix: int) -> bool:
        """Whether there is such a map, with such a cell."""
        return i < len(self.specs) and iy < self.specs[i].shape[0] and ix < self.specs[i].shape[1]

    def _stop(self, jobs: Sequence[Job[Sweep]]) -> None:
        st.session_state[self._stopped] = self.keys, tuple(job.snapshot().value for job in jobs)
        for i in range(len(jobs)):
            JOBS.leave(self.viewer, slot=f"{self.page}/{i}")

    def again(self) -> None:
        """Offer to go on, where maps were stopped."""
        if self.stopped() is not None or self._ended:
            st.button("Go on computing", type="tertiary", key=f"{self.page}/again",
                      on_click=self._go_on)

    def _go_on(self) -> None:
        st.session_state.pop(self._stopped, None)
        for i in range(len(self.specs)):
            JOBS.leave(self.viewer, slot=f"{self.page}/{i}")


def _begun(job: Job[Sweep]) -> bool:
    snapshot = job.snapshot()
    return job.over.is_set() or (snapshot.value is not None and snapshot.fraction > 0)


def progress(snapshots: Sequence[Snapshot[SweepResult]]) -> str:
    """How far the maps are, in words."""
    fraction = sum(snapshot.fraction for snapshot in snapshots) / len(snapshots)
    waiting = [snapshot.place for snapshot in snapshots if snapshot.place]
    if waiting and len(waiting) == len(snapshots):
        first = min(waiting)
        return "Next in the queue" if first == 1 else f"Number {first} in the queue"
    left = [snapshot.left for snapshot in snapshots if snapshot.left is not None]
    text = f"{percent(fraction)} of the runs"
    return text + (f", {duration(max(left))} left" if left and fraction < 1 else "")


def download(results: Results, names: Sequence[str], page: str) -> None:
    """The maps' numbers as files."""
    for i, (result, name) in enumerate(zip(results, names, strict=True)):
        if result is not None:
            st.download_button(f"Numbers of {name} (.npz)", _saved(result), f"{page}-{i + 1}.npz",
                               type="tertiary", key=f"{page}/download/{i}")


@st.cache_data(max_entries=8, show_spinner=False, hash_funcs={SweepResult: lambda r: (
    r.spec.key(), int(r.have.sum()))})
def _saved(result: SweepResult) -> bytes:
    file = io.BytesIO()
    result.save(file)
    return file.getvalue()


def payload_id(*parts: Any) -> str:
    """A short text that tells one picture's data from another's."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
