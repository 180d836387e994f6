"""Chromium and the app's server, for whatever is measured in a browser."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]
LONGEST = 120_000                    # ms that anything is waited for
READY = "[data-qnviz-player][data-ready='true']"
NO_CHROMIUM = "no Chromium was found (apt-get install chromium), so this part was not measured"
NO_PLAYWRIGHT = "playwright is not installed, so this part was not measured"


@contextmanager
def server(script: str) -> Iterator[tuple[str, int]]:
    """`streamlit run script` on a free port of 127.0.0.1: its address and process number.

    Raises:
        RuntimeError: it ended, or did not answer within a minute.
    """
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", script, "--server.port", str(port)],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        _until_healthy(url, process)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait(timeout=20)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _until_healthy(url: str, process: subprocess.Popen) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode} before it answered")
        try:
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"the server at {url} did not answer within a minute")


def executable() -> str | None:
    """Chromium, if there is one."""
    names = "chromium", "google-chrome", "chromium-headless-shell"
    found = (shutil.which(name) for name in names)
    return os.environ.get("QNVIZ_CHROMIUM") or next(filter(None, found), None)


def unavailable() -> str | None:
    """Why nothing can be measured in a browser here; None where it can."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return NO_PLAYWRIGHT
    return NO_CHROMIUM if executable() is None else None
