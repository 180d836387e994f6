"""At every update of every run: the bounds hold, and double damping keeps both of its ratios."""

import numpy as np
import pytest

from qnviz.methods.kbfgs import KBFGS
from qnviz.methods.registry import METHODS
from qnviz.problems.rosenbrock import Rosenbrock
from qnviz.runs.loop import run
from qnviz.runs.spec import RunSpec

FAMILY = [name for name, m in METHODS.items() if issubclass(m, KBFGS)]
SETTINGS = [(0.3, 0.3), (0.05, 0.1), (0.9, 0.02), (0.01, 0.01)]                  # λ, α
STEPS, RUNS = 200, 20


def test_there_is_a_family():
    assert len(FAMILY) >= 2


@pytest.mark.parametrize("noise", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("damping", KBFGS.model_fields["damping"].annotation.__args__)
@pytest.mark.parametrize("name", FAMILY)
def test_bounds_hold_at_every_update_of_every_run(name, damping, noise):
    methods = tuple(METHODS[name](lam=lam, lr=lr, damping=damping, label=f"{lam} {lr}")
                    for lam, lr in SETTINGS)
    trace = run(RunSpec(problem=Rosenbrock(noise=noise, start_noise=0.3), methods=methods,
                        steps=STEPS, runs=RUNS))
    updates = 0
    for method in methods:
        c = trace[method.entrant]
        low, high = c["eig_min"], c["eig_max"]
        assert low.shape == (STEPS, RUNS, 1)
        # the row of the step that left the finite numbers, and what repeats it, records nothing
        gone = (c["status"] == "diverged") & (np.arange(STEPS)[:, None] >= c["stopped"] - 1)
        seen = ~gone[:, :, None]
        if damping == "none":
            # farther out, undamped pairs span 40 orders of magnitude: R⁻¹ has no digit left
            seen = seen & (np.abs(c["theta"][1:]).max(-1) < 1e20)[:, :, None]
        for column in ("eig_min", "eig_max", "certified_low", "certified_high", "apriori_low",
                       "apriori_high"):
            assert not np.isnan(c[column][seen]).any(), column
        updates += int((seen & ~c["skipped"]).sum())
        # eigvalsh is accurate relative to the largest entries: those of H, of H⁺, and of the I that
        # the compact form subtracts from
        before = np.concatenate([np.ones((1, RUNS, 1)), high[:-1]])
        slack = 1e-13 * np.maximum(np.maximum(high, before), 1)
        for kind in ("certified", "apriori"):
            below, above = c[f"{kind}_low"], c[f"{kind}_high"]
            assert (low >= below * (1 - 1e-9) - slack)[seen].all(), kind
            assert (high <= above * (1 + 1e-9) + slack)[seen].all(), kind
        inside = (c["certified_low"] >= c["apriori_low"] * (1 - 1e-9) - slack)
        assert inside[seen].all()
        used = seen & ~c["skipped"]
        # s̃ᵀỹ is a difference of terms that may be much larger than itself
        if damping != "none":
            assert (c["ratio1_after"][used] >= method.mu1 * (1 - 1e-9)).all()
        if damping == "double":
            assert (c["ratio2_after"][used] >= method.lam**0.5 * (1 - 1e-9)).all()
            assert (low[seen] > 0).all()
        for theta in ("theta1", "theta2"):
            assert (c[theta][seen] > 0).all()
            assert (c[theta][seen] <= 1).all()
    assert updates > 500
