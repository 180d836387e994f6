"""What the drop-ins refuse, in sentences."""

import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.utils import prune
from torch.nn.utils import spectral_norm as old_spectral_norm
from torch.nn.utils.parametrizations import orthogonal, spectral_norm, weight_norm

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
    (weight_norm(nn.Linear(4, 4)), "Linear layer 1 computes its weight or bias from other")])
@pytest.mark.parametrize("kind", KRONECKER)
def test_other_layers_are_named(kind, layer, words):
    with refused(words):
        kind(nn.Sequential(nn.Linear(4, 4), layer))


class Squashed(nn.Linear):
    def forward(self, input):
        return super().forward(input).tanh()


class Masked(nn.Linear):
    def __init__(self, *shape):
        super().__init__(*shape)
        self.register_buffer("mask", torch.ones(self.weight.shape).triu())

    def forward(self, input):
        return F.linear(input, self.weight * self.mask, self.bias)


def patched():
    layer = nn.Linear(4, 4)
    layer.forward = lambda x: x                                             # type: ignore
    return layer


COMPUTED = {
    "pruned": (lambda: prune.l1_unstructured(nn.Linear(4, 4), "weight", 0.5), "weight_orig"),
    "pruned bias": (lambda: prune.random_unstructured(nn.Linear(4, 4), "bias", 0.5), "bias_orig"),
    "weight norm": (lambda: weight_norm(nn.Linear(4, 4)), "weight.original0"),
    "spectral norm": (lambda: spectral_norm(nn.Linear(4, 4)), "weight.original"),
    "hook": (lambda: old_spectral_norm(nn.Linear(4, 4)), "weight_orig"),
    "orthogonal": (lambda: orthogonal(nn.Linear(4, 4)), "weight.original")}


@pytest.mark.parametrize("make", [lambda: Squashed(4, 4), lambda: Masked(4, 4), patched])
@pytest.mark.parametrize("kind", KRONECKER)
def test_a_linear_layer_with_a_forward_of_its_own_is_refused(kind, make):
    with refused("Layer 1, a .*, has a forward of its own"):
        kind(nn.Sequential(nn.Linear(4, 4), make()))
    with refused("Layer itself, a .*, has a forward of its own"):
        kind([{"module": make()}])
    kind(nn.Sequential(nn.Linear(4, 4), make().requires_grad_(False)))      # not to be trained


@pytest.mark.parametrize("case", COMPUTED)
@pytest.mark.parametrize("kind", KRONECKER)
def test_a_layer_that_computes_its_weight_is_refused(kind, case):
    make, tensor = COMPUTED[case]
    with refused(f"Linear layer 1 computes its weight or bias from other tensors.*{tensor}"):
        kind(nn.Sequential(nn.Linear(4, 4), make()))


def test_what_is_made_permanent_is_a_linear_layer():
    layer = prune.l1_unstructured(nn.Linear(4, 4), "weight", 0.5)
    prune.remove(layer, "weight")
    KBFGS(layer)


def test_a_subclass_that_computes_as_linear_does_is_one():
    class Named(nn.Linear):
        pass

    model, other = small_net(), small_net()
    other[0] = Named(5, 4, dtype=F64)
    other.load_state_dict(model.state_dict())
    train(KBFGS(model, lr=0.1), model, batches(3))
    train(KBFGS(other, lr=0.1), other, batches(3))
    assert torch.equal(theta_of(model), theta_of(other))


@pytest.mark.parametrize("way", ["replaced", "in place", "before it"])
def test_hooks_beside_a_layer_are_as_modules_beside_it(way):
    """W, its input and its output are seen as the layer has them, whatever a hook makes of them."""
    scale = lambda x: 0.5 * x + 1
    with_hooks, written = small_net(), small_net()
    if way == "before it":
        with_hooks[2].register_forward_pre_hook(lambda m, args: (scale(args[0]),))
    elif way == "replaced":
        with_hooks[0].register_forward_hook(lambda m, args, out: scale(out))
    else:
        with_hooks[0].register_forward_hook(lambda m, args, out: out.mul_(0.5).add_(1))

    def forward(x):
        h = written[0](x)
        h = written[1](h if way == "before it" else scale(h))
        return written[3:](written[2](scale(h) if way == "before it" else h))

    one, two = KBFGS(with_hooks, lr=0.1), KBFGS(written, lr=0.1)
    for x, t in batches(6):
        one.step(closure_of(one, with_hooks, x, t, entropy))
        two.step(closure_of(two, forward, x, t, entropy))
    assert torch.equal(theta_of(with_hooks), theta_of(written))


@pytest.mark.parametrize("kind", KRONECKER)
def test_a_mask_on_a_gradient_is_refused_and_a_hook_that_looks_is_not(kind):
    masked, watched, plain = small_net(), small_net(), small_net()
    masked[2].weight.register_hook(lambda g: g * (masked[2].weight.detach() > 0))
    with refused("hook changes the gradient of Linear layer 2"):
        train(kind(masked, lr=0.1), masked, batches(1))
    norms = []
    watched[2].weight.register_hook(lambda g: norms.append(g.norm()))
    train(kind(watched, lr=0.1), watched, batches(3))
    train(kind(plain, lr=0.1), plain, batches(3))
    assert len(norms) == 6
    assert torch.equal(theta_of(watched), theta_of(plain))


@pytest.mark.parametrize("shape", [(5, 0), (0, 5)])
def test_a_layer_without_inputs_or_outputs_is_named(shape):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")                    # torch: nothing to initialise
        layer = nn.Linear(*shape)
    with refused(f"Linear layer 1 has {shape[0]} inputs and {shape[1]} outputs"):
        KBFGS(nn.Sequential(nn.Linear(5, 5), layer))


@pytest.mark.parametrize("name", DROP_INS)
def test_a_layer_without_a_shape_is_named(name):
    with refused("no shape yet: pass a batch"):
        made(name, nn.Sequential(nn.LazyLinear(3)))


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
    with refused("layer 0 was passed again before backward"):
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
    with refused("parameters are trained now, but"):
        step(opt2, model)


@pytest.mark.parametrize("kind", KRONECKER)
def test_what_becomes_of_a_layer_between_steps_is_named(kind):
    model = small_net()
    opt = kind(model)
    step(opt, model)
    model[0].requires_grad_(False)
    with refused("Weight and bias of Linear layer 0 were frozen after"):
        step(opt, model)
    model[0].weight.requires_grad_(True)
    with refused("Bias of Linear layer 0 was frozen after"):
        step(opt, model)
    model[0].requires_grad_(True)
    prune.l1_unstructured(model[0], "weight", 0.5)
    with refused("computes its weight or bias from other tensors .weight_orig., as pruning"):
        step(opt, model)
    before = model[0]
    model[0].forward = lambda x: torch.tanh(F.linear(x, before.weight, before.bias))
    prune.remove(model[0], "weight")
    with refused("has a forward of its own"):
        step(opt, model)
    del model[0].forward
    assert torch.isfinite(step(opt, model))


@pytest.mark.parametrize("name", DROP_INS)
def test_inference_mode_has_no_gradients(name):
    model = small_net()
    opt = made(name, model)
    with torch.inference_mode(), refused("there are none within torch.inference_mode"):
        step(opt, model)


@pytest.mark.parametrize("kind", [CurveBall, NewtonKrylov])
def test_a_model_in_place_of_its_parameters_is_named(kind):
    with refused("give it model.parameters.., not the model"):
        kind(small_net())


@pytest.mark.parametrize("kind", [CurveBall, NewtonKrylov])
def test_attention_is_differentiated_twice_by_the_way_that_the_refusal_names(kind):
    class Attends(nn.Module):
        def __init__(self):
            super().__init__()
            self.q, self.out = nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x):
            rows = self.q(x).view(-1, 2, 3, 4)
            return self.out(F.scaled_dot_product_attention(rows, rows, rows).mean((1, 2)))

    torch.manual_seed(0)
    model, x, t = Attends(), torch.randn(48, 4), torch.tensor([0, 1] * 4)
    opt = kind(model.parameters())

    def closure():
        u = model(x)
        return F.cross_entropy(u, t), u

    with refused("Attention can be, where .*sdpa_kernel"):
        opt.step(closure)
    with sdpa_kernel(SDPBackend.MATH):
        assert opt.step(closure) > opt.step(closure)


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
