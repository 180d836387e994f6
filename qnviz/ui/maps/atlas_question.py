"""What a visitor asks of the atlas: one declared model, and the two sweeps that answer it.

What is left empty follows what it belongs to: a field's range, a problem's steps. So a link says
only what was chosen, and a changed method brings axes that suit it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import ValidationError

from qnviz.fields import (
    Parameter,
    choice,
    faults,
    in_unicode,
    number,
    optional_whole,
    whole,
)
from qnviz.figures.maps import words
from qnviz.figures.maps.cells import (
    UNREACHED,
    Best,
    Cells,
    Columns,
    Quantity,
    Side,
    best,
    best_column,
    cells,
    typical,
)
from qnviz.figures.maps.picture import column
from qnviz.figures.maps.scale import Scale, setting_scale
from qnviz.figures.packing import packed
from qnviz.figures.theme import Theme
from qnviz.handles import handle
from qnviz.methods.registry import METHODS
from qnviz.problems.registry import PROBLEMS
from qnviz.problems.rosenbrock import Coordinate
from qnviz.runs.spec import RunSpec
from qnviz.sweeps.result import SweepResult
from qnviz.ui.maps.page import Own, Plan, Plans, Question, shared_fields
from qnviz.ui.maps.plane import loss_over
from qnviz.ui.maps.variants import (
    FIELDS,
    MAPPED,
    SEEDS,
    Variant,
    axis_title,
    symbol,
    usual_range,
)
from qnviz.ui.state.codec import described
from qnviz.ui.state.defaults import LABS

COMMON = ("steps_to_target", "final_loss", "work")     # quantities that every method has
MOST_POINTS, MOST_STEPS = 64, 3000
ROWS = 8                                       # seeds one by one, where there is no second field
# what suits a problem where nothing is asked for: a map within seconds, and a target to tell by
USUAL: dict[str, dict[str, Any]] = {
    "rosenbrock": {"points": 24, "steps": 300, "target": 1e-4},
    "linear_net": {"points": 10, "steps": 100, "target": 0.2},
    "autoencoder": {"points": 8, "steps": 40, "target": 0.0}}
SMALL = (64, 16, 6, 16, 64)                    # widths of the autoencoder that maps are made of
FINE = 64                                      # points per axis that the browser computes
START = tuple(LABS["rosenbrock"].problem["start"])
STARTS = ((-2.0, 2.0), (-1.0, 3.0))            # between which it can be dragged
COORDINATES = tuple(Parameter(f"start.{i}", "float", x, f"x_{i + 1}", "Where all runs start.",
                              low=-10, high=10) for i, x in enumerate(START))
SUMMARIES = {s.name: s for m in METHODS.values() for s in m.summaries}
COLORS = ("steps", "loss", "work", *SUMMARIES)


def _empty(symbol: str, help: str, low: float | None = None, high: float | None = None) -> Any:
    return number(None, symbol, help, ge=low, le=high)             # type: ignore[arg-type]


if TYPE_CHECKING:
    AnyVariant = AnyField = AnyRow = AnyColor = str
else:                                          # read off the registry of methods
    AnyVariant, AnyColor = Literal[tuple(MAPPED)], Literal[COLORS]
    AnyField, AnyRow = Literal[FIELDS], Literal[(*FIELDS, SEEDS)]


class AtlasQuestion(Question):
    """The state of the atlas page."""

    page = "atlas"

    problem: Literal["rosenbrock", "linear_net", "autoencoder"] = choice(
        "rosenbrock", "What is minimised.")
    noise: float = number(1.0, "s", "Each step draws ε from U[0, s]; 0 means ε = 1, no noise.",
                          ge=0, le=10)
    width: int = whole(6, "w", "Units in the hidden layer.", ge=1, le=20)
    condition: float = number(1e-5, r"\kappa", "The smallest scale in A; the largest is 1.",
                              ge=1e-8, le=1e-1, log=True)
    batch: int | None = optional_whole(256, "b", "Images per step; empty for all of them.", ge=1,
                                       le=1797)
    a: AnyVariant = choice("kbfgs", "The method of the left map.")
    b: AnyVariant = choice("kbfgs.none", "The method of the right map; it takes the same axes if "
                           "it has these fields, else its own.")
    color: AnyColor = choice("steps", "What the colour shows. For the final loss, runs take all "
                             "their steps; else they end at the target.")
    start: tuple[Coordinate, Coordinate] = described(
        START, "two numbers from -10 to 10, such as -0.25,-0.25")
    x: AnyField | None = _empty("", "The horizontal axis.")
    y: AnyRow | None = _empty("", "The vertical axis: a second field, or the seeds one by one.")
    x_from: float | None = _empty("", "Where the horizontal axis begins.")
    x_to: float | None = _empty("", "Where it ends.")
    y_from: float | None = _empty("", "Where the vertical axis begins.")
    y_to: float | None = _empty("", "Where it ends.")
    points: int | None = optional_whole(None, "n", "Cells along each axis.", ge=1, le=MOST_POINTS)
    seeds: int = whole(3, "R", "Runs per cell; the map shows their median.", ge=1, le=8)
    steps: int | None = optional_whole(None, "T", "Steps that a run may take.", ge=1,
                                       le=MOST_STEPS)
    target: float | None = _empty("f^*", "A run that gets this low has reached the target and "
                                  "ends.", 0, 1)

    def usual(self, name: str) -> Any:
        """A field's value, or what suits the problem where it was left empty."""
        asked = getattr(self, name)
        return USUAL[self.problem][name] if asked is None else asked

    @property
    def paint(self) -> str:
        """What is coloured: without a target no steps to it, but the final loss."""
        away = self.color in ("steps", "work") and not self.usual("target")
        return "loss" if away else self.color

    @property
    def goal(self) -> float:
        """The target at which runs end; 0 where they take all their steps."""
        return 0.0 if self.paint == "loss" else self.usual("target")

    @property
    def shared(self) -> list[dict[str, Any]]:
        """Noise and seed; in the plane the start, too."""
        if self.problem != "rosenbrock":
            return shared_fields(self, "seed")
        return shared_fields(self, "noise", "seed") + [
            handle(q, value) | {"label": f"start {in_unicode(q.symbol)}",
                                "first": min(low, value), "last": max(high, value)}
            for q, value, (low, high) in zip(COORDINATES, self.start, STARTS, strict=True)]

    def rule(self) -> dict[str, Any]:
        """What is coloured, and whether a run has a target."""
        q = self.quantity()
        shown = ["value", *(["steps"] if q.name != "steps_to_target" and self.goal else []),
                 *(["loss"] if q.name != "final_loss" else [])]         # as `numbers` has them
        return {"name": "settings", "column": q.name, "toTarget": q.to_target,
                "target": self.goal > 0, "columns": shown}

    def surface(self) -> dict[str, Any] | None:
        """The loss around start and minimum."""
        problem = PROBLEMS[self.problem].model_validate(self.problem_spec)
        if not problem.plane:
            return None
        (x0, x1), (y0, y1) = problem.window
        x, y, z = loss_over(problem, x0, x1, y0, y1)     # type: ignore[arg-type]  frozen models hash
        return {"x": packed(x), "y": packed(y), "minima": problem.minimisers,
                "z": packed(np.log10(np.clip(z, 1e-6, 1e30)).ravel()), "names": ("x₁", "x₂")}

    @property
    def problem_spec(self) -> dict[str, Any]:
        """The problem as a run spec has it."""
        own = {"rosenbrock": {"noise": self.noise, "noise_in": self.noise_in,
                              "start": self.start}, "linear_net": {
            "width": self.width, "condition": self.condition}, "autoencoder": {
            "batch": self.batch, "widths": SMALL}}
        return LABS[self.problem].problem | own[self.problem]

    def quantity(self) -> Quantity:
        """What the maps colour."""
        if self.paint == "steps":
            return Quantity("steps_to_target", "steps to the target", to_target=True)
        if self.paint == "work":
            return Quantity("work", "work to the target, in forward passes", to_target=True)
        if self.paint == "loss":
            why = "" if self.color == "loss" else ", as no target is set"
            return Quantity("final_loss", f"loss after {self.usual('steps')} steps{why}")
        s = SUMMARIES[self.color]
        return Quantity(s.name, s.title, s.log, s.low_is_good)

    def plans(self) -> Plans:
        """The maps that are asked for, two or fewer, and a sentence for all that cannot be."""
        notes: list[str] = []
        a, b = MAPPED[self.a], MAPPED[self.b]
        x, y = _fields(a, self, notes)
        ranges = {"x": _range(a, x, self.x_from, self.x_to, "x", notes),
                  "y": _range(a, y, self.y_from, self.y_to, "y", notes)}
        found = [_plan(a, self, self.left, (x, y), ranges, notes)]
        if not all(_fits(b, name, ranges[axis]) for axis, name in (("x", x), ("y", y))):
            x, y = b.pair
            ranges = {"x": _range(b, x, None, None, "x", notes),
                      "y": _range(b, y, None, None, "y", notes)}
        found.append(_plan(b, self, self.right, (x, y), ranges, notes))
        return tuple(p for p in found if p is not None), tuple(dict.fromkeys(notes))

    def judged(self, p: Plan, columns: Columns) -> tuple[Cells, Best | None]:
        """A map's cells and the best of them; where rows are seeds, the best column."""
        c = cells(p.columns(columns), self.quantity(), self.goal > 0)
        if p.by_seed:
            return c, best_column(cells(columns, self.quantity(), self.goal > 0), c, p.x, p.y)
        return c, best(c, p.x, p.y)

    def scale(self, theme: Theme, made: Sequence[Cells]) -> Scale:
        """Colours of the quantity, bright where it is good."""
        quantity = self.quantity()
        bare = any((c.kind == UNREACHED).any() for c in made)
        unreached = f"not reached within {self.usual('steps')} steps" if quantity.to_target else (
            "no such number" if bare else "")
        return setting_scale(theme, quantity, made, unreached)

    def words(self, p: Plan, c: Cells, best: Best | None) -> tuple[str, str]:
        """How much of the map is good; its best cell, and how sharp that is."""
        quantity, title = self.quantity(), p.variant.title
        found = words.summary(c, best, p.x, p.y, p.spec.shape[2])
        if quantity.name not in COMMON and quantity.name not in {
                s.name for s in p.variant.model.summaries}:
            found = f"{title} has no {quantity.title}. {found}"
        return words.title(title, c, self.goal > 0), found

    def difference(self, names: Sequence[str], made: Sequence[Cells]) -> str:
        """How much of each map is good, and how much is lost."""
        return words.difference(names, made, self.goal > 0)

    def numbers(self, c: Cells) -> list[dict[str, Any]]:
        """What is coloured; the steps and the loss too, where they are something else."""
        quantity = self.quantity()
        found = [column(quantity.title, c.value, c.low, c.high)]
        if quantity.name != "steps_to_target" and self.goal:
            found.append(column("steps to the target", c.steps))
        if quantity.name != "final_loss":
            found.append(column("loss at the end", c.loss))
        return found

    def run(self, p: Plan, iy: int, ix: int, result: SweepResult | None) -> RunSpec:
        """The run of a cell; of several seeds the one whose number the cell shows."""
        if p.by_seed or result is None:
            return super().run(p, iy, ix, result)
        return p.spec.at(iy, ix, typical(result.columns, self.quantity(), iy, ix))


def _fields(v: Variant, q: AtlasQuestion, notes: list[str]) -> tuple[str, str]:
    """The two fields of a method's map; one that it does not have is refused in a sentence."""
    x, y = v.pair
    known = ", ".join(v.fields)
    if q.x is not None and q.x not in v.fields:
        notes.append(f"x is {q.x!r}, which {v.title} does not have; it has {known}.")
    elif q.x is not None:
        x = q.x
    if q.y is not None and q.y != SEEDS and q.y not in v.fields:
        notes.append(f"y is {q.y!r}, which {v.title} does not have; it has {known}.")
    elif q.y is not None:
        y = q.y
    if x == y:
        y = next((n for n in v.fields if n != x), SEEDS)
        if q.x == q.y:
            notes.append(f"x and y are both {x!r}; the vertical axis is {y!r} instead.")
    return x, y


def _range(v: Variant, name: str, low: float | None, high: float | None, axis: str,
           notes: list[str]) -> tuple[float, float]:
    """Where an axis runs; an end that the field does not allow is refused in a sentence."""
    if name == SEEDS:
        return 0.0, 0.0
    q = v.fields[name]
    ends = list(usual_range(v, q))
    for i, (word, asked) in enumerate((("from", low), ("to", high))):
        if asked is None:
            continue
        if why := _refused(v, q, asked):
            notes.append(f"{axis}_{word}: {why} The usual end is taken.")
        else:
            ends[i] = asked
    if ends[0] == ends[1]:
        notes.append(f"{axis}_from and {axis}_to are both {ends[0]:g}, so that axis has one point.")
    return min(ends), max(ends)


def _refused(v: Variant, q: Parameter, value: float) -> str:
    """Why a field does not take a value; nothing where it does."""
    if q.log and value <= 0:
        return f"{q.name} is {value:g}, but on a log axis it must be greater than 0."
    try:
        v.model.model_validate({q.name: round(value) if q.kind == "int" else value})
    except ValidationError as error:
        return " ".join(faults(error))
    return ""


def _fits(v: Variant, name: str, ends: tuple[float, float]) -> bool:
    if name == SEEDS:
        return True
    return name in v.fields and not any(_refused(v, v.fields[name], end) for end in ends)


def _plan(v: Variant, q: AtlasQuestion, own: Own, names: tuple[str, str],
          ranges: dict[str, tuple[float, float]], notes: list[str]) -> Plan | None:
    sweep: dict[str, Any] = {"seeds": q.seeds}
    for axis, name in zip("xy", names, strict=True):
        if name != SEEDS:
            sweep[axis] = _axis(v.fields[name], ranges[axis], q.usual("points"))
        else:
            sweep["seeds"] = max(q.seeds, ROWS)
    spec = q.sweep(v, own, sweep, q.usual("steps"), q.goal, notes)
    if spec is None:
        return None
    fine = FINE if spec.problem.plane and names[1] != SEEDS else None
    x = _side(v, names[0], spec.values["x"], fine)
    y = (_side(v, names[1], spec.values["y"], fine) if names[1] != SEEDS else
         Side("seed", q.seed + np.arange(sweep["seeds"], dtype=float), False, "seed"))
    return Plan(v, spec, x, y)


def _axis(q: Parameter, ends: tuple[float, float], points: int) -> dict[str, Any]:
    low, high = ends
    if q.kind == "int":
        low, high = round(low), round(high)
        points = min(points, high - low + 1)
    points = 1 if low == high else points
    return {"field": q.name, "from": low, "to": high, "points": points,
            "scale": "log" if q.log else "linear"}


def _side(v: Variant, name: str, values: np.ndarray, fine: int | None) -> Side:
    q = v.fields[name]
    return Side(symbol(q), values, q.log, axis_title(q), None if q.kind == "int" else fine)


def colors(q: AtlasQuestion) -> dict[str, str]:
    """What can be coloured, by name, in words; the method's own numbers last."""
    own = {s.name: s.title for id in (q.a, q.b) for s in MAPPED[id].model.summaries}
    return {"steps": "steps to target", "loss": "final loss", "work": "work to target"} | own

