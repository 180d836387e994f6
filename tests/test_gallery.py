"""The classics: every stated minimum is one, and each is understood, findable and found again."""

import math

import pytest
import torch

from qnviz.problems.registry import PROBLEMS
from qnviz.problems.rosenbrock_n import RosenbrockN
from qnviz.problems.typed import CLASSICS, Function
from qnviz.ui.labs.function import LABS, PRESETS
from qnviz.ui.state.defaults import TYPED, classic
from qnviz.ui.state.settings import read_query, write_query
from tests.helpers import CPU, F64, assert_close, normal

# once more and otherwise: as the books write them
BY_BOOK = {
    "himmelblau": lambda x, y: (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2,
    "beale": lambda x, y: sum((c - x * (1 - y**i)) ** 2
                              for i, c in ((1, 1.5), (2, 2.25), (3, 2.625))),
    "booth": lambda x, y: (x + 2 * y - 7) ** 2 + (2 * x + y - 5) ** 2,
    "styblinski_tang": lambda x, y: 0.5 * sum(t**4 - 16 * t**2 + 5 * t for t in (x, y)),
    "goldstein_price": lambda x, y: (
        1 + (x + y + 1) ** 2 * (19 - 14 * x + 3 * x**2 - 14 * y + 6 * x * y + 3 * y**2)) * (
        30 + (2 * x - 3 * y) ** 2 * (18 - 32 * x + 12 * x**2 + 48 * y - 36 * x * y + 27 * y**2)),
    "saddle": lambda x, y: x**2 + (y**2 - 1) ** 2 - 1,
    "narrow": lambda x, y: 0.5 * (x**2 + 1000 * y**2)}


def spec(name):
    return Function.model_validate(classic(name).problem)


def test_there_are_eight_with_rosenbrocks():
    assert len(CLASSICS) + ("rosenbrock_n" in PROBLEMS) == 8
    assert set(BY_BOOK) == set(CLASSICS) == set(TYPED)


@pytest.mark.parametrize("name", CLASSICS)
def test_a_classic_is_the_books(name):
    problem = spec(name).build(F64, CPU)
    theta = 2 * normal(1, 40, 2)
    f = problem.forward(theta, problem.reference()).f
    assert_close(f, BY_BOOK[name](*theta.unbind(1)), 1e-12)


@pytest.mark.parametrize("name", CLASSICS)
def test_every_stated_minimum_is_one(name):
    c = CLASSICS[name]
    for point in c.minimisers:
        def book(t, f=BY_BOOK[name]):
            return f(t[0], t[1])

        at = torch.tensor(point, dtype=F64)
        H = torch.autograd.functional.hessian(book, at)
        gradient = torch.autograd.functional.jacobian(book, at)
        size = torch.linalg.eigvalsh(H)
        assert size[0] > 0
        # to rounding of the coordinates, seen through the curvature
        assert gradient.norm() <= 4e-16 * 10 * size[1] * (1 + at.norm())
        assert abs(book(at) - c.minimum) <= 1e-13 * max(1, abs(c.minimum))


@pytest.mark.parametrize("name", CLASSICS)
def test_nothing_lower_is_found_and_no_minimum_was_forgotten(name):
    c, found = CLASSICS[name], spec(name).found
    assert found.value == pytest.approx(c.minimum, rel=1e-12, abs=1e-12)
    assert len(found.points) == len(c.minimisers)
    for point in c.minimisers:
        assert min(math.dist(point, p) for p in found.points) < 1e-6


@pytest.mark.parametrize("name", CLASSICS)
def test_a_classic_says_what_it_is_and_its_window_holds_it(name):
    c, s = CLASSICS[name], spec(name)
    assert s.classic is c
    assert s.minimisers == c.minimisers
    assert s.lowest == c.minimum
    assert s.undefined is None
    assert all(text.endswith(".") and len(text) > 30 for text in (c.reference, c.teaches))
    (x0, x1), (y0, y1) = s.window
    for x, y in (c.start, *c.minimisers):
        assert x0 < x < x1
        assert y0 < y < y1


@pytest.mark.parametrize("n", [2, 3, 10, 100])
def test_rosenbrock_in_n_dimensions(n):
    problem = RosenbrockN(n=n).build(F64, CPU)
    theta = torch.cat([normal(n, 4, n), torch.ones(1, n, dtype=F64)])
    f = problem.forward(theta, problem.reference()).f
    x, after = theta[:, :-1], theta[:, 1:]
    assert_close(f, (100 * (after - x**2) ** 2 + (1 - x) ** 2).sum(1), 1e-13)
    assert f[-1] == 0
    begun = problem.start(0, torch.arange(2))
    assert begun[0, :2].tolist() == [-1.2, 1.0]
    assert torch.equal(begun[0], begun[1])


@pytest.mark.parametrize("n", [4, 7, 10])
def test_rosenbrocks_second_minimum_is_there_from_four_dimensions_on(n):
    def f(t):
        return (100 * (t[1:] - t[:-1] ** 2) ** 2 + (1 - t[:-1]) ** 2).sum()

    point = torch.tensor([-1.0] + [1.0] * (n - 1), dtype=F64)
    for _ in range(50):
        g = torch.autograd.functional.jacobian(f, point)
        point = point - torch.linalg.solve(torch.autograd.functional.hessian(f, point), g)
    assert torch.autograd.functional.jacobian(f, point).norm() < 1e-10
    assert torch.linalg.eigvalsh(torch.autograd.functional.hessian(f, point)).min() > 0
    assert point[0] < -0.7
    assert 3.6 < f(point) < 4


@pytest.mark.parametrize("title", PRESETS)
def test_every_preset_runs_and_survives_its_own_address(title):
    s = PRESETS[title]
    default = LABS[s.problem["name"]]
    run = s.spec()
    assert run is not None
    assert len(run.methods) == len(s.entrants), s.unavailable()
    again = read_query(write_query(s, default), default)
    assert again.faults == ()
    assert again.spec() == run
