"""The scoreboard page in a real browser: at once, its address, links, live computing, stopping."""

from __future__ import annotations

import re
from typing import Any

from tests.browser.navigation import follows_the_light, query, resized, whole

CELL = ".js-plotly-plot text.annotation-text a"


def opened(page: Any, url: str, query: str = "") -> Any:
    page.goto(f"{url}/scoreboard{query}")
    page.locator(CELL).first.wait_for(timeout=60_000)
    page.get_by_text("The same as text").wait_for(timeout=60_000)
    return page


def texts(page: Any) -> list[str]:
    return page.locator(CELL).all_text_contents()


def test_the_shipped_table_is_on_the_first_screen_and_told(app_url: str, page: Any) -> None:
    """Also to those who do not see it."""
    opened(page, app_url)
    assert len(texts(page)) == 70
    for width, height in ((1920, 1080), (1280, 800)):
        resized(page, width, height)
        box = page.locator("[data-testid=stPlotlyChart]").bounding_box()
        assert box["y"] + box["height"] <= height
        assert box["width"] > 0.9 * width
        whole(page)
    assert query(page) == {}
    assert page.get_by_text("Fewest iterations:").count()
    labels = page.evaluate("[...document.querySelectorAll('[aria-label]')]"
                           ".map(e => e.getAttribute('aria-label'))")
    assert any("Table of 10 methods on 7 problems" in label and "Newton-Krylov:" in label
               for label in labels)


def test_a_deep_link_is_its_state_in_both_lights(app_url: str, page: Any) -> None:
    opened(page, app_url, "?unit=work&rows=bfgs,adam&columns=noise_1")
    assert len(texts(page)) == 2
    assert page.get_by_text("Least work:").count()
    follows_the_light(page)
    whole(page)


def test_units_and_choices_write_the_address(app_url: str, page: Any) -> None:
    opened(page, app_url)
    page.get_by_role("radio", name="seconds").click()
    page.wait_for_function("location.search.includes('unit=seconds')")
    page.get_by_text("Least time:").wait_for()
    page.get_by_role("button", name=re.compile("Problems")).click()
    page.get_by_role("button", name="Linear net, w = 6, randn").click()
    page.wait_for_function("location.search.includes('columns=')")
    page.wait_for_function(f"document.querySelectorAll('{CELL}').length === 60")
    assert query(page) == {"unit": "seconds",
                           "columns": "rosenbrock,noise_1,noise_3,noise_1_f,noise_3_f,net_10"}
    whole(page)


def test_a_cell_opens_its_first_run_in_the_lab(app_url: str, page: Any) -> None:
    opened(page, app_url, "?rows=curveball_1&columns=rosenbrock")
    page.locator(CELL, has_text="13 ± 0").click(force=True)
    page.wait_for_url("**/rosenbrock?**")
    page.wait_for_selector("[data-qnviz-player][data-ready='true']", timeout=60_000)
    page.keyboard.press("End")
    page.get_by_text(re.compile("Converged at step 13")).first.wait_for()
    assert page.locator("[data-testid=stAlert]").count() == 0
    assert query(page)["m"] == "curveball"


def test_every_link_is_understood_by_its_lab(app_url: str, page: Any) -> None:
    opened(page, app_url, "?rows=kbfgs&columns=net_10")
    page.locator(CELL).first.click(force=True)
    page.wait_for_url("**/linear_net?**")
    page.wait_for_selector("[data-qnviz-player][data-ready='true']", timeout=60_000)
    assert page.locator("[data-testid=stAlert]").count() == 0
    found = query(page)
    assert (found["width"], found["init"], found["m"]) == ("10", "scaled", "kbfgs")


def test_it_is_computed_live_and_the_shipped_table_comes_back(app_url: str, page: Any) -> None:
    opened(page, app_url, "?rows=curveball_1,bfgs&columns=rosenbrock,noise_1&repeats=10&seed=7")
    before = texts(page)
    page.get_by_role("button", name="Compute it live").click()
    page.get_by_role("button", name="Compute", exact=True).click()
    page.get_by_text("10 runs on Rosenbrock, 2 on the nets, seed 7").wait_for(timeout=90_000)
    assert len(texts(page)) == 4
    assert texts(page) != before
    whole(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Compute it live").click()
    page.get_by_role("button", name="Show the shipped table").click()
    page.get_by_text("100 runs on Rosenbrock").wait_for()
    assert texts(page) == before


def test_live_computing_can_be_stopped(app_url: str, page: Any) -> None:
    opened(page, app_url, "?repeats=200&seed=3")
    page.get_by_role("button", name="Compute it live").click()
    page.get_by_role("button", name="Compute", exact=True).click()
    stop = page.get_by_role("button", name="Stop", exact=True)
    stop.wait_for(timeout=60_000)
    page.keyboard.press("Escape")
    stop.click()
    stop.wait_for(state="detached", timeout=30_000)
    page.get_by_text("200 runs on Rosenbrock").wait_for(timeout=30_000)
    whole(page)


def test_a_bad_link_costs_only_its_bad_values(app_url: str, page: Any) -> None:
    opened(page, app_url, "?rows=<img src=x onerror=alert(1)>&unit=furlongs&columns=noise_3&x=1")
    shown = page.locator("[data-testid=stAlert]").first.inner_text()
    for part in ("'<img src=x", "unit is 'furlongs'", "'x' is not known here"):
        assert part in shown
    assert page.locator("[data-testid=stAlert] img").count() == 0
    assert query(page) == {"columns": "noise_3"}
    assert len(texts(page)) == 10
    whole(page)
