"""What the server offers besides Streamlit's pages: scripts that a page loads, a warm start."""

from __future__ import annotations

import asyncio
import gc
import gzip
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import cache
from hashlib import sha256

# Whole before the first request: Plotly looks for pandas in sys.modules whenever it checks a value,
# and fails on a pandas that another thread is just importing.
import pandas  # noqa: F401
import plotly
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qnviz import web
from qnviz.ui.frame.tidy import few_arenas, tidy
from qnviz.ui.privates import BUNDLE, PLOTLY_JS
from qnviz.ui.state.ready import load

# A computing thread gives the interpreter's lock away at every torch call, and then waits this long
# for a busy thread to return it: at the usual 5 ms a run beside one is 260 times slower than alone,
# so 6 times (benchmarks/NOTES.md).
TURN = 0.0001                                  # seconds
PLOTLY_URL = f"/qnviz/plotly-{plotly.__version__}.min.js"
# the version is in the address, so a browser may keep it for ever
KEPT = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
PACKED = {"Content-Encoding": "gzip"}


def _address(entry: str) -> str:
    """Where a module of ours is served: its content is in the address."""
    name = entry.removesuffix(".js").replace("/index", "").replace("/", "-")
    return f"/qnviz/{name}-{sha256(web.bundle(entry).encode()).hexdigest()[:16]}.js"


ENGINE_URL, ENGINE_WORKER_URL = map(_address, (web.ENGINE, web.ENGINE_WORKER))


async def _plotly(request: Request) -> Response:
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return FileResponse(PLOTLY_JS, media_type="text/javascript", headers=KEPT)
    # what says that it is packed already passes Streamlit's middleware, which packs every time
    return Response(await asyncio.to_thread(_packed), media_type="text/javascript",
                    headers=KEPT | PACKED)


def _module(entry: str) -> Route:
    """The route of a module of ours, with all that it imports."""
    plain = web.bundle(entry).encode()
    packed = gzip.compress(plain, mtime=0)

    async def answer(request: Request) -> Response:
        small = "gzip" in request.headers.get("accept-encoding", "")
        return Response(packed if small else plain, media_type="text/javascript",
                        headers=KEPT | PACKED if small else KEPT)

    return Route(_address(entry), answer)


def _script() -> bytes:
    """Plotly's script, its one function in brackets if it has the form that we know."""
    script = PLOTLY_JS.read_bytes()
    if all(script.count(plain) == 1 for plain, _ in BUNDLE):
        for plain, bracketed in BUNDLE:
            script = script.replace(plain, bracketed)
    return script


@cache
def _packed() -> bytes:
    return gzip.compress(_script(), mtime=0)


class Early:
    """Middleware by which the browser loads Plotly's script beside Streamlit's own.

    It would hear of it only from the first picture, when all the rest is there already.
    """

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        async def with_link(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    address = scope.get("root_path", "") + PLOTLY_URL
                    headers.append("Link", f"<{address}>; rel=preload; as=script")
            await send(message)

        await self.app(scope, receive, with_link if scope["type"] == "http" else send)


async def _race(request: Request) -> RedirectResponse:
    # the default page has no address of its own, but people will write this one
    root = request.scope.get("root_path", "")
    return RedirectResponse(f"{root}/?{request.url.query}" if request.url.query else f"{root}/")


ROUTES = [Route(PLOTLY_URL, _plotly), Route("/race", _race),
          *map(_module, (web.ENGINE, web.ENGINE_WORKER))]


@asynccontextmanager
async def warm(app: object) -> AsyncIterator[None]:
    """Import the numeric core beside the server's start, so that no visitor waits for it."""
    sys.setswitchinterval(TURN)
    few_arenas()
    threading.Thread(target=_settle, daemon=True).start()
    tidying = asyncio.create_task(tidy())
    yield
    tidying.cancel()
    with suppress(asyncio.CancelledError):
        await tidying


def _settle() -> None:
    """Import the core, then take what is loaded for good out of the collector's sight.

    A full collection looks at every object of torch, pandas and plotly, 0.3 s long, and holds the
    interpreter's lock meanwhile.
    """
    _packed()
    load()
    gc.collect()
    gc.freeze()
