"""The damping page's pictures: what they draw and say is what the run recorded."""

import numpy as np
import pytest

from qnviz.figures.player import linked
from qnviz.figures.race import RaceView
from qnviz.figures.race.eigenvalues import eigenvalues, side_by_side
from qnviz.figures.race.raster import FAINTEST, nearest_event, raster, raster_rows
from qnviz.figures.race.ratios import ratios, squeezed, thresholds
from qnviz.figures.theme import DARK, LIGHT
from qnviz.runs.loop import run
from tests.helpers import spec

DAMPINGS = [{"name": "kbfgs", "lr": 0.1, "label": d, "damping": d} for d in (
    "double", "powell", "none")]
NET = {"name": "autoencoder", "widths": [64, 8, 4, 8, 64], "batch": 50, "activation": "tanh"}


@pytest.fixture(scope="module")
def noisy():
    return run(spec(*DAMPINGS, steps=80, runs=1))


@pytest.fixture(scope="module")
def net():
    return run(spec(*DAMPINGS, problem=NET, steps=40, runs=1))


@pytest.fixture(params=["noisy", "net"])
def trace(request):
    return request.getfixturevalue(request.param)


def bounds_of(picture):
    """The lines that are bounds, by what they are called, low before high; and the band."""
    found = {}
    for t in picture.figure["data"]:
        if t.get("name") == "bound":
            found.setdefault(t["hovertemplate"].split(", ")[1].split(" bound")[0], []).append(t)
    band, = (t for t in picture.figure["data"] if t.get("name") == "band")
    return found, band


def test_bands_are_called_certified_only_where_damping_bounds_them(noisy):
    """Undamped, a pair's bound is known after the pair alone; Powell's damping bounds c₁ alone."""
    for picture, names, said in zip(side_by_side(RaceView(noisy, LIGHT)), (
            {"certified": 2, "a-priori": 2},
            {"certified": 1, "a-posteriori": 1, "a-priori": 1}, {"a-posteriori": 2}), (
            "certified; dotted: a-priori", "certified below, a-posteriori above; dotted: a-priori",
            "a-posteriori"), strict=True):
        found, _ = bounds_of(picture)
        note = picture.figure["layout"]["annotations"][0]["text"]
        assert note.split(": ", 1)[1] == said
        assert {name: len(found[name]) for name in found} == names


def test_a_pair_without_a_bound_leaves_a_gap(noisy):
    c, stop = noisy["none"], int(noisy["none"]["stopped"][0])
    bounded = (c["c2"] > 0)[:stop, 0, 0]
    assert 0 < (~bounded).sum() < stop                     # some pairs had sᵀy < 0
    found, band = bounds_of(side_by_side(RaceView(noisy, LIGHT))[2])
    for line, side in zip(found["a-posteriori"], ("low", "high"), strict=True):
        np.testing.assert_array_equal(np.isfinite(line["y"]), bounded)
        np.testing.assert_array_equal(line["y"][bounded],
                                      c[f"pair_{side}"][:stop, 0, 0][bounded])
    stretches = np.isnan(band["x"]).sum()
    assert stretches == (np.diff(bounded.astype(int)) == 1).sum() + bounded[0]
    assert set(band["x"][np.isfinite(band["x"])]) == set(np.flatnonzero(bounded) + 1.0)
    whole = bounds_of(side_by_side(RaceView(noisy, LIGHT))[0])[1]
    assert np.isnan(whole["x"]).sum() == 1


def test_after_a_fork_the_band_changes_its_name(noisy):
    """Damped up to step 20, undamped from there on."""
    double = DAMPINGS[0] | {"label": None}
    trace = run(spec(double | {"damping": "none"}, steps=80, runs=1,
                     fork={"method": double, "step": 20}))
    found, _ = bounds_of(eigenvalues(RaceView(trace, LIGHT)))
    for name, steps in (("certified", range(1, 21)), ("a-posteriori", range(21, 81))):
        for t in found[name]:
            assert set(t["x"][np.isfinite(t["y"])]) <= set(map(float, steps))
        assert len(found[name]) == 2
    note = eigenvalues(RaceView(trace, LIGHT)).figure["layout"]["annotations"][0]["text"]
    assert note == "band for K-BFGS: certified or a-posteriori; dotted: a-priori"


def test_a_matrix_that_rounding_made_indefinite_is_said_to_be():
    trace = run(spec({"name": "kbfgs", "lr": 0.02, "lam": 0.9, "damping": "none"}, steps=200,
                     problem={"name": "rosenbrock", "start_noise": 0.3}, dtype="float32", runs=8))
    low = trace["kbfgs"]["eig_min"][:, :, 0]
    r = int((low <= 0).sum(0).argmax())
    lost = int((low[:trace["kbfgs"]["stopped"][r], r] <= 0).sum())
    assert lost > 0
    picture = eigenvalues(RaceView(trace, LIGHT, run=r))
    assert f"indefinite by rounding after {lost}" in picture.title
    span = picture.figure["layout"]["yaxis"]["range"]
    assert span[1] - span[0] < 40


def test_a_row_per_entrant_kind_and_layer_that_may_be_damped(trace):
    layers = trace["double"]["theta1"].shape[2]
    rows = raster_rows(RaceView(trace))
    assert [(r.owner.label, r.theta, r.layer) for r in rows] == [
        *(("double", t, l) for t in (1, 2) for l in range(layers)),
        *(("powell", 1, l) for l in range(layers))]


def test_the_raster_is_what_was_recorded(trace):
    picture = raster(RaceView(trace, LIGHT))
    z = picture.figure["data"][0]["z"]
    acted = {1: 0, 2: 0}
    for j, row in enumerate(raster_rows(RaceView(trace))):
        stop = int(trace[row.owner.label]["stopped"][0])
        theta = trace[row.owner.label][f"theta{row.theta}"][:stop, 0, row.layer]
        np.testing.assert_array_equal(z[j, :stop] > 0, theta < 1)
        strong = np.where(theta < 1, FAINTEST + (1 - FAINTEST) * (1 - theta), 0)
        np.testing.assert_allclose(z[j, :stop], strong)
        assert np.isnan(z[j, stop:]).all()
        acted[row.theta] += int((theta < 1).sum())
    assert acted[1] > 0
    assert f"Powell's damping in {acted[1]} of" in picture.title
    assert f"step 2 in {acted[2]} of" in picture.title
    assert picture.click == "event"
    assert picture.plotly()


def test_the_raster_names_the_kept_share(trace):
    picture = raster(RaceView(trace, LIGHT))
    rows, texts = raster_rows(RaceView(trace)), picture.figure["data"][0]["text"]
    j, t = map(int, np.argwhere(picture.figure["data"][0]["z"] > 0)[0])
    theta = trace[rows[j].owner.label][f"theta{rows[j].theta}"][t, 0, rows[j].layer]
    assert texts[j][t].endswith(f"= {theta:.3g} of {'sy'[rows[j].theta - 1]} kept")
    assert f"step {t + 1}:" in texts[j][t]


def test_a_click_beside_an_event_means_the_event(noisy):
    row = raster_rows(RaceView(noisy))[0]
    events = 1 + np.flatnonzero(noisy["double"]["theta1"][:, 0, 0] < 1)
    first = int(events[0])
    assert nearest_event(RaceView(noisy), row, first) == first
    gaps = np.flatnonzero(np.diff(events) > 2)
    lone = int(events[gaps[0]])
    assert nearest_event(RaceView(noisy), row, lone + 1) == lone
    far = next(k for k in range(1, 81) if np.abs(events - k).min() > 2)
    assert nearest_event(RaceView(noisy), row, far) == far
    assert nearest_event(RaceView(noisy), row, 0) == (first if first <= 2 else 1)


def test_ratios_stand_where_they_were_and_where_damping_put_them(trace):
    picture = ratios(RaceView(trace, LIGHT))
    layers = trace["double"]["theta1"].shape[2]
    assert len(picture.choices) == 3 * layers - 1
    c, stop = trace["double"], int(trace["double"]["stopped"][0])
    mu1, mu2 = thresholds(RaceView(trace), trace.entrants[0])
    assert (mu1, mu2) == (0.2, pytest.approx(0.3**0.5))
    drawn = np.sort(np.concatenate([d["customdata"] for d in picture.figure["data"][:2]]))
    np.testing.assert_array_equal(drawn, np.sort(c["ratio1_before"][:stop, 0, 0]))
    below = int((c["ratio1_before"][:stop, 0, 0] < mu1).sum())
    assert f"{below} of {stop} pairs below μ₁" in picture.title
    # where damping acted, what is drawn as its outcome lies on the line
    after = [d for d in picture.figure["data"] if d["marker" if "marker" in d else "line"].get(
        "symbol") == "circle-open"]
    np.testing.assert_allclose(after[0]["customdata"], mu1)
    np.testing.assert_allclose(after[1]["customdata"], mu2)
    assert picture.plotly()


def test_squeezed_is_monotone_odd_and_logarithmic_far_out():
    x = np.linspace(-50, 50, 1001)
    assert (np.diff(squeezed(x)) > 0).all()
    np.testing.assert_allclose(squeezed(-x), -squeezed(x), atol=1e-15)
    assert squeezed(np.array(1e5)) - squeezed(np.array(1e4)) == pytest.approx(1, abs=1e-6)


def test_the_three_dampings_stand_side_by_side_on_one_axis(trace):
    pictures = side_by_side(RaceView(trace, LIGHT))
    assert [p.id for p in pictures] == ["eig-0", "eig-1", "eig-2"]
    spans = {tuple(p.figure["layout"]["yaxis"]["range"]) for p in pictures}
    assert len(spans) == 1
    for i, picture in enumerate(pictures):
        assert {h.entrant for h in picture.heads} == {i}
        assert picture.title.startswith(trace.entrants[i].title)
        assert picture.plotly()


def test_the_payload_has_every_picture_once(trace):
    payload = linked(RaceView(trace), "damping")
    ids = [p["id"] for p in payload["panels"]]
    assert sorted(ids) == sorted(set(ids))
    assert {i for row in payload["rows"] for i in row} - {"@words"} == set(ids)
    assert payload["rows"][0] == ["eig-0", "eig-1", "eig-2"]


@pytest.mark.parametrize("methods", [["adam"], [DAMPINGS[2]], [DAMPINGS[1], "adam"]],
                         ids=["no matrix", "undamped alone", "Powell and Adam"])
@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda t: t.name)
def test_whoever_races_there_is_a_picture_or_a_sentence(methods, theme):
    trace = run(spec(*methods, steps=12, runs=1))
    payload = linked(RaceView(trace, theme), "damping")
    for panel in payload["panels"]:
        assert panel["title"]
        assert panel["alt"].endswith(".")
    for picture in (raster(RaceView(trace, theme)), ratios(RaceView(trace, theme))):
        assert picture.figure["data"] or picture.figure["layout"]["annotations"][0]["text"]
        assert picture.plotly()


def test_a_run_that_took_no_step_says_so():
    at_minimum = {"name": "rosenbrock", "start": [1.0, 1.0]}
    trace = run(spec(*DAMPINGS, problem=at_minimum, runs=1, stop_loss=1e-10))
    for panel in linked(RaceView(trace), "damping")["panels"]:
        assert panel["title"]
