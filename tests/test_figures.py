"""Pictures show what the trace holds, for every method and every kind of end."""

import base64
import json

import numpy as np
import pytest

from qnviz.figures.eigenvalues import eigenvalues
from qnviz.figures.krylov import REASONS, krylov, signed_log
from qnviz.figures.linked import linked, packed
from qnviz.figures.loss import loss
from qnviz.figures.theme import LIGHT, THEMES, log_axis, power_of_ten
from qnviz.figures.trajectory import trajectory
from qnviz.methods.registry import METHODS
from qnviz.runs.loop import run
from qnviz.runs.spec import parse

ROSENBROCK = {"name": "rosenbrock"}


def traced(*methods, noise=0.0, steps=60, **more):
    problem = ROSENBROCK | {"noise": noise} | more.pop("problem", {})
    return run(parse({"problem": problem, "methods": list(methods), "steps": steps} | more))


@pytest.fixture(scope="module")
def race():
    return traced({"name": "kbfgs", "lr": 0.05}, {"name": "newton_krylov"}, {"name": "sgd"},
                  noise=1.0, steps=120, stop_loss=1e-8)


def lines(figure, entrant, mode="lines"):
    return [t for t in figure.data if t.type == "scatter" and t.mode == mode
            and t.meta == {"entrant": entrant}]


def test_loss_lines_are_the_losses(race):
    for i, e in enumerate(race.entrants):
        line = lines(loss(race, LIGHT).figure, i)[0]
        stop = race[e.label]["stopped"][0]
        expected = np.maximum(race[e.label]["loss"][:stop + 1, 0], 1e-16)
        np.testing.assert_array_equal(line.y, expected)


@pytest.mark.parametrize("axis", ["iterations", "work", "seconds"])
def test_axis_switch_moves_every_line(race, axis):
    for i, e in enumerate(race.entrants):
        line = lines(loss(race, LIGHT, axis).figure, i)[0]
        c, stop = race[e.label], race[e.label]["stopped"][0]
        expected = {"iterations": np.arange(stop + 1.0), "work": c["work"][:stop + 1, 0],
                    "seconds": c["seconds"][:stop + 1]}[axis]
        np.testing.assert_allclose(line.x, expected, rtol=1e-6)


def test_trajectory_ends_where_the_run_ends(race):
    figure = trajectory(race, LIGHT).figure
    for i, e in enumerate(race.entrants):
        path = lines(figure, i)[0]
        end = race[e.label]["theta"][-1, 0]
        np.testing.assert_allclose([path.x[-1], path.y[-1]], np.clip(end, -1e6, 1e6), rtol=1e-6)


def test_surface_is_not_flipped(race):
    """z[i, j] is the loss at (x[j], y[i]): the valley's floor is x₂ = x₁², not the reverse."""
    contour = trajectory(race, LIGHT).figure.data[0]
    j, i = np.argmin(np.abs(contour.x + 1)), np.argmin(np.abs(contour.y - 1))
    floor, wall = contour.z[i, j], contour.z[np.argmin(np.abs(contour.y + 1)),
                                           np.argmin(np.abs(contour.x - 1))]
    assert floor == pytest.approx(np.log10(4), abs=0.1)
    assert wall == pytest.approx(np.log10(400), abs=0.1)


def test_eigenvalue_lines_and_counted_events(race):
    picture = eigenvalues(race, LIGHT)
    c, stop = race["kbfgs"], race["kbfgs"]["stopped"][0]
    low, high = (t for t in lines(picture.figure, 0) if t.name == "K-BFGS")
    np.testing.assert_array_equal(low.y, c["eig_min"][:stop, 0, 0])
    np.testing.assert_array_equal(high.y, c["eig_max"][:stop, 0, 0])
    acted = ((c["theta1"] < 1) | (c["theta2"] < 1))[:stop].sum()
    assert f"damped in {acted} of {stop} updates" in picture.title
    marks = [t for t in lines(picture.figure, 0, "markers") if "acted" in t.hovertemplate]
    assert sum(len(t.x) for t in marks) == acted


def test_krylov_bars_count_each_reason(race):
    figure = krylov(race, LIGHT).figure
    c, stop = race["newton_krylov"], race["newton_krylov"]["stopped"][0]
    reasons = c["krylov_reason"][:stop, 0]
    bars = {t.hovertemplate.split(": ")[1].split("<")[0]: len(t.x)
            for t in figure.data if t.type == "bar"}
    assert bars == {w: (reasons == k).sum() for k, w in enumerate(REASONS) if (reasons == k).any()}


@pytest.mark.parametrize("noise", [0.0, 1.0, 3.0])
def test_rayleigh_quotients_lie_within_the_drawn_band(noise):
    """The theory's interval, also under noise: the band is the Hessian of CG's own batch."""
    trace = traced({"name": "newton_krylov"}, noise=noise, stop_loss=1e-8)
    low, high = (t for t in krylov(trace, LIGHT).figure.data if t.type == "scatter" and not t.meta)
    c, stop = trace["newton_krylov"], trace["newton_krylov"]["stopped"][0]
    quotients = signed_log(c["rayleigh"][:stop, 0])
    # signed_log compresses, so rounding of 1e-9 in it is rounding of the quotients
    assert np.nanmin(quotients - np.asarray(low.y)[:, None]) >= -1e-9
    assert np.nanmax(quotients - np.asarray(high.y)[:, None]) <= 1e-9


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("theme", THEMES)
def test_every_method_alone_makes_a_whole_payload(name, theme):
    payload = linked(traced({"name": name}, steps=25), theme=theme)
    json.dumps(payload, allow_nan=False)
    assert [p["id"] for p in payload["panels"]] == ["path", "eig", "krylov", "loss"]
    for p in payload["panels"]:
        assert p["title"]
        assert p["alt"]
    e = payload["entrants"][0]
    assert len(e["words"]) == len(e["clock"])
    assert all(e["words"])
    assert np.all(np.diff(e["clock"]) > 0)


@pytest.mark.parametrize("case", [
    {"methods": [{"name": "sgd", "lr": 1.0}]},                                      # diverges
    {"methods": [{"name": "adam"}, {"name": "newton_krylov"}, {"name": "kbfgs"}],   # is there
     "problem": {"start": [1.0, 1.0]}, "stop_loss": 1e-10},
    {"methods": [{"name": "kbfgs"}, {"name": "newton_krylov"}], "steps": 1},
    {"methods": [{"name": "kbfgs", "lr": 1e-9}], "steps": 5},
], ids=["diverged", "starts at the minimum", "one step", "hardly moves"])
@pytest.mark.parametrize("axis", ["iterations", "work", "seconds"])
def test_odd_ends_are_drawn(case, axis):
    case = dict(case)
    payload = linked(traced(*case.pop("methods"), **case), axis=axis)
    json.dumps(payload, allow_nan=False)
    assert all(e["end"] for e in payload["entrants"])


def test_a_race_that_is_over_at_its_start_says_so():
    trace = traced({"name": "adam"}, {"name": "kbfgs"}, {"name": "newton_krylov"},
                   problem={"start": [1.0, 1.0]}, stop_loss=1e-10)
    assert eigenvalues(trace, LIGHT).title == "No update to look at"
    assert "already meets" in krylov(trace, LIGHT).alt
    picture = loss(trace, LIGHT)
    assert picture.title == "Loss: ends at 0"
    heights = [a.y for a in picture.figure.layout.annotations]
    low, high = picture.figure.layout.yaxis.range
    assert len(set(heights)) == 3
    assert all(low <= h <= high for h in heights)


def test_sixteen_end_labels_stay_inside_and_apart():
    trace = traced(*({"name": n} for n in METHODS), steps=30)
    figure = loss(trace, LIGHT).figure
    heights = sorted(a.y for a in figure.layout.annotations)
    low, high = figure.layout.yaxis.range
    assert low <= heights[0]
    assert heights[-1] <= high
    assert min(np.diff(heights)) > 0.05 * (high - low)


def test_twins_share_a_colour_but_not_dash_and_marker():
    trace = traced({"name": "kbfgs", "label": "one"}, {"name": "kbfgs", "label": "two"}, steps=3)
    one, two = trace.entrants
    assert one.color == two.color
    assert one.dash != two.dash
    assert one.marker != two.marker


def test_packed_holds_what_float32_can():
    a = np.array([0.5, 1e300, -1e300, np.nan])
    back = np.frombuffer(base64.b64decode(packed(a)["bdata"]), "<f4")
    limit = np.finfo(np.float32).max
    np.testing.assert_array_equal(back, np.array([0.5, limit, -limit, np.nan], "f4"))


def test_log_axis_has_a_handful_of_round_ticks():
    axis = log_axis([-15.7, 4.2])
    assert 3 <= len(axis["tickvals"]) <= 7
    assert power_of_ten(-12) == "10⁻¹²"
    assert power_of_ten(0) == "1"
