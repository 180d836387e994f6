"""A browser and running servers for tests of what people see."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from qnviz.export.pictures import browser_path
from tests.browser import player_page, views_page
from tests.browser.contexts import Contexts
from tests.browser.player_page import Race

ROOT = Path(__file__).resolve().parents[2]
PAIR = Path(__file__).with_name("pair_page.py")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--process-per-site",        # pages of one context share a process and what it has compiled
]
SIZE = {"width": 1280, "height": 800}
# Streamlit's own probes fail now and then while a server starts or stops.
NOISE = re.compile(r"/_stcore/(health|host-config)|favicon")


def _chromium() -> str | None:
    return os.environ.get("QNVIZ_CHROMIUM") or browser_path()


# What a page holds when a test of it fails, as its reader sees it.
SEEN = """() => ({at: location.href, ready: document.readyState,
  app: {...document.querySelector('[data-testid=stApp]')?.dataset},
  players: [...document.querySelectorAll('[data-qnviz-player], [data-qnviz-map]')]
    .map((p) => ({...p.dataset})),
  charts: document.querySelectorAll('.js-plotly-plot').length, text: document.body.innerText})"""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: Any, call: Any) -> Any:
    """A failed test says what its pages showed."""
    report = yield
    if report.failed and call.when == "call":
        for page in getattr(item, "pages", []):
            try:
                seen = json.dumps(page.evaluate(SEEN), ensure_ascii=False)
            except Exception as error:                 # it may have crashed, or be closed
                seen = f"nothing: {error}"
            report.sections.append(("page", f"{seen[:4000]}\nconsole: {page.errors}"))
    return report


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, driven by playwright; skips where there is none.

    Its headless shell before the others: it draws the same pages with less work.
    """
    executable = _chromium()
    if executable is None:
        message = ('no Chromium: "apt-get install chromium-headless-shell", '
                   "or set QNVIZ_CHROMIUM to its path")
        if os.environ.get("QNVIZ_REQUIRE_BROWSER") == "1":
            pytest.fail(message)
        pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield chromium
        chromium.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"the server ended before it answered:\n{log.read_text()}")
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    pytest.fail(f"the server did not answer within 60 s:\n{log.read_text()}")


def launched(script: str | Path, port: int, log: Path) -> subprocess.Popen[bytes]:
    """``streamlit run SCRIPT`` from the repository root, as soon as it answers."""
    options = {
        "server.port": port,
        "server.address": "127.0.0.1",
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
    }
    flags = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    with log.open("ab") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", str(script), *flags],
            cwd=ROOT,
            # one worker beside each of several servers, or they keep the others from answering
            env={"QNVIZ_WORKERS": "1", **os.environ, "PYTHONPATH": str(ROOT)},
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_healthy(f"http://127.0.0.1:{port}", process, log)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return process


class Servers:
    """Servers of the repository's Streamlit, each a process."""

    def __init__(self, logs: pytest.TempPathFactory) -> None:
        self.logs, self.processes = logs, []

    def start(self, script: str | Path) -> str:
        """``streamlit run SCRIPT`` from the repository root; gives the server's address."""
        port = free_port()
        self.processes.append(launched(script, port, self.logs.mktemp("server") / "log.txt"))
        return f"http://127.0.0.1:{port}"

    def stop(self) -> None:
        """End them all."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str | Path], str]]:
    """Start servers that stay until all tests are done."""
    servers = Servers(tmp_path_factory)
    yield servers.start
    servers.stop()


@pytest.fixture
def serve_fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str | Path], str]]:
    """Start servers for one test, which nobody has asked for anything yet."""
    servers = Servers(tmp_path_factory)
    yield servers.start
    servers.stop()


@pytest.fixture(scope="session")
def app_url(serve: Callable[[str | Path], str]) -> str:
    """Address of the app itself."""
    return serve("app.py")


@pytest.fixture(scope="session")
def own(serve: Callable[[str | Path], str], tmp_path_factory: pytest.TempPathFactory
        ) -> tuple[str, Path]:
    """Address of the app with folders of its own, and where they are: `data` and `lessons`."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "lessons").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QNVIZ_DATA", str(folder / "data"))
        patch.setenv("QNVIZ_LESSONS", str(folder / "lessons"))
        return serve("app.py"), folder


@pytest.fixture(scope="session")
def plain_url(serve: Callable[[str | Path], str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of an app of pages with nothing but one component: a player, its views, a pair."""
    folder = tmp_path_factory.mktemp("plain")
    sources = {"app": player_page.APP, "site": player_page.SITE, "player": player_page.PAGE,
               "views": views_page.PAGE, "pair": PAIR.read_text(encoding="utf-8")}
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
    return serve(folder / "app.py")


@pytest.fixture(scope="session")
def url(plain_url: str) -> str:
    """Address of a page with one player."""
    return plain_url


@pytest.fixture(scope="session")
def contexts(browser: Any, app_url: str) -> Contexts:
    """Contexts that tests share."""
    return Contexts(browser, f"{app_url}/_stcore/health")


@pytest.fixture
def new_page(contexts: Contexts, request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Open pages; ``page.errors`` collects what the console complains.

    ``alone=True`` asks for a context of its own, for a test that changes it: its network, say.
    Players stand still until a test plays them, as for people who ask for less motion. The app's
    content policy forbids what ``page.wait_for_function`` does with a plain expression, so it
    counts only where a test asks for it by ``bypass_csp=False``.
    """
    pages = request.node.pages = []            # for the report of a failure

    def start(*, alone: bool = False, viewport: dict[str, int] = SIZE, color_scheme: str = "light",
              reduced_motion: str = "reduce", **options: Any) -> Any:
        page = contexts.page(alone, {"viewport": SIZE, "reduced_motion": "reduce",
                                     "bypass_csp": True, **options})
        # the page's own, as a context for each of them would load all scripts once more
        page.set_viewport_size(viewport)
        page.emulate_media(color_scheme=color_scheme, reduced_motion=reduced_motion)
        page.errors = []
        pages.append(page)

        def note(text: str, where: str = "") -> None:
            if not NOISE.search(f"{text} {where}"):
                page.errors.append(text)

        page.on("pageerror", lambda error: note(str(error)))
        page.on(
            "console",
            lambda message: (
                note(message.text, message.location.get("url", ""))
                if message.type == "error"
                else None
            ),
        )
        return page

    yield start
    contexts.tidy()


@pytest.fixture
def page(new_page: Callable[..., Any]) -> Any:
    """One page of 1280 x 800."""
    return new_page()


@pytest.fixture
def race(page: Any, url: str) -> Race:
    """The player at its first frame, not playing."""
    return Race(page, url)
