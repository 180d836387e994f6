"""Runs on which the engine is compared with Python: methods, problems, settings and starts.

A batch is one method with its choices on one problem, and many runs of it, each with settings and a
start of its own. The engine computes the runs one by one. Python computes them all at once, and the
same again moved a little: what rounding decides cannot be compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from qnviz.fields import Parameter, parameters
from qnviz.methods.base import Method
from qnviz.methods.registry import METHODS
from qnviz.problems.registry import PROBLEMS
from qnviz.problems.typed.gallery import CLASSICS
from qnviz.runs.portable import portable
from qnviz.runs.record import Columns
from qnviz.runs.spec import RunSpec
from qnviz.runs.step import Runs, Stepper
from qnviz.runs.trace import Rows

STEPS = 30
SMALL = 1e-9                         # of a setting's largest value: smaller ones do nothing
NUDGE = 1e-13                        # of a start, by which Python itself is tried,
JITTERS, JITTER = 4, 1e-14                       # … and of all numbers that a problem is asked for
TWINS = {name: method for name, method in METHODS.items() if method.twin}
Point = tuple[float, float]

# every operation of problems/typed/ops.py, with places where a value or a derivative ends
TEXTS: dict[str, tuple[str, tuple[Point, ...]]] = {
    "waves": ("sin(x)*cos(y) + tan(x/4) + (x^2 + y^2)/10", ((0, 0), (6.2, 1), (1e-8, 0))),
    "bells": ("exp(-x^2 - y^2) + tanh(x*y) + (x^2 + y^2)/10", ((0, 0), (1e-8, -1e-8))),
    "logs": ("ln(x) - x*y + y^2 + 1/x", ((1e-8, 1), (0, 1), (-1, 1), (1, 0.5))),
    "roots": ("sqrt(x) + (y - 1)^2 + cbrt(y)", ((0, 1), (1e-8, 0), (0.3, 1e-8), (-1, 2))),
    "arcs": ("asin(x/3) + acos(y/3) + atan(x - y) + x^2 + y^2", ((3, 0), (0, -3), (3.1, 0),
                                                                 (2.99999999, 2.99999999))),
    "hyperbolas": ("sinh(x)/9 + cosh(y) + softplus(x - y) + sigmoid(x + y) + x^2", ((20, -20),)),
    "powers": ("x^2.5 + y^1.5 - x*y", ((0, 1), (1e-8, 1e-8), (1, 0), (-1, 1))),
    "corners": ("(x^2)^0.75 + (y^2)^1.25 + cbrt(x*y)^5/9 + cbrt(x - y)^4", ((0, 0), (0, 1),
                                                                          (1e-8, 1e-8))),
    "residuals": ("x^2 - y; sin(x) - y; exp(x/3) - 2", ((0, 0), (30, -30))),
    "edge": ("x; sqrt(y) - 1", ((1, 0), (0, 1e-8), (1, -1))),
}


@cache
def problems() -> dict[str, dict[str, Any]]:
    """Problems in the plane by a name, as specs have them."""
    found: dict[str, dict[str, Any]] = {
        "rosenbrock": {"name": "rosenbrock"},
        "noisy": {"name": "rosenbrock", "noise": 1.0},
        "noisy function": {"name": "rosenbrock", "noise": 3.0, "noise_in": "function"}}
    found |= {name: {"name": "function", "f": c.f, "start": c.start}
              for name, c in CLASSICS.items()}
    return found | {name: {"name": "function", "f": f, "start": (0.7, 0.6)}
                    for name, (f, _) in TEXTS.items()}


def starts(name: str, spec: RunSpec, count: int, rng: np.random.Generator) -> np.ndarray:
    """Ordinary starts and nasty ones (count, 2): minima, saddles, beside them, corners, edges."""
    problem: Any = spec.problem
    (x0, x1), (y0, y1) = problem.window
    reach = problem.reach
    nasty = [*problem.minimisers, (0.0, 0.0), *(TEXTS[name][1] if name in TEXTS else ())]
    nasty += [(x + 1e-8, y - 1e-8) for x, y in nasty]
    nasty += [(reach, reach), (-reach, reach), (reach, -reach), (1e-300, -1e-300)]
    rng.shuffle(nasty)
    nasty = nasty[:count // 4]
    inside = rng.uniform((x0, y0), (x1, y1), (count - len(nasty), 2))
    return np.array([*nasty, *inside])


def drawn(method: type[Method], q: Parameter, count: int, rng: np.random.Generator) -> np.ndarray:
    """Values (count,) of a real setting: its default, where maps vary it, and all it allows."""
    assert q.low is not None
    assert q.high is not None
    low = math.nextafter(q.low, math.inf) if q.low_open else q.low
    high = math.nextafter(q.high, -math.inf) if q.high_open else q.high

    def between(a: float, b: float) -> np.ndarray:
        if not q.log:
            return rng.uniform(a, b, count)
        return np.exp(rng.uniform(np.log(max(a, SMALL * b)), np.log(b), count))

    kind = rng.integers(0, 8, count)
    values = np.select(
        [kind < 2, kind == 2], [np.full(count, float(q.default)), between(low, high)],
        between(*method.ranges.get(q.name, (low, high))))
    values[(kind == 2) & (rng.random(count) < 0.25)] = low if rng.random() < 0.5 else high
    return values


def options(q: Parameter) -> list[Any]:
    """What a choice can be; of a whole number its default and some small ones."""
    if q.kind == "int":
        assert q.low is not None
        return [q.default, int(q.low), int(q.low) + 1, int(q.low) + 3]
    return [True, False] if q.kind == "bool" else list(q.options)


@dataclass
class Batch:
    """Runs of one method on one problem, each with its own settings and start."""

    spec: RunSpec
    theta: np.ndarray                          # (R, 2)
    settings: dict[str, np.ndarray]            # (R,) each

    @property
    def method(self) -> Method:
        return self.spec.methods[0]

    @property
    def portable(self) -> list[dict[str, Any]]:
        """The runs one by one, as the engine gets them."""
        plain = portable(self.spec)
        assert plain is not None
        return [plain | {"problem": plain["problem"] | {"start": start}, "methods": [
            plain["methods"][0] | {n: float(v[r]) for n, v in self.settings.items()}]}
            for r, start in enumerate(self.theta.tolist())]

    def computed(self) -> tuple[Rows, list[Rows]]:
        """Python's columns (T or T+1, R, …), and those of the same runs moved a little.

        Once by starts, then by all numbers that the problem is asked for and answers.
        """
        sign = np.where(np.arange(self.theta.size).reshape(self.theta.shape) % 3, 1, -1)
        base, nudged = self._columns(self.theta, self.theta * (1 + sign * NUDGE))
        return base, [nudged, *self._columns(*[self.theta] * JITTERS, jitter=JITTER)]

    def _columns(self, *starts: np.ndarray, jitter: float = 0.0) -> list[Rows]:
        """The columns of all runs from each of some starts (R, 2), computed as one batch."""
        theta, R = np.concatenate(starts), len(self.theta)
        p = SimpleNamespace(**{n: torch.tensor(np.tile(v, len(starts)))
                               for n, v in self.settings.items()})
        problem = self.spec.problem.build(torch.float64, torch.device("cpu"))
        if jitter:
            jittered(problem, jitter)
        columns = Columns(self.spec, self.method, problem, len(theta))
        alike = torch.zeros(len(theta), dtype=torch.int64)     # all see the noise of run 0
        stepper = Stepper(self.spec, self.method, problem,
                          Runs(torch.tensor(theta), p, self.spec.seed, alike), columns)
        while stepper.alive:
            stepper.advance()
        found = {n: a for n, a in columns.columns().items()
                 if n not in ("seconds", "step") and not n.startswith("view_")}
        return [{n: a[:, i:i + R] if a.ndim > 1 else a[i:i + R] for n, a in found.items()}
                for i in range(0, len(theta), R)]


def jittered(problem: Any, size: float) -> None:
    """Make what a problem is asked, and what it answers, wrong by up to `size` of itself."""
    generator = torch.Generator().manual_seed(0)

    def wrong(x: torch.Tensor | None) -> torch.Tensor | None:
        return None if x is None else x * (1 + size * (2 * torch.rand(
            x.shape, generator=generator, dtype=x.dtype) - 1))

    def answer(exact: Any, h: torch.Tensor, *more: Any) -> torch.Tensor | None:
        return wrong(exact(wrong(h), *more))

    for name in ("output", "output_jvp", "output_vjp", "output_curvature"):
        setattr(problem, name, partial(answer, getattr(problem, name)))


def able(method: Method, problem: dict[str, Any]) -> bool:
    """Whether a method runs on a problem: some need the Gauss-Newton matrix of a sum of squares."""
    return method.unavailable(PROBLEMS[problem["name"]].model_validate(problem)) is None


def batches(name: str, runs: int, seed: int = 0) -> Iterator[Batch]:
    """Batches of a method on every problem that it can run on, its choices drawn for each."""
    method, rng = METHODS[name], np.random.default_rng([seed, *name.encode()])
    fixed = [q for q in parameters(method) if q.kind != "float"]
    real = [q for q in parameters(method) if q.kind == "float"]
    for place, problem in problems().items():
        picked = {q.name: options(q)[rng.integers(len(options(q)))] for q in fixed}
        if not able(method.model_validate(picked), problem):
            continue
        spec = RunSpec.model_validate({
            "problem": problem, "methods": [{"name": name} | picked], "steps": STEPS,
            "seed": int(rng.integers(0, 2**53)),
            "stop_grad": 1e-6 if rng.random() < 0.9 else None,
            "stop_loss": 1e-8 if rng.random() < 0.3 else None})
        yield Batch(spec, starts(place, spec, runs, rng),
                    {q.name: drawn(method, q, runs, rng) for q in real})
