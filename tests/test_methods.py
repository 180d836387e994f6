"""Every method on every problem, and first-order methods against torch.optim."""

import dataclasses
import re
from functools import partial
from itertools import combinations

import numpy as np
import pytest
import torch

from qnviz.curvature.oracle import Oracle
from qnviz.fields import parameters
from qnviz.figures.colors import oklab
from qnviz.methods.adam import Adam
from qnviz.methods.base import take
from qnviz.methods.declared import DASHES, MARKERS
from qnviz.methods.nesterov import Nesterov
from qnviz.methods.registry import METHODS
from qnviz.methods.rmsprop import RMSprop
from qnviz.methods.sgd import SGD
from qnviz.runs.loop import run
from qnviz.runs.spec import RunSpec
from tests.helpers import (
    CPU,
    F64,
    assert_close,
    assert_same_but_for_rounding,
    drive,
    nearby,
    net,
    not_here,
    plain_loss,
    rosenbrock,
    variants,
)

NETS = {"tanh-bce": lambda: net("tanh", "bce"), "softplus-mse": lambda: net("softplus", "mse"),
        "relu-squares-minibatch": lambda: net("relu", "squares", minibatch=4)}
EVERYWHERE = [pytest.param(m, lambda s=spec: s.build(F64, CPU), spec, id=f"{name}-{where}")
              for name, m in METHODS.items() for where, spec in variants()]
EVERYWHERE += [pytest.param(m, make, None, id=f"{name}-{where}")
               for name, m in METHODS.items() for where, make in NETS.items()]
pytestmark = pytest.mark.usefixtures("tiny_images")


def restarted(method, problem, one, steps, good):
    """The path of one run from beside its start."""
    start = nearby(problem.start(3, one))
    return drive(method, problem, one, steps, seed=3, start=start).theta[good, 0]


def stepped(method, problem, batch, state, p):
    """One step of one run from beside a state."""
    beside = dataclasses.replace(state, theta=nearby(state.theta))
    return method.step(Oracle(problem, batch, 1), beside, p)[0].theta


# --- the matrix of methods and problems ---------------------------------------------------------

def test_newton_krylov_takes_each_runs_own_damping():
    """Also where the method's own λ is 0: a sweep gives every run its value as a tensor."""
    problem, method = rosenbrock(), METHODS["newton_krylov"](eta=1e-9)
    theta = torch.tensor([[-1.2, 1.0]] * 3, dtype=F64)
    lam = torch.tensor([0.0, 10.0, 1e3], dtype=F64)
    p = method.tensors(3, theta)
    p.lam = lam
    with torch.no_grad():
        oracle = Oracle(problem, problem.reference(), 3)
        state = method.init(oracle, theta, p)
        tape = oracle.forward(theta)
        g, H = oracle.gradient(tape), oracle.dense(tape, "hessian")
        after, events = method.step(oracle, state, p)
    d = torch.linalg.solve(H + lam[:, None, None] * torch.eye(2, dtype=F64), -g)
    assert_close(after.theta - theta, events["step_size"][:, None] * d, 1e-9)


@pytest.mark.parametrize(("model", "make", "spec"), [c for c in EVERYWHERE if c.values[2]])
def test_runs_in_a_batch_equal_runs_alone(model, make, spec, available):
    method, problem, R = model(), make(), 7
    available(method, problem, spec)
    together = drive(method, problem, R, 30, seed=3).theta
    for r in (0, 6):
        one = torch.tensor([r])
        alone = drive(method, problem, one, 30, seed=3).theta[:, 0]
        good = torch.isfinite(alone).all(-1)
        assert torch.equal(good, torch.isfinite(together[:, r]).all(-1))
        assert good[:3].all()
        assert_same_but_for_rounding(together[good, r], alone[good], 1e-12,
                                     partial(restarted, method, problem, one, 30, good))


@pytest.mark.parametrize(("model", "make", "spec"), EVERYWHERE)
def test_each_step_in_a_batch_equals_that_step_alone(model, make, spec, available):
    # from the same state, so that rounding cannot pile up on problems that amplify it
    method, problem, R = model(), make(), 5
    available(method, problem, spec)
    with torch.no_grad():
        theta = problem.start(3, torch.arange(R))
        p = method.tensors(R, theta)
        for q in parameters(model):
            if q.kind == "float":                       # every run has hyper-parameters of its own
                setattr(p, q.name, q.default * torch.linspace(0.8, 1, R, dtype=F64))
        state = method.init(Oracle(problem, problem.reference(), R), theta, p)
        for batch in problem.batches(0, 30, 3, torch.arange(R)):
            after, events = method.step(Oracle(problem, batch, R), state, p)
            for r in (4,):
                one = torch.tensor([r])
                if not torch.isfinite(after.theta[r]).all() or after.theta[r].norm() > 1e6:
                    continue
                here, q = take(state, one), take(p, one)
                alone, seen = method.step(Oracle(problem, batch.take(one), 1), here, q)
                assert_same_but_for_rounding(
                    alone.theta, after.theta[r:r + 1], 1e-8,
                    partial(stepped, method, problem, batch.take(one), here, q))
                assert {n: x.dtype for n, x in seen.items()} == {
                    n: x.dtype for n, x in events.items()}
            state = after


@pytest.mark.parametrize(("model", "make", "spec"), [c for c in EVERYWHERE if c.values[2]])
def test_every_run_has_its_own_hyper_parameters(model, make, spec, available):
    method, problem, R = model(), make(), 3
    available(method, problem, spec)
    factor = torch.tensor([1.0, 0.9, 0.8], dtype=F64)
    tensors = {q.name: factor * q.default for q in parameters(model) if q.kind == "float"}
    together = drive(method, problem, R, 8, seed=3, **tensors).theta
    for r in range(R):
        values = {name: t[r].item() for name, t in tensors.items()}
        one = torch.tensor([r])
        alone = drive(model(**values), problem, one, 8, seed=3).theta[:, 0]
        good = torch.isfinite(alone).all(-1)
        assert_same_but_for_rounding(together[good, r], alone[good], 1e-12,
                                     partial(restarted, model(**values), problem, one, 8, good))


@pytest.mark.parametrize(("model", "make", "spec"), EVERYWHERE)
def test_every_step_is_recorded_finitely_and_described(model, make, spec, available):
    method, problem, R = model(), make(), 2
    available(method, problem, spec)
    path = drive(method, problem, R, 20, seed=1)
    assert path.theta.shape == (21, R, problem.size)
    names = set(path.events[0])
    for t, e in enumerate(path.events):
        assert set(e) == names, "a column must not come and go"
        assert all(x.shape[0] == R for x in e.values())
        if not torch.isfinite(path.theta[t + 1]).all():
            break
        sentence = method.describe({n: x[0].numpy() for n, x in e.items()})
        assert sentence.endswith(".")
        assert len(sentence) > 15
        assert "nan" not in sentence
        assert path.work[t].gt(0).all() or method.family == "outside"


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("where", [w for w, _ in variants()])
def test_the_loop_ends_with_finite_losses_or_an_honest_divergence(name, where):
    problem = dict(variants())[where]
    method = METHODS[name]()
    if why := not_here(method, problem):
        pytest.skip(why)
    trace = run(RunSpec(problem=problem, methods=(method,), steps=20, runs=5))
    c = trace[name]
    assert np.isfinite(c["loss"]).all()       # diverged: the last finite value
    assert set(c["status"]) <= {"budget", "converged", "diverged"} | (
        {"ended", "failed"} if method.family == "outside" else set())
    assert len(trace.words[name]) == c["stopped"][0]
    assert all(w.endswith(".") for w in trace.words[name])
    for end, status in zip(trace.ends[name], c["status"], strict=True):
        assert end.startswith({"budget": "Used all", "converged": "Converged",
                               "diverged": "Diverged"}.get(status, "Ended at step"))


@pytest.mark.parametrize("name", METHODS)
def test_every_method_says_what_it_is(name):
    model = METHODS[name]
    assert model().name == name == model().entrant
    assert model(label="another").entrant == "another"
    for text in (model.title, model.idea, model.equations, model.reference, model.fails):
        assert text
    assert re.fullmatch("#[0-9A-Fa-f]{6}", model.style.color)
    assert model.style.dash in DASHES
    assert model.style.marker in MARKERS
    for q in parameters(model):
        assert q.help.endswith(".")
        assert q.range
        if q.kind == "float":
            assert q.low is None or q.low <= q.default
            assert q.high is None or q.default <= q.high


def test_no_two_methods_look_alike():
    alike = [(a.title, b.title) for a, b in combinations(METHODS.values(), 2)
             if a.style[1:] == b.style[1:]
             and np.linalg.norm(oklab(a.style.color) - oklab(b.style.color)) < 0.1]
    assert not alike, f"give one of {alike} another colour, or another dash or marker"


# --- against torch.optim ------------------------------------------------------------------------

PEERS = {
    "sgd": (SGD(lr=3e-4, momentum=0.9),
            lambda p: torch.optim.SGD(p, lr=3e-4, momentum=0.9)),
    "sgd-plain": (SGD(lr=1e-3, momentum=0.0), lambda p: torch.optim.SGD(p, lr=1e-3)),
    "nesterov": (Nesterov(lr=3e-4, momentum=0.9),
                 lambda p: torch.optim.SGD(p, lr=3e-4, momentum=0.9, nesterov=True)),
    "adam": (Adam(lr=0.01, beta1=0.8, beta2=0.99, eps=1e-6),
             lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.99), eps=1e-6)),
    "rmsprop": (RMSprop(lr=1e-3, beta=0.99, eps=1e-4),
                lambda p: torch.optim.RMSprop(p, lr=1e-3, alpha=0.99, eps=1e-4))}


@pytest.mark.parametrize("where", ["rosenbrock", "tanh-bce", "softplus-mse"])
@pytest.mark.parametrize("peer", PEERS)
def test_first_order_methods_are_those_of_torch_optim(peer, where):
    method, make = PEERS[peer]
    problem = rosenbrock() if where == "rosenbrock" else NETS[where]()
    batch, ours = problem.reference(), drive(method, problem, 2, 200).theta
    for r in range(2):
        theta = ours[0, r].clone().requires_grad_()
        optimizer, path = make([theta]), [ours[0, r]]
        for _ in range(200):
            optimizer.zero_grad()
            plain_loss(problem, theta, batch, r).backward()
            optimizer.step()
            path.append(theta.detach().clone())
        assert_close(ours[:, r], torch.stack(path), 1e-12)
