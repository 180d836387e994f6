"""The bar of pages, as a visitor uses it."""

from __future__ import annotations

from typing import Any

from qnviz.ui.unforeseen import SENTENCE

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
