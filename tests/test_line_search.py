"""Line searches return what their conditions promise, or say that they found nothing."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from qnviz.curvature.line_search import C1, C2, TRIALS, backtracking, cubic_minimiser, strong_wolfe
from qnviz.curvature.oracle import Oracle
from tests.helpers import F64, Net, assert_close, normal, plain_gradient, plain_loss, rosenbrock


class LogSquared(Net):
    """f = log(W)², W > 0: NaN beyond, least at W = 1."""

    def __init__(self):
        super().__init__((1, 1), "identity", "squares", samples=1, biases=(False,))
        self.x, self.target = torch.ones(1, 1, 1, dtype=F64), torch.zeros(1, 1, 1, dtype=F64)

    def output(self, h, xi):
        return torch.log(h)

    def output_vjp(self, h, w, xi):
        return w / h


PROBLEMS = {
    "quadratic": lambda: Net((4, 3), "identity", "mse", samples=9),
    "rosenbrock": rosenbrock,
    "net": lambda: Net((4, 5, 2), "tanh", "bce")}


def search(problem, theta, d, first=None, method=strong_wolfe):
    oracle = Oracle(problem, problem.reference(), len(theta))
    tape = problem.forward(theta, oracle.batch)
    g = problem.join(problem.gradient(tape))
    first = torch.ones_like(tape.f) if first is None else first
    extra = (first,) if method is strong_wolfe else ()
    return method(oracle, theta, tape.f, g, d(g), *extra), tape.f, g, oracle


@pytest.mark.parametrize("first", [1e-6, 1.0, 1e3])
@pytest.mark.parametrize("name", PROBLEMS)
def test_strong_wolfe_conditions_hold_wherever_it_says_so(name, first):
    problem, runs = PROBLEMS[name](), 60
    theta = 2 * problem.start(1, torch.arange(runs))
    tilt = normal(2, runs, problem.size)

    def d(g):               # any descent direction, not only −g
        return -g + 0.5 * tilt * g.norm(dim=1, keepdim=True) / tilt.norm(dim=1, keepdim=True)

    found, f, g, oracle = search(problem, theta, d, torch.full((runs,), first, dtype=F64))
    direction, batch = d(g), problem.reference()
    assert found.found.float().mean() > 0.95
    for r in torch.nonzero(found.found)[:, 0].tolist():
        there = theta[r] + found.a[r] * direction[r]
        slope0 = plain_gradient(problem, theta[r], batch, r) @ direction[r]
        f_a, g_a = plain_loss(problem, there, batch, r), plain_gradient(problem, there, batch, r)
        rounding = 1e-13 * f[r]
        assert found.a[r] > 0
        assert f_a <= f[r] + C1 * found.a[r] * slope0 + rounding
        assert abs(g_a @ direction[r]) <= C2 * abs(slope0) * (1 + 1e-9)
        assert_close(found.theta[r], there, 1e-14)
        assert_close(found.f[r], f_a, 1e-13)
        assert_close(found.g[r], g_a, 1e-11)
    # one forward and one backward per trial
    assert torch.equal(oracle.work, 3 * found.trials)


def test_it_never_returns_a_point_that_is_higher():
    problem, runs = rosenbrock(), 200
    theta = 3 * problem.start(5, torch.arange(runs))
    found, f, _, _ = search(problem, theta, lambda g: -g)
    assert (found.f <= f).all()
    assert (found.trials <= TRIALS).all()
    assert torch.equal(found.a > 0, (found.theta != theta).any(1))


def test_it_zooms_back_from_where_the_function_is_not_defined():
    problem = LogSquared()
    theta = torch.tensor([[5.0], [2.0], [50.0]], dtype=F64)
    for size in (10.0, 1e3, 1e6):
        found, f, _, _ = search(problem, theta, lambda g, s=size: -s * g / g.abs())
        assert found.found.all()
        assert torch.isfinite(found.theta).all()
        assert (found.f < f).all()


@pytest.mark.parametrize("method", [strong_wolfe, backtracking])
@pytest.mark.parametrize("bad", ["ascent", "zero", "nan"])
def test_a_direction_that_does_not_descend_is_refused(method, bad):
    problem = rosenbrock()
    theta = problem.start(0, torch.arange(2))

    def d(g):
        wrong = {"ascent": g, "zero": 0 * g, "nan": torch.nan * g}[bad]
        return torch.where(torch.tensor([[True], [False]]), wrong, -1e-4 * g)

    found, f, g, _ = search(problem, theta, d, method=method)
    assert found.a[0] == 0
    assert found.trials[0] == 0
    assert torch.equal(found.theta[0], theta[0])
    assert torch.equal(found.g[0], g[0])
    assert found.f[0] == f[0]
    assert found.found.tolist() == [False, True]             # and its neighbour goes on


@pytest.mark.parametrize("name", PROBLEMS)
def test_backtracking_takes_the_longest_halving_that_satisfies_armijo(name):
    problem, runs = PROBLEMS[name](), 20
    theta, batch = 2 * problem.start(1, torch.arange(runs)), problem.reference()
    found, f, g, oracle = search(problem, theta, lambda g: -5 * g, method=backtracking)
    assert found.found.all()
    for r in range(runs):
        d, slope = -5 * g[r], -5 * (g[r] @ g[r])

        def armijo(a, r=r, d=d, slope=slope):
            return plain_loss(problem, theta[r] + a * d, batch, r) <= f[r] + C1 * a * slope

        a = found.a[r].item()
        assert np.log2(a) == round(np.log2(a))
        assert armijo(a)
        assert a == 1 or not armijo(2 * a)
        assert int(found.trials[r]) == 1 - round(np.log2(a))
    assert (found.trials > 1).any()
    assert torch.equal(oracle.work, found.trials)            # forwards only


def test_backtracking_gives_up_at_rounding_and_stays():
    problem = rosenbrock()
    theta = torch.tensor([[1.0 + 1e-15, 1.0]], dtype=F64)
    found, f, _, _ = search(problem, theta, lambda g: -g * 1e30, method=backtracking)
    assert not found.found.any()
    assert found.a.item() == 0
    assert torch.equal(found.theta, theta)
    assert torch.equal(found.f, f)


def cubic(c, x):
    return ((c[3] * x + c[2]) * x + c[1]) * x + c[0]


def slope(c, x):
    return (3 * c[3] * x + 2 * c[2]) * x + c[1]


def test_cubic_minimiser_finds_the_minimum_of_cubics():
    inside = 0
    for seed in range(200):
        c = normal(seed, 4).tolist()
        a, b = sorted(normal(seed + 1000, 2).tolist())
        if slope(c, a) >= 0:                  # as in zooming: a is the better end, downhill inward
            a, b = b, a
            if slope(c, a) * (b - a) >= 0:
                continue
        args = [torch.tensor([x], dtype=F64) for x in (
            a, cubic(c, a), slope(c, a), b, cubic(c, b), slope(c, b))]
        got = cubic_minimiser(*args).item()
        low, high = min(a, b), max(a, b)
        tenth = 0.1 * (high - low)
        assert low + tenth * (1 - 1e-9) <= got <= high - tenth * (1 - 1e-9)
        best = minimize_scalar(lambda x, c=c: cubic(c, x), bounds=(low, high), method="bounded",
                               options={"xatol": 1e-10}).x
        if low + tenth < best < high - tenth and abs(slope(c, best)) < 1e-6:
            inside += 1
            assert got == pytest.approx(best, abs=1e-6)
    assert inside > 30
