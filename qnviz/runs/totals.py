"""Many runs without their columns: how each ended, and totals over its steps.

What maps and tables are made of. Chunks have a fixed length, so the numbers of a batch of runs
depend on nothing but its runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from qnviz.methods.base import Events, Method, join
from qnviz.problems.problem import Problem
from qnviz.runs.ends import DIVERGED, RUNNING
from qnviz.runs.spec import RunSpec
from qnviz.runs.step import Chunk, Recorder, Runs, Step, Stepper, stacked, tiled, watch_every
from qnviz.runs.trace import Rows

CHUNK = 8                            # steps after which runs that have ended leave


def totals(spec: RunSpec, method: Method, problem: Problem, runs: Runs,
           check: Callable[[], None] = lambda: None) -> Rows:
    """Run all to their ends.

    Args:
        spec: steps, `stop_loss` and `stop_grad`; what else it says is in the other arguments.
        method: the method.
        problem: the problem on its device.
        runs: R runs, each with its own start and settings.
        check: called before every pass through the problem; may raise to end all.

    Returns:
        Per run (R,): status (a code of `ends.STATUS`), stopped (its number of steps), final_loss at
        the last iterate (NaN where diverged), work in units, seconds (its share of the time in
        which the batch took its steps), end (R, P) where the problem's theta is a point of the
        plane, and the method's own summaries.
    """
    recorder = Totals(spec, method, runs)
    every = spec.snapshot_every
    stepper = Stepper(spec, method, problem, runs, recorder, check, every * -(-CHUNK // every))
    while stepper.alive:
        stepper.advance()
    return recorder.rows()


class Kept(NamedTuple):
    """What is kept of a step until its chunk is recorded."""

    events: Events
    shown: Any                       # what `Method.measure` sees of its end, if it is measured


class Totals(Recorder):
    """Status, loss, work, and summaries (R,) of R runs."""

    frugal: ClassVar[bool] = True

    def __init__(self, spec: RunSpec, method: Method, runs: Runs):
        self.spec, self.method = spec, method
        self.watch_every = max(1, watch_every(method, spec.problem))

        def per_run(value: float, dtype: torch.dtype) -> Tensor:
            return torch.full((len(runs.theta),), value, dtype=dtype, device=runs.theta.device)

        self.status = per_run(RUNNING, torch.int64)
        self.stopped = per_run(spec.steps, torch.int64)
        self.loss = per_run(torch.nan, runs.theta.dtype)
        self.end = runs.theta.clone()
        self.work = per_run(0, torch.float64)
        self.seconds = per_run(0, torch.float64)
        self.steps = per_run(0, torch.int64)                   # that the summaries count
        self.sums = {s.name: per_run(s.neutral, torch.float64) for s in method.summaries}

    def keep(self, step: Step) -> Kept | None:
        """What the method's summaries are made of."""
        if not self.method.summaries:
            return None
        watched = (step.k + 1) % self.watch_every == 0
        return Kept(step.events, self.method.shown(step.after) if watched else None)

    def record(self, chunk: Chunk) -> None:
        """Where each run stands by now; final for those that have ended."""
        at, ends = chunk.runs, chunk.ends
        each = torch.arange(len(at), device=at.device)
        self.seconds[at] += chunk.seconds / len(at)
        self.status[at], self.stopped[at] = ends.code, ends.stopped
        taken = ends.stopped.clamp_max(chunk.first + chunk.count) - chunk.first
        if chunk.count and self.method.summaries:
            self._summarise(chunk, taken)
        here, row = ends.row >= 0, ends.row.clamp_min(0)       # −1: as the chunk before left it
        self.end[at[here]] = chunk.seen["theta"][row, each][here]
        self.loss[at[here]] = chunk.seen["loss"][row, each][here]
        here = (taken > 0) | (chunk.count == 0)
        self.work[at[here]] = chunk.work[(taken - 1).clamp_min(0), each][here]

    def _summarise(self, chunk: Chunk, taken: Tensor) -> None:
        """Add a chunk's steps to the summaries; the first `taken` (R,) of them are a run's."""
        T, R, events = chunk.count, len(chunk.runs), [step.events for step in chunk.kept]
        names = {name for s in self.method.summaries for name in s.needs}
        seen = {name: stacked([e[name] for e in events])
                for name in names if name in events[0]}
        if any(name not in seen for name in names):
            shown = {i: step.shown for i, step in enumerate(chunk.kept) if step.shown is not None}
            shown[T - 1] = self.method.shown(chunk.state)
            rows = list(shown)
            numbers = self.method.measure(join(list(shown.values())), tiled(chunk.p, len(rows)))
            for name, v in numbers.items():
                v = v.view(len(rows), R, *v.shape[1:])
                if len(rows) < T:                              # not every step was measured
                    v, known = v.new_full((T, R, *v.shape[2:]), torch.nan), v
                    v[rows] = known
                seen[name] = v
        inside = torch.arange(T, device=taken.device)[:, None] < taken                 # (T, R)
        for s in self.method.summaries:
            old = self.sums[s.name][chunk.runs]
            self.sums[s.name][chunk.runs] = s.fold(old, s.value(seen).double(), inside)
        self.steps[chunk.runs] += taken

    def rows(self) -> Rows:
        """What was recorded, in numpy."""
        loss = torch.where(self.status == DIVERGED, torch.nan, self.loss)
        rows = {"status": self.status, "stopped": self.stopped, "final_loss": loss,
                "work": self.work, "seconds": self.seconds}
        if self.spec.problem.plane:
            rows["end"] = self.end
        for s in self.method.summaries:
            rows[s.name] = s.total(self.sums[s.name], self.steps)
        return {name: v.cpu().numpy() for name, v in rows.items()}

