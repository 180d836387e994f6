"""The linked player in a real browser, fed by a small app of its own."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable
from typing import Any

import pytest

from qnviz.ui.player import source

LAST = 120  # frames of the playhead

APP = """
from pathlib import Path
import plotly, streamlit as st
from starlette.responses import FileResponse
from starlette.routing import Route

BUNDLE = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"

async def bundle(request):
    return FileResponse(BUNDLE, media_type="text/javascript")

app = st.App("race_page.py", routes=[Route("/bundle/plotly.js", bundle)])
"""

PAGE = """
import math
import streamlit as st
from qnviz.ui.player import player

st.set_page_config(layout="wide")
state = st.session_state
state.setdefault("starts", [])
state.setdefault("frames", [])
left, right = st.columns(2)
shift = left.number_input("shift", 0.0, 1.0, 0.0, 0.25)
right.slider("other", 0, 10, 5)
pin = left.text_input("pin")
few, gone = right.checkbox("few"), right.checkbox("gone")
query = st.query_params
LAST = 120
lengths = [LAST, LAST, 60]
labels = [("kbfgs", "K-BFGS", "#0072b2", "circle"), ("cb", "CurveBall", "#d55e00", "square"),
          ("nk", "Newton-Krylov", "#009e73", "diamond")][: 2 if few else 3]
entrants, path, loss, curves = [], [], [], {"path": [], "loss": []}
for k, (label, title, color, marker) in enumerate(labels):
    n = lengths[k]
    steps = list(range(n + 1))
    xs = [-1.5 + 3 * i / LAST for i in steps]
    ys = [k * 0.8 - 0.5 + shift + 0.3 * math.sin(i / 15) for i in steps]
    losses = [10 ** (1 - (k + 1) * i / LAST) for i in steps]
    entrants.append({"label": label, "title": title, "color": color, "dash": "dash",
                     "marker": marker, "clock": steps, "loss": losses,
                     "words": [f"{label} at {i}" for i in steps],
                     "end": "Converged at step 60." if label == "nk" else None})
    path.append({"entrant": k, "x": xs, "y": ys})
    loss.append({"entrant": k, "x": steps, "y": losses})
    for name, x, y in [("path", xs, ys), ("loss", steps, losses)]:
        curves[name].append({"type": "scatter", "mode": "lines", "x": x, "y": y,
                             "line": {"color": color}, "opacity": 0.4, "meta": {"entrant": k}})
grid = [i / 10 for i in range(-20, 21)]
contour = {"type": "contour", "x": grid, "y": grid, "showscale": False, "hoverinfo": "skip",
           "colorscale": [[0, "#eeeeee"], [1, "#cccccc"]],
           "z": [[x * x + y * y for x in grid] for y in grid]}
margin = {"l": 40, "r": 10, "t": 6, "b": 30}
base = {"margin": margin, "showlegend": False, "hovermode": False}
linear = {**base, "xaxis": {"range": [-2, 2]}, "yaxis": {"range": [-1, 2]}}
log = {**base, "xaxis": {"range": [0, LAST]}, "yaxis": {"type": "log", "range": [-2.5, 1.5]}}

def panel(name, layout, heads, click, **more):
    return {"id": name, "title": name, "alt": f"What {name} shows.", "span": 1, "trail": 0,
            "heads": heads, "cursor": False, "click": click, **more,
            "figure": {"data": more.pop("under", []) + curves[name[:4]], "layout": layout}}

panels = [panel("path", linear, path, "start", under=[contour]),
          panel("loss", log, loss, "start"),
          panel("loss2", log, loss, None, cursor=True)]
payload = {"id": f"data-{shift}" + "-few" * few, "theme": "light",
           "plotly_url": "/bundle/plotly.js",
           "frame": int(pin or query.get("frame", -1)) if pin or "frame" in query else None,
           "autoplay": "auto" in query, "rate": 60,
           "clock": {"label": "step", "unit": "", "frames": list(range(LAST + 1))},
           "entrants": entrants, "panels": panels,
           "rows": [["path", "loss", "loss2"], ["@words"]]}
if not gone:
    player(payload, key="race", on_start=lambda: state.starts.append(state.race.start),
           on_frame=lambda: state.frames.append(state.race.frame))
if "two" in query:
    player(payload, key="second")
st.text(f"starts={state.starts}")
st.text(f"frames={state.frames}")
st.text(f"shift={shift}")
"""

# What is drawn on a panel's canvas in (nearly) one colour: how many pixels, and their middle.
INK = """([panel, colour]) => {
  const box = document.querySelectorAll('.qnviz-figure')[panel];
  const canvas = box.querySelector('canvas.qnviz-canvas');
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let [count, x, y] = [0, 0, 0];
  for (let i = 0; i < pixels.length; i += 4) {
    if (pixels[i + 3] < 200) continue;
    if ([0, 1, 2].some((k) => Math.abs(pixels[i + k] - colour[k]) > 8)) continue;
    count += 1;
    x += (i / 4) % canvas.width + 0.5;
    y += Math.floor(i / 4 / canvas.width) + 0.5;
  }
  const corner = canvas.getBoundingClientRect();
  return {count, x: corner.left + x / count, y: corner.top + y / count};
}"""
BLUE, ORANGE, GREEN = (0, 114, 178), (213, 94, 0), (0, 158, 115)


@pytest.fixture(scope="session")
def url(serve: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of an app with one player."""
    folder = tmp_path_factory.mktemp("player")
    (folder / "race_app.py").write_text(APP, encoding="utf-8")
    (folder / "race_page.py").write_text(PAGE, encoding="utf-8")
    return serve(folder / "race_app.py")


class Race:
    """The player on a page, in the words of the tests."""

    def __init__(self, page: Any, url: str) -> None:
        self.page = page
        page.goto(url)
        page.wait_for_selector("[data-qnviz-player][data-ready=true]", timeout=30_000)
        self.root = page.locator("[data-qnviz-player]").first
        self.slider = page.get_by_role("slider", name="Playhead").first

    @property
    def frame(self) -> int:
        """The playhead's frame."""
        return int(self.root.get_attribute("data-frame"))

    @property
    def playing(self) -> bool:
        """Whether the playhead runs."""
        return self.root.get_attribute("data-playing") == "true"

    def press(self, *keys: str) -> int:
        """Press keys one after another; gives the frame after the last."""
        for key in keys:
            self.page.keyboard.press(key)
        return self.frame

    def wait_frame(self, least: int) -> None:
        """Wait until the playhead has come so far."""
        self.page.wait_for_function(
            "n => +document.querySelector('[data-qnviz-player]').dataset.frame >= n", arg=least
        )

    def wait_text(self, text: str) -> None:
        """Wait for a line that the script prints."""
        self.page.get_by_text(text, exact=True).wait_for(timeout=10_000)

    def server_list(self, name: str) -> list[Any]:
        """A list that the script prints, once it is not empty."""
        line = self.page.get_by_text(re.compile(rf"^{name}=\[.+\]"))
        line.wait_for(timeout=10_000)
        return json.loads(line.inner_text().split("=")[1])

    def ink(self, panel: int, colour: tuple[int, int, int]) -> dict[str, float]:
        """What a panel's canvas shows in one colour: pixels, and their middle on the page."""
        return self.page.evaluate(INK, [panel, colour])

    def area(self, panel: int) -> dict[str, float]:
        """The plotting area on the page, as Plotly laid it out."""
        return self.page.locator(".qnviz-figure").nth(panel).locator(".nsewdrag").bounding_box()

    def change_data(self) -> None:
        """Change a widget that changes the data, and wait until the new ones are drawn."""
        self.page.get_by_role("spinbutton", name="shift").fill("0.5")
        self.page.keyboard.press("Enter")
        self.wait_text("shift=0.5")
        self.page.wait_for_selector("[data-qnviz-player][data-ready=true][data-id='data-0.5']")


@pytest.fixture
def race(page: Any, url: str) -> Race:
    """The player at its first frame, not playing."""
    return Race(page, url)


def test_helpers(page: Any) -> None:
    """Columns are decoded, indices found and numbers written as people do."""
    page.goto("about:blank")
    column = base64.b64encode(bytes([0, 0, 128, 63, 0, 0, 192, 127])).decode()  # f4: 1, NaN
    got = page.evaluate(
        """async ([source, bdata]) => {
          const blob = new Blob([source], {type: 'text/javascript'});
          const m = await import(URL.createObjectURL(blob));
          const seen = (a) => Array.from(a, (v) => Number.isNaN(v) ? 'NaN' : v);
          return {
            lists: seen(m.decode([1, null, 2.5])),
            floats: seen(m.decode({dtype: 'f4', bdata})),
            shorts: seen(m.decode({dtype: 'i2', bdata: '//8CAA==', shape: '2'})),
            index: [-1, 0, 0.5, 3, 9].map((v) => m.indexAt([0, 1, 3], v)),
            rounding: m.indexAt([0, Math.fround(0.1)], 0.1),
            texts: [3.178e-5, 3e-5, 0.0314, 12.42, 0, 1234.4, 2.51e7, NaN, Infinity, -0.5, 0.9999]
              .map(m.formatNumber),
          };
        }""",
        [source(), column],
    )
    assert got["lists"] == [1, "NaN", 2.5]
    assert got["floats"] == [1, "NaN"]
    assert got["shorts"] == [-1, 2]
    assert got["index"] == [0, 0, 0, 2, 2]
    assert got["rounding"] == 1, "a float32 clock must meet its float64 playhead"
    expected = ["3.2e-5", "3e-5", "0.031", "12.4", "0", "1234", "2.5e7", "–", "∞", "-0.5", "1"]
    assert got["texts"] == expected


def test_bad_payload_says_why(page: Any) -> None:
    """Neither a broken payload nor a missing plotly.js leaves a blank."""
    page.goto("about:blank")
    texts = page.evaluate(
        """async (source) => {
          const blob = new Blob([source], {type: 'text/javascript'});
          const m = await import(URL.createObjectURL(blob));
          const texts = [];
          const base = {clock: {label: 'step', frames: [0, 1]}, entrants: [], panels: []};
          const notPlotly = {...base, rows: [['@words']], plotly_url: 'data:text/javascript,1'};
          for (const payload of [null, {...base, rows: [['nowhere']]}, notPlotly]) {
            const root = document.body.appendChild(document.createElement('div'));
            m.mountPlayer(root, payload);
            await new Promise((done) => setTimeout(done, 300));
            texts.push([root.innerText, root.dataset.ready]);
          }
          return texts;
        }""",
        source(),
    )
    for text, ready in texts:
        assert text.startswith("The picture could not be drawn: ")
        assert ready == "false"
    assert "nowhere" in texts[1][0]


def test_own_frame_coming_back_is_no_pin(page: Any) -> None:
    """A page that pins what was reported must not pull the reader back; a real pin must."""
    page.goto("about:blank")
    seen, reported = page.evaluate(
        """async (source) => {
          const blob = new Blob([source], {type: 'text/javascript'});
          const m = await import(URL.createObjectURL(blob));
          window.QnvizPlotly = {};  // no panels, so nothing of it is used
          const pause = (ms) => new Promise((done) => setTimeout(done, ms));
          const root = document.body.appendChild(document.createElement('div'));
          const frames = Array.from({length: 100}, (_, i) => i);
          const base = {id: 'a', entrants: [], panels: [], rows: [['@words']]};
          const payload = {...base, clock: {label: 'step', frames}};
          const reported = [];
          const player = m.mountPlayer(root, payload, {onFrame: (frame) => reported.push(frame)});
          await pause(50);
          const slider = root.querySelector('input');
          const scrub = (frame) => {
            slider.value = frame;
            slider.dispatchEvent(new Event('input'));
          };
          scrub(10);
          await pause(400);
          scrub(20);
          const seen = [];
          for (const frame of [10, 15, 10]) {
            player.update({...payload, frame});
            await pause(20);
            seen.push(Number(root.dataset.frame));
          }
          player.destroy();
          return [seen, reported];
        }""",
        source(),
    )
    assert reported == [10]
    assert seen == [20, 15, 10]


def test_plays_and_pauses(page: Any, url: str) -> None:
    """Autoplay runs, space stops it, nothing complains, and the words follow."""
    race = Race(page, f"{url}/?auto=1")
    race.wait_frame(5)
    assert race.playing
    assert page.locator("table[aria-live=off]").count() == 1
    race.press(" ")
    assert not race.playing
    stopped = race.frame
    page.wait_for_timeout(200)
    assert race.frame == stopped
    assert page.locator("table[aria-live=polite]").count() == 1
    assert page.get_by_text(f"kbfgs at {stopped}", exact=True).is_visible()
    race.press("End", " ")  # at the end, play starts over
    assert race.playing
    race.wait_frame(1)
    assert race.frame < LAST
    race.wait_frame(LAST)
    assert not race.playing, "the end stops it"
    assert page.get_by_text("Converged at step 60.").is_visible()
    assert page.evaluate("[typeof Plotly, typeof QnvizPlotly]") == ["undefined", "object"]
    assert page.errors == []


def test_no_autoplay_with_reduced_motion(new_page: Callable[..., Any], url: str) -> None:
    """People who asked for stillness get it; play still works when they press it."""
    race = Race(new_page(reduced_motion="reduce"), f"{url}/?auto=1")
    race.page.wait_for_timeout(300)
    assert (race.frame, race.playing) == (0, False)
    race.press(" ")
    race.wait_frame(3)


def test_keys_move_one_playhead(race: Race) -> None:
    """One arrow is one frame wherever the focus is, and other widgets keep their keys."""
    keys = ("ArrowRight", "ArrowRight", "ArrowLeft", "Shift+ArrowRight")
    assert race.press(*keys) == 11
    race.slider.focus()
    assert race.press(*keys) == 22
    assert race.slider.get_attribute("aria-valuetext") == "step 22 of 120"
    assert race.press("End") == LAST
    assert race.press("ArrowRight") == LAST
    assert race.press("Home") == 0
    race.page.get_by_role("button", name="One step forward").focus()
    assert race.press("Enter", "ArrowRight") == 2
    race.page.get_by_role("button", name="Play").focus()
    race.press(" ")
    assert race.playing, "space on the play button plays once, not twice"
    race.press(" ")
    at = race.frame
    other = race.page.get_by_role("slider", name="other")
    other.focus()
    race.press("ArrowRight")
    assert other.input_value() == "6"
    race.page.get_by_role("spinbutton", name="shift").focus()
    race.press("ArrowLeft", "End", " ")
    assert (race.frame, race.playing) == (at, False)
    race.page.evaluate("document.activeElement.blur()")
    assert race.press("Control+ArrowRight", "Alt+ArrowLeft") == at


def test_frame_is_sent_on_release_only(race: Race) -> None:
    """A scrub is one message, sent when the pointer is lifted; playing sends none."""
    box = race.slider.bounding_box()
    middle = box["y"] + box["height"] / 2
    race.page.mouse.move(box["x"] + 8, middle)
    race.page.mouse.down()
    for part in (0.2, 0.5, 0.75):
        race.page.mouse.move(box["x"] + part * box["width"], middle)
        race.page.wait_for_timeout(300)
    assert race.frame == pytest.approx(0.75 * LAST, abs=2)
    race.wait_text("frames=[]")
    race.page.mouse.up()
    scrubbed = race.frame
    assert race.server_list("frames") == [scrubbed]
    race.press(" ")
    race.page.wait_for_timeout(400)
    race.wait_text(f"frames=[{scrubbed}]")
    race.press(" ")
    paused = race.frame
    assert paused > scrubbed
    race.wait_text(f"frames=[{scrubbed}, {paused}]")
    race.press("ArrowRight", "ArrowLeft")  # back where it was: nothing new to say
    race.page.wait_for_timeout(600)
    race.wait_text(f"frames=[{scrubbed}, {paused}]")


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


def test_pinned_frame(race: Race) -> None:
    """A new pin moves the playhead and stops it; an old one does not pull it back."""
    race.press(" ")
    pin = race.page.get_by_role("textbox", name="pin")
    pin.fill("50")
    race.page.keyboard.press("Enter")
    race.page.wait_for_selector("[data-qnviz-player][data-frame='50'][data-playing=false]")
    race.page.evaluate("document.activeElement.blur()")
    assert race.press("ArrowRight") == 51
    race.change_data()
    assert race.frame == 51


def test_entrants_come_and_go_while_playing(page: Any, url: str) -> None:
    """Fewer entrants, no player, a player again: the race runs on and nothing complains."""
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


def test_one_of_two_players_answers(page: Any, url: str) -> None:
    """Keys go to the player that was used last, at first to the upper one."""
    race = Race(page, f"{url}/?two=1")
    page.wait_for_function("document.querySelectorAll('[data-ready=true]').length === 2")
    frames = "[...document.querySelectorAll('[data-qnviz-player]')].map((p) => +p.dataset.frame)"
    race.press("ArrowRight", "ArrowRight")
    assert page.evaluate(frames) == [2, 0]
    page.get_by_text("At the playhead, in words").nth(1).click()
    race.press("ArrowRight")
    assert page.evaluate(frames) == [2, 1]


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
