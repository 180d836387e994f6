"""A page of maps: a question, the sweeps that answer it, drawn beside each other as they grow.

The atlas and the basins are such pages. What differs between them is what is asked: a `Question`
knows its maps, what their cells say, and the words; its page adds the controls. The rest is here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple, TypeVar

import streamlit as st
from pydantic import Field, ValidationError

from qnviz.errors import SpecError
from qnviz.export.html import maps_html
from qnviz.fields import Frozen, choice, faults, parameters, whole
from qnviz.figures.maps import MapView
from qnviz.figures.maps.cells import Best, Cells, Columns, Side
from qnviz.figures.maps.picture import panel
from qnviz.figures.maps.scale import Scale
from qnviz.figures.theme import THEMES, Theme
from qnviz.handles import handle
from qnviz.problems.registry import PROBLEMS
from qnviz.runs.spec import RunSpec
from qnviz.sweeps.result import SweepResult
from qnviz.sweeps.spec import SweepSpec, parse_sweep
from qnviz.ui.components.share import share
from qnviz.ui.frame.server import PLOTLY_URL
from qnviz.ui.maps import variants
from qnviz.ui.maps.live import live_map, live_page
from qnviz.ui.maps.variants import Variant
from qnviz.ui.maps.view import Maps, Results, download, payload_id, prepare
from qnviz.ui.state import widgets
from qnviz.ui.state.codec import described
from qnviz.ui.state.form import Form, plain
from qnviz.ui.state.links import link_to
from qnviz.ui.state.messages import MapEdit
from qnviz.ui.state.session import theme_name
from qnviz.web import encoded

if TYPE_CHECKING:
    Own = Frozen
else:                                          # read off the registry of methods
    Own = variants.Own


LAST = {"noise": 3.0, "seed": 99}              # on a slider; more is typed


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

    left: Own = Own()                          # settings that differ from the lab's
    right: Own = Own()
    open: tuple[Annotated[int, Field(ge=0, le=1)], float, float,
                Annotated[int, Field(ge=0, le=9999)]] | None = described(
        None, "a map (0 or 1), its two values and a seed, such as 0,0.3,0.1,0",
        instead="No run is shown.")
    noise_in: Literal["residual", "function"] = choice(
        "residual", "Where ε stands: f has 100 ε² (x₂ − x₁²)², as the residual has the noise, or "
        "100 ε (x₂ − x₁²)².")
    seed: int = whole(0, "", "Starts, noise and batches are functions of the seed.", ge=0,
                      le=2**31 - 1)

    @property
    def shared(self) -> list[dict[str, Any]]:
        """Settings of both maps that can be dragged, as fields of the component."""
        return []

    @abstractmethod
    def rule(self) -> dict[str, Any]:
        """How the browser judges the cells that it computes, as `judged` does."""

    def surface(self) -> dict[str, Any] | None:
        """The loss under the path of a run, where maps are none of the plane itself."""
        return None

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

    def sweep(self, v: Variant, own: Own, sweep: dict[str, Any], steps: int, target: float,
              notes: list[str]) -> SweepSpec | None:
        """The sweep of a method; where it cannot be, None and sentences more in the notes.

        As in labs a run has arrived, too, where ∇f all but vanishes, if the problem says when.
        """
        problem = self.problem_spec
        still = PROBLEMS[problem["name"]].still
        chosen = _chosen(v, own, notes)
        try:
            return parse_sweep({
                "problem": problem, "methods": [v.spec(problem, **chosen)], "steps": steps,
                "seed": self.seed, "stop_loss": target, "sweep": sweep} | (
                    {"stop_grad": still} if still and target else {}))
        except SpecError as error:
            notes += [fault.replace("methods[0]", v.title) for fault in error.faults]
            return None


def _chosen(v: Variant, own: Own, notes: list[str]) -> dict[str, Any]:
    """The settings of a method that differ from its lab's; others are none of its own."""
    asked = own.model_dump(exclude_none=True)
    if strange := [name for name in asked if name not in v.fields]:
        notes.append(f"{v.title} has no {' and no '.join(strange)}.")
    return {name: round(value) if v.fields[name].kind == "int" else value
            for name, value in asked.items() if name in v.fields}


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
                lambda i, iy, ix, result: q.run(found[i], iy, ix, result),
                lambda edit: take(form, edit), lambda place: pin(form, place))
    with st.container():
        # frozen models hash, whatever their type says
        results = maps.show(lambda results: drawn(q, results, theme))  # type: ignore[arg-type]
    with st.container(horizontal=True, vertical_alignment="center", key=f"{page}-links"):
        if q.open is not None and q.open[0] < len(found):
            _open_in_lab(found[q.open[0]], *q.open[1:])
        for p, result in zip(found, results, strict=True):
            best = None if result is None else q.judged(p, result.columns)[1]
            if best is not None:
                link_to(q.run(p, best.iy, best.ix, result),
                        f"Open the best run of {p.variant.title}")
        maps.again()
        if any(result is not None for result in results):
            st.download_button("One HTML file", lambda: _saved(q, results), f"{page}.html",
                               "text/html", on_click="ignore", type="tertiary",
                               key=f"{page}/file", help="These maps, light and dark, without a "
                               "server: in the plane they follow settings there too.")
        download(results, [p.variant.title for p in found], page)


def _saved(q: Question, results: Results) -> str:
    """The maps as a page of their own."""
    return maps_html({name: payload(q, results, name) for name in THEMES},
                     [p.spec.model_dump(mode="json") for p in q.plans()[0]])


def take(form: Form[Q], edit: MapEdit) -> None:
    """Settings that were dragged; such as no page takes are ignored, and the visitor is told."""
    here = form.value.model_dump()
    asked = {name: value for name in ("noise", "seed", "start")
             if (value := getattr(edit, name)) is not None}
    asked |= {side: here[side] | getattr(edit, side) for side in ("left", "right")}
    try:
        chosen = form.model.model_validate(here | asked)
    except ValidationError as error:
        st.toast(" ".join(map(plain, faults(error))))
        return
    for name in asked:
        st.session_state[form.key(name)] = chosen.model_dump()[name]


def pin(form: Form[Q], place: tuple[int, float, float, int] | None) -> None:
    """A run stays beside its map, or none does."""
    st.session_state[form.key("open")] = place


def _open_in_lab(p: Plan, x: float, y: float, seed: int) -> None:
    try:
        run = p.spec.run({n: v for n, v in (("x", x), ("y", y)) if n in p.spec.axes}, seed)
    except ValidationError as error:
        st.info("open: " + " ".join(map(plain, faults(error))))
    else:
        link_to(run, f"Open this run of {p.variant.title} in its lab")


def _dragged(p: Plan) -> list[dict[str, Any]]:
    """The settings of a map's method that can be dragged: those that are none of its axes."""
    v, swept = p.variant, {axis.field for axis in p.spec.axes.values()}
    first = v.pair[::-1] if v.fields else ()             # the step size, where there is one
    names = dict.fromkeys(n for n in (*first, *v.fields) if n in v.fields and n not in swept)
    return [handle(v.fields[n], getattr(p.spec.swept, n)) for n in names]


@lru_cache(maxsize=32)
def drawn(q: Question, results: Results, theme_name: str) -> bytes:
    """The component's data; shared by all who see the same maps."""
    return encoded(payload(q, results, theme_name))


def payload(q: Question, results: Results, theme_name: str) -> dict[str, Any]:
    """The same before it is encoded."""
    theme, (found, _) = THEMES[theme_name], q.plans()
    judged = [q.judged(p, (r or SweepResult(p.spec)).columns)
              for p, r in zip(found, results, strict=True)]
    made = [c for c, _ in judged]
    scale = q.scale(theme, made)
    maps = []
    for i, (p, (c, best)) in enumerate(zip(found, judged, strict=True)):
        title, words = q.words(p, c, best)
        view = MapView(theme, f"map-{i}", title, words, c, p.x, p.y, scale, best, **q.overlay(p))
        maps.append(panel(view, q.numbers(c), p.seeds) | {
            "fields": _dragged(p), "live": live_map(p.spec, p.x, p.y)})
    names = [p.variant.title for p in found]
    headline = q.difference(names, made) if len(made) == 2 else ""
    content = ([p.spec.key() for p in found], [int(c.runs.sum()) for c in made], scale.title,
               theme_name)
    return {"id": payload_id(content), "plotly_url": PLOTLY_URL, "theme": theme_name,
            "headline": headline, "maps": maps, "legend": scale.legend, "open": q.open,
            "key": payload_id(content[0]), "fields": q.shared,
            "live": live_page(q.rule(), scale, found[0].seeds, q.surface())
            if any(m["live"] for m in maps) else None}


def shared_fields(q: Question, *names: str) -> list[dict[str, Any]]:
    """Fields of a page that both maps share, as sliders."""
    declared, found = {p.name: p for p in parameters(type(q))}, []
    for name in names:
        value = getattr(q, name)
        step = {"step": 1} if name == "seed" else {}
        found.append(handle(declared[name], value) | {"last": max(LAST[name], value)} | step)
    return found


def clear_own(form: Form[Q], side: str) -> None:
    """Another method has other settings."""
    st.session_state[form.key(side)] = Own().model_dump()
    st.session_state[form.key("open")] = None


def pick(form: Form[Q], name: str, label: str, options: dict[str, str], width: int,
         changed: Callable[..., None] | None = None, args: tuple[Any, ...] = ()) -> None:
    """A choice among options with words of their own."""
    widgets.choice(label, list(options), key=form.key(name), help=form.fields[name].help,
                   width=width, format_func=options.__getitem__, then=changed,
                   args=(form, *args))
