"""The four methods as drop-ins for torch.optim, on a model of your own: see docs/optim.md."""

from qnviz.optim.curveball import CurveBall
from qnviz.optim.kbfgs import KBFGS, KBFGSL
from qnviz.optim.newton_krylov import NewtonKrylov

__all__ = ["KBFGS", "KBFGSL", "CurveBall", "NewtonKrylov"]
