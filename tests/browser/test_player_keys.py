"""The linked player's playhead in a real browser: playing, keys, pins, what Python hears of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.modules import imported
from tests.browser.player_page import LAST, Race


def test_own_frame_coming_back_is_no_pin(page: Any) -> None:
    """A page that pins what was reported must not pull the reader back; a real pin must."""
    imported(page, "player/player.js")
    seen, reported = page.evaluate(
        """async () => {
          window.QnvizPlotly = {};  // no panels, so nothing of it is used
          const pause = (ms) => new Promise((done) => setTimeout(done, ms));
          const root = document.body.appendChild(document.createElement('div'));
          const frames = Array.from({length: 100}, (_, i) => i);
          const base = {id: 'a', entrants: [], panels: [], rows: [['@words']]};
          const payload = {...base, clock: {label: 'step', frames}};
          const reported = [];
          const player = new m.Player(root, payload, {onFrame: (frame) => reported.push(frame)});
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
    )
    assert reported == [10]
    assert seen == [20, 15, 10]


def test_plays_and_pauses(new_page: Callable[..., Any], url: str) -> None:
    """Autoplay runs, space stops it, nothing complains, and the words follow."""
    page = new_page(reduced_motion="no-preference")
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
    for part in (0.5, 0.75, 0.2):
        race.page.mouse.move(box["x"] + part * box["width"], middle)
        race.page.wait_for_timeout(300)
    assert race.frame == pytest.approx(0.2 * LAST, abs=2)
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


# A race of one entrant that grows, without a server: what the player does with each payload.
GROWING = """async () => {
  window.drawn = [];
  window.QnvizPlotly = {react: async (node) => {
    node.on = () => {};
    drawn.push(node.parentNode.dataset.panel);
  }};
  const root = document.body.appendChild(document.createElement('div'));
  const layout = {xaxis: {}, yaxis: {}};
  window.payload = (steps, follow, more = {}) => {
    const clock = Array.from({length: steps + 1}, (_, i) => i);
    const entrant = {label: 'a', title: 'A', color: '#0072b2', dash: 'solid', marker: 'circle',
                     clock, loss: clock, words: clock.map((i) => `at ${i}`), end: ''};
    const panel = {id: 'p', title: 'p', figure: {data: [], layout}, heads: []};
    return {id: `${steps} ${follow}`, follow, autoplay: true, frame: null, rate: 10,
            clock: {label: 'step', frames: clock, end: follow ? 100 : undefined},
            entrants: [entrant], panels: [panel], rows: [['p', '@words']], ...more};
  };
  window.reported = [];
  window.player = new m.Player(root, payload(4, true), {onFrame: (f) => reported.push(f)});
  window.slider = root.querySelector('input');
  window.pause = (ms) => new Promise((done) => setTimeout(done, ms));
  window.scrub = (frame) => { slider.value = frame; slider.dispatchEvent(new Event('input')); };
  window.grow = async (...args) => {
    await player.update(payload(...args));
    return [Number(root.dataset.frame), root.dataset.playing];
  };
  await pause(50);
  return [Number(root.dataset.frame), root.dataset.playing];
}"""


@pytest.fixture
def growing(page: Any) -> Any:
    """A page with a player whose run is at step 4 of 100."""
    imported(page, "player/player.js")
    assert page.evaluate(GROWING) == [4, "false"], "at the newest step, and not playing"
    return page


def test_the_playhead_keeps_up_with_a_run(growing: Any) -> None:
    """At the end it stays at the end, also when the run is over, and Python hears nothing."""
    for steps in (5, 9, 40):
        assert growing.evaluate("(n) => grow(n, true)", steps) == [steps, "false"]
    assert growing.get_by_text("step 40 / 100", exact=True).is_visible()
    assert growing.get_by_text("at 40", exact=True).is_visible()
    assert growing.evaluate("[slider.max, slider.value]") == ["40", "40"]
    growing.evaluate("scrub(80)")  # what is not there yet cannot be shown
    assert growing.evaluate("slider.value") == "40"
    assert growing.evaluate("grow(77, false)") == [77, "false"]
    assert growing.get_by_text("step 77 / 77", exact=True).is_visible()
    growing.wait_for_timeout(400)
    assert growing.evaluate("reported") == []


def test_a_reader_who_scrubs_back_stays(growing: Any) -> None:
    """Until he returns to the end; a frame is told again once the run is over."""
    growing.evaluate("grow(30, true)")
    growing.evaluate("scrub(12)")
    assert growing.evaluate("grow(50, true)") == [12, "false"]
    growing.wait_for_timeout(400)
    assert growing.evaluate("reported") == []
    growing.keyboard.press("End")
    assert growing.evaluate("grow(60, true)") == [60, "false"]
    growing.evaluate("scrub(20)")
    assert growing.evaluate("grow(100, false)") == [20, "false"]
    growing.keyboard.press("ArrowRight")
    growing.wait_for_timeout(400)
    assert growing.evaluate("reported") == [21]


def test_a_new_run_grows_up_to_where_the_reader_stood(growing: Any) -> None:
    """A changed control keeps the playhead's step, as soon as the new run has got there."""
    growing.evaluate("grow(100, false)")
    growing.evaluate("scrub(50)")
    grow = "(n) => grow(n, true, {id: `new ${n}`})"
    seen = [growing.evaluate(grow, n) for n in (3, 30, 60, 90)]
    assert [frame for frame, _ in seen] == [3, 30, 50, 50]
    growing.evaluate("grow(100, false)")
    seen = [growing.evaluate("(n) => grow(n, true, {frame: 40})", n) for n in (10, 60)]
    assert [frame for frame, _ in seen] == [10, 40], "a pinned frame waits in the same way"


def test_a_growing_run_draws_what_is_seen_and_the_rest_when_it_is(growing: Any) -> None:
    """Figures out of sight wait; what is over is drawn whole."""
    growing.evaluate("document.body.style.paddingTop = '3000px'")
    growing.wait_for_timeout(100)
    growing.evaluate("drawn.length = 0")
    for steps in (10, 20, 30):
        growing.evaluate("(n) => grow(n, true)", steps)
    assert growing.evaluate("drawn") == []
    growing.evaluate("document.body.style.paddingTop = '0'")
    growing.wait_for_timeout(100)
    assert growing.evaluate("drawn") == ["p"], "once, with the newest data"
    growing.evaluate("document.body.style.paddingTop = '3000px'")
    growing.wait_for_timeout(100)
    growing.evaluate("grow(100, false)")
    assert growing.evaluate("drawn") == ["p", "p"]


def test_a_slow_figure_is_drawn_less_often_but_never_left_behind(growing: Any) -> None:
    """A figure that takes long rests in between, and catches up when the news stop."""
    growing.evaluate(
        """() => {
          const quick = QnvizPlotly.react;
          QnvizPlotly.react = (node) => {
            for (const t = performance.now(); performance.now() - t < 60;);
            return quick(node);
          };
        }"""
    )
    growing.wait_for_timeout(100)
    growing.evaluate("drawn.length = 0")
    growing.evaluate("async () => { for (let n = 10; n < 20; n++) await grow(n, true); }")
    before = growing.evaluate("drawn.length")
    assert before <= 2, "ten payloads in a row"
    growing.wait_for_timeout(1500)
    assert growing.evaluate("drawn.length") == before + 1
