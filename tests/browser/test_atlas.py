"""The atlas in a real browser: what it opens with, how it grows, and where a cell leads."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.browser.navigation import framed, query, resized, whole

READY = "[data-qnviz-map][data-ready='true']"
LAB = "[data-qnviz-player][data-ready='true']"
ONE = "x_from=0.3&x_to=0.3&y_from=0.1&y_to=0.1&seeds=1"        # a map of one cell


def opened(page: Any, url: str) -> Any:
    page.goto(url)
    page.wait_for_selector(READY, timeout=60_000)
    return page


def complete(page: Any) -> None:
    """Wait until nothing is computed any more."""
    page.wait_for_selector(READY, timeout=60_000)
    page.wait_for_function("document.querySelectorAll('.qnviz-map').length > 0"
                           " && !document.querySelector('.st-key-live')"
                           " && [...document.querySelectorAll('.qnviz-map-words')]"
                           ".every(p => !p.textContent.includes('so far'))", timeout=120_000)
    # and the page is whole: the script's run that drew the last cells has ended
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]",
                           timeout=60_000)


def followed(page: Any) -> None:
    """Wait until the browser has computed all maps that it can."""
    complete(page)
    page.wait_for_function("[...document.querySelectorAll('[data-map]')]"
                           ".every(figure => figure.dataset.live !== 'growing')"
                           " && document.querySelector('[data-live=whole]')", timeout=60_000)


def words(page: Any, i: int = 0) -> str:
    return page.locator(".qnviz-map-words").nth(i).inner_text()


def map_id(page: Any) -> str:
    return page.get_attribute("[data-qnviz-map]", "data-id")


def until_other(page: Any, old: str) -> None:
    page.wait_for_function("old => document.querySelector('[data-qnviz-map]').dataset.id !== old",
                           arg=old, timeout=60_000)


def last_step(page: Any) -> int:
    """How many steps the run in the lab took."""
    page.wait_for_selector(LAB, timeout=60_000)
    return int(page.locator("[data-qnviz-player] input[type=range]").get_attribute("max"))


def test_a_deep_link_is_a_fresh_servers_first_request(
        serve_fresh: Callable[[str], str], new_page: Callable[..., Any]) -> None:
    page = opened(new_page(), f"{serve_fresh('app.py')}/atlas?points=4&seeds=1&b=sgd&steps=50")
    complete(page)
    assert "K-BFGS, double damping" in page.locator(".qnviz-map-title").first.inner_text()
    assert "SGD" in page.locator(".qnviz-map-title").nth(1).inner_text()
    assert framed(page)
    whole(page)


def on_one_screen(page: Any) -> None:
    """In both sizes the maps, their words and the legend are seen without scrolling."""
    for width, height in ((1920, 1080), (1280, 800)):
        resized(page, width, height)
        for name in (".qnviz-map-figure", ".qnviz-map-words", ".qnviz-map-legend"):
            for box in (e.bounding_box() for e in page.locator(name).all()):
                assert box["y"] > 0
                assert box["y"] + box["height"] <= height
        whole(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_opens_complete_on_one_screen(scheme: str, app_url: str,
                                      new_page: Callable[..., Any]) -> None:
    """The shipped maps, their words and the legend are there at once, and nothing is computed."""
    page = opened(new_page(color_scheme=scheme), f"{app_url}/atlas")
    assert page.locator(".st-key-live").count() == 0
    on_one_screen(page)
    assert page.locator(".qnviz-map-figure canvas").count() >= 2
    assert re.search(r"reaches the target on \d+ % of its map",
                     page.locator(".qnviz-map-headline").inner_text())
    assert "Best at λ = " in words(page)
    assert query(page) == {}


def test_arrow_keys_choose_a_cell_and_enter_keeps_its_run(app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/atlas")
    followed(page)
    figure = page.locator("[data-map='0']")
    figure.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowDown")
    tip = page.locator(".qnviz-map-tip").first
    tip.wait_for()
    before = tip.inner_text()
    page.keyboard.press("ArrowUp")
    assert tip.inner_text() != before
    page.keyboard.press("ArrowDown")
    assert tip.inner_text() == before
    assert before.splitlines()[0] in page.locator(".qnviz-map-live").inner_text()
    assert page.locator(".qnviz-map-tip").nth(1).inner_text().startswith(before.splitlines()[0])
    assert before.splitlines()[0] == page.locator(
        ".qnviz-map-inspector .qnviz-map-title").inner_text()
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Open this run of K-BFGS, double damping").click()
    page.wait_for_url("**/rosenbrock?**")
    page.wait_for_selector(LAB, timeout=60_000)
    asked = query(page)
    lam, lr = re.findall(r"= ([\d.e-]+)", before.splitlines()[0])
    assert float(asked["kbfgs.lam"]) == pytest.approx(float(lam), rel=0.05)
    assert float(asked["kbfgs.lr"]) == pytest.approx(float(lr), rel=0.05)
    page.go_back()
    page.wait_for_selector(READY, timeout=60_000)
    assert urlsplit(page.url).path == "/atlas"
    assert float(query(page)["open"].split(",")[1]) == pytest.approx(float(lam), rel=0.05)
    whole(page)


def test_the_lab_shows_the_cells_own_run(app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/atlas?{ONE}&seed=4")
    followed(page)
    figure = page.locator("[data-map='0']")
    figure.hover()
    told = page.locator(".qnviz-map-tip").first.inner_text()
    steps = int(re.search(r"steps to the target: (\d+)", told)[1])
    loss = re.search(r"loss at the end: ([\d.e−]+)", told)[1]
    end = page.locator(".qnviz-map-end")
    assert end.inner_text() == f"Converged: {steps} steps, loss {loss}"
    figure.click()
    page.get_by_role("link", name="Open this run").click()
    page.wait_for_url("**/rosenbrock?**")
    assert last_step(page) == steps
    title = page.locator("[data-qnviz-player] .qnviz-title").first.inner_text()
    assert title.endswith(loss)
    assert query(page)["seed"] == "4"
    whole(page)


def test_the_best_run_is_one_link_away(app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/atlas?points=4&seeds=1&noise=0&steps=200&y_from=0.05&y_to=0.1")
    complete(page)
    steps = int(re.search(r": (\d+) steps to the target", words(page))[1])
    page.get_by_role("link", name="Open the best run of K-BFGS, double damping").click()
    page.wait_for_url("**/rosenbrock?**")
    assert last_step(page) == pytest.approx(steps, abs=1)
    whole(page)


def test_maps_grow_in_place_and_can_be_stopped(app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/atlas")
    page.evaluate("document.querySelector('[data-qnviz-map]').marked = true")
    page.get_by_role("button", name=re.compile("24 × 24")).click()
    points = page.get_by_role("spinbutton", name="points")
    points.fill("64")
    points.press("Enter")
    page.locator(".st-key-live").wait_for(timeout=60_000)
    page.wait_for_function("[...document.querySelectorAll('.qnviz-map-words')]"
                           ".some(p => p.textContent.includes('computed so far'))", timeout=60_000)
    assert re.search(r"% of the runs|queue", page.locator(".st-key-live").inner_text())
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Go on computing").wait_for(timeout=30_000)
    page.locator(".st-key-live").wait_for(state="detached")    # as the script's run ends
    assert "computed so far" in words(page)
    assert query(page) == {"points": "64"}
    assert page.evaluate("document.querySelector('[data-qnviz-map]').marked")
    whole(page)


def test_a_changed_control_is_a_new_map_in_the_same_place(app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/atlas?points=6&seeds=1&steps=60")
    complete(page)
    page.evaluate("document.querySelector('[data-qnviz-map]').marked = true")
    old = map_id(page)
    noise = page.get_by_role("textbox", name="s noise, typed")
    noise.fill("2")
    noise.press("Enter")
    until_other(page, old)
    complete(page)
    page.wait_for_function("location.search.includes('noise=2')")
    assert page.evaluate("document.querySelector('[data-qnviz-map]').marked")
    whole(page)


def test_presets_and_methods_bring_their_own_axes(app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/atlas?points=5&seeds=1&steps=40&x=mu1")
    complete(page)
    old = map_id(page)
    page.get_by_role("combobox", name=re.compile("left map")).click()
    page.get_by_role("option", name="CurveBall", exact=True).click()
    until_other(page, old)
    complete(page)
    page.wait_for_function("location.search.includes('a=curveball')")
    assert "x" not in query(page)
    assert page.get_by_role("button", name=re.compile("seed by seed")).count()
    whole(page)


@pytest.mark.parametrize(("asked", "said"), [
    ("points=1&seeds=1&steps=20", None), (f"{ONE}&steps=20", "so that axis has one point"),
    ("x_from=0.5&x_to=0.1&points=3&seeds=1&steps=20", None),
    ("y_from=5&y_to=10&points=3&seeds=1&noise=3", None),
    ("a=levenberg_marquardt&problem=autoencoder&b=sgd&points=2&seeds=1&steps=2", "cannot run")])
def test_degenerate_links_do_something_sensible(asked: str, said: str | None, app_url: str,
                                                page: Any) -> None:
    page.goto(f"{app_url}/atlas?{asked}")
    if said:
        page.locator("[data-testid=stAlert]").filter(has_text=said).first.wait_for(timeout=60_000)
    complete(page)
    assert page.locator(".qnviz-map-complaint").is_hidden()
    whole(page)
