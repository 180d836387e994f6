"""Pictures of errors and costs say what the data say, in both lights, and hide nothing."""

from types import SimpleNamespace

import numpy as np
import pytest

from qnviz.figures.system import derivatives as figures
from qnviz.figures.theme import DARK, LIGHT
from qnviz.numbers import say
from qnviz.studies.derivatives import Costs, Question, answer

QUESTIONS = {
    "net": Question(), "float32": Question(precision="float32", decades=48),
    "kink": Question(function="exp_relu", x=1e-3),
    "on the kink": Question(function="exp_relu", x=0), "long": Question(decades=320),
    "flat": Question(function="rosenbrock", x=1.0),
    "edge": Question(function="squire_trapp", x=2.3)}


@pytest.fixture(params=QUESTIONS)
def pair(request):
    found = answer(QUESTIONS[request.param])
    return [("slope", "First derivative", found.slope), ("product", "Product", found.product)]


def synthetic(**changes):
    h = 10.0 ** -(1 + np.arange(88) / 3)
    usual = dict(
        h=h, eps=2.2e-16, relative=True, spread=1e-16, holds=(1e-30, 1e-8), floor=2e-16, kink=None,
        by_step={"forward_difference": h + 1e-16 / h, "finite_difference": h**2 + 1e-16 / h,
                 "complex_step": h**2 + 2e-16},
        without_step={"pairs": 1e-16, "backward": 3e-16},
        expected=dict.fromkeys(figures.STEPS, h))
    return SimpleNamespace(**(usual | changes))


def names(picture) -> list[str]:
    return [a["text"] for a in picture.figure["layout"]["annotations"]]


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_a_picture_of_errors_is_whole(pair, theme):
    for id, name, e in pair:
        picture = figures.errors(figures.ErrorsView(e, id, name, theme))
        picture.plotly()                       # Plotly checks every attribute
        assert picture.title.startswith(name)
        assert picture.alt.startswith(picture.title)
        for kind in e.without_step:
            assert f"{figures.KINDS[kind][0]} {say(e.without_step[kind])}" in picture.alt
        layout = picture.figure["layout"]
        low, high = layout["yaxis"]["range"]
        drawn = np.concatenate([t["y"] for t in picture.figure["data"]])
        drawn = drawn[np.isfinite(drawn)]
        assert (drawn > 0).all()               # on a log axis nothing else is seen
        assert low < np.log10(drawn.min())
        assert np.log10(drawn.max()) < high
        for a in layout["annotations"]:
            if a.get("yref") != "paper":
                assert low <= a["y"] <= high


def test_every_error_is_drawn_where_it_lies(pair):
    for id, name, e in pair:
        picture = figures.errors(figures.ErrorsView(e, id, name, LIGHT))
        for kind, errors in e.by_step.items():
            line, = (t for t in picture.figure["data"] if t.get("customdata") is errors)
            same = errors > 0
            assert np.array_equal(line["y"][same], errors[same])
            assert np.array_equal(np.isnan(line["y"]), np.isnan(errors)), kind
            if (errors == 0).any():            # no bit wrong: on the line that the axis calls 0
                axis = picture.figure["layout"]["yaxis"]
                assert axis["ticktext"][0] == "0"
                assert set(line["y"][errors == 0]) == {axis["tickvals"][0]}
                positive = np.concatenate([v[v > 0] for v in e.by_step.values()])
                assert axis["tickvals"][0] < positive.min() / 3


def test_the_title_names_the_best_step_and_the_floor():
    e = answer(Question()).product
    at = int(np.nanargmin(e.by_step["finite_difference"]))
    best, where = e.by_step["finite_difference"][at], e.h[at]
    title = figures.errors(figures.ErrorsView(e, "product", "Product", LIGHT)).title
    said = plainly(title)
    assert f"central differences get down to {say(best)} at h = {say(where)}" in said
    assert f"the complex step gets down to {say(e.floor)} at every h ≤ {say(e.holds[1])}" in said
    for number in (where, e.holds[1]):
        assert f"\N{NO-BREAK SPACE}{say(number)}" in title, "a line does not end before it"
    assert figures.best(e, "finite_difference") == (where, best)


def test_the_vs_slopes_are_found():
    left, right = figures.arms(synthetic(), "finite_difference")
    assert left == pytest.approx(-1, abs=0.1)
    e = answer(Question(function="squire_trapp")).slope
    for kind, power in (("forward_difference", 1), ("finite_difference", 2)):
        left, right = figures.arms(e, kind)
        assert right == pytest.approx(power, abs=0.1)
        assert left == pytest.approx(-1, abs=0.2)
    words = figures.errors(figures.ErrorsView(e, "slope", "Slope", LIGHT)).alt
    assert f"a V with slopes {left:.1f} left and {right:.1f} right" in words


def plainly(title):
    """A title with ordinary blanks in it."""
    return title.replace("\N{NO-BREAK SPACE}", " ")


def test_a_kink_and_an_underflow_are_in_picture_and_title():
    e = answer(Question(function="exp_relu", x=1e-3)).slope
    picture = figures.errors(figures.ErrorsView(e, "slope", "Slope", LIGHT))
    assert f"from h = {say(e.kink)} on, differences straddle a kink" in plainly(picture.title)
    band, = picture.figure["layout"]["shapes"]
    assert band["x0"] == e.kink
    assert "across<br>a kink" in names(picture)
    e = answer(Question(precision="float32", decades=48)).product
    title = plainly(figures.errors(figures.ErrorsView(e, "product", "Product", LIGHT)).title)
    assert f"from h = {say(e.holds[1])} to {say(e.holds[0])} and breaks down below" in title


def test_absolute_errors_are_called_so():
    e = answer(Question(function="rosenbrock", x=1.0)).slope
    picture = figures.errors(figures.ErrorsView(e, "slope", "Slope", LIGHT))
    assert picture.figure["layout"]["yaxis"]["title"]["text"] == "absolute error"
    assert "absolute error" in picture.alt
    assert "the complex step is exact" in picture.title


def test_agreement_is_claimed_only_where_it_is_so():
    assert figures.agreement(synthetic()) == "dual numbers and backward pass agree to the last bits"
    apart = figures.agreement(synthetic(spread=1e-9))
    assert apart == "dual numbers and backward pass agree to 1.0e−9"


def test_a_complex_step_without_any_number_is_said():
    nothing = np.full(88, np.nan)
    e = synthetic(holds=None, floor=np.nan, by_step=synthetic().by_step | {"complex_step": nothing})
    picture = figures.errors(figures.ErrorsView(e, "slope", "Slope", LIGHT))
    picture.plotly()
    assert "the complex step gives no number here" in picture.title
    assert "complex step" not in names(picture)


def test_labels_of_two_equal_bests_do_not_lie_on_each_other():
    h = synthetic().h
    e = synthetic(by_step=synthetic().by_step | {"forward_difference": h**2 + 1e-16 / h})
    picture = figures.errors(figures.ErrorsView(e, "slope", "Slope", LIGHT))
    shifts = [a["yshift"] for a in picture.figure["layout"]["annotations"] if "best" in a["text"]]
    assert max(shifts) - min(shifts) >= 16


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_costs_are_bars_of_medians_with_quartiles(theme):
    kinds = ("gradient", "pairs", "complex_step", "forward_over_reverse", "double_backward",
             "finite_difference", "forward_difference", "complex_step_denormal")
    base = np.array([1.0, 1.2, 3.6, 8, 4, 2, 1.5, 90])
    seconds = 1e-3 * base * np.array([0.9, 1.0, 1.0, 1.0, 1.3])[:, None]
    picture = figures.costs(figures.CostsView(
        Costs(kinds, seconds, np.array([3.0] + [6.0] * 7), "a net", 1), theme))
    picture.plotly()
    bar, = picture.figure["data"]
    shown = dict(zip(bar["y"], bar["x"], strict=True))
    for kind, ratio in zip(kinds, base, strict=True):
        assert shown[figures.COSTS[kind]] == pytest.approx(ratio)
        assert f"{figures.COSTS[kind]} {ratio:.1f} (quartiles" in picture.alt
        assert f"{figures.COSTS[kind]}  <b>{ratio:.1f}</b>" in picture.figure["layout"]["yaxis"][
            "ticktext"]
    assert picture.title.startswith("A product Hv costs 1.2 gradients by dual numbers, 3.6 in")
    assert "5 repeats" in picture.alt
    assert "charged: 6 units = 2 gradients" in names(picture)
    line, = picture.figure["layout"]["shapes"]
    assert line["x0"] == line["x1"] == 2
    assert picture.figure["layout"]["xaxis"]["range"][1] > 90
