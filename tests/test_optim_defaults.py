"""The defaults of the drop-ins are those of a declared grid, and docs/optim.md shows its table."""

import inspect
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import rankdata

from benchmarks import defaults
from qnviz.methods.registry import METHODS
from qnviz.optim import KBFGS, CurveBall
from tests.helpers import normal
from tests.optim_nets import classes, closure_of, entropy, small_net

RESULTS = json.loads(defaults.FILE.read_text("utf-8"))
DOCS = (Path(__file__).resolve().parents[1] / "docs" / "optim.md").read_text("utf-8")
IN_LABS = {"KBFGS": "kbfgs", "KBFGSL": "kbfgs_l", "CurveBall": "curveball",
           "NewtonKrylov": "newton_krylov"}


def default(method, name):
    return inspect.signature(defaults.METHODS[method].__init__).parameters[name].default


def test_the_grid_is_what_was_declared():
    assert len(defaults.TASKS) >= 6
    assert len({task.batch for task in defaults.TASKS.values()}) >= 3
    first, second = RESULTS["first"], RESULTS["second"]
    expected = {"first": {m: defaults.settings(m) for m in defaults.METHODS},
                "second": defaults.finalists(first), "last": defaults.finalists(first)}
    assert not set(first["seeds"]) & set(second["seeds"])
    assert not set(defaults.DEEPER) & set(defaults.TASKS)
    for name, longer, tasks in (("first", 1, defaults.TASKS),
                                ("second", defaults.LONGER, defaults.TASKS),
                                ("last", defaults.TWICE, defaults.DEEPER)):
        assert RESULTS[name]["steps"] == {m: longer * n for m, n in defaults.STEPS.items()}
        for method, by_setting in RESULTS[name]["losses"].items():
            assert list(by_setting) == [defaults.word(s) for s in expected[name][method]]
            for by_task in by_setting.values():
                assert list(by_task) == list(tasks)
                assert {len(v) for v in by_task.values()} == {len(RESULTS[name]["seeds"])}


@pytest.mark.parametrize("method", IN_LABS)
def test_a_newcomer_gets_the_setting_that_the_grid_found_best(method):
    best, last = defaults.decided(RESULTS, method)[0]
    assert best.failures == last.failures == 0
    ours = defaults.word({n: default(method, n) for n in defaults.GRID[method]})
    assert best.setting == last.setting == ours


@pytest.mark.parametrize("method", IN_LABS)
def test_the_labs_settings_of_the_table_are_theirs(method):
    fields = METHODS[IN_LABS[method]].model_fields
    labs = {name: fields[name].default for name in defaults.LAB[method]}
    assert labs == defaults.LAB[method]
    assert labs in defaults.settings(method)


def test_the_page_shows_the_tables():
    for table in (defaults.table(RESULTS), defaults.ranks(RESULTS)):
        assert table in DOCS


@pytest.mark.parametrize("method", IN_LABS)
def test_unscaled_pixels_cost_what_the_page_says(method):
    every = RESULTS["first"]["losses"][method].values()
    scaled, raw = (min(np.mean(by[task]) for by in every)
                   for task in ("classifier, batch 32", "pixels in 0…255, batch 32"))
    assert raw > 2 * scaled


@pytest.mark.parametrize("method", IN_LABS)
def test_ranks_are_those_of_scipy(method):
    losses = np.array([[by[t] for t in defaults.TASKS]
                       for by in RESULTS["first"]["losses"][method].values()])
    means = rankdata(losses, axis=0).mean((1, 2))
    found = {j.setting: j.rank for j in defaults.judged(RESULTS["first"], method)}
    assert np.allclose([found[s] for s in RESULTS["first"]["losses"][method]], means, rtol=1e-12)


def test_a_setting_that_fails_once_comes_after_all_that_never_do():
    tasks = dict.fromkeys(defaults.TASKS, [2.0, 2.0])
    bold, timid = dict.fromkeys(tasks, [0.1, 0.1]), dict.fromkeys(tasks, [1.0, 1.0])
    once = bold | {next(iter(tasks)): [0.1, math.inf]}

    def measured(bold):
        return {"start": tasks, "losses": {"X": {"bold": bold, "timid": timid}}}

    order = defaults.judged(measured(once), "X")
    assert [(j.setting, j.failures) for j in order] == [("timid", 0), ("bold", 1)]
    for second, last, best in ((bold, bold, "bold"), (once, bold, "timid"), (bold, once, "timid")):
        decided = defaults.decided({"second": measured(second), "last": measured(last)}, "X")
        assert decided[0][0].setting == best


def test_a_training_of_the_grid_repeats_itself():
    task = defaults.TASKS["regression, full batch"]
    setting = defaults.LAB["NewtonKrylov"]
    before, after = defaults.train(task, "NewtonKrylov", setting, 1)
    assert (before, after) == defaults.train(task, "NewtonKrylov", setting, 1)
    assert after < before


def test_every_batch_of_an_epoch_is_drawn_once():
    torch.manual_seed(0)
    task = defaults.TASKS["regression, batch 32"]
    steps = list(defaults.rows(task, 100, 7))
    for epoch in (steps[:3], steps[3:6]):
        assert len(set(torch.cat(epoch).tolist())) == 96
    assert len(steps[6]) == 32


# --- inputs that are far from 1 ------------------------------------------------------------------

@pytest.mark.parametrize("warm", [False, True])
def test_large_inputs_are_warned_of_once(warm):
    model = small_net()
    opt = KBFGS(model, lr=0.1)
    x, t = classes()
    x = 100 * x

    def first():
        if not warm:
            return opt.step(closure_of(opt, model, x, t, entropy))
        with opt.warm_start():
            model(x)

    with pytest.warns(UserWarning, match=r"inputs of Linear layer 0 are large, \d\d in root"):
        first()
    opt.step(closure_of(opt, model, x, t, entropy))        # warnings are errors here


def test_inputs_of_usual_size_are_not_warned_of():
    model = small_net()
    opt = KBFGS(model, lr=0.1)
    opt.step(closure_of(opt, model, 3 * normal(0, 30, 5), torch.zeros(30).long(), entropy))


def test_the_damping_of_curveball_is_one_at_the_start():
    """What docs/optim.md says of a `lam` that changes later."""
    ends = []
    for lam in (1.0, 50.0):
        model = small_net()
        opt = CurveBall(model.parameters(), lam=1.0)
        x, t = classes()
        opt.step(closure_of(opt, model, x, t, entropy))
        opt.param_groups[0]["lam"] = lam
        opt.step(closure_of(opt, model, x, t, entropy))
        ends.append(torch.cat([p.detach().reshape(-1) for p in model.parameters()]))
    assert torch.equal(*ends)
