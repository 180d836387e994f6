"""The basins: from which start a method ends where, and how fast, beside the same of another."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import streamlit as st
import torch

from qnviz.errors import SpecError
from qnviz.fields import Frozen, choice, number, whole
from qnviz.figures.maps import picture as figures
from qnviz.figures.maps import words as words
from qnviz.figures.maps.cells import Cells, Side, ends
from qnviz.figures.theme import THEMES, Theme
from qnviz.numbers import say
from qnviz.problems.registry import PROBLEMS
from qnviz.runs.plane import surface
from qnviz.sweeps.result import SweepResult
from qnviz.sweeps.spec import START, SweepSpec, parse_sweep
from qnviz.ui.components.share import share
from qnviz.ui.frame.server import PLOTLY_URL
from qnviz.ui.maps.methods import VARIANTS, Variant
from qnviz.ui.maps.view import Maps, Results, download, payload_id, prepare
from qnviz.ui.state import widgets as held
from qnviz.ui.state.form import NARROW, Form
from qnviz.ui.state.session import theme_name
from qnviz.web import encoded

PAGE = "basins"
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


class BasinQuestion(Frozen):
    """The state of the basins page."""

    noise: float = number(0.0, "s", "Each step draws ε from U[0, s]; 0 means ε = 1, no noise.",
                          ge=0, le=10)
    noise_in: Literal["residual", "function"] = choice(
        "residual", "Where ε stands: f has 100 ε² (x₂ − x₁²)², as the residual has the noise, or "
        "100 ε (x₂ − x₁²)².")
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
    seed: int = whole(0, "", "The noise is a function of the seed.", ge=0, le=2**31 - 1)

    @property
    def problem_spec(self) -> dict[str, Any]:
        """The problem as a run spec has it."""
        return {"name": "rosenbrock", "noise": self.noise, "noise_in": self.noise_in}


class Plan(NamedTuple):
    """One map: its sweep over starts, and its axes."""

    variant: Variant
    spec: SweepSpec
    x: Side
    y: Side


def plans(q: BasinQuestion) -> tuple[tuple[Plan, ...], tuple[str, ...]]:
    """The two maps that are asked for, and a sentence for all that cannot be."""
    found, notes = [], []
    for v in (VARIANTS[q.a], VARIANTS[q.b]):
        axes = {axis: _axis(place, getattr(q, f"{axis}_from"), getattr(q, f"{axis}_to"), q.points)
                for place, axis in enumerate("xy")}
        try:
            spec = parse_sweep({
                "problem": q.problem_spec, "methods": [v.spec("rosenbrock")], "steps": q.steps,
                "seed": q.seed, "stop_loss": q.target, "sweep": axes})
        except SpecError as error:
            notes += [fault.replace("methods[0]", v.title) for fault in error.faults]
        else:
            x, y = (Side(f"x{'₁₂'[i]}", spec.values[axis], False, f"start x{'₁₂'[i]}")
                    for i, axis in enumerate("xy"))
            found.append(Plan(v, spec, x, y))
    if q.x_from == q.x_to or q.y_from == q.y_to:
        notes.append("An axis whose two ends are equal has one point.")
    return tuple(found), tuple(dict.fromkeys(notes))


def _axis(place: int, low: float, high: float, points: int) -> dict[str, Any]:
    return {"field": f"{START}{place}", "from": min(low, high), "to": max(low, high),
            "points": points if low != high else 1, "scale": "linear"}


def basins() -> None:
    """Run the page once."""
    prepare(PAGE)
    form = Form(PAGE, BasinQuestion)
    q = form.remember()
    share(PAGE)
    found, notes = plans(q)
    _controls(form, q)
    form.complaints(notes)
    if not found:
        return
    theme = theme_name()
    shown = Maps(PAGE, [p.spec for p in found], lambda i, iy, ix, _: found[i].spec.at(iy, ix))
    with st.container():
        results = shown.show(lambda results: drawn(q, results, theme))  # type: ignore[arg-type]
    with st.container(horizontal=True, vertical_alignment="center", key="basins-links"):
        shown.again()
        download(results, [p.variant.title for p in found], PAGE)


@lru_cache(maxsize=16)
def drawn(q: BasinQuestion, results: Results, theme_name: str) -> bytes:
    """The component's data; shared by all who look at the same maps."""
    theme, (found, _) = THEMES[theme_name], plans(q)
    points = minimisers()
    made = [ends((r or SweepResult(p.spec)).columns, points, TOLERANCE)
            for p, r in zip(found, results, strict=True)]
    scale = figures.basin_scale(
        theme, made, [f"within {TOLERANCE:g} of ({say(p[0])}, {say(p[1])})" for p in points],
        f"elsewhere after {q.steps} steps")
    panels = [_panel(p, c, scale, theme, i)
              for i, (p, c) in enumerate(zip(found, made, strict=True))]
    headline = words.basin_difference([p.variant.title for p in found], made) if len(
        made) == 2 else ""
    content = [p.spec.key() for p in found], [int(c.runs.sum()) for c in made], theme_name
    return encoded({"id": payload_id(content), "plotly_url": PLOTLY_URL, "theme": theme_name,
                    "headline": headline, "maps": panels, "legend": scale.legend})


def minimisers() -> list[tuple[float, float]]:
    """The points at which a run may end well."""
    return [PROBLEMS["rosenbrock"]().minimiser]        # type: ignore[attr-defined]


def _panel(p: Plan, c: Cells, scale: figures.Scale, theme: Theme, i: int) -> dict[str, Any]:
    said = words.basin_summary(c, p.x, p.y, minimisers())
    (x0, x1), (y0, y1) = (map(float, side.edges[[0, -1]]) for side in (p.x, p.y))
    picture = figures.picture(
        theme, f"basin-{i}", words.basin_title(p.variant.title, c), said, c, p.x, p.y, scale,
        points=minimisers(), surface=_surface(x0, x1, y0, y1))
    columns = [figures.column("steps", c.steps), figures.column("loss at the end", c.loss)]
    return figures.panel(picture, c, p.x, p.y, said, columns, 1)


@cache
def _surface(x0: float, x1: float, y0: float, y1: float) -> Surface:
    """The noise-free loss over a rectangle of the plane."""
    problem = PROBLEMS["rosenbrock"]().build(torch.float64, torch.device("cpu"))
    x, y = (torch.linspace(a, b, LEVEL_POINTS, dtype=torch.float64)
            for a, b in ((x0, x1), (y0, y1)))
    z = surface(problem, lambda theta: theta, x, y, problem.reference())
    return x.numpy(), y.numpy(), z


def _controls(form: Form[BasinQuestion], q: BasinQuestion) -> None:
    titles = {id: v.title for id, v in VARIANTS.items()}
    with st.container(key="controls", gap="small"):
        with form.row():
            form.box("noise", 0.5, width=100)
            form.controls("noise_in")
            for name, label in (("a", "left map"), ("b", "right map")):
                held.choice(label, list(titles), key=form.key(name), width=250,
                            help=form.fields[name].help, format_func=lambda o: titles[o])
            form.controls("points", "steps")
            form.controls("seed")
        with st.container(horizontal=True, key="entrants"):
            form.explain(EXPLAIN)
            form.presets(PRESETS)
            told = (f"{say(q.x_from)} … {say(q.x_to)} × {say(q.y_from)} … {say(q.y_to)}, "
                    f"target {say(q.target)}")
            with st.popover(told, key="basins/window"), st.container(width=NARROW):
                for name in ("x_from", "x_to", "y_from", "y_to"):
                    form.box(name, 0.5, width=NARROW)
                form.box("target", 1e-4, width=NARROW)
