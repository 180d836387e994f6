"""The drop-ins keep torch's conventions: state, copies, schedulers, groups, gradients, graphs."""

import copy
import gc
import io
import pickle
import weakref

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import lr_scheduler

from qnviz.curvature.krylov import Reason
from qnviz.errors import OptimizerError
from qnviz.optim import KBFGS, KBFGSL, CurveBall, NewtonKrylov
from qnviz.optim.base import Repeatable
from tests.helpers import F64, assert_close, normal
from tests.optim_nets import (
    DROP_INS,
    KRONECKER,
    SETTINGS,
    batches,
    classes,
    closure_of,
    entropy,
    made,
    small_net,
    theta_of,
    train,
)


def setup(name, dtype=F64, **settings):
    model = small_net(dtype=dtype)
    return model, made(name, model, **(SETTINGS[name] | settings))


def through_a_file(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


# --- state ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", DROP_INS)
def test_a_run_goes_on_from_a_checkpoint_bit_by_bit(name, dtype):
    model, opt = setup(name, dtype)
    data = list(batches(17, dtype=dtype))
    train(opt, model, data[:9])
    saved = through_a_file({"model": model.state_dict(), "opt": opt.state_dict()})
    straight = train(opt, model, data[9:])
    fresh = small_net(seed=1, dtype=dtype)
    again = made(name, fresh)                              # settings come from the checkpoint
    fresh.load_state_dict(saved["model"])
    again.load_state_dict(saved["opt"])
    assert train(again, fresh, data[9:]) == straight
    assert torch.equal(theta_of(fresh), theta_of(model))


@pytest.mark.parametrize("name", DROP_INS)
def test_a_checkpoint_in_memory_is_not_touched_by_later_steps(name):
    model, opt = setup(name)
    data = list(batches(6))
    train(opt, model, data[:3])
    state = opt.state_dict()
    before = through_a_file(state)
    train(opt, model, data[3:])
    assert str(through_a_file(state)["state"]) == str(before["state"])


@pytest.mark.parametrize("name", DROP_INS)
def test_copies_go_on_alone(name):
    model, opt = setup(name)
    data = list(batches(12))
    train(opt, model, data[:5])
    copies = [copy.deepcopy((model, opt)), pickle.loads(pickle.dumps((model, opt)))]
    straight = train(opt, model, data[5:])
    for model2, opt2 in copies:
        assert train(opt2, model2, data[5:]) == straight
        state = opt2.state_dict()
        opt2.load_state_dict(state)                        # torch adds a default when unpickling
        assert opt2.describe() == opt.describe()


@pytest.mark.parametrize("name", DROP_INS)
def test_a_state_of_another_optimizer_is_refused(name):
    _, opt = setup(name)
    adam = torch.optim.Adam(small_net().parameters())
    with pytest.raises(OptimizerError, match="not the state of a"):
        opt.load_state_dict(adam.state_dict())


def test_a_state_of_other_layers_is_refused():
    model, opt = setup("kbfgs")
    train(opt, model, batches(2))
    other = nn.Sequential(nn.Linear(5, 7, dtype=F64), nn.Linear(7, 2, dtype=F64),
                          nn.Linear(2, 2, bias=False, dtype=F64))
    opt2 = KBFGS(other)
    opt2.load_state_dict(opt.state_dict())
    with pytest.raises(OptimizerError, match="layers of other shapes"):
        train(opt2, other, batches(1))


# --- closures, gradients, graphs -----------------------------------------------------------------

@pytest.mark.parametrize("name", DROP_INS)
def test_step_returns_the_loss_before_it_without_a_graph(name):
    model, opt = setup(name, weight_decay=0.1)
    (x, t), = batches(1)
    expected = F.cross_entropy(model(x), t)
    loss = opt.step(closure_of(opt, model, x, t, entropy))
    assert not loss.requires_grad
    assert loss.shape == ()
    assert_close(loss, expected.detach(), 1e-14)


@pytest.mark.parametrize("name", DROP_INS)
def test_callers_under_no_grad_make_the_same_steps(name):
    model, opt = setup(name)
    losses = train(opt, model, batches(4))
    model, opt = setup(name)
    with torch.no_grad():
        assert train(opt, model, batches(4)) == losses


@pytest.mark.parametrize("name", DROP_INS)
def test_gradients_are_left_as_torch_would(name):
    """The Kronecker methods leave that of the new point, as LBFGS does; the others touch none."""
    model, opt = setup(name)
    (x, t), = batches(1)
    opt.step(closure_of(opt, model, x, t, entropy))
    if DROP_INS[name] in KRONECKER:
        grads = torch.autograd.grad(F.cross_entropy(model(x), t), list(model.parameters()))
        for p, g in zip(model.parameters(), grads, strict=True):
            assert_close(p.grad, g, 1e-13)
        assert not any(p.grad.requires_grad for p in model.parameters())
    else:
        assert all(p.grad is None for p in model.parameters())
    opt.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_zero_grad_may_keep_the_tensors():
    losses = []
    for set_to_none in (True, False):
        model, opt = setup("kbfgs")
        losses.append([])
        for x, t in batches(5):
            def closure(model=model, opt=opt, x=x, t=t, set_to_none=set_to_none):
                opt.zero_grad(set_to_none=set_to_none)
                loss = F.cross_entropy(model(x), t)
                loss.backward()
                return loss
            losses[-1].append(opt.step(closure).item())
    assert losses[0] == losses[1]


@pytest.mark.parametrize("name", DROP_INS)
def test_no_graph_and_no_hook_outlives_a_step(name):
    class Hook:
        """Lives as long as the node of a graph that it hangs on."""

        def __call__(self, *grads):
            return None

    model, opt = setup(name)
    (x, t), = batches(1)
    born = []

    def watched(m, args, out):
        hook = Hook()
        out.grad_fn.register_hook(hook)
        born.append(weakref.ref(hook))

    handles = [m.register_forward_hook(watched) for m in model]
    gc.disable()
    try:
        for _ in range(2):
            opt.step(closure_of(opt, model, x, t, entropy))
        assert len(born) >= 2 * len(model)
        assert all(hook() is None for hook in born)        # without any garbage collection
    finally:
        gc.enable()
    for handle in handles:
        handle.remove()
    hooks = [h for m in model.modules() for h in (m._forward_hooks, m._backward_hooks)]
    assert not any(hooks)
    tensors = [v for s in opt.state.values() for v in s.values() if isinstance(v, torch.Tensor)]
    assert not any(v.requires_grad for v in [*tensors, *opt.last.values()])


@pytest.mark.parametrize("name", ["kbfgs", "kbfgs_l"])
def test_a_kept_output_keeps_nothing_that_hooks_saw(name):
    model, opt = setup(name)
    (x, t), = batches(1)
    kept = []

    def closure():
        opt.zero_grad()
        kept.append(model(x))
        loss = F.cross_entropy(kept[-1], t)
        loss.backward()
        return loss

    def alive():
        gc.collect()
        return sum(type(o) is torch.Tensor and o.shape[:2] == (1, 16) for o in gc.get_objects())

    before = alive()
    opt.step(closure)
    assert alive() == before                               # no ā, h or g of 16 samples
    kept.clear()


@pytest.mark.parametrize("name", DROP_INS)
@pytest.mark.parametrize("call", [1, 2])
def test_a_closure_that_fails_changes_nothing(name, call):
    model, opt = setup(name, **({"lr": 0.5} if name == "curveball" else {}))
    data = list(batches(12))
    train(opt, model, data[:5])                            # CurveBall looks twice at the sixth
    before, state = theta_of(model), str(opt.state_dict()["state"])
    x, t = data[5]
    inner, calls = closure_of(opt, model, x, t, entropy), []

    def closure():
        calls.append(1)
        if len(calls) == call:
            raise KeyboardInterrupt
        return inner()

    with pytest.raises(KeyboardInterrupt):
        opt.step(closure)
    assert torch.equal(theta_of(model), before)
    assert str(opt.state_dict()["state"]) == state
    train(opt, model, data[5:])


@pytest.mark.parametrize("name", DROP_INS)
def test_dropout_is_the_same_at_every_call_of_a_step(name):
    torch.manual_seed(5)
    model = nn.Sequential(nn.Linear(5, 8, dtype=F64), nn.Dropout(0.5), nn.Linear(8, 2, dtype=F64))
    opt = made(name, model, **(SETTINGS[name] | ({"lr": 0.01} if "kbfgs" in name else {})))
    x, t = classes()
    masks = []
    model[1].register_forward_hook(lambda m, i, out: masks.append((out == 0).detach()))
    calls = []
    for _ in range(5):
        masks.clear()
        opt.step(closure_of(opt, model, x, t, entropy))
        assert all(torch.equal(m, masks[0]) for m in masks)
        first = masks[0]
        calls.append(len(masks))
    assert max(calls) > 1
    opt.step(closure_of(opt, model, x, t, entropy))
    assert not torch.equal(masks[-1], first)               # another step, other noise


# --- schedulers and groups -----------------------------------------------------------------------

@pytest.mark.parametrize("name", DROP_INS)
def test_schedulers_act_on_the_step(name):
    model, opt = setup(name)
    lr = opt.param_groups[0]["lr"]
    scheduler = lr_scheduler.StepLR(opt, 2, gamma=0.5)
    data = list(batches(6))
    for i, batch in enumerate(data):
        assert opt.param_groups[0]["lr"] == lr * 0.5 ** (i // 2)
        train(opt, model, [batch])
        scheduler.step()
    other, opt2 = setup(name)
    for i, batch in enumerate(data):                       # the same by hand
        opt2.param_groups[0]["lr"] = lr * 0.5 ** (i // 2)
        train(opt2, other, [batch])
    assert torch.equal(theta_of(model), theta_of(other))
    plain, opt3 = setup(name)
    train(opt3, plain, data)
    assert not torch.equal(theta_of(model), theta_of(plain))


@pytest.mark.parametrize("name", DROP_INS)
def test_a_rate_of_zero_rests(name):
    model, opt = setup(name)
    scheduler = lr_scheduler.LambdaLR(opt, lambda k: float(k > 0))
    start, data = theta_of(model), list(batches(2))
    train(opt, model, data[:1])
    assert torch.equal(theta_of(model), start)
    scheduler.step()
    train(opt, model, data[1:])
    assert not torch.equal(theta_of(model), start)


def test_a_share_of_newton_s_step():
    """On a quadratic the first trial is accepted, so the step is lr times Newton's."""
    A = torch.diag(torch.tensor([1.0, 2.0, 5.0], dtype=F64))
    for lr in (1.0, 0.25):
        w = nn.Parameter(normal(1, 3))
        start = w.detach().clone()
        opt = NewtonKrylov([w], eta=1e-12, lr=lr, curvature="hessian")
        opt.step(lambda w=w: 0.5 * w @ A @ w)
        assert (w.detach() - (1 - lr) * start).norm() < 1e-12
        assert opt.reason == Reason.CONVERGED
        assert float(opt.last["step_size"]) == lr


def test_groups_have_settings_of_their_own():
    model = small_net()
    groups = [{"module": model[:2], "lr": 0.05, "lam": 0.2}, {"module": model[2:], "lr": 0.0625}]
    opt = KBFGS(groups, lr=0.3, weight_decay=0.01)
    assert [g["lr"] for g in opt.param_groups] == [0.05, 0.0625]
    assert [g["lam"] for g in opt.param_groups] == [0.2, 0.3]
    train(opt, model, batches(8))
    assert opt.last["theta1"].shape == (3,)                # all layers of all groups
    # a layer's step does not see the settings of others: alone, the first group moves the same
    one = small_net()
    alone = KBFGS([{"module": one[:2], "lr": 0.05, "lam": 0.2}], weight_decay=0.01)
    two = small_net()
    both = KBFGS([{"module": two[:2], "lr": 0.05, "lam": 0.2}, {"module": two[2:], "lr": 0.3}],
                 weight_decay=0.01)
    data = list(batches(1))
    train(alone, one, data)
    train(both, two, data)
    assert torch.equal(one[0].weight, two[0].weight)
    assert not torch.equal(one[2].weight, two[2].weight)


def test_equal_groups_are_one_group():
    model, other = small_net(), small_net()
    one, two = KBFGSL(model, lr=0.1), KBFGSL([{"module": other[:1]}], lr=0.1)
    two.add_param_group({"module": other[1:]})
    train(one, model, batches(10))
    train(two, other, batches(10))
    assert_close(theta_of(other), theta_of(model), 1e-12)
    assert sum("H_g" in s for s in two.state.values()) == 2


def test_a_group_added_later_starts_afresh():
    model = small_net()
    opt = KBFGS([{"module": model[0]}], lr=0.1)
    train(opt, model, batches(3))
    opt.add_param_group({"module": model[2:], "lr": 0.05})
    with opt.warm_start():
        model(classes()[0])
    train(opt, model, batches(3))
    assert [s["k"] for s in opt.state.values()] == [6, 3]


def test_frozen_parameters_stay():
    model = small_net()
    model[0].weight.requires_grad_(False)
    model[2].requires_grad_(False)
    opt = KBFGS(model, lr=0.1)
    start = copy.deepcopy(model.state_dict())
    assert [b.layer.shape for b in opt.blocks[0]] == [(4, 1), (2, 4)]
    train(opt, model, batches(5))
    moved = {name for name, v in model.state_dict().items() if not torch.equal(v, start[name])}
    assert moved == {"0.bias", "4.weight", "4.bias"}


@pytest.mark.parametrize("name", ["curveball", "newton_krylov"])
def test_flat_methods_leave_frozen_and_unused_parameters(name):
    model = small_net()
    unused = nn.Parameter(torch.ones(3, dtype=F64))
    model[0].requires_grad_(False)
    opt = DROP_INS[name]([*model.parameters(), unused])
    first = model[0].weight.clone()
    start = theta_of(model)
    train(opt, model, batches(5))
    assert torch.equal(model[0].weight, first)
    assert torch.equal(unused, torch.ones(3, dtype=F64))
    assert not torch.equal(theta_of(model), start)


@pytest.mark.parametrize("name", DROP_INS)
def test_repr_shows_settings_only(name):
    _, opt = setup(name)
    text = repr(opt)
    assert text.startswith(type(opt).__name__)
    assert "lam:" in text
    assert "lr:" in text
    assert "Linear" not in text


def test_a_repeatable_closure_needs_nothing_but_its_generator():
    call = Repeatable(lambda: torch.rand(3), torch.device("cpu"), "X")
    torch.manual_seed(0)
    a, b = call(), call()
    after = torch.rand(3)
    torch.manual_seed(0)
    assert torch.equal(a, b)
    assert torch.equal(a, torch.rand(3))
    assert torch.equal(after, torch.rand(3))               # as if it had been called once


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", DROP_INS)
def test_a_gpu_makes_the_same_steps(name):
    model, opt = setup(name)
    far = small_net().cuda()
    opt2 = made(name, far, **SETTINGS[name])
    data = list(batches(10))
    there = train(opt2, far, [(x.cuda(), t.cuda()) for x, t in data])
    assert_close(torch.tensor(there), torch.tensor(train(opt, model, data)), 1e-6)
    assert all(v.is_cuda for v in opt2.last.values())
    saved = through_a_file(opt2.state_dict())              # and back on the CPU
    opt.load_state_dict(saved)
    model.load_state_dict(far.cpu().state_dict())
    train(opt, model, data)


# --- identities ----------------------------------------------------------------------------------

def test_without_curvature_curveball_is_heavy_ball():
    model, other = small_net(), small_net()
    rho, beta = 0.8, 0.05
    # λ z is part of Δz: with curvature off, ρ z − β λ z is momentum (ρ − βλ)
    opt = CurveBall(model.parameters(), lam=2.0, curvature="none", tuning="fixed", rho=rho,
                    beta=beta)
    sgd = torch.optim.SGD(other.parameters(), lr=beta, momentum=rho - beta * 2.0)
    for x, t in batches(20):
        opt.step(closure_of(opt, model, x, t, entropy))
        sgd.zero_grad()
        F.cross_entropy(other(x), t).backward()
        sgd.step()
    assert_close(theta_of(model), theta_of(other), 1e-12)


def test_newton_krylov_solves_least_squares_in_one_step():
    x, y = normal(1, 40, 5), normal(2, 40, 3)
    model = nn.Linear(5, 3, dtype=F64)
    opt = NewtonKrylov(model.parameters(), eta=1e-10, curvature="hessian")
    opt.step(lambda: 0.5 * (model(x) - y).square().sum(1).mean())
    ones = torch.cat([x, torch.ones(40, 1, dtype=F64)], 1)
    solution = torch.linalg.lstsq(ones, y).solution
    assert_close(torch.cat([model.weight, model.bias[:, None]], 1).detach(), solution.T, 1e-8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", DROP_INS)
def test_it_learns(name, dtype):
    model, opt = setup(name, dtype, **({"lr": 0.3} if "kbfgs" in name else {}))
    losses = train(opt, model, batches(120, dtype=dtype))
    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])


def test_inputs_of_more_dimensions_are_rows():
    model, other = small_net(), small_net()
    one, two = KBFGS(model, lr=0.1), KBFGS(other, lr=0.1)
    for x, t in batches(5):
        one.step(closure_of(one, model, x, t, entropy))
        two.step(closure_of(two, lambda u: other(u.view(4, 2, 2, 5)).view(16, 2), x, t, entropy))
    assert_close(theta_of(other), theta_of(model), 1e-12)


def test_activations_in_place():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 4, dtype=F64), nn.ReLU(), nn.Linear(4, 2, dtype=F64))
    other = copy.deepcopy(model)
    other[1] = nn.ReLU(inplace=True)
    one, two = KBFGS(model, lr=0.1), KBFGS(other, lr=0.1)
    train(one, model, batches(6))
    train(two, other, batches(6))
    assert torch.equal(theta_of(model), theta_of(other))


def test_other_layers_beside_it():
    """A convolution with an optimizer of its own; both see the same closure."""
    torch.manual_seed(0)
    conv = nn.Conv1d(1, 2, 3, dtype=F64)
    model = nn.Sequential(nn.Unflatten(1, (1, 5)), conv, nn.Flatten(), nn.Tanh(),
                          nn.Linear(6, 2, dtype=F64))
    opt, sgd = KBFGS([{"module": model[4]}], lr=0.3), torch.optim.SGD(conv.parameters(), lr=0.3)
    losses = []
    for x, t in batches(200):
        def closure(x=x, t=t):
            model.zero_grad()
            loss = F.cross_entropy(model(x), t)
            loss.backward()
            return loss
        losses.append(opt.step(closure).item())
        sgd.step()
    assert sum(losses[-10:]) < 0.8 * sum(losses[:10])
