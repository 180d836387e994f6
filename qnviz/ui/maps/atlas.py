"""The atlas: two settings of a method as a map, beside the same map of another."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import streamlit as st

from qnviz.figures.maps import picture as figures
from qnviz.figures.maps import words as words
from qnviz.figures.maps.cells import (
    UNREACHED,
    Best,
    Cells,
    Columns,
    best,
    best_column,
    cells,
    typical,
)
from qnviz.figures.theme import THEMES, Theme
from qnviz.numbers import say
from qnviz.runs.spec import RunSpec
from qnviz.sweeps.result import SweepResult
from qnviz.ui.components.share import share
from qnviz.ui.frame.server import PLOTLY_URL
from qnviz.ui.maps.methods import MAPPED, SEEDS, VARIANTS, axis_title, symbol, usual_range
from qnviz.ui.maps.question import USUAL, AtlasQuestion, Plan, colors, plans
from qnviz.ui.maps.view import Maps, Results, download, payload_id, prepare
from qnviz.ui.state import widgets as held
from qnviz.ui.state.form import NARROW, Form
from qnviz.ui.state.links import link_to
from qnviz.ui.state.session import theme_name
from qnviz.web import encoded

PAGE = "atlas"
COMMON = ("steps_to_target", "final_loss", "work")
PROBLEMS = {"rosenbrock": "Rosenbrock", "linear_net": "Linear net",
            "autoencoder": "Autoencoder, digits"}
PRESETS: dict[str, dict[str, Any]] = {
    "Double damping against none": {},
    "Without noise: where is the best cell now?": {"noise": 0.0},
    "Strong noise: who still arrives?": {"noise": 3.0, "target": 0.1},
    "CurveBall: how much λ₀ matters": {"a": "curveball", "b": "levenberg_marquardt"},
    "Linear net: how little is left without damping": {"problem": "linear_net", "seeds": 1},
    "Newton-Krylov: what η and τ cost": {"a": "newton_krylov", "b": "newton_krylov.gauss_newton",
                                         "color": "work", "noise": 0.0}}
EXPLAIN = r"""
Every cell is a whole run with its own two settings; all share start, noise and batches. **Bright**
is good: few steps to the target. Grey did not get there, hatched cells **diverged**.

The star is the best cell. Its bars span the settings that need at most twice as many steps: long
bars forgive, short ones must be tuned.

Both maps have one colour scale. **Click a cell** to see its run in the lab; with the keyboard, the
arrow keys choose a cell and Enter opens it. More seeds show which borders are luck.
"""


def atlas() -> None:
    """Run the page once."""
    prepare(PAGE)
    form = Form(PAGE, AtlasQuestion)
    q = form.remember()
    share(PAGE)
    found, notes = plans(q)
    _controls(form, q, found)
    form.complaints(notes)
    if not found:
        return
    theme = theme_name()
    shown = Maps(PAGE, [p.spec for p in found],
                 lambda i, iy, ix, result: _run(q, found[i], iy, ix, result))
    place = st.container()
    with place:
        results = shown.show(lambda results: drawn(q, results, theme))  # type: ignore[arg-type]
    with st.container(horizontal=True, vertical_alignment="center", key="atlas-links"):
        for plan, name, result in zip(found, names(found), results, strict=True):
            at = _best(q, plan, result)
            if at is not None:
                link_to(_run(q, plan, at.iy, at.ix, result), f"Open the best run of {name}")
        shown.again()
        download(results, names(found), PAGE)


def names(found: tuple[Plan, ...]) -> list[str]:
    """What the maps are called beside each other."""
    return [p.variant.title for p in found]


def _run(q: AtlasQuestion, p: Plan, iy: int, ix: int, result: SweepResult | None) -> RunSpec:
    """The run of a cell; of several seeds the one whose number the cell shows."""
    if p.by_seed or result is None:
        return p.spec.at(*p.place(iy, ix))
    return p.spec.at(iy, ix, typical(result.columns, q.quantity(), iy, ix))


def _best(q: AtlasQuestion, plan: Plan, result: Any) -> Best | None:
    return None if result is None else _judged(q, plan, result.columns)[1]


def _judged(q: AtlasQuestion, p: Plan, columns: Columns) -> tuple[Cells, Best | None]:
    """A map's cells and the best of them; where rows are seeds, the best column."""
    c = cells(p.columns(columns), q.quantity(), q.goal > 0)
    if p.by_seed:
        return c, best_column(cells(columns, q.quantity(), q.goal > 0), c, p.x, p.y)
    return c, best(c, p.x, p.y)


# --- drawing -------------------------------------------------------------------------------------


@lru_cache(maxsize=16)
def drawn(q: AtlasQuestion, results: Results, theme_name: str) -> bytes:
    """The component's data; shared by all who look at the same maps."""
    theme, quantity, (found, _) = THEMES[theme_name], q.quantity(), plans(q)
    judged = [_judged(q, p, r.columns if r is not None else SweepResult(p.spec).columns)
              for p, r in zip(found, results, strict=True)]
    made = [c for c, _ in judged]
    bare = any((c.kind == UNREACHED).any() for c in made)
    unreached = f"not reached within {q.usual('steps')} steps" if quantity.to_target else (
        "no such number" if bare else "")
    scale = figures.setting_scale(theme, quantity, made, unreached)
    panels = [_panel(q, p, c, at, scale, theme, i)
              for i, (p, (c, at)) in enumerate(zip(found, judged, strict=True))]
    said = names(found)
    headline = words.difference(said, made, q.goal > 0) if len(made) == 2 else ""
    content = [p.spec.key() for p in found], [int(c.runs.sum()) for c in made], q.color, theme_name
    return encoded({"id": payload_id(content), "plotly_url": PLOTLY_URL, "theme": theme_name,
                    "headline": headline, "maps": panels, "legend": scale.legend})


def _panel(q: AtlasQuestion, p: Plan, c: Cells, at: Best | None, scale: figures.Scale,
           theme: Theme, i: int) -> dict[str, Any]:
    seeds = p.spec.shape[2]
    said = words.summary(c, at, p.x, p.y, seeds)
    quantity = q.quantity()
    if quantity.name not in COMMON and quantity.name not in {
            s.name for s in p.variant.model.summaries}:
        said = f"{p.variant.title} has no {quantity.title}. {said}"
    picture = figures.picture(
        theme, f"map-{i}", words.title(p.variant.title, c, q.goal > 0), said, c, p.x,
        p.y, scale, best=at)
    columns = [figures.column(quantity.title, c.value, c.low, c.high)]
    if quantity.name != "steps_to_target" and q.goal:
        columns.append(figures.column("steps to the target", c.steps))
    if quantity.name != "final_loss":
        columns.append(figures.column("loss at the end", c.loss))
    return figures.panel(picture, c, p.x, p.y, said, columns,
                         1 if p.by_seed else seeds)


# --- controls ------------------------------------------------------------------------------------


def _controls(form: Form[AtlasQuestion], q: AtlasQuestion, found: tuple[Plan, ...]) -> None:
    with st.container(key="controls", gap="small"):
        with form.row():
            _select(form, "problem", PROBLEMS, 160, _new_problem)
            if q.problem == "rosenbrock":
                form.box("noise", 0.5, width=100)
                form.controls("noise_in")
            elif q.problem == "linear_net":
                form.controls("width", "condition")
            else:
                form.controls("batch")
            titles = {id: v.title for id, v in MAPPED.items()}
            _select(form, "a", titles, 230, _new_method)
            _select(form, "b", titles, 230)
            offered = colors(q)
            if q.color not in offered:         # of a method that is no longer here
                offered = offered | {q.color: q.quantity().title}
            _select(form, "color", offered, 220)
        with st.container(horizontal=True, key="entrants"):
            form.explain(EXPLAIN)
            form.presets(PRESETS)
            _axes(form, q)
            said = f"{q.usual('points')} × {q.usual('points')}, {q.seeds} seed" + (
                "s" if q.seeds > 1 else "") + f", {q.usual('steps')} steps"
            with st.popover(said, key="atlas/size"), st.container(width=NARROW):
                for name, most in (("points", 64), ("steps", 3000)):
                    _usual(form, q, name, 1, most, "%d", str(USUAL[q.problem][name]))
                form.controls("seeds", "seed")
                _usual(form, q, "target", 0.0, 1.0, "%.3g", say(USUAL[q.problem]["target"]))


def _axes(form: Form[AtlasQuestion], q: AtlasQuestion) -> None:
    """The two axes: which field each has, and from where to where."""
    v = MAPPED[q.a]
    pair = dict(zip("xy", v.pair, strict=True))
    for axis in "xy":
        name = getattr(q, axis) or pair[axis]
        name = name if name in v.fields or name == SEEDS else pair[axis]
        field = v.fields.get(name)
        title = "seed by seed" if field is None else symbol(field)
        ends = usual_range(v, field) if field is not None else (0.0, 0.0)
        low, high = (e if (asked := getattr(q, f"{axis}_{way}")) is None else asked
                     for e, way in zip(ends, ("from", "to"), strict=True))
        told = f"{'→' if axis == 'x' else '↑'} {title}" + (
            f" {say(low)} … {say(high)}" if field is not None else "")
        with st.popover(told, key=f"atlas/axis-{axis}"), st.container(width=NARROW):
            options = {n: f"{axis_title(p)}" for n, p in v.fields.items()}
            if axis == "y":
                options[SEEDS] = "the seeds, one by one"
            if st.session_state[form.key(axis)] not in (None, *options):
                st.session_state[form.key(axis)] = None
            held.choice("field", list(options), key=form.key(axis),
                        format_func=lambda n, words=options: words[n],
                        placeholder=options.get(pair[axis], ""), then=_new_axis,
                        args=(form, axis))
            if field is None:
                continue
            for way, end in zip(("from", "to"), ends, strict=True):
                held.number(way, None, None, key=form.key(f"{axis}_{way}"), format="%.4g",
                            placeholder=say(end),
                            help=f"Allowed: {field.range}. Empty: {say(end)}.")


def _select(form: Form[AtlasQuestion], name: str, options: dict[str, str], width: int,
            changed: Any = None) -> None:
    q = form.fields[name]
    labels = {"a": "left map", "b": "right map", "color": "colour shows"}
    held.choice(labels.get(name, name), list(options), key=form.key(name), help=q.help,
                width=width, format_func=lambda o: options[o], then=changed, args=(form,))


def _usual(form: Form[AtlasQuestion], q: AtlasQuestion, name: str, low: Any, high: Any,
           format: str, usual: str) -> None:
    field = form.fields[name]
    held.number(f"{name}", low, high, key=form.key(name), format=format,
                placeholder=usual, help=f"{field.help} Empty: {usual}, for this problem.")


def _clear(form: Form[AtlasQuestion], *fields: str) -> None:
    for name in fields:
        st.session_state[form.key(name)] = None


def _new_problem(form: Form[AtlasQuestion]) -> None:
    """What was chosen for one problem does not suit another."""
    _clear(form, "points", "steps", "target")


def _new_axis(form: Form[AtlasQuestion], axis: str) -> None:
    _clear(form, f"{axis}_from", f"{axis}_to")


def _new_method(form: Form[AtlasQuestion]) -> None:
    """Its own axes; beside a damped method stands the same one undamped."""
    _clear(form, "x", "y", "x_from", "x_to", "y_from", "y_to")
    v = MAPPED[st.session_state[form.key("a")]]
    twin = f"{v.name}.none"
    if twin in VARIANTS:
        st.session_state[form.key("b")] = twin if v.id != twin else v.name
    own = {s.name for s in v.model.summaries}
    if st.session_state[form.key("color")] not in {"steps", "loss", "work"} | own:
        st.session_state[form.key("color")] = "steps"
