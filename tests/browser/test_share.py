"""Share in a real browser: the link of what is shown opens the same for somebody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.navigation import query
from tests.browser.test_pages import data_id, frame, opened

FIELD = ".qnviz-share-link"
COPY = ["clipboard-read", "clipboard-write"]


def shared(page: Any) -> str:
    """Open Share by the keyboard; the link that stands there."""
    page.get_by_role("button", name="Share").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(FIELD)
    page.wait_for_function(f"document.querySelector('{FIELD}').value.includes('://')")
    return page.locator(FIELD).input_value()


def test_a_labs_link_has_the_step_shown_and_opens_the_same(app_url: str,
                                                          new_page: Callable[..., Any]) -> None:
    page = new_page()
    page.context.grant_permissions(COPY)
    asked = "noise=0&m=kbfgs,kbfgs~2,sgd&kbfgs~2.lr=0.2&start=-1,1&step=30"
    opened(page, f"{app_url}/rosenbrock?{asked}")
    page.locator(".qnviz-slider").focus()
    page.keyboard.press("ArrowRight")
    link = shared(page)                        # before the address follows the playhead
    page.get_by_role("button", name="Copy link").press("Enter")
    page.get_by_role("button", name="Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.endswith("step=31")
    for part in ("start=-1,1&", "m=kbfgs,kbfgs~2,sgd&", "kbfgs~2.lr=0.2&"):
        assert part in copied
    assert "%" not in link
    other = new_page()
    opened(other, copied)
    assert (frame(other), data_id(other)) == (31, data_id(page))
    page.wait_for_function("location.search.includes('step=31')")
    assert query(other) == query(page)
    # playing from the start instead, and as LaTeX
    page.locator(".qnviz-share-choice input").press("Space")
    page.wait_for_function(f"!document.querySelector('{FIELD}').value.includes('step=')")
    page.bring_to_front()
    page.get_by_role("button", name="LaTeX").press("Enter")
    page.wait_for_function("navigator.clipboard.readText().then(t => t.startsWith('\\\\href{'))")
    tex = page.evaluate("navigator.clipboard.readText()")
    assert "\\&kbfgs~2.lr=0.2" in tex
    assert "step" not in tex
    assert page.errors == []


@pytest.mark.parametrize("path", ["complex_step?function=exp_relu&x=0.001",
                                  "atlas?points=2&steps=5&noise=2&seeds=1"])
def test_a_forms_link_opens_the_same(path: str, app_url: str, new_page: Callable[..., Any]) -> None:
    page = new_page()
    page.goto(f"{app_url}/{path}")
    page.get_by_role("button", name="Share").wait_for(timeout=60_000)
    page.wait_for_function("location.search.length > 5")
    link = shared(page)
    assert page.locator(".qnviz-share-choice").is_hidden()
    other = new_page()
    other.goto(link)
    other.get_by_role("button", name="Share").wait_for(timeout=60_000)
    other.wait_for_function("location.search.length > 5")
    assert shared(other) == link
    assert query(other) == query(page) != {}


def test_where_no_clipboard_is_the_link_is_selected(app_url: str,
                                                    new_page: Callable[..., Any]) -> None:
    page = new_page()
    page.add_init_script("""Object.defineProperty(navigator, 'clipboard', {value: undefined});
                            document.execCommand = () => false;""")
    page.goto(f"{app_url}/methods?of=sgd")
    link = shared(page)
    page.get_by_role("button", name="Copy link").click()
    page.get_by_text("press Ctrl+C").wait_for()
    assert page.evaluate("getSelection().toString() || document.activeElement.value") == link
    assert page.errors == []
