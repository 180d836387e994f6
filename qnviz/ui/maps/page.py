"""A page of maps: a question, the sweeps that answer it, drawn beside each other as they grow.

The atlas and the basins are such pages. What differs between them is what is asked: a `Question`
knows its maps, what their cells say, and the words; its page adds the controls. The rest is here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, ClassVar, Literal, NamedTuple, TypeVar

import streamlit as st

from qnviz.errors import SpecError
from qnviz.fields import Frozen, choice, whole
from qnviz.figures.maps import MapView
from qnviz.figures.maps.cells import Best, Cells, Columns, Side
from qnviz.figures.maps.picture import panel
from qnviz.figures.maps.scale import Scale
from qnviz.figures.theme import THEMES, Theme
from qnviz.runs.spec import RunSpec
from qnviz.sweeps.result import SweepResult
from qnviz.sweeps.spec import SweepSpec, parse_sweep
from qnviz.ui.components.share import share
from qnviz.ui.frame.server import PLOTLY_URL
from qnviz.ui.maps.variants import Variant
from qnviz.ui.maps.view import Maps, Results, download, payload_id, prepare
from qnviz.ui.state import widgets
from qnviz.ui.state.form import Form
from qnviz.ui.state.links import link_to
from qnviz.ui.state.session import theme_name
from qnviz.web import encoded


class Plan(NamedTuple):
    """One map: its sweep, and its axes."""

    variant: Variant
    spec: SweepSpec
    x: Side
    y: Side

    @property
    def by_seed(self) -> bool:
        """Whether rows are seeds, so that a cell is a single run."""
        return self.spec.sweep.y is None

    @property
    def seeds(self) -> int:
        """Runs per cell."""
        return 1 if self.by_seed else self.spec.shape[2]

    def columns(self, columns: Columns) -> Columns:
        """A sweep's columns (ny, nx, seeds) as this map's rows and columns."""
        if not self.by_seed:
            return columns
        return {name: a.transpose(2, 1, 0) for name, a in columns.items()}

    def place(self, iy: int, ix: int) -> tuple[int, int, int]:
        """A map's cell in its sweep: iy, ix, and the seed, which is the first of several."""
        return (0, ix, iy) if self.by_seed else (iy, ix, 0)


Plans = tuple[tuple[Plan, ...], tuple[str, ...]]


class Question(Frozen):
    """The state of a page of maps, and what answers it.

    A subclass declares the other fields of the address: among them `a` and `b`, ids of variants.
    """

    page: ClassVar[str]

    noise_in: Literal["residual", "function"] = choice(
        "residual", "Where ε stands: f has 100 ε² (x₂ − x₁²)², as the residual has the noise, or "
        "100 ε (x₂ − x₁²)².")
    seed: int = whole(0, "", "Starts, noise and batches are functions of the seed.", ge=0,
                      le=2**31 - 1)

    @property
    @abstractmethod
    def problem_spec(self) -> dict[str, Any]:
        """The problem as a run spec has it."""

    @abstractmethod
    def plans(self) -> Plans:
        """The maps that are asked for, two or fewer, and a sentence for all that cannot be."""

    @abstractmethod
    def judged(self, p: Plan, columns: Columns) -> tuple[Cells, Best | None]:
        """A map's cells from its sweep's columns, and the best of them where one is sought."""

    @abstractmethod
    def scale(self, theme: Theme, made: Sequence[Cells]) -> Scale:
        """The one colour scale of all maps."""

    @abstractmethod
    def words(self, p: Plan, c: Cells, best: Best | None) -> tuple[str, str]:
        """A map's title, and what is found in it."""

    @abstractmethod
    def difference(self, names: Sequence[str], made: Sequence[Cells]) -> str:
        """Two maps against each other, in a sentence."""

    @abstractmethod
    def numbers(self, c: Cells) -> list[dict[str, Any]]:
        """The columns of numbers that a cell shows under the pointer."""

    def overlay(self, p: Plan) -> dict[str, Any]:
        """What else a map shows, as fields of a `MapView`."""
        return {}

    def run(self, p: Plan, iy: int, ix: int, result: SweepResult | None) -> RunSpec:
        """The run that a cell opens."""
        return p.spec.at(*p.place(iy, ix))

    def sweep(self, v: Variant, sweep: dict[str, Any], steps: int, target: float,
              notes: list[str]) -> SweepSpec | None:
        """The sweep of a method; where it cannot be, None and sentences more in the notes."""
        problem = self.problem_spec
        try:
            return parse_sweep({
                "problem": problem, "methods": [v.spec(problem["name"])], "steps": steps,
                "seed": self.seed, "stop_loss": target, "sweep": sweep})
        except SpecError as error:
            notes += [fault.replace("methods[0]", v.title) for fault in error.faults]
            return None


Q = TypeVar("Q", bound=Question)


def show(question: type[Q], controls: Callable[[Form[Q], Q], None]) -> None:
    """Run a page once."""
    page = question.page
    prepare(page)
    form = Form(page, question)
    q = form.remember()
    share(page)
    found, notes = q.plans()
    controls(form, q)
    form.complaints(notes)
    if not found:
        return
    theme = theme_name()
    maps = Maps(page, [p.spec for p in found],
                lambda i, iy, ix, result: q.run(found[i], iy, ix, result))
    with st.container():
        # frozen models hash, whatever their type says
        results = maps.show(lambda results: drawn(q, results, theme))  # type: ignore[arg-type]
    with st.container(horizontal=True, vertical_alignment="center", key=f"{page}-links"):
        for p, result in zip(found, results, strict=True):
            best = None if result is None else q.judged(p, result.columns)[1]
            if best is not None:
                link_to(q.run(p, best.iy, best.ix, result),
                        f"Open the best run of {p.variant.title}")
        maps.again()
        download(results, [p.variant.title for p in found], page)


@lru_cache(maxsize=32)
def drawn(q: Question, results: Results, theme_name: str) -> bytes:
    """The component's data; shared by all who see the same maps."""
    theme, (found, _) = THEMES[theme_name], q.plans()
    judged = [q.judged(p, (r or SweepResult(p.spec)).columns)
              for p, r in zip(found, results, strict=True)]
    made = [c for c, _ in judged]
    scale = q.scale(theme, made)
    maps = []
    for i, (p, (c, best)) in enumerate(zip(found, judged, strict=True)):
        title, words = q.words(p, c, best)
        view = MapView(theme, f"map-{i}", title, words, c, p.x, p.y, scale, best, **q.overlay(p))
        maps.append(panel(view, q.numbers(c), p.seeds))
    names = [p.variant.title for p in found]
    headline = q.difference(names, made) if len(made) == 2 else ""
    content = ([p.spec.key() for p in found], [int(c.runs.sum()) for c in made], scale.title,
               theme_name)
    return encoded({"id": payload_id(content), "plotly_url": PLOTLY_URL, "theme": theme_name,
                    "headline": headline, "maps": maps, "legend": scale.legend})


def pick(form: Form[Q], name: str, label: str, options: dict[str, str], width: int,
         changed: Callable[[Form[Q]], None] | None = None) -> None:
    """A choice among options with words of their own."""
    widgets.choice(label, list(options), key=form.key(name), help=form.fields[name].help,
                   width=width, format_func=options.__getitem__, then=changed, args=(form,))
