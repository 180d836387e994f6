"""The lab in Chromium: first picture, a changed control, the cache, scrubbing, and playing."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.chromium import FLAGS, LONGEST, READY, executable, server, unavailable
from benchmarks.results import Measurement, Ratio, Table, single, spread
from benchmarks.timing import rows

BARE = """
import numpy as np, plotly.graph_objects as go, streamlit as st
x = np.linspace(-2, 2, 121)
z = np.log10(100 * (x[:, None] - x**2) ** 2 + (1 - x) ** 2 + 1e-6)
st.plotly_chart(go.Figure(go.Contour(x=x, y=x, z=z)), key="chart")
"""
SIZE: Any = {"width": 1280, "height": 800}
HOME, ALL, CHART = "home page", "home page, all its pictures", "bare page, one chart"
BEGUN = "[data-qnviz-player][data-begun]"
# between a frame of the browser and the next one: when it was, and where the playhead stood
RECORD = """() => { const root = document.querySelector('[data-qnviz-player]');
    window.frames = []; window.recording = true;
    const look = now => { window.frames.push([now, Number(root.dataset.frame)]);
        if (window.recording) requestAnimationFrame(look) };
    requestAnimationFrame(look) }"""
RECORDED = "() => { window.recording = false; return window.frames }"
HANDLED = """async moves => { const slider = document.querySelector('.qnviz-slider');
    const took = [];
    for (let k = 0; k < moves; k++) {
        await new Promise(requestAnimationFrame);
        slider.value = (7 * k) % Number(slider.max);
        const began = performance.now();
        slider.dispatchEvent(new Event('input', { bubbles: true }));
        took.push(performance.now() - began) }
    return took }"""


# a frame of the browser after the other, with the start a little further in each; frames a second
LARGE: Any = {"width": 1920, "height": 1080}
START = ".qnviz-start:visible"
FOLLOWED = """async ([seconds, x, y]) => {
    const node = document.querySelector('.qnviz-start'); const rates = [];
    for (let s = 0; s < seconds; s++) {
        let n = 0; const until = performance.now() + 1000;
        while (performance.now() < until) {
            await new Promise(requestAnimationFrame);
            n++;
            if (x === null) continue;
            const [clientX, clientY] = [x + 60 * Math.sin(n / 20), y - 40 * Math.cos(n / 20)];
            node.dispatchEvent(new PointerEvent('pointermove', {
                bubbles: true, pointerId: 1, pointerType: 'mouse', clientX, clientY })) }
        rates.push(n) }
    return rates }"""


def measure() -> Iterator[Table | str]:
    """Four tables, or why there is none."""
    if why := unavailable():
        yield why
        return
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as p:
        bare = Path(folder) / "bare.py"
        bare.write_text(BARE)
        browser = p.chromium.launch(executable_path=executable(), args=FLAGS)
        with server("app.py") as (ours, _), server(str(bare)) as (theirs, _):
            yield first_picture(browser, ours, theirs)
            page = browser.new_page(viewport=SIZE)
            page.goto(f"{ours}/?stop=0&step=0")
            page.wait_for_selector(READY, timeout=LONGEST)
            page.wait_for_timeout(1500)
            yield changed_control(page)
            yield player(page)
            page.close()
            yield followed(browser, ours)
        browser.close()


def first_picture(browser: Any, ours: str, theirs: str, rounds: int = 7) -> Table:
    """From navigation to a drawn picture, in browser contexts that have cached nothing."""
    seconds: dict[str, list[float]] = {CHART: [], HOME: [], ALL: []}
    for _ in range(rounds + 1):
        for url, signs in ((ours, {HOME: BEGUN, ALL: READY}),
                           (theirs, {CHART: ".js-plotly-plot .main-svg"})):
            context = browser.new_context(viewport=SIZE)
            page = context.new_page()
            began = time.perf_counter()
            page.goto(url)
            for name, sign in signs.items():
                page.wait_for_selector(sign, timeout=LONGEST)
                seconds[name].append(time.perf_counter() - began)
            context.close()
    warm = {name: np.array(s[1:]) for name, s in seconds.items()}
    return Table(key="first", title="First picture", rows=tuple(rows(warm, CHART)),
                 about="1280×800, a fresh browser context each time, the two pages in turns.")


def changed_control(page: Any, repeats: int = 7) -> Table:
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
            polling=10, timeout=LONGEST)
        took = time.perf_counter() - began
        page.wait_for_timeout(300)
        return took

    fresh, again = (np.array([change(100 + i) for i in range(repeats)]) for _ in range(2))
    return Table(key="control", title="A changed seed, until all pictures are drawn",
                 about="From Enter, a race of 6 methods × 300 steps.",
                 rows=tuple(rows({"computed": fresh, "from the cache": again})))


def player(page: Any) -> Table:
    """What a frame takes while the slider is dragged, and how many there are while it plays."""
    def row(name: str, unit: Any, values: np.ndarray) -> Measurement:
        return Measurement(name=name, unit=unit, **spread(values))

    dragged = drag(page)
    handled = np.array(page.evaluate(HANDLED, 200)) / 1000
    idle = rates(page, 3)
    page.locator(".qnviz-title").first.click()       # keys belong to the player, not to a field
    page.keyboard.press("Home")
    page.keyboard.press("Space")
    playing = rates(page, 3)
    page.keyboard.press("Space")
    return Table(
        key="player", title="The player", about="1280×800, six entrants, drawn by software.",
        rows=(row("scrub: from one drawn frame to the next", "s", dragged),
              Measurement(name="scrub: 95 of 100 within", unit="s",
                          **single(float(np.quantile(dragged, 0.95)))),
              row("scrub: script's time per frame", "s", handled),
              row("frames per second, idle", "1/s", idle),
              row("frames per second, playing", "1/s", playing).model_copy(update={
                  "ratio": Ratio(to="frames per second, idle",
                                   **spread(playing / np.median(idle)))})))


def followed(browser: Any, ours: str, seconds: int = 4) -> Table:
    """Frames a second while the start is dragged and all pictures follow, of the browser's own."""
    found = []
    for size in (SIZE, LARGE):
        page = browser.new_page(viewport=size, reduced_motion="reduce")
        idle = np.array(page.evaluate(FOLLOWED, [seconds, None, None]), dtype=float)
        page.goto(f"{ours}/krylov?on=rosenbrock")
        page.wait_for_selector(READY, timeout=LONGEST)
        page.wait_for_selector(START, timeout=LONGEST)
        page.wait_for_timeout(3000)
        box = page.locator(START).first.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 5, y - 5)
        rates = np.array(page.evaluate(FOLLOWED, [seconds, x, y]), dtype=float)
        page.mouse.up()
        page.close()
        name = f"{size['width']}×{size['height']}"
        found += [
            Measurement(name=f"an empty page, {name}", unit="1/s", **spread(idle)),
            Measurement(name=f"dragging the start, {name}", unit="1/s", **spread(rates),
                        ratio=Ratio(to="an empty page", **spread(rates / np.median(idle))))]
    return Table(key="followed", title="Frames per second while all pictures follow the hand",
                 about="The Krylov page on Rosenbrock, five pictures, drawn by software.",
                 rows=tuple(found))


def drag(page: Any, moves: int = 150) -> np.ndarray:
    """Seconds between drawn frames while the mouse drags the slider from end to end."""
    box = page.locator(".qnviz-slider").first.bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 8, y)
    page.mouse.down()
    page.evaluate(RECORD)
    for k in range(1, moves + 1):
        page.mouse.move(box["x"] + 8 + (box["width"] - 16) * k / moves, y)
    frames = np.array(page.evaluate(RECORDED))
    page.mouse.up()
    moved = np.flatnonzero(np.diff(frames[:, 1])) + 1
    if len(moved) < moves / 10:
        raise RuntimeError("the slider was dragged, but the playhead hardly moved")
    # a frame in which the mouse had not come further is no frame of the scrub
    return (frames[moved, 0] - frames[moved - 1, 0]) / 1000


def rates(page: Any, seconds: int) -> np.ndarray:
    """The browser's animation frames in each of some seconds."""
    page.evaluate(RECORD)
    page.wait_for_timeout(1000 * seconds + 100)
    times = np.array(page.evaluate(RECORDED))[:, 0]
    counts, _ = np.histogram(times, times[0] + 1000 * np.arange(seconds + 1))
    return counts.astype(float)
