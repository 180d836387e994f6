"""The linked player in a real browser, fed by a small app of its own: what it draws and keeps."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.modules import imported
from tests.browser.player_page import BLUE, GREEN, LAST, ORANGE, Race


def test_helpers(page: Any) -> None:
    """Columns are decoded, indices found and numbers written as people do."""
    imported(page, "columns.js", "player/model.js")
    column = base64.b64encode(bytes([0, 0, 128, 63, 0, 0, 192, 127])).decode()  # f4: 1, NaN
    got = page.evaluate(
        """(bdata) => {
          const seen = (a) => Array.from(a, (v) => Number.isNaN(v) ? 'NaN' : v);
          return {
            lists: seen(m.decode([1, null, 2.5])),
            floats: seen(m.decode({dtype: 'f4', bdata})),
            shorts: seen(m.decode({dtype: 'i2', bdata: '//8CAA==', shape: '2'})),
            index: [-1, 0, 0.5, 3, 9].map((v) => m.indexAt([0, 1, 3], v)),
            rounding: m.indexAt([0, Math.fround(0.1)], 0.1),
          };
        }""",
        column,
    )
    assert got["lists"] == [1, "NaN", 2.5]
    assert got["floats"] == [1, "NaN"]
    assert got["shorts"] == [-1, 2]
    assert got["index"] == [0, 0, 0, 2, 2]
    assert got["rounding"] == 1, "a float32 clock must meet its float64 playhead"


def test_bad_payload_says_why(page: Any) -> None:
    """Neither a broken payload nor a missing plotly.js leaves a blank."""
    imported(page, "player/player.js")
    texts = page.evaluate(
        """async () => {
          const texts = [];
          const base = {clock: {label: 'step', frames: [0, 1]}, entrants: [], panels: []};
          const notPlotly = {...base, rows: [['@words']], plotly_url: 'data:text/javascript,1'};
          for (const payload of [null, {...base, rows: [['nowhere']]}, notPlotly]) {
            const root = document.body.appendChild(document.createElement('div'));
            new m.Player(root, payload);
            await new Promise((done) => setTimeout(done, 300));
            texts.push([root.innerText, root.dataset.ready]);
          }
          return texts;
        }""",
    )
    for text, ready in texts:
        assert text.startswith("The picture could not be drawn: ")
        assert ready == "false"
    assert "nowhere" in texts[1][0]


def test_heads_stand_at_their_data(page: Any, url: str) -> None:
    """Heads sit on the data on linear and log axes, and an ended entrant's head is hollow."""
    race = Race(page, f"{url}/?frame=90")
    assert race.frame == 90, "the pinned frame wins"
    for panel, (low, high), value in [
        (0, (-1, 2), -0.5 + 0.3 * math.sin(90 / 15)),
        (1, (-2.5, 1.5), 1 - 90 / LAST),
    ]:
        area = race.area(panel)
        head = race.ink(panel, BLUE)
        across = {0: (-1.5 + 3 * 90 / LAST + 2) / 4, 1: 90 / LAST}[panel]
        assert head["x"] == pytest.approx(area["x"] + across * area["width"], abs=1)
        up = (value - low) / (high - low)
        assert head["y"] == pytest.approx(area["y"] + (1 - up) * area["height"], abs=1)
    ended = race.ink(0, GREEN)["count"]
    race.press("Home")
    assert ended < 0.7 * race.ink(0, GREEN)["count"]


def test_legend_hides_and_shows_alone(race: Race) -> None:
    """A chip takes its entrant out of figures, canvases and words; double-click keeps only it."""
    chip = race.page.get_by_role("button", name="CurveBall")
    visible = """() => [...document.querySelectorAll('.qnviz-plot')].map(
      (plot) => plot.data.filter((t) => t.meta).map((t) => t.visible !== false))"""
    race.press("Shift+ArrowRight", "Shift+ArrowRight")  # the heads start on top of each other
    assert race.ink(1, ORANGE)["count"] > 20
    chip.click()
    assert chip.get_attribute("aria-pressed") == "false"
    assert race.page.evaluate(visible) == [[True, False, True]] * 3
    assert race.ink(1, ORANGE)["count"] == 0
    assert race.ink(1, BLUE)["count"] > 20
    assert race.page.locator("tr.qnviz-dim").inner_text().startswith("CurveBall")
    race.change_data()
    assert race.page.evaluate(visible) == [[True, False, True]] * 3, "hidden survives new data"
    chip.click()
    assert race.ink(1, ORANGE)["count"] > 20
    chip.dblclick()
    assert race.page.evaluate(visible) == [[False, True, False]] * 3
    chip.dblclick()
    assert race.page.evaluate(visible) == [[True, True, True]] * 3


def test_click_chooses_a_start(race: Race) -> None:
    """The point under the released pointer arrives in Python, on linear and on log axes."""
    for panel, to_data in [
        (0, lambda u, v: (-2 + 4 * u, -1 + 3 * v)),
        (1, lambda u, v: (LAST * u, 10 ** (-2.5 + 4 * v))),
    ]:
        area = race.area(panel)
        mouse, u, v = race.page.mouse, 0.7, 0.6
        mouse.move(area["x"] + 20, area["y"] + 30)
        mouse.down()
        mouse.move(area["x"] + u * area["width"], area["y"] + (1 - v) * area["height"], steps=4)
        mouse.up()
        race.page.wait_for_function(
            "n => document.body.innerText.match(/starts=.*/)[0].split('], [').length === n",
            arg=panel + 1,
        )
        starts = race.server_list("starts")
        assert len(starts) == panel + 1, "one message per release"
        near = [to_data(u + d / area["width"], v + d / area["height"]) for d in (-1, 1)]
        for got, low, high in zip(starts[-1], *near, strict=True):
            assert low <= got <= high
        range_now = f"document.querySelectorAll('.qnviz-plot')[{panel}]._fullLayout.xaxis.range"
        assert race.page.evaluate(range_now) == [[-2, 2], [0, LAST]][panel], "it must not zoom"


def test_data_change_stays_in_place(race: Race) -> None:
    """New data keep the elements, the playhead and the zoom; the heads move to the new data."""
    race.press(*["Shift+ArrowRight"] * 3)
    area = race.area(2)
    mouse = race.page.mouse
    mouse.move(area["x"] + 60, area["y"] + 60)
    mouse.down()
    mouse.move(area["x"] + 200, area["y"] + 150, steps=5)
    mouse.up()
    zoom = "JSON.stringify(document.querySelectorAll('.qnviz-plot')[2]._fullLayout.xaxis.range)"
    race.page.wait_for_function(f"{zoom} !== '[0,120]'")
    zoomed = race.page.evaluate(zoom)
    race.page.evaluate(
        """() => {
          const nodes = '[data-qnviz-player], .qnviz-plot, .qnviz-canvas, .qnviz-plot .main-svg';
          window.kept = [...document.querySelectorAll(nodes)];
        }"""
    )
    before = race.ink(0, BLUE)
    race.change_data()
    assert race.frame == 30
    assert race.page.evaluate("kept.length > 8 && kept.every((node) => node.isConnected)")
    assert race.page.evaluate(zoom) == zoomed
    moved = before["y"] - race.ink(0, BLUE)["y"]
    assert moved == pytest.approx(0.5 / 3 * race.area(0)["height"], abs=1)
    assert race.page.errors == []


def test_entrants_come_and_go_while_playing(new_page: Callable[..., Any], url: str) -> None:
    """Fewer entrants, no player, a player again: the race runs on and nothing complains."""
    page = new_page(reduced_motion="no-preference")
    race = Race(page, f"{url}/?auto=1")
    page.locator(".qnviz-speed select").select_option("0.25")
    page.get_by_text("few", exact=True).click()
    page.wait_for_selector("[data-ready=true][data-id='data-0.0-few']")
    assert page.locator(".qnviz-chip").count() == page.locator(".qnviz-table tbody tr").count() == 2
    assert race.playing
    page.evaluate("window.kept = document.querySelector('[data-qnviz-player]')")
    page.get_by_text("gone", exact=True).click()
    race.root.wait_for(state="detached")
    page.wait_for_function("kept.childElementCount === 0")  # it cleaned up after itself
    page.get_by_text("gone", exact=True).click()
    page.wait_for_selector("[data-qnviz-player][data-ready=true]")
    page.evaluate("document.activeElement.blur()")
    assert race.press("Home", "ArrowRight") == 1, "the player that went must not answer as well"
    assert page.errors == []


def test_fits_the_window(race: Race) -> None:
    """Three panels and the play bar without scrolling at 1280 x 800; one column when narrow."""
    bar = race.page.locator(".qnviz-bar").bounding_box()
    assert bar["y"] + bar["height"] - race.root.bounding_box()["y"] < 500
    width = "document.querySelector('[data-testid=stMain]').scrollWidth"
    assert race.page.evaluate(width) <= 1280
    race.page.set_viewport_size({"width": 800, "height": 900})
    race.page.wait_for_function(
        "[...document.querySelectorAll('.qnviz-canvas')].every((c) => c.clientWidth > 600)"
    )
    lefts = [race.area(panel)["x"] for panel in range(3)]
    assert max(lefts) - min(lefts) < 1
    assert race.page.evaluate(width) <= 800
