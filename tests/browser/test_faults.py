"""What a browser meets: a server that dies and comes back, a sleeping tab, two tabs."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import ROOT, free_port, launched
from tests.browser.navigation import UNFORESEEN, query
from tests.browser.test_atlas import READY

LAB = "[data-qnviz-player][data-ready='true']"
LONG = "rosenbrock?m=adam,sgd,kbfgs,kbfgs_l,curveball,newton_krylov&steps=3000&stop=0&noise=3"


def settled(page: Any) -> None:
    """Wait until the script's run has ended, and the server is there."""
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]"
                           "[data-test-connection-state=CONNECTED]", timeout=60_000)


def whole(page: Any) -> None:
    assert page.locator(UNFORESEEN).count() == 0
    assert page.get_by_text("Connection error").count() == 0


class Server:
    """The app, to be killed and started again at the same address."""

    def __init__(self, log: Path):
        self.port, self.log = free_port(), log
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        self.process = launched("app.py", self.port, self.log)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "log.txt")
    yield made
    made.kill()


def test_pages_outlive_their_server(server: Server, new_page: Callable[..., Any]) -> None:
    """Each is as its address says, takes clicks again, and computes again what was under way."""
    done, long, held, atlas = (new_page() for _ in range(4))
    done.goto(f"{server.url}/rosenbrock?m=bfgs,adam&adam.lr=0.02&steps=60&step=20")
    long.goto(f"{server.url}/{LONG}")
    held.goto(f"{server.url}/open")
    atlas.goto(f"{server.url}/atlas")
    held.locator("input[type=file]").wait_for(state="attached", timeout=60_000)
    settled(held)
    held.locator("input[type=file]").set_input_files(str(ROOT / "assets" / "krylov.npz"))
    for page in (done, long, held):
        page.wait_for_selector(LAB, timeout=60_000)
    atlas.wait_for_selector(READY, timeout=60_000)
    long.locator(".st-key-live").wait_for(timeout=60_000)
    assert query(held) == {"file": "krylov.npz"}
    for page in (done, held, atlas):
        settled(page)
    before = query(done)
    assert before == {"m": "bfgs,adam", "adam.lr": "0.02", "steps": "60", "step": "20"}
    server.kill()
    long.get_by_role("dialog").wait_for(timeout=60_000)        # says that the server is away
    server.start()
    held.locator("[data-testid=stAlert]").filter(
        has_text="krylov.npz is no longer open").wait_for(timeout=60_000)
    for page in (done, atlas):
        settled(page)
    long.locator(".st-key-live").filter(has_text="% of 3000 steps").wait_for(timeout=60_000)
    # the first click of all, in a map: its run stays beside it, and opens in its lab
    atlas.locator("[data-map='0']").click()
    atlas.wait_for_url(re.compile(r"/atlas\?.*open="))
    atlas.get_by_text("in its lab").click()
    atlas.wait_for_url("**/rosenbrock?**")
    # the first changed control
    assert query(done) == before
    assert done.get_attribute("[data-qnviz-player]", "data-frame") == "20"
    seed = done.get_by_role("spinbutton", name="seed")
    seed.fill("3")
    seed.press("Enter")
    done.wait_for_url(re.compile("seed=3"))
    settled(done)
    assert seed.input_value() == "3"
    assert query(done) == before | {"seed": "3"}
    for page in (done, long, held, atlas):
        whole(page)


def test_a_tab_that_sleeps_while_its_run_goes_on_wakes_to_the_finished_run(
        app_url: str, new_page: Callable[..., Any]) -> None:
    page = new_page(alone=True)
    page.goto(f"{app_url}/autoencoder?m=kbfgs&steps=500&stop=0&seed=77")
    page.locator(".st-key-live").wait_for(timeout=60_000)
    devtools = page.context.new_cdp_session(page)
    devtools.send("Page.setWebLifecycleState", {"state": "frozen"})
    with urllib.request.urlopen(f"{app_url}/_stcore/health", timeout=5) as answer:
        assert answer.status == 200
    devtools.send("Page.setWebLifecycleState", {"state": "active"})
    page.locator(".st-key-live").wait_for(state="detached", timeout=60_000)
    settled(page)
    assert "up to 500 steps" in page.locator(".st-key-status").inner_text()
    assert page.locator("[data-qnviz-player] input[type=range]").get_attribute("max") == "500"
    whole(page)


def test_two_tabs_do_not_disturb_each_other(app_url: str, new_page: Callable[..., Any]) -> None:
    one, two = new_page(), new_page()
    for page in (one, two):
        page.goto(f"{app_url}/autoencoder?m=adam,kbfgs&steps=3000&stop=0&seed=5")
    for page in (one, two):
        page.locator(".st-key-live").filter(has_text="% of 3000 steps").wait_for(timeout=60_000)
    one.get_by_role("button", name="Pause").click()
    one.locator(".st-key-live").filter(has_text="Paused at").wait_for()
    then = progress(two)
    while progress(two) <= then:               # it goes on: the test's own time limit ends this
        two.wait_for_timeout(100)
    one.get_by_role("button", name="Stop").click()
    one.get_by_role("button", name="Run again").wait_for(timeout=30_000)
    assert "stopped by you" in one.locator(".st-key-status").inner_text()
    assert two.locator(".st-key-live").count() == 1
    two.get_by_role("button", name="More").click()
    seed = two.get_by_role("spinbutton", name="seed")
    seed.fill("6")
    seed.press("Enter")
    two.wait_for_url(re.compile("seed=6"))
    settled(one)
    assert query(one)["seed"] == "5"
    assert "stopped by you" in one.locator(".st-key-status").inner_text()
    for page in (one, two):
        whole(page)


def progress(page: Any) -> int:
    return int(re.search(r"(\d+) %", page.locator(".st-key-live").inner_text())[1])
