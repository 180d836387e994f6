"""Lessons in a real browser: every step of every lesson, keys, presenting, questions, addresses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qnviz.web import bundle
from tests.browser.navigation import query

SHIPPED = sorted(p.stem for p in (Path(__file__).parents[2] / "lessons").glob("*.md")
                 if p.name != "README.md")
PICTURE = ".st-key-lesson-picture :is([data-qnviz-player][data-ready=true], [data-qnviz-pair] svg)"
FIRST = "why-curvature"
QUESTION = 3                                   # its first step that asks


def at_step(page: Any, flag: str) -> None:
    """Wait until a step is told and its picture drawn; "3!" is step 3 with its answer."""
    page.wait_for_selector(f'[data-lesson-ready="{flag}"]', state="attached", timeout=60_000)
    page.wait_for_selector(PICTURE, timeout=60_000)


def opened(page: Any, app_url: str, of: str = FIRST, at: int = 1, more: str = "") -> Any:
    page.goto(f"{app_url}/lessons?of={of}&at={at}{more}")
    at_step(page, str(at))
    return page


def until(page: Any, **wanted: str) -> None:
    """Wait until the address has these fields and no others."""
    page.wait_for_function(
        "q => location.search === (q ? '?' + q : '')",
        arg="&".join(f"{k}={v}" for k, v in wanted.items()))


def overflow(page: Any) -> list[int]:
    return page.evaluate("() => { const m = document.querySelector('[data-testid=stMain]');"
                         " return [m.scrollHeight - m.clientHeight, m.scrollWidth - m.clientWidth]"
                         " }")


def whole(page: Any) -> None:
    assert page.locator("[data-testid=stException], [data-testid=stAlert]").count() == 0
    assert page.errors == []


def test_all_lessons_are_walked_through_as_in_a_hall(
        app_url: str, new_page: Callable[..., Any]) -> None:
    """With nothing but a clicker's key: no errors, every picture there, all on one screen."""
    # still pictures: drawn without a graphics card, what plays takes the time of what computes
    page = new_page(viewport={"width": 1920, "height": 1080}, reduced_motion="reduce")
    page.goto(f"{app_url}/lessons")
    seen = set()
    for k in range(len(SHIPPED)):
        page.get_by_role("button", name="Open").nth(k).click(timeout=60_000)
        page.get_by_role("button", name="Present").click()
        page.wait_for_selector(".st-key-lesson-present")
        id, steps = query(page)["of"], page.locator(".lesson-dot").count()
        seen.add(id)
        assert steps >= 5
        for at in range(1, steps + 1):
            at_step(page, str(at))
            assert overflow(page) == [0, 0], f"{id}, step {at}"
            assert "[[" not in page.locator(".st-key-lesson-words").inner_text()
            if page.locator(".st-key-lesson-question").count():
                page.keyboard.press("PageDown")
                at_step(page, f"{at}!")
                assert overflow(page) == [0, 0], f"{id}, answer of step {at}"
            if at < steps:
                page.keyboard.press("PageDown")
        whole(page)
        page.get_by_role("button", name="All lessons").click()
        page.locator("[class*=st-key-lessons-card]").first.wait_for()
    assert seen == set(SHIPPED)


def test_keys_turn_steps_and_leave_the_players_own_alone(app_url: str, page: Any) -> None:
    opened(page, app_url)
    for key, at in (("n", 2), ("PageUp", 1), ("PageDown", 2), ("p", 1)):
        page.keyboard.press(key)
        at_step(page, str(at))
        until(page, of=FIRST, at=str(at))
    page.keyboard.press("p")                                  # there is nothing before the first
    page.keyboard.press("Home")
    frame = "+document.querySelector('[data-qnviz-player]').dataset.frame"
    page.wait_for_function(f"{frame} === 0")
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"{frame} === 1")
    veil = page.locator(".lesson-veil")
    for dark, light in (("b", "b"), (".", "Escape"), ("b", "PageDown")):
        page.keyboard.press(dark)
        assert veil.bounding_box() == {"x": 0, "y": 0, "width": 1280, "height": 800}
        page.keyboard.press(light)
        assert not veil.is_visible()
    assert query(page)["at"] == "1"                           # the key that lifts it does no more
    page.locator(".qnviz-slider").focus()                     # a mouse left the focus there
    page.keyboard.press("PageDown")
    at_step(page, "2")
    page.locator(".qnviz-speed select").focus()               # this one reads letters itself
    page.keyboard.press("n")
    page.keyboard.press("Control+p")
    assert page.get_attribute("[data-lesson-bar]", "data-at") == "2"
    page.locator(".lesson-dot").nth(3).click()
    at_step(page, "4")
    until(page, of=FIRST, at="4")
    page.go_back()                                            # the browser's own
    at_step(page, "2")
    until(page, of=FIRST, at="2")
    page.go_forward()
    at_step(page, "4")
    for _ in range(3):                                        # quicker than the page is drawn
        page.keyboard.press("PageDown")
    at_step(page, "7")
    until(page, of=FIRST, at="7")
    whole(page)


# The bar on an empty page; `says` is what the server says next, `asks` what the bar has asked for.
BAR = """async (source) => {
  const url = URL.createObjectURL(new Blob([source], {type: 'text/javascript'}));
  const {default: mount} = await import(url);
  const parentElement = document.body.appendChild(document.createElement('div'));
  window.asks = [];
  window.says = (at, waits = false) => mount({parentElement,
    data: new TextEncoder().encode(JSON.stringify({lesson: 'x', title: 'X', at, waits,
      present: true, steps: [...'abcdefgh']})),
    setTriggerValue: (_, asked) => asks.push(asked.at ?? `reveal ${asked.reveal}`)});
}"""


def test_keys_that_outrun_the_server_are_not_lost(app_url: str, page: Any) -> None:
    """What it says of a step that the reader has left meanwhile does not take the reader back."""
    page.goto(f"{app_url}/_stcore/health")
    page.evaluate(BAR, bundle("lesson_bar/component.js"))

    def follows(*script: Any) -> list[Any]:
        page.evaluate("asks.length = 0")
        for act in script:
            if isinstance(act, str):
                page.keyboard.press(act)
            else:
                page.evaluate("says => window.says(...says)", act)
        return page.evaluate("asks")

    down, up = "PageDown", "PageUp"
    assert follows([1], down, [1], down, [2], down, [3], down) == [2, 3, 4, 5]
    assert follows([5], down) == [6]                          # all was answered
    assert follows([6], [2], down) == [3]                     # the browser went back
    assert follows([3], down, up, [4], down) == [4, 3, 4]
    assert follows([4], [5, True], down, [5, True], down) == ["reveal 5", 6]
    assert follows([6], [5], [5, True], down) == ["reveal 5"]               # asked again
    assert page.get_attribute("[data-lesson-bar]", "data-at") == "5"


def test_a_prediction_is_answered_and_the_page_itself_opened(app_url: str, page: Any) -> None:
    page.goto(f"{app_url}/lessons")
    page.locator("[class*=st-key-lessons-card]").nth(len(SHIPPED) - 1).wait_for(timeout=60_000)
    page.get_by_text("20 minutes, 8 steps").first.wait_for()
    page.get_by_role("button", name="Open").first.click()
    at_step(page, "1")
    until(page, of=FIRST, at="1")
    page.locator(".lesson-dot").nth(QUESTION - 1).click()
    at_step(page, str(QUESTION))
    shown = page.get_attribute("[data-qnviz-player]", "data-id")
    assert page.get_by_text("this happens").count() == 0
    with page.context.expect_page() as opening:
        page.get_by_role("link", name="Try it yourself").click()
    page.locator(".st-key-lesson-question button").first.click()
    at_step(page, f"{QUESTION}!")
    assert page.get_attribute(".st-key-lesson-picture [data-qnviz-player]", "data-id") != shown
    assert page.get_by_text("your prediction").count() == 1
    assert page.get_by_text("this happens").count() == 1
    page.keyboard.press("n")
    at_step(page, str(QUESTION + 1))
    page.keyboard.press("p")
    at_step(page, f"{QUESTION}!")                             # the answer is remembered
    page.get_by_role("button", name="Ask again").click()
    at_step(page, str(QUESTION))
    lab = opening.value
    lab.wait_for_selector("[data-qnviz-player][data-ready=true]", timeout=60_000)
    lab.wait_for_function("location.search.includes('sgd.momentum=0')")
    assert lab.locator(".qnviz-chip").count() == 1
    assert lab.get_attribute("[data-qnviz-player]", "data-frame") == "300"
    page.get_by_role("button", name="All lessons").click()
    page.locator("[class*=st-key-lessons-card]").first.wait_for()
    until(page)
    whole(page)


def test_presenting_is_entered_and_left_and_answers_before_it_goes_on(
        app_url: str, page: Any) -> None:
    opened(page, app_url, at=QUESTION)
    words = "document.querySelector('.st-key-lesson-words p')"
    size = f"({words} ? parseFloat(getComputedStyle({words}).fontSize) : 0)"
    before = page.evaluate(size)
    for present in (False, True):
        if present:
            page.get_by_role("button", name="Present").click()
            until(page, of=FIRST, at=str(QUESTION), present="1")
            page.wait_for_function(f"{size} > {1.3 * before}")
            page.get_by_role("button", name="Reveal").last.wait_for()
        assert overflow(page) == [0, 0]
        bar = page.locator(".qnviz-bar").bounding_box()
        assert bar["y"] + bar["height"] < 800
        assert page.locator("[data-testid=stHeader]").is_visible() is not present
        assert bool(page.get_by_role("link", name="Try it yourself").count()) is not present
    page.keyboard.press("PageDown")
    at_step(page, f"{QUESTION}!")
    assert query(page)["at"] == str(QUESTION)
    page.keyboard.press("PageDown")
    at_step(page, str(QUESTION + 1))
    page.keyboard.press("Escape")
    until(page, of=FIRST, at=str(QUESTION + 1))
    page.locator("[data-testid=stHeader]").wait_for()
    whole(page)


@pytest.mark.xdist_group("own")
def test_a_broken_file_is_told_and_the_others_open(own: tuple[str, Path], page: Any) -> None:
    """Also a lesson that tries HTML."""
    url, folder = own[0], own[1] / "lessons"
    (folder / "bad.md").write_text("---\ntitle: Bad\nsummary: x\nminutes: 1\n---\n\n## A\n\n"
                                     "```yaml\npage: race\nstate: ?m=adma\n```\n")
    (folder / "good.md").write_text(
        "---\ntitle: Good\nsummary: x\nminutes: 1\n---\n\n## A\n\n<img src=x onerror=alert(1)>"
        "<b id=raw>[[adam.steps]]</b>\n\n```yaml\npage: race\nstate: ?m=adam&steps=5\n```\n")
    opened(page, url, "good")
    assert page.locator("#raw, .st-key-lesson-words img").count() == 0
    page.get_by_role("button", name="All lessons").click()
    page.get_by_text("line 11, step 1, state: m names the unknown method 'adma'").wait_for()
    assert page.locator("[class*=st-key-lessons-card]").count() == 1
    assert page.errors == []
