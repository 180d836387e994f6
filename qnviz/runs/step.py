"""The one driver of runs: it advances a batch of them chunk by chunk, and ends each by one rule.

A chunk is

    step, …, step    by the method; nothing is read back from the device
    evaluate         loss and gradient at all iterates of the chunk, in one batched call
    end              by the rule of `ends.py`
    record           by the recorder: what becomes of it all is the recorder's affair
    drop             runs that have ended leave the batch

so evaluating costs one pass per chunk, not one per step, and is not charged to the method.
`Columns` (`record.py`) records everything, for pictures of runs; `Totals` (`totals.py`) a few
numbers per run, for maps and tables. Another consumer of runs is another `Recorder`, not another
loop.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from qnviz.curvature.oracle import LARGEST_SLICE, Oracle, dense, tapes
from qnviz.curvature.spectrum import extremes
from qnviz.methods.base import Events, Method, take
from qnviz.problems.norms import norm
from qnviz.problems.problem import Problem
from qnviz.problems.spec import ProblemSpec
from qnviz.problems.tape import Batch, Tape
from qnviz.runs.ends import BUDGET, DIVERGED, RUNNING, UNDEFINED, Rule, finite
from qnviz.runs.spec import RunSpec

CHUNK_SECONDS = 0.04                 # how long a chunk should take: an interrupt waits no longer
FIRST_CHUNK, LONGEST_CHUNK = 4, 64
WATCHED_MATRIX = 128                 # up to this size spectra are taken at every step


def watch_every(method: Method, problem: ProblemSpec) -> int:
    """Steps between two spectra of a method's matrices; 0 where it has none."""
    return -(-method.matrix(problem)**2 // WATCHED_MATRIX**2)


def tiled(p: SimpleNamespace, times: int) -> SimpleNamespace:
    """The settings of R runs for many of their iterates (times · R), one after the other."""
    return SimpleNamespace(**{name: v.repeat(times) for name, v in vars(p).items()})


def stacked(rows: list[Tensor]) -> Tensor:
    """An event of several steps, (R, …) each; a ragged last axis is padded with NaN."""
    if rows[0].ndim < 2 or len({row.shape[-1] for row in rows}) == 1:
        return torch.stack(rows)
    longest = max(row.shape[-1] for row in rows)
    return torch.stack([torch.nn.functional.pad(
        row, (0, longest - row.shape[-1]), value=torch.nan) for row in rows])


@dataclass
class Runs:
    """R runs of one method before their first step, each with its own start and settings."""

    theta: Tensor                    # (R, P)
    p: SimpleNamespace               # the method's real hyper-parameters, (R,) each
    seed: int
    numbers: Tensor                  # (R,) by which noise and batches are drawn; or (1,): all share

    @classmethod
    def alike(cls, method: Method, problem: Problem, seed: int, count: int) -> Runs:
        """Runs 0 … count − 1 of a seed: the same settings, other starts and other noise."""
        numbers = torch.arange(count, device=problem.device)
        theta = problem.start(seed, numbers)
        return cls(theta, method.tensors(count, theta), seed, numbers)


# --- recorders ------------------------------------------------------------------------------------

class Step(NamedTuple):
    """One step of the R runs in the batch, from iterate k to k + 1."""

    k: int
    method: Method
    batch: Batch
    before: Any                      # the method's state at iterate k,
    after: Any                       # … and at k + 1
    events: Events                   # (R, …) each
    tape: Tape | None                # of its first forward pass, if it made one: at iterate k


class Ends(NamedTuple):
    """How each of the R runs of a chunk stands at its end."""

    code: Tensor                     # (R,) of `ends.STATUS`; RUNNING where a run goes on
    stopped: Tensor                  # (R,) the iterate at which it ended; if it did not, all steps
    row: Tensor                      # (R,) of the evaluated iterates the last that is the run's;
                                     # −1 where that is the one before this chunk


@dataclass(frozen=True)
class Chunk:
    """Some steps of R runs, all taken by one method: what a recorder gets when they are done.

    The first chunk is the start: no step, `first` and `count` are 0, and iterate 0 is evaluated.
    """

    method: Method
    p: SimpleNamespace               # its settings, (R,) each
    runs: Tensor                     # (R,) which runs of the whole batch these are
    first: int                       # the iterate at which they begin
    count: int                       # steps
    kept: list[Any]                  # per step, what the recorder kept of it
    state: Any                       # the method's, after the last step
    work: Tensor                     # (count, R) units by iterate first + 1, …; at the start (1, R)
    seconds: float                   # that the steps took, all runs together
    at: list[int]                    # the n iterates that were evaluated, maybe none
    seen: dict[str, Tensor]          # (n, R, …) there: theta, loss, grad_norm, what was measured
    ends: Ends


class Recorder(ABC):
    """What becomes of a batch of runs.

    The driver calls `keep` after each step, `measure` while it evaluates the iterates of a chunk,
    and `record` at its end, before runs that have ended leave the batch. If a chunk is interrupted,
    `record` is not called and what was kept of it is forgotten.
    """

    frugal: ClassVar[bool] = False
    """Whether what decides how runs end is enough: then nothing is measured, loss and gradient are
    those that the method knows, if it does, and grad_norm is 0 where it decides nothing."""

    def keep(self, step: Step) -> Any:
        """What `record` needs of a step. It must not read back from the device."""
        return None

    def measure(self, tape: Tape) -> dict[str, Tensor]:
        """More numbers (n,) at iterates theta (n, P), of whose tape the gradient has been taken.

        What is called hessian_min spares the driver asking for λ_min itself.
        """
        return {}

    @abstractmethod
    def record(self, chunk: Chunk) -> None:
        """Record a chunk."""


# --- the driver -----------------------------------------------------------------------------------

class Stage(NamedTuple):
    """Who steps from an iterate on."""

    first: int
    method: Method
    p: SimpleNamespace


@dataclass
class Place:
    """Where R runs stood at an iterate."""

    theta: Tensor                    # (R, P)
    loss: Tensor                     # (R,)
    grad: Tensor                     # (R,) ‖∇f‖
    low: Tensor | None               # (R,) λ_min of the Hessian, if it was measured

    @staticmethod
    def of(seen: dict[str, Tensor], row: int) -> Place:
        """A row of what was evaluated."""
        low = seen.get("hessian_min")
        return Place(seen["theta"][row], seen["loss"][row], seen["grad_norm"][row],
                     None if low is None else low[row])


Records = TypeVar("Records", bound=Recorder)


class Stepper(Generic[Records]):
    """R runs of one entrant on their way. Its tensors hold those that go on, no others."""

    @torch.inference_mode()
    def __init__(self, spec: RunSpec, method: Method, problem: Problem, runs: Runs,
                 recorder: Records, check: Callable[[], None] = lambda: None,
                 chunk: int | None = None):
        """The runs at their start, which is evaluated and recorded.

        Args:
            spec: steps, rules of stopping, fork; methods and runs are in the other arguments.
            method: who steps; before a fork it is the forked method, with its own settings.
            problem: the problem on its device.
            runs: where they begin.
            recorder: what becomes of them.
            check: called before every pass through the problem; what it raises ends the chunk.
            chunk: steps per chunk; None for as many as take CHUNK_SECONDS.
        """
        self.spec, self.method, self.problem, self.check = spec, method, problem, check
        self.recorder, self.rule = recorder, Rule(spec.problem, spec.stop_loss, spec.stop_grad)
        theta, self.seed, self.numbers = runs.theta, runs.seed, runs.numbers
        self.k = 0
        self.runs = torch.arange(len(theta), device=theta.device)
        self.stages = [Stage(0, method, runs.p)]
        if (fork := spec.fork) is not None:
            p = fork.method.tensors(len(theta), theta)
            self.stages = [Stage(0, fork.method, p), Stage(fork.step, method, runs.p)]
        self.fixed, self.chunk = chunk is not None, chunk or FIRST_CHUNK
        numbers = len(theta) * (problem.size + method.matrix(spec.problem)**2)
        self.longest = max(1, min(LONGEST_CHUNK, LARGEST_SLICE // numbers))
        began = time.perf_counter()
        batch = problem.training(self.seed, self.numbers)
        oracle = Oracle(problem, batch, len(theta), check, spec.steps)
        _, method, p = self.stages[0]
        self.state = method.init(oracle, theta, p)
        self.spent = oracle.work                                     # (R,)
        took = time.perf_counter() - began
        seen = self._evaluate([theta], [])
        self.first, self.last = Place.of(seen, 0), None              # at the start; evaluated last
        ends = self._ends([0], seen, [method.ending(self.state)])
        self._record(Chunk(method, p, self.runs, 0, 0, [], self.state, self.spent[None], took,
                           [0], seen, ends))

    @property
    def alive(self) -> bool:
        """Whether any run goes on."""
        return len(self.runs) > 0

    @property
    def progress(self) -> int:
        """Steps done, as if runs that have ended had taken them all."""
        return self.k if self.alive else self.spec.steps

    @torch.inference_mode()
    def advance(self) -> None:
        """Take one chunk of steps and record it; what `check` raises undoes the chunk."""
        before = self.state, self.spent
        try:
            chunk = self._advance()
        except BaseException:
            self.state, self.spent = before
            raise
        self.k += chunk.count
        self._record(chunk)
        if not self.fixed:         # at most doubling: steps past the end of the last run are wasted
            aim = CHUNK_SECONDS / max(chunk.seconds / chunk.count, 1e-6)
            self.chunk = int(np.clip(aim, 1, min(2 * self.chunk, self.longest)))

    def _advance(self) -> Chunk:
        spec, first, recorder = self.spec, self.k, self.recorder
        _, method, p = self.stages[0]
        until = self.stages[1].first if len(self.stages) > 1 else spec.steps
        count = min(self.chunk, until - first)                       # a chunk is one method's
        reference, every = self.problem.reference(), spec.snapshot_every
        kept, work, at, thetas, endings, known = [], [], [], [], [], []
        began = time.perf_counter()
        for k, batch in enumerate(self.problem.batches(first, count, self.seed, self.numbers),
                                  first):
            oracle, before = Oracle(self.problem, batch, len(self.runs), self.check), self.state
            self.state, events = method.step(oracle, before, p)
            self.spent = self.spent + oracle.work
            work.append(self.spent)
            aside = time.perf_counter()                  # what follows is not the method's time
            kept.append(recorder.keep(Step(
                k, method, batch, before, self.state, events, oracle.first)))
            if (k + 1) % every == 0 or k + 1 == spec.steps:
                at.append(k + 1)
                thetas.append(self.state.theta)
                endings.append(method.ending(self.state))
                if recorder.frugal and batch.full and batch.x is reference.x:
                    known.append(method.known(self.state))
            began += time.perf_counter() - aside
        if self.spent.is_cuda:
            torch.cuda.synchronize()
        took = time.perf_counter() - began
        seen = self._evaluate(thetas, known) if at else {}
        return Chunk(method, p, self.runs, first, count, kept, self.state, torch.stack(work), took,
                     at, seen, self._ends(at, seen, endings))

    def _record(self, chunk: Chunk) -> None:
        """Hand a chunk to the recorder; runs that have ended in it leave the batch."""
        self.recorder.record(chunk)
        if chunk.at:
            self.last = Place.of(chunk.seen, -1)
        left = torch.nonzero(chunk.ends.code == RUNNING)[:, 0]
        if len(left) < len(self.runs):
            self.runs, self.spent, self.state, self.first, self.last = (
                take(x, left) for x in (self.runs, self.spent, self.state, self.first, self.last))
            self.stages = [stage._replace(p=take(stage.p, left)) for stage in self.stages]
            if len(self.numbers) > 1:
                self.numbers = self.numbers[left]
        if len(self.stages) > 1 and self.stages[1].first <= self.k:
            del self.stages[0]

    def _evaluate(self, thetas: list[Tensor], known: list[Any]) -> dict[str, Tensor]:
        """What is known of iterates, n of (R, P): theta, loss, grad_norm, and what is measured."""
        theta = torch.stack(thetas)
        if known and None not in known:                              # nothing to compute again
            return {"theta": theta, "loss": torch.stack([f for f, _ in known]),
                    "grad_norm": norm(torch.stack([g for _, g in known]))}
        (n, R, P), parts, problem = theta.shape, [], self.problem
        for tape in tapes(problem, theta.view(n * R, P), problem.reference(), self.check):
            seen = {"loss": tape.f}
            if self.recorder.frugal and not self.rule.needs_gradient:
                seen["grad_norm"] = torch.zeros_like(tape.f)
            else:
                seen["grad_norm"] = norm(problem.join(problem.gradient(tape)))
            parts.append(seen if self.recorder.frugal else seen | self.recorder.measure(tape))
        return {"theta": theta} | {name: torch.cat([part[name] for part in parts]).view(n, R)
                                   for name in parts[0]}

    # --- how runs end -----------------------------------------------------------------------------

    def _ends(self, at: list[int], seen: dict[str, Tensor],
              endings: list[Tensor | None]) -> Ends:
        """Who ended, at which of the iterates evaluated; `endings` are the method's own (R,)."""
        n, steps = len(at), self.spec.steps
        row = torch.full_like(self.runs, n - 1)
        ends = Ends(torch.zeros_like(row), torch.full_like(row, steps), row)
        if not at:
            return ends
        theta, loss, grad = seen["theta"], seen["loss"], seen["grad_norm"]
        own = [e for e in endings if e is not None]
        placed = finite(theta).all(-1)
        codes = self.rule.codes(loss, grad, placed, self.first.loss,
                                torch.stack(own) if own else 0)
        halted = self._halted(seen, placed)
        over = codes != RUNNING if halted is None else (codes != RUNNING) | halted
        if bool(over.any()):
            ended = over.any(0)
            row = torch.where(ended, over.to(torch.uint8).argmax(0), n - 1)
            each = torch.arange(len(row), device=row.device)
            code = codes[row, each]
            stopped = torch.where(ended, torch.tensor(at, device=row.device)[row], steps)
            if halted is not None:
                before = halted[row, each]               # it ended one iterate earlier
                code = torch.where(before, UNDEFINED, code)
                stopped, row = stopped - before.long(), row - before.long()
            ends = Ends(code, stopped, row)
        if at[-1] < steps:
            return ends
        # until here it might have come back
        blown = self.rule.blown(loss[-1], self.first.loss, grad[-1], self.first.grad,
                                norm(theta[-1] - self.first.theta))
        return ends._replace(code=torch.where(
            ends.code == RUNNING, torch.where(blown, DIVERGED, BUDGET), ends.code))

    def _halted(self, seen: dict[str, Tensor], placed: Tensor) -> Tensor | None:
        """Which steps (n, R) led nowhere because the Hessian has no value where they began."""
        if self.spec.problem.smooth or self.spec.snapshot_every > 1 or self.last is None:
            return None                                              # … or this is the start
        theta, grad = (torch.cat([before[None], seen[name][:-1]]) for name, before in (
            ("theta", self.last.theta), ("grad_norm", self.last.grad)))
        doubt = self.rule.nowhere(placed & finite(seen["loss"]), (seen["theta"] == theta).all(-1),
                                  grad)
        if not bool(doubt.any()):
            return None
        if self.last.low is not None:
            low = torch.cat([self.last.low[None], seen["hessian_min"][:-1]])
            return doubt & torch.isnan(low)
        lows = [extremes(dense(self.problem, tape, "hessian"))[0] for tape in tapes(
            self.problem, theta[doubt], self.problem.reference(), self.check)]
        halted = torch.zeros_like(doubt)
        halted[doubt] = torch.isnan(torch.cat(lows))
        return halted
