"""Everything about runs, in columns: what pictures of runs are drawn from.

A chunk becomes rows of all columns; runs that have ended get NaN from then on, until `columns`
repeats the last row that counts.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from qnviz.curvature.oracle import dense
from qnviz.curvature.spectrum import eigenvalues, extremes
from qnviz.methods.base import Events, Method, join, take
from qnviz.problems.norms import norm
from qnviz.problems.problem import Problem
from qnviz.problems.tape import Batch, Tape
from qnviz.runs.ends import DIVERGED, ENDED, FAILED, RUNNING, STATUS, Last, Rule, sentence
from qnviz.runs.spec import RunSpec
from qnviz.runs.step import Chunk, Recorder, Step, stacked, tiled, watch_every
from qnviz.runs.trace import Rows, is_event

DENSE_INSTRUMENT = 8                 # up to this many parameters the exact Hessian is recorded
DENSE_VIEW = 400                     # up to this many, views hold the Hessian's eigenvalues,
DENSE_NUMBERS = 1_000_000            # if its products hold no more numbers than this


class Kept(NamedTuple):
    """What is kept of a step until its chunk is recorded."""

    events: Events
    shown: tuple[Any, Any] | None                # what `Method.measure` sees of iterates k and k+1
    batch: tuple[Tensor, Batch] | None           # theta and batch whose own Hessian is recorded
    viewed: Any                                  # the state at k + 1, if it is to be viewed


class Columns(Recorder):
    """Columns of one entrant's R runs, (time, R, …) each."""

    def __init__(self, spec: RunSpec, method: Method, problem: Problem, runs: int):
        self.spec, self.method, self.problem, self.R = spec, method, problem, runs
        self.k, self.ragged = 0, method.ragged          # steps recorded
        self.rule = Rule(spec.problem, spec.stop_loss, spec.stop_grad)
        self.watch_every = watch_every(method, spec.problem)
        self.parts: dict[str, list[np.ndarray]] = {}
        self.clock: list[np.ndarray] = []
        self.step: list[int] = []                       # iterates evaluated
        self.view_step: list[int] = []
        self.views: list[Rows] = []
        self.status = np.full(runs, STATUS[RUNNING], dtype="<U9")
        self.stopped = np.full(runs, spec.steps)
        self.final = np.full(runs, np.iinfo(np.int64).max)   # last row of state columns that counts
        self.own = [""] * runs                          # how a method itself ended a run, in words
        self._methods: list[tuple[int, Method]] = []    # who stepped from which iterate on
        self._words: list[str] = []

    # --- as the driver asks for it ----------------------------------------------------------------

    def keep(self, step: Step) -> Kept:
        """Events, and states whose matrices or views are to be recorded."""
        k, method, events, shown, batch = step.k, step.method, step.events, None, None
        if not step.batch.full and step.tape is not None:
            events = events | {"batch_loss": step.tape.f}
            if self.problem.size <= DENSE_INSTRUMENT:
                batch = step.before.theta, step.batch
        if self._due(k, self.watch_every) or (self.watch_every and k == self.spec.steps - 1):
            shown = method.shown(step.before), method.shown(step.after)
        viewed = self._due(k + 1, self.spec.view_every) and self.status[0] == STATUS[RUNNING]
        return Kept(events, shown, batch, step.after if viewed else None)

    def measure(self, tape: Tape) -> dict[str, Tensor]:
        """The problem's own report, and of few parameters the Hessian's extreme eigenvalues."""
        seen = self.problem.report(tape.theta)
        if self.problem.size <= DENSE_INSTRUMENT:
            low, high = extremes(dense(self.problem, tape, "hessian"))
            seen = seen | {"hessian_min": low, "hessian_max": high}
        return seen

    def record(self, chunk: Chunk) -> None:
        """A chunk's rows of all columns."""
        if not self._methods or chunk.method is not self._methods[-1][1]:
            self._methods.append((chunk.first, chunk.method))
        new, viewed = {}, []
        if chunk.count:
            took = chunk.seconds / chunk.count * np.arange(1, chunk.count + 1)
            self.clock.append(self.clock[-1][-1] + took)
            new = {n: stacked([step.events[n] for step in chunk.kept])
                   for n in chunk.kept[0].events}
            new |= {"work": chunk.work} | self._watch(chunk)
            if batches := [step.batch for step in chunk.kept if step.batch is not None]:
                new |= self._batch_curvature(batches)
            new |= chunk.seen
            viewed = [(k, step.viewed) for k, step in enumerate(chunk.kept, chunk.first + 1)
                      if step.viewed is not None]
        else:
            self.clock.append(np.array([chunk.seconds]))
            new = chunk.seen | {"work": chunk.work}
            self.start = chunk.seen["theta"][0, :1]                     # of run 0, for its views
            viewed = [(0, chunk.state)] if self.spec.view_every else []
        runs = chunk.runs.cpu().numpy()
        self._append(new, runs, chunk.count)
        self.step += chunk.at
        self._end(chunk, runs)
        self._show(viewed)

    def _due(self, k: int, every: int) -> bool:
        return every > 0 and (k % every == 0 or k == self.spec.steps)

    def _append(self, new: dict[str, Tensor], runs: np.ndarray, steps: int) -> None:
        """Rows (…, alive, …) of those runs that are alive, of a chunk with this many steps."""
        quiet = (n for n in self.parts if n not in new and is_event(n))     # not watched this time
        for name in [*new, *quiet]:
            part = new[name].detach().cpu().numpy() if name in new else None
            if part is not None and len(runs) == self.R:
                self.parts.setdefault(name, []).append(part)
                continue
            like = self.parts[name][-1] if part is None else part
            shape = (steps if part is None else len(part), self.R, *like.shape[2:])
            full = np.full(shape, np.nan if like.dtype.kind == "f" else False, like.dtype)
            if part is not None:
                full[:, runs] = part
            self.parts.setdefault(name, []).append(full)
        self.k += steps

    def _end(self, chunk: Chunk, runs: np.ndarray) -> None:
        """Note how runs ended; one that is no longer finite stays at its last finite iterate."""
        code = chunk.ends.code.cpu().numpy()
        gone = np.flatnonzero(code != RUNNING)
        if not len(gone):
            return
        stopped, row = (x.cpu().numpy()[gone] for x in chunk.ends[1:])
        code, r, first = code[gone], runs[gone], len(self.step) - len(chunk.at)
        self.status[r], self.stopped[r] = np.array(STATUS)[code], stopped
        self.final[r] = first + row
        loss, theta = (self.parts[n][-1][row, r] for n in ("loss", "theta"))
        lost = (code == DIVERGED) & ~(np.isfinite(loss) & np.isfinite(theta).all(-1))
        for i in np.flatnonzero(lost):
            self.stopped[r[i]] = self._first_bad(int(r[i]), int(stopped[i]), int(self.final[r[i]]))
            self.final[r[i]] = max(0, self.final[r[i]] - 1)
        for i in np.flatnonzero((code == ENDED) | (code == FAILED)):
            self.own[r[i]] = chunk.method.end_message(chunk.state, int(gone[i]))

    def _first_bad(self, r: int, seen: int, row: int) -> int:
        """The first iterate that is not finite: steps on batches show it between two evaluations.

        Args:
            r: the run.
            seen: the first evaluated iterate that is not finite.
            row: of it, in the state columns.
        """
        since = self.step[max(0, row - 1)]
        if "batch_loss" not in self.parts:
            return seen
        losses = np.concatenate([part[:, r] for part in self.parts["batch_loss"]])[since:seen]
        bad = np.flatnonzero(~np.isfinite(losses))
        return since + int(bad[0]) if len(bad) else seen

    # --- what is measured of a chunk's steps ------------------------------------------------------

    def _batch_curvature(self, batches: list[tuple[Tensor, Batch]]) -> dict[str, Tensor]:
        """Extreme eigenvalues (n, R) of the Hessian that each step's own batch has."""
        thetas, seen = zip(*batches, strict=True)
        theta = torch.stack(thetas)
        n, R, P = theta.shape
        tape = self.problem.forward(theta.view(n * R, P), Batch.concat(list(seen)))
        low, high = extremes(dense(self.problem, tape, "hessian"))
        return {"batch_hessian_min": low.view(n, R), "batch_hessian_max": high.view(n, R)}

    def _watch(self, chunk: Chunk) -> dict[str, Tensor]:
        """Spectra around the watched steps of a chunk, all measured in one batched call."""
        at, shown, events = [], {}, [step.events for step in chunk.kept]
        for k, step in enumerate(chunk.kept):
            if step.shown is not None:
                at.append(k)
                shown |= {k: step.shown[0], k + 1: step.shown[1]}
        if not at:
            return {}
        R, order, method = len(chunk.runs), sorted(shown), chunk.method
        numbers = method.measure(join([shown[k] for k in order]), tiled(chunk.p, len(order)))

        def measured(shift: int) -> Events:
            rows = [order.index(k + shift) for k in at]
            return {name: v.view(len(order), R, *v.shape[1:])[rows].flatten(0, 1)
                    for name, v in numbers.items()}

        seen = {name: torch.cat([events[k][name] for k in at]) for name in events[0]
                if len({e[name].shape for e in events}) == 1}
        added = method.watch(measured(0), measured(1), seen, tiled(chunk.p, len(at)))
        spread = {}
        for name, v in added.items():
            spread[name] = v.new_full((len(events), R, *v.shape[1:]), torch.nan)
            spread[name][at] = v.view(len(at), R, *v.shape[1:])
        return spread

    # --- views of run 0 ---------------------------------------------------------------------------

    def _show(self, viewed: list[tuple[int, Any]]) -> None:
        """Keep the views of run 0, up to where it ended."""
        for k, state in viewed:
            if k <= self.stopped[0]:
                self._view(k, state.theta[:1], state)
        if self.view_step and self.status[0] != STATUS[RUNNING]:
            row = self.last_row(0)                # the end of run 0 may lie between two views
            if self.step[row] > self.view_step[-1]:
                theta = torch.as_tensor(self.at("theta", row, 0), device=self.problem.device)
                self._view(self.step[row], theta[None], None)

    def _view(self, iterate: int, theta: Tensor, state: Any | None) -> None:
        """Keep what a person sees of run 0 at an iterate; `state` is the state there, if known."""
        views = self.problem.views(theta, self.start)
        batch, P = self.problem.reference(), self.problem.size
        if P <= DENSE_VIEW and P * batch.x.shape[1] * self.problem.units <= DENSE_NUMBERS:
            tape = self.problem.forward(theta, batch)
            views["hessian"] = eigenvalues(dense(self.problem, tape, "hessian"))
        seen = {f"view_{n}": a[0].detach().cpu().numpy().copy() for n, a in views.items()}
        if state is not None:
            alone = take(state, torch.zeros(1, dtype=torch.int64, device=theta.device))
            for name, layers in self.method.spectra(alone).items():
                rows = [values[0].cpu().numpy() for values in layers]
                widest = max(map(len, rows))
                seen[f"view_spectrum_{name}"] = np.stack([np.pad(
                    r, (0, widest - len(r)), constant_values=np.nan) for r in rows])
        self.view_step.append(iterate)
        self.views.append(seen)

    # --- what was recorded ------------------------------------------------------------------------

    def columns(self) -> Rows:
        """All columns so far, at full length: what has ended repeats its last row."""
        T, every = self.spec.steps, self.spec.snapshot_every
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
                rows, last = len(step), self.final
            columns[name] = _repeated(_lengthen(whole, rows), last)
            if name in self.ragged:             # without what ended runs did later
                columns[name] = _trim(columns[name])
        columns["seconds"] = _lengthen(np.concatenate(self.clock), T + 1)
        if self.views:
            columns["view_step"] = np.array(self.view_step)
            for name, like in {n: a for seen in self.views for n, a in seen.items()}.items():
                blank = np.full_like(like, np.nan if like.dtype.kind == "f" else 0)
                columns[name] = np.stack([seen.get(name, blank) for seen in self.views])
        return columns | {"step": step, "status": self.status.copy(), "stopped": stopped}

    def words(self) -> list[str]:
        """One sentence per step that run 0 took."""
        taken = min(int(self.stopped[0]), self.k)
        if taken > len(self._words):                   # a growing run is asked again and again
            events = self.events(0)
            self._words += [self._stepped(t).describe({n: a[t] for n, a in events.items()})
                            for t in range(len(self._words), taken)]
        return self._words[:taken]

    def _stepped(self, step: int) -> Method:
        """Who took a step."""
        return next(m for first, m in reversed(self._methods) if first <= step)

    def events(self, run: int) -> Rows:
        """The event rows of one run."""
        return {n: _concat([a[:, run:run + 1] for a in p])[:, 0]
                for n, p in self.parts.items() if is_event(n)}

    def last_row(self, run: int) -> int:
        """The row of a run's last evaluated iterate that counts."""
        t = min(int(self.stopped[run]), self.k)
        return min(int(np.searchsorted(self.step, t, side="right")) - 1, int(self.final[run]))

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
        """The iterate after a row, if it was evaluated; or that of the row itself."""
        known = row + 1 < len(self.step) and self.spec.snapshot_every == 1
        return self.at("theta", row + known, run)


def _moved(theta: np.ndarray, start: np.ndarray) -> np.ndarray:
    """‖θ − θ₀‖ (…,) of θ (…, P)."""
    return norm(torch.from_numpy(theta - start)).numpy()


def _repeated(a: np.ndarray, last: np.ndarray) -> np.ndarray:
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
