"""The bar of pages, as a visitor uses it."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from qnviz.ui.frame.errors import SENTENCE

MENUS = {"Rosenbrock": "Labs", "Linear net": "Labs", "Autoencoder": "Labs",
         "Your function": "Labs", "Open a run": "Labs", "Double damping": "Mechanisms",
         "Krylov": "Mechanisms", "Complex step": "Mechanisms", "Atlas": "Many runs",
         "Basins": "Many runs", "Scoreboard": "Many runs"}
# What stands on a page where an error was raised that nothing has caught.
UNFORESEEN = f"[data-testid=stException], [data-testid=stAlert]:has-text({SENTENCE[:50]!r})"


def framed(page: Any) -> bool:
    """Whether the bar of pages is there, with all its menus."""
    bar = page.get_by_test_id("stTopNav")
    return all(bar.get_by_role("button", name=menu).count() for menu in set(MENUS.values()))


def go(page: Any, title: str) -> None:
    """Click a page in the bar, through its menu if it has one."""
    if menu := MENUS.get(title):
        page.get_by_test_id("stTopNav").get_by_role("button", name=menu).click()
        page.get_by_test_id("stTopNavDropdownLink").filter(has_text=title).click()
    else:
        page.get_by_test_id("stTopNav").get_by_role("link", name=title, exact=True).click()


def resized(page: Any, width: int, height: int) -> None:
    """Give a page another size, and it the time to follow."""
    page.set_viewport_size({"width": width, "height": height})
    page.wait_for_timeout(300)


def query(page: Any) -> dict[str, str]:
    """The fields of a page's address."""
    return {k: v[0] for k, v in parse_qs(urlsplit(page.url).query).items()}


def sideways(page: Any) -> int:
    """By how many pixels a page is wider than its window."""
    return page.evaluate("() => { const m = document.querySelector('[data-testid=stMain]');"
                         " return m.scrollWidth - m.clientWidth }")


def whole(page: Any) -> None:
    """No error is shown, nothing scrolls sideways, and the console has nothing to complain of."""
    assert page.locator(UNFORESEEN).count() == 0
    assert sideways(page) <= 1
    assert page.errors == []


def follows_the_light(page: Any, chart: str = ".js-plotly-plot") -> None:
    """What a chart writes with is dark in a light room, and light as soon as the room is dark."""
    ink = f"document.querySelector({chart!r})?._fullLayout?.font.color"
    assert page.evaluate(ink) == "#1f2430"
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"{ink} === '#e8eaf0'")
