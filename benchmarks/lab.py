"""The lab in Chromium: first picture, a changed control, the cache, and frames while playing."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.timing import shown

ROOT = Path(__file__).resolve().parents[1]
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]
READY = "[data-qnviz-player][data-ready='true']"
BARE = """
import numpy as np, plotly.graph_objects as go, streamlit as st
x = np.linspace(-2, 2, 121)
z = np.log10(100 * (x[:, None] - x**2) ** 2 + (1 - x) ** 2 + 1e-6)
st.plotly_chart(go.Figure(go.Contour(x=x, y=x, z=z)), key="chart")
"""


@contextmanager
def server(script: str) -> Iterator[tuple[str, int]]:
    """`streamlit run script` on a free port of 127.0.0.1: its address and process number."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", script, "--server.port", str(port)],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{url}/_stcore/health", timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait(timeout=20)


def executable() -> str | None:
    """Chromium, if there is one."""
    found = (shutil.which(name) for name in ("chromium", "google-chrome"))
    return os.environ.get("QNVIZ_CHROMIUM") or next(filter(None, found), None)


def main() -> None:
    """Print the table, or why there is none."""
    from playwright.sync_api import sync_playwright

    chromium = executable()
    if chromium is None:
        print("The lab was not measured: no Chromium (apt-get install chromium).")
        return
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as p:
        bare = Path(folder) / "bare.py"
        bare.write_text(BARE)
        browser = p.chromium.launch(executable_path=chromium, args=FLAGS)
        with server("app.py") as (ours, _), server(str(bare)) as (theirs, _):
            print("The lab in Chromium, 1280×800")
            first_picture(browser, ours, theirs)
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.goto(f"{ours}/?stop=0&step=0")
            page.wait_for_selector(READY)
            page.wait_for_timeout(1500)
            changed_control(page)
            frames(page)
        browser.close()


def first_picture(browser, ours: str, theirs: str, repeats: int = 5) -> None:
    """From navigation to a drawn picture, fresh browser contexts, interleaved with a bare page."""
    seconds: dict[str, list[float]] = {"home page": [], "bare page, one chart": []}
    for _ in range(repeats + 1):
        for name, url, sign in (("home page", ours, READY),
                                ("bare page, one chart", theirs, ".js-plotly-plot .main-svg")):
            context = browser.new_context(viewport={"width": 1280, "height": 800})
            page = context.new_page()
            began = time.perf_counter()
            page.goto(url)
            page.wait_for_selector(sign)
            seconds[name].append(time.perf_counter() - began)
            context.close()
    for name, values in seconds.items():
        print(f"  {'first picture: ' + name:38}{shown(values[1:])}")


def changed_control(page, repeats: int = 7) -> None:
    """From Enter in the seed's field to all pictures redrawn: a fresh run, then from the cache."""
    box = page.get_by_role("spinbutton", name="seed")

    def change(seed: int) -> float:
        old = page.get_attribute("[data-qnviz-player]", "data-id")
        box.fill(str(seed))
        began = time.perf_counter()
        box.press("Enter")
        page.wait_for_function(
            "old => { const p = document.querySelector('[data-qnviz-player]');"
            " return p.dataset.ready === 'true' && p.dataset.id !== old }", arg=old,
            polling=10)
        took = time.perf_counter() - began
        page.wait_for_timeout(300)
        return took

    fresh = [change(100 + i) for i in range(repeats)]
    again = [change(100 + i) for i in range(repeats)]
    print(f"  {'race of 6 × 300 steps, click to drawn':38}{shown(fresh)}")
    print(f"  {'the same from the cache':38}{shown(again)}")


def frames(page, seconds: float = 3.0) -> None:
    """Animation frames per second while playing, against the browser's own rate."""
    count = """async seconds => { let n = 0, go = true; const tick = () => { n++; go &&
        requestAnimationFrame(tick) }; requestAnimationFrame(tick);
        await new Promise(done => setTimeout(done, 1000 * seconds)); go = false;
        return n / seconds }"""
    idle = page.evaluate(count, seconds)
    page.locator(".qnviz-title").first.click()       # keys belong to the player, not to a field
    page.keyboard.press("Home")
    page.keyboard.press("Space")
    playing = page.evaluate(count, seconds)
    page.keyboard.press("Space")
    moved = int(page.get_attribute("[data-qnviz-player]", "data-frame"))
    print(f"  {'frames per second, idle / playing':38}{idle:9.1f} / {playing:.1f}   "
          f"(playhead moved {moved} steps)\n")
