"""What every answer tells the browser about itself: what may run here, and who may frame it."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qnviz.ui.privates import index

INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def policy(page: str, frames: Sequence[str] = ()) -> str:
    """What a page of this server may do.

    Scripts and workers come from this server; Streamlit loads components' modules as blobs, and
    its page has one script of its own, known by its hash. Styles are written into elements by
    Streamlit, Plotly and the player. Nothing is loaded from elsewhere: a picture in a lesson cannot
    tell a stranger who reads it.

    Args:
        page: Streamlit's page.
        frames: origins that may show the app in a frame, besides its own.
    """
    own = " ".join(f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'"
                   for script in INLINE.findall(page))
    return "; ".join((
        "default-src 'self'", f"script-src 'self' blob: {own}", "worker-src 'self' blob:",
        "style-src 'self' 'unsafe-inline'", "img-src 'self' data: blob:",
        "font-src 'self' data:", "object-src 'none'", "base-uri 'self'", "form-action 'self'",
        " ".join(("frame-ancestors 'self'", *frames))))


HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class Headers:
    """Middleware that adds these headers to every answer that does not say otherwise.

    Args:
        app: what answers.
        frames: origins that may show the app in a frame, besides its own.
    """

    def __init__(self, app: ASGIApp, frames: Sequence[str] = ()):
        self.app = app
        more = HEADERS | {"content-security-policy": policy(index(), frames)}
        self.headers = [(name.encode(), value.encode()) for name, value in more.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name.lower() for name, _ in message.get("headers", ())}
                message["headers"] = [*message.get("headers", ()),
                                      *(h for h in self.headers if h[0] not in there)]
            await send(message)

        await self.app(scope, receive, with_headers if scope["type"] == "http" else send)

