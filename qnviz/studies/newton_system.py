"""One outer step of a recorded Newton-Krylov run, solved again, iteration by iteration.

A run records what it met, not its iterates: the system is built again from the recorded parameters
and the step's own batch, which Philox draws once more, by the functions that the run itself used.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor
from torch.linalg import vecdot

from qnviz.curvature.krylov import Krylov, Reason
from qnviz.curvature.lanczos import lanczos, ritz
from qnviz.curvature.oracle import LARGEST_SLICE, Oracle, dense
from qnviz.curvature.spectrum import eigen
from qnviz.errors import TraceError
from qnviz.methods.newton_krylov import SOLVERS, NewtonKrylov, System
from qnviz.methods.registry import METHODS
from qnviz.problems import philox
from qnviz.problems.norms import norm
from qnviz.problems.problem import Problem
from qnviz.runs.device import built, set_threads
from qnviz.runs.spec import RunSpec, parse
from qnviz.runs.trace import Entrant, Trace, snapshots
from qnviz.studies.krylov_plane import Plane, laid
from qnviz.studies.krylov_solve import Solve, solved

DENSE_LIMIT = 2000                   # parameters up to which H is made and factored
NODES = 60                           # Lanczos steps from one random probe above that
NOT_FINITE = "The curvature matrix is not finite here: there is no system to solve."
FRESH = ("Every product was taken on a batch of its own: curvature and Ritz values need not lie "
         "within the spectrum of the step's batch, which is shown.")
# ends after which there is something to go on with
GOES_ON = (Reason.NEGATIVE_CURVATURE, Reason.ZERO_CURVATURE, Reason.DISTURBING)
OPERATIONS = 4e10                    # multiplications that solving all steps again may cost, about


@dataclass(frozen=True)
class NewtonSystem:
    """The system (H + λI) d = −g of one outer step, and what became of it."""

    label: str
    step: int                        # leads from iterate step − 1 to iterate step
    size: int                        # P
    tolerance: float                 # η‖g‖
    gradient: float                  # ‖g‖
    eigenvalues: np.ndarray          # of H + λI, ascending: all, or Lanczos's nodes
    exact: bool                      # whether these are all P
    solves: tuple[Solve, ...]        # CG and MINRES
    own: str                         # the solver that the run used
    step_size: float                 # a; 0 where every trial was refused
    plane: Plane | None              # None where nothing is finite, or g = 0
    notes: tuple[str, ...]           # what is special about it, in sentences


@dataclass(frozen=True)
class Counts:
    """Products Hv that outer steps used, and that the same systems cost without early ends."""

    steps: int                       # outer steps compared
    of: int                          # outer steps of the run
    ended_early: int                 # of those compared
    used: int
    never_early: int
    fresh: bool = False              # whether each product was taken on a batch of its own
    disturbing: int = 0              # of those that ended early, at a disturbing direction
    lower: int = 0                   # of these, whose model on the step's batch the end left lower

    @property
    def saved(self) -> float:
        """The share of the products that early ends saved."""
        return 1 - self.used / self.never_early if self.never_early else 0.0


def krylov_labels(trace: Trace) -> list[str]:
    """The entrants that solve a Newton system at each step and have taken one."""
    return [e.label for e in trace.entrants if solves_systems(e)
            and int(trace[e.label]["stopped"][0]) > 0]


def solves_systems(entrant: Entrant) -> bool:
    """Whether an entrant's method solves a Newton system at each step."""
    return issubclass(METHODS[entrant.name], NewtonKrylov)


def longest(trace: Trace, label: str) -> int:
    """The outer step of run 0 with the most inner iterations, the first of several.

    Only steps that started where the run was looked at can be taken apart.
    """
    c = trace[label]
    steps = c["step"][_rows(trace, label, int(c["stopped"][0]))]
    return int(steps[c["krylov_iterations"][steps, 0].argmax()]) + 1


@torch.inference_mode()
def newton_system(trace: Trace, label: str, step: int) -> NewtonSystem:
    """The system of the outer step that led run 0 of an entrant to an iterate.

    Args:
        trace: the run, with its parameters.
        label: an entrant whose method is Newton-Krylov.
        step: 1 … stopped; of nets, the last one up to it that started where the run was looked at.

    Raises:
        TraceError: the trace does not hold the parameters any more.
    """
    spec, method, problem = _built(trace, label)
    row = int(_rows(trace, label, step)[-1])
    k = int(trace[label]["step"][row])
    s, p = _system_at(trace, label, problem, method, spec, [row])
    solves = tuple(solved(name, method.solve(s, p, name, keep=True), s.g, s.eta)
                   for name in SOLVERS)
    values, newton, notes = _spectrum(problem, method, s, p)
    own = next(x for x in solves if x.solver == method.solver)
    a = float(trace[label]["step_size"][k, 0])
    size = float(norm(s.g[0]))
    notes = [*_special(size, own, method.lam), *notes, *([] if s.fixed else [FRESH])]
    fine = np.isfinite(size) and size > 0 and np.isfinite(values).all()
    return NewtonSystem(
        label, k + 1, problem.size, float(s.eta[0]) * size, size, values,
        problem.size <= DENSE_LIMIT, solves, method.solver, a,
        laid(s, solves, own, newton, a, problem.size) if fine else None, tuple(notes))


@torch.inference_mode()
def never_early(trace: Trace, label: str) -> Counts:
    """What run 0's systems would have cost had neither curvature nor the model ended any.

    The same systems with the same tolerances; only those that started where the run was looked at,
    and no more of them than can be solved again in a few seconds. Those that ended early are solved
    by MINRES, which reaches a residual in the fewest products of all Krylov methods and ends at a
    least-squares solution where there is no other; where every product was taken on a batch of its
    own, by the run's own solver on the same batches.

    Raises:
        TraceError: the trace does not hold the parameters any more.
    """
    spec, method, problem = _built(trace, label)
    c, last = trace[label], int(trace[label]["stopped"][0])
    rows = _rows(trace, label, last)
    per_step = 12.0 * problem.size * spec.problem.step_samples * method.budget
    most = int(np.clip(OPERATIONS / per_step, 1, len(rows)))
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, most).round().astype(int))]
    steps = c["step"][rows]
    reason, used = c["krylov_reason"][steps, 0], c["krylov_iterations"][steps, 0].astype(int)
    early = np.isin(reason, GOES_ON)
    needed, lower = used.copy(), np.zeros_like(early)
    fresh = method.krylov_batches == "fresh" and not spec.problem.deterministic
    size = 1 if fresh else max(1, LARGEST_SLICE // (
        6 * (problem.size + spec.problem.step_samples * problem.units)))
    again = np.flatnonzero(early)
    for part in np.split(again, range(size, len(again), size)):
        if not len(part):
            continue
        s, p = _system_at(trace, label, problem, method, spec, rows[part].tolist())
        k = method.solve(s, p, "" if fresh else "minres", early=False)
        needed[part] = np.maximum(used[part], k.iterations.cpu().numpy())
        if fresh:
            lower[part] = ~(_model(s, k) < _model(s, method.solve(s, p))).cpu().numpy()
    disturbing = reason == Reason.DISTURBING
    return Counts(len(steps), last, int(early.sum()), int(used.sum()), int(needed.sum()), fresh,
                  int(disturbing.sum()), int((lower & disturbing).sum()))


def _model(s: System, k: Krylov) -> Tensor:
    """q(d) (R,) on the steps' own batches."""
    Hd = s.product(k.d, torch.ones_like(k.bare))
    return vecdot(s.g, k.d) + 0.5 * vecdot(k.d, Hd)


def _built(trace: Trace, label: str) -> tuple[RunSpec, NewtonKrylov, Problem]:
    spec = parse(trace.spec)
    method = next((m for m in spec.methods if m.entrant == label), None)
    if not isinstance(method, NewtonKrylov):
        raise TraceError(f"{label} solves no Newton system by Krylov iterations.")
    problem, _ = built(spec)
    set_threads(problem.size * spec.problem.step_samples)
    return spec, method, problem


def _rows(trace: Trace, label: str, step: int) -> np.ndarray:
    """The snapshots at which outer steps up to this one started; there is always the start."""
    c = trace[label]
    before = min(step, int(c["stopped"][0]))
    return np.flatnonzero(snapshots(c) < max(before, 1))


def _system_at(trace: Trace, label: str, problem: Problem, method: NewtonKrylov, spec: RunSpec,
               rows: list[int]) -> tuple[System, SimpleNamespace]:
    """The systems at snapshots of run 0 as n runs, each on its own step's batch, with settings."""
    theta = torch.as_tensor(trace.theta(label)[rows, 0], device=problem.device)
    run = torch.zeros(1, dtype=torch.int64, device=problem.device)
    steps = [int(trace[label]["step"][row]) for row in rows]
    batches = [next(iter(problem.batches(k, 1, spec.seed, run))) for k in steps]
    batch = batches[0]
    if not batch.full:
        batch = replace(batch, **{name: torch.cat([getattr(b, name) for b in batches])
                                  for name in ("x", "target", "xi", "runs")})
    p = method.tensors(len(theta), theta)
    first = theta.new_full((len(theta),), float(trace[label]["grad_norm_batch"][0, 0]))
    return method.system(Oracle(problem, batch, len(theta)), theta, p, first), p


def _spectrum(problem: Problem, method: NewtonKrylov, s: System,
              p: SimpleNamespace) -> tuple[np.ndarray, Tensor | None, list[str]]:
    """Eigenvalues of H + λI, the exact Newton step (P,), and what is to be said about it."""
    P = problem.size
    if P > DENSE_LIMIT:
        probe = philox.normal(0, philox.DATA, torch.zeros(1, dtype=torch.int64),
                              torch.tensor([3]), P)[0].sign().to(s.g)
        active = torch.ones(1, dtype=torch.bool, device=s.g.device)
        T = lanczos(lambda v: s.product(v, active), probe, NODES)
        if not all(bool(torch.isfinite(part).all()) for part in T):
            return np.array([np.nan]), None, [NOT_FINITE]
        return ritz(*T)[0][0].cpu().numpy(), None, [
            f"With {P:,} parameters H is never made: its spectrum is seen through {NODES} Lanczos "
            "steps, and the exact Newton step is not known."]
    H = dense(problem, s.tape, method.curvature)[0] + p.lam[0] * torch.eye(P).to(s.g)
    values, vectors = eigen(H)
    if not bool(torch.isfinite(values).all()):
        return values.cpu().numpy(), None, [NOT_FINITE]
    zero = values.abs() <= 10 * P * torch.finfo(values.dtype).eps * values.abs().max()
    along = vectors.mT @ -s.g[0]
    newton = vectors @ torch.where(zero, 0, along / values)
    notes = []
    if count := int(zero.sum()):
        left = float(norm(along * zero)) > 1e-8 * float(norm(along))
        notes = [f"The matrix is singular: {count} of its {P} eigenvalues are 0 to rounding. " + (
            "g has a part along them, so no step solves the system; the shortest least-squares "
            "step stands for Newton's." if left else "The shortest solution stands for Newton's.")]
    return values.cpu().numpy(), newton, notes


def _special(size: float, own: Solve, lam: float) -> list[str]:
    """What makes a system degenerate, in sentences."""
    if not np.isfinite(size):
        return ["The gradient is not finite here: there is no system to solve."]
    if size == 0:
        return ["The gradient is 0 here: d = 0 solves the system, there is nothing to iterate."]
    if own.iterations == 1 and own.bare:
        damp = " More damping λ would move it up." if lam == 0 else ""
        return [f"{own.title} ended in its very first direction, −g: {own.reason}. Steepest "
                f"descent d = −g was used instead.{damp}"]
    return []

