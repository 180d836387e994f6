"""The pages in a real browser: what a visitor sees, clicks and types."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.browser.navigation import follows_the_light, framed, go, query, whole

READY = "[data-qnviz-player][data-ready='true']"
PAGES = sorted(p.stem for p in (Path(__file__).parents[2] / "pages").glob("*.py"))
AT_REST = "document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'"
FEW = {"damping": 3, "krylov": 1}          # entrants of pages that are not about many


def opened(page: Any, url: str) -> Any:
    page.goto(url)
    page.wait_for_selector(READY, timeout=60_000)
    return page


def frame(page: Any) -> int:
    return int(page.get_attribute("[data-qnviz-player]", "data-frame"))


def data_id(page: Any) -> str:
    return page.get_attribute("[data-qnviz-player]", "data-id")


def until_changed(page: Any, old: str) -> None:
    page.wait_for_function(
        "old => { const p = document.querySelector('[data-qnviz-player]');"
        " return p && p.dataset.ready === 'true' && p.dataset.id !== old }", arg=old,
        timeout=30_000)


def test_deep_link_is_a_fresh_servers_first_request(
        serve_fresh: Callable[[str], str], page: Any) -> None:
    """Neither the page without its frame nor "Page not found": the state of the link, at once."""
    opened(page, f"{serve_fresh('app.py')}/rosenbrock?seed=3&m=curveball,adam&steps=40&step=7")
    # a run that is still growing shows the link's step as soon as it is there, and stays at it
    page.wait_for_selector("[data-qnviz-player][data-frame='7']")
    assert page.locator(".qnviz-chip").all_inner_texts() == ["CurveBall", "Adam"]
    assert query(page) == {"seed": "3", "m": "curveball,adam", "steps": "40", "step": "7"}
    assert framed(page)
    assert page.errors == []


@pytest.mark.parametrize("name", ["", "autoencoder", "damping", "krylov"])
def test_opens_alive(name: str, app_url: str, new_page: Callable[..., Any]) -> None:
    """A finished race is there, playing, without an error, and nothing scrolls sideways."""
    page = opened(new_page(reduced_motion="no-preference"), f"{app_url}/{name}")
    first = frame(page)
    page.wait_for_function(
        f"+document.querySelector('[data-qnviz-player]').dataset.frame > {first}")
    assert page.locator(".qnviz-chip").count() >= FEW.get(name, 5)
    assert page.locator("[role=img][aria-label]").count() >= 4
    whole(page)


def test_fits_one_screen_plays_and_scrubs_by_keyboard_and_mouse(app_url: str, page: Any) -> None:
    """Three panels and the playhead are seen at once; what it shows is in the address."""
    opened(page, f"{app_url}/?step=100")
    bar = page.locator("[data-qnviz-player] input[type=range]").bounding_box()
    assert bar["y"] + bar["height"] < 800
    for id in ("path", "eig", "krylov"):
        box = page.locator(f"[data-panel={id}]").bounding_box()
        assert box["y"] > 0
        assert box["y"] + box["height"] <= 800
    assert frame(page) == 100
    page.keyboard.press("ArrowRight")
    assert frame(page) == 101
    page.keyboard.press("Shift+ArrowLeft")
    assert frame(page) == 91
    page.keyboard.press("Home")
    assert frame(page) == 0
    page.keyboard.press("Space")
    page.wait_for_function("+document.querySelector('[data-qnviz-player]').dataset.frame > 3")
    page.keyboard.press("Space")
    slider = page.locator("[data-qnviz-player] input[type=range]")
    box = slider.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert abs(frame(page) - 150) <= 2
    # what came to rest is in the address, for a link to exactly this step
    page.wait_for_function(f"location.search.includes('step={frame(page)}')")
    # a click in the plane is a new start
    old = data_id(page)
    box = page.locator("[data-panel=path] .nsewdrag").first.bounding_box()
    page.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + 0.25 * box["height"])
    until_changed(page, old)
    page.wait_for_function("location.search.includes('start=')")
    x, y = map(float, query(page)["start"].split(","))
    assert abs(x - -1) < 0.05
    assert abs(y - 2) < 0.05
    shown = page.get_by_role("spinbutton", name="start").first.input_value()
    assert float(shown) == pytest.approx(x, abs=1e-3)


def test_changed_control_reruns_in_place(app_url: str, page: Any) -> None:
    """Same element, same playhead; the address follows."""
    opened(page, f"{app_url}/?step=40")
    page.evaluate("document.querySelector('[data-qnviz-player]').mark = 1")
    old = data_id(page)
    seed = page.get_by_role("spinbutton", name="seed")
    seed.fill("5")
    seed.press("Enter")
    page.wait_for_function("location.search.includes('seed=5')")
    page.get_by_text("work", exact=True).first.click()
    until_changed(page, old)
    page.wait_for_function("location.search.includes('axis=work')")
    assert page.evaluate("document.querySelector('[data-qnviz-player]').mark") == 1
    assert query(page)["step"] == "40"
    # the room turns dark, and the pictures with it
    follows_the_light(page, "[data-panel=loss] .js-plotly-plot")
    assert page.errors == []


def test_settings_stay_open_while_they_are_tuned(app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/rosenbrock?step=3")
    old = data_id(page)
    page.get_by_role("button", name="Settings of CurveBall").click()
    slider = page.get_by_role("slider", name="λ₀ lam")
    slider.focus()
    slider.press("ArrowRight")
    until_changed(page, old)
    assert query(page)["curveball.lam"] == "2"
    assert slider.is_visible()
    assert frame(page) == 3                    # the arrow belonged to the slider


def test_settings_that_open_late_show_the_run_and_change_nothing(app_url: str, page: Any) -> None:
    """After other changes, and after a preset that was chosen while they were closed."""
    def lr() -> str:
        page.wait_for_function(AT_REST)        # settings come with the pictures of their run
        page.get_by_role("button", name="Settings of K-BFGS").first.press("Enter")
        slider = page.get_by_role("slider", name="α lr")
        slider.wait_for()
        value = slider.get_attribute("aria-valuetext")
        slider.press("Escape")
        slider.wait_for(state="detached")
        return value

    def seed(value: str, rest: dict[str, str]) -> None:
        box = page.get_by_role("spinbutton", name="seed")
        box.fill(value)
        box.press("Enter")
        page.wait_for_function(f"location.search.includes('seed={value}')")
        assert query(page) == {"seed": value} | rest

    there = {"m": "kbfgs,adam", "kbfgs.lr": "0.2", "step": "3"}
    opened(page, f"{app_url}/rosenbrock?m=kbfgs,adam&kbfgs.lr=0.2&step=3")
    seed("1", there)
    assert lr() == "0.2"
    seed("2", there)
    page.get_by_role("button", name="Presets").click()
    page.get_by_role("button", name="From the classic start").click()
    page.wait_for_function("location.search.includes('start=')")
    page.keyboard.press("Escape")
    # the address is written before the controls are redrawn; what is typed before that is lost
    page.wait_for_function("document.querySelector('input[aria-label=seed]').value === '0'")
    preset = query(page)
    assert "kbfgs.lr" not in preset
    seed("3", preset)
    assert lr() == "0.1"
    seed("4", preset)


def test_twins_are_told_apart_and_can_leave(app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/?m=kbfgs,kbfgs~2&kbfgs~2.damping=none&step=5")
    assert page.locator(".qnviz-chip").all_inner_texts() == ["K-BFGS (double)", "K-BFGS (none)"]
    old = data_id(page)
    page.get_by_role("button", name="Settings of K-BFGS (none)").click()
    page.get_by_role("button", name="Remove K-BFGS (none)").click()
    until_changed(page, old)
    assert page.locator(".qnviz-chip").all_inner_texts() == ["K-BFGS"]


def test_divergence_says_what_and_where(app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/?m=sgd,adam&sgd.lr=0.1&step=300")
    row = page.locator(".qnviz-words").filter(has_text="SGD")
    page.wait_for_function("document.querySelector('[data-qnviz-player]').innerText"
                           ".includes('Diverged at step')")
    text = row.inner_text()
    assert re.search(r"Diverged at step \d+: the loss was \d\.\de\d+ one step earlier", text)
    assert page.errors == []


def test_bad_link_gets_sentences_and_a_living_page(app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/?noise=abc&kbfgs.lam=1&m=kbfgs,nope,adam&steps=99999999&seed=-1"
                 "&start=1,nan&axis=time&step=x&foo=1&adam.lr=<img src=x onerror=alert(1)>")
    shown = page.locator(".st-key-faults").inner_text()
    for part in ("noise is 'abc', but must be a number",
                 "kbfgs.lam is '1', but must be less than 1",
                 "unknown method 'nope'", "steps is 99999999, but a page takes at most 3000",
                 "seed is '-1', but must be at least 0", "start[1] is 'nan'", "axis is 'time'",
                 "step is 'x'", "'foo' is not known here", "adam.lr is '<img src=x"):
        assert part in shown
    assert page.locator(".qnviz-chip").all_inner_texts() == ["K-BFGS", "Adam"]
    assert page.locator(".st-key-faults img").count() == 0
    assert page.errors == []


def test_tabs_give_the_run_and_its_code(app_url: str, page: Any, tmp_path: Path) -> None:
    from qnviz.runs.spec import parse
    from qnviz.runs.trace import Trace

    opened(page, f"{app_url}/?m=kbfgs,adam&steps=50&step=0")
    page.get_by_role("tab", name="Export").click()
    saved = {}
    for name, file in (("Spec (JSON)", "spec.json"), ("Trace (.npz)", "run.npz"),
                       ("CSV", "run.csv")):
        with page.expect_download() as wait:
            page.get_by_role("button", name=name, exact=True).click()
        saved[file] = tmp_path / file
        wait.value.save_as(saved[file])
    spec = parse(json.loads(saved["spec.json"].read_text()))
    trace = Trace.load(saved["run.npz"])
    assert trace.key == spec.key()
    with saved["run.csv"].open(newline="") as table:
        rows = [row for row in csv.DictReader(table) if row["method"] == "Adam"]
    assert len(rows) == 51
    assert float(rows[-1]["loss"]) == pytest.approx(trace["Adam"]["loss"][-1, 0], rel=1e-12)
    assert np.isfinite(trace["K-BFGS"]["loss"]).all()
    # another tab has the code that ran
    page.get_by_role("tab", name="Equations and code").click()
    source = (Path(__file__).parents[2] / "qnviz/methods/kbfgs.py").read_text()
    shown = page.locator("[data-testid=stCode]").first
    shown.wait_for()
    assert source.splitlines()[0][3:60] in shown.inner_text()


def test_coming_back_to_a_page_finds_it_as_it_was_left(app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/?m=adam,sgd&seed=3&step=9")
    go(page, "Rosenbrock")
    page.wait_for_function("document.querySelectorAll('.qnviz-chip').length === 5")
    go(page, "Race")
    page.wait_for_function("document.querySelectorAll('.qnviz-chip').length === 2")
    page.wait_for_function("location.search.includes('seed=3')")
    assert query(page) == {"m": "adam,sgd", "seed": "3", "step": "9"}


def test_changed_control_interrupts_a_run(app_url: str, page: Any) -> None:
    """The long run is left where it is, and the new one is drawn."""
    everyone = "kbfgs,kbfgs_l,kbfgs~2,kbfgs_l~2,kbfgs~3,kbfgs_l~3,newton_krylov,adam"
    opened(page, f"{app_url}/?m={everyone}&noise=3&stop=0&step=0")       # nobody arrives early
    old = data_id(page)
    page.get_by_role("button", name="More").click()
    steps = page.get_by_role("spinbutton", name="steps")
    steps.fill("3000")                         # some ten seconds of computing
    steps.press("Enter")
    page.get_by_text("of 3000 steps").wait_for(timeout=30_000)
    until_changed(page, old)                   # it grows
    steps.fill("20")
    steps.press("Enter")
    page.wait_for_function("document.querySelector('[data-qnviz-player] input[type=range]').max"
                           " === '20'", timeout=30_000)
    page.wait_for_selector(".st-key-live", state="detached")
    assert page.locator("[data-qnviz-player] input[type=range]").get_attribute("max") == "20"
    assert query(page)["steps"] == "20"
