"""The exact Hessian of the reported loss where a recorded run stood: its spectrum, on demand."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from qnviz.curvature.lanczos import lanczos, ritz
from qnviz.curvature.oracle import dense
from qnviz.curvature.spectrum import eigenvalues
from qnviz.problems import philox
from qnviz.runs.device import built, set_threads
from qnviz.runs.spec import parse
from qnviz.runs.trace import Trace, snapshots

DENSE_LIMIT = 2000                   # parameters up to which all eigenvalues are taken
STEPS, PROBES = 80, 4                # of stochastic Lanczos quadrature above
SAMPLES = 512                        # of the reference batch that the Hessian is taken on
OPERATIONS = 6e10                    # multiplications that one spectrum may cost, about


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues with weights that sum to 1: all of them, or nodes of a quadrature.

    There are none where the Hessian is not finite; a probe whose nodes are not known counts less.
    """

    values: np.ndarray               # (n,) ascending
    weights: np.ndarray              # (n,)
    exact: bool                      # whether these are all P eigenvalues
    step: int                        # the iterate at which it was taken
    samples: int                     # on how many samples
    size: int                        # P


@torch.inference_mode()
def hessian_spectrum(trace: Trace, label: str, step: int) -> Spectrum:
    """The Hessian's spectrum where run 0 of an entrant was looked at last before a step.

    All eigenvalues up to 2,000 parameters, above that a density by Lanczos from four random probes.

    Raises:
        TraceError: the trace does not hold the parameters any more.
    """
    c = trace[label]
    row = int(np.searchsorted(snapshots(c), step, side="right")) - 1
    theta = trace.theta(label)[row, :1]
    problem, _ = built(parse(trace.spec))
    set_threads(problem.size)
    batch = problem.reference()
    P = problem.size
    products = P if P <= DENSE_LIMIT else STEPS * PROBES
    samples = int(np.clip(OPERATIONS / (12.0 * P * products), 16, SAMPLES))
    batch = replace(batch, x=batch.x[:, :samples], target=batch.target[:, :samples])
    tape = problem.forward(torch.as_tensor(theta, device=problem.device), batch)
    taken = int(c["step"][row]), batch.x.shape[1], P
    if P <= DENSE_LIMIT:
        values = eigenvalues(dense(problem, tape, "hessian"))[0].cpu().numpy()
        return _known(values, np.full(P, 1 / P), True, taken)
    problem.gradient(tape)
    many = tape.repeat(PROBES)
    probes = philox.normal(0, philox.DATA, torch.arange(PROBES), torch.tensor([2]), P)[0]
    start = probes.sign().to(problem.device, problem.dtype)      # Rademacher: least variance
    values, weights = ritz(*lanczos(lambda v: problem.hessian_vector(many, v), start, STEPS))
    order = values.flatten().argsort()
    return _known(values.flatten()[order].cpu().numpy(),
                  (weights.flatten()[order] / PROBES).cpu().numpy(), False, taken)


def _known(values: np.ndarray, weights: np.ndarray, exact: bool,
           taken: tuple[int, int, int]) -> Spectrum:
    """The spectrum of the values that are known."""
    known = np.isfinite(values) & np.isfinite(weights)
    weights = weights[known]
    return Spectrum(values[known], weights / weights.sum() if len(weights) else weights, exact,
                    *taken)
