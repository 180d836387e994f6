"""CurveBall as a drop-in for torch.optim, on any differentiable model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Literal, Never

from torch import Tensor

from qnviz.methods import curveball
from qnviz.methods.base import State
from qnviz.optim.base import settings
from qnviz.optim.flat import Flat


class CurveBall(Flat):
    """Momentum that looks at curvature [Henriques, Ehrhardt, Albanie, Vedaldi 2018].

    The closure returns (loss, output); the loss may depend on parameters through that output only.

    Args:
        params: parameters, or one group of them.
        lam: damping λ at the start; it then adapts itself, and `last["lam"]` is what it is.
        curvature: "gauss_newton", "hessian", or "none" for heavy ball.
        tuning: "automatic", or "fixed" for ρ and β as given.
        rho: momentum ρ where tuning is fixed.
        beta: step size β where tuning is fixed.
        lr: θ ← θ + lr z, in (0, 1]; 1 is the method itself. Schedulers act on it.
        weight_decay: τ; ½τ‖θ‖² is added to the loss.

    Raises:
        OptimizerError: a setting is unknown or out of bounds, or there are several groups.
    """

    kind: ClassVar[type[curveball.CurveBall]] = curveball.CurveBall
    kept: ClassVar[type[State]] = curveball.CurveBallState

    def __init__(self, params: Iterable[Any], lam: float = 0.3,
                 curvature: Literal["gauss_newton", "hessian", "none"] = "gauss_newton",
                 tuning: Literal["automatic", "fixed"] = "automatic", rho: float = 0.9,
                 beta: float = 1e-3, lr: float = 1.0, weight_decay: float = 0.0,
                 **unknown: Never):
        super().__init__(params, settings(locals()))

    def _reached(self, start: Tensor, new: curveball.CurveBallState, lr: float) -> Tensor:
        return new.theta if lr == 1 else start + lr * new.z
