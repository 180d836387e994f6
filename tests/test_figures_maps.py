"""Maps in figures: what a cell says, what stands in for it, where it lies, and the words."""

import json

import numpy as np
import pytest

from qnviz.figures.maps import MapView, scale
from qnviz.figures.maps import picture as maps
from qnviz.figures.maps import words as maps_words
from qnviz.figures.maps.cells import (
    DIVERGED,
    NOTHING,
    UNREACHED,
    VALUE,
    Quantity,
    Side,
    best,
    best_column,
    cells,
    ends,
    lower_median,
    nearest,
    typical,
)
from qnviz.figures.theme import DARK, LIGHT

STEPS = Quantity("steps_to_target", "steps to the target", to_target=True)
LOSS = Quantity("final_loss", "final loss")
EIG = Quantity("eig_max", "largest eigenvalue", low_is_good=False)
X = Side("λ", np.geomspace(1e-3, 1, 4), True)
Y = Side("α", np.linspace(0.0, 2.0, 3), False)


def columns(status, steps=None, loss=None, **more):
    """Columns (ny, nx, seeds) from nested lists."""
    status = np.array(status)
    steps = np.full(status.shape, np.nan) if steps is None else np.array(steps, dtype=float)
    loss = np.full(status.shape, 0.5) if loss is None else np.array(loss, dtype=float)
    return {"status": status, "steps_to_target": np.where(status == "converged", steps, np.nan),
            "final_loss": np.where(status == "diverged", np.nan, loss),
            "work": steps, **{n: np.array(v, dtype=float) for n, v in more.items()}}


def grid(steps):
    """A map of one seed: a number converged, inf ran out of steps, −inf diverged, NaN missing."""
    v = np.array(steps, dtype=float)[..., None]
    status = np.where(np.isnan(v), "missing", np.where(v == np.inf, "budget", np.where(
        v == -np.inf, "diverged", "converged")))
    return columns(status, v, np.where(status == "converged", 1e-5, 1.0))


def test_the_lower_median_takes_infinity_only_from_a_majority():
    inf = np.inf
    a = np.array([[1, 2, inf, inf], [1, inf, inf, np.nan], [3, 1, 2, np.nan], [np.nan] * 4])
    assert lower_median(a)[:3].tolist() == [2, inf, 2]
    assert np.isnan(lower_median(a)[3])


def test_divergence_is_a_category_and_not_a_number():
    c = cells(columns([[["converged"] * 3, ["diverged", "diverged", "converged"],
                        ["budget", "budget", "converged"], ["missing"] * 3]],
                      [[[10, 30, 20], [0, 0, 5], [0, 0, 7], [0, 0, 0]]]), STEPS)
    assert c.kind.tolist() == [[VALUE, DIVERGED, UNREACHED, NOTHING]]
    assert c.value[0, 0] == 20
    assert (c.low[0, 0], c.high[0, 0]) == (10, 30)
    assert np.isnan(c.value[0, 1:]).all()
    assert c.reached.tolist() == [[3, 1, 1, 0]]
    assert c.diverged.tolist() == [[0, 2, 0, 0]]
    assert c.fraction == 0.75
    assert c.share(c.good) == pytest.approx(1 / 3)


def test_other_quantities_leave_diverged_runs_out():
    data = columns([[["budget", "diverged", "budget"]]], loss=[[[1.0, 9.0, 3.0]]],
                   eig_max=[[[2.0, 1e30, 4.0]]])
    assert cells(data, LOSS).value.item() == 3.0       # lower median of 1, 3, ∞
    assert cells(data, EIG).value.item() == 2.0        # of 2, 4
    assert cells(data, EIG).kind.item() == VALUE
    assert cells(data, Quantity("absent", "no such")).kind.item() == UNREACHED


def test_a_cell_opens_the_run_that_it_shows():
    data = columns([[["converged", "budget", "converged", "converged"],
                     ["budget", "diverged", "diverged", "diverged"],
                     ["diverged", "budget", "budget", "budget"]]],
                   [[[10, 0, 40, 20], [0] * 4, [0] * 4]])
    assert [typical(data, STEPS, 0, ix) for ix in range(3)] == [3, 1, 1]


@pytest.mark.parametrize("n", [1, 2, 7, 8, 32, 33])
def test_coarse_cells_stand_in_for_their_neighbours(n):
    there = np.zeros((n, n), dtype=bool)
    there[::4, ::4] = True
    at = nearest(there)
    assert (at >= 0).all()
    assert there.ravel()[at].all()
    away = np.abs(at // n - np.arange(n)[:, None]), np.abs(at % n - np.arange(n))
    assert max(map(np.max, away)) <= 3                 # 3 only where the grid ends
    assert (at[there] == np.flatnonzero(there)).all()
    assert (nearest(np.zeros((n, n), dtype=bool)) == -1).all()


def test_borders_lie_between_the_values_on_the_axis_own_scale():
    assert X.edges == pytest.approx(10 ** np.array([-3.5, -2.5, -1.5, -0.5, 0.5]))
    assert Y.edges == pytest.approx([-0.5, 0.5, 1.5, 2.5])
    one = Side("λ", np.array([0.1]), True)
    assert one.edges[0] < 0.1 < one.edges[1]
    assert X.span == pytest.approx([-3.5, 0.5])


def test_the_best_cell_and_how_far_one_may_be_off():
    inf = np.inf
    c = cells(grid([[50, 15, 19, 90], [40, 10, 20, 21], [inf, 30, -inf, inf]]), STEPS)
    b = best(c, X, Y)
    assert (b.iy, b.ix, b.by, b.value) == (1, 1, "steps", 10)
    assert (b.x.low, b.x.high) == (X.values[1], X.values[2])
    assert (b.y.low, b.y.high) == (Y.values[0], Y.values[1])
    assert b.y.at_start
    assert not b.x.at_end
    said = maps_words.summary(c, b, X, Y, 1)
    assert "Best at λ = 0.01, α = 1: 10 steps to the target" in said
    assert "λ may be off by ×10 up, not at all down" in said
    assert "8 % diverged" in said


def test_without_a_target_the_lowest_loss_is_best():
    data = columns([[["budget"], ["budget"], ["diverged"]]], loss=[[[1e-3], [1e-2], [0.0]]])
    b = best(cells(data, LOSS), Side("λ", np.array([1.0, 2.0, 3.0]), False),
             Side("α", np.array([1.0]), False))
    assert (b.ix, b.by, b.value) == (0, "loss", 1e-3)
    ended = columns([[["converged"], ["budget"]]], [[[3], [0]]], [[[1e-2], [1e-3]]])
    two = Side("λ", np.array([1.0, 2.0]), False)
    assert best(cells(ended, LOSS, target=False), two, Side("", np.array([1.0]), False)).ix == 1


def test_nothing_is_best_where_all_diverged():
    c = cells(grid([[-np.inf] * 4] * 3), STEPS)
    assert best(c, X, Y) is None
    assert maps_words.summary(c, None, X, Y, 1) == "Every cell diverged."
    maps.picture(MapView(LIGHT, "m", "t", "w", c, X, Y,
                         scale.setting_scale(LIGHT, STEPS, [c], "not reached"))).plotly()


def test_where_rows_are_seeds_the_best_column_has_the_best_median():
    steps = np.array([[90.0, 20, 30, 50], [1, 22, 30, 50], [80, 21, 30, 50]])
    together = cells(columns(np.full((1, 4, 3), "converged"), steps.T[None]), STEPS)
    single = cells(grid(steps), STEPS)
    b = best_column(together, single, X, Side("seed", np.arange(3.0), False))
    assert (b.ix, b.value, b.iy) == (1, 21, 2)


def test_two_maps_share_one_scale():
    a, b = (cells(grid(v), STEPS) for v in ([[10, 100]], [[1000, np.inf]]))
    s = scale.setting_scale(LIGHT, STEPS, [a, b], "not reached")
    assert (s.low, s.high) == (10, 1000)
    assert s.place(np.array([10, 100, 1000.0])) == pytest.approx([0, 0.5, 1])
    z = maps.colored(b, s)
    assert UNREACHED <= z[0, 1] <= UNREACHED + 1
    assert z[0, 0] == pytest.approx(1, abs=0.01)
    assert [t["text"] for t in s.legend["ticks"]][:3] == ["10", "20", "50"]
    at = [t["at"] for t in s.legend["ticks"]]
    assert at == sorted(at)
    assert 0 <= min(at) <= max(at) <= 1


@pytest.mark.parametrize("low_is_good", [True, False])
def test_bright_is_good(low_is_good):
    q = STEPS._replace(low_is_good=low_is_good)
    s = scale.setting_scale(LIGHT, q, [cells(grid([[10, 100]]), q)], "")
    assert (s.kinds[0].colors[0] == scale.VIRIDIS[-1]) == low_is_good


def test_a_cell_that_is_missing_is_filled_or_blank():
    s = scale.setting_scale(LIGHT, STEPS, [], "")
    assert np.isnan(maps.colored(cells(grid([[np.nan] * 4] * 3), STEPS), s)).all()
    some = cells(grid([[10, np.nan], [np.nan, np.nan]]), STEPS)
    s = scale.setting_scale(LIGHT, STEPS, [some], "")
    assert len(np.unique(maps.colored(some, s))) == 1
    assert "25 % of the cells computed so far" in maps_words.summary(
        some, best(some, Y, Y), Y, Y, 1)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda t: t.name)
def test_plotly_takes_the_figure_and_its_axes_hold_all_cells(theme):
    c = cells(grid([[50, 15, 19, 90], [40, 10, 20, 21], [np.inf, 30, -np.inf, np.nan]]), STEPS)
    s = scale.setting_scale(theme, STEPS, [c], "not reached")
    view = MapView(theme, "m", "A title", "Words.", c, X, Y, s, best(c, X, Y))
    p = maps.picture(view)
    figure = p.plotly()
    assert figure.layout.xaxis.type == "log"
    assert figure.layout.xaxis.range == pytest.approx(X.span)
    heat = figure.data[0]
    assert len(heat.x) == 5
    assert len(heat.y) == 4
    assert np.all(np.diff(heat.y) > 0)                 # y upwards: row 0 is the lowest
    assert p.alt == "A title. Words."
    sent = json.dumps(maps.panel(view, [maps.column("steps", c.value)], 1))
    assert "NaN" not in sent


def test_where_a_run_ends_is_told_by_distance_and_divergence_by_status():
    end = np.array([[[1.0, 1.01], [1.0, 1.2], [np.nan, np.inf], [1.0, 1.0]]])
    data = columns([[["converged"], ["budget"], ["diverged"], ["budget"]]], [[[7], [0], [0], [0]]])
    data |= {"end.0": end[..., :1], "end.1": end[..., 1:]}
    c = ends(data, [(1.0, 1.0)], 0.05)
    assert c.kind.tolist() == [[0, 1, 2, 0]]
    assert c.value[0, 0] == 7
    assert c.value[0, 3] == np.inf                     # there, but it took all of its steps
    two = ends(data, [(5.0, 5.0), (1.0, 1.0)], 0.05)
    assert two.kind.tolist() == [[1, 2, 3, 1]]
    s = scale.basin_scale(LIGHT, [c], ["at (1, 1)"], "elsewhere")
    z = maps.colored(c, s)
    assert np.floor(z).tolist() == [[0, 1, 2, 0]]
    said = maps_words.basin_summary(c, X, Side("x₂", np.array([1.0]), False), [(1.0, 1.0)])
    assert "25 % end elsewhere, 25 % diverge" in said



def test_a_difference_is_said_with_its_numbers():
    a = cells(grid([[10, 20], [30, -np.inf]]), STEPS)
    b = cells(grid([[10, np.inf], [-np.inf, -np.inf]]), STEPS)
    assert maps_words.difference(["Double", "Undamped"], [a, b], True) == (
        "Double reaches the target on 75 % of its map, Undamped on 25 %; "
        "diverged: 25 % against 50 %.")
