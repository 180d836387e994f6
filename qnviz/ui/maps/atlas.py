"""The atlas: two settings of a method as a map, beside the same map of another."""

from __future__ import annotations

from typing import Any

import streamlit as st

from qnviz.numbers import say
from qnviz.ui.maps.atlas_question import USUAL, AtlasQuestion, colors
from qnviz.ui.maps.page import clear_own, pick, show
from qnviz.ui.maps.variants import MAPPED, SEEDS, VARIANTS, axis_title, symbol, usual_range
from qnviz.ui.state import widgets
from qnviz.ui.state.form import NARROW, Form

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

Both maps have one colour scale. **Point at a cell** to see its run beside them; a click keeps it,
and links to its lab, where those of nets open at once. With the keyboard, the arrow keys choose a
cell and Enter keeps it. **Drag** noise, seed or start, and the maps follow. More seeds show which
borders are luck.
"""


def atlas() -> None:
    """Run the page once."""
    show(AtlasQuestion, _controls)


def _controls(form: Form[AtlasQuestion], q: AtlasQuestion) -> None:
    with st.container(key="controls", gap="small"):
        with form.row():
            pick(form, "problem", "problem", PROBLEMS, 160, _new_problem)
            if q.problem == "rosenbrock":
                form.controls("noise_in")
            elif q.problem == "linear_net":
                form.controls("width", "condition")
            else:
                form.controls("batch")
            titles = {id: v.title for id, v in MAPPED.items()}
            pick(form, "a", "left map", titles, 230, _new_method)
            pick(form, "b", "right map", titles, 230, clear_own, ("right",))
            offered = colors(q)
            if q.color not in offered:         # of a method that is no longer here
                offered = offered | {q.color: q.quantity().title}
            pick(form, "color", "colour shows", offered, 220)
        with st.container(horizontal=True, key="entrants"):
            form.explain(EXPLAIN)
            form.presets(PRESETS)
            _axes(form, q)
            label = f"{q.usual('points')} × {q.usual('points')}, {q.seeds} seed" + (
                "s" if q.seeds > 1 else "") + f", {q.usual('steps')} steps"
            with st.popover(label, key="atlas/size"), st.container(width=NARROW):
                for name, most in (("points", 64), ("steps", 3000)):
                    _usual(form, q, name, 1, most, "%d", str(USUAL[q.problem][name]))
                form.controls("seeds")
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
        label = f"{'→' if axis == 'x' else '↑'} {title}" + (
            f" {say(low)} … {say(high)}" if field is not None else "")
        with st.popover(label, key=f"atlas/axis-{axis}"), st.container(width=NARROW):
            options = {n: f"{axis_title(p)}" for n, p in v.fields.items()}
            if axis == "y":
                options[SEEDS] = "the seeds, one by one"
            if st.session_state[form.key(axis)] not in (None, *options):
                st.session_state[form.key(axis)] = None
            widgets.choice("field", list(options), key=form.key(axis),
                        format_func=lambda n, words=options: words[n],
                        placeholder=options.get(pair[axis], ""), then=_new_axis,
                        args=(form, axis))
            if field is None:
                continue
            for way, end in zip(("from", "to"), ends, strict=True):
                widgets.number(way, None, None, key=form.key(f"{axis}_{way}"), format="%.4g",
                            placeholder=say(end),
                            help=f"Allowed: {field.range}. Empty: {say(end)}.")


def _usual(form: Form[AtlasQuestion], q: AtlasQuestion, name: str, low: Any, high: Any,
           format: str, usual: str) -> None:
    field = form.fields[name]
    widgets.number(f"{name}", low, high, key=form.key(name), format=format,
                placeholder=usual, help=f"{field.help} Empty: {usual}, for this problem.")


def _clear(form: Form[AtlasQuestion], *fields: str) -> None:
    for name in fields:
        st.session_state[form.key(name)] = None


def _new_problem(form: Form[AtlasQuestion]) -> None:
    """What was chosen for one problem does not suit another."""
    _clear(form, "points", "steps", "target")
    clear_own(form, "left")
    clear_own(form, "right")


def _new_axis(form: Form[AtlasQuestion], axis: str) -> None:
    _clear(form, f"{axis}_from", f"{axis}_to")


def _new_method(form: Form[AtlasQuestion]) -> None:
    """Its own axes and settings; beside a damped method stands the same one undamped."""
    clear_own(form, "left")
    _clear(form, "x", "y", "x_from", "x_to", "y_from", "y_to")
    v = MAPPED[st.session_state[form.key("a")]]
    twin = f"{v.name}.none"
    if twin in VARIANTS:
        st.session_state[form.key("b")] = twin if v.id != twin else v.name
        clear_own(form, "right")
    own = {s.name for s in v.model.summaries}
    if st.session_state[form.key("color")] not in {"steps", "loss", "work"} | own:
        st.session_state[form.key("color")] = "steps"
