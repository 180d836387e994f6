"""What each page sends when it is opened: bytes as the page reads them, and bytes on the wire.

A small proxy stands between browser and server and counts what passes through each connection.
Scripts and styles are kept by the browser for all pages, so they are counted once.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from benchmarks.chromium import FLAGS, LONGEST, READY, ROOT, executable, server, unavailable
from benchmarks.results import Measurement, Table, single

PAGES = ("", *sorted(path.stem for path in (ROOT / "pages").glob("*.py") if path.stem != "race"))
RAW, SENT = "as the page reads it", "as sent"
SETTLED = "[data-testid='stApp'][data-test-script-state='notRunning']"
RESOURCES = """() => performance.getEntriesByType('resource')
    .concat(performance.getEntriesByType('navigation'))
    .reduce((sum, e) => [sum[0] + e.decodedBodySize, sum[1] + e.encodedBodySize], [0, 0])"""


class Wire:
    """Counts the bytes that a server sends over websockets."""

    def __init__(self, port: int):
        self.server_port, self.sent = port, 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it."""
        there = await asyncio.open_connection("127.0.0.1", self.server_port)
        head = await reader.readuntil(b"\r\n\r\n")
        there[1].write(head)
        socket = b"upgrade: websocket" in head.lower()
        await asyncio.gather(self._pass(reader, there[1], False),
                             self._pass(there[0], writer, socket), return_exceptions=True)

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter,
                    counted: bool) -> None:
        while data := await source.read(1 << 16):
            self.sent += len(data) * counted
            target.write(data)
            await target.drain()
        target.close()


@contextmanager
def between(url: str) -> Iterator[tuple[str, Wire]]:
    """A proxy in front of a server: its address, and its count."""
    wire = Wire(urlsplit(url).port or 80)
    loop = asyncio.new_event_loop()
    started: list[int] = []
    up = threading.Event()

    async def main() -> None:
        listening = await asyncio.start_server(wire.serve, "127.0.0.1", 0, limit=1 << 20)
        started.append(listening.sockets[0].getsockname()[1])
        up.set()

    def work() -> None:
        loop.run_until_complete(main())
        loop.run_forever()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    up.wait()
    try:
        yield f"http://127.0.0.1:{started[0]}", wire
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def measure() -> Iterator[Table | str]:
    """One table, or why there is none."""
    if why := unavailable():
        yield why
        return
    from playwright.sync_api import sync_playwright

    found: list[Measurement] = []
    with sync_playwright() as p, server("app.py") as (url, _), between(url) as (through, wire):
        browser = p.chromium.launch(executable_path=executable(), args=FLAGS)
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        found += [Measurement(name="scripts and styles, once", case=case, unit="B", **single(n))
                  for case, n in zip((RAW, SENT), first(context, through), strict=True)]
        for name in PAGES:
            raw, sent = opened(context, f"{through}/{name}", wire)
            found += [Measurement(name=f"/{name}", case=case, unit="B", **single(n))
                      for case, n in ((RAW, raw), (SENT, sent))]
        browser.close()
    yield Table(key="pages", title="What a page sends when it is opened", rows=tuple(found),
                about="Its first run of the script, without what it computes afterwards.")


def first(context: Any, url: str) -> tuple[int, int]:
    """Bytes over HTTP until the home page is drawn, decoded and encoded; the browser keeps them."""
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector(READY, timeout=LONGEST)
    decoded, encoded = page.evaluate(RESOURCES)
    page.close()
    return decoded, encoded


def opened(context: Any, url: str, wire: Wire) -> tuple[int, int]:
    """Bytes over the websocket while a page is opened, unpacked and on the wire."""
    raw: list[int] = []
    page = context.new_page()
    page.on("websocket", lambda ws: ws.on("framereceived", lambda data: raw.append(len(data))))
    before = wire.sent
    page.goto(url)
    page.wait_for_selector(SETTLED, timeout=LONGEST)
    page.wait_for_timeout(500)
    sent = wire.sent - before
    page.close()
    return sum(raw), sent
