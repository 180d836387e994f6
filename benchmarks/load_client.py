"""A viewer without a browser: speaks Streamlit's websocket protocol, as its frontend does.

It opens pages, changes widgets and components by their keys, obeys fragments that ask to be run
again, keeps what Streamlit allows to be kept, and knows when a picture's data have arrived.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

NEVER = 3600.0                                 # seconds: a fragment that is not about to grow
KEPT = 2                                       # scripts' runs for which a message is kept
FILES = re.compile(r'(?:src|href)="\./(static/[^"]+\.(?:js|css|woff2))"')
TURN = re.compile(r"@\d+$")                    # how often the app has made a held widget anew
EVENTS = "$$STREAMLIT_INTERNAL_KEY_{}__events"  # where a component's triggers go


class Late(Exception):
    """What was waited for did not come in time."""


class Viewer:
    """One visitor with one tab.

    Args:
        url: the server, as http://127.0.0.1:8501.
        page: the page's address after the slash, "" for the first one.
        query: the fields of its address.
    """

    def __init__(self, url: str, page: str = "", query: dict[str, str] | None = None):
        self.url, self.page, self.query = url, page, urlencode(query or {})
        self.errors: list[str] = []            # exceptions that a page showed; lost connections
        self.data: dict[str, bytes] = {}       # the newest data of each component, by its key
        self.html: list[str] = []              # what st.html wrote in the last run
        self.runs = 0                          # of the script or a fragment that have ended
        self._whole = 0                        # … of the script, to its end
        self.bytes = 0
        self._script = ""                      # the page, as the server names it once it ran
        self._ids: dict[str, str] = {}         # a widget's key → its id
        self._states: dict[str, WidgetState] = {}
        self._kept: dict[str, tuple[ForwardMsg, int]] = {}
        self._news = asyncio.Condition()
        self._again: dict[str, asyncio.Task] = {}
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task | None = None

    async def __aenter__(self) -> Viewer:
        """Connect and ask for the page."""
        address = self.url.replace("http", "ws", 1) + "/_stcore/stream"
        self._socket = await connect(address, subprotocols=["streamlit"], max_size=None,  # type: ignore[list-item]
                                     open_timeout=60, ping_interval=None)
        self._reader = asyncio.create_task(self._read(self._socket))
        await self._send()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the tab."""
        for task in self._again.values():
            task.cancel()
        if self._reader is not None:
            self._reader.cancel()
        if self._socket is not None:
            await self._socket.close()

    # --- what a visitor does ----------------------------------------------------------------------

    async def go(self, page: str, query: dict[str, str] | None = None) -> None:
        """Go to another page of the app."""
        self.page, self.query, self._script = page, urlencode(query or {}), ""
        self._states.clear()
        self.data.clear()
        await self._send()

    async def change(self, key: str, **value: Any) -> None:
        """Set a widget's value, as the field of `WidgetState` that its kind has."""
        name = await self._id(key)
        self._states[name] = state = WidgetState(id=name)
        for field, given in value.items():
            if isinstance(given, list):
                getattr(state, field).data.extend(given)
            else:
                setattr(state, field, given)
        await self._send()

    async def press(self, key: str) -> None:
        """Press a button."""
        name = await self._id(key)
        await self._send(WidgetState(id=name, trigger_value=True))

    async def trigger(self, key: str, event: str, value: Any) -> None:
        """Let a component tell of an event."""
        text = json.dumps([{"event": event, "value": value}])
        name = EVENTS.format(await self._id(key))
        await self._send(WidgetState(id=name, json_trigger_value=text))

    async def state(self, key: str, **value: Any) -> None:
        """Set the state of a component."""
        await self.change(key, json_value=json.dumps(value))

    async def until(self, condition: Callable[[], bool], timeout: float = 120.0) -> float:
        """Wait for something that what has arrived says; gives the time when it was so.

        Raises:
            Late: it did not come within `timeout` seconds, or the connection was lost.
        """
        async def wait() -> None:
            async with self._news:
                await self._news.wait_for(lambda: condition() or self._gone())

        try:
            await asyncio.wait_for(wait(), timeout)
        except TimeoutError:
            raise Late(f"nothing within {timeout:.0f} s on {self.page or 'the first page'}") from (
                None)
        if not condition():
            raise Late("the connection was lost")
        return time.perf_counter()

    @property
    def growing(self) -> bool:
        """Whether the page asks to be looked at again, as what it shows is still computed."""
        return bool(self._again)

    def wrote(self, text: str) -> bool:
        """Whether the page wrote this as HTML."""
        return any(text in html for html in self.html)

    def shown(self, key: str) -> str | None:
        """What tells the picture of a component from others; None while it is not whole."""
        data = self.data.get(key)
        if data is None or b'"follow": true' in data:
            return None
        found = re.search(rb'"id": "(\w+)"', data)
        return found[1].decode() if found else None

    # --- the protocol -----------------------------------------------------------------------------

    def _gone(self) -> bool:
        return self._reader is None or self._reader.done()

    async def _id(self, key: str) -> str:
        await self.until(lambda: key in self._ids)
        return self._ids[key]

    async def _send(self, *triggers: WidgetState, fragment: str = "") -> None:
        back = BackMsg()
        ask = back.rerun_script
        ask.query_string, ask.page_script_hash = self.query, self._script
        ask.page_name = "" if self._script else self.page
        ask.fragment_id, ask.is_auto_rerun = fragment, bool(fragment)
        ask.widget_states.widgets.extend([*self._states.values(), *triggers])
        ask.cached_message_hashes.extend(self._kept)
        ask.context_info.url = f"{self.url}/{self.page}"
        ask.context_info.color_scheme = "light"
        assert self._socket is not None
        await self._socket.send(back.SerializeToString())

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for raw in socket:
                assert isinstance(raw, bytes)
                self.bytes += len(raw)
                message = ForwardMsg()
                message.ParseFromString(raw)
                self._take(message)
                async with self._news:
                    self._news.notify_all()
            self.errors.append("the server closed the connection")
        except (OSError, ConnectionClosed) as error:
            self.errors.append(f"the connection broke: {error}")
        finally:
            asyncio.get_running_loop().create_task(self._wake())

    async def _wake(self) -> None:
        async with self._news:
            self._news.notify_all()

    def _take(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "ref_hash":
            kept = self._kept.get(message.ref_hash)
            if kept is None:
                self.errors.append("the server refers to a message that was not kept")
            else:
                self._take(kept[0])
        elif kind == "new_session":
            if not message.metadata.run.fragment_ids:
                self.html.clear()
                for task in self._again.values():
                    task.cancel()
                self._again.clear()
        elif kind == "navigation":
            self._script = message.navigation.page_script_hash
        elif kind == "page_info_changed":
            self.query = message.page_info_changed.query_string
        elif kind == "auto_rerun":
            asked = message.auto_rerun
            if asked.fragment_id not in self._again and asked.interval < NEVER:
                self._again[asked.fragment_id] = asyncio.create_task(
                    self._repeat(asked.fragment_id, asked.interval))
        elif kind == "script_finished":
            self.runs += 1
            if message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                self._whole += 1
                self._kept = {h: (m, at) for h, (m, at) in self._kept.items()
                              if self._whole - at <= KEPT}
        elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            if message.metadata.cacheable:
                self._kept[message.hash] = message, self._whole
            self._element(message.delta.new_element)

    def _element(self, element: Any) -> None:
        kind = element.WhichOneof("type")
        inner: Any = getattr(element, kind) if kind else None
        if kind == "exception":
            self.errors.append(f"{inner.type}: {inner.message}")
        elif kind == "html":
            self.html.append(inner.body)
        name = getattr(inner, "id", "")
        if name.startswith("$$ID-"):
            key = TURN.sub("", name.split("-", 2)[2])
            self._ids[key] = name
            if kind == "bidi_component":
                self.data[key] = inner.bytes

    async def _repeat(self, fragment: str, interval: float) -> None:
        while True:
            await asyncio.sleep(interval)
            await self._send(fragment=fragment)


def fetch(url: str, plotly: str) -> int:
    """Load what a browser loads before it connects: the page, its scripts, Plotly's; in bytes."""
    html = _get(f"{url}/")
    return len(html) + sum(len(_get(f"{url}/{name}")) for name in FILES.findall(html.decode())) + (
        len(_get(url + plotly)))


def _get(url: str) -> bytes:
    request = urllib.request.Request(url, headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return answer.read()
