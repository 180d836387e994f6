"""A batch that gives no finite loss or gradient is a step that was not made, and says so."""

import math

import pytest
import torch
import torch.nn.functional as F

from qnviz.curvature.krylov import Reason
from qnviz.errors import OptimizerError
from qnviz.optim import KBFGS, NewtonKrylov
from tests.helpers import F64, normal
from tests.optim_nets import (
    DROP_INS,
    batches,
    closure_of,
    entropy,
    made,
    small_net,
    theta_of,
    train,
)

SETTINGS = {"kbfgs": {"lr": 0.1}, "kbfgs_l": {"lr": 0.1, "memory": 3}, "curveball": {"lr": 0.5},
            "newton_krylov": {"lam": 0.3, "budget": 6}}


def bad(kind, x, t):
    """A batch and a loss of which something is not finite, though the model is."""
    if kind in ("one nan", "one inf"):
        x = x.clone()
        x[3, 1] = math.nan if kind == "one nan" else math.inf          # tanh(∞) is finite
    loss = entropy
    if kind == "loss":                                     # its gradient is finite
        loss = lambda u, t: entropy(u, t) + (math.inf - u.detach().sum() * 0)
    elif kind == "gradient":                               # here the loss is finite
        loss = lambda u, t: entropy(u, t) + (u[0, 0] - u[0, 0]).abs().sqrt()
    return x, t, loss


def snapshot(opt):
    """Every bit of the state, in words that tell -0 from 0."""
    def parts(value):
        if isinstance(value, torch.Tensor):
            return value.detach().numpy().tobytes()
        if isinstance(value, dict):
            return {k: parts(v) for k, v in value.items()}
        return [parts(v) for v in value] if isinstance(value, list) else value

    return parts(opt.state_dict()["state"])


@pytest.mark.parametrize("kind", ["one nan", "one inf", "loss", "gradient"])
@pytest.mark.parametrize("when", [0, 1, 4, 5])
@pytest.mark.parametrize("name", DROP_INS)
def test_it_changes_no_bit_and_the_next_step_is_as_if_nothing_had_been(name, when, kind):
    data = list(batches(9))
    clean, other = small_net(), small_net()
    straight, opt = (made(name, m, **SETTINGS[name]) for m in (clean, other))
    train(straight, clean, data)
    train(opt, other, data[:when])
    before, state = theta_of(other), snapshot(opt)
    x, t, loss = bad(kind, *data[when])
    opt.step(closure_of(opt, other, x, t, loss))
    assert torch.equal(theta_of(other), before)
    assert snapshot(opt) == state
    assert not opt.last["finite"]
    assert not opt.last["undone"]
    assert "not finite on this batch" in opt.describe()
    train(opt, other, data[when:])
    assert torch.equal(theta_of(other), theta_of(clean))
    assert snapshot(opt) == snapshot(straight)
    assert opt.last["finite"]
    assert opt.describe() == straight.describe()


@pytest.mark.parametrize("name", DROP_INS)
def test_what_was_shown_before_is_shown_as_nothing(name):
    """A loop that logs opt.last["…"] goes on."""
    model = small_net()
    opt = made(name, model, **SETTINGS[name])
    train(opt, model, batches(2))
    names = set(opt.last)
    (x, t), = batches(1)
    opt.step(closure_of(opt, model, x * math.nan, t, entropy))
    assert set(opt.last) == names
    numbers = [v for v in opt.last.values() if v.is_floating_point()]
    assert numbers
    assert all(torch.isnan(v).all() for v in numbers)


def test_a_solve_that_was_not_made_has_a_reason():
    model = small_net()
    opt = NewtonKrylov(model.parameters(), curvature="hessian")
    (x, t), = batches(1)
    assert torch.isnan(opt.step(lambda: F.cross_entropy(model(x), t) * math.nan))
    assert opt.reason == Reason.NON_FINITE


@pytest.mark.parametrize("name", ["kbfgs", "kbfgs_l"])
@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_a_step_to_where_nothing_is_finite_is_taken_back(name, where):
    """The first call is finite and the second is not: the step led there."""
    model = small_net()
    opt = made(name, model, **SETTINGS[name])
    data = list(batches(6))
    train(opt, model, data[:3])
    before, state = theta_of(model), snapshot(opt)
    (x, t), calls = data[3], []

    def closure():
        opt.zero_grad()
        calls.append(1)
        loss = F.cross_entropy(model(x), t)
        if len(calls) == 2:
            loss = (loss * math.nan if where == "loss"
                    else loss + (model[4].bias - model[4].bias.detach()).abs().sum().sqrt())
        loss.backward()
        return loss

    opt.step(closure)
    assert torch.equal(theta_of(model), before)
    assert snapshot(opt) == state
    assert opt.last["undone"]
    assert not opt.last["finite"]
    assert "taken back" in opt.describe()
    assert "lower lr or raise lam" in opt.describe()
    train(opt, model, data[3:])
    assert opt.last["finite"]


def test_numbers_too_large_to_be_squared_make_no_step():
    model = small_net(dtype=torch.float32)
    opt = KBFGS(model, lr=0.1)
    (x, t), = batches(1, dtype=torch.float32)
    before = theta_of(model)
    opt.step(closure_of(opt, model, x * 1e25, t, entropy))
    assert not opt.last["finite"]
    assert torch.equal(theta_of(model), before)
    assert not opt.state


def test_a_warm_start_takes_finite_inputs_alone():
    model = small_net()
    opt = KBFGS(model)
    with (pytest.raises(OptimizerError, match="infinite or NaN.*within warm_start"),
          opt.warm_start()):
        model(normal(0, 3, 5) * math.nan)
    train(opt, model, batches(2))                          # nothing was kept of it
    assert opt.last["finite"]


@pytest.mark.parametrize("name", ["kbfgs", "kbfgs_l"])
def test_several_groups_stand_still_together(name):
    model = small_net()
    opt = DROP_INS[name]([{"module": model[:2]}, {"module": model[2:], "lr": 0.2}], lr=0.1)
    data = list(batches(4))
    train(opt, model, data[:2])
    before, state = theta_of(model), snapshot(opt)
    x, t = data[2]
    opt.step(closure_of(opt, model, x, t, lambda u, t: entropy(u, t) * math.inf))
    assert torch.equal(theta_of(model), before)
    assert snapshot(opt) == state
    assert theta_of(model).dtype == F64
