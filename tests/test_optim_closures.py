"""Closures as people write them: several batches, checkpointing, autocast, and common mistakes."""

import copy
import itertools

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.checkpoint import checkpoint

from qnviz.errors import OptimizerError
from qnviz.optim import KBFGS, KBFGSL, CurveBall, NewtonKrylov
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

FLAT = [name for name, kind in DROP_INS.items() if kind not in KRONECKER]
LAYERED = [name for name, kind in DROP_INS.items() if kind in KRONECKER]


def refused(match):
    return pytest.raises(OptimizerError, match=match)


# --- several batches in one call ------------------------------------------------------------------

def accumulating(opt, model, x, t, sizes):
    """A closure that sees a batch in parts, each weighted by its share of samples."""
    def closure():
        opt.zero_grad()
        total = torch.zeros((), dtype=x.dtype)
        for xs, ts in zip(x.split(sizes), t.split(sizes), strict=True):
            loss = F.cross_entropy(model(xs), ts) * (len(xs) / len(x))
            loss.backward()
            total += loss.detach()
        return total
    return closure


@settings(deadline=None)
@given(sizes=st.lists(st.integers(1, 15), min_size=1, max_size=6),
       name=st.sampled_from(LAYERED), full=st.booleans())
def test_parts_of_a_batch_are_the_batch(sizes, name, full):
    x, t = classes(samples=sum(sizes))
    paths = []
    for parts in ([sum(sizes)], sizes):
        model = small_net()
        opt = made(name, model, lr=0.1, full_batch=full)
        losses = [opt.step(accumulating(opt, model, x, t, parts)) for _ in range(6)]
        state = opt.state[model[0].weight]
        paths.append((torch.stack(losses), theta_of(model), state["A"][0], state["H_a"][0],
                      opt.last["c2"]))
    for one, other in zip(*paths, strict=True):
        assert_close(other, one, 1e-9)


def test_parts_differ_from_the_last_part_alone():
    x, t = classes()
    ends = []
    for rows in (slice(None), slice(30, None)):
        model = small_net()
        opt = KBFGS(model, lr=0.1)
        for _ in range(3):
            opt.step(accumulating(opt, model, x[rows], t[rows], [len(x[rows])]))
        ends.append(theta_of(model))
    assert (ends[0] - ends[1]).norm() > 1e-3


@pytest.mark.parametrize("name", LAYERED)
def test_memory_may_be_reused_for_the_next_part(name):
    """A layer without a bias adds no column, but must not keep the caller's memory either."""
    x, t = classes()
    ends = []
    for shared in (False, True):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(5, 4, bias=False, dtype=F64), nn.Tanh(),
                              nn.Linear(4, 2, dtype=F64))
        opt, memory = made(name, model, lr=0.1), torch.empty(20, 5, dtype=F64)

        def closure(model=model, opt=opt, memory=memory, shared=shared):
            opt.zero_grad()
            total = 0.0
            for xs, ts in zip(x.split(20), t.split(20), strict=True):
                loss = F.cross_entropy(model(memory.copy_(xs) if shared else xs), ts) / 2
                loss.backward()
                total += loss.detach()
            return total

        for _ in range(4):
            opt.step(closure)
        ends.append(theta_of(model))
    assert torch.equal(*ends)


def test_a_loss_in_two_backward_calls_is_the_sum():
    model, other = small_net(), small_net()
    one, two = KBFGS(model, lr=0.1), KBFGS(other, lr=0.1)
    for x, t in batches(5):
        def together(x=x, t=t):
            one.zero_grad()
            u = model(x)
            loss = F.cross_entropy(u, t) + 0.1 * u.square().mean()
            loss.backward()
            return loss

        def apart(x=x, t=t):
            two.zero_grad()
            u = other(x)
            first, second = F.cross_entropy(u, t), 0.1 * u.square().mean()
            first.backward(retain_graph=True)
            second.backward()
            return first + second

        one.step(together)
        two.step(apart)
    assert_close(theta_of(other), theta_of(model), 1e-12)


def test_two_passes_before_one_backward_are_refused():
    model = small_net()
    opt = KBFGS(model)
    (x, t), = batches(1)

    def closure():
        opt.zero_grad()
        loss = F.cross_entropy(model(x[:8]), t[:8]) + F.cross_entropy(model(x[8:]), t[8:])
        loss.backward()
        return loss

    with refused(r"layer 0 was passed again before.*call backward\(\) after each"):
        opt.step(closure)


def test_a_pass_without_gradients_does_not_count():
    """Such as one that logs accuracy."""
    model, other = small_net(), small_net()
    one, two = KBFGS(model, lr=0.1), KBFGS(other, lr=0.1)
    for x, t in batches(4):
        def watching(x=x, t=t):
            with torch.no_grad():
                other(2 * x)
            return closure_of(two, other, x, t, entropy)()

        one.step(closure_of(one, model, x, t, entropy))
        two.step(watching)
    assert torch.equal(theta_of(model), theta_of(other))


# --- the batch is drawn before the step -----------------------------------------------------------

def drawing(opt, model, data):
    def closure():
        x, t = next(data)
        opt.zero_grad()
        loss = F.cross_entropy(model(x), t)
        loss.backward()
        return loss
    return closure


@pytest.mark.parametrize("name", LAYERED)
def test_another_batch_at_the_second_call_is_reported(name):
    model = small_net()
    opt = made(name, model, lr=0.1)
    train(opt, model, batches(3))
    before, state = theta_of(model), str(opt.state_dict()["state"])
    with refused("saw another batch at its second call.*draw it before step"):
        opt.step(drawing(opt, model, iter(list(batches(2)))))
    assert torch.equal(theta_of(model), before)
    assert str(opt.state_dict()["state"]) == state


def test_another_batch_is_seen_behind_layers_of_another_optimizer():
    torch.manual_seed(0)
    front = nn.Linear(5, 5, dtype=F64)
    model = nn.Sequential(front, nn.Tanh(), *small_net())
    opt = KBFGS([{"module": model[2:]}])
    with refused("saw another batch"):
        opt.step(drawing(opt, model, iter(list(batches(2)))))
    x, t = classes()
    opt.step(drawing(opt, model, itertools.repeat((x, t))))


def test_the_second_part_may_not_change_either():
    model = small_net()
    opt = KBFGS(model)
    x, t = classes()
    parts = iter([x[:20], x[20:], x[:20], x[:20]])

    def closure():
        opt.zero_grad()
        for ts in t.split(20):
            loss = F.cross_entropy(model(next(parts)), ts) / 2
            loss.backward()
        return loss

    with refused("saw another batch"):
        opt.step(closure)


def test_rounding_before_the_model_is_no_other_batch():
    model = small_net(dtype=torch.float32)
    opt = KBFGS(model, lr=0.1)
    (x, t), = batches(1, dtype=torch.float32)
    opt.step(drawing(opt, model, iter([(x, t), (x * (1 + 1e-6), t)])))


# --- backward() where it does not belong, and the model outside -----------------------------------

@pytest.mark.parametrize("chosen", [{}, {"curvature": "gauss_newton"}, {"curvature": "hessian"}])
@pytest.mark.parametrize("pair", [False, True])
@pytest.mark.parametrize("name", FLAT)
def test_the_closure_of_lbfgs_is_refused(name, pair, chosen):
    model = small_net()
    opt = made(name, model, **chosen)
    (x, t), = batches(1)
    before = theta_of(model)

    def closure():
        opt.zero_grad()
        u = model(x)
        loss = F.cross_entropy(u, t)
        loss.backward()
        return (loss, u) if pair else loss

    for _ in range(2):                                     # gradients are there, the second time
        with refused(r"backward\(\)"):
            opt.step(closure)
    assert torch.equal(theta_of(model), before)


@pytest.mark.parametrize("name", FLAT)
def test_a_graph_that_is_kept_may_be_walked(name):
    model, other = small_net(), small_net()
    one, two = made(name, model), made(name, other)
    for x, t in batches(3):
        def closure(x=x, t=t):
            two.zero_grad()
            u = other(x)
            loss = F.cross_entropy(u, t)
            loss.backward(retain_graph=True)
            return loss, u

        one.step(closure_of(one, model, x, t, entropy))
        two.step(closure)
    assert torch.equal(theta_of(model), theta_of(other))


def test_what_torch_cannot_differentiate_twice_is_in_its_words():
    q = nn.Parameter(torch.randn(1, 1, 4, 8))
    kernel = torch.nn.attention.SDPBackend.FLASH_ATTENTION
    with (torch.nn.attention.sdpa_kernel(kernel),
          refused("differentiated twice, which torch could not do: .*not implemented")):
        NewtonKrylov([q], curvature="hessian").step(
            lambda: F.scaled_dot_product_attention(q, q, q).sum())


@pytest.mark.parametrize("model", [
    lambda: nn.Sequential(nn.Linear(5, 2, dtype=F64)),     # torch itself has nothing against it
    small_net])
@pytest.mark.parametrize("name", DROP_INS)
def test_a_model_outside_the_closure_is_refused(name, model):
    model = model()
    opt = made(name, model)
    (x, t), = batches(1)
    u, before = model(x), theta_of(model)

    def closure():
        loss = F.cross_entropy(u, t)
        if DROP_INS[name] in KRONECKER:
            opt.zero_grad()
            loss.backward(retain_graph=True)
            return loss
        return loss, u

    for _ in range(2):
        with refused("call the model inside"):
            opt.step(closure)
    assert torch.equal(theta_of(model), before)


@pytest.mark.parametrize("name", FLAT)
def test_part_of_a_model_outside_is_refused_only_where_it_is_trained(name):
    front, head = nn.Linear(5, 4, dtype=F64), nn.Linear(4, 2, dtype=F64)
    (x, t), = batches(1)
    h = front(x)                                           # with a graph, of another optimizer's

    def closure():
        u = head(h.tanh())
        return F.cross_entropy(u, t), u

    for _ in range(2):
        DROP_INS[name](head.parameters()).step(closure)
    with refused("outside the closure"):
        DROP_INS[name]([*front.parameters(), *head.parameters()]).step(closure)


# --- checkpointing, autocast, other types ---------------------------------------------------------

@pytest.mark.parametrize(("name", "reentrant"), [
    *((name, False) for name in DROP_INS), *((name, True) for name in LAYERED)])
def test_activation_checkpointing_makes_the_same_steps(name, reentrant):
    torch.manual_seed(0)
    layers = [nn.Linear(a, b, dtype=F64) for a, b in ((5, 4), (4, 4), (4, 3), (3, 2))]
    model = nn.Sequential(layers[0], nn.Tanh(), nn.Sequential(layers[1], nn.Tanh(), layers[2]),
                          nn.Tanh(), layers[3])
    other = copy.deepcopy(model)
    one, two = (made(name, m, **SETTINGS[name]) for m in (model, other))

    def through(x):
        h = checkpoint(other[:2], x.clone().requires_grad_(), use_reentrant=reentrant)
        return other[3:](checkpoint(other[2], h, use_reentrant=reentrant))

    for x, t in batches(5):
        one.step(closure_of(one, model, x, t, entropy))
        two.step(closure_of(two, through, x, t, entropy))
    assert_close(theta_of(other), theta_of(model), 1e-12)


@pytest.mark.parametrize("name", LAYERED)
def test_checkpointing_of_parts_of_a_batch(name):
    x, t = classes()
    ends = []
    for reentrant in (None, False, True):
        model = small_net()
        opt = made(name, model, lr=0.1)

        def through(x, model=model, reentrant=reentrant):
            if reentrant is None:
                return model(x)
            return checkpoint(model, x.clone().requires_grad_(), use_reentrant=reentrant)

        for _ in range(3):
            opt.step(accumulating(opt, through, x, t, [13, 27]))
        ends.append(theta_of(model))
    assert_close(ends[1], ends[0], 1e-12)
    assert_close(ends[2], ends[0], 1e-12)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("name", FLAT)
def test_reentrant_checkpointing_is_refused_by_its_name(name, whole):
    """Where it is a part of the model, torch would take its gradient for 0."""
    model = small_net()
    (x, t), = batches(1)

    def closure():
        inner = model if whole else model[:3]
        u = checkpoint(inner, x.clone().requires_grad_(), use_reentrant=True)
        u = u if whole else model[3:](u)
        return F.cross_entropy(u, t), u

    with refused("use_reentrant=False"):
        DROP_INS[name](model.parameters()).step(closure)


@pytest.mark.parametrize("where", ["around", "inside"])
@pytest.mark.parametrize("name", DROP_INS)
def test_autocast_touches_the_closure_alone(name, where):
    """The model's products are coarse, the step's are not: what it keeps is in the full type."""
    model = small_net(dtype=torch.float32)
    opt = made(name, model, **SETTINGS[name])
    half = torch.autocast("cpu", torch.bfloat16)
    seen = []

    def closure(x, t):
        u = model(x)
        seen.append(u.dtype)
        loss = F.cross_entropy(u.float(), t)
        if DROP_INS[name] not in KRONECKER:
            return loss, u
        opt.zero_grad()
        loss.backward()
        return loss

    losses = []
    for x, t in batches(60, dtype=torch.float32):
        if where == "around":
            with half:
                losses.append(opt.step(lambda x=x, t=t: closure(x, t)))
        else:
            def halved(x=x, t=t):
                with half:
                    return closure(x, t)
            losses.append(opt.step(halved))
    assert set(seen) == {torch.bfloat16}
    kept = [v for s in opt.state.values() for v in s.values() if isinstance(v, torch.Tensor)]
    assert all(v.dtype == torch.float32 for v in kept)
    assert opt.last["finite"]
    assert sum(losses[-10:]) < 0.9 * sum(losses[:10])


@pytest.mark.parametrize("name", LAYERED)
def test_autocast_keeps_no_copy_of_the_weights_before_the_step(name):
    """Within one autocast torch keeps its coarse copies: the second call would see the old ones."""
    ends = []
    for around in (True, False):
        model = small_net(dtype=torch.float32)
        opt = made(name, model, lr=0.3)
        half = torch.autocast("cpu", torch.bfloat16)

        def closure(x, t, model=model, opt=opt):
            opt.zero_grad()
            loss = F.cross_entropy(model(x).float(), t)
            loss.backward()
            return loss

        for x, t in batches(5, dtype=torch.float32):
            if around:
                with half:
                    opt.step(lambda x=x, t=t, closure=closure: closure(x, t))
            else:
                def halved(x=x, t=t, closure=closure, half=half):
                    with half:
                        return closure(x, t)
                opt.step(halved)
        ends.append(theta_of(model))
    assert_close(*ends, 1e-5)


def test_a_coarse_loss_is_refused():
    model = small_net(dtype=torch.float32)
    (x, t), = batches(1, dtype=torch.float32)
    with refused(r"loss in bfloat16, too coarse.*output\.float\(\)"):
        NewtonKrylov(model.parameters()).step(lambda: F.cross_entropy(model(x), t).bfloat16())


@pytest.mark.parametrize("name", DROP_INS)
def test_a_model_may_change_its_type_between_steps(name):
    """What was float32 goes on in float64, and back."""
    model = small_net(dtype=torch.float32)
    opt = made(name, model, **SETTINGS[name])
    train(opt, model, batches(4, dtype=torch.float32))
    other, opt2 = copy.deepcopy((model, opt))
    model.double()
    losses = train(opt, model, batches(4))
    assert_close(torch.tensor(losses), torch.tensor(
        train(opt2, other, batches(4, dtype=torch.float32))), 1e-3)
    tensors = [v for s in opt.state.values() for v in s.values() if isinstance(v, torch.Tensor)]
    assert all(v.dtype == F64 for v in tensors)
    model.float()
    train(opt, model, batches(1, dtype=torch.float32))
    model.half()
    with refused("needs float32 or float64 parameters; these are float16"):
        train(opt, model, batches(1))
    model.float()
    model[0].double()
    with refused("float32 on cpu and float64 on cpu"):
        train(opt, model, batches(1))


@pytest.mark.parametrize("name", DROP_INS)
def test_an_empty_batch_is_named(name):
    model = small_net()
    opt = made(name, model)
    with refused("empty"):
        opt.step(closure_of(opt, model, normal(0, 0, 5), torch.zeros(0, dtype=torch.long),
                            entropy))


def test_sparse_gradients_are_named():
    model = nn.Sequential(nn.Embedding(9, 4, sparse=True), nn.Flatten(), nn.Linear(8, 2))
    x, t = torch.randint(0, 9, (12, 2)), torch.randint(0, 2, (12,))

    def closure():
        u = model(x)
        return F.cross_entropy(u, t), u

    for kind in (CurveBall, NewtonKrylov):
        with refused("sparse=False"):
            kind(model.parameters()).step(closure)
    with refused("0.weight belongs to a layer of type Embedding"):
        KBFGSL(model)
