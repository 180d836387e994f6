"""What an entrant leaves behind while it runs: rows appended chunk by chunk, and how runs ended."""

from __future__ import annotations

import numpy as np
import torch

from qnviz.problems.norms import norm
from qnviz.runs.ends import (
    BUDGET,
    DIVERGED,
    RUNNING,
    STATUS,
    UNDEFINED,
    Last,
    Rule,
    sentence,
)
from qnviz.runs.spec import RunSpec
from qnviz.runs.trace import is_event

Rows = dict[str, np.ndarray]


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
        self.rule = Rule(spec.problem, spec.stop_loss, spec.stop_grad)
        self.own = [""] * R                             # how a method itself ended a run, in words

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

    def settle(self, looked: list[int], own: np.ndarray | int = 0) -> None:
        """Note the iterates looked at last, and decide which runs ended within them.

        A run that is no longer finite is held at its last finite look.

        Args:
            looked: the iterates.
            own: (looked, R), how the method itself ended runs there, as `Method.ending` says it.
        """
        first, self.step = len(self.step), [*self.step, *looked]
        if not looked:
            return
        loss, grad, theta = (self.parts[n][-1] for n in ("loss", "grad_norm", "theta"))
        with np.errstate(invalid="ignore", over="ignore"):
            codes = self.rule.codes(loss, grad, np.isfinite(theta).all(-1),
                                    self.parts["loss"][0][0], own)
            halted = self._halted(loss, theta)
        ended = (codes != RUNNING) | halted
        for r in np.flatnonzero(ended.any(0) & (self.status == STATUS[RUNNING])):
            i = int(ended[:, r].argmax())
            code, row, stopped = int(codes[i, r]), first + i, looked[i]
            if halted[i, r]:                       # where the step began that led nowhere
                code, row, stopped = UNDEFINED, row - 1, stopped - 1
            elif not (np.isfinite(loss[i, r]) and np.isfinite(theta[i, r]).all()):
                stopped = self._first_bad(int(r), stopped, row)
                row = max(0, row - 1)
            self.status[r], self.stopped[r], self.held[r] = STATUS[code], stopped, row
        if self.k == self.spec.steps:              # until here it might have come back
            left = self.status == STATUS[RUNNING]
            self.status[left] = np.where(self._blown()[left], STATUS[DIVERGED], STATUS[BUDGET])

    def _halted(self, loss: np.ndarray, theta: np.ndarray) -> np.ndarray:
        """Which steps (looks, R) led nowhere because the Hessian has no value where they began."""
        if self.spec.problem.smooth or self.spec.look_every > 1 or not self.k:
            return np.zeros(loss.shape, dtype=bool)
        grad, before, bend = (np.concatenate([self.parts[n][-2][-1:], self.parts[n][-1][:-1]])
                              for n in ("grad_norm", "theta", "hessian_min"))
        finite = np.isfinite(loss) & np.isfinite(theta).all(-1)
        return self.rule.nowhere(finite, (theta == before).all(-1), grad) & np.isnan(bend)

    def _blown(self) -> np.ndarray:
        """Which runs stand far from their start."""
        loss, grad, theta = (self.parts[n] for n in ("loss", "grad_norm", "theta"))
        with np.errstate(invalid="ignore", over="ignore"):
            return self.rule.blown(loss[-1][-1], loss[0][0], grad[-1][-1], grad[0][0],
                                   _moved(theta[-1][-1], theta[0][0]))

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
        row = self.last_row(run)
        (loss, grad, theta), (first, first_grad, start) = (
            [self.at(n, r, run) for n in ("loss", "grad_norm", "theta")] for r in (row, 0))
        low, high = (float(self.at(n, row, run)) if n in self.parts else np.nan
                     for n in ("hessian_min", "hessian_max"))
        with np.errstate(invalid="ignore", over="ignore"):
            falls = bool(self.rule.falls(loss, first, grad, first_grad, _moved(theta, start)))
        return sentence(self.rule, str(self.status[run]), Last(
            min(int(self.stopped[run]), self.k), self.step[row], float(loss), float(grad),
            float(first), falls, theta, low, high, self.own[run], self._beyond(row, run)),
            self.spec.steps)

    def _beyond(self, row: int, run: int) -> np.ndarray:
        """The iterate after a row, if it was looked at; or that of the row itself."""
        known = row + 1 < len(self.step) and self.spec.look_every == 1
        return self.at("theta", row + known, run)


def _moved(theta: np.ndarray, start: np.ndarray) -> np.ndarray:
    """‖θ − θ₀‖ (…,) of θ (…, P)."""
    return norm(torch.from_numpy(theta - start)).numpy()


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
