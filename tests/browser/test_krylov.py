"""The Krylov page in a real browser: the system at the playhead, its URL, and what was saved."""

from __future__ import annotations

from typing import Any

import pytest

from qnviz.numbers import percent
from qnviz.runs.loop import run
from qnviz.runs.trace import Trace
from qnviz.studies.newton_system import longest, never_early, newton_system
from qnviz.ui.labs.krylov import LABS
from tests.browser.navigation import query, resized, whole
from tests.browser.test_pages import READY, opened

NK = "Newton-Krylov"


@pytest.fixture(scope="module")
def trace() -> Trace:
    """The run with which the page opens."""
    spec = next(iter(LABS.values())).spec()
    assert spec is not None
    return run(spec)


def shown(page: Any, url: str) -> Any:
    """The page with both players; gives the one of the system."""
    opened(page, url)
    page.wait_for_function(f"document.querySelectorAll(\"{READY}\").length === 2", timeout=60_000)
    return page.locator("[data-qnviz-player]").nth(1)


def at(player: Any) -> int:
    return int(player.get_attribute("data-frame"))


def text(page: Any) -> str:
    return page.locator("[data-testid=stMain]").inner_text()


def test_it_opens_with_the_longest_system_and_the_work_saved(
        app_url: str, page: Any, trace: Trace) -> None:
    system = shown(page, f"{app_url}/krylov")
    step, counts = longest(trace, NK), never_early(trace, NK)
    page.get_by_text("of the work saved").wait_for(timeout=20_000)
    said = text(page)
    assert f"Outer step {step} taken apart" in said
    assert f"{percent(counts.saved)} of the work saved" in said
    assert f"{counts.used:,} products" in said
    assert f"would have used {counts.never_early:,}" in said
    solves = newton_system(trace, NK, step).solves
    assert at(system) == max(s.iterations for s in solves)
    for s in solves:
        assert f"Ended at iteration {s.iterations}" in said
    assert system.locator("[role=img][aria-label]").count() >= 5
    whole(page)


def test_the_first_pictures_fit(app_url: str, new_page: Any) -> None:
    page = new_page(color_scheme="dark")
    shown(page, f"{app_url}/krylov?step=3")
    for width, height in ((1920, 1080), (1280, 800)):
        resized(page, width, height)
        bar = page.locator("[data-qnviz-player] input[type=range]").first.bounding_box()
        assert bar["y"] + bar["height"] < height
        whole(page)


def test_step_and_iteration_stand_in_the_link(app_url: str, page: Any) -> None:
    """The playhead in the system is written into the link, and dropped with the system."""
    system = shown(page, f"{app_url}/krylov?step=12&j=4")
    assert "Outer step 12 taken apart" in text(page)
    assert at(system) == 4
    assert query(page) == {"step": "12", "j": "4"}
    slider = system.locator("input[type=range]")
    slider.focus()
    slider.press("ArrowRight")
    page.wait_for_function("location.search.includes('j=5')", timeout=20_000)
    assert at(page.locator("[data-qnviz-player]").nth(1)) == 5
    outer = page.locator("[data-qnviz-player] input[type=range]").first
    outer.focus()
    outer.press("ArrowRight")
    page.get_by_text("Outer step 13 taken apart").wait_for(timeout=20_000)
    page.wait_for_function("!location.search.includes('j=')", timeout=20_000)
    assert query(page) == {"step": "13"}
    whole(page)


@pytest.mark.parametrize("name", list(LABS))
def test_every_problem_opens_with_a_system(name: str, app_url: str, page: Any) -> None:
    shown(page, f"{app_url}/krylov?on={name}")
    page.get_by_text("products").first.wait_for(timeout=30_000)
    assert "taken apart" in text(page)
    whole(page)
