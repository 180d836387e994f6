"""What canvases draw while a hand drags: every picture of a plane, in a closed vocabulary."""

import re

import pytest

from qnviz.figures.player import LAYOUTS, linked
from qnviz.figures.race import RaceView
from qnviz.figures.theme import DARK, LIGHT
from qnviz.runs.loop import run
from qnviz.runs.spec import parse
from qnviz.web import text

KINDS = {"line", "head", "band", "dots", "end", "stems", "rule", "bars", "cells", "shares"}
TESTS = {"below", "from", "above", "equals", "finite", "last", "differs"}
PLANE = {"path", "eig", "eig-0", "eig-1", "krylov", "loss", "ratios", "raster", "trials", "reasons"}


@pytest.fixture(scope="module")
def trace():
    return run(parse({"problem": {"name": "rosenbrock", "noise": 1.0}, "steps": 20, "methods": [
        {"name": "kbfgs"}, {"name": "kbfgs", "label": "powell", "damping": "powell"},
        {"name": "newton_krylov"}]}))


def pictures(trace, theme=LIGHT, axis="iterations"):
    """Every picture and choice of the layouts of problems in the plane, by id."""
    for layout in ("rosenbrock", "damping", "krylov"):
        for panel in linked(RaceView(trace, theme, axis), layout)["panels"]:
            yield from (panel, *panel["choices"])


def sources(mark):
    return [mark[name] for name in ("x", "y", "low", "high") if name in mark]


def test_every_picture_of_the_plane_follows(trace):
    assert set(LAYOUTS["rosenbrock"][0]) <= PLANE
    followed = {p["id"] for p in pictures(trace) if p["live"]}
    assert followed == PLANE


def test_choices_follow_each_its_own_entrant(trace):
    ratios = [p for p in pictures(trace) if p["id"] == "ratios"]
    assert [{mark["entrant"] for mark in p["live"]} for p in ratios] == [{0}, {1}]


@pytest.mark.parametrize("theme", [LIGHT, DARK])
@pytest.mark.parametrize("axis", ["iterations", "work"])
def test_marks_say_only_what_the_player_reads(trace, theme, axis):
    layout_axes = re.compile(r"^yaxis\d*$")
    for picture in pictures(trace, theme, axis):
        axes = {f"y{name[5:]}" for name in picture["figure"]["layout"] if layout_axes.match(name)}
        for mark in picture["live"]:
            assert mark["kind"] in KINDS
            assert mark.get("axis", "y") in axes
            columns = trace[trace.entrants[mark["entrant"]].label]
            for source in sources(mark):
                assert len({"column", "setting", "at"} & set(source)) == 1
                assert source.get("column", "loss") in columns
            for test in (*mark.get("where", ()), *mark.get("unless", ())):
                assert test["is"] in TESTS
                assert test["column"] in columns


def test_the_vocabulary_is_the_players():
    types = text("player/payload.d.ts")
    assert set(re.findall(r'kind: "(\w+)"', types)) - {"float", "int", "choice"} == KINDS
    said = re.search(r'is: ((?:"\w+" ?\|? ?)+)', types)
    assert said
    assert set(re.findall(r'"(\w+)"', said[1])) == TESTS
    drawn = text("player/marks.js")
    assert all(f'"{kind}"' in drawn for kind in KINDS - {"shares"})


def test_pictures_over_seconds_stand_still(trace):
    followed = {p["id"] for p in pictures(trace, axis="seconds") if p["live"]}
    assert followed == {"path", "reasons"}


def test_lines_are_drawn_as_in_the_figure(trace):
    for picture in pictures(trace):
        strokes = {(t["meta"]["entrant"], t["line"]["color"], t["line"].get("width"))
                   for t in picture["figure"]["data"]
                   if t["type"] == "scatter" and t.get("mode") == "lines" and "meta" in t}
        lines = [m for m in picture["live"] if m["kind"] == "line" and picture["id"] != "krylov"]
        assert all((m["entrant"], m["color"], m["width"]) in strokes for m in lines)
