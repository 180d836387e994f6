"""PNG, SVG and PDF of a picture, drawn by the machine's own Chrome or Chromium.

The browser starts with the first picture (about 4 s), stays for the next ones (about 1 s each), and
ends when nobody has asked for one for two minutes.
"""

from __future__ import annotations

import asyncio
import atexit
import base64
import logging
import shutil
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from qnviz import environment
from qnviz.errors import ExportError
from qnviz.figures.packing import plain
from qnviz.figures.still import still

LOG = logging.getLogger("qnviz")
FORMATS = ("png", "svg", "pdf")
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome",
         "google-chrome-stable", "chrome")       # the first has no windows, and starts soonest
PATIENCE = 60.0                      # seconds for one picture, a cold start included
IDLE = 120.0                         # … after which the browser ends
NO_BROWSER = ("Pictures need Chrome or Chromium on the machine that runs qnviz; the HTML export "
              "does not.")


PAGE = ("<!doctype html><style>@page {{ size: {width}px {height}px; margin: 0 }} "
        "body {{ margin: 0 }} svg {{ display: block }}</style>{svg}")


class Size(NamedTuple):
    """A picture's place on a slide: pixels, and how many of them make one of the page's."""

    title: str
    width: int
    height: int
    scale: float


SIZES = {
    "16:9": Size("whole slide, 16:9", 1920, 1080, 3.0),
    "4:3": Size("whole slide, 4:3", 1600, 1200, 2.5),
    "half": Size("half of a 16:9 slide", 960, 1080, 2.0),
    "third": Size("a third of a 16:9 slide", 640, 1080, 1.6),
    "4k": Size("poster, 16:9 at 4K", 3840, 2160, 6.0),
}


def picture(payload: Mapping[str, Any], panel: str, frame: int | None = None, *,
            choice: str | None = None, form: str = "png", size: str = "16:9", caption: str = "",
            transparent: bool = False) -> bytes:
    """A panel of the player at a frame, as a file.

    Args:
        payload: what the player draws, in the light that is wanted.
        panel: the panel's id.
        frame: where the playhead stands; by default at the end.
        choice: the label of what is chosen in the panel, where there is a choice.
        form: one of FORMATS.
        size: a name in SIZES.
        caption: a line below the title.
        transparent: whether there is nothing behind the picture.

    Raises:
        KeyError: there is no such panel, or no such choice in it.
        ExportError: there is no browser, or it did not draw the picture.
    """
    place = SIZES[size]
    figure = still(payload, panel, frame, choice=choice, width=round(place.width / place.scale),
                   height=round(place.height / place.scale), density=place.scale,
                   caption=caption, transparent=transparent)
    return RENDERER.render(plain(figure), form, place)


class Renderer:
    """A browser that draws Plotly's figures, for any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._one: asyncio.Lock | None = None
        self._browser: Any = None
        self._end: asyncio.TimerHandle | None = None

    @property
    def warm(self) -> bool:
        """Whether the browser is there already."""
        return self._browser is not None

    def render(self, figure: Mapping[str, Any], form: str, place: Size) -> bytes:
        """Draw a plain figure.

        Raises:
            ExportError: there is no browser, or it did not draw the picture.
        """
        path = browser_path()
        if path is None:
            raise ExportError(NO_BROWSER)
        with self._lock:
            task = asyncio.run_coroutine_threadsafe(self._render(path, figure, form, place),
                                                    self._running())
        return task.result()

    def close(self) -> None:
        """End the browser and its thread, if there are any, after what was asked for before."""
        with self._lock:
            if (loop := self._loop) is None or self._thread is None:
                return
            asyncio.run_coroutine_threadsafe(self._closed(), loop).result(PATIENCE)
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join(PATIENCE)
            loop.close()
            self._loop = self._thread = self._one = self._end = None
            atexit.unregister(self.close)

    def _running(self) -> asyncio.AbstractEventLoop:
        """A loop in a thread of its own: Streamlit's and a notebook's are not ours to block."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, daemon=True,
                                            name="qnviz-pictures")
            self._thread.start()
            atexit.register(self.close)
        return self._loop

    async def _render(self, path: str, figure: Mapping[str, Any], form: str,
                      place: Size) -> bytes:
        if self._one is None:
            self._one = asyncio.Lock()
        async with self._one:
            if self._end is not None:
                self._end.cancel()
            try:
                if self.warm:
                    try:
                        return await self._in_time(path, figure, form, place)
                    except TimeoutError:
                        raise
                    except Exception:          # it may have died since: a new one is worth a try
                        await self._gone()
                return await self._in_time(path, figure, form, place)
            except (ExportError, asyncio.CancelledError):
                raise
            except TimeoutError:
                await self._gone()
                raise ExportError(f"The browser {path} did not draw the picture within "
                                  f"{PATIENCE:.0f} s. Try again, or take the HTML export, which "
                                  "needs none.") from None
            except Exception as error:         # whatever a browser that died makes kaleido raise
                await self._gone()
                why = next(map(str, error.args), type(error).__name__).removesuffix(".")
                raise ExportError(f"The browser {path} could not draw the picture: {why}. The "
                                  "HTML export needs none.") from error
            finally:
                self._end = asyncio.get_running_loop().call_later(
                    IDLE, lambda: asyncio.ensure_future(self._closed()))

    async def _in_time(self, path: str, figure: Mapping[str, Any], form: str,
                       place: Size) -> bytes:
        return await asyncio.wait_for(self._drawn(path, figure, form, place), PATIENCE)

    async def _drawn(self, path: str, figure: Mapping[str, Any], form: str,
                     place: Size) -> bytes:
        if self._browser is None:
            kaleido = _kaleido()
            # MathJax would come from the network, and no picture has formulas
            browser = kaleido.Kaleido(n=1, timeout=PATIENCE, path=path, mathjax=False,
                                      plotlyjs=plotly_js())
            await browser.open()
            self._browser = browser
        options = dict(format="svg" if form == "pdf" else form, scale=place.scale,
                       width=place.width / place.scale, height=place.height / place.scale)
        drawn = await self._browser.calc_fig(dict(figure), opts=options)
        return await self._printed(drawn.decode(), place) if form == "pdf" else drawn

    async def _printed(self, svg: str, place: Size) -> bytes:
        """A page of the picture's size that holds nothing else: kaleido's has a white edge."""
        tab = await self._browser.create_tab("about:blank")
        try:
            tree = await self._told(tab, "Page.getFrameTree")
            await self._told(tab, "Page.setDocumentContent", frameId=tree["frameTree"]["frame"][
                "id"], html=PAGE.format(width=place.width, height=place.height, svg=svg))
            no_edge = {f"margin{side}": 0 for side in ("Top", "Bottom", "Left", "Right")}
            page = await self._told(tab, "Page.printToPDF", printBackground=True,
                                    preferCSSPageSize=True, pageRanges="1", **no_edge)
            return base64.b64decode(page["data"])
        finally:
            await self._browser.close_tab(tab.target_id)

    @staticmethod
    async def _told(tab: Any, command: str, **params: Any) -> dict[str, Any]:
        """The browser's answer to a command."""
        answer = await tab.send_command(command, params=params)
        if "error" in answer:
            raise RuntimeError(f"{command}: {answer['error'].get('message')}")
        return answer["result"]

    async def _closed(self) -> None:
        if self._one is None:
            return
        async with self._one:
            await self._gone()

    async def _gone(self) -> None:
        browser, self._browser = self._browser, None
        if browser is not None:
            try:
                await asyncio.wait_for(browser.close(), PATIENCE / 6)
            except Exception:                  # it may have died; what it drew is drawn
                LOG.warning("The browser that draws pictures did not close.", exc_info=True)


RENDERER = Renderer()


def browser_path() -> str | None:
    """Chrome or Chromium on this machine: $BROWSER_PATH, or what is found by its usual names."""
    named = environment.value("BROWSER_PATH")
    return shutil.which(named) if named else next(filter(None, map(shutil.which, NAMES)), None)


@cache
def plotly_js() -> Path:
    """Plotly's script on this machine.

    Raises:
        ExportError: plotly is not installed.
    """
    try:
        import plotly
    except ImportError:
        raise ExportError("Exports need the package plotly: pip install plotly.") from None
    return Path(plotly.__file__).parent / "package_data" / "plotly.min.js"


def _kaleido() -> Any:
    try:
        import kaleido
    except ImportError:
        raise ExportError("Pictures need the package kaleido: pip install kaleido.") from None
    return kaleido
