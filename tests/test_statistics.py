"""Mean numbers of steps agree with an implementation written apart from this one.

Rosenbrock: steps until the loss at ε = 1 falls below 1e-4, over 100 runs from (−0.25, −0.25) +
0.1 N(0, I). Linear net: until the loss does, over 20 starts on 10 sets of data, w = 6 with standard
normal weights and w = 10 with CurveBall's.
"""

import numpy as np
import pytest

from qnviz.methods.bfgs import BFGS
from qnviz.methods.curveball import CurveBall
from qnviz.methods.levenberg_marquardt import LevenbergMarquardt
from qnviz.methods.newton_krylov import NewtonKrylov
from qnviz.problems.linear_net import LinearNet
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


NETS = {"w=6 randn": {"width": 6}, "w=10 scaled": {"width": 10, "init": "scaled"}}
ON_NETS = {
    # the table does not say from which λ₀ and H₀. From λ₀ = 1e-3 the scaled start takes 8 ± 0:
    # JᵀJ is small there, the first steps overshoot and are taken back; from λ₀ = 1 none is.
    # BFGS from sᵀy/yᵀy of the first pair, that of the steepest direction, takes 219 ± 25
    "levenberg-marquardt": (LevenbergMarquardt(lam=1.0), ((8, 3), (4, 0))),
    "newton-krylov": (NewtonKrylov(), ((47, 12), (10, 2))),
    "bfgs": (BFGS(scaling="none"), ((83, 34), (21, 4))),
    "curveball-1": (CurveBall(lam=1.0), ((476, 409), (34, 10)))}
@pytest.mark.parametrize(("column", "where"), [*enumerate(NETS)])
@pytest.mark.parametrize("name", ON_NETS)
def test_steps_to_a_good_fit_of_the_linear_net(name, column, where):
    method, rows = ON_NETS[name]
    mean, deviation = rows[column]
    taken, ended = [], []
    for seed in range(10):
        problem = LinearNet(samples=200, data_seed=seed, **NETS[where])
        c = run(RunSpec(problem=problem, methods=(method,), steps=2500, seed=seed, runs=2,
                        stop_loss=1e-4))[method.entrant]
        taken += c["stopped"].tolist()
        ended += c["status"].tolist()
    assert set(ended) == {"converged"}
    spread = 2 * (deviation**2 + np.var(taken)) ** 0.5
    assert abs(np.mean(taken) - mean) <= max(spread, 1), (
        f"{np.mean(taken):.1f} ± {np.std(taken):.1f} steps, not {mean} ± {deviation}")
