"""A class of N before one server: what each waits for, what goes wrong, what stays in memory.

    python -m benchmarks.load [--viewers 1 10 30] [--rest 300]

Starts the app on a free port and sends it viewers over real websockets (`load_client`), who do what
a lecturer asks for within `SPREAD` seconds of each other. A time runs from the visitor's act until
the data of the new, whole picture are there; a browser then takes its own time to draw them. What a
browser loads before it connects (Streamlit's frontend, plotly.js) is part of the first picture.
Times in Chromium, of one viewer, tell how far that is from what somebody sees. Writes
benchmarks/load.json; it needs Linux.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.chromium import FLAGS, READY, executable, server
from benchmarks.load_client import Late, Viewer, fetch
from benchmarks.memory import Memory

FILE = Path(__file__).with_name("load.json")
SPREAD = 3.0                         # seconds within which a class does what it is told
SETTLED = 15.0                       # … from a bare start until its memory is read
NEWCOMERS = 5
LESSON = "why-curvature"
PLAYER = "race/player"

Times = dict[str, list[float]]
Act = Callable[[Viewer, int], Awaitable[Callable[[], bool]]]


class Class:
    """Viewers who do the same things at about the same time."""

    def __init__(self, url: str, size: int, seed: int):
        self.url, self.size, self.random = url, size, random.Random(seed)
        self.seconds: Times = defaultdict(list)
        self.errors: dict[str, int] = defaultdict(int)
        self.told: list[str] = []              # what the errors said
        self.viewers: list[Viewer] = []

    async def arrive(self, what: str, plotly: str) -> None:
        """All open the home page, with browsers that were never here."""
        async def one(viewer: Viewer) -> None:
            await self._wait()
            began = time.perf_counter()
            await asyncio.to_thread(fetch, self.url, plotly)
            await viewer.__aenter__()
            await self._until(what, viewer, began, lambda: viewer.shown(PLAYER) is not None)

        self.viewers = [Viewer(self.url) for _ in range(self.size)]
        await asyncio.gather(*map(one, self.viewers))

    async def do(self, what: str, act: Act) -> None:
        """All do this; an act gives the condition under which it is answered."""
        async def one(number: int, viewer: Viewer) -> None:
            await self._wait()
            began = time.perf_counter()
            try:
                answered = await act(viewer, number)
            except Late as error:
                self._failed(what, str(error))
                return
            await self._until(what, viewer, began, answered)

        await asyncio.gather(*(one(i, v) for i, v in enumerate(self.viewers)))

    async def leave(self) -> None:
        """All close their tabs."""
        for viewer in self.viewers:
            await viewer.__aexit__()

    def rows(self) -> list[dict[str, Any]]:
        """A row per act: how often, median, 95th percentile and worst in seconds, and errors."""
        return [{"viewers": self.size, "what": what, "times": len(seconds),
                 "p50_s": round(statistics.median(seconds), 3) if seconds else None,
                 "p95_s": percentile(seconds, 0.95), "max_s": percentile(seconds, 1.0),
                 "errors": self.errors[what]}
                for what, seconds in self.seconds.items()]

    async def _wait(self) -> None:
        if self.size > 1:
            await asyncio.sleep(self.random.uniform(0, SPREAD))

    async def _until(self, what: str, viewer: Viewer, began: float,
                     answered: Callable[[], bool]) -> None:
        try:
            self.seconds[what].append(await viewer.until(answered) - began)
        except Late as error:
            self._failed(what, str(error))
        for text in viewer.errors:
            self._failed(what, text)
        viewer.errors.clear()

    def _failed(self, what: str, text: str) -> None:
        self.errors[what] += 1
        self.seconds.setdefault(what, [])
        self.told.append(f"{what}: {text}")


def percentile(seconds: list[float], share: float) -> float | None:
    """The value that this share of all stay at or below; nearest rank."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    return round(ordered[max(0, -int(-share * len(ordered) // 1) - 1)], 3)


# --- what a class does ----------------------------------------------------------------------------

async def lecture(there: Class, plotly: str, turn: int) -> None:
    """A race, its controls, a whole lesson, maps; `turn` makes it new."""
    await there.arrive("first picture", plotly)
    for step in (40, 80, 120):
        await there.do("scrub", _scrubbed(step))
    noises = [round(0.5 * turn + 0.1 * i, 1) for i in (1, 2, 3)]
    for noise in noises:
        await there.do("changed control, the same for all",
                       _changed("race:noise", lambda _, n=noise: {"double_array_value": [n]}))
    await there.do("changed control, computed before",
                   _changed("race:noise", lambda _: {"double_array_value": [noises[0]]}))
    await there.do("changed control, another for each", _changed(
        "race:seed", lambda number: {"double_value": 1000 * (turn + 1) + number}))
    await _lesson(there)
    await there.do("map, first picture", _map({}))
    await there.do("map, computed whole",
                   _map({"noise": f"{0.5 * turn + 0.25:g}", "points": "16", "steps": "100"}))
    await there.do("map, another for each, begun", _long_map(turn))
    await _newcomers(there, plotly)
    await there.leave()


async def _newcomers(there: Class, plotly: str) -> None:
    """Who comes while the others' maps are computed."""
    for i in range(NEWCOMERS):
        one = Class(there.url, 1, i)
        await one.arrive(what := "first picture, while maps are computed", plotly)
        await one.leave()
        there.seconds[what] += one.seconds[what]
        there.errors[what] += one.errors[what]
        there.told += one.told


async def _lesson(there: Class) -> None:
    """Thirty viewers of one lesson: every step, every question."""
    from qnviz.ui.lessons.page import shelf

    steps = shelf()[0].lessons[LESSON].steps
    await there.do("lesson, first picture", _opened(1))
    for at, step in enumerate(steps, 1):
        if at > 1:
            await there.do("lesson, changed control", _turned(at))
        if step.question:
            await there.do("lesson, changed control", _answered(at))


def _scrubbed(step: int) -> Act:
    async def act(viewer: Viewer, number: int) -> Callable[[], bool]:
        before = viewer.runs
        await viewer.state(PLAYER, frame=step + number % 7)
        return lambda: viewer.runs > before

    return act


def _changed(key: str, value: Callable[[int], dict[str, Any]]) -> Act:
    async def act(viewer: Viewer, number: int) -> Callable[[], bool]:
        before = viewer.shown(PLAYER)
        await viewer.change(key, **value(number))
        return lambda: viewer.shown(PLAYER) not in (None, before)

    return act


def _opened(at: int) -> Act:
    async def act(viewer: Viewer, number: int) -> Callable[[], bool]:
        await viewer.go("lessons", {"of": LESSON, "at": str(at)})
        return lambda: viewer.wrote(f'data-lesson-ready="{at}"')

    return act


def _turned(at: int) -> Act:
    async def act(viewer: Viewer, number: int) -> Callable[[], bool]:
        await viewer.trigger("lessons/bar", "ask", {"at": at})
        return lambda: viewer.wrote(f'data-lesson-ready="{at}"')

    return act


def _answered(at: int) -> Act:
    async def act(viewer: Viewer, number: int) -> Callable[[], bool]:
        await viewer.trigger("lessons/bar", "ask", {"reveal": at})
        return lambda: viewer.wrote(f'data-lesson-ready="{at}!"')

    return act


def _map(query: dict[str, str]) -> Act:
    async def act(viewer: Viewer, number: int) -> Callable[[], bool]:
        before = viewer.runs
        await viewer.go("atlas", query)
        return lambda: (viewer.runs > before and "atlas/maps" in viewer.data
                        and not viewer.growing)

    return act


def _long_map(turn: int) -> Act:
    async def act(viewer: Viewer, number: int) -> Callable[[], bool]:
        before = viewer.runs
        await viewer.go("atlas", {"points": "64", "seeds": "8", "steps": "600",
                                  "seed": str(1000 * turn + number)})
        return lambda: viewer.runs > before and "atlas/maps" in viewer.data

    return act


# --- the report -----------------------------------------------------------------------------------

def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="benchmarks.load")
    parser.add_argument("--viewers", type=int, nargs="+", default=[1, 10, 30])
    parser.add_argument("--rest", type=float, default=300.0, help="seconds after all have left")
    parser.add_argument("--out", type=Path, default=FILE)
    asked = parser.parse_args()
    with server("app.py") as (url, process):
        time.sleep(SETTLED)                    # the numeric core is imported beside the start
        with Memory(process) as memory:
            report = measured(url, asked.viewers, asked.rest, memory)
    asked.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    show(report)


def measured(url: str, sizes: list[int], rest: float, memory: Memory) -> dict[str, Any]:
    """The whole report: rows, and memory at start, at its peak, and after a rest."""
    from qnviz.ui.frame.server import PLOTLY_URL

    bare = memory.now()
    asyncio.run(lecture(warm := Class(url, 1, 0), PLOTLY_URL, 0))
    time.sleep(SETTLED)
    start, rows, told = memory.now(), [], list(warm.told)
    for turn, size in enumerate(sizes, 1):
        there, cpu = Class(url, size, turn), memory.cpu()
        asyncio.run(lecture(there, PLOTLY_URL, turn))
        rows += there.rows()
        told += there.told
        acts = sum(len(s) for s in there.seconds.values())
        print(f"{size} viewers: {(memory.cpu() - cpu) / acts:.3f} s of the server's processor time "
              "per act", flush=True)
    rows += seen(url)
    peak = memory.peak
    time.sleep(rest)
    after = memory.now()
    return {"when": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": f"{os.cpu_count()} cores, {platform.machine()}, load "
                       f"{os.getloadavg()[2]:.1f} over the last 15 minutes, viewers included",
            "rows": rows, "told": told[:20],
            "memory": {"bare_mb": bare.server, "start_mb": start.server, "peak_mb": peak.server,
                       "after_mb": after.server, "rest_s": rest, "workers_start_mb": start.workers,
                       "workers_peak_mb": peak.workers, "workers_after_mb": after.workers,
                       "start": "after one visitor of the same pages had left"}}


def seen(url: str) -> list[dict[str, Any]]:
    """One viewer in Chromium, against whom the client is checked; nothing where there is none."""
    from playwright.sync_api import sync_playwright

    if (chromium := executable()) is None:
        return []
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium, args=FLAGS)
        first = [_open(browser, url) for _ in range(5)]
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(f"{url}/?stop=0&step=0")
        page.wait_for_selector(READY)
        page.wait_for_timeout(1500)
        fresh, again = ([_click(page, seed) for seed in range(200, 206)] for _ in range(2))
        browser.close()
    return [{"viewers": 1, "what": f"{what}, in Chromium", "times": len(s), "errors": 0,
             "p50_s": round(statistics.median(s), 3), "p95_s": percentile(s, 0.95),
             "max_s": percentile(s, 1.0)}
            for what, s in (("first picture", first), ("changed control, computed", fresh),
                            ("changed control, computed before", again))]


def _open(browser: Any, url: str) -> float:
    """Seconds until a browser that was never here shows the home page's pictures."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    began = time.perf_counter()
    page.goto(url)
    page.wait_for_selector(READY)
    took = time.perf_counter() - began
    context.close()
    return took


def _click(page: Any, seed: int) -> float:
    """Seconds from Enter in the seed's field until all pictures are drawn."""
    old = page.get_attribute("[data-qnviz-player]", "data-id")
    box = page.get_by_role("spinbutton", name="seed")
    box.fill(str(seed))
    began = time.perf_counter()
    box.press("Enter")
    page.wait_for_function(
        "old => { const p = document.querySelector('[data-qnviz-player]');"
        " return p.dataset.ready === 'true' && p.dataset.id !== old }", arg=old, polling=10)
    took = time.perf_counter() - began
    page.wait_for_timeout(300)
    return took


def show(report: dict[str, Any]) -> None:
    """Print a report as a table."""
    print(f"{'viewers':>7}  {'what':44}{'p50':>9}{'p95':>9}{'worst':>9}{'errors':>8}")
    for row in report["rows"]:
        times = "".join(f"{'—' if row[n] is None else f'{row[n]:.2f} s':>9}"
                        for n in ("p50_s", "p95_s", "max_s"))
        print(f"{row['viewers']:7}  {row['what']:44}{times}{row['errors']:8}")
    m = report["memory"]
    print(f"Server's memory in MB: {m['bare_mb']:.0f} bare, {m['start_mb']:.0f} after one visitor, "
          f"{m['peak_mb']:.0f} at its peak, {m['after_mb']:.0f} {m['rest_s']:.0f} s after all left "
          f"({m['after_mb'] / m['start_mb'] - 1:+.0%}). Its workers: {m['workers_start_mb']:.0f}, "
          f"{m['workers_peak_mb']:.0f}, {m['workers_after_mb']:.0f}.")
    for text in report["told"]:
        print(f"  {text}")


if __name__ == "__main__":
    main()
