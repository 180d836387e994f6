"""Scripts run as they are, and do what the lab did."""

import ast
import contextlib
import io
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from qnviz.export.scripts import literal, model_script, no_drop_in, run_script
from qnviz.fields import parameters
from qnviz.methods.registry import METHODS
from qnviz.runs.loop import run
from qnviz.runs.spec import parse
from qnviz.runs.trace import Trace
from tests.helpers import assert_same, spec
from tests.test_architecture import ROOT

THERE = [name for name, method in METHODS.items() if method().drop_in()]
OF_TORCH = [name for name in THERE if METHODS[name]().drop_in().closure == "none"]


def executed(script):
    """What a script prints, and what it leaves behind."""
    names, out = {"__name__": "__main__"}, io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(script, "script.py", "exec"), names)
    return names, out.getvalue()


def test_the_runs_script_gives_the_same_numbers(tmp_path):
    asked = spec({"name": "kbfgs", "lr": 0.05, "label": 'K (1)'}, {"name": "newton_krylov"},
                 steps=40, seed=7, problem={"name": "rosenbrock", "noise": 1.0, "start": [-1, 0.5]})
    script = run_script(asked)
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    mine, theirs = run(asked), Trace.load(tmp_path / "qnviz-run.npz")
    assert_same(mine, theirs)
    for e in mine.entrants:
        assert f"{e.title}: {mine.ends[e.label][0]}" in done.stdout
    assert max(map(len, script.splitlines())) <= 100


@pytest.mark.parametrize("name", ["home", "autoencoder", "damping"])
def test_the_spec_in_a_script_is_the_runs(name):
    asked = parse(Trace.load(ROOT / "assets" / f"{name}.npz").spec)
    tree = ast.parse(run_script(asked))
    held = next(node for node in tree.body if isinstance(node, ast.Assign)
                and node.targets[0].id == "SPEC")
    assert parse(ast.literal_eval(held.value)) == asked


def test_a_file_of_ones_own_is_named(tiny_images):
    asked = spec({"name": "adam"}, steps=2,
                 problem={"name": "autoencoder", "data": "file:tiny.npz"})
    assert "It reads 'tiny.npz' from qnviz's data folder." in run_script(asked)


@pytest.mark.parametrize("value", [
    {}, [], {"a": "x" * 200, "b": [1.5e-300, True, None]}, [[i, {"q\"'": "\n</script>ü"}] * 9
                                                           for i in range(9)]])
def test_literals_read_back(value):
    text = literal(value)
    assert ast.literal_eval(text) == value


@pytest.mark.parametrize("name", METHODS)
def test_models_learn_by_every_method_that_has_a_drop_in(name):
    method = METHODS[name]()
    script = model_script(method)
    if script is None:
        assert name not in THERE
        assert method.title in no_drop_in(method)
        assert no_drop_in(method).endswith(".")
        return
    _, out = executed(script)
    losses = [float(v) for v in re.findall(r"mean loss (\S+)", out)]
    assert len(losses) == 5
    assert losses[-1] < losses[0]


CHANGED = {
    "kbfgs": dict(lr=0.07, lam=0.4, mu1=0.3, momentum=0.8, damping="powell"),
    "kbfgs_l": dict(lr=0.07, memory=4),
    "curveball": dict(lam=3.0, curvature="hessian", tuning="fixed", rho=0.7, beta=0.01),
    "newton_krylov": dict(eta=0.2, budget=7, tau=0.25, lam=0.5, curvature="gauss_newton",
                          solver="minres", forcing="superlinear"),
    "sgd": dict(lr=0.03, momentum=0.5), "nesterov": dict(lr=0.03, momentum=0.5),
    "adam": dict(lr=0.03, beta1=0.7, beta2=0.9, eps=1e-5),
    "rmsprop": dict(lr=0.03, beta=0.7, eps=1e-5), "lbfgs": dict(memory=3)}


@pytest.mark.parametrize("name", THERE)
def test_the_settings_are_the_runs(name):
    method = METHODS[name](**CHANGED.get(name, {}))
    names, _ = executed(model_script(method))
    held = names["optimizer"].param_groups[0]
    expected = {q.name: getattr(method, q.name) for q in parameters(type(method))}
    if name == "adam":
        expected["betas"] = expected.pop("beta1"), expected.pop("beta2")
    elif renamed := method.drop_in().renamed:
        expected = {renamed.get(field, field): value for field, value in expected.items()}
    if name == "lbfgs":
        expected.pop("scaling")
    if name == "newton_krylov":
        expected.pop("derivative")
        expected.pop("krylov_batches")                  # the closure has one
    assert {field: held[field] for field in expected} == expected
    assert held.get("nesterov", False) == (name == "nesterov")


def test_what_has_no_counterpart_is_said():
    script = model_script(METHODS["newton_krylov"](derivative="complex_step"))
    assert "Without a counterpart here: derivative = complex_step." in " ".join(script.split())


@pytest.mark.parametrize("name", OF_TORCH)
def test_torch_computes_it_as_the_lab_does(name):
    """Ten steps on Rosenbrock by the optimizer that the script makes."""
    import torch

    method = METHODS[name](lr=1e-3)
    made = next(line for line in model_script(method).splitlines()
                if line.startswith("optimizer = "))
    x = torch.nn.Parameter(torch.tensor([-1.2, 1.0], dtype=torch.float64))

    class Model:
        def parameters(self):
            return [x]

    optimizer = eval(made.removeprefix("optimizer = "), {"torch": torch, "model": Model()})
    for _ in range(10):
        optimizer.zero_grad()
        ((10 * (x[1] - x[0] ** 2)) ** 2 + (1 - x[0]) ** 2).backward()
        optimizer.step()
    trace = run(spec(method.model_dump(), steps=10, problem={"name": "rosenbrock"}))
    np.testing.assert_allclose(x.detach(), trace[name]["theta"][-1, 0], rtol=1e-10)
