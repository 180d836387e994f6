"""The scoreboard's picture: every run is there, the best is framed, axes hold what they show."""

from dataclasses import replace

import numpy as np
import pytest

from qnviz.figures.maps.scoreboard import EDGE, Strip, Table, height, in_words, scoreboard
from qnviz.figures.theme import DARK, LIGHT


def strip(row, column, values, reached=None, **more):
    v = np.asarray(values, dtype=float)
    taken = np.stack([v, 3 * v, 1e-3 * v], 1)
    ok = np.ones(len(v), bool) if reached is None else np.asarray(reached, bool)
    return Strip(row, column, f"{v.mean():.0f} ± 1", taken, ok, "#0072B2", "circle",
                 hover="settings<br>more", **more)


def table(unit="iterations"):
    return Table(["A", "B <b>"], ["one", "two"], [
        strip(0, 0, [10, 12, 14], best=True, link="lab?m=a&b=1"),
        strip(1, 0, [100, 900, 1000], [True, True, False], differs=True),
        strip(0, 1, [5, 5, 5])], unit, "What is best.")


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda t: t.name)
@pytest.mark.parametrize("unit", ["iterations", "work", "seconds"])
def test_it_is_a_valid_figure_with_every_run(theme, unit):
    picture = scoreboard(replace(table(unit), theme=theme))
    figure = picture.plotly()
    assert sum(len(t.x) for t in figure.data) == 9
    for t in figure.data:
        if len(t.x):
            span = figure.layout[t.xaxis.replace("x", "xaxis")].range
            assert (np.log10(t.x) >= span[0]).all()
            assert (np.log10(t.x) <= span[1]).all()


def test_failed_runs_are_crosses_beyond_the_longest_that_reached_the_target():
    figure = scoreboard(table()).plotly()
    crosses = [t for t in figure.data if t.marker.symbol == "x-thin"]
    assert len(crosses) == 1
    assert len(crosses[0].x) == 1
    assert crosses[0].x[0] > 900
    span = figure.layout.xaxis.range
    assert np.log10(crosses[0].x[0]) == pytest.approx(span[1] - EDGE / 2 * (span[1] - span[0]))
    assert "did not reach" in crosses[0].hovertemplate


def test_the_best_is_framed_and_bold_and_differences_are_marked():
    figure = scoreboard(table()).plotly()
    texts = [a.text for a in figure.layout.annotations]
    assert any("<b>12 ± 1</b>" in t for t in texts)
    assert any(t == "667 ± 1 ≠" for t in texts)
    assert sum(s.type == "rect" for s in figure.layout.shapes) == 1
    assert any('href="lab?m=a&amp;b=1"' in t for t in texts)


def test_names_are_shown_as_written():
    figure = scoreboard(table()).plotly()
    assert figure.layout.yaxis.ticktext[1].startswith("B &lt;b&gt;")


def test_the_alt_text_holds_the_whole_table():
    alt = scoreboard(table()).alt
    assert alt.startswith("What is best.")
    for part in ("2 methods on 2 problems", "A: one: 12 ± 1, the best; two: 5 ± 1", "iterations"):
        assert part in alt


def test_strips_are_the_same_each_time_and_stay_in_their_row():
    a, b = (scoreboard(table()).plotly() for _ in range(2))
    assert all((x.y == y.y).all() for x, y in zip(a.data, b.data, strict=True))
    for t in a.data:
        assert (np.abs(t.y - np.round(t.y)) < 0.45).all()


def test_a_table_without_cells_and_a_cell_without_success_are_drawn():
    empty = scoreboard(Table(["A"], ["one"])).plotly()
    assert not any(len(t.x) for t in empty.data)
    failed = Table(["A"], ["one"], [strip(0, 0, [7, 7], [False, False])])
    drawn = scoreboard(failed).plotly()
    assert sum(len(t.x) for t in drawn.data) == 2              # both crosses


def test_settings_are_in_words():
    assert in_words({"lr": 2e-5, "scaling": "none"}) == "lr = 2.0e−5, scaling = none"
    assert in_words({}) == "all settings at their defaults"


def test_more_rows_are_higher():
    assert height(16) > height(10) > height(1)
