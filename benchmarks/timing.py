"""Interleaved timing, so that what else the machine does falls on all candidates alike."""

import statistics
import time
from collections.abc import Callable


def interleaved(candidates: dict[str, Callable[[], object]], repeats: int) -> dict[
        str, list[float]]:
    """Seconds of each candidate, one warm-up first, then round after round."""
    for work in candidates.values():
        work()
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(repeats):
        for name, work in candidates.items():
            began = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - began)
    return seconds


def shown(seconds: list[float]) -> str:
    """Median and range in milliseconds."""
    low, middle, high = min(seconds), statistics.median(seconds), max(seconds)
    return f"{1e3 * middle:9.1f} ms   ({1e3 * low:.1f} … {1e3 * high:.1f}, {len(seconds)} repeats)"
