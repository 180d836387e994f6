"""Open a run in a real browser: a file is shown, told, kept, and refused with a sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qnviz.runs.loop import run
from qnviz.runs.spec import parse
from tests.browser.navigation import UNFORESEEN
from tests.browser.test_pages import READY, data_id, frame, until_changed

SPEC = {"problem": {"name": "rosenbrock", "noise": 1.0, "start_noise": 0.1,
                    "start": [-0.25, -0.25]},
        "methods": [{"name": "kbfgs", "lr": 0.1}, {"name": "curveball"}], "steps": 40, "runs": 3}


def drop(page: Any, name: str, content: bytes) -> None:
    """Drop a file on the field, as the mouse does."""
    page.locator("[data-testid=stFileUploaderDropzone]").wait_for(timeout=60_000)
    data = page.evaluate_handle("""([name, bytes]) => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], name));
        return data }""", [name, list(content)])
    for event in ("dragenter", "dragover", "drop"):
        page.dispatch_event("[data-testid=stFileUploaderDropzone]", event, {"dataTransfer": data})


def test_a_trace_is_shown_kept_and_linked_to_its_lab(app_url: str, page: Any,
                                                     tmp_path: Path) -> None:
    spec = parse(SPEC)
    trace = run(spec)
    file = tmp_path / "mine.npz"
    with file.open("wb") as sink:
        trace.save(sink)
    page.goto(f"{app_url}/open")
    page.locator("input[type=file]").wait_for(state="attached", timeout=60_000)
    page.locator("input[type=file]").set_input_files(str(file))
    page.wait_for_selector(READY, timeout=60_000)
    page.get_by_text("How all 3 runs ended").wait_for()
    assert page.locator(".stAlert").count() == 0
    last = int(trace["kbfgs"]["stopped"][0])
    page.locator(".qnviz-slider").focus()
    page.keyboard.press("End")
    page.wait_for_function("last => +document.querySelector('[data-qnviz-player]').dataset.frame"
                           " >= last", arg=last)
    old = data_id(page)
    page.get_by_role("spinbutton").fill("2")
    page.keyboard.press("Enter")
    until_changed(page, old)
    # it stays when one goes elsewhere and comes back
    page.get_by_role("link", name="Methods").first.click()
    page.get_by_text("at a glance").wait_for(timeout=60_000)
    page.go_back()
    page.wait_for_selector(READY, timeout=60_000)
    assert page.get_by_role("spinbutton").input_value() == "2"
    page.get_by_role("link", name="These settings in the lab").click()
    page.wait_for_url("**/rosenbrock?**")
    page.wait_for_selector(READY, timeout=60_000)
    assert "m=kbfgs" in page.url
    assert page.locator(UNFORESEEN).count() == 0


def test_wrong_files_are_told_and_a_spec_is_run(app_url: str, page: Any) -> None:
    page.goto(f"{app_url}/open")
    for name, content, words in (
            ("a.txt", b"hello", "is not valid JSON"), ("b.npz", b"PK\x03\x04junk", "not a run"),
            ("c.json", json.dumps(SPEC | {"steps": 0}).encode(), "steps is 0"),
            ("d.json", json.dumps({"sweep": {}}).encode(), "a map of many runs")):
        drop(page, name, content)
        page.locator(".stAlert", has_text=name).filter(has_text=words).wait_for(timeout=20_000)
    drop(page, "mine.json", json.dumps(SPEC).encode())
    page.wait_for_selector(READY, timeout=60_000)
    page.get_by_text("mine.json: 2 methods, 3 runs").wait_for(timeout=60_000)
    assert frame(page) >= 0
    page.get_by_role("button", name="Close").click()
    page.get_by_text("is shown as it was saved").wait_for()
    page.locator(READY).wait_for(state="detached")


def test_what_one_opened_another_does_not_see(app_url: str, new_page: Callable[..., Any]) -> None:
    mine, yours = new_page(), new_page()
    mine.goto(f"{app_url}/open")
    drop(mine, "mine.json", json.dumps(SPEC | {"steps": 5}).encode())
    mine.wait_for_selector(READY, timeout=60_000)
    yours.goto(f"{app_url}/open")
    yours.get_by_text("is shown as it was saved").wait_for(timeout=60_000)
    assert yours.locator(READY).count() == 0
