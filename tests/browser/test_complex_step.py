"""The complex-step page in a real browser: first request, URL, keys, presets, degenerate inputs."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browser.navigation import follows_the_light, framed, go, query, resized, whole


def opened(page: Any, url: str, pictures: int = 3) -> Any:
    """Wait until the errors are drawn and, below them, the costs."""
    page.goto(url)
    page.wait_for_function(
        f"document.querySelectorAll('[data-testid=stPlotlyChart] .js-plotly-plot').length"
        f" === {pictures}", timeout=60_000)
    page.get_by_role("button", name="Measure again").wait_for(timeout=60_000)
    return page


def title(page: Any, start: str) -> str:
    return page.locator("[data-testid=stMarkdown] strong").filter(has_text=start).inner_text()


def test_a_deep_link_is_its_state_in_both_lights(app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/complex_step?function=exp_relu&x=0.001")
    found = title(page, "First derivative").replace("\N{NO-BREAK SPACE}", " ")
    assert "from h = 0.001 on, differences straddle a kink" in found
    assert framed(page)
    follows_the_light(page)
    whole(page)


def test_both_pictures_of_errors_are_on_the_first_screen_and_said(app_url: str, page: Any) -> None:
    """Every picture says what it found to those who do not see it."""
    opened(page, f"{app_url}/complex_step")
    for width, height in ((1920, 1080), (1280, 800)):
        resized(page, width, height)
        for i in (0, 1):
            box = page.locator("[data-testid=stPlotlyChart]").nth(i).bounding_box()
            assert box["y"] > 0
            assert box["y"] + box["height"] <= height
            assert box["width"] > 0.4 * width
        whole(page)
    assert query(page) == {}
    for start in ("First derivative: central differences get down to",
                  "Hessian-vector product: central differences get down to",
                  "A product Hv costs"):
        found = title(page, start)
        labels = page.evaluate("[...document.querySelectorAll('[aria-label]')]"
                               ".map(e => e.getAttribute('aria-label'))")
        assert any(label.startswith(found) and len(label) > len(found) + 40 for label in labels)
    page.get_by_role("button", name="Explain").click()
    page.get_by_text("Nothing is subtracted").wait_for()


def test_controls_write_the_address_by_keyboard(app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/complex_step?function=rosenbrock")
    before = title(page, "First derivative")
    seed = page.get_by_role("spinbutton", name="seed")
    seed.focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.wait_for_function("location.search.includes('seed=1')")
    page.wait_for_function(
        "old => ![...document.querySelectorAll('strong')].some(e => e.innerText === old)",
        arg=before)
    assert query(page) == {"function": "rosenbrock", "seed": "1"}
    box = page.get_by_role("combobox", name=re.compile("precision"))
    box.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_function("location.search.includes('precision=float32')")
    whole(page)


def test_presets_jump(app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/complex_step?function=rosenbrock&seed=3")
    page.get_by_role("button", name="Presets").click()
    page.get_by_role("button", name="Underflow in float32").click()
    page.wait_for_function("location.search.includes('decades=48')")
    page.get_by_text("Below h = ").wait_for(timeout=30_000)
    assert query(page) == {"precision": "float32", "decades": "48"}
    assert "breaks down below" in title(page, "Hessian-vector product")
    whole(page)


@pytest.mark.parametrize(("link", "sentence", "pictures"), [
    ("length=0", "The direction v is 0: there is nowhere to step", 1),
    ("function=rosenbrock&x=1", "The true slope gᵀv is 0 here", 3)])
def test_what_is_degenerate_is_said_and_drawn(
        link: str, sentence: str, pictures: int, app_url: str, page: Any) -> None:
    """Where there is nothing to differentiate only the costs are drawn; tests/test_links.py has
    the other sentences.
    """
    opened(page, f"{app_url}/complex_step?{link}", pictures)
    assert page.get_by_text(sentence).count() == 1
    whole(page)


def test_a_bad_link_costs_only_its_bad_values(app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/complex_step?function=rosenbrock&seed=x&foo=1"
                 "&precision=<img src=x onerror=alert(1)>")
    shown = page.locator("[data-testid=stAlert]").first.inner_text()
    for part in ("seed is 'x', but must be a whole number", "'foo' is not known here",
                 "precision is '<img src=x"):
        assert part in shown
    assert page.locator("[data-testid=stAlert] img").count() == 0
    assert query(page) == {"function": "rosenbrock"}
    assert page.errors == []


def test_costs_are_measured_again_and_the_code_shown_runs(app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/complex_step?function=rosenbrock")
    bars = "[...document.querySelectorAll('.js-plotly-plot')].at(-1)._fullData[0].x"
    before = page.evaluate(f"JSON.stringify([...{bars}])")
    page.get_by_role("button", name="Measure again").click()
    page.wait_for_function(f"old => JSON.stringify([...{bars}]) !== old", arg=before,
                           timeout=30_000)
    assert page.get_by_text(re.compile(r"medians of \d+ repeats")).count() == 1
    whole(page)
    page.get_by_role("tab", name="Central difference").click()
    code = page.locator("[data-testid=stCode]:visible").first
    code.get_by_text("def finite_difference").wait_for()
    assert "return (above - _gradient(problem, tape, tape.theta - step * v)) / (2 * step)" in (
        code.inner_text())


def test_coming_back_finds_the_page_as_it_was_left(app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/complex_step?function=exp_softplus&x=0.5")
    go(page, "Rosenbrock")
    page.wait_for_selector("[data-qnviz-player][data-ready='true']", timeout=60_000)
    go(page, "Complex step")
    page.wait_for_function("location.search.includes('function=exp_softplus')")
    assert query(page) == {"function": "exp_softplus", "x": "0.5"}
