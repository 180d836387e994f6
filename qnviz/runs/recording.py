"""What an entrant leaves behind while it runs: rows appended chunk by chunk, and how runs ended."""

from __future__ import annotations

from typing import Any

import numpy as np

from qnviz.runs.spec import RunSpec
from qnviz.runs.trace import is_event
from qnviz.words import say

Rows = dict[str, np.ndarray]
BLOWN = 1e6                          # times the loss at the start: a run that ends there diverged


def far(loss: Any, first: Any, signed: bool) -> Any:
    """Which runs ended absurdly far from their first loss, arrays or tensors alike.

    Where a loss may be negative it is compared with 1 more, as ratios to a first loss near 0 mean
    nothing; and far below is as bad as far above: there such a loss falls without end.
    """
    return abs(loss) > BLOWN * (1 + abs(first)) if signed else loss > BLOWN * first


def near(loss: Any, lowest: float | None, limit: float | None) -> Any:
    """Which losses are within `limit` of the lowest one: what ends a run as converged."""
    if limit is None or lowest is None:
        return loss != loss                    # none is: without a goal only the gradient tells
    return loss <= limit if lowest == 0 else abs(loss - lowest) <= limit


class Recording:
    """Columns of one entrant, (time, R, …) each. R runs; K looks; k steps so far."""

    def __init__(self, spec: RunSpec, ragged: frozenset[str] = frozenset()):
        self.spec, self.ragged, self.k = spec, ragged, 0
        R = spec.runs
        self.parts: dict[str, list[np.ndarray]] = {}
        self.clock: list[np.ndarray] = []
        self.step: list[int] = []                       # iterates looked at
        self.view_step: list[int] = []
        self.views: list[Rows] = []
        self.status = np.full(R, "running", dtype="<U9")
        self.stopped = np.full(R, spec.steps)
        self.held = np.full(R, np.iinfo(np.int64).max)  # last row of its state columns that counts
        self.why = [""] * R

    def append(self, new: Rows, alive: np.ndarray, steps: int) -> None:
        """Rows (…, alive, …) of the runs still alive, of a chunk with this many steps."""
        quiet = (n for n in self.parts if n not in new and is_event(n))     # not watched this time
        for name in [*new, *quiet]:
            part = new.get(name)
            like = self.parts[name][-1] if part is None else part
            shape = (steps if part is None else len(part), self.spec.runs, *like.shape[2:])
            full = np.full(shape, np.nan if like.dtype.kind == "f" else False, like.dtype)
            if part is not None:
                full[:, alive] = part
            self.parts.setdefault(name, []).append(full)
        self.k += steps

    def settle(self, looked: list[int]) -> None:
        """Note the iterates looked at last, and decide which runs ended within them.

        A run that is no longer finite is held at its last finite look.
        """
        first, self.step = len(self.step), [*self.step, *looked]
        if not looked:
            return
        loss, grad, theta = (self.parts[n][-1] for n in ("loss", "grad_norm", "theta"))
        finite = np.isfinite(loss) & np.isfinite(theta).all(-1)
        with np.errstate(invalid="ignore"):
            good = finite & near(loss, self.spec.problem.lowest, self.spec.stop_loss)
            still = finite & near(grad, 0.0, self.spec.stop_grad)
        ended = ~finite | good | still
        for r in np.flatnonzero(ended.any(0) & (self.status == "running")):
            i = int(ended[:, r].argmax())
            if finite[i, r]:
                self.status[r], self.stopped[r], self.held[r] = "converged", looked[i], first + i
                self.why[r] = self._goal(float(loss[i, r])) if good[i, r] else (
                    f"‖∇f‖ = {say(grad[i, r])} ≤ {say(self.spec.stop_grad or 0)}")
            else:
                self.status[r], self.held[r] = "diverged", max(0, first + i - 1)
                self.stopped[r] = self._first_bad(int(r), looked[i], first + i)
        if self.k == self.spec.steps:              # until here it might have come back
            left = self.status == "running"
            self.status[left] = np.where(self._blown()[left], "diverged", "budget")

    def _goal(self, loss: float) -> str:
        """How near a loss is to the lowest one, in words."""
        lowest, limit = self.spec.problem.lowest, say(self.spec.stop_loss or 0)
        if not lowest:
            return f"loss {say(loss)} ≤ {limit}"
        return f"loss {say(loss)}, within {limit} of the lowest known, {say(lowest)}"

    def _saddle(self, row: int, run: int) -> str:
        """A word of warning where the gradient vanished but the loss can still fall."""
        if "hessian_min" not in self.parts or not self.why[run].startswith("‖∇f‖"):
            return ""
        low = float(self.at("hessian_min", row, run))
        return f", at a saddle: the Hessian has the eigenvalue {say(low)}" if low < -1e-6 else ""

    def _blown(self) -> np.ndarray:
        """Which runs stand far from their start."""
        return far(self.parts["loss"][-1][-1], self.parts["loss"][0][0],
                   self.spec.problem.signed)

    def _first_bad(self, r: int, looked: int, row: int) -> int:
        """The first iterate that is not finite: steps on batches tell it between two looks."""
        since = self.step[max(0, row - 1)]
        if "batch_loss" not in self.parts:
            return looked
        seen = np.concatenate([part[:, r] for part in self.parts["batch_loss"]])[since:looked]
        bad = np.flatnonzero(~np.isfinite(seen))
        return since + int(bad[0]) if len(bad) else looked

    def view(self, iterate: int, seen: Rows) -> None:
        """Keep what a person sees of run 0 at an iterate."""
        self.view_step.append(iterate)
        self.views.append(seen)

    # --- looking back -----------------------------------------------------------------------------

    def columns(self) -> Rows:
        """All columns so far, at full length: what has ended repeats its last row."""
        T, every = self.spec.steps, self.spec.look_every
        stopped = np.minimum(self.stopped, self.k)
        columns: Rows = {}
        step = np.array(sorted({*range(0, T + 1, every), T}))
        for name, parts in self.parts.items():
            whole = _concat(parts)
            if is_event(name):
                rows, last = T, np.maximum(stopped - 1, 0)
            elif name == "work":
                rows, last = T + 1, stopped
            else:
                rows, last = len(step), self.held
            columns[name] = _held(_lengthen(whole, rows), last)
            if name in self.ragged:             # without what ended runs did later
                columns[name] = _trim(columns[name])
        columns["seconds"] = _lengthen(np.concatenate(self.clock), T + 1)
        if self.views:
            columns["view_step"] = np.array(self.view_step)
            for name, like in {n: a for seen in self.views for n, a in seen.items()}.items():
                blank = np.full_like(like, np.nan if like.dtype.kind == "f" else 0)
                columns[name] = np.stack([seen.get(name, blank) for seen in self.views])
        return columns | {"step": step, "status": self.status.copy(), "stopped": stopped}

    def events(self, run: int) -> Rows:
        """The event rows of one run."""
        return {n: _concat([a[:, run:run + 1] for a in p])[:, 0]
                for n, p in self.parts.items() if is_event(n)}

    def last_row(self, run: int) -> int:
        """The row of a run's last look that counts."""
        t = min(int(self.stopped[run]), self.k)
        return min(int(np.searchsorted(self.step, t, side="right")) - 1, int(self.held[run]))

    def at(self, name: str, row: int, run: int) -> np.ndarray:
        """One row of a state column for one run."""
        for part in self.parts[name]:
            if row < len(part):
                return part[row, run]
            row -= len(part)
        raise IndexError(row)

    def end(self, run: int) -> str:
        """How the run ended, in a sentence with its numbers."""
        t, status, row = min(int(self.stopped[run]), self.k), self.status[run], self.last_row(run)
        loss, grad = (float(self.at(n, row, run)) for n in ("loss", "grad_norm"))
        if status == "converged":
            return f"Converged at step {t}: {self.why[run]}{self._saddle(row, run)}."
        if status == "diverged" and loss < 0 and far(loss, float(self.at("loss", 0, run)), True):
            return (f"Diverged: at step {self.step[row]} the loss is {say(loss)}. It falls without "
                    "end: this way the function has no minimum.")
        if status == "diverged" and t == 0:
            return "Diverged at once: the function has no value at the start."
        if status == "diverged" and np.isfinite(loss) and self.step[row] == self.spec.steps:
            return (f"Diverged: after all {t} steps the loss is {say(loss)}, "
                    f"{say(loss / float(self.at('loss', 0, run)))} times that at the start. Try a "
                    "smaller step size or more damping.")
        if status == "diverged":
            at = self.step[row]
            when = "one step earlier" if t - at == 1 else f"at step {at}"
            return (f"Diverged at step {t}: the loss was {say(loss)} {when}, then no "
                    "longer finite. Try a smaller step size or more damping.")
        if status == "budget":
            return f"Used all {t} steps: loss {say(loss)}, ‖∇f‖ = {say(grad)}."
        return f"Interrupted at step {self.k}: loss {say(loss)}."


def _held(a: np.ndarray, last: np.ndarray) -> np.ndarray:
    """The rows of every run up to its last one, which is then repeated."""
    if (last >= len(a) - 1).all():
        return a
    return a[np.minimum(np.arange(len(a))[:, None], last), np.arange(a.shape[1])]


def _pad(a: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Widen the last axis to that of `shape` with NaN, where it is shorter."""
    if a.ndim < 3 or a.shape[-1] >= shape[-1]:
        return a
    width = [(0, 0)] * (a.ndim - 1) + [(0, shape[-1] - a.shape[-1])]
    return np.pad(a, width, constant_values=np.nan)


def _concat(parts: list[np.ndarray]) -> np.ndarray:
    """Join chunks along time, padding a ragged last axis."""
    longest = max(parts, key=lambda a: a.shape[-1]).shape
    return np.concatenate([_pad(a, longest) for a in parts])


def _trim(a: np.ndarray) -> np.ndarray:
    """Cut places of a ragged last axis that no run used before it ended."""
    used = np.flatnonzero(~np.isnan(a).all((0, 1)))
    return a[..., :used[-1] + 1 if len(used) else 1]


def _lengthen(a: np.ndarray, rows: int) -> np.ndarray:
    """Repeat the last row up to the given number of rows."""
    return a if len(a) >= rows else np.concatenate([a, np.repeat(a[-1:], rows - len(a), 0)])
