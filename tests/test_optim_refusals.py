"""What the drop-ins refuse, in sentences; and what they do with numbers that are none."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from qnviz.errors import OptimizerError, QnvizError
from qnviz.optim import KBFGS, KBFGSL, CurveBall, NewtonKrylov
from tests.helpers import F64, normal
from tests.optim_nets import (
    DROP_INS,
    KRONECKER,
    batches,
    closure_of,
    entropy,
    made,
    small_net,
    theta_of,
    train,
)


def refused(match, *, of=OptimizerError):
    return pytest.raises(of, match=match)


def step(opt, model, **replaced):
    (x, t), = batches(1)
    return opt.step(closure_of(opt, replaced.get("forward", model), x, t, entropy))


# --- settings ------------------------------------------------------------------------------------

@pytest.mark.parametrize(("name", "settings", "words"), [
    ("kbfgs", {"lam": 1.0}, "lam is 1.0, but must be less than 1"),
    ("kbfgs", {"lr": 0}, "lr is 0, but must be greater than 0"),
    ("kbfgs", {"lr": -0.1}, "lr is -0.1, but must be greater than 0"),
    ("kbfgs", {"mu1": 1.5}, "mu1 is 1.5, but must be less than 1"),
    ("kbfgs", {"momentum": 1.0}, "momentum is 1.0, but must be less than 1"),
    ("kbfgs", {"damping": "some"}, "damping is 'some', but must be one of"),
    ("kbfgs", {"weight_decay": -1}, "weight_decay is -1, but must be at least 0"),
    ("kbfgs", {"full_batch": "perhaps"}, "full_batch is 'perhaps'"),
    ("kbfgs_l", {"memory": 0}, "memory is 0, but must be at least 1"),
    ("kbfgs_l", {"memory": 2.5}, "memory is 2.5, but must be a whole number"),
    ("curveball", {"lam": 0}, "lam is 0, but must be greater than 0"),
    ("curveball", {"lr": 1.5}, "lr is 1.5, but must be at most 1"),
    ("curveball", {"tuning": "guessed"}, "tuning is 'guessed', but must be one of"),
    ("newton_krylov", {"eta": 1.0}, "eta is 1.0, but must be less than 1"),
    ("newton_krylov", {"lam": float("nan")}, "lam is nan"),
    ("newton_krylov", {"budget": 501}, "budget is 501, but must be at most 500"),
    ("newton_krylov", {"solver": "lu"}, "solver is 'lu', but must be one of")])
def test_settings_have_the_method_s_bounds(name, settings, words):
    with refused(words):
        made(name, small_net(), **settings)


def test_several_faults_are_told_at_once():
    with refused("lr is 0.*lam is 2"):
        KBFGS(small_net(), lr=0, lam=2)


@pytest.mark.parametrize("name", DROP_INS)
def test_settings_that_change_are_checked_at_the_next_step(name):
    model = small_net()
    opt = made(name, model)
    opt.param_groups[0]["lam"] = -1.0
    before = theta_of(model)
    with refused("lam is -1.0"):
        step(opt, model)
    assert torch.equal(theta_of(model), before)


def test_settings_may_be_tensors_of_one_number():
    model, other = small_net(), small_net()
    train(KBFGS(model, lr=torch.tensor(0.125)), model, batches(3))
    train(KBFGS(other, lr=0.125), other, batches(3))
    assert torch.equal(theta_of(model), theta_of(other))


@pytest.mark.parametrize("name", DROP_INS)
def test_maximize_is_not_known(name):
    with pytest.raises(TypeError, match="maximize"):
        made(name, small_net(), maximize=True)


def test_a_refused_group_leaves_no_trace():
    model = small_net()
    opt = KBFGS([{"module": model[0]}])
    with refused("lam is 3"):
        opt.add_param_group({"module": model[4], "lam": 3})
    assert len(opt.param_groups) == len(opt.blocks) == 1


@pytest.mark.parametrize("kind", [CurveBall, NewtonKrylov])
def test_one_system_has_one_group(kind):
    model = small_net()
    with refused("only one group"):
        kind([{"params": model[0].parameters()}, {"params": model[2].parameters(), "lr": 0.5}])


# --- models --------------------------------------------------------------------------------------

def test_parameters_alone_are_not_enough():
    model = small_net()
    for given in (model.parameters(), list(model.parameters()), model[0].weight):
        with refused("give it the nn.Module"):
            KBFGS(given)


@pytest.mark.parametrize(("layer", "words"), [
    (nn.Conv2d(1, 2, 3), "1.weight belongs to a layer of type Conv2d"),
    (nn.LayerNorm(4), "1.weight belongs to a layer of type LayerNorm"),
    (nn.LSTM(4, 3), "layer of type LSTM"),
    (nn.Bilinear(2, 2, 2), "layer of type Bilinear"),
    (weight_norm(nn.Linear(4, 4)), "1.parametrizations.weight.original0 belongs to")])
@pytest.mark.parametrize("kind", KRONECKER)
def test_other_layers_are_named(kind, layer, words):
    with refused(words):
        kind(nn.Sequential(nn.Linear(4, 4), layer))


def test_frozen_other_layers_are_fine():
    model = nn.Sequential(nn.LayerNorm(5, dtype=F64), nn.Linear(5, 2, dtype=F64))
    model[0].requires_grad_(False)
    step(KBFGS(model), model)


def test_there_must_be_something_to_train():
    model = small_net().requires_grad_(False)
    with refused("no trainable Linear layer in Sequential"):
        KBFGS(model)
    with refused("no trainable Linear layer in ReLU"):
        KBFGS(nn.ReLU())
    opt = CurveBall(model.parameters())
    with refused("All parameters are frozen"):
        opt.step(lambda: None)


def test_a_tensor_of_two_layers_is_refused():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    with refused("0.weight and 1.weight are one tensor"):
        KBFGS(model)


def test_a_layer_used_twice_is_refused():
    layer, last = nn.Linear(5, 5, dtype=F64), nn.Linear(5, 2, dtype=F64)
    model = nn.Sequential(layer, last)
    with refused("layer 0 was passed twice in one call"):
        step(KBFGS(model), model, forward=lambda x: last(layer(layer(x).tanh())))
    with refused("0.weight and 1.weight are one tensor"):
        KBFGS(nn.Sequential(layer, layer, last))


def test_a_layer_that_is_not_used_is_named():
    model = small_net()
    with refused("layer 4 took no part"):
        step(KBFGS(model), model, forward=lambda x: model[2](model[0](x)))
    with refused("layer 0 got no gradient"):
        step(KBFGS(model), model, forward=lambda x: model[1:](model[0](x).detach()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.complex64])
@pytest.mark.parametrize("kind", [CurveBall, NewtonKrylov])
def test_kinds_of_numbers_without_curvature(kind, dtype):
    with refused("needs float32 or float64"):
        kind([torch.zeros(3, dtype=dtype, requires_grad=True)])


def test_parameters_of_several_kinds():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2, dtype=F64))
    for kind, given in ((KBFGSL, model), (NewtonKrylov, model.parameters())):
        with refused("float32 on cpu and float64 on cpu"):
            kind(given)
    KBFGS([{"module": model[0]}, {"module": model[1]}])         # in groups of their own


def test_unfreezing_changes_the_system():
    model = small_net()
    model[0].requires_grad_(False)
    opt = NewtonKrylov(model.parameters())
    step(opt, model)
    opt2 = CurveBall(model.parameters())
    step(opt2, model)
    model[0].requires_grad_(True)
    step(opt, model)                     # it keeps a step size only
    with refused("their number has changed"):
        step(opt2, model)


# --- closures ------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", DROP_INS)
def test_a_closure_is_required(name):
    opt = made(name, small_net())
    with refused(r"call step\(closure\)"):
        opt.step()
    assert issubclass(OptimizerError, QnvizError)


@pytest.mark.parametrize("name", DROP_INS)
@pytest.mark.parametrize("value", [None, 1.5, torch.zeros(2), torch.tensor(1), "loss"])
def test_a_closure_returns_the_loss(name, value):
    model = small_net()
    opt = made(name, model)
    (x, t), = batches(1)
    inner = closure_of(opt, model, x, t, entropy)

    def closure():
        inner()
        return value

    with refused("must return the loss as one real number"):
        opt.step(closure)


def test_backward_belongs_into_the_closure_of_the_kronecker_methods():
    model = small_net()
    (x, t), = batches(1)
    with refused(r"must call backward\(\)"):
        KBFGS(model).step(lambda: F.cross_entropy(model(x), t))
    with refused("without gradients"):
        KBFGS(model).step(torch.no_grad()(lambda: F.cross_entropy(model(x), t)))


def test_a_graph_belongs_to_the_loss_of_the_others():
    model = small_net()
    (x, t), = batches(1)
    with refused("has no graph"):
        NewtonKrylov(model.parameters()).step(lambda: F.cross_entropy(model(x), t).detach())


def test_gauss_newton_asks_for_the_output():
    model = small_net()
    (x, t), = batches(1)
    for opt in (CurveBall(model.parameters()),
                NewtonKrylov(model.parameters(), curvature="gauss_newton")):
        with refused(r"return \(loss, output\)"):
            opt.step(lambda: F.cross_entropy(model(x), t))
        with refused("must be a real tensor"):
            opt.step(lambda: (F.cross_entropy(model(x), t), [1]))


def test_the_loss_follows_from_the_output_alone():
    model = small_net()
    (x, t), = batches(1)
    opt = CurveBall(model.parameters())

    def penalised():
        u = model(x)
        return F.cross_entropy(u, t) + 0.1 * model[0].weight.square().sum(), u

    def another():
        return F.cross_entropy(model(x), t), model(x)

    def detached():
        u = model(x)
        return F.cross_entropy(u, t), u.detach()

    for closure in (penalised, another, detached):
        with refused("otherwise than through the output"):
            opt.step(closure)


def test_both_calls_see_one_batch():
    model, sizes = small_net(), iter([8, 6])
    opt = KBFGS(model)
    before = theta_of(model)

    def closure():
        opt.zero_grad()
        loss = model(normal(0, next(sizes), 5)).square().mean()
        loss.backward()
        return loss

    with refused("batch of another size"):
        opt.step(closure)
    assert torch.equal(theta_of(model), before)


# --- the warm start, and steps that were not made ------------------------------------------------

def test_a_warm_start_comes_first():
    model = small_net()
    opt = KBFGS(model)
    with refused("Nothing was passed through Linear layer 0"), opt.warm_start():
        pass
    step(opt, model)
    with refused("comes before the first step"), opt.warm_start():
        model(normal(0, 3, 5))


def test_there_is_nothing_to_describe_yet():
    with refused("No step was made yet"):
        KBFGS(small_net()).describe()
    with refused("No step was made yet"):
        _ = NewtonKrylov(small_net().parameters()).reason


# --- NaN -----------------------------------------------------------------------------------------

def test_the_first_inputs_must_be_finite():
    model = small_net()
    opt = KBFGS(model)
    before = theta_of(model)
    (x, t), = batches(1)
    with refused("infinite or NaN before the first step"):
        opt.step(closure_of(opt, model, x * torch.nan, t, entropy))
    assert torch.equal(theta_of(model), before)
    train(opt, model, batches(2))                              # nothing was kept of it


@pytest.mark.parametrize("kind", KRONECKER)
def test_pairs_that_are_not_finite_are_skipped(kind):
    """The second call finds NaN: H_g stays, as in the lab."""
    model = small_net()
    opt = kind(model, lr=0.1)
    train(opt, model, batches(3))
    (x, t), calls = next(iter(batches(1))), []

    def closure():
        opt.zero_grad()
        calls.append(1)
        loss = F.cross_entropy(model(x), t) * (1.0 if len(calls) == 1 else torch.nan)
        loss.backward()
        return loss

    kept = opt.state[model[0].weight]["H_g"]
    opt.step(closure)
    assert opt.last["skipped"].all()
    after = opt.state[model[0].weight]["H_g"]
    assert str(after) == str(kept)
    assert torch.isfinite(theta_of(model)).all()


def test_newton_krylov_stays_where_nothing_is_finite():
    model = small_net()
    opt = NewtonKrylov(model.parameters())
    before = theta_of(model)
    (x, t), = batches(1)
    loss = opt.step(lambda: F.cross_entropy(model(x), t) * torch.nan)
    assert torch.isnan(loss)
    assert opt.reason.words == "non finite"
    assert torch.equal(theta_of(model), before)
    assert "W stays" in opt.describe()
