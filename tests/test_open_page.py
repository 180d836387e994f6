"""Open a run: what files hold, what is said of those that hold none, and which lab has the run."""

import io
import json
from dataclasses import replace

import pytest

from qnviz.runs.loop import run
from qnviz.runs.spec import parse
from qnviz.ui.labs.open import MOST_BYTES, opened
from qnviz.ui.labs.open_view import HOMES, ended, lab_address
from qnviz.ui.state.settings import read_query

SPEC = {"problem": {"name": "rosenbrock", "start_noise": 0.1}, "steps": 30, "runs": 4,
        "methods": [{"name": "kbfgs", "lr": 0.05, "lam": 0.3}, {"name": "sgd", "lr": 0.05}]}


def saved(trace):
    file = io.BytesIO()
    trace.save(file)
    return file.getvalue()


def test_a_trace_gets_a_key_that_no_cache_knows():
    trace = run(parse(SPEC))
    found = opened("a.npz", saved(trace))
    assert found.fault == ""
    assert found.notes == []
    assert found.trace.key.startswith("file-")
    assert found.spec.key() == trace.key
    forged = opened("b.npz", saved(replace(trace, key="of another run")))
    assert "another version" in forged.notes[0]
    assert forged.trace.key not in (found.trace.key, "of another run")


def test_a_spec_is_not_run_before_it_is_asked_for():
    found = opened("a.json", json.dumps(SPEC).encode())
    assert found.spec == parse(SPEC)
    assert found.trace is None


@pytest.mark.parametrize(("content", "words"), [
    (b"", "not valid JSON"), (b"\xff\xfe", "neither a trace"), (b"x" * 2_000_000, "neither"),
    (b"[1, 2]", "JSON object"), (b'{"sweep": {}}', "The Atlas draws maps"), (b"[" * 10**5, "deep"),
    (b"PK\x03\x04", "not a run"), (b'{"problem": {"name": "x"}}', "problem.name"),
    (json.dumps(SPEC | {"runs": 60000, "steps": 300}).encode(), "would record"),
    (json.dumps({"problem": {"name": "autoencoder", "data": "mnist"}, "steps": 3000,
                 "methods": [{"name": "newton_krylov"}]}).encode(), "minutes")])
def test_a_wrong_file_is_told(content, words):
    found = opened("<b>x</b>", content)
    assert words in found.fault
    assert found.spec is None
    assert MOST_BYTES <= 10**9


def test_how_all_runs_ended_is_counted():
    trace = run(parse(SPEC))
    table = ended(trace).set_index("method")
    assert table.loc["SGD + momentum", "diverged"] == 4
    assert table.loc["K-BFGS", "used all steps"] == 4
    assert "converged" not in table


@pytest.mark.parametrize("changes", [
    {}, {"runs": 1}, {"seed": 9, "stop_loss": 1e-6},
    {"problem": {"name": "linear_net", "width": 8, "batch": 50}},
    {"methods": [{"name": "kbfgs"}, {"name": "kbfgs", "label": "undamped", "damping": "none"}]}])
def test_the_lab_of_a_run_computes_that_run(changes):
    spec = parse(SPEC | changes)
    page, default = HOMES[spec.problem.name]
    there = read_query(lab_address(spec), default).spec()
    assert page == spec.problem.name
    one, lab = (run(s.model_copy(update={"runs": 1})) for s in (spec, there))
    for a, b in zip(one.entrants, lab.entrants, strict=True):
        assert (one[a.label]["loss"] == lab[b.label]["loss"]).all()


@pytest.mark.parametrize("changes", [
    {"steps": 9000}, {"dtype": "float32"}, {"stop_grad": 1e-3}, {"seed": 2**40},
    {"fork": {"method": {"name": "kbfgs"}, "step": 3}, "methods": [{"name": "kbfgs"}]}])
def test_a_run_that_no_lab_can_show_has_no_link(changes):
    assert lab_address(parse(SPEC | changes)) is None


def test_a_problem_that_shares_its_page_is_named_in_the_address():
    spec = parse({"problem": {"name": "rosenbrock_n"}, "methods": [{"name": "adam"}],
                  "steps": 10, "stop_loss": 0})
    assert lab_address(spec)["on"] == "rosenbrock_n"          # type: ignore[index]
