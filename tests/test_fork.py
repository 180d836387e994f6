"""Forks of a run, and its updates taken again: the same numbers as in the run itself."""

import numpy as np
import pytest
import torch

from qnviz.errors import SpecError, TraceError
from qnviz.runs.loop import run
from qnviz.runs.spec import parse
from qnviz.studies.update import update_at
from tests.helpers import NOISY, assert_same, spec

DOUBLE = {"name": "kbfgs", "lr": 0.1}
NET = {"name": "autoencoder", "widths": [64, 8, 4, 8, 64], "batch": 50}
CASES = {"rosenbrock": (NOISY, "kbfgs"), "linear net": ({"name": "linear_net"}, "kbfgs"),
         "autoencoder": (NET, "kbfgs"), "limited memory": (NET, "kbfgs_l")}


def forked(problem, name, step=12, **changes):
    same = DOUBLE | {"name": name}
    return parse({"problem": problem, "steps": 30, "seed": 3, "runs": 2, "methods": [
        same | {"label": "as before"}, same | changes | {"label": "forked"}],
        "fork": {"method": same, "step": step}})


@pytest.mark.parametrize(("problem", "name"), CASES.values(), ids=CASES)
def test_without_a_change_a_fork_is_the_run_itself(problem, name):
    fork = forked(problem, name)
    alone = parse({"problem": problem, "steps": 30, "seed": 3, "runs": 2,
                   "methods": [DOUBLE | {"name": name, "label": n} for n in fork_labels(fork)]})
    assert_same(run(fork), run(alone), ragged=True)


def fork_labels(fork):
    return [m.label for m in fork.methods]


@pytest.mark.parametrize(("problem", "name"), CASES.values(), ids=CASES)
def test_futures_part_at_the_fork_and_not_before(problem, name):
    trace = run(forked(problem, name, damping="none", lr=0.05))
    a, b = trace["as before"], trace["forked"]
    assert (a["step"] == b["step"]).all()
    before = a["step"] <= 12
    np.testing.assert_array_equal(a["theta"][before], b["theta"][before])
    assert (a["theta"][~before] != b["theta"][~before]).any(-1).all()
    np.testing.assert_array_equal(a["theta1"][:12], b["theta1"][:12])
    assert (b["theta1"][12:] == 1).all()
    assert (b["theta2"][12:] == 1).all()


def test_each_step_is_told_as_the_method_that_took_it():
    trace = run(forked(NOISY, "kbfgs", damping="none"))
    told = trace.words["forked"]
    assert told[:12] == trace.words["as before"][:12]
    assert not any(text.startswith("undamped") for text in told[:12])
    assert any(text.startswith("undamped") for text in told[12:])
    assert not any("good pair" in text or "kept" in text for text in told[12:])


@pytest.mark.parametrize(("change", "sentence"), [
    ({"step": 30}, "fork.step is 30, but the run has only 30 steps"),
    ({"step": -1}, "at least 0"),
    ({"method": {"name": "adam"}}, "only Adam itself can"),
    ({"method": {"name": "kbfgs_l"}}, "only K-BFGS(L) itself can"),
    ({"method": {"name": "banana"}}, "banana")])
def test_forks_that_cannot_be_are_refused(change, sentence):
    with pytest.raises(SpecError, match=sentence.replace("(", r"\(").replace(")", r"\)")):
        spec("kbfgs", fork={"method": {"name": "kbfgs"}, "step": 5} | change)


def test_what_shapes_the_state_cannot_change_at_a_fork():
    with pytest.raises(SpecError, match="memory cannot change"):
        spec({"name": "kbfgs_l", "memory": 5}, fork={"method": {"name": "kbfgs_l"}, "step": 5})


@pytest.mark.parametrize("step", [0, 1, 12, 29])
@pytest.mark.parametrize(("problem", "name"), CASES.values(), ids=CASES)
def test_an_update_taken_again_is_the_one_that_was_recorded(problem, name, step):
    wanted = forked(problem, name, damping="powell").model_copy(update={"runs": 1})
    trace = run(wanted)
    for label in fork_labels(wanted):
        c = trace[label]
        for layer in range(c["theta1"].shape[2]):
            u = update_at(wanted, label, step, layer)
            n = wanted.problem.layers[layer].fan_out
            assert u.H.shape == (n, n)
            assert u.s.shape == u.y.shape == (n,)
            for column in ("theta1", "theta2", "ratio1_before", "ratio1_after", "ratio2_before",
                           "ratio2_after", "c1", "c2"):
                assert getattr(u.pair, column).item() == pytest.approx(
                    c[column][step, 0, layer], rel=1e-6, nan_ok=True), (column, layer)
            low, high = torch.linalg.eigvalsh(u.H)[[0, -1]].tolist()
            if step:
                assert low == pytest.approx(c["eig_min"][step - 1, 0, layer], rel=1e-6)
                assert high == pytest.approx(c["eig_max"][step - 1, 0, layer], rel=1e-6)
            assert u.damping == ("powell" if label == "forked" and step >= 12 else "double")


@pytest.mark.parametrize(("label", "step", "layer", "sentence"), [
    ("adam", 0, 0, "makes no updates"), ("nobody", 0, 0, "makes no updates"),
    ("kbfgs", 30, 0, "no update"), ("kbfgs", 0, 1, "no update"), ("kbfgs", -1, 0, "no update")])
def test_updates_that_are_not_there(label, step, layer, sentence):
    with pytest.raises(TraceError, match=sentence):
        update_at(spec("kbfgs", "adam"), label, step, layer)
