"""Candidates take turns, so that what else the machine does falls on all of them alike.

One turn each to warm up; then rounds, each begun by another candidate. Python's collector runs
before a round and not during it: otherwise its pauses would fall on whoever happens to be measured.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping

import numpy as np

from benchmarks.results import Measurement, spread

Seconds = dict[str, np.ndarray]                # (rounds,) per candidate; index r is round r's turn


def interleaved(candidates: Mapping[str, Callable[[], object]], rounds: int,
                calls: Mapping[str, int] | None = None) -> Seconds:
    """Seconds per call of each candidate, round after round.

    Args:
        candidates: what to call, by name.
        rounds: how many turns each has.
        calls: how often a candidate is called in one turn, for work whose cost repeats after
            several calls or is too short for the clock; once where it is not named.
    """
    count = {name: (calls or {}).get(name, 1) for name in candidates}

    def turn(name: str) -> float:
        work = candidates[name]
        began = time.perf_counter()
        for _ in range(count[name]):
            work()
        return (time.perf_counter() - began) / count[name]

    for name in candidates:
        turn(name)
    names, seconds = list(candidates), {name: np.empty(rounds) for name in candidates}
    collecting = gc.isenabled()
    gc.collect()
    gc.freeze()                                # so that a collection before each round is short
    try:
        for r in range(rounds):
            gc.collect()
            gc.disable()
            for name in names[r % len(names):] + names[:r % len(names)]:
                seconds[name][r] = turn(name)
            gc.enable()
    finally:
        gc.unfreeze()
        (gc.enable if collecting else gc.disable)()
    return seconds


def rows(seconds: Seconds, baseline: str | None = None, case: str = "",
         per: Mapping[str, float] | None = None,
         notes: Mapping[str, str] | None = None) -> list[Measurement]:
    """Interleaved times as a table's rows.

    Args:
        seconds: of `interleaved`.
        baseline: whose turn of the same round every other turn is divided by.
        case: the table's column.
        per: what a candidate's seconds are shared by, such as 16 runs; 1 where it is not named.
        notes: a word to a candidate.
    """
    def each(name: str) -> np.ndarray:
        return seconds[name] / (per or {}).get(name, 1)

    return [Measurement(
        name=name, case=case, unit="s", **spread(each(name)),
        ratio=None if baseline in (None, name) else {
            "to": baseline, **spread(each(name) / each(baseline))},
        note=(notes or {}).get(name, "")) for name in seconds]
