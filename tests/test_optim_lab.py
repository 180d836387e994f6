"""The drop-ins make the very steps that the lab shows."""

import inspect

import pytest
import torch

from qnviz.fields import parameters
from qnviz.problems.autoencoder import Autoencoder
from qnviz.problems.linear_net import LinearNet
from qnviz.runs.loop import stream
from tests.helpers import (
    CPU,
    F64,
    Net,
    assert_close,
    assert_same_but_for_rounding,
    drive,
    nearby,
    spec,
)
from tests.optim_nets import DROP_INS, KRONECKER, LAB_ALONE, as_in_lab, lab_steps, made, model_of

SETTINGS = {
    "kbfgs": {"lr": 0.2, "lam": 0.1},
    "kbfgs_l": {"lr": 0.2, "lam": 0.1, "memory": 5},
    "curveball": {"lam": 10.0},
    "newton_krylov": {"budget": 8, "lam": 0.1}}
STEPS = 30


def iterates(name, problem, path, full=False, tau=0.0, **settings):
    """Iterates of a drop-in on the problem of the lab, from path[0], as many as path has."""
    model = model_of(problem, path[0])
    extra = {"full_batch": full} if DROP_INS[name] in KRONECKER else {}
    opt = made(name, model, weight_decay=tau, **as_in_lab(name) | settings, **extra)
    if DROP_INS[name] in KRONECKER:
        with opt.warm_start():
            for rows in problem.reference().x[0].split(500):
                model(rows)
    assert (path[-1] - path[0]).norm() > 1e-2                          # it went somewhere
    return lab_steps(problem, opt, model, len(path) - 1)


@pytest.mark.parametrize("loss", ["bce", "mse"])
@pytest.mark.parametrize("name", DROP_INS)
def test_the_lab_s_run_on_digits(name, loss):
    """The recorded run of `runs.stream` itself, with its shuffled batches of 256."""
    asked = spec({"name": name} | SETTINGS[name], problem={"name": "autoencoder", "loss": loss},
                 steps=STEPS, runs=1, dtype="float64", device="cpu")
    *_, last = stream(asked)
    columns = last.trace()[name]
    assert list(columns["step"]) == list(range(STEPS + 1))
    path = torch.tensor(columns["theta"][:, 0])
    assert_close(iterates(name, asked.problem.build(F64, CPU), path, **SETTINGS[name]), path, 1e-8)


WHERE = {
    "decay-minibatch": lambda: Net((4, 5, 3, 2), "softplus", "mse", biases=(True, False, True),
                                   samples=30, minibatch=6, tau=0.05),
    "full": lambda: Net((4, 5, 3, 2), "tanh", "bce", samples=9),
    "one-layer": lambda: Net((4, 3), "tanh", "squares", samples=9),
    "wide": lambda: Net((4, 210, 2), "tanh", "mse", samples=9)}        # layers are not joined
CASES = {
    "kbfgs": ("kbfgs", {"lr": 0.1}),
    "kbfgs-powell": ("kbfgs", {"lr": 0.02, "damping": "powell", "mu1": 0.3}),
    "kbfgs-momentum": ("kbfgs", {"lr": 0.02, "lam": 0.05, "momentum": 0.5}),
    "kbfgs_l": ("kbfgs_l", {"lr": 0.1, "memory": 3}),
    "curveball": ("curveball", {}),
    "curveball-hessian": ("curveball", {"curvature": "hessian", "lam": 50.0}),
    "curveball-none": ("curveball", {"curvature": "none", "lam": 100.0}),
    "curveball-fixed": ("curveball", {"tuning": "fixed", "rho": 0.8, "beta": 2e-3}),
    "newton_krylov": ("newton_krylov", {"lam": 0.5, "budget": 6}),
    "newton_krylov-gn": ("newton_krylov", {"curvature": "gauss_newton", "lam": 0.5,
                                           "forcing": "superlinear"}),
    "newton_krylov-minres": ("newton_krylov", {"solver": "minres", "lam": 0.5, "eta": 0.01})}


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("case", CASES)
def test_the_method_s_steps_on_small_nets(case, where):
    name, settings = CASES[case]
    problem = WHERE[where]()
    method = {m.name: m for m in spec(*DROP_INS).methods}[name].model_copy(update=settings)
    path = drive(method, problem, 1, STEPS).theta[:, 0]
    ours = iterates(name, problem, path, problem.minibatch == 0, problem.tau, **settings)
    assert_same_but_for_rounding(ours, path, 1e-8, lambda: drive(
        method, problem, 1, STEPS, start=nearby(path[:1])).theta[:, 0])


def test_full_batch_pairs_are_not_averaged():
    """Without `full_batch` the drop-in averages pairs of a full batch too, unlike the lab."""
    problem = WHERE["full"]()
    path = drive(spec("kbfgs").methods[0], problem, 1, 10).theta[:, 0]
    assert_close(iterates("kbfgs", problem, path, full=True), path, 1e-8)
    apart = (iterates("kbfgs", problem, path, full=False) - path).abs().amax(1)
    assert apart[1] < 1e-12                                     # the first step has no pair yet
    assert apart[-1] > 1e-3


CHOSEN = {"kbfgs": {"lr", "lam"}, "kbfgs_l": {"lr", "lam"}, "curveball": {"lam"},
          "newton_krylov": {"curvature", "lam", "budget"}}


@pytest.mark.parametrize("name", DROP_INS)
def test_defaults_are_the_method_s_but_for_those_of_the_grid(name):
    """Those of `benchmarks.defaults`; see tests/test_optim_defaults.py."""
    method = spec(name).methods[0]
    given = {k: v.default for k, v in inspect.signature(DROP_INS[name].__init__).parameters.items()}
    for q in parameters(type(method)):
        if q.name not in LAB_ALONE | CHOSEN[name]:
            assert given[q.name] == q.default, q.name


@pytest.mark.parametrize("name", DROP_INS)
def test_what_a_step_shows_is_what_the_lab_shows(name):
    problem = Autoencoder(widths=(64, 8, 64)).build(F64, CPU)
    path = drive(spec(name).methods[0], problem, 1, 5)
    model = model_of(problem, path.theta[0, 0])
    opt = made(name, model, **as_in_lab(name))
    if DROP_INS[name] in KRONECKER:
        with opt.warm_start():
            model(problem.reference().x[0])
    lab_steps(problem, opt, model, 5)
    assert set(opt.last) == set(path.events[-1]) | {"finite", "undone"}
    assert bool(opt.last["finite"])
    for key, seen in path.events[-1].items():
        finite = torch.isfinite(seen[0])
        assert_close(opt.last[key][finite].double(), seen[0][finite].double(), 1e-8)
    method = spec(name).methods[0]
    words = method.describe({k: v[0].numpy() for k, v in path.events[-1].items()})
    assert opt.describe() == words


def test_a_linear_net_without_biases_in_one_layer_after_another():
    problem = LinearNet(samples=40).build(F64, CPU)
    path = drive(spec("newton_krylov").methods[0], problem, 1, 5).theta[:, 0]
    assert_close(iterates("newton_krylov", problem, path), path, 1e-8)
