"""The page of your own function: what was typed as a formula, and the classics to begin with."""

from __future__ import annotations

import math

import streamlit as st
from pydantic import ValidationError

from qnviz.numbers import say
from qnviz.problems.registry import PROBLEMS
from qnviz.problems.rosenbrock_n import RosenbrockN
from qnviz.problems.typed import NAMED, Function
from qnviz.runs.spec import RunSpec
from qnviz.ui.labs.lab import preset
from qnviz.ui.labs.page import Page
from qnviz.ui.labs.state import Lab
from qnviz.ui.state.defaults import FUNCTION, ROSENBROCK_N, classic
from qnviz.ui.state.form import plain

LABS = {"function": FUNCTION, "rosenbrock_n": ROSENBROCK_N}
SADDLE = classic("saddle")
PRESETS = {
    "Himmelblau: four equal minima": FUNCTION,
    "Rosenbrock in ten dimensions": ROSENBROCK_N,
    "Beale: a plain with steep walls": classic("beale"),
    "Booth: a quadratic, κ = 9": classic("booth"),
    "Styblinski-Tang: the nearest is not the lowest": classic("styblinski_tang"),
    "Goldstein-Price: from 3 to a million": classic("goldstein_price"),
    "A saddle, from beside its ridge": SADDLE,
    "A narrow quadratic, κ = 1000": classic("narrow"),
    "The saddle, from the very ridge": preset(SADDLE, problem={"start": [1.5, 0.0]}),
    "No minimum at all: x² − y²": preset(SADDLE, problem={
        "f": "x^2 - y^2", "start": [1.5, 0.1]}, steps=100),
}
EXPLAIN = f"""\
Type any smooth function of $x$ and $y$ as you would write it, `2x² - (x + 1)(y - 1)`, with `pi`,
`e`, and {", ".join(f"`{name}`" for name in NAMED)}. The formula above the box shows how it was
read: products go from left to right, so `1/2x` is $\\frac12 x$.

A sum of squares is taken by its **residuals**, which you can also type: `x^2 + y - 11; x + y^2 -
7`. Only then is there a Gauss-Newton matrix.

All derivatives are exact: the methods differentiate what you typed as they do any net, complex step
included. That needs functions that are *holomorphic*, so no `abs`, `max` or comparisons.

Stars mark minima: known ones of a classic, of your own function the lowest that a search found,
and none where $f$ only levels off. The window fits them, unless you choose one under *More*.
"""
MOST_POINTS = 2                                # minimisers that are named


def above(page: Page, _: RunSpec | None) -> None:
    """The function as it was understood, what kind it is, where it is lowest; also without a run.

    While the box holds something that is not understood, no formula stands beside it.
    """
    if page.misunderstood():
        st.markdown("The pictures show the last function that was understood.")
        return
    try:
        problem = PROBLEMS[page.on].model_validate(page.settings.problem)
    except ValidationError:                    # shown already, with what is wrong
        return
    if isinstance(problem, RosenbrockN):
        parts = [f"$f(x) = \\sum_{{i<{problem.n}}} 100\\,(x_{{i+1}} - x_i^2)^2 + (1 - x_i)^2$",
                 f"{2 * problem.n - 2} residuals", "minimum 0 at (1, …, 1)"]
        parts += ["another near (−1, 1, …, 1)"] if problem.n >= 4 else []
    elif isinstance(problem, Function):
        parts = [f"${problem.formula}$", *facts(problem)]
    else:
        return
    st.markdown(" · ".join(parts))
    if isinstance(problem, Function):
        for note in problem.expression.notes:
            st.caption(plain(note))
        _start(problem, page)


def _start(problem: Function, page: Page) -> None:
    """A start from which most methods do not move, and a better one to choose."""
    found = problem.stationary
    if found is None:
        return
    x, y = (say(_plain(t)) for t in problem.start)
    u, v = (say(_plain(t)) for t in found.beside)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"The start ({x}, {y}) is {found.kind}: ∇f = 0 there, so most methods stay.",
                    width="content")
        st.button(f"Start beside it, at ({u}, {v})", on_click=page.start_from,
                  args=(found.beside,))


def facts(problem: Function) -> list[str]:
    """What there is to know about a typed function, in a few words each."""
    count = len(problem.expression.program.outputs)
    kind = (f"{count} residual{'s' * (count > 1)}" if problem.expression.squares
            else "no sum of squares")
    points, lowest = problem.minimisers, problem.lowest
    shown = points if len(points) <= MOST_POINTS else points[:1]
    named = " and ".join(f"({say(_plain(x))}, {say(_plain(y))})" for x, y in shown)
    more = f" and {len(points) - 1} more points" if len(points) > MOST_POINTS else ""
    known = problem.classic
    if problem.level is not None:
        found = (f"it levels off towards {say(problem.level)}: that lowest value is "
                 "approached, never taken")
    elif not points and problem.valley is not None:
        found = f"lowest found {say(problem.valley)} along a curve, not at single points"
    elif not points:
        found = f"no lowest value found up to |x|, |y| = {problem.reach:g}"
        if math.isfinite(problem.bound):
            found += f", but none is below {say(problem.bound)}"
    else:
        found = (f"{'minimum' if known else 'lowest found'} {say(lowest or 0)} at {named}"
                 + more)
    return [kind, found, *([known.teaches] if known else [])]


def _plain(value: float) -> float:
    """A found coordinate without the rounding around 0."""
    return 0.0 if abs(value) < 1e-9 else value


YOUR_FUNCTION = Lab(LABS, PRESETS, explain=EXPLAIN, above=above)
