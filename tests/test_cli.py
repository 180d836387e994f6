"""The command line: exit statuses, sentences on stderr, files."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from qnviz.__main__ import main
from qnviz.fields import parameters
from qnviz.methods.registry import METHODS
from qnviz.problems.registry import PROBLEMS
from qnviz.runs.trace import Trace

ROOT = Path(__file__).resolve().parents[1]
GOOD = {"problem": {"name": "rosenbrock", "noise": 1.0}, "steps": 5, "runs": 3,
        "methods": [{"name": "kbfgs"}, {"name": "newton_krylov"}]}


@pytest.fixture
def race(tmp_path):
    """Writes a spec file."""
    def write(content, name="race.json"):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path
    return write


def call(capsys, *args):
    status = main([str(a) for a in args])
    out, err = capsys.readouterr()
    return status, out, err


def test_a_run_is_saved_and_summed_up(race, tmp_path, capsys):
    out = tmp_path / "run.npz"
    status, text, _ = call(capsys, "run", race(GOOD), "--out", out)
    assert status == 0
    assert Trace.load(out)["kbfgs"]["loss"].shape == (6, 3)
    for label in ("kbfgs", "newton_krylov"):
        assert label in text
    assert str(out) in text


def test_quiet_says_nothing_and_the_name_is_kept_as_given(race, tmp_path, capsys):
    out = tmp_path / "run.trace"
    assert call(capsys, "run", race(GOOD), "--out", out, "--quiet") == (0, "", "")
    assert Trace.load(out).spec["steps"] == 5
    assert sorted(p.name for p in tmp_path.iterdir()) == ["race.json", "run.trace"]


def test_one_run_is_told_by_how_it_ended(race, tmp_path, capsys):
    _, text, _ = call(capsys, "run", race(GOOD | {"runs": 1}), "--out", tmp_path / "run.npz")
    assert "Used all 5 steps" in text


BAD = {
    "unknown method": (GOOD | {"methods": [{"name": "adagrad"}]}, "'adagrad'"),
    "λ too large": (GOOD | {"methods": [{"name": "kbfgs", "lam": 1.5}]}, "methods[0].lam is 1.5"),
    "NaN": ('{"problem": {"name": "rosenbrock"}, "methods": [{"name": "sgd", "lr": NaN}]}',
            "methods[0].lr"),
    "steps beyond the cap": (GOOD | {"steps": 99_999}, "steps is 99999"),
    "broken JSON": ('{"problem": ', "race.json is not valid JSON"),
    "not an object": ("[1]", "JSON object"),
    "unavailable": (GOOD | {"methods": [{"name": "scipy_bfgs"}]}, "methods[0] cannot run"),
    "too much memory": (GOOD | {"steps": 10_000, "runs": 60_000}, "GB")}


@pytest.mark.parametrize("case", BAD)
def test_bad_specs_end_with_status_2_and_a_sentence(race, tmp_path, capsys, case):
    content, named = BAD[case]
    out = tmp_path / "run.npz"
    status, text, err = call(capsys, "run", race(content), "--out", out)
    assert status == 2
    assert text == ""
    assert named in err
    assert all(line.startswith("qnviz: ") and line.endswith(".") for line in err.splitlines())
    assert not out.exists()


def test_missing_files_and_folders_end_with_status_2(race, tmp_path, capsys):
    status, _, err = call(capsys, "run", tmp_path / "nowhere.json", "--out", tmp_path / "run.npz")
    assert (status, "nowhere.json" in err) == (2, True)
    status, _, err = call(capsys, "run", race(GOOD), "--out", tmp_path / "no" / "run.npz")
    assert (status, "'no'" in err) == (2, True)


def test_a_file_that_cannot_be_written_ends_with_a_sentence(race, tmp_path, capsys):
    status, _, err = call(capsys, "run", race(GOOD), "--out", tmp_path, "--quiet")
    assert status in (1, 2)
    assert err.startswith("qnviz: ")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("args", [[], ["run"], ["run", "x.json"], ["fly"], ["list", "--yaml"]])
def test_wrong_usage_ends_with_status_2(args, capsys):
    with pytest.raises(SystemExit) as end:
        main(args)
    assert end.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_list_as_json_covers_the_registries(capsys):
    status, text, _ = call(capsys, "list", "--json")
    found = json.loads(text)
    assert status == 0
    assert list(found["methods"]) == list(METHODS)
    assert list(found["problems"]) == list(PROBLEMS)
    for kind, models in (("methods", METHODS), ("problems", PROBLEMS)):
        for name, model in models.items():
            entry = found[kind][name]
            assert entry["title"] == model.title
            assert [q["name"] for q in entry["parameters"]] == [q.name for q in parameters(model)]
            assert all(q["range"] and q["help"] for q in entry["parameters"])


def test_list_for_people_names_everything(capsys):
    status, text, _ = call(capsys, "list")
    assert status == 0
    for name, model in (METHODS | PROBLEMS).items():
        assert name in text
        assert model.title in text


def module(*args):
    return subprocess.run([sys.executable, "-m", "qnviz", *args], cwd=ROOT, check=False,
                          capture_output=True, text=True, env={**os.environ, "PYTHONUTF8": "1"})


def test_the_module_itself_ends_with_these_statuses_and_no_traceback(race, tmp_path):
    out = tmp_path / "run.npz"
    good = module("run", str(race(GOOD)), "--out", str(out))
    assert good.returncode == 0, good.stderr
    assert out.exists()
    assert "10/10" in good.stderr                                    # the progress bar is full
    bad = module("run", str(race(GOOD | {"steps": 0}, "bad.json")), "--out", str(out))
    assert bad.returncode == 2
    assert bad.stderr == "qnviz: steps is 0, but must be at least 1.\n"
    assert bad.stdout == ""
