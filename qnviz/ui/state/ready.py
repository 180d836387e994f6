"""Whether the numeric core is imported: torch takes seconds, and a picture need not wait for it."""

import threading
from importlib import import_module

_imported = threading.Event()


def ready() -> bool:
    """True once `load` has run through in this process."""
    return _imported.is_set()


def load() -> None:
    """Import the numeric core; waits for an import that is under way elsewhere."""
    import_module("qnviz.runs.loop")
    _imported.set()
