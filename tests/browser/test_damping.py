"""The double-damping page in a real browser: drag, click an event, fork, and find it all again."""

from __future__ import annotations

from typing import Any

import numpy as np

from qnviz.figures.race import RaceView
from qnviz.figures.race.raster import raster_rows
from qnviz.runs.loop import run
from qnviz.ui.labs.damping import LABS
from tests.browser.navigation import UNFORESEEN, query
from tests.browser.test_pages import data_id, frame, opened

RASTER = "[data-panel=raster]"


def click_cell(page: Any, row: int, rows: int, step: int) -> None:
    """Click the raster where a row and a step cross."""
    page.locator(RASTER).scroll_into_view_if_needed()
    x, y = page.evaluate("""([row, step]) => {
        const plot = document.querySelector('[data-panel=raster] .js-plotly-plot');
        const {xaxis, yaxis} = plot._fullLayout, box = plot.getBoundingClientRect();
        return [box.x + xaxis._offset + xaxis.d2p(step), box.y + yaxis._offset + yaxis.d2p(row)];
    }""", [row, step])
    page.mouse.click(x, y)


def test_a_click_on_an_event_opens_that_update(app_url: str, page: Any) -> None:
    spec = LABS["rosenbrock"].spec()
    assert spec is not None
    trace = run(spec)
    rows = raster_rows(RaceView(trace))
    j = next(j for j, r in enumerate(rows) if r.owner.label == "K-BFGS (powell)")
    theta1 = trace[rows[j].owner.label]["theta1"][:, 0, 0]
    step = 1 + int(np.flatnonzero(theta1 < 1)[-1])
    opened(page, f"{app_url}/damping?step=0")
    shown = data_id(page)
    click_cell(page, j, len(rows), step)
    page.wait_for_function("location.search.includes('of=')")
    assert query(page)["of"] == f"{rows[j].entrant + 1},1,{step}"
    page.wait_for_function(f"location.search.includes('step={step}')")
    page.wait_for_function(f"+document.querySelector('[data-qnviz-player]').dataset.frame"
                           f" === {step}")
    assert data_id(page) == shown                            # nothing was computed or drawn anew
    page.get_by_text(f"Layer 1 at step {step}").wait_for()
    # the plane says what the run recorded
    readout = page.locator("[data-qnviz-pair]").inner_text()
    assert f"θ₁ = {theta1[step - 1]:.3g}" in readout
    page.get_by_text(f"K-BFGS (powell), layer 1, step {step}.").wait_for()
    page.wait_for_function("""() => {
        const box = document.querySelector('[data-qnviz-pair]').getBoundingClientRect();
        return box.top >= 0 && box.bottom <= innerHeight }""")       # it came into sight
    assert page.locator(UNFORESEEN).count() == 0


def test_a_dragged_pair_is_in_the_address(app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/damping?of=1,1,20&step=20")
    page.get_by_text("Layer 1 at step 20").wait_for()
    page.get_by_role("button", name="Huge y").click()
    page.wait_for_function("location.search.includes('y=')")
    assert "of" not in query(page)
    assert query(page)["y"] == "2.6,2.2"
    again = page.context.new_page()
    opened(again, page.url)
    again.locator("[data-qnviz-pair]").wait_for()
    tables = [p.locator("[data-qnviz-pair] table").all_inner_texts() for p in (page, again)]
    assert tables[0] == tables[1] != []


def test_a_fork_draws_two_futures_and_can_be_closed(app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/damping?step=40")
    page.get_by_role("button", name="Fork at step 40").click()
    page.get_by_role("button", name="Fork", exact=True).click()
    page.wait_for_function("location.search.includes('fork.step=')")
    assert query(page) == {"step": "40", "fork.of": "kbfgs", "fork.step": "40",
                           "fork.damping": "none"}
    page.keyboard.press("Escape")
    page.wait_for_function("document.querySelectorAll(\"[data-qnviz-player][data-ready='true']\")"
                           ".length === 2", timeout=60_000)
    page.get_by_text("Two futures from step 40").wait_for()
    second = page.locator("[data-qnviz-player]").nth(1)
    assert second.locator(".qnviz-chip").all_inner_texts() == ["double, as before",
                                                               "from 40: none"]
    assert second.get_attribute("data-frame") == "40"
    assert frame(page) == 40
    page.get_by_role("button", name="Close the fork").click()
    page.wait_for_function("!location.search.includes('fork.')")
    page.wait_for_function("document.querySelectorAll('[data-qnviz-player]').length === 1")
    assert page.locator(UNFORESEEN).count() == 0


def test_the_problem_can_be_changed_and_is_kept(app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/damping?seed=4&step=3")
    old = data_id(page)
    page.get_by_role("combobox", name="problem").click()
    page.get_by_role("option", name="linear net").click()
    page.wait_for_function("location.search.includes('on=linear_net')")
    page.wait_for_function("old => { const p = document.querySelector('[data-qnviz-player]');"
                           " return p?.dataset.ready === 'true' && p.dataset.id !== old }",
                           arg=old, timeout=60_000)
    assert "seed" not in query(page)
    page.get_by_role("combobox", name="problem").click()
    page.get_by_role("option", name="rosenbrock").click()
    page.wait_for_function("location.search.includes('seed=4')")       # as it was left
    assert "on" not in query(page)
    assert page.locator(UNFORESEEN).count() == 0
