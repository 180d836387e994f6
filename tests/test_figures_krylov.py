"""Pictures of Newton systems and of trials: the data drawn are the run's own numbers."""

import json

import numpy as np
import pytest
import torch

from qnviz.curvature.krylov import Reason
from qnviz.figures.player import SYSTEM, SYSTEM_ROWS, newton_player
from qnviz.figures.race import RaceView
from qnviz.figures.race.krylov import REASONS, krylov
from qnviz.figures.race.reasons import reasons
from qnviz.figures.race.trials import trials
from qnviz.figures.signed import Signed
from qnviz.figures.system import SystemView
from qnviz.figures.system.curves import curvature, model, residual
from qnviz.figures.system.path import path
from qnviz.figures.system.ritz import ritz
from qnviz.figures.theme import DARK, LIGHT
from qnviz.numbers import percent
from qnviz.runs.loop import run
from qnviz.runs.spec import parse
from qnviz.studies.newton_system import longest, newton_system
from tests.helpers import assert_close

NK = "newton_krylov"
LINEAR = {"name": "linear_net", "samples": 60}


def raced(problem=LINEAR, steps=15, **fields):
    return run(parse({"problem": problem, "methods": [{"name": NK} | fields], "steps": steps,
                      "stop_loss": 1e-12}))


@pytest.fixture(scope="module")
def trace():
    return raced(eta=1e-3)


@pytest.fixture(scope="module")
def system(trace):
    return newton_system(trace, NK, longest(trace, NK))


@pytest.fixture(scope="module")
def degenerate():
    """Systems with little to draw: each at step 1."""
    steep = raced({"name": "rosenbrock", "start": [1.0, 5.0]}, steps=2)
    singular = raced({"name": "rosenbrock", "start": [0.5, 0.5], "noise": 1e-9}, steps=2)
    one = raced(steps=2, budget=1)
    wide = raced(LINEAR | {"width": 50, "depth": 3, "init": "scaled"}, steps=2, budget=8)
    along = raced({"name": "rosenbrock", "start": [0.0, 0.5]}, steps=2, eta=0.9)
    return [newton_system(t, NK, 1) for t in (steep, singular, one, wide, along)]


def drawn(picture):
    """Plotly's own figure: it refuses what is wrong."""
    return picture.plotly()


def of(figure, entrant):
    return [d for d in figure.data if d.meta and d.meta.get("entrant") == entrant]


def numbers(values):
    return np.asarray(values, dtype=float)


# --- a system -------------------------------------------------------------------------------------

def test_residuals_and_the_tolerance_are_the_runs_own(trace, system):
    p = residual(SystemView(system, LIGHT))
    figure, c, k = drawn(p), trace[NK], system.step - 1
    row = c["residual"][k, 0]
    line = next(d for d in of(figure, 0) if d.mode == "lines+markers")
    np.testing.assert_array_equal(numbers(line.y)[1:], row[np.isfinite(row)])
    assert numbers(line.y)[0] == c["grad_norm_batch"][k, 0]
    assert numbers(figure.data[0].y) == pytest.approx([c["tolerance"][k, 0]] * 2)
    words = [a.text for a in figure.layout.annotations]
    for s in system.solves:                    # the rule that fired, where it fired
        cross = next(d for d in of(figure, system.solves.index(s)) if d.mode == "markers")
        assert list(cross.x) == [s.iterations]
        assert any(s.title in w and "negative curvature" in w for w in words)


def test_the_models_values_are_the_runs_own(trace, system):
    row = trace[NK]["model"][system.step - 1, 0]
    line = of(drawn(model(SystemView(system, LIGHT))), 0)[0]
    np.testing.assert_array_equal(numbers(line.y), [0, *row[np.isfinite(row)]])


def test_curvature_is_coloured_by_its_sign(trace, system):
    p = curvature(SystemView(system, LIGHT))
    row = trace[NK]["rayleigh"][system.step - 1, 0]
    row = row[np.isfinite(row)]
    good, bad, zero = of(drawn(p), 0)
    assert len(zero.x) == 0
    np.testing.assert_array_equal(numbers(good.customdata), row[row > 0])
    np.testing.assert_array_equal(numbers(bad.customdata), row[row <= 0])
    assert bad.marker.color == LIGHT.alarm != good.marker.color
    assert list(bad.x) == (np.flatnonzero(row <= 0) + 1).tolist()
    scale = Signed(*[s.rayleigh for s in system.solves], system.eigenvalues[[0, -1]])
    np.testing.assert_allclose(numbers(good.y), scale(row[row > 0]))
    assert p.title.startswith("Negative: CG")


def test_ritz_values_lie_over_lines_at_the_eigenvalues(system):
    figure = drawn(ritz(SystemView(system, LIGHT)))
    every = np.concatenate([numbers(d.customdata) for d in figure.data[1:]])
    longer = max(system.solves, key=lambda s: len(s.ritz))
    np.testing.assert_array_equal(np.sort(every), np.sort(np.concatenate(longer.ritz)))
    scale = Signed(system.eigenvalues, *longer.ritz)
    np.testing.assert_allclose(numbers(figure.data[0].y)[::3], scale(system.eigenvalues))
    found, _, negative, zero = figure.data[1:]
    assert len(zero.x) == 0
    values = system.eigenvalues
    for value in numbers(found.customdata):
        assert (np.abs(value - values) <= 0.01 * np.abs(values)).any()
    assert (numbers(negative.customdata) <= 0).all()
    assert set(negative.x) == {longer.iterations}          # the iteration that ended it


def test_zero_curvature_has_a_mark_of_its_own_in_every_picture():
    trace = raced({"name": "function", "f": "x^2 + y", "start": [1.0, 1.0]}, steps=3, eta=1e-6)
    s = newton_system(trace, NK, 1)
    assert [x.reason for x in s.solves] == ["zero curvature"] * 2
    picture = curvature(SystemView(s, LIGHT))
    assert picture.title == "Zero: CG at 2, MINRES at 2"
    for i in range(2):
        good, bad, zero = of(drawn(picture), i)
        assert (list(good.x), list(bad.x), list(zero.x)) == ([1], [], [2])
        assert zero.marker.color not in (LIGHT.alarm, good.marker.color)
    picture = ritz(SystemView(s, LIGHT))
    *_, negative, zero = drawn(picture).data
    assert list(negative.x) == []
    assert list(zero.x) == [2]
    assert abs(zero.customdata[0]) < 1e-12
    assert "zero at 2" in picture.title
    assert "negative" not in picture.title
    figure = drawn(krylov(RaceView(trace, LIGHT)))
    marks = [d for d in figure.data if d.type == "scatter" and d.meta]
    good, bad, zero = marks
    assert list(bad.x) == []
    assert list(zero.x) == [1, 2, 3]
    assert "3 × zero curvature" in krylov(RaceView(trace, LIGHT)).title
    layout = drawn(reasons(RaceView(trace, LIGHT))).layout
    assert "zero curvature 100 %" in layout.annotations[0].text


def test_reasons_have_the_names_and_places_that_saved_runs_give_them():
    assert tuple(r.words for r in Reason) == REASONS
    for theme in (LIGHT, DARK):
        assert set(theme.reasons) == set(REASONS)
        assert len({color for color, _ in theme.reasons.values()}) == len(REASONS)
        assert len({shape for _, shape in theme.reasons.values()}) == len(REASONS)


def test_the_path_shows_newtons_step_steepest_descent_and_what_was_taken(system):
    figure, plane = drawn(path(SystemView(system, LIGHT))), system.plane
    for i, s in enumerate(system.solves):
        for line in of(figure, i):
            np.testing.assert_array_equal(np.stack([line.x, line.y], 1), plane.paths[s.solver])
    points = {d.hovertemplate.partition("<")[0]: (d.x[0], d.y[0]) for d in figure.data
              if d.type == "scatter" and d.mode == "markers"}
    assert points["taken"] == tuple(plane.taken)
    assert points["steepest descent"] == tuple(plane.steepest)
    surface = figure.data[0]
    np.testing.assert_allclose(surface.customdata, plane.z, rtol=1e-5)
    np.testing.assert_allclose(numbers(surface.z)**2, plane.z - plane.z.min(),
                               atol=1e-5 * np.ptp(plane.z))
    title = path(SystemView(system, LIGHT)).title
    assert f"{100 * plane.share['minres']:.0f} % of MINRES's d" in title


def test_in_the_plane_of_two_parameters_newtons_step_is_drawn():
    trace = raced({"name": "rosenbrock", "start": [0.0, 0.5]}, steps=4, eta=1e-6)
    s = newton_system(trace, NK, 2)
    picture = path(SystemView(s, LIGHT))
    star = next(d for d in drawn(picture).data if d.hovertemplate == "Newton<extra></extra>")
    np.testing.assert_array_equal([star.x[0], star.y[0]], s.plane.newton)
    assert_close(torch.as_tensor(s.plane.paths["cg"][-1]), torch.as_tensor(s.plane.newton), 1e-9)
    assert "holds" not in picture.title


def test_signed_axis_keeps_order_sign_and_zero():
    scale = Signed(np.array([-3.0, 2e4]))
    x = np.array([-3.0, -1e-9, 0.0, 1e-3, 5.0, 2e4])
    assert (np.diff(scale(x)) > 0).all()
    np.testing.assert_array_equal(np.sign(scale(x)), np.sign(x))
    axis = scale.axis()
    assert 0.0 in axis["tickvals"]
    assert len(axis["tickvals"]) == len(axis["ticktext"])
    assert axis["range"][0] < scale(np.array([-3.0]))[0]


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_every_picture_of_every_system_has_a_title_an_alternative_text_and_a_figure(
        system, degenerate, theme):
    for s in [system, *degenerate]:
        found = [picture(SystemView(s, theme)) for picture in SYSTEM.values()]
        assert [p.id for p in found] == list(SYSTEM)
        for p in found:
            drawn(p)
            assert p.title
            assert len(p.alt) > 60
            assert "nan" not in (p.title + p.alt).lower()
            assert "undefined" not in p.title + p.alt
            assert len(p.title) < 75
            for head in p.heads:
                assert len(head.x) == len(head.y) == s.solves[head.entrant].iterations + 1


def test_alternative_texts_carry_the_numbers(system):
    found = {id: picture(SystemView(system, LIGHT)).alt for id, picture in SYSTEM.items()}
    at = system.solves[0].iterations
    assert f"negative curvature, at {at}" in found["residual"]
    assert "MINRES's residual never rose" in found["residual"]
    assert f"At iteration {at} the smallest Ritz value turns negative" in found["ritz"]
    assert "Newton's step is" in found["plane"]


def test_the_player_gets_both_solvers_and_their_words(system):
    payload = newton_player(SystemView(system, DARK), ["x"])
    json.dumps(payload["entrants"])
    assert [e["title"] for e in payload["entrants"]] == ["CG", "MINRES"]
    assert payload["value"] == "‖r‖"
    assert payload["clock"]["label"] == "iteration"
    for e, s in zip(payload["entrants"], system.solves, strict=True):
        assert len(e["words"]) == s.iterations + 1
        assert e["end"].startswith(f"Ended at iteration {s.iterations}")
    assert {p["id"] for p in payload["panels"]} | {"@words"} == {n for row in SYSTEM_ROWS
                                                                 for n in row}
    other = newton_player(SystemView(system, DARK), ["y"])
    assert other["id"] != payload["id"]


# --- across outer steps ---------------------------------------------------------------------------

def test_every_trial_is_drawn_and_coloured_by_its_fate(trace):
    c, stop = trace[NK], int(trace[NK]["stopped"][0])
    figure = drawn(trials(RaceView(trace, LIGHT)))
    accepted, _, refused, _ = figure.data[:4]
    taken = c["step_size"][:stop, 0]
    np.testing.assert_array_equal(numbers(accepted.y), taken[taken > 0])
    tried = c["trial_step"][:stop, 0]
    assert len(accepted.y) + len(refused.y) == np.isfinite(tried).sum()
    assert (numbers(refused.y) > 0).all()
    assert refused.marker.color == LIGHT.alarm
    errors = c["trial_error"][:stop, 0]
    good, bad = (numbers(figure.data[i].y) for i in (1, 3))
    assert len(good) + len(bad) == np.isfinite(errors).sum()
    assert set(good) | set(bad) <= set(np.maximum(errors[np.isfinite(errors)], 1e-17))
    assert (good <= 0.5).all()                                  # τ
    assert (bad > 0.5).sum() > 0
    assert numbers(figure.data[4].y).tolist() == [0.5, 0.5]
    assert f"{len(refused.y)} of {np.isfinite(tried).sum()} trials refused" in trials(
        RaceView(trace, LIGHT)).title


def test_tau_is_the_entrants_own():
    trace = raced(steps=4, tau=0.2, label="strict")
    assert numbers(drawn(trials(RaceView(trace, LIGHT))).data[4].y).tolist() == [0.2, 0.2]


def test_reasons_are_shares_of_the_outer_steps():
    trace = run(parse({"problem": LINEAR, "steps": 15, "methods": [
        {"name": NK, "eta": 1e-3, "label": "tight"}, {"name": NK, "lam": 100.0, "label": "damped"},
        {"name": "sgd"}]}))
    picture = reasons(RaceView(trace, LIGHT))
    bars = drawn(picture).data
    for row, label in enumerate(("tight", "damped")):
        c = trace[label]
        seen = c["krylov_reason"][:int(c["stopped"][0]), 0]
        share = {bar.name: bar.x[row] for bar in bars}
        for code, words in enumerate(REASONS):
            name = "tolerance" if words == "converged" else words
            assert share.get(name, 0.0) == pytest.approx((seen == code).mean())
        assert sum(share.values()) == pytest.approx(1)
        early = np.isin(seen, [1, 2, 4, 5]).mean()
        assert f"{label}: {percent(early)} ended early" in picture.title
    assert "tight: " in picture.alt


@pytest.mark.parametrize("draw", [trials, reasons])
def test_without_such_a_method_or_a_step_a_sentence_says_so(draw):
    race = run(parse({"problem": LINEAR, "methods": [{"name": "adam"}], "steps": 2}))
    assert "Add Newton-Krylov" in draw(RaceView(race, LIGHT)).alt
    still = run(parse({"problem": {"name": "rosenbrock", "start": [1.0, 1.0]},
                       "methods": [{"name": NK}], "stop_loss": 1e-3}))
    for theme in (LIGHT, DARK):
        picture = draw(RaceView(still, theme))
        drawn(picture)
        assert "No step" in picture.alt


@pytest.mark.parametrize("axis", ["iterations", "work", "seconds"])
def test_trials_stand_at_the_clock_of_the_axis(trace, axis):
    p = trials(RaceView(trace, LIGHT, axis))
    drawn(p)
    assert p.cursor == (axis == "iterations")
    assert len(p.heads[0].x) == int(trace[NK]["stopped"][0]) + 1
