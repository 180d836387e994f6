"""All methods: one line each. Controls, tests, tables and colours follow from here."""

from qnviz.methods.adam import Adam
from qnviz.methods.base import Method
from qnviz.methods.bfgs import BFGS
from qnviz.methods.curveball import CurveBall
from qnviz.methods.kbfgs import KBFGS
from qnviz.methods.kbfgs_l import KBFGSL
from qnviz.methods.kfac import KFAC
from qnviz.methods.lbfgs import LBFGS
from qnviz.methods.levenberg_marquardt import LevenbergMarquardt
from qnviz.methods.nesterov import Nesterov
from qnviz.methods.newton import Newton
from qnviz.methods.newton_krylov import NewtonKrylov
from qnviz.methods.rmsprop import RMSprop
from qnviz.methods.scipy_reference import SciPyBFGS, SciPyNewtonCG, SciPyTrustKrylov
from qnviz.methods.sgd import SGD

METHODS: dict[str, type[Method]] = {m.model_fields["name"].default: m for m in (
    KBFGS,
    KBFGSL,
    CurveBall,
    NewtonKrylov,
    KFAC,
    SGD,
    Nesterov,
    Adam,
    RMSprop,
    LevenbergMarquardt,
    Newton,
    BFGS,
    LBFGS,
    SciPyBFGS,
    SciPyNewtonCG,
    SciPyTrustKrylov,
)}
