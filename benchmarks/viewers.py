"""Ten visitors at once, each in a browser context of its own: equal maps, then different ones.

`python -m benchmarks.viewers` starts the app on a free port; it needs Linux and Chromium.
"""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
VIEWERS = 10
MAP = "/atlas?points=48&seeds=2&steps=300&seed={seed}"
DONE = ("document.querySelectorAll('.qnviz-map').length > 0"
        " && location.search && !document.querySelector('.st-key-live')"
        " && document.querySelector('[data-qnviz-map]')?.dataset.ready === 'true'"
        " && [...document.querySelectorAll('.qnviz-map-words')]"
        ".every(p => !p.textContent.includes('so far'))")
HOME = "[data-qnviz-player][data-ready='true']"


def main() -> None:
    """Start the app, measure, end it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port),
         "--server.headless", "true"], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with sync_playwright() as playwright:
            chromium = os.environ.get("QNVIZ_CHROMIUM") or shutil.which("chromium")
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            time.sleep(8)
            _measure(browser, f"http://127.0.0.1:{port}", server.pid)
    finally:
        server.terminate()
        server.wait()


def _measure(browser: Browser, url: str, server: int) -> None:
    pages = [browser.new_context().new_page() for _ in range(VIEWERS)]
    _all(pages, [url + "/atlas?noise=0.5"] * VIEWERS)    # connections, workers
    alone = []
    for seed in (101, 102):
        before = _workers(server)
        _all(pages[:1], [url + MAP.format(seed=seed)])
        alone.append(_workers(server) - before)
    before = _workers(server)
    took = _all(pages, [url + MAP.format(seed=103)] * VIEWERS)
    shared = _workers(server) - before
    print(f"{VIEWERS} visitors, one new pair of maps (2 × 48² cells × 2 seeds × 300 steps)")
    print(f"  workers' processor time for one visitor      {statistics.median(alone):6.1f} s")
    print(f"  … for {VIEWERS} who ask for the same            {shared:12.1f} s")
    print(f"  until all see the whole map                  {took:6.1f} s")
    visitor = browser.new_context().new_page()
    quiet = [_opens(visitor, url) for _ in range(5)]
    for i, page in enumerate(pages):
        page.goto(url + MAP.format(seed=200 + i), wait_until="commit")
    busy = []
    time.sleep(1.0)
    for _ in range(8):
        busy.append(_opens(visitor, url))
    print(f"{VIEWERS} visitors, {VIEWERS} different pairs of maps")
    for words, seconds in (("nobody computes", quiet), ("all compute", busy)):
        print(f"  the home page's first picture while {words:18}{statistics.median(seconds):6.2f} s"
              f"   ({min(seconds):.2f} … {max(seconds):.2f})")
    for page in pages:
        page.wait_for_function(DONE, timeout=300_000)
    errors = sum(page.locator("[data-testid=stException]").count() for page in pages)
    print(f"  errors on the pages: {errors}")


def _all(pages: list[Page], urls: list[str]) -> float:
    """Seconds until every page shows its whole map."""
    began = time.monotonic()
    for page, url in zip(pages, urls, strict=True):
        page.goto(url, wait_until="commit")
    for page in pages:
        page.wait_for_function(DONE, timeout=300_000)
    return time.monotonic() - began


def _opens(page: Page, url: str) -> float:
    """Seconds until the home page shows its pictures."""
    page.goto("about:blank")
    began = time.monotonic()
    page.goto(url, wait_until="commit")
    page.wait_for_selector(HOME, timeout=60_000)
    return time.monotonic() - began


def _workers(server: int) -> float:
    """Processor seconds of all that the server has started (Linux)."""
    stats = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text().rpartition(") ")[2].split()
        except OSError:                        # it ended meanwhile
            continue
        stats[int(path.parent.name)] = int(text[1]), int(text[11]) + int(text[12])
    below, total = {server}, 0
    for _ in range(3):
        below |= {pid for pid, (parent, _) in stats.items() if parent in below}
    total = sum(stats[pid][1] for pid in below - {server})
    return total / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
