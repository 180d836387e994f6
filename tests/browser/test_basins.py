"""The basins in a real browser: a click on a start is that start, the right way up."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browser.navigation import query, whole
from tests.browser.test_atlas import (
    LAB,
    complete,
    followed,
    last_step,
    on_one_screen,
    opened,
)

LEFT, RIGHT, TOP, BOTTOM = 56, 8, 4, 40        # the figure's margins


FINE = 512                                     # starts along an axis that the browser computes


def place(page: Any, i: int, x: float, y: float,
          window: tuple[float, float, float, float]) -> tuple[float, float]:
    """The pixel of a point of the plane in a map, from its axes alone."""
    box = page.locator(f"[data-map='{i}']").bounding_box()
    x0, x1, y0, y1 = window
    half = [(b - a) / (FINE - 1) / 2 for a, b in ((x0, x1), (y0, y1))]
    across = (x - x0 + half[0]) / (x1 - x0 + 2 * half[0])
    up = (y - y0 + half[1]) / (y1 - y0 + 2 * half[1])
    return (box["x"] + LEFT + across * (box["width"] - LEFT - RIGHT),
            box["y"] + TOP + (1 - up) * (box["height"] - TOP - BOTTOM))


def numbers(line: str) -> tuple[float, float]:
    """The start that a tip's first line gives."""
    x, y = re.findall(r"= (−?[\d.e-]+)", line)
    return float(x.replace("−", "-")), float(y.replace("−", "-"))


def test_opens_complete_on_one_screen(app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/basins")
    assert page.locator(".st-key-live").count() == 0
    on_one_screen(page)
    for text in ("within 0.05 of (1, 1)", "elsewhere after 500 steps", "diverged"):
        assert text in page.locator(".qnviz-map-legend").inner_text()
    assert "BFGS reaches the minimum from" in page.locator(".qnviz-map-headline").inner_text()
    assert query(page) == {}


@pytest.mark.parametrize(("i", "start"), [(0, (-1.5, 2.5)), (1, (1.25, -0.75))])
def test_a_click_keeps_the_start_that_was_clicked(i: int, start: tuple[float, float],
                                                  app_url: str, page: Any) -> None:
    """A map that is flipped, or turned about its diagonal, would keep another start."""
    opened(page, f"{app_url}/basins?points=17&steps=60&b=kbfgs&seed=2&noise=1")
    followed(page)
    at = place(page, i, *start, (-2, 2, -1, 3))
    page.mouse.move(*at)
    told = page.locator(".qnviz-map-tip").nth(i)
    told.wait_for()
    lines = told.inner_text().splitlines()
    assert numbers(lines[0]) == pytest.approx(start, abs=0.02)
    steps = int(re.search(r"(?:^steps: (\d+))|(?:\w: (\d+) steps)", "\n".join(lines), re.M)[0]
                .removeprefix("steps: ").removesuffix(" steps").split(": ")[-1])
    page.mouse.click(*at)
    page.get_by_role("link", name="Open this run").click()
    page.wait_for_url("**/rosenbrock?**")
    page.wait_for_selector(LAB, timeout=60_000)
    asked = query(page)
    assert tuple(map(float, asked["start"].split(","))) == pytest.approx(start, abs=0.02)
    assert asked["m"] == ["bfgs", "kbfgs"][i]
    assert asked["seed"] == "2"
    assert last_step(page) == steps
    whole(page)


def test_the_picture_is_the_right_way_up(app_url: str, page: Any) -> None:
    """SGD with this step diverges from far below the valley and not from within it."""
    opened(page, f"{app_url}/basins")
    followed(page)
    for (x, y), text in (((-1.9, -0.9), "diverged"), ((1.0, 0.9), "within 0.05")):
        page.mouse.move(*place(page, 1, x, y, (-2, 2, -1, 3)))
        tip = page.locator(".qnviz-map-tip").nth(1)
        tip.wait_for()
        assert text in tip.inner_text()
    whole(page)


def test_the_keyboard_walks_upwards_with_the_up_arrow(app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/basins?points=9&steps=30")
    followed(page)
    page.locator("[data-map='0']").focus()
    page.keyboard.press("ArrowUp")
    tip = page.locator(".qnviz-map-tip").first
    before = numbers(tip.inner_text())
    for key in ("ArrowUp", "ArrowUp", "ArrowRight"):
        page.keyboard.press(key)
    after = numbers(tip.inner_text())
    assert after[1] > before[1]
    assert after[0] > before[0]
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Open this run of BFGS").click()
    page.wait_for_url("**/rosenbrock?**")
    page.wait_for_selector(LAB, timeout=60_000)
    start = tuple(map(float, query(page)["start"].split(",")))
    assert start == pytest.approx(after, abs=0.01)


@pytest.mark.parametrize("asked", [
    "points=1", "x_from=2&x_to=-2&points=5&steps=9", "x_from=1&x_to=1&points=5&steps=9",
    "x_from=-10&x_to=-9&a=sgd&points=5"])
def test_degenerate_links_do_something_sensible(asked: str, app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/basins?{asked}")
    complete(page)
    whole(page)
