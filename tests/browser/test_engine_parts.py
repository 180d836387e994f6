"""What the browser's engine is made of: random numbers, thresholds, derivatives of functions."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from qnviz.curvature.double_damping import double_damping
from qnviz.errors import ExpressionError
from qnviz.problems import philox
from qnviz.problems.typed.expression import Expression, parse
from qnviz.problems.typed.gallery import CLASSICS
from qnviz.problems.typed.ops import FUNCTIONS, NAMED
from qnviz.problems.typed.problem import TypedFunction
from qnviz.problems.typed.program import Program, Step
from qnviz.runs.ends import Rule
from tests.browser.engine import sampled
from tests.browser.engine_cases import TEXTS
from tests.browser.modules import imported

SEEDS = [0, 1, 12345, 2**32 - 1, 2**32, 2**40 + 7, 2**53 - 1]


def test_random_numbers_are_those_of_python(page: Any) -> None:
    """Uniform ones bit for bit, over seeds, streams, runs, steps from −1 on, and iterations."""
    imported(page, "engine/philox.js")
    runs, steps, count = torch.arange(0, 40, 13), torch.tensor([-1, 0, 1, 299, 9999]), 5
    for seed in SEEDS:
        for stream, iteration in ((philox.START, 0), (philox.NOISE, 0), (philox.NOISE, 3),
                                  (philox.TARGETS, 65535)):
            expected = philox.uniform(seed, stream, runs, steps, count, iteration)
            got = sampled(page, """([seed, stream, runs, steps, count, iteration]) =>
              steps.flatMap((step) => runs.flatMap((run) => Array.from({length: count},
                (_, i) => m.uniform(seed, stream, run, step, i, iteration))))""",
                          [seed, stream, runs.tolist(), steps.tolist(), count, iteration])
            np.testing.assert_array_equal(got, expected.numpy().ravel())
        normal = philox.normal(seed, philox.START, runs, steps, 2)
        got = sampled(page, """([seed, runs, steps]) => steps.flatMap((step) => runs.flatMap(
          (run) => [0, 1].map((i) => m.normal(seed, m.START, run, step, i, 2))))""",
                      [seed, runs.tolist(), steps.tolist()])
        # cosines near 0 keep what rounding leaves of an argument up to 2π
        np.testing.assert_allclose(got, normal.numpy().ravel(), rtol=1e-15, atol=2e-15)


# --- thresholds -------------------------------------------------------------------------------

CODES = """([rules, cases]) => rules.flatMap(([surface, stop_loss, stop_grad]) => {
  const rule = new m.Rule(surface, stop_loss, stop_grad);
  return cases.flatMap(([loss, grad, placed, firstLoss, firstGrad, moved]) => [
    rule.code({loss, grad, firstLoss}, placed),
    rule.blown(loss, firstLoss, grad, firstGrad, moved)]);
})"""


@dataclass
class Judged:
    """What the rule of ends asks of a problem."""

    signed: bool
    smooth: bool
    lowest: float | None


def test_runs_end_where_python_ends_them(page: Any) -> None:
    """The rule of ends beside all of its thresholds, and where numbers are not finite."""
    imported(page, "engine/ends.js")
    near = [0.999, 1.0, 1.001]
    rules = [(Judged(signed, smooth, lowest), stop_loss, stop_grad)
             for signed, smooth in ((False, True), (False, False), (True, False))
             for lowest in ((0.0,) if not signed else (None, -3.0))
             for stop_loss, stop_grad in ((None, None), (1e-3, None), (None, 1e-6), (0.5, 1e-6))]
    cases = [(loss, grad, placed, first, 2.0, 1.0) for placed in (True, False)
             for first in (0.0, 1.0, -2.0) for grad in (0.0, 1e-6, 1.01e-6, math.inf, math.nan)
             for loss in (0.0, 1e-3, 1.01e-3, -3.0, -2.999, -2.4, 1e6, -1e6, math.nan, math.inf)]
    for t in near:                             # a million times the scale at the start, and as low
        cases += [(1e6 * t * first, 1.0, True, first, 0.0, 1.0) for first in (1.0, 7.0)]
        cases += [(first + 1e6 * t * (abs(first + 3.0) + 2.0), 1.0, True, first, 2.0, 1.0)
                  for first in (1.0, -2.0)]
        for drop in (1e6 * t * 4.0, 1e7):      # ‖∇f‖ ‖θ − θ₀‖ against a tenth of it
            cases += [(2.0 - drop, 0.1 * drop * u, True, 2.0, 2.0, 1.0) for u in near]
        # no lower than the lowest that is known, but for 10⁻⁹ of the scale
        cases += [(-3.0 - 1e-9 * t * (3.0 + 1e-7), 1.0, True, 1e-7, 0.0, 1e9)]
    given = [[[vars(problem), a, b] for problem, a, b in rules], cases]
    text = json.dumps(given).replace("NaN", '"NaN"').replace("Infinity", '"Infinity"')
    got = sampled(page, f"""(text) => ({CODES})(JSON.parse(text, (_, v) =>
      v === "NaN" ? NaN : v === "Infinity" ? Infinity : v))""", text)
    expected = []
    loss, grad, placed, first, first_grad, moved = (np.array(c) for c in zip(*cases, strict=True))
    with np.errstate(invalid="ignore"):
        for problem, stop_loss, stop_grad in rules:
            rule = Rule(problem, stop_loss, stop_grad)         # type: ignore[arg-type]
            expected.append(np.stack([
                rule.codes(loss, grad, placed.astype(bool), first),
                rule.blown(loss, first, grad, first_grad, moved)], 1).ravel())
    np.testing.assert_array_equal(got, np.concatenate(expected))


DAMPED = """(cases) => cases.flatMap(([s1, s2, y1, y2, h11, h12, h22, mu1, mu2, kind]) => {
  const pair = new m.DampedPair();
  pair.damp(s1, s2, y1, y2, new m.Symmetric().set(h11, h12, h22), mu1, mu2, kind);
  return [pair.theta1, pair.theta2, pair.s1, pair.s2, pair.y1, pair.y2, pair.c1, pair.c2];
})"""


def test_damping_acts_where_python_s_does(page: Any) -> None:
    """Pairs whose ratios lie beside μ₁ and μ₂, a thousandth and a millionth away."""
    imported(page, "engine/double_damping.js", "engine/plane.js")
    rng, cases, expected = np.random.default_rng(4), [], []
    for i in range(400):
        A = rng.normal(size=(2, 2))
        H, s, y = A @ A.T + 0.1 * np.eye(2), rng.normal(size=2), rng.normal(size=2)
        mu1, mu2 = rng.uniform(0.05, 0.95, 2)
        away = 1 + rng.choice([-1e-3, -5e-4, -1e-6, 1e-6, 5e-4])
        if i % 2:
            s = s + (mu1 * away * y @ H @ y - s @ y) / (y @ y) * y
        else:
            y = y + (mu2 * away * s @ s - s @ y) / (s @ s) * s
            mu1 = 1e-3
        for kind in ("none", "powell", "double"):
            cases.append([*s, *y, H[0, 0], H[0, 1], H[1, 1], mu1, mu2, kind])
            mus = (torch.tensor([mu], dtype=torch.float64) for mu in (mu1, mu2))
            d = double_damping(*(torch.tensor(v)[None] for v in (s, y)),
                               partial(torch.matmul, other=torch.tensor(H)), *mus, kind)
            expected.append(torch.cat([d.theta1, d.theta2, d.s[0], d.y[0], d.c1, d.c2]).numpy())
    got = sampled(page, DAMPED, [[v if isinstance(v, str) else float(v) for v in c] for c in cases])
    np.testing.assert_allclose(got.reshape(-1, 8), expected, rtol=1e-9, atol=1e-12)


# --- typed functions --------------------------------------------------------------------------

VALUES = """({program, loss, points}) => {
  const surface = new m.Typed({program, loss, lowest: null, start: [0, 0], start_noise: 0});
  return points.flatMap(([x, y]) => {
    surface.see(x, y, 1, 2);
    return [surface.f, surface.g1, surface.g2, surface.h11, surface.h12, surface.h22];
  });
}"""
EDGES = [0.0, -0.0, 1.0, -1.0, 1e-8, -1e-8, 1e-300, -1e-300, 5e-324, 0.5, -0.5,
         math.nextafter(1, 0), math.nextafter(1, 2), 2.0, -2.0, 30.0, -30.0, 700.0, -700.0, 800.0,
         -800.0, 1e8, -1e8, 1e200, -1e200, 1.7e308]
# of tinier ones products overflow, and sums cancel, as forward and reverse sweeps order them
NEAR = [t for t in EDGES if t == 0 or 1e-3 < abs(t) < 10]
POWERS = (-2.0, -1.5, -0.5, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 7.5)


def compare(page: Any, problem: TypedFunction, loss: str, points: np.ndarray, name: str) -> None:
    """Value, gradient and Hessian at points (n, 2) as Python's sweeps have them."""
    def computed(points: np.ndarray) -> np.ndarray:
        f, g, H = problem.derivatives(torch.tensor(points))
        return torch.stack([f, g[:, 0], g[:, 1], H[:, 0, 0], H[:, 0, 1], H[:, 1, 1]], 1).numpy()

    program, expected = problem.program, computed(points)
    with np.errstate(invalid="ignore", over="ignore"):         # how far a rounding of x and y goes
        moved = sum(np.abs(computed(points * (1 + t)) - expected) for t in (1e-15, -1e-15))
    moved = np.where(np.isfinite(moved), moved, np.inf)
    got = sampled(page, VALUES, {"program": program.portable, "loss": loss,
                                 "points": points.tolist()}).reshape(-1, 6)
    # 1 − a in a slope, or √x − 1, knows a rounding of a and of 1, however small it is itself
    # (torch's √x may be off in the last bit, which a browser's is not)
    complement = 1e-15 * (1 + np.where(np.isfinite(expected[:, :1]), np.abs(expected[:, :1]), 0))
    # the sum of a derivative's terms may be far smaller than they are; the largest of a point's
    # derivatives of one order says how large
    for order, columns in enumerate((slice(0, 1), slice(1, 3), slice(3, 6))):
        a, b = expected[:, columns], got[:, columns]
        # as a whole: Python's product with (0, 1) meets 0 · ∞ where only ∂²f/∂x² has no value
        finite = np.isfinite(a).all(1, keepdims=True)
        there = np.isfinite(b).all(1, keepdims=True)
        assert (finite == there).all(), (name, order, points[(finite != there)[:, 0]][:4])
        size = np.where(finite, np.abs(a), 0).max(1, keepdims=True)
        with np.errstate(invalid="ignore"):
            wrong = finite & ~(np.abs(a - b) <= 1e-12 * size + complement + 10 * moved[:, columns])
        assert not wrong.any(), (name, order, points[wrong.any(1)][:4], a[wrong], b[wrong])


def built(expression: Expression) -> TypedFunction:
    return TypedFunction(expression, torch.float64, torch.device("cpu"), (0.0, 0.0))


def alone(op: str, value: float = 0.0) -> TypedFunction:
    """A function of x, plus y."""
    problem = built(parse("x"))
    problem.program = Program((Step("variable"), Step("variable"), Step(op, (0,), value),
                               Step("add", (2, 1))), (3,), (0,) * 4, ("",) * 4)
    return problem


@pytest.mark.parametrize("op", [*FUNCTIONS, "power", "even_power", "odd_power"])
def test_functions_have_the_derivatives_of_python(op: str, page: Any) -> None:
    """Values, slopes and curvatures within and beyond each function's domain, and at its ends."""
    imported(page, "engine/problems/typed.js")
    rng = np.random.default_rng(5)
    x = np.concatenate([EDGES, rng.normal(size=60), 10 ** rng.uniform(-9, 9, 30),
                        -10 ** rng.uniform(-9, 9, 30), rng.uniform(-1, 1, 40)])
    points = np.stack([x, rng.normal(size=len(x))], 1)
    exponents = {"power": POWERS, "even_power": [p for p in POWERS if p > 1],
                 "odd_power": [p for p in POWERS if p > 0]}.get(op, [0.0])
    for p in exponents:
        compare(page, alone(op, p), "value", points, f"{op} {p}")


def nested(rng: np.random.Generator, depth: int) -> str:
    """A random expression of x and y."""
    if depth == 0 or rng.random() < 0.1:
        return str(rng.choice(["x", "y", "x", "y", "2", "0.3", "x*y", "(x - y)"]))
    a, b = nested(rng, depth - 1), nested(rng, depth - 1)
    kind = rng.random()
    if kind < 0.45:
        return f"({a} {rng.choice(['+', '-', '*', '/'])} {b})"
    if kind < 0.8:
        return f"{rng.choice(NAMED)}({a})"
    return f"({a})^{rng.choice(['2', '3', '0.5', '1.5', '(-1)', '(2/3)', '2.5'])}"


def test_programs_have_the_derivatives_of_python(page: Any) -> None:
    """Of the gallery's functions, of the tests' texts, and of random ones, at random points."""
    imported(page, "engine/problems/typed.js")
    rng = np.random.default_rng(11)
    texts = [c.f for c in CLASSICS.values()] + [f for f, _ in TEXTS.values()]
    while len(texts) < 150:
        typed = nested(rng, 3)
        try:
            parse(typed)
        except ExpressionError:
            continue                           # a constant without a value, such as ln(-1)
        texts.append(typed)
    for typed in texts:
        expression = parse(typed)
        points = np.concatenate([rng.normal(0, 2, (40, 2)), rng.choice(NEAR, (20, 2))])
        compare(page, built(expression), expression.loss, points, typed)
