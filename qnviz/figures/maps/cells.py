"""What a cell of a map says: the median over its seeds, or the category that most of them share.

A diverged run has no large number of steps, it has none: cells differ by their kind first,
and only those of a kind that has values have one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

NOTHING = 255                         # the kind of a cell that was not computed yet
VALUE, UNREACHED, DIVERGED, UNDEFINED = range(4)         # kinds of a map of settings
ELSEWHERE, LOST, HALTED, SADDLE, STILL = range(5)        # of a map of starts, after the minimisers
TWICE = 2.0                           # times the best number of steps still count as good
WIDE, NARROW = 10.0, 1.02             # at most and at least so many times the best loss do

Columns = Mapping[str, np.ndarray]


class Quantity(NamedTuple):
    """What a map colours."""

    name: str                                  # of a column
    title: str
    log: bool = True
    low_is_good: bool = True
    to_target: bool = False                    # whether it has a value only where that was reached


class Side(NamedTuple):
    """One axis of a map."""

    label: str                                 # the symbol
    values: np.ndarray
    log: bool
    title: str = ""                            # with what it means
    fine: int | None = None                    # points over which the browser computes it

    @property
    def edges(self) -> np.ndarray:
        """The cells' borders (n + 1,): halfway between the values, on this axis's scale.

        Where the browser computes more points, both maps end where its outermost cells do.
        """
        v = np.log(self.values) if self.log else np.asarray(self.values, dtype=float)
        middle = (v[1:] + v[:-1]) / 2
        first = middle[0] - v[0] if len(v) > 1 else 0.5
        last = v[-1] - middle[-1] if len(v) > 1 else 0.5
        if self.fine is not None and len(v) > 1:
            first = last = (v[-1] - v[0]) / (self.fine - 1) / 2
        edges = np.concatenate([[v[0] - first], middle, [v[-1] + last]])
        # no border underflows to 0, which has no place on a log axis
        return np.maximum(np.exp(edges), np.finfo(float).tiny) if self.log else edges

    @property
    def span(self) -> list[float]:
        """The range of a Plotly axis that just holds all cells."""
        ends = self.edges[[0, -1]]
        return (np.log10(ends) if self.log else ends).tolist()


@dataclass(frozen=True)
class Cells:
    """A map's cells, arrays (ny, nx): kinds, values with their spread, and counts of seeds."""

    kind: np.ndarray
    value: np.ndarray                          # median over the seeds; NaN where the kind has none
    low: np.ndarray
    high: np.ndarray
    runs: np.ndarray                           # seeds that are computed
    reached: np.ndarray                        # … that reached the target
    diverged: np.ndarray
    steps: np.ndarray                          # median steps to the target, inf where unreached
    loss: np.ndarray                           # median loss at the end, inf where diverged
    undefined: np.ndarray                      # seeds that ended where derivatives have no value

    @property
    def there(self) -> np.ndarray:
        """Which cells are computed."""
        return self.kind != NOTHING

    @property
    def fraction(self) -> float:
        """Share of the cells that are computed."""
        return float(self.there.mean())

    def share(self, which: np.ndarray) -> float:
        """Share among the computed cells; NaN where there is none."""
        return float(which[self.there].mean()) if self.there.any() else float("nan")

    @property
    def good(self) -> np.ndarray:
        """Cells in which at least half of the seeds reached the target."""
        return self.there & (2 * self.reached >= self.runs) & (self.reached > 0)

    @property
    def lost(self) -> np.ndarray:
        """Cells in which most seeds diverged."""
        return self.there & (2 * self.diverged > self.runs)

    @property
    def halted(self) -> np.ndarray:
        """Cells in which most seeds ended where derivatives have no value."""
        return self.there & (2 * self.undefined > self.runs)


def lower_median(a: np.ndarray) -> np.ndarray:
    """The median over the last axis, NaN left out; of an even number the lower of the two.

    Then infinity, for what was not reached, is the median only where most are.
    """
    ordered, n = np.sort(a, axis=-1), np.isfinite(a).sum(-1) + np.isinf(a).sum(-1)
    middle = np.take_along_axis(ordered, np.maximum(n - 1, 0)[..., None] // 2, -1)[..., 0]
    return np.where(n > 0, middle, np.nan)


def cells(columns: Columns, q: Quantity, target: bool = True) -> Cells:
    """Cells of a map of settings, from columns (ny, nx, seeds) of a sweep.

    Without a target a run that ended early, at loss 0, has reached nothing that counts.
    """
    status = columns["status"]
    there, over = status != "missing", status == "diverged"
    runs, diverged = there.sum(-1), over.sum(-1)
    hit = (status == "converged") & target
    steps = lower_median(_known(columns["steps_to_target"], hit, there))
    loss = lower_median(_known(columns["final_loss"], there & ~over, there))
    mine = hit if q.to_target else there & ~over
    each = columns[q.name] if q.name in columns else np.full(status.shape, np.nan)
    # a diverged run's summary, or a NaN of its own, is no infinity: it is left out
    each = _known(each, mine, there) if q.to_target or q.name == "final_loss" else np.where(
        mine & np.isfinite(each), each, np.nan)
    value = lower_median(each)
    kind = np.where(np.isfinite(value), VALUE, UNREACHED)
    halted = (status == "undefined").sum(-1)
    kind = np.where((kind == UNREACHED) & (2 * halted > runs), UNDEFINED, kind)
    kind = np.where(2 * diverged > runs, DIVERGED, kind)
    kind = np.where(runs > 0, kind, NOTHING).astype(np.uint8)
    finite = np.where(np.isfinite(each), each, np.nan)
    return Cells(kind, np.where(kind == VALUE, value, np.nan), _least(finite), -_least(-finite),
                 runs, hit.sum(-1), diverged, steps, loss, halted)


def typical(columns: Columns, q: Quantity, iy: int, ix: int) -> int:
    """The seed of a cell (iy, ix) whose run is the one that the cell shows.

    Its number is the median, where the cell has one; else it is the first that ended as most did.
    """
    here = {name: a[iy:iy + 1, ix:ix + 1] for name, a in columns.items()}
    c, (status,) = cells(here, q), here["status"][0]
    if c.kind.item() == VALUE and q.name in here:
        each = np.where(status == "diverged", np.nan, here[q.name][0, 0])
        if q.to_target:
            each = np.where(status == "converged", each, np.nan)
        return int(np.nanargmin(np.abs(each - c.value.item())))
    ended = {DIVERGED: "diverged", UNDEFINED: "undefined"}.get(c.kind.item())
    wanted = ~np.isin(status, ["diverged", "undefined"]) if ended is None else status == ended
    return int(np.argmax(wanted & (status != "missing")))


def ends(columns: Columns, minimisers: Sequence[Sequence[float]], tolerance: float,
         saddles: Sequence[Sequence[float]] = ()) -> Cells:
    """Cells of a map of starts: where a run of the plane ends, and after how many steps.

    Kinds are the number of the minimiser within whose `tolerance` it ends, the nearest of several,
    and after these: every other place, divergence, other places where derivatives have no value, a
    saddle, other places where it converged. A run at a minimiser has its steps as its value; one
    that ran out of steps there has none, and its kind all the same. Of several seeds the first is
    shown.
    """
    status = columns["status"][..., 0]
    there, over = status != "missing", status == "diverged"
    end = np.stack([columns["end.0"][..., 0], columns["end.1"][..., 0]], -1)
    n, halted, arrived = len(minimisers), status == "undefined", status == "converged"
    place = np.full(status.shape, -1)
    least = np.full(status.shape, np.inf)
    for i, point in enumerate((*minimisers, *saddles)):
        with np.errstate(over="ignore"):       # where a diverged run ended may be anything
            away = np.hypot(end[..., 0] - point[0], end[..., 1] - point[1])
        place = np.where(away < least, i, place)
        least = np.fmin(away, least)
    place = np.where((least <= tolerance) & ~over, place, -1)
    at_one = (place >= 0) & (place < n)
    kind = np.select([over, at_one, place >= n, halted, arrived],
                     [n + LOST, place, n + SADDLE, n + HALTED, n + STILL], n + ELSEWHERE)
    steps = np.where(at_one & arrived, columns["steps_to_target"][..., 0], np.inf)
    value = np.where(at_one & there, steps, np.nan)
    kind = np.where(there, kind, NOTHING).astype(np.uint8)
    return Cells(kind, value, value, value, there.astype(int), (at_one & there).astype(int),
                 over.astype(int), np.where(there, steps, np.nan), columns["final_loss"][..., 0],
                 halted.astype(int))


def _known(a: np.ndarray, known: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Infinity where a run has no value, NaN where there is no run."""
    return np.where(known, a, np.where(there, np.inf, np.nan))


def _least(a: np.ndarray) -> np.ndarray:
    least = np.min(np.where(np.isnan(a), np.inf, a), axis=-1)
    return np.where(np.isfinite(least), least, np.nan)


def nearest(there: np.ndarray) -> np.ndarray:
    """Per cell the flat index of the computed cell that stands in for it (ny, nx); −1 for none.

    Coarse grids are those of every second, fourth, … index, so the nearest of the finest grid that
    is there is found by rounding.
    """
    ny, nx = there.shape
    found = np.where(there, np.arange(ny * nx).reshape(ny, nx), -1)
    for k in range(1, int(max(ny, nx)).bit_length() + 1):
        if (found >= 0).all():
            break
        iy, ix = (_rounded(n, 2**k) for n in (ny, nx))
        for rows, columns in ((iy, ix), (iy, np.arange(nx)), (np.arange(ny), ix)):
            there_too = np.where(there, np.arange(ny * nx).reshape(ny, nx), -1)[
                np.ix_(rows, columns)]
            found = np.where(found < 0, there_too, found)
    return found


def _rounded(n: int, step: int) -> np.ndarray:
    """Per index the nearest multiple of a step that is an index."""
    near = (np.arange(n) + step // 2) // step * step
    return np.where(near < n, near, near - step).clip(0)


class Range(NamedTuple):
    """Values along one axis that are good, the best one's, and whether the map ends there."""

    low: float
    best: float
    high: float
    at_start: bool
    at_end: bool


class Best(NamedTuple):
    """The best cell, what makes it best, and how sharp it is."""

    iy: int
    ix: int
    by: str                                    # "steps" or "loss"
    value: float
    y: Range
    x: Range
    factor: float                              # how much worse than the best the ranges are


def best(c: Cells, x: Side, y: Side) -> Best | None:
    """The cell with the fewest median steps to the target, else with the lowest final loss.

    Among equals in steps the lower loss wins. Its ranges hold what is reached from it along each
    axis without becoming much worse: twice the steps, or, as losses may differ by a percent or by
    ten decades, a quarter of the way to the median.
    """
    by = "steps" if np.isfinite(c.steps).any() else "loss"
    score = np.where(c.there & ~c.lost, getattr(c, by), np.nan)
    if not np.isfinite(score).any():
        return None
    least = np.nanmin(score)
    tied = np.where(score == least, np.where(np.isfinite(c.loss), c.loss, np.inf), np.nan)
    iy, ix = (int(i) for i in np.unravel_index(int(np.nanargmin(tied)), tied.shape))
    factor = TWICE if by == "steps" else _fair(score[np.isfinite(score)])
    fine = score <= factor * max(least, 1e-300)
    return Best(iy, ix, by, float(least), _range(fine[:, ix], iy, y.values),
                _range(fine[iy], ix, x.values), factor)


def _fair(losses: np.ndarray) -> float:
    ratio = float(np.median(losses)) / max(float(losses.min()), 1e-300)
    return float(f"{np.clip(ratio ** 0.25, NARROW, WIDE):.2g}") if ratio > NARROW**4 else NARROW


def best_column(c: Cells, rows: Cells, x: Side, y: Side) -> Best | None:
    """The best of columns `c` (1, nx) whose single runs are the `rows`: one of middling luck."""
    found = best(c, x, Side(y.label, y.values[:1], False))
    if found is None:
        return None
    score = getattr(rows, found.by)[:, found.ix]
    iy = int(np.argmin(np.where(np.isfinite(score), np.abs(score - found.value), np.inf)))
    first, here, last = (float(y.values[i]) for i in (0, iy, -1))
    return found._replace(iy=iy, y=Range(first, here, last, True, True))


def _range(fine: np.ndarray, at: int, values: np.ndarray) -> Range:
    low = at
    while low > 0 and fine[low - 1]:
        low -= 1
    high = at
    while high < len(fine) - 1 and fine[high + 1]:
        high += 1
    a, b, c = (float(values[i]) for i in (low, at, high))
    return Range(a, b, c, low == 0, high == len(fine) - 1)
