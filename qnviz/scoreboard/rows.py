"""The scoreboard's rows as methods declare them: what is computed. Pages read `table.ROWS`."""

from __future__ import annotations

from dataclasses import replace

from qnviz.methods.base import Row
from qnviz.methods.registry import METHODS
from qnviz.scoreboard import MAIN

FIRST = (*MAIN, "adam_lr")           # all others follow in the order of the registry


def _declared() -> dict[str, Row]:
    """All rows by key; of every method its own, not those that it inherits."""
    found: dict[str, Row] = {}
    for name, method in METHODS.items():
        for row in vars(method).get("rows", ()):
            if row.key in found:
                raise ValueError(f"two rows of the scoreboard have the key {row.key!r}")
            found[row.key] = replace(row, name=name)
    return {key: found[key] for key in dict.fromkeys((*FIRST, *found))}


DECLARED = _declared()
