"""Mean numbers of steps agree with an implementation written apart from this one.

Steps until the loss at ε = 1 falls below 1e-4, over 100 runs from (−0.25, −0.25) + 0.1 N(0, I).
"""

import numpy as np
import pytest

from qnviz.methods.bfgs import BFGS
from qnviz.methods.curveball import CurveBall
from qnviz.methods.levenberg_marquardt import LevenbergMarquardt
from qnviz.methods.newton_krylov import NewtonKrylov
from qnviz.problems.rosenbrock import Rosenbrock
from qnviz.runs.loop import run
from qnviz.runs.spec import RunSpec

# mean and standard deviation at ε = 1, ε ~ U[0, 1], ε ~ U[0, 3]
TABLE = {
    "levenberg-marquardt": (LevenbergMarquardt(), ((13, 1), (6, 2), (9, 3))),
    "bfgs": (BFGS(), ((18, 2), (29, 17), (61, 30))),
    "newton-krylov": (NewtonKrylov(), ((18, 1), (9, 3), (16, 5))),
    "curveball-10": (CurveBall(lam=10.0), ((86, 0), (90, 1), (88, 1))),
    "curveball-1": (CurveBall(lam=1.0), ((13, 0), (13, 1), (13, 1))),
    "curveball-0.1": (CurveBall(lam=0.1), ((5, 0), (5, 1), (5, 0)))}


@pytest.mark.parametrize(("column", "noise"), [(0, 0.0), (1, 1.0), (2, 3.0)])
@pytest.mark.parametrize("name", TABLE)
def test_steps_to_the_minimum(name, column, noise):
    method, rows = TABLE[name]
    mean, deviation = rows[column]
    trace = run(RunSpec(
        problem=Rosenbrock(noise=noise, start=(-0.25, -0.25), start_noise=0.1), methods=(method,),
        steps=400, runs=100, stop_loss=1e-4))
    c = trace[method.entrant]
    assert (c["status"] == "converged").all(), dict(zip(*np.unique(c["status"], return_counts=True),
                                                        strict=True))
    assert abs(c["stopped"].mean() - mean) <= max(2 * deviation, 1), (
        f"{c['stopped'].mean():.1f} ± {c['stopped'].std():.1f} steps, not {mean} ± {deviation}")
