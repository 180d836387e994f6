"""The page of an own function in a real browser: what is typed, what is refused, what is drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.browser.navigation import UNFORESEEN, query
from tests.browser.test_pages import data_id, opened, until_changed

FACTS = ".st-key-above"
FAULTS = ".st-key-faults"


def typed(page: Any, text: str) -> None:
    box = page.get_by_role("textbox", name="f(x, y)")
    box.fill(text)
    box.press("Enter")


def test_a_typed_function_runs_and_a_hostile_one_gets_a_sentence(app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/function?step=0&curveball.curvature=gauss_newton")
    assert "minimum 0 at (3, 2) and 3 more points" in page.locator(FACTS).inner_text()
    old = data_id(page)
    typed(page, "x^2 - x*y + y^2 + sin(3*x) + y")
    until_changed(page, old)
    page.wait_for_function("location.search.includes('sin')")
    assert query(page)["f"] == "x^2 - x*y + y^2 + sin(3*x) + y"
    page.locator(FACTS).get_by_text("lowest found").wait_for()
    assert page.locator(f"{FACTS} .katex").count() > 0
    # CurveBall's curvature is 0 here, and it says so
    page.locator(FAULTS).get_by_text("CurveBall sits out").wait_for()
    page.locator(".st-key-live").wait_for(state="detached")    # the run may still have grown
    here = data_id(page)
    for text, said in (("__import__('os').system('ls')", "Column 1: '__import__' is not known"),
                       ("x^2 + y2", "Column 7: 'y2' can be read in several ways"),
                       ("abs(x)*" + "y*" * 5000, "may have 300 characters")):
        typed(page, text)
        page.locator(FAULTS).get_by_text(said).wait_for()
        page.locator(FACTS).get_by_text("the last function that was understood").wait_for()
        assert page.locator(f"{FACTS} .katex").count() == 0       # its formula goes
        assert data_id(page) == here           # the run stays
        assert page.get_by_role("textbox", name="f(x, y)").input_value() == text
    typed(page, "x^2 - x*y + y^2 + sin(3*x) + y")
    page.locator(FAULTS).get_by_text("may have 300").wait_for(state="detached")
    assert page.locator(UNFORESEEN).count() == 0
    assert page.errors == []


def test_an_address_typed_by_hand_and_a_start_by_a_click(app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/function?f=(x^2+y-11)^2+(x+y^2-7)^2&start=1,-1&step=0")
    assert page.get_by_role("textbox", name="f(x, y)").input_value() == (
        "(x^2+y-11)^2+(x+y^2-7)^2")
    assert "2 residuals" in page.locator(FACTS).inner_text()
    assert page.locator(f"{FAULTS} [data-testid=stAlert]").count() == 0
    old = data_id(page)
    box = page.locator("[data-panel=path] .nsewdrag").first.bounding_box()
    page.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + 0.5 * box["height"])
    until_changed(page, old)
    page.wait_for_function("location.search.includes('start=-2')")
    x, y = map(float, query(page)["start"].split(","))
    assert abs(x + 2.75) < 0.1
    assert abs(y) < 0.1
    assert query(page)["f"] == "(x^2+y-11)^2+(x+y^2-7)^2"


def test_what_is_typed_is_shown_as_it_was_read_and_a_saddle_can_be_left(
        app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/function?step=0")
    old = data_id(page)
    typed(page, "f(x,y) = 1/2x⁴ − x² + y²")
    until_changed(page, old)
    page.locator(FACTS).get_by_text("Read from left to right as (1/2)*x^4").wait_for()
    page.locator(FACTS).get_by_text("lowest found −0.5 at (−1, 0) and (1, 0)").wait_for()
    page.locator(FACTS).get_by_text("The start (0, 0) is a saddle").wait_for()
    old = data_id(page)
    page.get_by_role("button", name="Start beside it, at (0.075, 0)").click()
    until_changed(page, old)
    page.wait_for_function("location.search.includes('start=0.075')")
    page.locator(FACTS).get_by_text("is a saddle").wait_for(state="detached")
    assert page.errors == []


def test_presets_change_function_problem_and_methods(
        app_url: str, new_page: Callable[..., Any]) -> None:
    page = opened(new_page(), f"{app_url}/function?step=0")
    for name, said in (("Rosenbrock in ten", "18 residuals"),
                       ("No minimum at all", "no lowest value"),
                       ("Styblinski-Tang", "minimum −78.3 at (−2.9, −2.9)")):
        page.get_by_role("button", name="Presets").click()
        page.get_by_role("button", name=name).click()
        page.keyboard.press("Escape")
        page.locator(FACTS).get_by_text(said).wait_for()
        assert page.locator(f"{FAULTS} [data-testid=stAlert]").count() == 0
    assert page.errors == []
