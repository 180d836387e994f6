"""Accessibility: what axe finds on every page, what keys reach, what 200 % does to a page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT

from tests.browser.navigation import go
from tests.browser.test_pages import PAGES

LESSON = "lessons?of=why-curvature"
TITLES = {name: name.replace("_", " ").capitalize() for name in PAGES if name != "race"} | {
    "function": "Your function", "open": "Open a run", "damping": "Double damping"}
STATES = ["", *TITLES, f"{LESSON}&at=1", f"{LESSON}&at=2&present=1",
          "function?f=x^2%2By2&step=0", "?m=nobody&noise=abc&step=0"]
# the script is done, every picture is drawn, and something is there
SETTLED = """() => {
  const app = document.querySelector('[data-testid=stApp]');
  return app?.dataset.testScriptState === 'notRunning'
    && !document.querySelector('[data-ready=false], [data-testid=stSkeleton], [data-qnviz-later]')
    && document.querySelector('[data-testid=stMain]').textContent.length > 20;
}"""
# What a picture is made of is nobody's to read: it has role=img and words of its own.
PICTURES = [".qnviz-plot", ".stPlotlyChart svg"]
# Streamlit's own markup, by rule and place, which no page can change: a wide formula, and code of a
# given height, scroll in themselves. Chromium and Firefox give such boxes to the Tab key.
EXCUSED = [["scrollable-region-focusable", ".katex-display"],
           ["scrollable-region-focusable", "[data-testid=stCode] pre"]]
AXE = """async ([rules, pictures, excused]) => {
  const found = await axe.run({exclude: pictures.map((place) => [place])},
    {resultTypes: ['violations'], runOnly: rules});
  const ours = (rule, target) => !excused.some(([name, place]) => name === rule
    && document.querySelector(target.flat().join(' '))?.matches(place));
  return found.violations.filter((v) => ['serious', 'critical'].includes(v.impact))
    .flatMap((v) => v.nodes.filter((node) => ours(v.id, node.target))
      .map((node) => `${v.id} at ${node.target.flat().join(' ')}: ${node.failureSummary}`));
}"""
ALL = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLOURS = ["color-contrast"]                   # all that another light changes
LIGHT = "getComputedStyle(document.querySelector('[data-testid=stApp]')).colorScheme"
SIDEWAYS = """() => { const m = document.querySelector('[data-testid=stMain]');
  return Math.max(m.scrollWidth - m.clientWidth, document.documentElement.scrollWidth - innerWidth)
}"""


def settled(page: Any, url: str) -> Any:
    page.goto(url)
    page.wait_for_function(SETTLED, timeout=60_000)
    return page


def violations(page: Any, where: str) -> list[str]:
    """What axe finds serious or critical, in both lights; leaves the page in the other one."""
    page.evaluate(AXE_SCRIPT)
    found = page.evaluate(AXE, [ALL, PICTURES, EXCUSED])
    other = "light" if page.evaluate(LIGHT) == "dark" else "dark"
    page.emulate_media(color_scheme=other)
    page.wait_for_function(f"other => ({LIGHT} === 'dark') === (other === 'dark')", arg=other)
    page.wait_for_function(SETTLED)
    found += page.evaluate(AXE, [COLOURS, PICTURES, EXCUSED])
    return [f"{where or 'home'}: {line}" for line in found]


def test_axe_finds_nothing_serious_on_any_page(app_url: str, new_page: Callable[..., Any]) -> None:
    """Light and dark, a lesson read and presented, what was mistyped; and no page scrolls sideways
    where it is magnified to 200 %, nor breaks the app's content policy.
    """
    page = new_page(color_scheme="light", bypass_csp=False)
    found = []
    for state in STATES:
        if state in TITLES:                    # through the bar, as a visitor goes
            go(page, TITLES[state])
            page.mouse.move(0, 0)              # what it points at has other colours
            page.wait_for_url(f"**/{state}*")
            page.wait_for_function(SETTLED, timeout=60_000)
        else:
            settled(page, f"{app_url}/{state}")
        found += violations(page, state)
        page.set_viewport_size({"width": 640, "height": 400})
        page.evaluate("new Promise((done) => setTimeout(done, 200))")
        if (wide := page.evaluate(SIDEWAYS)) > 1:
            found.append(f"{state or 'home'}: {wide} pixels too wide at 200 %")
        page.set_viewport_size({"width": 1280, "height": 800})
        # Chromium tells the console about each script, style and picture that the policy refuses
        found += [f"{state or 'home'}: {error}" for error in page.errors]
        page.errors.clear()
    assert not found, "\n".join(found)


def test_axe_finds_nothing_serious_in_what_opens(app_url: str, new_page: Callable[..., Any]
                                                 ) -> None:
    """Menus open by Enter and close by Escape."""
    page = settled(new_page(color_scheme="light"),
                   f"{app_url}/damping?step=30")
    found = []
    for name in ("Share", "Fork at step 30"):
        page.get_by_role("button", name=name).first.press("Enter")
        page.locator("[data-testid=stPopoverBody]").wait_for()
        found += violations(page, name)
        page.keyboard.press("Escape")
        page.locator("[data-testid=stPopoverBody]").wait_for(state="detached")
    for name in ("Settings of K-BFGS (double)", "Settings of the run"):
        page.get_by_role("button", name=name).press("Enter")
        page.get_by_role("group", name=name).wait_for()
        found += violations(page, name)
    page.get_by_role("slider", name="seed").press("Escape")
    page.get_by_role("group", name="Settings of the run").wait_for(state="detached")
    page.get_by_role("tab", name="Export").press("Enter")
    page.get_by_role("button", name="One HTML file").wait_for()
    found += violations(page, "Export")
    assert not found, "\n".join(found)


METHODS = ["K-BFGS", "CurveBall", "Newton-Krylov", "Levenberg-Marquardt", "BFGS", "Adam"]
# What has the focus: its name, and whether that can be seen.
FOCUSED = """() => {
  const e = document.activeElement;
  const drawn = (node) => node && ['outlineStyle', 'boxShadow'].some((p) =>
    getComputedStyle(node)[p] !== 'none');
  return [e.getAttribute('aria-label') ?? e.closest('label')?.innerText ?? e.innerText,
          drawn(e) || drawn(e.parentElement) || drawn(e.closest('[data-baseweb]'))];
}"""


def test_all_of_the_player_is_in_reach_of_the_tab_key(app_url: str, page: Any) -> None:
    """In the order in which it is read, each with a ring; Shift+Enter shows a method alone."""
    settled(page, f"{app_url}/linear_net?step=30")
    page.locator(".qnviz-chip").first.focus()
    page.keyboard.press("Shift+Enter")
    assert page.locator(".qnviz-chip[aria-pressed=true]").count() == 1
    page.keyboard.press("Shift+Enter")
    reached = []
    for _ in range(22):
        reached.append(page.evaluate(FOCUSED))
        page.keyboard.press("Tab")
    assert [name.strip() for name, _ in reached] == [
        *(text for name in METHODS for text in (name, f"Settings of {name}")),
        "Settings of the run", "Shown in this picture", "Shown in this picture",
        "One step back", "Play", "One step forward", "Playhead", "Speed",
        "What happened at the playhead", "Numbers"]
    assert all(seen for _, seen in reached), reached
    for box in page.locator(".qnviz-figure").all():
        assert len(box.get_attribute("aria-label")) > 40
