"""The browser's Back button, also while a page is still busy with a key."""

from __future__ import annotations

import random
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.browser.modules import imported
from tests.browser.navigation import go, query, whole

PAUSES = range(0, 501, 50)                     # milliseconds between a key and Back
STANDS = """([path, step]) => {
  const players = document.querySelectorAll("[data-qnviz-player][data-ready='true']");
  return location.pathname === path && players[0]?.dataset.frame === `${step}`
    && new URLSearchParams(location.search).get("step") === `${step}`
    && document.querySelector(".qnviz-page-name")?.innerText
    && document.querySelector("[data-testid=stApp]").dataset.testScriptState === "notRunning";
}"""


def stands(page: Any, path: str, step: int) -> None:
    """A page is there with its address and its pictures at a step, and stays there."""
    page.wait_for_function(STANDS, arg=[path, step], timeout=30_000)
    page.wait_for_timeout(300)                 # a key's report and what follows from it
    page.wait_for_function(STANDS, arg=[path, step], timeout=10_000)


def left_at(page: Any, title: str, path: str, step: int) -> None:
    """Go to a page and step to a step of it."""
    go(page, title)
    page.wait_for_function("path => location.pathname === path", arg=path)
    page.wait_for_selector("[data-qnviz-player][data-ready='true']")
    page.keyboard.press("Home")
    for _ in range(step):
        page.keyboard.press("ArrowRight")
    stands(page, path, step)


def length(page: Any) -> int:
    return page.evaluate("history.length")


@pytest.mark.parametrize(("titles", "paths"), [
    (("Rosenbrock", "Krylov"), ("/rosenbrock", "/krylov")),
    (("Double damping", "Rosenbrock"), ("/damping", "/rosenbrock")),
    (("Krylov", "Double damping"), ("/krylov", "/damping"))], ids=lambda x: x[0].strip("/"))
def test_back_after_a_key(titles: tuple[str, str], paths: tuple[str, str], app_url: str, page: Any
                          ) -> None:
    """Twice in a row it leads to the pages before, and Forward to the keys' steps again."""
    page.goto(f"{app_url}/?m=adam,sgd&steps=30&step=5")
    stands(page, "/", 5)
    for title, path in zip(titles, paths, strict=True):
        left_at(page, title, path, 2)
    entries = length(page)
    for step, pause in enumerate(PAUSES, start=2):
        for before in (paths[0], "/"):
            page.keyboard.press("ArrowRight")
            page.wait_for_timeout(pause)
            page.evaluate("history.back()")
            stands(page, before, 5 if before == "/" else step)
        for path in paths:
            page.evaluate("history.forward()")
            stands(page, path, step + 1)
        assert length(page) == entries, f"{pause} ms"
    assert page.errors == []
    whole(page)


def test_queries_are_written_as_python_writes_them(page: Any) -> None:
    """Letter by letter, or Streamlit would take the same address for another one."""
    rng = random.Random(1)
    signs = [chr(k) for k in range(32, 127)] + ["µ", "é", "−", "∞", "😀"]
    given = [[(f"{rng.choice(signs)}{k}", "".join(rng.choices(signs, k=rng.randrange(9))))
              for k in range(rng.randrange(1, 6))] for _ in range(2000)]
    imported(page, "player/address.js")
    got = page.evaluate("""(given) => given.map((fields) =>
        m.queryWith(new URLSearchParams(fields).toString(), "step", "7"))""", given)
    assert got == [urlencode([*fields, ("step", "7")]) for fields in given]
    shown = page.evaluate("m.queryWith('m=kbfgs~2,adam&step=3&start=1,-0.5', 'step', '4')")
    assert shown == "m=kbfgs~2%2Cadam&step=4&start=1%2C-0.5", "the step keeps its place"


def test_stepping_makes_no_history_and_choosing_does(app_url: str, page: Any) -> None:
    """Back undoes what was chosen; the address follows the playhead within an entry."""
    page.goto(f"{app_url}/rosenbrock?m=kbfgs~2,adam&start=1,-0.5&step=3&steps=40")
    stands(page, "/rosenbrock", 3)
    entries = length(page)
    page.keyboard.press("ArrowRight")
    assert "step=4" in page.evaluate("location.search"), "at once, before Python hears of it"
    for step in (4, 5, 6):
        stands(page, "/rosenbrock", step)
        if step < 6:
            page.keyboard.press("ArrowRight")
    assert length(page) == entries
    box = page.get_by_role("spinbutton", name="seed")
    box.fill("7")
    box.press("Enter")
    page.wait_for_function("location.search.includes('seed=7')")
    stands(page, "/rosenbrock", 6)
    assert length(page) == entries + 1
    page.locator(".qnviz-title").first.click()
    page.keyboard.press("Home")
    stands(page, "/rosenbrock", 0)
    assert query(page)["seed"] == "7"
    assert length(page) == entries + 1
    page.evaluate("history.back()")
    stands(page, "/rosenbrock", 6)
    assert "seed" not in query(page)
    page.evaluate("history.forward()")
    stands(page, "/rosenbrock", 0)
    assert query(page)["seed"] == "7"
    assert length(page) == entries + 1
    assert page.errors == []


def test_a_key_and_then_a_choice_are_both_kept(app_url: str, page: Any) -> None:
    """What is chosen before Python has heard of the step is no older address coming in."""
    page.goto(f"{app_url}/rosenbrock")
    page.wait_for_selector("[data-qnviz-player][data-ready='true']")
    box = page.get_by_role("spinbutton", name="seed")
    box.fill("7")
    page.evaluate("""() => {
      for (const type of ["keydown", "keyup"]) {
        document.body.dispatchEvent(new KeyboardEvent(type, {key: "ArrowRight", bubbles: true}));
      }
    }""")
    assert page.evaluate("location.search") == "?step=1"
    box.press("Enter")
    page.wait_for_function("location.search.includes('seed=7')")
    stands(page, "/rosenbrock", 1)
    assert query(page) == {"seed": "7", "step": "1"}
