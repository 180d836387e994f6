"""The nets' own views: each picture's numbers, computed here a second time from the trace."""

import json
import re

import numpy as np
import pytest

from qnviz.figures.packing import plain
from qnviz.figures.race import RaceView
from qnviz.figures.race.codes import codes
from qnviz.figures.race.drift import drift
from qnviz.figures.race.factors import factors
from qnviz.figures.race.reconstructions import reconstructions
from qnviz.figures.race.singular_values import singular_values
from qnviz.figures.race.views import due
from qnviz.figures.race.zeros import zeros
from qnviz.figures.theme import LIGHT, THEMES, Picture
from qnviz.numbers import say
from qnviz.runs.trace import Trace, clock
from tests.net_traces import (
    STEPS,
    TARGET,
    autoencoder,
    kronecker,
    linear,
    places,
    race,
    unpack,
)

AXES = ("iterations", "work", "seconds")
FIGURES = {
    "reconstructions": (autoencoder, reconstructions), "codes": (autoencoder, codes),
    "singular": (linear, singular_values), "zeros": (linear, zeros), "drift": (linear, drift),
    "factors": (kronecker, factors)}


def lines(p: Picture, entrant: int) -> list:
    return [t for t in p.plotly().data if t.mode == "lines" and t.meta == {"entrant": entrant}]


def check(p: Picture, trace: Trace, theme: str = "light") -> None:
    """Whatever it shows, a picture is whole: words, heads as long as runs, JSON, labels."""
    for c in [p, *p.choices]:
        assert c.id == p.id
        assert c.title
        assert c.alt
        assert "nan" not in f"{c.title} {c.alt}".lower()
        assert "undefined" not in f"{c.title} {c.alt}"
        for i, x, y, _ in c.heads:
            stop = trace[trace.entrants[i].label]["stopped"][0]
            assert len(x) == len(y) == stop + 1
            known = np.isfinite(y)
            assert np.all(np.isfinite(x))
            low, high = c.plotly().layout.xaxis.range
            assert np.all((x >= low) & (x <= high))
            assert known.any() or not lines(c, i) or not np.isfinite(
                np.concatenate([np.asarray(t.y, float) for t in lines(c, i)])).any()
        json.dumps([plain(c.figure), c.strip, c.cloud], allow_nan=False)
    labels = [c.label for c in (p, *p.choices)]
    assert len(set(labels)) == len(labels)


# ---- what holds for all of them ---------------------------------------------------------------


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("count", [1, 2, 16])
def test_one_two_and_sixteen_entrants(name, count, theme):
    build, figure = FIGURES[name]
    trace = build(count)
    check(figure(RaceView(trace, THEMES[theme])), trace)


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("axis", AXES)
def test_every_axis_one_look_and_runs_of_no_step(name, axis):
    build, figure = FIGURES[name]
    for trace in (build(2, looks=1), build(2, ends=[(0, "converged"), (7, "diverged")])):
        trace.columns["e0"]["view_step"] = trace.columns["e1"]["view_step"] = np.arange(0, 13, 3)[
            :len(next(v for n, v in trace["e0"].items() if n.startswith("view_") and v.ndim > 1))]
        check(figure(RaceView(trace, LIGHT, axis)), trace)


@pytest.mark.parametrize("name", FIGURES)
def test_without_its_view_a_picture_says_why(name):
    _, figure = FIGURES[name]
    other = linear() if FIGURES[name][0] is not linear else autoencoder()
    p = figure(RaceView(other, LIGHT))
    assert not p.heads
    assert p.strip is None
    assert p.cloud is None
    text = re.sub("<br>", " ", p.plotly().layout.annotations[0].text)
    assert text == p.alt
    assert "kept" in text or "keeps" in text


@pytest.mark.parametrize("name", ["codes", "singular", "zeros", "drift", "factors"])
@pytest.mark.parametrize("lost", [slice(2, None), slice(None)], ids=["half", "all"])
def test_diverged_views_are_said_and_not_drawn(name, lost):
    build, figure = FIGURES[name]
    trace = build(2, ends=[(STEPS, "budget"), (7, "diverged")])
    for n, a in trace.columns["e1"].items():
        if n.startswith("view_") and a.dtype.kind == "f":
            a[lost] = np.nan
    p = figure(RaceView(trace, LIGHT))
    check(p, trace)
    for c in (p, *p.choices):
        if c.label in ("", "Adam") or c.label.startswith("Adam ·"):
            assert "diverged" in c.title
            assert "diverged" in c.alt
    for c in (p, *p.choices):
        for t in lines(c, 1):
            assert np.isfinite(np.asarray(t.y, float)[2:]).sum() == 0


@pytest.mark.parametrize(("name", "axis"), [(n, a) for n in ("singular", "zeros", "drift",
                                                             "factors") for a in AXES])
def test_lines_stand_at_the_looks_on_every_axis(name, axis):
    build, figure = FIGURES[name]
    trace = build(1, ends=[(7, "converged")])       # between the looks at 6 and 9
    p = figure(RaceView(trace, LIGHT, axis))
    at = clock(trace["e0"], axis)
    for t in lines(p, 0):
        np.testing.assert_allclose(t.x, at[[0, 3, 6, 7]])
    for _, x, _, _ in p.heads:
        np.testing.assert_allclose(x, at[:8])
    assert p.cursor


def test_heads_ride_on_the_drawn_line():
    """Half-way between two looks, a log axis draws the geometric mean."""
    p = singular_values(RaceView(linear(1, steps=4, looks=5), LIGHT))
    assert len(p.heads) == 6
    trace = linear(1)
    p = drift(RaceView(trace, LIGHT))
    (_, _, y, _), wide = p.heads[0], trace["e0"]["view_drift"].max(1)
    np.testing.assert_allclose(y[[3, 6, 9, 12]], wide[1:])
    assert y[4] == pytest.approx(wide[1] ** (2 / 3) * wide[2] ** (1 / 3))


# ---- reconstructions --------------------------------------------------------------------------


def test_strip_holds_the_images_and_their_errors():
    trace = autoencoder(2)
    strip = reconstructions(RaceView(trace, LIGHT)).strip
    inputs = trace.scene["inputs"]
    np.testing.assert_array_equal(unpack(strip["inputs"]).reshape(4, 6), inputs)
    assert (strip["shape"], strip["count"]) == ([2, 3], 4)
    for k, row in enumerate(strip["rows"]):
        images = trace[f"e{k}"]["view_reconstruction"]
        assert row["entrant"] == k
        np.testing.assert_array_equal(unpack(row["images"]).reshape(images.shape), images)
        np.testing.assert_array_equal(unpack(row["rows"]), due(trace[f"e{k}"]))
        by_hand = [[sum((int(a) - int(b)) ** 2 for a, b in zip(image, original, strict=True))
                    / 255**2 for image, original in zip(look, inputs, strict=True)]
                   for look in images]
        np.testing.assert_allclose(unpack(row["errors"]).reshape(5, 4), by_hand, rtol=1e-5)
        np.testing.assert_allclose(unpack(row["mean"]), trace[f"e{k}"]["error"][::3, 0], rtol=1e-6)


def test_reconstruction_title_ranks_the_final_errors():
    trace = autoencoder(3, ends=[(12, "budget"), (12, "budget"), (12, "diverged")])
    trace.columns["e0"]["error"][-1] = 3.4
    trace.columns["e1"]["error"][-1] = 1.9
    p = reconstructions(RaceView(trace, LIGHT))
    assert p.title == "Adam reconstructs best: error 1.9 per image, K-BFGS 3.4, SGD diverged"
    assert "Adam 1.9; K-BFGS 3.4; SGD diverged" in p.alt
    alone = reconstructions(RaceView(autoencoder(1), LIGHT)).title
    assert alone == "K-BFGS reconstructs with error 1 per image"
    lost = reconstructions(RaceView(autoencoder(1, ends=[(3, "diverged")]), LIGHT))
    assert lost.title == "No reconstruction is left: it diverged"


def test_error_of_the_shown_images_where_no_other_is_kept():
    trace = autoencoder(1)
    del trace.columns["e0"]["error"]
    gap = trace["e0"]["view_reconstruction"][-1] / 255 - trace.scene["inputs"] / 255
    title = reconstructions(RaceView(trace, LIGHT)).title
    assert f"error {say((gap**2).sum(1).mean())} per image" in title


def test_polarity_follows_the_data():
    trace = autoencoder(1)
    trace.scene["inputs"][:] = 0
    assert not reconstructions(RaceView(trace, LIGHT)).strip["photo"]
    trace.scene["inputs"][:] = 120
    assert reconstructions(RaceView(trace, LIGHT)).strip["photo"]


def test_other_runs_have_no_images():
    assert reconstructions(RaceView(autoencoder(1), LIGHT, run=1)).strip is None


def test_many_large_images_are_thinned_to_a_payload_one_can_send():
    looks = np.arange(101)
    inputs = np.zeros((10, 784), np.uint8)
    views = [{"view_reconstruction": np.broadcast_to(looks.astype(np.uint8)[:, None, None],
                                                     (101, 10, 784))}] * 6
    trace = race({"inputs": inputs, "shape": np.array([28, 28])}, views, steps=100, looks=looks)
    strip = reconstructions(RaceView(trace, LIGHT)).strip
    assert len(json.dumps(strip)) < 4.2e6
    first = strip["rows"][0]
    images = unpack(first["images"]).reshape(-1, 7840)[:, 0]
    shown = images[unpack(first["rows"])]
    assert (images[0], shown[-1]) == (0, 100)
    assert np.all(shown <= np.arange(101))
    assert np.all(np.diff(shown.astype(int)) >= 0)


# ---- codes ------------------------------------------------------------------------------------


def test_two_units_are_drawn_as_they_are():
    trace = autoencoder(1, units=2)
    p = codes(RaceView(trace, LIGHT))
    view = trace["e0"]["view_code"]
    steps = np.array(p.cloud["step"])
    assert np.all(np.abs(places(p).reshape(view.shape) - view) <= 0.51 * steps)
    assert np.all(steps * 5000 < np.ptp(view[-1], axis=0).max()), "finer than a pixel"
    assert p.plotly().layout.xaxis.title.text == "code unit 1"
    assert "variance" not in p.title
    low, high = p.plotly().layout.xaxis.range
    assert low < view[-1, :, 0].min() < view[-1, :, 0].max() < high


def test_wider_codes_are_projected_on_the_final_plane_of_most_variance():
    trace = autoencoder(2, units=5)
    p = codes(RaceView(trace, LIGHT))
    assert [c.label for c in (p, *p.choices)] == ["K-BFGS", "Adam"]
    for k, c in enumerate((p, *p.choices)):
        view = trace[f"e{k}"]["view_code"].astype(float)
        final = view[-1] - view[-1].mean(0)
        values, axes = np.linalg.eigh(final.T @ final)
        share = values[-2:].sum() / values.sum()
        assert f"the plane holds {100 * share:.0f} % of the variance" in c.title
        expected = (view - view[-1].mean(0)) @ axes[:, :-3:-1]
        points = places(c).reshape(expected.shape)
        np.testing.assert_allclose(np.abs(points), np.abs(expected), atol=1e-3)
        # one sign per axis, not one per point or look
        signs = np.sign(points * expected)[np.abs(expected).min(-1) > 1e-3]
        assert np.all(signs == signs[0])
        near = 0
        for n, code in enumerate(view[-1]):
            gap = np.linalg.norm(view[-1] - code, axis=1)
            gap[n] = np.inf
            near += trace.scene["labels"][gap.argmin()] == trace.scene["labels"][n]
        assert f"{100 * near / 30:.0f} % of codes lie beside their own class" in c.title


@pytest.mark.parametrize("units", [1, 2, 4])
def test_unknown_classes_are_passed_on_and_not_counted(units):
    trace = autoencoder(1, units=units, labels=np.full(30, -1))
    p = codes(RaceView(trace, LIGHT))
    assert np.all(unpack(p.cloud["labels"]) == -1)
    assert "class" not in p.title
    check(p, trace)


def test_a_code_that_collapsed_still_has_axes():
    trace = autoencoder(1)
    trace.columns["e0"]["view_code"][:] = 0
    assert np.isfinite(places(codes(RaceView(trace, LIGHT)))).all()
    low, high = codes(RaceView(trace, LIGHT)).plotly().layout.xaxis.range
    assert low < 0 < high


# ---- the linear net ---------------------------------------------------------------------------


def test_singular_values_title_counts_what_is_within_one_per_cent():
    trace = linear(3)
    trace.columns["e0"]["view_singular"][-1] = TARGET * [1.009, 0.991, 1, 1.02, 0.98, 1]
    trace.columns["e1"]["view_singular"][-1] = TARGET * [1, 1, 1, 1, 1, 0.5]
    trace.columns["e2"]["view_singular"][-1] = TARGET * 0.3
    p = singular_values(RaceView(trace, LIGHT))
    assert p.title == "K-BFGS has 4 of A's 6 values within 1 %; Adam 5, SGD 0"
    assert p.choices[0].title == "Adam has 5 of A's 6 values within 1 %; K-BFGS 4, SGD 0"
    levels = [t.y[0] for t in p.plotly().data if t.meta is None]
    np.testing.assert_array_equal(levels, TARGET)
    for k, c in enumerate((p, *p.choices)):
        drawn = np.array([t.y for t in lines(c, k)]).T
        np.testing.assert_array_equal(drawn, trace[f"e{k}"]["view_singular"])
        assert c.plotly().layout.yaxis.range == p.plotly().layout.yaxis.range


def test_zero_eigenvalues_are_counted_relative_to_the_largest():
    trace = linear(2, parameters=9, flat=4)
    for scale in (1e-3, 1.0, 1e5):
        spectrum = scale * np.array([-0.2, -1e-5, -9e-7, 0, 1e-12, 9e-7, 1.1e-6, 0.5, 1])
        trace.columns["e0"]["view_hessian"][-1] = spectrum
        trace.columns["e1"]["view_hessian"][-1] = np.abs(np.sort(-np.abs(spectrum))[::-1])
        p = zeros(RaceView(trace, LIGHT))
        assert p.title == ("Zero eigenvalues at the end (theory ≥ 4): K-BFGS 4, Adam 4. "
                           "Negative: K-BFGS 2")
        assert lines(p, 0)[0].y[-1] == 4
    level = next(t for t in p.plotly().data if t.meta is None)
    assert set(level.y) == {4}
    assert lines(p, 0)[0].line.shape == "hv"


def test_no_negative_eigenvalue_is_said_too():
    p = zeros(RaceView(linear(1), LIGHT))
    assert "Negative" not in p.title
    assert "No negative eigenvalue" in p.alt


def test_drift_shows_the_pair_that_moved_most():
    trace = linear(2, pairs=3)
    p = drift(RaceView(trace, LIGHT))
    for k in range(2):
        expected = [max(row) for row in trace[f"e{k}"]["view_drift"]]
        np.testing.assert_allclose(lines(p, k)[0].y[1:], expected[1:])
        assert np.isnan(lines(p, k)[0].y[0])
    assert p.title == "Gradient flow keeps WWᵀ − WᵀW; K-BFGS changed it by 30 %, Adam 60 %"


# ---- factors ----------------------------------------------------------------------------------


def test_factor_bands_are_quantiles_of_the_unpadded_spectrum():
    trace = kronecker(2)
    p = factors(RaceView(trace, LIGHT))
    labels = [c.label for c in (p, *p.choices)]
    assert labels == [f"{t} · layer {k}" for t in ("K-BFGS", "Adam") for k in (1, 2)]
    c = ([p, *p.choices])[labels.index("Adam · layer 2")]
    found = []
    for axis, side, size in (("y", "g", 4), ("y2", "a", 6)):
        spectra = trace["e1"][f"view_spectrum_{side}"][:, 1, :size]
        drawn = {t.name: np.array(t.y) for t in lines(c, 1) if (t.yaxis or "y") == axis}
        for name, share in (("min", 0), ("10 %", 0.1), ("median", 0.5), ("90 %", 0.9), ("max", 1)):
            np.testing.assert_allclose(drawn[name], np.quantile(spectra, share, axis=1))
        head = next(h for h in c.heads if h.axis == axis)
        np.testing.assert_allclose(head.y[::3], drawn["median"])
        found.append(f"H_{side} {say(spectra[-1, 0])} … {say(spectra[-1, -1])}")
    assert c.title == f"{', '.join(found)} (Adam, layer 2)"


def test_the_factors_axes_do_not_overlap():
    layout = factors(RaceView(kronecker(1), LIGHT)).plotly().layout
    (low, high), (above, top) = layout.yaxis2.domain, layout.yaxis.domain
    assert 0 == low < high < above < top == 1
    assert layout.xaxis.anchor == "y2"


# ---- a run that still grows -------------------------------------------------------------------


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("stopped", [0, 1, 7, STEPS])
def test_growing_runs_are_drawn_and_say_so(name, stopped):
    """One entrant is over, one goes on, and one has not begun."""
    build, figure = FIGURES[name]
    trace = build(3, ends=[(5, "converged"), (stopped, "running"), (0, "running")])
    for e in trace.entrants:
        c = trace.columns[e.label]
        looks = 1 + int(c["stopped"][0]) // 3
        trace.columns[e.label] = {n: a[:looks] if n.startswith("view_") else a
                                  for n, a in c.items()}
    p = figure(RaceView(trace, LIGHT))
    check(p, trace)
    for c in (p, *p.choices):
        assert "so far" in c.title or "diverged" in c.title
        assert "at the end" not in c.alt.lower()
    if p.cursor:
        assert p.plotly().layout.xaxis.range == (-0.01 * STEPS, 1.01 * STEPS)


@pytest.mark.parametrize("name", FIGURES)
def test_pictures_of_nets_pass_plotlys_own_checks(name):
    build, figure = FIGURES[name]
    for theme in THEMES.values():
        p = figure(RaceView(build(2), theme))
        for c in (p, *p.choices):
            c.plotly()
