"""Whether a visitor is still connected."""

from __future__ import annotations

from collections.abc import Callable

from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx


def session() -> Callable[[], bool]:
    """A function, for any thread, that says whether the visitor of this script run is still here.

    Where a page runs without a server (streamlit.testing), the visitor is always here.
    """
    context = get_script_run_ctx()
    if context is None or not runtime.exists():
        return lambda: True
    server, name = runtime.get_instance(), context.session_id
    return lambda: server.is_active_session(name)
