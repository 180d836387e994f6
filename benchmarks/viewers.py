"""Ten visitors at once, each in a browser context of its own: equal maps, then different ones.

`python -m benchmarks.viewers` starts the app on a free port; it needs Linux and Chromium.
"""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.lab import FLAGS, READY, executable, server

VIEWERS = 10
MAP = "/atlas?points=48&seeds=2&steps=300&seed={seed}"
LONG = "/atlas?points=64&seeds=8&steps=600&seed={seed}"          # minutes, ten at once
SETTLED = 25                         # seconds until ten browsers have loaded on two cores
DONE = ("document.querySelectorAll('.qnviz-map').length > 0"
        " && location.search && !document.querySelector('.st-key-live')"
        " && document.querySelector('[data-qnviz-map]')?.dataset.ready === 'true'"
        " && [...document.querySelectorAll('.qnviz-map-words')]"
        ".every(p => !p.textContent.includes('so far'))")


def main() -> None:
    """Start the app, measure, end it."""
    with server("app.py") as (url, process), sync_playwright() as playwright:
        visitors, newcomer = (playwright.chromium.launch(executable_path=executable(), args=FLAGS)
                              for _ in range(2))
        time.sleep(SETTLED / 5)                # the numeric core is imported beside the start
        _shared(visitors, url, process)
        _home(visitors, newcomer, url)


def _shared(browser: Browser, url: str, server: int) -> None:
    """Who asks for the same shares one computation."""
    pages = [browser.new_context().new_page() for _ in range(VIEWERS)]
    _all(pages, [url + "/atlas?noise=0.5"] * VIEWERS)    # connections, workers
    alone = []
    for seed in (101, 102):
        before = _workers(server)
        _all(pages[:1], [url + MAP.format(seed=seed)])
        alone.append(_workers(server) - before)
    before = _workers(server)
    took = _all(pages, [url + MAP.format(seed=103)] * VIEWERS)
    print(f"{VIEWERS} visitors, one new pair of maps (2 × 48² cells × 2 seeds × 300 steps)")
    print(f"  workers' processor time for one visitor      {statistics.median(alone):6.1f} s")
    print(f"  … for {VIEWERS} who ask for the same            {_workers(server) - before:12.1f} s")
    print(f"  until all see the whole map                  {took:6.1f} s")
    for page in pages:
        page.context.close()


def _home(browser: Browser, newcomer: Browser, url: str) -> None:
    """How long the home page takes while ten different maps are computed."""
    visitor = newcomer.new_context().new_page()
    _opens(visitor, url)                       # a first visit fills the browser's cache
    seen = {"nobody is there": [_opens(visitor, url) for _ in range(6)]}
    pages = [browser.new_context().new_page() for _ in range(VIEWERS)]
    for i, page in enumerate(pages):
        page.goto(url + LONG.format(seed=200 + i), wait_until="commit")
    seen["ten browsers open maps"] = [_opens(visitor, url) for _ in range(6)]
    for page in pages:
        page.wait_for_selector(".st-key-live", timeout=120_000)
    time.sleep(SETTLED)
    seen["all maps are computed"] = [_opens(visitor, url) for _ in range(6)]
    left = [page.locator(".st-key-live").inner_text().split("\n")[0] for page in pages]
    print(f"{VIEWERS} visitors, {VIEWERS} different pairs of maps: the home page's first picture")
    for words, seconds in seen.items():
        print(f"  while {words:24}{statistics.median(seconds):6.2f} s"
              f"   ({min(seconds):.2f} … {max(seconds):.2f})")
    errors = sum(page.locator("[data-testid=stException]").count() for page in pages)
    print(f"  errors on their pages: {errors}; they said: {', '.join(sorted(set(left)))}")


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
    page.wait_for_selector(READY, timeout=60_000)
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
