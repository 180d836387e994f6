"""The browser's engine makes Python's steps: every method on every problem, and whole races."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from qnviz.fields import parameters
from qnviz.problems.typed.expression import parse as expression
from qnviz.problems.typed.ops import FUNCTIONS, POWERS
from qnviz.problems.typed.program import PLAIN
from qnviz.runs.loop import run
from qnviz.runs.portable import portable
from qnviz.runs.spec import parse
from tests.browser.engine import opened, raced
from tests.browser.engine_cases import TEXTS, TWINS, able, batches, options
from tests.browser.engine_compare import PATH, compared, disagreements, sure, together

RUNS = 16                            # in a batch: a method with some choices on one problem
MISSED = 1 / 200                     # of runs may differ, in a decision that rounding made and that
                                     # fell alike in the few runs by which Python is moved


@pytest.mark.parametrize("name", TWINS)
def test_steps_are_those_of_python(name: str, page: Any) -> None:
    """Iterates, losses, events and ends of 30 steps, but for runs that rounding drives apart.

    Of those the steps before count. Settings cover what they allow, starts minima, saddles, far
    corners and places where f ends.
    """
    opened(page)
    method, faults, picked = TWINS[name], [], set()
    runs, chaotic, numbers = 0, 0, np.zeros(2)
    for batch in batches(name, RUNS):
        picked |= {(q.name, getattr(batch.method, q.name)) for q in parameters(method)}
        base, moved = batch.computed()
        engine = together([ran for ran, in raced(page, batch.portable)], base)
        python = sure(base, moved)
        for r, what in disagreements(base, engine, python).items():
            faults.append((what, batch.portable[r]))
            # an end alone is decided by the one rule, and by nothing that rounding touched before
            assert any(w.startswith(PATH) for w in what) or not any(" not " in w for w in what), (
                what, without_program(batch.portable[r]))
        runs += len(python.calm)
        chaotic += int((~python.calm).sum())
        numbers += compared(base, python)
    assert len(faults) <= MISSED * runs, f"{len(faults)} of {runs} runs, such as\n" + "\n".join(
        f"{', '.join(what)}: {without_program(spec)}" for what, spec in faults[:5])
    assert {(q.name, o) for q in parameters(method) if q.kind in ("choice", "bool")
            for o in options(q)} <= picked
    share = numbers[0] / numbers[1]
    tally = f"{name}: {chaotic} of {runs} runs are chaotic, {share:.0%} of numbers compared"
    tally += "".join(f"; {', '.join(what)}" for what, _ in faults)
    sys.stdout.write(tally + "\n")
    assert chaotic < runs / 2, tally
    assert share > 0.4, tally


def without_program(spec: dict[str, Any]) -> dict[str, Any]:
    """A spec as a person would write it."""
    return spec | {"problem": {n: v for n, v in spec["problem"].items() if n != "program"}}


def test_every_operation_is_compared() -> None:
    """The texts hold all that a text can be made of."""
    used = {step.op for f, _ in TEXTS.values() for step in expression(f).program.steps}
    assert used == {*FUNCTIONS, *POWERS, *PLAIN}


WHOLE: dict[str, dict[str, Any]] = {
    "all methods": {},
    "noise": {"problem": {"name": "rosenbrock", "noise": 1.0, "start_noise": 0.3}, "runs": 3},
    "noise in the function": {
        "problem": {"name": "rosenbrock", "noise": 2.0, "noise_in": "function"},
        "seed": 2**52 + 12345, "runs": 2},
    "residuals": {"problem": {"name": "function", "start_noise": 0.2}, "runs": 3, "seed": 7,
                  "stop_grad": 1e-4},
    "an end": {"problem": {"name": "function", "f": "sqrt(x) + y^2", "start": (0.3, 0.5)},
               "runs": 2, "steps": 40},
    "a fork": {"methods": [{"name": "kbfgs", "damping": d, "label": d}
                           for d in ("none", "powell", "double")],
               "fork": {"method": {"name": "kbfgs", "lr": 0.2}, "step": 7}},
}


@pytest.mark.parametrize("case", WHOLE)
def test_races_are_traces(case: str, page: Any) -> None:
    """Every column has Python's name, shape and numbers, up to and beyond the ends of the runs."""
    plain = {"problem": {"name": "rosenbrock"}, "steps": 12, **WHOLE[case]}
    plain.setdefault("methods", [{"name": name} for name, method in TWINS.items()
                                 if able(method(), plain["problem"])])
    spec = parse(plain)
    trace, (race,) = run(spec), raced(opened(page), [portable(spec)])
    assert [ran.label for ran in race] == [e.label for e in trace.entrants]
    for ran, entrant in zip(race, trace.entrants, strict=True):
        expected = {n: a for n, a in trace[ran.label].items()
                    if n not in ("step", "seconds") and not n.startswith("view_")}
        assert ran.name == entrant.name
        assert ran.status == list(expected.pop("status"))
        np.testing.assert_array_equal(ran.stopped, expected.pop("stopped"))
        assert set(ran.columns) == set(expected)
        for name, a in expected.items():
            assert ran.columns[name].shape == a.shape, name
            # what is 0 but for rounding has the size of its column's other numbers
            floor = 1e-14 * np.nanmax(np.abs(a), initial=0, where=np.isfinite(a))
            np.testing.assert_allclose(ran.columns[name], a, 1e-9, floor, err_msg=f"{case}: {name}")



@pytest.mark.parametrize("beyond", [0.9, 0.98, 1.02, 1.1])
def test_a_search_accepts_as_little_as_python_s(beyond: float, page: Any) -> None:
    """Newton's step on |x|ᵖ, p = 3/2 + δ, leads to almost −x: f falls by 2δ of what g promises.

    The search takes it from 2δ = c₁ = 10⁻⁴ on.
    """
    half = 0.75 + 0.5 * beyond * 0.5e-4
    spec = parse({"problem": {"name": "function", "f": f"(x^2)^{half:.9f} + y^2", "start": (1, 0)},
                  "methods": [{"name": "newton", "lam": 1e-9, "regularization": "fixed"}],
                  "steps": 1})
    expected, ((ran,),) = run(spec)["newton"], raced(opened(page), [portable(spec)])
    assert expected["step_size"][0, 0] == (1.0 if beyond > 1 else 0.5)
    for column in ("step_size", "trials", "theta"):
        np.testing.assert_allclose(ran.columns[column], expected[column], 1e-9)
