"""What the server offers besides Streamlit's pages: Plotly's script, and a warm start."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

# Whole before the first request: Plotly looks for pandas in sys.modules whenever it checks a value,
# and fails on a pandas that another thread is just importing.
import pandas  # noqa: F401
import plotly
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse
from starlette.routing import Route

from qnviz.ui.ready import load

# A computing thread gives the interpreter's lock away at every torch call, and then waits this long
# for a busy thread to return it: at the usual 5 ms a run beside one is 260 times slower than alone,
# so 6 times (benchmarks/RESULTS.md).
TURN = 0.0001                                  # seconds
PLOTLY_JS = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
PLOTLY_URL = f"/qnviz/plotly-{plotly.__version__}.min.js"


async def _plotly(request: Request) -> FileResponse:
    # the version is in the address, so a browser may keep it for ever
    return FileResponse(PLOTLY_JS, media_type="text/javascript",
                        headers={"Cache-Control": "public, max-age=31536000, immutable"})


async def _race(request: Request) -> RedirectResponse:
    # the default page has no address of its own, but people will write this one
    root = request.scope.get("root_path", "")
    return RedirectResponse(f"{root}/?{request.url.query}" if request.url.query else f"{root}/")


ROUTES = [Route(PLOTLY_URL, _plotly), Route("/race", _race)]


@asynccontextmanager
async def warm(app: object) -> AsyncIterator[None]:
    """Import the numeric core beside the server's start, so that no visitor waits for it."""
    sys.setswitchinterval(TURN)
    threading.Thread(target=_settle, daemon=True).start()
    yield


def _settle() -> None:
    """Import the core, then take what is loaded for good out of the collector's sight.

    A full collection looks at every object of torch, pandas and plotly, 0.3 s long, and holds the
    interpreter's lock meanwhile.
    """
    load()
    gc.collect()
    gc.freeze()
