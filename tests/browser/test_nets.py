"""The pages of the nets in a real browser: long runs that grow, choices, a visitor's own data."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.browser.navigation import UNFORESEEN, query
from tests.browser.test_pages import READY, data_id, frame, opened, until_changed

LIVE = ".st-key-live"
LONG = "m=kbfgs,kbfgs_l,kfac&steps=3000&widths=64-48-24-6-24-48-64"          # tens of seconds
LONGER = LONG.replace("kfac", "kfac,curveball,adam,sgd")      # minutes


def told(page: Any) -> str:
    return page.locator(f"{LIVE} [data-testid=stProgress]").inner_text()


def player_is(page: Any) -> None:
    """Mark the player's element, to see that it stays the same one."""
    page.evaluate("document.querySelector('[data-qnviz-player]').mark = 1")


def same_player(page: Any) -> bool:
    return page.evaluate("document.querySelector('[data-qnviz-player]').mark === 1")


def growing(page: Any, app_url: str, run: str = LONG) -> Any:
    page.goto(f"{app_url}/autoencoder?{run}&seed={time.time_ns() % 10**6}")
    page.wait_for_selector(LIVE, timeout=60_000)
    page.wait_for_selector(READY, timeout=60_000)
    return page


def test_a_long_run_grows_in_place(app_url: str, page: Any) -> None:
    growing(page, app_url)
    player_is(page)
    seen = [data_id(page)]
    for _ in range(3):
        until_changed(page, seen[-1])
        seen.append(data_id(page))
    assert len(set(seen)) == 4
    assert same_player(page)
    assert "3000 steps × 3 methods" in told(page)
    assert page.locator(UNFORESEEN).count() == 0
    assert page.errors == []


def test_pause_and_stop_keep_what_was_computed(app_url: str, page: Any) -> None:
    growing(page, app_url)
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Resume").wait_for()
    seen = [told(page)]
    for _ in range(30):                          # the chunk under way is finished first
        page.wait_for_timeout(1000)
        seen.append(told(page))
        if seen[-4:] == [seen[-1]] * 4:
            break
    assert seen[-1].startswith("Paused at")
    assert len(set(seen[-4:])) == 1, seen        # it stands still for three seconds
    assert " 100%" not in seen[-1]
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Pause").wait_for()
    page.get_by_role("button", name="Stop").click()
    page.wait_for_selector(LIVE, state="detached", timeout=20_000)
    page.get_by_text("stopped by you").wait_for()
    assert page.locator("[data-panel=loss] .plot-container").count() == 1
    steps = int(page.get_attribute("[data-qnviz-player] input[type=range]", "max"))
    assert 0 < steps < 3000
    page.get_by_role("tab", name="Numbers").wait_for()                # its numbers are there too
    page.get_by_role("button", name="Run again").click()
    page.wait_for_selector(LIVE, timeout=20_000)


def test_a_changed_control_ends_a_long_run_at_once(app_url: str, page: Any) -> None:
    growing(page, app_url, LONGER)
    page.get_by_role("button", name="More").click()
    steps = page.get_by_role("spinbutton", name="steps")
    steps.fill("10")
    steps.press("Enter")
    page.wait_for_function("document.querySelector('[data-qnviz-player] input[type=range]')?.max"
                           " === '10'", timeout=60_000)       # the long one would take minutes
    page.wait_for_selector(LIVE, state="detached", timeout=60_000)
    assert query(page)["steps"] == "10"


def test_layers_losses_and_steps_are_chosen_without_the_server(app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/autoencoder?step=0")
    panel = page.locator(".qnviz-panel", has=page.locator("[data-panel=eig]"))
    first = panel.locator(".qnviz-title").inner_text()
    shown = data_id(page)
    panel.locator("select").select_option("layer 3")
    page.wait_for_function("old => document.querySelector('[data-panel=eig]').parentElement"
                           ".querySelector('.qnviz-title').innerText !== old", arg=first)
    assert data_id(page) == shown
    loss = page.locator(".qnviz-panel", has=page.locator("[data-panel=loss]"))
    options = loss.locator("select option").all_inner_texts()
    assert options == ["training loss", "held-out loss", "squared error per held-out image"]

    def picture() -> bytes:
        return page.locator("[data-panel=reconstructions]").screenshot()

    start = picture()                          # the strip follows the playhead
    page.keyboard.press("End")
    page.wait_for_timeout(300)
    assert frame(page) == 300
    assert picture() != start
    assert page.errors == []


@pytest.mark.xdist_group("own")
def test_own_images_are_checked_taken_and_run(own: tuple[str, Path], page: Any,
                                              tmp_path: Path) -> None:
    opened(page, f"{own[0]}/autoencoder?m=adam&steps=5")
    bad, good = tmp_path / "bad.npy", tmp_path / "mine.npy"
    np.save(bad, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.save(good, np.random.default_rng(0).integers(0, 255, (60, 6, 6)).astype(np.uint8))
    page.get_by_role("button", name="Your data").click()
    page.set_input_files("[data-testid=stFileUploader] input", bad)
    page.locator(".stAlert", has_text="bad.npy").wait_for(timeout=20_000)
    assert "pickle" in page.locator(".stAlert").first.inner_text()
    before = data_id(page)
    page.set_input_files("[data-testid=stFileUploader] input", good)
    page.locator(".stAlert", has_text="only").wait_for(timeout=20_000)     # 48 images, batch 256
    assert query(page)["data"] == "file:mine.npy"
    page.goto(page.url + "&batch=16")
    until_changed(page, before)
    page.wait_for_selector(READY)
    assert page.locator(".stAlert").count() == 0


def test_the_plane_can_be_laid_through_two_ends(app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/linear_net?m=curveball,adam&steps=60")
    before = page.locator("[data-panel=path]").get_attribute("aria-label")
    opened(page, f"{app_url}/linear_net?m=curveball,adam&steps=60&ends=curveball,adam")
    after = page.locator("[data-panel=path]").get_attribute("aria-label")
    assert "of their variance" in before
    assert after != before
    assert query(page)["ends"] == "curveball,adam"


def test_the_hessians_spectrum_is_drawn_when_asked_for(app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/linear_net?m=curveball,adam&steps=60")
    page.get_by_role("tab", name="Hessian spectrum").click()
    page.get_by_text("of 96,").wait_for(timeout=30_000)
    page.locator("[data-testid=stPlotlyChart] .plot-container").wait_for(timeout=30_000)
    assert page.errors == []


@pytest.mark.xdist_group("own")
def test_files_that_were_dropped_together_are_read_as_their_owner_says(
        own: tuple[str, Path], page: Any, tmp_path: Path) -> None:
    opened(page, f"{own[0]}/autoencoder?m=adam&steps=5&batch=16")
    train, test = tmp_path / "X_train.npy", tmp_path / "X_test.npy"
    x = np.random.default_rng(0).integers(0, 49, (90, 6, 6)).astype(np.uint8)
    np.save(train, x[:60])
    np.save(test, x[60:])
    page.get_by_role("button", name="Your data").click()
    page.set_input_files("[data-testid=stFileUploader] input", [train, test])
    page.locator(".stAlert", has_text="which value is white").first.wait_for(timeout=20_000)
    assert query(page)["data"] == "file:X.npz"
    white = page.get_by_label("white", exact=True)
    white.fill("48")
    white.press("Enter")
    strip = page.get_by_alt_text("Images of X.npz, as they are read")
    strip.wait_for(timeout=20_000)
    assert query(page)["white"] == "48"
    assert page.get_by_text("48 is white, as chosen").count() == 1
    page.wait_for_selector(READY)
    assert page.locator(".stAlert").count() == 0
    page.get_by_role("combobox", name="data").click()          # what was chosen was for that file
    page.get_by_role("option", name="digits", exact=True).click()
    strip.wait_for(state="detached", timeout=20_000)
    page.wait_for_function("!location.search.includes('white')")
    page.wait_for_selector(READY)
    assert "white" not in query(page)
    assert page.locator(".stAlert").count() == 0
    assert page.errors == []
