"""Newton-Krylov as a drop-in for torch.optim, on any model that can be differentiated twice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, ClassVar, Literal, Never

from qnviz.curvature.krylov import Reason
from qnviz.errors import OptimizerError
from qnviz.methods import newton_krylov
from qnviz.methods.base import State
from qnviz.optim.base import settings
from qnviz.optim.flat import Flat


class NewtonKrylov(Flat):
    """Matrix-free Newton with early termination [Shen et al. 2020]; Hv by double backward.

    The closure returns (loss, output), or the loss alone where curvature is "hessian".

    Args:
        params: parameters, or one group of them.
        eta: Krylov tolerance: stop at ‖r‖ ≤ η‖g‖.
        forcing: "fixed", or "superlinear" for η = min(½, √(‖g‖/‖g₀‖)).
        epsilon: curvature below this share of the largest that the solve has seen counts as zero.
        budget: largest number of Krylov iterations.
        tau: largest relative Taylor error of a step.
        lam: damping λ added to the curvature.
        curvature: "gauss_newton", which no convex loss makes negative, or "hessian".
        solver: "cg" or "minres".
        lr: the longest step a that is tried first, in (0, 1]; 1 is the method itself. Schedulers
            act on it.
        weight_decay: τ of ½τ‖θ‖², which is added to the loss.

    Raises:
        OptimizerError: a setting is unknown or out of bounds, or there are several groups.
    """

    kind: ClassVar[type[newton_krylov.NewtonKrylov]] = newton_krylov.NewtonKrylov
    kept: ClassVar[type[State]] = newton_krylov.NewtonKrylovState

    def __init__(self, params: Iterable[Any], eta: float = 0.1,
                 forcing: Literal["fixed", "superlinear"] = "fixed", epsilon: float = 1e-10,
                 budget: int = 50, tau: float = 0.5, lam: float = 0.0,
                 curvature: Literal["hessian", "gauss_newton"] = "gauss_newton",
                 solver: Literal["cg", "minres"] = "cg", lr: float = 1.0,
                 weight_decay: float = 0.0, **unknown: Never):
        super().__init__(params, settings(locals()))

    @property
    def reason(self) -> Reason:
        """Why the last Krylov iteration ended.

        Raises:
            OptimizerError: there was no step yet.
        """
        if not self.last:
            raise OptimizerError("No step was made yet, so no Krylov iteration has ended.")
        if not self.last["finite"]:
            return Reason.NON_FINITE
        return Reason(int(self.last["krylov_reason"]))

    def _shortened(self, state: newton_krylov.NewtonKrylovState,
                   lr: float) -> newton_krylov.NewtonKrylovState:
        return replace(state, a=state.a.clamp_max(0.5 * lr))       # the first trial is min(1, 2a)
