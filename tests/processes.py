"""Other processes as tests see them: which there are, what they run, and whether they have ended.

By /proc where there is one, as it costs nothing, and by `ps` elsewhere, which is asked for whole
lines: without a terminal it cuts them at 80 columns.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

PROC = Path("/proc")
GONE = (FileNotFoundError, ProcessLookupError)         # what reading raises of one that has ended


def children(pid: int | None = None) -> list[int]:
    """The processes that a process has started, by default this one, and that are still there."""
    pid = os.getpid() if pid is None else pid
    if not _by_files():
        pairs = (map(int, line.split()) for line in _ps("-A", "-o", "pid=,ppid="))
        return [child for child, parent in pairs if parent == pid]
    found = []
    try:
        for task in (PROC / f"{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    except GONE:
        return children(pid) if alive(pid) else found          # a thread of it has ended meanwhile
    return found


def command(pid: int) -> str:
    """The whole command line of a process; empty where it has ended, or is just beginning."""
    if not _by_files():
        return " ".join(_ps("-ww", "-o", "args=", "-p", str(pid))) if alive(pid) else ""
    try:
        words = (PROC / f"{pid}/cmdline").read_bytes()
    except GONE:
        return ""
    return words.replace(b"\0", b" ").decode(errors="replace").strip()


def alive(pid: int) -> bool:
    """Whether a process goes on: one that has ended may still be listed for its parent."""
    if _by_files():
        try:
            state = (PROC / f"{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0]
        except GONE:
            return False
    else:
        state = "".join(_ps("-o", "stat=", "-p", str(pid))) or "Z"
    return state[0] not in "ZX"


def _by_files() -> bool:
    return (PROC / f"self/task/{os.getpid()}/children").exists()


def _ps(*args: str) -> list[str]:
    asked = subprocess.run(["ps", *args], check=False, capture_output=True, text=True)
    return asked.stdout.splitlines()
