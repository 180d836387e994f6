"""The methods page in a real browser: from the index to a method, to the run in which it fails."""

from __future__ import annotations

from typing import Any

from tests.browser.navigation import UNFORESEEN, query
from tests.browser.test_pages import READY


def test_from_the_overview_to_a_failing_run_and_back(app_url: str, page: Any) -> None:
    page.goto(f"{app_url}/methods")
    page.get_by_text("at a glance").wait_for(timeout=60_000)
    page.locator(".st-key-methods-table").get_by_role("link", name="K-BFGS(L)").press("Enter")
    page.wait_for_function("location.search === '?of=kbfgs_l'")
    page.get_by_role("heading", name="K-BFGS(L)", exact=True).wait_for()
    page.locator(".js-plotly-plot").wait_for()
    for name, address in (("Adam", "?of=adam"), ("All methods", "")):
        page.get_by_role("link", name=name, exact=True).first.click()
        page.wait_for_function("address => location.search === address", arg=address)
    page.get_by_text("at a glance").wait_for()
    for heading in ("Adam", "K-BFGS(L)"):
        page.go_back()
        page.get_by_role("heading", name=heading).wait_for()
    page.get_by_role("link", name="See it diverge").click()
    page.wait_for_url("**/rosenbrock?**")
    page.wait_for_selector(READY, timeout=60_000)
    assert query(page)["kbfgs_l.memory"] == "1"
    page.go_back()
    page.get_by_role("heading", name="K-BFGS(L)", exact=True).wait_for()
    page.get_by_role("button", name="Measure its time here").click()
    page.get_by_text("a step of SGD").wait_for(timeout=60_000)
    page.get_by_role("link", name="See it diverge").click()
    page.wait_for_selector(READY, timeout=60_000)
    page.keyboard.press("End")
    page.get_by_text("Diverged at step").first.wait_for()
    page.goto(f"{app_url}/methods?of=nobody")
    page.locator(".stAlert", has_text="of is 'nobody'").wait_for()
    assert page.locator(UNFORESEEN).count() == 0
