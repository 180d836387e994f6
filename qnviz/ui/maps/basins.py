"""The basins: from which start a method ends where, and how fast, beside the same of another."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import streamlit as st
import torch

from qnviz.fields import choice, number, whole
from qnviz.figures.maps import words
from qnviz.figures.maps.cells import Best, Cells, Columns, Side, ends
from qnviz.figures.maps.picture import column
from qnviz.figures.maps.scale import Scale, basin_scale
from qnviz.figures.theme import Theme
from qnviz.numbers import say
from qnviz.problems.registry import PROBLEMS
from qnviz.runs.plane import surface
from qnviz.sweeps.spec import START
from qnviz.ui.maps.page import Plan, Plans, Question, pick, show
from qnviz.ui.maps.variants import VARIANTS
from qnviz.ui.state.form import NARROW, Form

Surface = tuple[np.ndarray, np.ndarray, np.ndarray]
TOLERANCE = 0.05                               # how near to a minimiser counts as there
LEVEL_POINTS = 81                              # per axis, for the level lines
PRESETS: dict[str, dict[str, Any]] = {
    "BFGS comes home, SGD falls off a cliff": {},
    "Newton-Krylov against Levenberg-Marquardt": {
        "a": "newton_krylov", "b": "levenberg_marquardt", "points": 64, "steps": 300},
    "K-BFGS, damped and undamped": {"a": "kbfgs", "b": "kbfgs.none", "points": 64, "steps": 300},
    "Noise: CurveBall against BFGS": {"a": "curveball", "b": "bfgs", "noise": 1.0}}
EXPLAIN = rf"""
Every pixel is a **start**, coloured by what became of its run. Blue ended within {TOLERANCE:g} of
the minimum at the star, the darker the more steps it took. Orange stood elsewhere when its steps
were used up, hatched pixels **diverged**.

All starts see the same noise, and the hyper-parameters are the lab's. Thin lines are levels of the
loss, a factor of ten apart.

**Click a start** to see its run in the lab; with the keyboard, the arrow keys choose one and Enter
opens it. Compare a fixed step with a line search: one has a cliff, the other has none.
"""

if TYPE_CHECKING:
    AnyVariant = str
else:                                          # read off the registry of methods
    AnyVariant = Literal[tuple(VARIANTS)]


def _end(default: float, help: str) -> Any:
    return number(default, "", help, ge=-10, le=10)


class BasinQuestion(Question):
    """The state of the basins page."""

    page = "basins"

    noise: float = number(0.0, "s", "Each step draws ε from U[0, s]; 0 means ε = 1, no noise.",
                          ge=0, le=10)
    a: AnyVariant = choice("bfgs", "The method of the left map.")
    b: AnyVariant = choice("sgd", "The method of the right map.")
    x_from: float = _end(-2.0, "Where the first coordinate begins.")
    x_to: float = _end(2.0, "Where it ends.")
    y_from: float = _end(-1.0, "Where the second coordinate begins.")
    y_to: float = _end(3.0, "Where it ends.")
    points: int = whole(128, "n", "Starts along each axis.", ge=1, le=256)
    steps: int = whole(500, "T", "Steps that a run may take.", ge=1, le=3000)
    target: float = number(1e-4, "f^*", "A run that gets this low has arrived and ends.", ge=0,
                           le=1)

    @property
    def problem_spec(self) -> dict[str, Any]:
        """The problem as a run spec has it."""
        return {"name": "rosenbrock", "noise": self.noise, "noise_in": self.noise_in}

    def plans(self) -> Plans:
        """The two maps that are asked for, and a sentence for all that cannot be."""
        found, notes = [], list[str]()
        axes = {axis: _axis(place, getattr(self, f"{axis}_from"), getattr(self, f"{axis}_to"),
                            self.points) for place, axis in enumerate("xy")}
        for v in (VARIANTS[self.a], VARIANTS[self.b]):
            spec = self.sweep(v, axes, self.steps, self.target, notes)
            if spec is not None:
                found.append(Plan(v, spec, *(
                    Side(f"x{'₁₂'[i]}", spec.values[axis], False, f"start x{'₁₂'[i]}")
                    for i, axis in enumerate("xy"))))
        if self.x_from == self.x_to or self.y_from == self.y_to:
            notes.append("An axis whose two ends are equal has one point.")
        return tuple(found), tuple(dict.fromkeys(notes))

    def judged(self, p: Plan, columns: Columns) -> tuple[Cells, Best | None]:
        """Where the runs of a map end; no start is the best."""
        return ends(columns, minimisers(), TOLERANCE), None

    def scale(self, theme: Theme, made: Sequence[Cells]) -> Scale:
        """A hue per minimiser, darker where it takes more steps."""
        places = [f"within {TOLERANCE:g} of ({say(p[0])}, {say(p[1])})" for p in minimisers()]
        return basin_scale(theme, made, places, f"elsewhere after {self.steps} steps")

    def words(self, p: Plan, c: Cells, best: Best | None) -> tuple[str, str]:
        """How many starts reach the minimum; how fast, and where the nearest failure starts."""
        return (words.basin_title(p.variant.title, c),
                words.basin_summary(c, p.x, p.y, minimisers()))

    def difference(self, names: Sequence[str], made: Sequence[Cells]) -> str:
        """From how many starts each method reaches the minimum."""
        return words.basin_difference(names, made)

    def numbers(self, c: Cells) -> list[dict[str, Any]]:
        """Steps and loss."""
        return [column("steps", c.steps), column("loss at the end", c.loss)]

    def overlay(self, p: Plan) -> dict[str, Any]:
        """The minimisers, and level lines of the loss."""
        window = (float(end) for side in (p.x, p.y) for end in side.edges[[0, -1]])
        return {"points": minimisers(), "surface": _surface(*window)}


def minimisers() -> list[tuple[float, float]]:
    """The points at which a run may end well."""
    return [PROBLEMS["rosenbrock"]().minimiser]        # type: ignore[attr-defined]


def _axis(place: int, low: float, high: float, points: int) -> dict[str, Any]:
    return {"field": f"{START}{place}", "from": min(low, high), "to": max(low, high),
            "points": points if low != high else 1, "scale": "linear"}


@cache
def _surface(x0: float, x1: float, y0: float, y1: float) -> Surface:
    """The noise-free loss over a rectangle of the plane."""
    problem = PROBLEMS["rosenbrock"]().build(torch.float64, torch.device("cpu"))
    x, y = (torch.linspace(a, b, LEVEL_POINTS, dtype=torch.float64)
            for a, b in ((x0, x1), (y0, y1)))
    z = surface(problem, lambda theta: theta, x, y, problem.reference())
    return x.numpy(), y.numpy(), z


def basins() -> None:
    """Run the page once."""
    show(BasinQuestion, _controls)


def _controls(form: Form[BasinQuestion], q: BasinQuestion) -> None:
    titles = {id: v.title for id, v in VARIANTS.items()}
    with st.container(key="controls", gap="small"):
        with form.row():
            form.box("noise", 0.5, width=100)
            form.controls("noise_in")
            pick(form, "a", "left map", titles, 250)
            pick(form, "b", "right map", titles, 250)
            form.controls("points", "steps")
            form.controls("seed")
        with st.container(horizontal=True, key="entrants"):
            form.explain(EXPLAIN)
            form.presets(PRESETS)
            window = (f"{say(q.x_from)} … {say(q.x_to)} × {say(q.y_from)} … {say(q.y_to)}, "
                      f"target {say(q.target)}")
            with st.popover(window, key="basins/window"), st.container(width=NARROW):
                for name in ("x_from", "x_to", "y_from", "y_to"):
                    form.box(name, 0.5, width=NARROW)
                form.box("target", 1e-4, width=NARROW)
