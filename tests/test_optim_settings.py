"""No setting of a drop-in is swallowed: what is unknown is refused, what changes takes effect."""

import copy

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from qnviz.errors import OptimizerError
from qnviz.optim import KBFGS, KBFGSL
from tests.helpers import assert_close
from tests.optim_nets import (
    DROP_INS,
    KRONECKER,
    batches,
    made,
    small_net,
    theta_of,
    train,
)

TORCH_S = ("maximize", "foreach", "fused", "capturable", "differentiable")
MEANT = {"learning_rate": "lr", "LR": "lr", "alpha": "lr", "lamda": "lam", "lambda_": "lam",
         "wd": "weight_decay", "weight_deacy": "weight_decay"}
MEANT_OF = {"kbfgs": {"momentun": "momentum", "betas": "momentum", "fullbatch": "full_batch"},
            "kbfgs_l": {"history_size": "memory"},
            "curveball": {"curvatur": "curvature", "tunning": "tuning"},
            "newton_krylov": {"max_iter": "budget", "tolerance_grad": "eta", "solvers": "solver"}}
CASES = [(name, wrong, near) for name in DROP_INS
         for wrong, near in (MEANT | MEANT_OF[name]).items()]


def group_of(name, model, **more):
    key = "module" if DROP_INS[name] in KRONECKER else "params"
    return {key: model if key == "module" else list(model.parameters())} | more


def ways(name, key):
    """Every way in which a setting reaches a drop-in."""
    model = small_net()
    opt = made(name, small_net())

    def loaded():
        state = copy.deepcopy(opt.state_dict())
        state["param_groups"][0][key] = 1
        opt.load_state_dict(state)

    def changed():
        opt.param_groups[0][key] = 1
        train(opt, model, batches(1))

    return {"constructor": lambda: made(name, model, **{key: 1}),
            "group": lambda: DROP_INS[name]([group_of(name, model, **{key: 1})]),
            "loaded": loaded, "changed": changed}


@pytest.mark.parametrize("way", ["constructor", "group", "loaded", "changed"])
@pytest.mark.parametrize("key", TORCH_S)
@pytest.mark.parametrize("name", DROP_INS)
def test_what_torch_s_optimizers_take_is_refused_with_the_reason(name, key, way):
    with pytest.raises(OptimizerError, match=rf"{DROP_INS[name].__name__} has no setting {key}: ."):
        ways(name, key)[way]()


@pytest.mark.parametrize("way", ["constructor", "group", "loaded", "changed"])
@pytest.mark.parametrize(("name", "wrong", "near"), CASES)
def test_a_misspelt_setting_is_named_with_the_one_meant(name, wrong, near, way):
    with pytest.raises(OptimizerError, match=rf"no setting {wrong}; did you mean {near}\?"):
        ways(name, wrong)[way]()


@pytest.mark.parametrize("name", DROP_INS)
def test_a_setting_like_no_other_comes_with_all_there_are(name):
    with pytest.raises(OptimizerError, match=r"no setting zzz; its settings are .*lam, lr.*\."):
        made(name, small_net(), zzz=1)


@given(st.text(min_size=1, max_size=12), st.sampled_from(list(DROP_INS)))
def test_no_name_but_a_setting_s_is_taken(key, name):
    model = small_net()
    group = group_of(name, model)
    taken = set(made(name, model).param_groups[0]) | {"module", "params", "name", "param_names"}
    assume(key not in taken)
    with pytest.raises(OptimizerError, match=r"has no setting "):
        DROP_INS[name]([group | {key: 1}])


@pytest.mark.parametrize("name", DROP_INS)
def test_a_refused_key_leaves_no_group(name):
    model = small_net()
    with pytest.raises(OptimizerError):
        made(name, model, maximize=True)
    if DROP_INS[name] in KRONECKER:
        opt = DROP_INS[name]([{"module": model[0]}])
        with pytest.raises(OptimizerError, match="maximize"):
            opt.add_param_group({"module": model[4], "maximize": True})
        assert len(opt.param_groups) == len(opt.blocks) == 1


@pytest.mark.parametrize("name", DROP_INS)
def test_labels_and_what_schedulers_keep_are_no_settings(name):
    model = small_net()
    opt = DROP_INS[name]([group_of(name, model, lr=0.5) | {"name": "all"}])
    schedulers = [lr_scheduler.OneCycleLR(opt, 0.5, total_steps=9, cycle_momentum=False),
                  lr_scheduler.CyclicLR(opt, 0.1, 0.5, cycle_momentum=False)]
    for batch in batches(3):
        train(opt, model, [batch])
        for scheduler in schedulers:
            scheduler.step()
    again = made(name, small_net())
    again.load_state_dict(opt.state_dict())
    assert {"initial_lr", "max_lr", "min_lr"} <= set(again.param_groups[0])


def test_one_cycle_turns_momentum_unless_it_is_told_not_to():
    """What docs/optim.md warns of."""
    seen = {}
    for cycle in (True, False):
        opt = KBFGS(small_net(), momentum=0.7)
        lr_scheduler.OneCycleLR(opt, 0.3, total_steps=9, cycle_momentum=cycle)
        seen[cycle] = opt.param_groups[0]["momentum"]
    assert seen == {True: 0.95, False: 0.7}


@pytest.mark.parametrize("value", ["0.1", True, "high", None, [0.1]])
@pytest.mark.parametrize("name", DROP_INS)
def test_text_is_no_number(name, value):
    model = small_net()
    with pytest.raises(OptimizerError, match=r"lr is .*, but must be a number"):
        made(name, model, lr=value)
    opt = made(name, model)
    opt.param_groups[0]["lr"] = value
    with pytest.raises(OptimizerError, match=r"lr is .*, but must be a number"):
        train(opt, model, batches(1))


def test_text_is_no_whole_number_and_no_truth_value():
    with pytest.raises(OptimizerError, match="memory is '10', but must be a whole number"):
        KBFGSL(small_net(), memory="10")                                    # type: ignore
    with pytest.raises(OptimizerError, match="full_batch is 'true', but must be True or False"):
        KBFGS(small_net(), full_batch="true")                               # type: ignore
    with pytest.raises(OptimizerError, match=r"lam is '1', .*lr is 0, but"):
        KBFGS(small_net(), lr=0, lam="1")                                   # type: ignore


def test_a_state_of_k_bfgs_l_is_none_of_k_bfgs_nor_the_other_way():
    one, two = small_net(), small_net()
    full, pairs = KBFGS(one), KBFGSL(two)
    for opt, model in ((full, one), (pairs, two)):
        train(opt, model, batches(2))
    with pytest.raises(OptimizerError, match="not the state of a KBFGS: KBFGS has no setting mem"):
        full.load_state_dict(pairs.state_dict())
    with pytest.raises(OptimizerError, match="not the state of a KBFGSL: it has no memory"):
        pairs.load_state_dict(full.state_dict())
    state = copy.deepcopy(pairs.state_dict())
    for group in state["param_groups"]:
        del group["memory"]
    before = theta_of(one)
    with pytest.raises(OptimizerError, match="that of another method"):
        full.load_state_dict(state)
    train(full, one, batches(1))                                            # as if nothing was
    assert not torch.equal(theta_of(one), before)


def test_another_memory_keeps_the_newest_pairs():
    """A window that is shortened and widened again goes on as if it had forgotten the oldest."""
    data = list(batches(12))
    paths = []
    for change in ((), (2, 9), (9,)):
        model = small_net()
        opt = KBFGSL(model, lr=0.1, memory=4)
        train(opt, model, data[:6])
        for memory in change:
            opt.param_groups[0]["memory"] = memory
            train(opt, model, data[6:7])
        H = opt.state[model[0].weight]["H_g"][0]
        assert H["S"].shape[-2] == (change or (4,))[-1]
        paths.append((theta_of(model), H))
    # a wider window holds the same pairs until the first would have left it
    wide = paths[2][1]["S"]
    assert (wide[..., :4, :] == 0).all()
    assert (wide[..., 4:, :] != 0).any(-1).all()
    narrow = paths[1][1]["S"]                                # two pairs, then one more
    assert int((narrow != 0).any(-1)[0, 0].sum()) == 3


def test_a_memory_that_holds_all_is_the_memory_that_was_widened():
    data = list(batches(9))
    ends = []
    for first in (3, 20):
        model = small_net()
        opt = KBFGSL(model, lr=0.1, memory=first)
        train(opt, model, data[:3])
        opt.param_groups[0]["memory"] = 20
        train(opt, model, data[3:])
        ends.append(theta_of(model))
    assert_close(ends[0], ends[1], 1e-12)
