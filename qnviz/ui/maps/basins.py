"""The basins: from which start a method ends where, and how fast, beside the same of another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import streamlit as st
from pydantic import field_validator

from qnviz.fields import choice, number, optional_number, optional_whole, text, whole
from qnviz.figures.maps import words
from qnviz.figures.maps.cells import Best, Cells, Columns, Side, ends
from qnviz.figures.maps.picture import column
from qnviz.figures.maps.scale import Scale, basin_scale
from qnviz.figures.theme import Theme
from qnviz.numbers import say
from qnviz.problems.typed import CLASSICS, Function
from qnviz.problems.typed.search import REACH
from qnviz.problems.typed.stationary import MANY, NEAR, ZERO, Point, stationary
from qnviz.sweeps.spec import START
from qnviz.ui.maps.page import Plan, Plans, Question, clear_own, pick, shared_fields, show
from qnviz.ui.maps.plane import loss_over
from qnviz.ui.maps.variants import VARIANTS
from qnviz.ui.state import widgets
from qnviz.ui.state.controls import misunderstood
from qnviz.ui.state.form import NARROW, Form, plain

PROBLEM_NAMES = {"rosenbrock": "Rosenbrock", "function": "Your own function"}
TOLERANCE = 0.05                               # how near to a minimiser counts as there,
AROUND = 0.5                                   # of a window, in which minima count, too
WINDOW = 4.0                                   # in a window so wide
USUAL = {"rosenbrock": 128, "function": 48}    # of the first two maps are shipped
FINE = 512                                     # points per axis that the browser computes
ENDS = ("x_from", "x_to", "y_from", "y_to")
ROSENBROCK = (-2.0, 2.0, -1.0, 3.0)            # where its axes end
PLACES = (0.5, 0.4142, 0.6180, 0.2679, 0.8284)     # shares of a window, where f may have a value
PRESETS: dict[str, dict[str, Any]] = {
    "BFGS comes home, SGD falls off a cliff": {},
    "Himmelblau: which of four minima?": {"problem": "function", "a": "bfgs", "b": "kbfgs"},
    "Styblinski-Tang: the nearest, not the lowest": {
        "problem": "function", "f": CLASSICS["styblinski_tang"].f, "a": "bfgs", "b": "adam"},
    "A saddle: its ridge parts two basins": {
        "problem": "function", "f": CLASSICS["saddle"].f, "a": "bfgs", "b": "newton"},
    "Goldstein-Price: a plain among walls": {
        "problem": "function", "f": CLASSICS["goldstein_price"].f, "a": "bfgs", "b": "newton"},
    "Newton-Krylov against Levenberg-Marquardt": {
        "a": "newton_krylov", "b": "levenberg_marquardt", "points": 64, "steps": 300},
    "K-BFGS, damped and undamped": {"a": "kbfgs", "b": "kbfgs.none", "points": 64, "steps": 300},
    "Noise: CurveBall against BFGS": {"a": "curveball", "b": "bfgs", "noise": 1.0}}
EXPLAIN = r"""
Every pixel is a **start**, coloured by what became of its run: the hue of the minimum that it ended
at, the darker the more steps it took. Orange stood elsewhere when its steps were used up, hatched
pixels **diverged**. Numbers at the stars tell minima of one hue apart.

All starts see the same noise. Thin lines are levels of the loss.

**Point at a start** to see its path; a click keeps it, and links to its lab. With the keyboard, the
arrow keys choose a start and Enter keeps it. **Drag a setting**, and the map follows. Compare a
fixed step with a line search: one has a cliff, the other has none.
"""

if TYPE_CHECKING:
    AnyVariant = str
else:                                          # read off the registry of methods
    AnyVariant = Literal[tuple(VARIANTS)]


def _end(help: str) -> Any:
    return optional_number(None, "", f"{help} Empty: as the problem's window does.", ge=-REACH,
                           le=REACH, empty="fitted")


class Known(NamedTuple):
    """The points of the plane by which ends are told apart, and how near to one counts as there."""

    minima: tuple[Point, ...]
    others: tuple[Point, ...]                  # saddles and maxima
    tolerance: float


class BasinQuestion(Question):
    """The state of the basins page."""

    page = "basins"

    problem: Literal["rosenbrock", "function"] = choice(
        "rosenbrock", "What is minimised: Rosenbrock's function, or one of your own.")
    f: str = text(Function.model_fields["f"].default, "A function of x and y, as on the page Your "
                  "own function.", kind="expression")
    noise: float = number(0.0, "s", "Each step draws ε from U[0, s]; 0 means ε = 1, no noise.",
                          ge=0, le=10)
    a: AnyVariant = choice("bfgs", "The method of the left map.")
    b: AnyVariant = choice("sgd", "The method of the right map.")
    x_from: float | None = _end("Where the first coordinate begins.")
    x_to: float | None = _end("Where it ends.")
    y_from: float | None = _end("Where the second coordinate begins.")
    y_to: float | None = _end("Where it ends.")
    points: int | None = optional_whole(None, "n", "Starts along each axis that the server "
                                        "computes, for the numbers and sentences.", ge=1, le=256,
                                        empty="usual")
    steps: int = whole(500, "T", "Steps that a run may take.", ge=1, le=3000)
    target: float = number(1e-4, "f^*", "A run that gets this low has arrived and ends.", ge=0,
                           le=1)

    @property
    def side(self) -> int:
        """Starts along each axis: as asked for, or as many as take seconds."""
        return USUAL[self.problem] if self.points is None else self.points

    @field_validator("f")
    @classmethod
    def _understood(cls, typed: str) -> str:
        return Function.understood(typed)

    @property
    def ends(self) -> tuple[float, float, float, float]:
        """Where the axes begin and end: as asked for, or as the problem's window does."""
        if self.problem == "rosenbrock":
            usual = ROSENBROCK
        else:
            (x0, x1), (y0, y1) = Function(f=self.f).frame
            usual = (x0, x1, y0, y1)
        x0, x1, y0, y1 = (u if (asked := getattr(self, name)) is None else asked
                          for name, u in zip(ENDS, usual, strict=True))
        return x0, x1, y0, y1

    @property
    def problem_spec(self) -> dict[str, Any]:
        """The problem as a run spec has it; its own start is a place where f has a value."""
        if self.problem == "rosenbrock":
            return {"name": "rosenbrock", "noise": self.noise, "noise_in": self.noise_in}
        x0, x1, y0, y1 = self.ends
        places = [(x0 + s * (x1 - x0), y0 + t * (y1 - y0)) for s in PLACES for t in PLACES]
        start = next((p for p in places if Function(f=self.f, start=p).undefined is None),
                     places[0])
        return {"name": "function", "f": self.f, "start": start}

    @property
    def known(self) -> Known:
        """The minima, saddles and maxima by which ends are told apart, and how near counts."""
        if self.problem == "rosenbrock":
            return Known(((1.0, 1.0),), (), TOLERANCE)
        return known(self.f)

    @property
    def shared(self) -> list[dict[str, Any]]:
        """Noise and seed, where there is any."""
        return shared_fields(self, "noise", "seed") if self.problem == "rosenbrock" else []

    def rule(self) -> dict[str, Any]:
        """The points at which runs end."""
        minima, others, tolerance = self.known
        return {"name": "ends", "points": [*minima, *others], "minima": len(minima),
                "tolerance": tolerance, "columns": ["steps", "loss"]}

    def plans(self) -> Plans:
        """The two maps that are asked for, and a sentence for all that cannot be."""
        found, notes = [], list[str]()
        x0, x1, y0, y1 = self.ends
        axes = {"x": _axis(0, x0, x1, self.side), "y": _axis(1, y0, y1, self.side)}
        names = ("x₁", "x₂") if self.problem == "rosenbrock" else ("x", "y")
        for v, own in ((VARIANTS[self.a], self.left), (VARIANTS[self.b], self.right)):
            spec = self.sweep(v, own, axes, self.steps, self.target, notes)
            if spec is not None:
                found.append(Plan(v, spec, *(
                    Side(name, spec.values[axis], False, f"start {name}", FINE)
                    for name, axis in zip(names, "xy", strict=True))))
        if x0 == x1 or y0 == y1:
            notes.append("An axis whose two ends are equal has one point.")
        return tuple(found), tuple(dict.fromkeys(notes))

    def judged(self, p: Plan, columns: Columns) -> tuple[Cells, Best | None]:
        """Where the runs of a map end; no start is the best."""
        minima, others, tolerance = self.known
        return ends(columns, minima, tolerance, others), None

    def scale(self, theme: Theme, made: Sequence[Cells]) -> Scale:
        """A hue per minimiser, darker where it takes more steps."""
        minima, _, tolerance = self.known
        at = [f"({say(x)}, {say(y)})" for x, y in minima]
        places = ([f"within {say(tolerance)} of {at[0]}"] if len(at) == 1 else
                  [f"{i + 1}: {place}" for i, place in enumerate(at)])
        return basin_scale(theme, made, places, f"elsewhere after {self.steps} steps")

    def words(self, p: Plan, c: Cells, best: Best | None) -> tuple[str, str]:
        """How many starts reach a minimum; how fast, and where the nearest failure starts."""
        minima = self.known.minima
        return (words.basin_title(p.variant.title, c, len(minima)),
                words.basin_summary(c, p.x, p.y, minima))

    def difference(self, names: Sequence[str], made: Sequence[Cells]) -> str:
        """From how many starts each method reaches a minimum."""
        return words.basin_difference(names, made, len(self.known.minima))

    def numbers(self, c: Cells) -> list[dict[str, Any]]:
        """Steps and loss."""
        return [column("steps", c.steps), column("loss at the end", c.loss)]

    def overlay(self, p: Plan) -> dict[str, Any]:
        """The minimisers, and level lines of the loss."""
        window = (float(end) for side in (p.x, p.y) for end in side.edges[[0, -1]])
        return {"points": self.known.minima, "surface": loss_over(p.spec.problem, *window)}


@lru_cache(maxsize=64)
def known(typed: str) -> Known:
    """What is known of a function's stationary points: its lowest minima first."""
    function = Function(f=typed)
    (x0, x1), (y0, y1) = function.frame
    width, beyond = x1 - x0, AROUND * (x1 - x0)
    found = stationary(typed, ((x0 - beyond, x1 + beyond), (y0 - beyond, y1 + beyond)))
    near = NEAR * width
    minima = [*function.minimisers, *(p for p in found.minima if all(
        math.dist(p, q) > near for q in function.minimisers))][:MANY]
    # a search may leave a coordinate of 1e-122
    x, y = (tuple(v if abs(v) > ZERO * width else 0.0 for v in side)
            for side in zip(*minima, strict=True)) if minima else ((), ())
    return Known(tuple(zip(x, y, strict=True)), found.others,
                 float(f"{TOLERANCE * width / WINDOW:.2g}"))


def _axis(place: int, low: float, high: float, points: int) -> dict[str, Any]:
    return {"field": f"{START}{place}", "from": min(low, high), "to": max(low, high),
            "points": points if low != high else 1, "scale": "linear"}


def basins() -> None:
    """Run the page once."""
    show(BasinQuestion, _controls)


def _controls(form: Form[BasinQuestion], q: BasinQuestion) -> None:
    titles = {id: v.title for id, v in VARIANTS.items()}
    with st.container(key="controls", gap="small"):
        with form.row():
            pick(form, "problem", "problem", PROBLEM_NAMES, 160, _new_problem)
            if q.problem == "function":
                form.controls("f")
            else:
                form.controls("noise_in")
            pick(form, "a", "left map", titles, 220, clear_own, ("left",))
            pick(form, "b", "right map", titles, 220, clear_own, ("right",))
        with st.container(horizontal=True, key="entrants"):
            form.explain(EXPLAIN)
            form.presets(PRESETS)
            x0, x1, y0, y1 = q.ends
            window = f"{say(x0)} … {say(x1)} × {say(y0)} … {say(y1)}"
            with st.popover(window, key="basins/window"), st.container(width=NARROW):
                for name, end in zip(ENDS, q.ends, strict=True):
                    widgets.number(name.replace("_", " "), -REACH, REACH, key=form.key(name),
                                   format="%.6g", placeholder=say(end),
                                   help=form.fields[name].help)
            size = f"{q.side} × {q.side}, {q.steps} steps, target {say(q.target)}"
            with st.popover(size, key="basins/size"), st.container(width=NARROW):
                form.controls("points", "steps")
                form.box("target", 1e-4, width=NARROW)
        if wrong := misunderstood(form.fields["f"], form.key("f")):
            st.warning(plain(wrong))


def _new_problem(form: Form[BasinQuestion]) -> None:
    """A window and settings of one problem do not suit another."""
    for name in (*ENDS, "open"):
        st.session_state[form.key(name)] = None
    for side in ("left", "right"):
        clear_own(form, side)
