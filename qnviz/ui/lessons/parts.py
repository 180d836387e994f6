"""Parts of a page that belong to a step of its run: the pair to drag, a Newton system taken apart.

In a lesson's `show` they stand by their names; `step` then says which update or outer step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import streamlit as st

from qnviz.figures.player import newton_player
from qnviz.figures.system import SystemView
from qnviz.figures.theme import THEMES
from qnviz.runs.spec import parse
from qnviz.runs.trace import Trace
from qnviz.studies.newton_system import (
    Counts,
    NewtonSystem,
    krylov_labels,
    longest,
    never_early,
    newton_system,
)
from qnviz.ui.components.pair import pair
from qnviz.ui.components.player import player
from qnviz.ui.frame.server import PLOTLY_URL
from qnviz.ui.labs.damping import opened
from qnviz.ui.lessons.claims import ClaimError, Value
from qnviz.ui.state.session import theme_name

SYSTEM = ("system", "plane", "residual", "ritz", "curvature", "model")


class Part(Protocol):
    """A part of a lab's page."""

    @property
    def subjects(self) -> tuple[str, ...]:
        """What it knows facts about."""
        ...

    def draw(self, trace: Trace, show: Sequence[str], step: int | None, own: Any,
             key: str) -> None:
        """Draw it here."""
        ...

    def fact(self, trace: Trace, step: int | None, name: str) -> Value:
        """A fact by its name."""
        ...


class PairPart:
    """The damping page's plane: one update to drag, the reader's own or one of the run's."""

    subjects = ()

    def draw(self, trace: Trace, show: Sequence[str], step: int | None, own: Any,
             key: str) -> None:
        """The update of `of=entrant,layer,step`, with what else the state sets."""
        shown, _ = own.shown(parse(trace.spec), opened)
        pair(shown | {"theme": theme_name(), "note": "", "presets": [], "shows": None}, key=key)

    def fact(self, trace: Trace, step: int | None, name: str) -> Value:
        """There is none."""
        raise ClaimError(f"{name!r} is not known.")


class SystemPart:
    """The Krylov page's system of one outer step, iteration by iteration."""

    subjects = ("cg", "minres", "system", "saved")

    def draw(self, trace: Trace, show: Sequence[str], step: int | None, own: Any,
             key: str) -> None:
        """The pictures that are named, under a playhead of inner iterations; j pins it."""
        view = SystemView(_system(trace, step), THEMES[theme_name()])
        payload: dict[str, Any] = newton_player(view, [trace.key, *show]) | {
            "plotly_url": PLOTLY_URL}
        if "system" not in show:
            payload |= {"rows": [list(show)],
                        "panels": [p for p in payload["panels"] if p["id"] in show]}
        pinned = own.j
        st.fragment(player)(payload | {"frame": pinned, "autoplay": pinned is None}, key=key)

    def fact(self, trace: Trace, step: int | None, name: str) -> Value:
        """Of the system, of how each solver ended, and of the products that early ends saved."""
        subject, _, what = name.partition(".")
        known: dict[str, Value]
        if subject == "saved":
            counts = _counts(trace)
            known = {"percent": 100 * counts.saved, "used": counts.used,
                     "never_early": counts.never_early, "early": counts.ended_early,
                     "steps": counts.steps}
        else:
            system = _system(trace, step)
            if subject == "system":
                values = system.eigenvalues
                known = {"step": system.step, "size": system.size, "gradient": system.gradient,
                         "tolerance": system.tolerance, "smallest": float(values.min()),
                         "largest": float(values.max()),
                         "negative": float(np.sum(values < -1e-9 * np.abs(values).max()))}
            else:
                solve = next(s for s in system.solves if s.solver == subject)
                known = {"iterations": solve.iterations, "reason": solve.reason,
                         "end": solve.reason.split()[0], "residual": float(solve.residual[-1]),
                         "ritz": float(solve.ritz[-1].min()) if solve.ritz else float("nan")}
        if what not in known:
            raise ClaimError(f"{name!r} is not known; there are "
                             f"{', '.join(f'{subject}.{k}' for k in known)}.")
        value = known[what]
        return value if isinstance(value, str) else float(value)


def _label(trace: Trace) -> str:
    labels = krylov_labels(trace)
    if not labels:
        raise ClaimError("No entrant of this run solves a Newton system.")
    return labels[0]


@dataclass(frozen=True)
class _Asked:
    key: str
    step: int | None


@st.cache_resource(max_entries=64, show_spinner=False)
def _system_of(asked: _Asked, _trace: Trace) -> NewtonSystem:
    label = _label(_trace)
    return newton_system(_trace, label, asked.step or longest(_trace, label))


def _system(trace: Trace, step: int | None) -> NewtonSystem:
    return _system_of(_Asked(trace.key, step), trace)


@st.cache_resource(max_entries=64, show_spinner=False)
def _counts_of(asked: _Asked, _trace: Trace) -> Counts:
    return never_early(_trace, _label(_trace))


def _counts(trace: Trace) -> Counts:
    return _counts_of(_Asked(trace.key, None), trace)


PARTS: Mapping[str, Part] = {"pair": PairPart()} | dict.fromkeys(SYSTEM, SystemPart())
