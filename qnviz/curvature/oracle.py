"""An oracle is a problem bound to one batch: it answers questions about f and counts their cost.

One unit of work is one forward pass of the batch: forward 1, backward 2 (so a gradient costs 3), a
Jacobian-vector product 1, a vector-Jacobian product 2, a Hessian-vector product 6 (MATH §1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from qnviz.curvature.hessian_vector import KINDS, Kind
from qnviz.problems.problem import Problem
from qnviz.problems.tape import Batch, Tape

LARGEST_SLICE = 20_000_000           # numbers that one batched call over many points may hold
CACHED = 1_000_000                   # … on a processor, whose caches hold no more than some 10 MB


class Oracle:
    """A problem on one batch; `work` (R,) is what each run has asked of it.

    `active`, where it is taken, is a mask (R,) of the runs that really need the answer: batched
    loops compute for all runs but charge only those that have not left the loop.
    """

    def __init__(self, problem: Problem, batch: Batch, runs: int,
                 check: Callable[[], None] = lambda: None, horizon: int = 10_000):
        self.problem, self.batch, self.runs = problem, batch, runs
        self.horizon = horizon                 # steps that will be taken at most
        self.check = check                     # called before every pass: may raise to end a step
        self._common = 0.0
        self._masked: Tensor | None = None
        self._parts: list[tuple[Tensor, Oracle]] = []
        self.first: Tape | None = None         # of a step's first pass: the batch's own loss

    def charge(self, units: float, active: Tensor | None = None) -> None:
        """Add units of work to all runs or to the active ones."""
        self.check()
        if active is None:
            self._common += units
        else:
            more = units * active
            self._masked = more if self._masked is None else self._masked + more

    @property
    def work(self) -> Tensor:
        """Units of work per run so far, (R,) float64."""
        work = torch.full((self.runs,), self._common, dtype=torch.float64,
                          device=self.problem.device)
        if self._masked is not None:
            work += self._masked
        for index, part in self._parts:
            work.index_add_(0, index, part.work)
        return work

    def of(self, index: Tensor) -> Oracle:
        """The same function for some of the runs: they alone are computed and charged."""
        part = Oracle(self.problem, self.batch.take(index), len(index), self.check, self.horizon)
        self._parts.append((index, part))
        return part

    def forward(self, theta: Tensor, active: Tensor | None = None) -> Tape:
        """One forward pass; the loss is on the tape as f (R,)."""
        self.charge(1, active)
        tape = self.problem.forward(theta, self.batch)
        self.first = self.first or tape
        return tape

    def fresh(self, tape: Tape, iteration: int, active: Tensor | None = None) -> Tape:
        """A forward pass at the tape's theta on another batch of this step; a full one is kept.

        It is drawn by (seed, run, step, iteration), and `iteration` counts from 1.
        """
        if self.batch.full:
            return tape
        self.charge(1, active)
        return self.problem.forward(tape.theta, self.problem.fresh(self.batch, iteration))

    def blocks(self, tape: Tape, active: Tensor | None = None) -> list[Tensor]:
        """∇W_l (R, out, in+1) per layer; leaves g_l on the tape."""
        self.charge(2, active)
        return self.problem.gradient(tape)

    def backward(self, tape: Tape, active: Tensor | None = None) -> None:
        """Leaves g_l on the tape, for those who do not need ∇W_l.

        It is charged as a whole backward pass, as the paper does, for half of its products.
        """
        self.charge(2, active)
        self.problem.backward(tape)

    def gradient(self, tape: Tape, active: Tensor | None = None) -> Tensor:
        """∇f as one vector (R, P)."""
        return self.problem.join(self.blocks(tape, active))

    def moved(self, theta: Tensor, lr: Tensor, move: list[Tensor]) -> Tensor:
        """W_l − lr · move_l for move_l (R, out, in+1) of every layer, as one vector (R, P)."""
        return torch.addcmul(theta, lr[:, None], self.problem.join(move), value=-1)

    def jvp(self, tape: Tape, v: Tensor) -> Tensor:
        """J v per sample (R, N, outputs)."""
        self.charge(1)
        return self.problem.jvp(tape, v)

    def vjp(self, tape: Tape, w: Tensor) -> Tensor:
        """E[Jᵀ w] (R, P)."""
        self.charge(2)
        return self.problem.vjp(tape, w)

    def output_gradient(self, tape: Tape) -> Tensor:
        """∇_u of the loss per sample; free, as it needs no pass."""
        return self.problem.output_gradient(tape)

    def output_hessian_vector(self, tape: Tape, v: Tensor) -> Tensor:
        """H_u v per sample; free, as it needs no pass."""
        return tape.H_u * v

    def gauss_newton_vector(self, tape: Tape, v: Tensor, active: Tensor | None = None) -> Tensor:
        """E[Jᵀ H_u J] v (R, P)."""
        self.charge(3, active)
        return self.problem.gauss_newton_vector(tape, v)

    def hessian_vector(self, tape: Tape, v: Tensor, kind: Kind = "pairs",
                       active: Tensor | None = None) -> Tensor:
        """H v (R, P), by one of the five kinds of hessian_vector.py."""
        self.charge(6, active)
        return KINDS[kind](self.problem, tape, v)

    def sampled_gradient(self, tape: Tape) -> list[Tensor]:
        """Per-sample g_l for targets sampled from the model's own predictive distribution."""
        self.charge(2)
        return self.problem.sampled_gradient(tape)

    def dense(self, tape: Tape, product: str) -> Tensor:
        """The matrix (R, P, P) behind "hessian" or "gauss_newton", many columns in one pass.

        It is charged as P products, which is what it would cost one direction after the other.
        """
        P = self.problem.size
        self.charge((6 if product == "hessian" else 3) * P)
        return dense(self.problem, tape, product)


def slice_numbers(problem: Problem) -> int:
    """How many numbers a batched call should hold where the problem is.

    A GPU is kept busy by large calls. On a processor what has left its caches is fetched anew by
    every operation, and memory for it is asked of the system each time, which doubles the time.
    """
    return CACHED if problem.device.type == "cpu" else LARGEST_SLICE


def tapes(problem: Problem, theta: Tensor, batch: Batch,
          check: Callable[[], None]) -> Iterator[Tape]:
    """Forward passes at many points theta (n, P) of one batch, in slices of `slice_numbers`.

    `check` is called before each; a slice holds all activations of its points.
    """
    per_point = 3 * batch.x.shape[1] * problem.units
    for points in theta.split(max(1, slice_numbers(problem) // per_point)):
        check()
        yield problem.forward(points, batch)


def dense(problem: Problem, tape: Tape, product: str) -> Tensor:
    """The Hessian or Gauss-Newton matrix (R, P, P) from P products, batched in slices."""
    R, P = tape.theta.shape
    if product == "hessian" and not tape.g:
        problem.backward(tape)
    times = problem.hessian_vector if product == "hessian" else problem.gauss_newton_vector
    # per direction: W and v, and per sample about what a tape holds (a, h, out, g) once more
    numbers = R * (3 * P + 6 * tape.u.shape[1] * problem.units)
    eye = torch.eye(P, dtype=tape.theta.dtype, device=tape.theta.device)
    columns = torch.cat([
        times(tape.repeat(len(basis)), basis.repeat(R, 1)).view(R, len(basis), P)
        for basis in eye.split(max(1, slice_numbers(problem) // numbers))], 1)
    return 0.5 * (columns + columns.mT)           # symmetric but for rounding: make it exactly so
