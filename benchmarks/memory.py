"""The memory and processor time of a server and of its worker processes (Linux)."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import NamedTuple

EVERY = 0.5                          # seconds between two looks


class Used(NamedTuple):
    """MB: the server's resident memory, and its children's share of theirs (PSS)."""

    server: float
    workers: float


class Memory:
    """Looks at a process again and again, and remembers the most that it used."""

    def __init__(self, process: int):
        self.process = process
        self.peak = Used(0.0, 0.0)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Memory:
        """Begin to look."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Look no more."""
        self._over.set()
        self._thread.join()

    def now(self) -> Used:
        """What is used at this moment."""
        below = children(self.process)
        return Used(round(_kilobytes(self.process, "status", "VmRSS:") / 1e3, 1),
                    round(sum(_kilobytes(p, "smaps_rollup", "Pss:") for p in below) / 1e3, 1))

    def cpu(self) -> float:
        """Seconds of processor time that the process itself has used."""
        text = Path(f"/proc/{self.process}/stat").read_text().rpartition(") ")[2].split()
        return (int(text[11]) + int(text[12])) / os.sysconf("SC_CLK_TCK")

    def _watch(self) -> None:
        while not self._over.wait(EVERY):
            self.peak = Used(*map(max, self.peak, self.now()))


def children(process: int) -> list[int]:
    """All processes that descend from this one."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(") ")[2].split()[1])
        except OSError:                        # it ended meanwhile
            continue
    found, new = [], [process]
    while new:
        new = [child for child, parent in parents.items() if parent in new]
        found += new
    return found


def _kilobytes(process: int, file: str, name: str) -> float:
    try:
        lines = Path(f"/proc/{process}/{file}").read_text().splitlines()
    except OSError:                            # it ended meanwhile
        return 0.0
    return float(next((line.split()[1] for line in lines if line.startswith(name)), 0))
