"""At every update of every run: the bounds hold, and double damping keeps both of its ratios."""

import numpy as np
import pytest

from qnviz.methods.kbfgs import KBFGS
from qnviz.methods.registry import METHODS
from qnviz.problems.rosenbrock import Rosenbrock
from qnviz.runs.loop import run
from qnviz.runs.spec import RunSpec
from tests.helpers import TINY

FAMILY = [name for name, m in METHODS.items() if issubclass(m, KBFGS)]
SETTINGS = [(0.3, 0.3), (0.05, 0.1), (0.9, 0.02), (0.01, 0.01)]                  # λ, α
STEPS, RUNS = 200, 20


def test_there_is_a_family():
    assert len(FAMILY) >= 2


NETS = {
    "linear_net": {"name": "linear_net", "samples": 40, "width": 5},
    "linear_net-minibatch": {"name": "linear_net", "samples": 40, "depth": 3, "batch": 8,
                             "init": "scaled"},
    "relu-bce": {"name": "autoencoder", **TINY, "batch": 8},
    "tanh-mse-decay": {"name": "autoencoder", **TINY, "batch": 8, "activation": "tanh",
                       "loss": "mse", "tau": 0.01},
    "sigmoid-bce-full": {"name": "autoencoder", **TINY, "batch": None, "activation": "sigmoid"}}


DAMPINGS = KBFGS.model_fields["damping"].annotation.__args__
PRECISIONS = ["float64", "float32"]


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("noise", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("damping", DAMPINGS)
@pytest.mark.parametrize("name", FAMILY)
def test_bounds_hold_at_every_update_of_every_run(name, damping, noise, dtype):
    methods = tuple(METHODS[name](lam=lam, lr=lr, damping=damping, label=f"{lam} {lr}")
                    for lam, lr in SETTINGS)
    trace = run(RunSpec(problem=Rosenbrock(noise=noise, start_noise=0.3), methods=methods,
                        steps=STEPS, runs=RUNS, dtype=dtype))
    assert bounded_updates(trace, methods, damping) > 500


@pytest.mark.usefixtures("tiny_images")
@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("where", NETS)
@pytest.mark.parametrize("damping", DAMPINGS)
@pytest.mark.parametrize("name", FAMILY)
def test_bounds_hold_at_every_update_of_every_layer(name, damping, where, dtype):
    memory = {"memory": 4} if name == "kbfgs_l" else {}            # 2p below and above the widths
    methods = tuple(METHODS[name](lam=lam, lr=lr, damping=damping, label=f"{lam} {lr}", **memory)
                    for lam, lr in SETTINGS[:3:2])
    trace = run(RunSpec(problem=NETS[where], methods=methods, steps=40, runs=4, dtype=dtype))
    assert bounded_updates(trace, methods, damping) > 100


def bounded_updates(trace, methods, damping):
    """Checks every update of a trace, and counts them."""
    eps = np.finfo(trace.spec["dtype"]).eps
    updates = 0
    for method in methods:
        c = trace[method.entrant]
        low, high = c["eig_min"], c["eig_max"]
        T, R, L = low.shape
        # the row of the step that left the finite numbers, and what repeats it, records nothing
        gone = (c["status"] == "diverged") & (np.arange(T)[:, None] >= c["stopped"] - 1)
        seen = np.broadcast_to(~gone[:, :, None], low.shape) & finite(c)
        # rounding may have taken a dense matrix its definiteness: then there is nothing to say
        definite = np.concatenate([np.ones((1, R, L), bool), low[:-1] > 0])
        if method.name == "kbfgs_l":
            definite |= True
        bounded = definite & (c["c2"] > 0) & (c["c2"] < np.inf)    # a positive s̃ᵀỹ
        for side in ("low", "high"):
            assert (np.isnan(c[f"pair_{side}"]) == ~bounded)[seen].all()
            assert (np.isnan(c[f"apriori_{side}"]) == ~definite)[seen].all()
        assert definite[seen].mean() > (0.99 if damping == "double" else 0.5)
        # what is known beforehand: nothing undamped, and Powell's damping limits c₁ alone
        assert (c["apriori_low"] > 0)[seen & definite].all() == (damping != "none")
        assert (c["apriori_high"] < np.inf)[seen & definite].all() == (damping == "double")
        if damping != "none":
            assert bounded[seen & definite & ~c["skipped"]].all()
        updates += int((seen & ~c["skipped"]).sum())
        rtol, slack = tolerances(method, low, high, eps)
        for kind in ("pair", "apriori"):
            below, above = c[f"{kind}_low"], c[f"{kind}_high"]
            held = seen & ~np.isnan(below) & ~np.isnan(above)
            assert (low >= below * (1 - rtol) - slack)[held].all(), kind
            assert (high <= above * (1 + rtol) + slack)[held].all(), kind
        held = seen & bounded
        for side, sign in (("low", 1), ("high", -1)):              # a priori is the wider one
            inner, outer = c[f"pair_{side}"], c[f"apriori_{side}"]
            assert (sign * inner >= sign * outer * (1 - sign * rtol) - slack)[held].all(), side
        used = seen & ~c["skipped"]
        # s̃ᵀỹ is a difference of terms that may be much larger than itself
        if damping != "none":
            assert (c["ratio1_after"][used] >= method.mu1 * (1 - 4e6 * eps)).all()
        if damping == "double":
            assert (c["ratio2_after"][used] >= method.lam**0.5 * (1 - 4e6 * eps)).all()
        if damping == "double" and eps < 1e-10 or method.name == "kbfgs_l":
            assert (low[seen] > 0).all()
        for theta in ("theta1", "theta2"):
            assert (c[theta][seen] > 0).all()
            assert (c[theta][seen] <= 1).all()
    return updates


def finite(c):
    """Where the matrix, and that before it, consist of numbers."""
    good = np.isfinite(c["eig_max"]) & np.isfinite(c["eig_min"])
    return good & np.concatenate([np.ones_like(good[:1]), good[:-1]])


def tolerances(method, low, high, eps):
    """What rounding may take: of the bound, and beside it.

    The spectra of (L) are those of the matrix that its pairs define, to a few digits less than the
    numbers have. A dense H is rounded at each update relative to its largest entries, and those of
    the H before.
    """
    if method.name == "kbfgs_l":
        return 4e6 * max(eps, 1e-15), 0
    before = np.concatenate([np.ones((1, *high.shape[1:])), high[:-1]])
    return 4e6 * eps, 450 * eps * np.maximum(np.maximum(high, before), 1)


@pytest.fixture
def blobs(tmp_path, monkeypatch):
    """400 training images of 4×4 pixels with a soft spot each."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[:4, :4]
    cx, cy = rng.uniform(0, 3, (2, 500, 1, 1))
    width = rng.uniform(0.4, 1.5, (500, 1, 1))
    images = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * width**2))
    np.savez(tmp_path / "blobs.npz", images=np.round(255 * images).astype(np.uint8))
    monkeypatch.setenv("QNVIZ_DATA", str(tmp_path))


@pytest.mark.usefixtures("blobs")
@pytest.mark.parametrize(("activation", "loss", "lr", "lam"), [
    ("relu", "bce", 0.3, 0.3), ("relu", "bce", 0.1, 0.1), ("tanh", "mse", 0.3, 0.03)])
def test_only_double_damping_keeps_the_factors_in_bounds(activation, loss, lr, lam):
    """A second program found, over 300 steps: 1e-4 … 100 with it; 1e4 or a divergence without."""
    methods = tuple(KBFGS(lr=lr, lam=lam, damping=d, label=d) for d in ("double", "powell", "none"))
    trace = run(RunSpec(problem={
        "name": "autoencoder", "data": "file:blobs.npz", "widths": "16-12-4-12-16", "batch": 20,
        "activation": activation, "loss": loss}, methods=methods, steps=300, runs=4))
    assert bounded_updates(trace, methods[:1], "double") > 4000
    double, powell, none = (trace[d] for d in ("double", "powell", "none"))
    assert (double["status"] == "budget").all()
    assert double["eig_min"].min() > 5e-5
    assert double["eig_max"].max() < 150
    acted = [(double[t] < 1).sum() for t in ("theta1", "theta2")]
    assert 0 < acted[0] < acted[1]                       # step 2 acts more often than Powell's

    def peak(c):
        return np.nanmax(c["eig_max"], axis=(0, 2))      # per run

    assert np.median(peak(powell)) > 15 * np.median(peak(double))
    if activation == "relu":
        assert (none["status"] == "diverged").all()
        assert (none["stopped"] < 200).all()
    else:
        assert (peak(none) > 1e4).all()
        assert (none["loss"][-1] > 4 * double["loss"][-1]).all()
