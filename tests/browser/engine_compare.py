"""Columns of runs compared: from where on they differ, and where Python itself is unsure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from qnviz.runs.trace import Rows, is_event
from tests.browser.engine import Ran

RELATIVE = 1e-9                      # by which numbers may differ,
FLOOR = 1e-12                        # … of the largest number of a run, or of a step's iterations,
SMALLEST = {"loss": 1e-24, "grad_norm": 1e-12}     # … at a minimum: what rounding makes of 0
SHARE = 0.1                          # of all these, by which Python itself may move

# beyond, what comes of a step is rounding's, however it falls in the runs that are moved
GAIN = 1e-13                         # of f: a step gains less, and the method compares values of f
CONDITION = 1e13                     # of the matrix that is applied
HUGE = 1e150                         # ‖∇f‖, whose square overflows
PATH = ("theta", "loss")             # what must not move in a run that is not chaotic
NEVER = 10**9


def together(ran: Sequence[Ran], like: Rows) -> Rows:
    """Runs that the engine made one by one as columns of one batch; NaN where one has none."""
    found: Rows = {"status": np.array([r.status[0] for r in ran]),
                   "stopped": np.array([r.stopped[0] for r in ran])}
    for name in {n for r in ran for n in r.columns}:
        rows, _, *rest = next(r.columns[name].shape for r in ran if name in r.columns)
        wide = [max(r.columns[name].shape[-1] for r in ran if name in r.columns)] if rest else []
        found[name] = np.full((rows, len(ran), *wide), np.nan)
        for i, r in enumerate(ran):
            if name in r.columns:
                part = r.columns[name][:, 0]
                found[name][(slice(None), i, *(slice(n) for n in part.shape[1:]))] = part
    assert set(found) <= set(like), f"Python does not record {set(found) - set(like)}"
    return found


def first_differences(a: Rows, b: Rows, share: float = 1.0) -> dict[str, np.ndarray]:
    """Per column the first row (R,) in which runs of `b` are not those of `a`; NEVER if all are.

    Of events only the steps count that a run of `a` took. Where one side alone is NaN the column is
    called "name?": whether there is a number is a decision.
    """
    found = {}
    for name, x in a.items():
        if name in ("status", "stopped"):
            continue
        if name not in b:                      # events of runs that took no step
            found[name] = np.where(a["stopped"] > 0, 0, NEVER)
            continue
        x, y = _alike(x.astype(float), b[name].astype(float))
        size = np.where(np.isfinite(x), np.abs(x), 0)
        floor = SMALLEST.get(name, 0.0)
        if not is_event(name):
            rest = tuple(i for i in range(x.ndim) if i != 1)
            floor = floor + FLOOR * size.max(axis=rest, keepdims=True)
        elif x.ndim == 3:                      # iterations of one step
            floor = FLOOR * size.max(axis=-1, keepdims=True)
        with np.errstate(invalid="ignore"):
            far = ~((x == y) | (np.abs(x - y) <= share * (RELATIVE * size + floor)))
        none = np.isnan(x), np.isnan(y)
        found[name] = _first(far & ~none[0] & ~none[1], name, a["stopped"])
        found[f"{name}?"] = _first(none[0] ^ none[1], name, a["stopped"])
    return found


def _first(bad: np.ndarray, name: str, stopped: np.ndarray) -> np.ndarray:
    bad = bad.reshape(*bad.shape[:2], -1).any(-1)
    return hit(bad, stopped if is_event(name) else np.full_like(stopped, NEVER))


def _alike(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ragged last axes padded to the longer one with NaN."""
    if x.ndim < 3:
        return x, y
    wide = max(x.shape[-1], y.shape[-1])
    x, y = (np.pad(v, [(0, 0), (0, 0), (0, wide - v.shape[-1])], constant_values=np.nan)
            for v in (x, y))
    return x, y


class Sure(NamedTuple):
    """How far Python agrees with itself when a batch is moved a little."""

    limit: dict[str, np.ndarray]     # per column the first row (R,) in which it does not
    calm: np.ndarray                 # (R,) whether a run has the same iterates to the same end


def sure(base: Rows, moved: Sequence[Rows]) -> Sure:
    """What of Python's runs stays as it is when they are moved a little."""
    rows = [first_differences(base, m, SHARE) for m in moved]
    limit = {name: np.min([r[name] for r in rows], 0) for name in rows[0]}
    at = np.min([hit(bad, base["stopped"]) for bad in lost(base)], 0)
    limit = {name: np.minimum(rows, at) for name, rows in limit.items()}
    path = np.min([limit[n] for n in PATH], 0)
    anything = np.min(list(limit.values()), 0)
    limit = {name: anything if decides(name, base) else np.minimum(rows, path)
             for name, rows in limit.items()}
    ends = np.all([(base["status"] == m["status"]) & (base["stopped"] == m["stopped"])
                   for m in moved], 0)
    return Sure(limit, ends & (path > base["stopped"]))


def lost(base: Rows) -> Iterator[np.ndarray]:
    """Steps (T, R) whose consequences are rounding's."""
    f, grad = base["loss"], base["grad_norm"]
    with np.errstate(invalid="ignore", over="ignore"):
        yield ~(grad[1:] < HUGE)
        if "at_precision" in base:
            yield np.abs(np.diff(f, axis=0)) <= GAIN * np.abs(f[:-1])
        if "eig_min" in base:
            low, high = (base[n].reshape(len(base[n]), len(f[0]), -1)[..., 0]
                         for n in ("eig_min", "eig_max"))
            yield ~(high < CONDITION * low)


def hit(bad: np.ndarray, stopped: np.ndarray) -> np.ndarray:
    """The first step (R,) that is bad, of those that were taken; NEVER if none is."""
    bad = bad & (np.arange(len(bad))[:, None] < stopped)
    return np.where(bad.any(0), bad.argmax(0), NEVER)


def decides(name: str, base: Rows) -> bool:
    """Whether a column holds decisions, which hang on the numbers of other columns."""
    return name.endswith("?") or base[name].dtype.kind != "f"


def disagreements(base: Rows, engine: Rows, python: Sure) -> dict[int, list[str]]:
    """Which runs of the engine are not Python's, where Python is sure of itself, and in what.

    Where a decision fell otherwise, and rounding was to blame, the rest of a run is another one.
    """
    found: dict[int, list[str]] = {}
    first = first_differences(base, engine)
    guides = {name for name in first if name in PATH or decides(name, base)}
    parted = np.min([first[name] for name in guides], 0)
    for name, row in first.items():
        until = python.limit[name] if name in guides else np.minimum(python.limit[name], parted)
        for r in np.flatnonzero(row < until):
            found.setdefault(int(r), []).append(f"{name} of row {row[r]}")
    ends = (base["status"] != engine["status"]) | (base["stopped"] != engine["stopped"])
    for r in np.flatnonzero(python.calm & ends):
        found.setdefault(int(r), []).append(
            f"{engine['status'][r]} at {engine['stopped'][r]}, not {base['status'][r]} at "
            f"{base['stopped'][r]}")
    return found


def compared(base: Rows, python: Sure) -> tuple[int, int]:
    """How many rows of all columns and runs were compared, and how many there are."""
    rows = [np.minimum(base["stopped"], at).sum() for n, at in python.limit.items() if n in base]
    return int(sum(rows)), int(base["stopped"].sum()) * len(rows)
