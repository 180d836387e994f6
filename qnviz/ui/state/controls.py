"""Controls made from declarations: a new hyper-parameter needs no line here."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import streamlit as st

from qnviz.errors import ExpressionError
from qnviz.fields import Parameter
from qnviz.handles import explained, named, shown, slide
from qnviz.numbers import round_between
from qnviz.problems.autoencoder import PUBLISHED
from qnviz.problems.data import available
from qnviz.problems.typed import parse
from qnviz.ui.state import widgets


def control(q: Parameter, key: str, in_row: bool = False,
            then: Callable[[], None] | None = None) -> Any:
    """Draw the control of one hyper-parameter and return its value; narrow where it is in a row.

    The value lives in `st.session_state[key]`, which the page has filled from the URL. After a
    choice of data `then` is called.
    """
    label = named(q, f"${q.symbol}$" if q.symbol else "")
    help = explained(q)
    if q.kind == "choice":
        return widgets.choice(label, q.options, key=key, help=help,
                           width=130 if in_row else "stretch",
                           format_func=lambda o: o.replace("_", " "))
    if q.kind == "bool":
        return widgets.toggle(label, key=key, help=help)
    if q.kind == "expression":
        return _expression(q, key)
    if q.kind == "widths":
        return widgets.text(label, key=key, help=help, placeholder="as published", width=210)
    if q.kind == "data":
        return widgets.choice(label, _known_data(st.session_state[key]), key=key, help=help,
                           format_func=lambda name: name.removeprefix("file:"), width=150,
                           then=then)
    if q.optional:
        kind = int if q.kind == "int" else float
        return widgets.number(label, kind(q.low or 0), kind(q.high or 10**6), step=kind(1), key=key,
                           help=help, placeholder=q.empty, width=150,
                           format=None if kind is int else "%g")
    if q.kind == "int":
        return widgets.number(label, int(q.low or 0), int(q.high or 10**6), step=1, key=key,
                           help=help, width=120 if in_row else "stretch")
    if q.log:
        return widgets.marks(label, _decades(q, st.session_state[key]), key=key, help=help,
                          format_func=shown)
    first, last, step = slide(q, st.session_state[key])
    return widgets.slider(label, first, last, step=step, key=key, help=help,
                       format=f"%.{max(0, -math.floor(math.log10(step)))}f")


def _expression(q: Parameter, key: str) -> str:
    """A text box for a function; what it does not understand leaves the function as it was."""
    state, box, shown = st.session_state, f"{key}/typed", f"{key}/shown"
    if box not in state or state.get(shown) != state[key]:      # it came from a link or a preset
        state[box] = state[shown] = state[key]
        state.pop(f"{key}/fault", None)
    st.text_input(f"{q.name}(x, y)", key=box, help=q.help, width=370, on_change=_take, args=(key,))
    return state[key]


def _take(key: str) -> None:
    state = st.session_state
    typed = state[f"{key}/typed"]              # with its spaces, which columns count
    try:
        parse(typed)
    except ExpressionError as error:
        state[f"{key}/fault"] = str(error)
    else:
        state[key] = state[f"{key}/shown"] = typed.strip()
        state.pop(f"{key}/fault", None)


def misunderstood(q: Parameter, key: str) -> str | None:
    """What is wrong with a function just typed, in a sentence; the last good one stands."""
    state = st.session_state
    if q.kind != "expression" or state.get(f"{key}/shown") != state.get(key):
        return None
    fault = state.get(f"{key}/fault")
    return fault and f"{q.name}: {fault}"


def _known_data(chosen: str) -> list[str]:
    """All data sets that have a name, the files that are there, and what is chosen now."""
    names = [*PUBLISHED, *(n for n in available() if n not in PUBLISHED)]
    return names if chosen in names else [*names, chosen]


def _decades(q: Parameter, value: float) -> list[float]:
    """1-2-5 steps over the allowed range, and the present value wherever it lies."""
    low = q.low if q.low else (q.default * 1e-6 if q.default else 1e-12)
    high = q.high if q.high is not None else 1e6
    inside = [m for m in round_between(low, high) if not (
        (q.low_open and q.low and m <= low) or (q.high_open and m >= high))]
    if q.high_open and q.high is not None:
        inside.append(0.9 * q.high)            # the last useful value below an excluded end
    if q.low == 0 and not q.low_open:
        inside.append(0.0)
    # the browser names a mark by its text, so each text stands for one value
    by_text = {shown(m): m for m in (*inside, q.default, value)}
    return sorted(by_text.values())


