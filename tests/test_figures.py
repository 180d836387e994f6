"""Pictures show what the trace holds, for every method and every kind of end."""

import json

import numpy as np
import pytest

from qnviz.figures.colors import oklab, parts
from qnviz.figures.draw import curve
from qnviz.figures.packing import packed, unpacked
from qnviz.figures.player import LAYOUTS, PICTURES, linked
from qnviz.figures.race import RaceView
from qnviz.figures.race.eigenvalues import eigenvalues
from qnviz.figures.race.krylov import REASONS, krylov
from qnviz.figures.race.loss import loss
from qnviz.figures.race.trajectory import trajectory
from qnviz.figures.race.views import due, end_labels, thinned
from qnviz.figures.theme import DARK, FINE, LIGHT, THEMES, log_axis, log_range, power_of_ten
from qnviz.methods.registry import METHODS
from qnviz.numbers import round_up
from qnviz.runs.loop import run, stream
from qnviz.runs.spec import parse
from tests.net_traces import columns

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
        line = lines(loss(RaceView(race, LIGHT)).plotly(), i)[0]
        stop = race[e.label]["stopped"][0]
        expected = np.maximum(race[e.label]["loss"][:stop + 1, 0], 1e-32)
        np.testing.assert_array_equal(line.y, expected)


@pytest.mark.parametrize("axis", ["iterations", "work", "seconds"])
def test_axis_switch_moves_every_line(race, axis):
    for i, e in enumerate(race.entrants):
        line = lines(loss(RaceView(race, LIGHT, axis)).plotly(), i)[0]
        c, stop = race[e.label], race[e.label]["stopped"][0]
        expected = {"iterations": np.arange(stop + 1.0), "work": c["work"][:stop + 1, 0],
                    "seconds": c["seconds"][:stop + 1]}[axis]
        np.testing.assert_allclose(line.x, expected, rtol=1e-6)


def test_trajectory_ends_where_the_run_ends(race):
    figure = trajectory(RaceView(race, LIGHT)).plotly()
    for i, e in enumerate(race.entrants):
        path = lines(figure, i)[0]
        end = race[e.label]["theta"][-1, 0]
        np.testing.assert_allclose([path.x[-1], path.y[-1]], np.clip(end, -1e6, 1e6), rtol=1e-6)


def test_surface_is_not_flipped(race):
    """z[i, j] is the loss at (x[j], y[i]): the valley's floor is x₂ = x₁², not the reverse."""
    contour = trajectory(RaceView(race, LIGHT)).plotly().data[0]
    j, i = np.argmin(np.abs(contour.x + 1)), np.argmin(np.abs(contour.y - 1))
    floor, wall = contour.z[i, j], contour.z[np.argmin(np.abs(contour.y + 1)),
                                           np.argmin(np.abs(contour.x - 1))]
    assert floor == pytest.approx(np.log10(4), abs=0.1)
    assert wall == pytest.approx(np.log10(400), abs=0.1)


def test_eigenvalue_lines_and_counted_events(race):
    picture = eigenvalues(RaceView(race, LIGHT))
    c, stop = race["kbfgs"], race["kbfgs"]["stopped"][0]
    low, high = (t for t in lines(picture.plotly(), 0) if t.name == "K-BFGS")
    np.testing.assert_array_equal(low.y, c["eig_min"][:stop, 0, 0])
    np.testing.assert_array_equal(high.y, c["eig_max"][:stop, 0, 0])
    acted = ((c["theta1"] < 1) | (c["theta2"] < 1))[:stop].sum()
    assert f"damped in {acted} of {stop} updates" in picture.title
    marks = {t.hovertemplate.split(": ")[1].split("<")[0]: t
             for t in lines(picture.plotly(), 0) if "acted" in t.hovertemplate}
    one, two = c["theta1"][:stop, 0, 0] < 1, c["theta2"][:stop, 0, 0] < 1
    for words, mask in (("Powell's damping acted", one & ~two), ("step 2 acted", two & ~one),
                        ("both steps acted", one & two)):
        drawn = marks[words].x[::3] if words in marks else []
        np.testing.assert_array_equal(drawn, np.arange(1, stop + 1)[mask])


def test_krylov_bars_count_each_reason(race):
    figure = krylov(RaceView(race, LIGHT)).plotly()
    c, stop = race["newton_krylov"], race["newton_krylov"]["stopped"][0]
    reasons = c["krylov_reason"][:stop, 0]
    bars = {t.hovertemplate.split(": ")[1].split("<")[0]: len(t.x)
            for t in figure.data if t.type == "bar"}
    assert bars == {w: (reasons == k).sum() for k, w in enumerate(REASONS) if (reasons == k).any()}


@pytest.mark.parametrize("noise", [0.0, 1.0, 3.0])
def test_rayleigh_quotients_lie_within_the_drawn_band(noise):
    """The theory's interval, also under noise: the band is the Hessian of CG's own batch."""
    trace = traced({"name": "newton_krylov"}, noise=noise, stop_loss=1e-8)
    data = krylov(RaceView(trace, LIGHT)).plotly().data
    low, high = (t for t in data if t.type == "scatter" and not t.meta)
    c, stop = trace["newton_krylov"], trace["newton_krylov"]["stopped"][0]
    quotients = c["rayleigh"][:stop, 0]
    rounding = 1e-9 * np.nanmax(np.abs(quotients))
    for line, sign in ((low, 1), (high, -1)):
        beyond = sign * (quotients - np.asarray(line.customdata)[:, None])
        assert np.nanmin(beyond) >= -rounding
        drawn = [t for t in data if t.type == "scatter" and t.meta][0]        # as drawn, too
        at = np.searchsorted(np.arange(1, stop + 1), np.asarray(drawn.x))
        assert np.min(sign * (np.asarray(drawn.y) - np.asarray(line.y)[at])) >= -1e-9


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("theme", THEMES)
def test_every_method_alone_makes_a_whole_payload(name, theme):
    payload = linked(RaceView(traced({"name": name}, steps=25), THEMES[theme]))
    json.dumps(payload, allow_nan=False)
    assert [p["id"] for p in payload["panels"]] == [
        id for row in LAYOUTS["rosenbrock"] for id in row if id in PICTURES]
    for p in payload["panels"]:
        assert p["title"]
        assert p["alt"]
    e = payload["entrants"][0]
    assert len(e["words"]) == len(unpacked(e["clock"]))
    assert all(e["words"])
    assert np.all(np.diff(unpacked(e["clock"])) > 0)


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
    payload = linked(RaceView(traced(*case.pop("methods"), **case), axis=axis))
    json.dumps(payload, allow_nan=False)
    assert all(e["end"] for e in payload["entrants"])


def test_a_race_that_is_over_at_its_start_says_so():
    trace = traced({"name": "adam"}, {"name": "kbfgs"}, {"name": "newton_krylov"},
                   problem={"start": [1.0, 1.0]}, stop_loss=1e-10)
    assert eigenvalues(RaceView(trace, LIGHT)).title == "No update to look at"
    assert "ended at its start" in krylov(RaceView(trace, LIGHT)).alt
    picture = loss(RaceView(trace, LIGHT))
    assert picture.title == "Loss: ends at 0"
    heights = [a.y for a in picture.plotly().layout.annotations]
    low, high = picture.plotly().layout.yaxis.range
    assert len(set(heights)) == 3
    assert all(low <= h <= high for h in heights)


def test_the_end_labels_of_all_methods_stay_inside_and_apart():
    trace = traced(*({"name": n} for n in METHODS), steps=30)
    figure = loss(RaceView(trace, LIGHT)).plotly()
    heights = sorted(a.y for a in figure.layout.annotations)
    low, high = figure.layout.yaxis.range
    assert low <= heights[0]
    assert heights[-1] <= high
    assert min(np.diff(heights)) > 0.8 / len(METHODS) * (high - low)


def test_twins_share_a_colour_but_not_dash_and_marker():
    trace = traced({"name": "kbfgs", "label": "one"}, {"name": "kbfgs", "label": "two"}, steps=3)
    one, two = trace.entrants
    assert one.color == two.color
    assert one.dash != two.dash
    assert one.marker != two.marker


def test_packed_holds_what_float32_can():
    a = np.array([0.5, 1e300, -1e300, np.nan])
    back = unpacked(packed(a))
    limit = np.finfo(np.float32).max
    np.testing.assert_array_equal(back, np.array([0.5, limit, -limit, np.nan], "f4"))


def test_log_axis_has_a_handful_of_round_ticks():
    axis = log_axis([-15.7, 4.2])
    assert 3 <= len(axis["tickvals"]) <= 7
    assert power_of_ten(-12) == "10⁻¹²"
    assert power_of_ten(0) == "1"
    assert log_axis([-3.1, 0.1])["ticktext"] == ["10⁻³", "0.01", "0.1", "1"]


@pytest.mark.parametrize("span", [[1.2, 1.7], [0.0, 1.0], [-0.2, 1.2], [3.30, 3.34], [-7.3, -6.1]])
def test_a_short_log_axis_has_ticks_too(span):
    values = log_axis(span)["tickvals"]
    assert 2 <= len(values) <= 8
    assert all(span[0] <= np.log10(v) <= span[1] for v in values)


def test_pictures_pass_plotlys_own_checks(race):
    """Plain dicts are checked by nobody on their way to the browser."""
    for kind in PICTURES.values():
        for theme in THEMES.values():
            kind.draw(RaceView(race, theme)).plotly()


def test_a_long_line_keeps_its_ends_extremes_and_gaps():
    y = np.sin(np.arange(20_000) / 500) + 0.0
    y[7_777], y[12_345], y[3_000:3_200] = 9.0, -9.0, np.nan
    line = curve(np.arange(20_000.0), y, customdata=2 * y, name="n")
    kept = line["x"].astype(int)
    assert len(kept) <= 1510
    assert {0, 7_777, 12_345, 19_999} <= set(kept)
    assert np.isnan(line["y"][(kept > 3_000) & (kept < 3_200)]).all()
    np.testing.assert_array_equal(line["customdata"], 2 * y[kept])
    assert np.all(np.diff(kept) > 0)
    short = curve(np.arange(1500.0), y[:1500])
    np.testing.assert_array_equal(short["y"], y[:1500])


# ---- views ------------------------------------------------------------------------------------


def test_due_is_the_latest_look_and_the_end_its_own():
    c = columns(12, 7, "converged", np.array([0, 3, 6, 9, 12]))
    np.testing.assert_array_equal(due(c), [0, 0, 0, 1, 1, 1, 2, 3])
    c = columns(12, 12, "budget", np.array([0, 5, 10]))
    np.testing.assert_array_equal(due(c), [0] * 5 + [1] * 5 + [2] * 3)
    c = columns(12, 0, "converged", np.array([0]))
    np.testing.assert_array_equal(due(c), [0])


def test_thinned_keeps_both_ends_and_the_order():
    rows = np.repeat(np.arange(50), 2)
    kept, steps = thinned(rows, 7)
    assert len(kept) == 7
    assert (kept[0], kept[-1]) == (0, 49)
    assert np.all(kept[steps] <= rows)
    assert np.all(np.diff(kept[steps]) >= 0)
    assert kept[steps[-1]] == 49
    kept, steps = thinned(rows, 1000)
    np.testing.assert_array_equal(kept[steps], rows)


@pytest.mark.parametrize("count", [2, 8, 13])
@pytest.mark.parametrize("at", [0.0, 5.0, 10.0])
def test_end_labels_keep_apart_and_inside(count, at):
    notes = end_labels(LIGHT, [(str(k), at, "#0072B2") for k in range(count)], [0.0, 10.0])
    heights = sorted(a["y"] for a in notes)
    assert min(np.diff(heights)) >= 0.999 * min(0.9, 9.8 / count)
    assert heights[0] >= 0
    assert heights[-1] <= 10


# ---- the dark room ----------------------------------------------------------------------------


def luminance(color):
    v = np.array(parts(color)) / 255
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4) @ [.2126, .7152, .0722]


def hue(color):
    return np.degrees(np.arctan2(*oklab(color)[:0:-1])) % 360


LOOKS = sorted({m.style.color for m in METHODS.values()})


@pytest.mark.parametrize("color", LOOKS)
def test_dark_colours_can_be_seen_and_are_the_same_hue(color):
    tint = DARK.tint(color)
    assert (luminance(tint) + 0.05) / (luminance(DARK.paper) + 0.05) > 5.5
    if np.hypot(*oklab(color)[1:]) > 0.02:                                       # greys have none
        assert abs((hue(tint) - hue(color) + 180) % 360 - 180) < 3
    assert LIGHT.tint(color) == color


def test_dark_colours_stay_apart():
    """The nearest pair, K-BFGS and K-BFGS(L) among them, keeps most of its distance."""
    for k, a in enumerate(LOOKS):
        for b in LOOKS[:k]:
            before = np.linalg.norm(oklab(a) - oklab(b))
            after = np.linalg.norm(oklab(DARK.tint(a)) - oklab(DARK.tint(b)))
            assert after > 0.6 * before, (a, b)


def test_every_line_chip_and_head_wears_the_rooms_colour(race):
    """No picture falls back on the colour of the other room."""
    payload = linked(RaceView(race, DARK))
    assert [e["color"] for e in payload["entrants"]] == [DARK.tint(e.color) for e in race.entrants]
    text = json.dumps(payload["panels"])
    for e in race.entrants:
        assert DARK.tint(e.color) in text
        assert e.color not in text


# ---- a run that still grows -------------------------------------------------------------------


@pytest.fixture(scope="module")
def young():
    """The same race early, in the middle, and at its end."""
    spec = parse({"problem": ROSENBROCK | {"noise": 1.0}, "steps": 100,
                  "methods": [{"name": n} for n in ("kbfgs", "newton_krylov", "sgd")]})
    traces = [p.trace(quality=0.05) for p in stream(spec)]
    return [traces[k] for k in (0, 1, len(traces) // 2, -1)]


@pytest.mark.parametrize("axis", ["iterations", "work", "seconds"])
def test_a_growing_run_is_drawn_whatever_there_is(young, axis):
    assert [int(young[0][e.label]["stopped"][0]) > 0 for e in young[0].entrants] == [
        True, False, False]
    for trace in young:
        payload = linked(RaceView(trace, axis=axis))
        json.dumps(payload, allow_nan=False)
        assert payload["follow"] == (trace is not young[-1])
        assert payload["autoplay"] != payload["follow"]
        said = [p["title"] for p in payload["panels"] if "No " not in p["title"]]
        assert all(("so far" in title) == payload["follow"] for title in said)
        assert all(bool(e["end"]) != payload["follow"] for e in payload["entrants"])


def test_a_growing_runs_axis_of_steps_does_not_move(young):
    ranges = [[p["figure"]["layout"]["xaxis"]["range"] for p in linked(RaceView(t))["panels"]
               if p["id"] in ("eig", "loss")] for t in young]
    assert ranges == [[[-1.0, 101.0]] * 2] * 4
    assert [linked(RaceView(t))["clock"].get("end") for t in young] == [100, 100, 100, None]
    frames = [len(unpacked(linked(RaceView(t))["clock"]["frames"])) for t in young]
    assert frames == sorted(frames)
    assert frames[0] < frames[-1] == 101


def test_growing_axes_move_in_few_jumps():
    ends = np.linspace(0.01, 90, 300)
    spans = {tuple(log_range(1e-3 / (1 + k), 1 + k, growing=True)) for k in range(300)}
    assert len(spans) < 24
    for k in range(300):
        low, high = log_range(1e-3 / (1 + k), 1 + k, growing=True)
        assert low < np.log10(1e-3 / (1 + k))
        assert high > np.log10(1 + k)
    tops = [round_up(v, FINE) for v in ends]
    assert np.all(np.array(tops) >= ends)
    assert np.all(np.array(tops) <= 1.7 * ends)
    assert len(set(tops)) < 30


def test_nobody_is_called_unable_before_it_had_a_turn(young):
    p = krylov(RaceView(young[0], LIGHT))
    assert p.alt == "No step has been taken yet."
    assert "Newton-Krylov" in krylov(RaceView(young[1], LIGHT)).title


def test_an_interrupted_run_may_be_told_apart(young):
    assert linked(RaceView(young[1]), follow=False)["autoplay"]
    assert not linked(RaceView(young[1]), follow=False)["follow"]
