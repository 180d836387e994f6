"""Many runs without their records: how each ended, and totals over its steps.

The loop of maps and tables. A step is the method's own, as in `qnviz.runs.lane`; what differs is
what is kept: a few numbers per run instead of columns. Within a chunk nothing is read back from
the device; at its end all its iterates are looked at in one call, and runs that have ended leave.
Chunks have a fixed length, so the numbers of a batch of runs depend on nothing but its runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from qnviz.curvature.oracle import Oracle, dense, tapes
from qnviz.curvature.spectrum import extremes
from qnviz.methods.base import Events, Method, join, take
from qnviz.problems.norms import norm
from qnviz.problems.problem import Problem
from qnviz.runs.ends import BUDGET, DIVERGED, RUNNING, UNDEFINED, Rule
from qnviz.runs.lane import WATCHED_MATRIX
from qnviz.runs.record import Rows
from qnviz.runs.spec import RunSpec

CHUNK = 8                            # steps between two looks at who has ended


@dataclass
class Fleet:
    """R runs of one method, each with its own start and settings.

    `runs` (R,) are the run numbers by which noise and batches are drawn, or one number (1,) that
    all share: then all see the same noise.
    """

    theta: Tensor                    # (R, P)
    p: SimpleNamespace               # the method's real hyper-parameters, (R,) each
    seed: int
    runs: Tensor


@torch.inference_mode()
def tally(spec: RunSpec, method: Method, problem: Problem, fleet: Fleet,
          check: Callable[[], None] = lambda: None) -> Rows:
    """Run all to their ends.

    Args:
        spec: steps, `stop_loss` and `stop_grad`; what else it says is in the other arguments.
        method: the method.
        problem: the problem on its device.
        fleet: the runs.
        check: called before every pass through the net; may raise to end all.

    Returns:
        Per run (R,): status (a code of `ends.STATUS`), stopped (its number of steps), final_loss at
        the last iterate (NaN where diverged), work in units, seconds (its share of the time in
        which the batch took its steps), end (R, P) where the problem's theta is a point of the
        plane, and the method's own summaries.
    """
    return _Tally(spec, method, problem, fleet, check).run()


@dataclass
class _Chunk:
    """What the steps from `first` on left behind, until it is looked at."""

    first: int
    looked: list[tuple[int, Tensor]] = field(default_factory=list)      # iterate, theta (R, P)
    endings: list[Tensor | None] = field(default_factory=list)          # the method's own, per look
    works: list[Tensor] = field(default_factory=list)                   # (R,) per step
    events: list[Events] = field(default_factory=list)                  # per step
    shown: list[tuple[int, Any]] = field(default_factory=list)          # step in it, what is shown
    known: list[Any] = field(default_factory=list)                      # loss, gradient per look


class _Tally:
    def __init__(self, spec: RunSpec, method: Method, problem: Problem, fleet: Fleet,
                 check: Callable[[], None]):
        self.spec, self.method, self.problem, self.check = spec, method, problem, check
        R, theta = len(fleet.theta), fleet.theta
        self.seed, self.p, self.draws = fleet.seed, fleet.p, fleet.runs
        self.alive = torch.arange(R, device=theta.device)

        def per_run(value: float, dtype: torch.dtype) -> Tensor:
            return torch.full((R,), value, dtype=dtype, device=theta.device)

        self.status = per_run(RUNNING, torch.int64)
        self.stopped = per_run(spec.steps, torch.int64)
        self.loss, self.grad, self.first_loss, self.first_grad = (
            per_run(torch.nan, theta.dtype) for _ in range(4))
        self.seconds = per_run(0, torch.float64)
        self.work = per_run(0, torch.float64)
        self.start, self.end = theta, theta.clone()
        self.rule = Rule(spec.problem, spec.stop_loss, spec.stop_grad)
        n = method.matrix(spec.problem)
        self.watch_every = max(1, -(-n * n // WATCHED_MATRIX**2))
        self.sums: dict[str, Tensor] = {}
        self.counts = per_run(0, torch.int64)

    def run(self) -> Rows:
        spec, theta = self.spec, self.end
        began = time.perf_counter()
        batch = self.problem.training(self.seed, self.draws)
        oracle = Oracle(self.problem, batch, len(theta), self.check, spec.steps)
        self.state = self.method.init(oracle, theta, self.p)
        self.spent = oracle.work
        self.seconds += (time.perf_counter() - began) / len(theta)
        self._settle(_Chunk(0, [(0, theta)], [self.method.ending(self.state)], [self.spent]))
        k, every = 0, spec.look_every
        chunk = every * -(-CHUNK // every)
        while k < spec.steps and len(self.alive):
            k = self._chunk(k, min(chunk, spec.steps - k))
        return self._rows()

    def _chunk(self, first: int, count: int) -> int:
        new, reference = _Chunk(first), self.problem.reference()
        began = time.perf_counter()
        for k, batch in enumerate(self.problem.batches(first, count, self.seed, self.draws), first):
            oracle = Oracle(self.problem, batch, len(self.alive), self.check)
            self.state, seen = self.method.step(oracle, self.state, self.p)
            self.spent = self.spent + oracle.work
            new.works.append(self.spent)
            if (k + 1) % self.spec.look_every == 0 or k + 1 == self.spec.steps:
                new.looked.append((k + 1, self.state.theta))
                new.endings.append(self.method.ending(self.state))
                if batch.full and batch.x is reference.x:
                    new.known.append(self.method.known(self.state))
            if self.method.summaries:
                new.events.append(seen)
                if (k + 1) % self.watch_every == 0 or k + 1 == first + count:
                    new.shown.append((k - first, self.method.shown(self.state)))
        if self.spent.is_cuda:
            torch.cuda.synchronize()
        self.seconds[self.alive] += (time.perf_counter() - began) / len(self.alive)
        self._settle(new)
        return first + count

    def _settle(self, new: _Chunk) -> None:
        """Decide which runs ended at the iterates looked at, and add up what their steps showed."""
        first, works, at = new.first, new.works, self.alive
        steps = torch.tensor([k for k, _ in new.looked], device=at.device)
        thetas = torch.stack([theta for _, theta in new.looked])                   # (n, R, P)
        if new.known and None not in new.known:                # nothing to compute again
            loss = torch.stack([f for f, _ in new.known])
            grad = norm(torch.stack([g for _, g in new.known]))
        else:
            loss, grad = self._look(thetas)
        if not new.looked[-1][0]:
            self.first_loss[at], self.first_grad[at] = loss[0], grad[0]
        own = [e for e in new.endings if e is not None]
        codes = self.rule.codes(loss, grad, torch.isfinite(thetas).all(-1), self.first_loss[at],
                                torch.stack(own) if own else torch.zeros_like(steps)[:, None])
        halted = self._halted(thetas, loss, grad)
        over = (codes != RUNNING) | halted
        ended = over.any(0)
        # the row at which a run ended, or the last one
        row = torch.where(ended, over.to(torch.uint8).argmax(0), len(steps) - 1)
        each = torch.arange(len(at), device=row.device)
        code, stopped = codes[row, each], torch.where(ended, steps[row], self.spec.steps)
        before = halted[row, each]                                 # it ended one iterate earlier
        code, stopped = torch.where(before, UNDEFINED, code), stopped - before.long()
        row = row - before.long()
        if new.events:
            counted = torch.where(ended, stopped, first + len(works)) - first
            self._summarise(new.events, new.shown, counted)
        here, chosen = at[row >= 0], row.clamp_min(0)              # −1: as the chunk before left it
        self.grad[at] = grad[-1]
        self.end[here] = thetas[chosen, each][row >= 0]
        self.loss[here] = loss[chosen, each][row >= 0]
        spent = torch.stack(works)
        taken = torch.where(ended, stopped - first - 1, len(works) - 1)
        counts = (taken >= 0) | (not new.looked[-1][0])           # at the start `works` is init's
        self.work[at[counts]] = spent[taken.clamp_min(0), each][counts]
        if new.looked[-1][0] == self.spec.steps:           # until here it might have come back
            blown = self.rule.blown(
                self.loss[at], self.first_loss[at], grad[-1], self.first_grad[at],
                norm(self.end[at] - self.start[at]))
            code = torch.where(code == RUNNING, torch.where(blown, DIVERGED, BUDGET), code)
        self.status[at], self.stopped[at] = code, stopped
        left = torch.nonzero(code == RUNNING)[:, 0]
        if len(left) < len(at):
            self.alive, self.spent = at[left], self.spent[left]
            self.state, self.p = take(self.state, left), take(self.p, left)
            if len(self.draws) > 1:
                self.draws = self.draws[left]

    def _halted(self, thetas: Tensor, loss: Tensor, grad: Tensor) -> Tensor:
        """Which steps (n, R) led nowhere because the Hessian has no value where they began."""
        halted, at = torch.zeros_like(loss, dtype=torch.bool), self.alive
        if self.spec.problem.smooth or self.spec.look_every > 1 or self.loss[at].isnan().all():
            return halted                                          # … or these are the starts
        before = torch.cat([self.end[at][None], thetas[:-1]])
        finite = torch.isfinite(loss) & torch.isfinite(thetas).all(-1)
        doubt = self.rule.nowhere(finite, (thetas == before).all(-1),
                                  torch.cat([self.grad[at][None], grad[:-1]]))
        if bool(doubt.any()):
            low = [extremes(dense(self.problem, tape, "hessian"))[0] for tape in tapes(
                self.problem, before[doubt], self.problem.reference(), self.check)]
            halted[doubt] = torch.isnan(torch.cat(low))
        return halted

    def _look(self, thetas: Tensor) -> tuple[Tensor, Tensor]:
        """Loss and ‖∇f‖ (n, R) on the reference batch; 0 in its place where it ends no run."""
        n, R, P = thetas.shape
        losses, grads = [], []
        for tape in tapes(self.problem, thetas.reshape(n * R, P), self.problem.reference(),
                          self.check):
            losses.append(tape.f)
            grads.append(norm(self.problem.join(self.problem.gradient(tape)))
                         if self.rule.needs_gradient else torch.zeros_like(tape.f))
        return torch.cat(losses).view(n, R), torch.cat(grads).view(n, R)

    def _summarise(self, events: list, shown: list, counted: Tensor) -> None:
        """Add a chunk's steps to the summaries; `counted` (R,) of them belong to each run."""
        T, R = len(events), len(self.alive)
        names = {name for s in self.method.summaries for name in s.needs}
        seen = {name: torch.stack([_narrow(e[name], events, name) for e in events])
                for name in names if name in events[0]}
        if any(name not in seen for name in names):
            rows, states = zip(*shown, strict=True)
            tiled = SimpleNamespace(**{n: v.repeat(len(rows)) for n, v in vars(self.p).items()})
            for name, v in self.method.measure(join(list(states)), tiled).items():
                v = v.view(len(rows), R, *v.shape[1:])
                if len(rows) < T:                      # not every step was looked at
                    v, at = v.new_full((T, R, *v.shape[2:]), torch.nan), v
                    v[list(rows)] = at
                seen[name] = v
        inside = torch.arange(T, device=counted.device)[:, None] < counted          # (T, R)
        before = self.counts[self.alive]
        for s in self.method.summaries:
            value = s.value(seen).double()                                          # (T, R)
            if s.name not in self.sums:
                self.sums[s.name] = torch.full_like(self.seconds, s.neutral)
            old = self.sums[s.name][self.alive]
            self.sums[s.name][self.alive] = s.fold(old, value, inside)
        self.counts[self.alive] = before + counted

    def _rows(self) -> Rows:
        loss = torch.where(self.status == DIVERGED, torch.nan, self.loss)
        rows = {"status": self.status, "stopped": self.stopped, "final_loss": loss,
                "work": self.work, "seconds": self.seconds}
        if self.spec.problem.plane:
            rows["end"] = self.end
        for s in self.method.summaries:
            total = self.sums.get(s.name, torch.full_like(self.seconds, s.neutral))
            rows[s.name] = s.total(total, self.counts)
        return {name: v.cpu().numpy() for name, v in rows.items()}


def _narrow(x: Tensor, events: list, name: str) -> Tensor:
    """A step's event, padded with NaN where its last axis is as long as each step needs."""
    widest = max(e[name].shape[-1] for e in events)
    if x.ndim < 2 or x.shape[-1] == widest:
        return x
    return torch.nn.functional.pad(x, (0, widest - x.shape[-1]), value=torch.nan)
