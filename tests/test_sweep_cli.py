"""`python -m qnviz sweep`: saved, gone on from, interrupted, and its sentences."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from qnviz.__main__ import main
from qnviz.cli import sweep as command_sweep
from qnviz.errors import DataError, QnvizError, WorkerError
from qnviz.numbers import say
from qnviz.runs.ends import WORDS
from qnviz.sweeps.result import SweepResult
from qnviz.sweeps.spec import parse_sweep
from qnviz.sweeps.tiles import compute, tiles
from tests.processes import alive, children, command

ROOT = Path(__file__).resolve().parents[1]
SPEC = {"problem": {"name": "rosenbrock", "noise": 1.0}, "methods": [{"name": "kbfgs"}],
        "steps": 20, "stop_loss": 0.1, "device": "cpu", "sweep": {
            "x": {"field": "lam", "from": 1e-3, "to": 0.9, "points": 6, "scale": "log"},
            "y": {"field": "lr", "from": 1e-3, "to": 3, "points": 5, "scale": "log"}, "seeds": 3}}
LONG = SPEC | {"steps": 300, "sweep": SPEC["sweep"] | {"seeds": 600}}


@pytest.fixture
def wanted(tmp_path):
    """Writes a spec file."""
    def write(content=SPEC, name="sweep.json"):
        path = tmp_path / name
        path.write_text(json.dumps(content))
        return path
    return write


@pytest.fixture
def out(tmp_path):
    return tmp_path / "sweep.npz"


@pytest.fixture
def unaided(monkeypatch):
    """Computes in this process, tile by tile; `limit` stops or fails it."""
    def sweep(spec, result, progress, stop):
        for tile in result.missing:
            if sweep.limit == 0:
                raise sweep.error
            result.put(tile, compute(spec, tile))
            progress(round(result.fraction * spec.size), spec.size)
            sweep.limit -= 1
        return result

    sweep.limit, sweep.error = -1, command_sweep.Interrupted()
    monkeypatch.setattr(command_sweep, "sweep", sweep)
    return sweep


def call(capsys, *args):
    status = main(["sweep", *(str(a) for a in args)])
    text, err = capsys.readouterr()
    return status, text, err


def swept(fields, **more):
    return SPEC | {"sweep": SPEC["sweep"] | fields} | more


def assert_whole(path, content):
    """The file holds all of the sweep, and exactly its numbers."""
    spec = parse_sweep(content)
    found, whole = SweepResult.load(path), SweepResult(spec)
    for tile in tiles(spec):
        whole.put(tile, compute(spec, tile))
    assert found.complete
    for name, column in whole.columns.items():
        np.testing.assert_array_equal(found[name], column, err_msg=name)


# --- to the end -----------------------------------------------------------------------------------

def test_a_sweep_is_saved_and_summed_up(wanted, out, capsys):
    status, text, err = call(capsys, wanted(), "--out", out)
    assert status == 0
    assert "90/90" in err
    assert_whole(out, SPEC)
    statuses = SweepResult.load(out)["status"]
    for name in np.unique(statuses):
        assert f"{(statuses == name).sum()} {WORDS[name]}" in text
    assert "No cell reached the target in half of its runs." in text
    assert f"Saved {out}." in text


def test_quiet_says_nothing_and_the_name_is_kept_as_given(wanted, tmp_path, capsys, unaided):
    assert call(capsys, wanted(), "--out", tmp_path / "map.data", "--quiet") == (0, "", "")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["map.data", "sweep.json"]


def test_the_file_holds_axes_and_numbers_without_pickle(wanted, out, capsys, unaided):
    call(capsys, wanted(), "--out", out, "--quiet")
    with np.load(out, allow_pickle=False) as data:
        assert data["axis/x"].shape == (6,)
        assert data["axis/y"].shape == (5,)
        for name in ("steps_to_target", "final_loss", "status", "work", "eig_max", "damped"):
            assert data[name].shape == (5, 6, 3)


def test_the_best_cell_has_the_smallest_median(unaided):
    spec = parse_sweep(SPEC)
    result = SweepResult(spec)
    result["status"][...] = "budget"
    result["steps_to_target"][1, 2] = [3, np.nan, 9]
    result["steps_to_target"][4, 0] = [np.nan, np.nan, 1]          # a median that is not reached
    lam, lr = spec.values["x"][2], spec.values["y"][1]
    assert command_sweep.summary(result) == [
        "90 used all steps.",
        f"Best cell: lam = {say(lam)}, lr = {say(lr)}, with 9 steps to the target "
        "(median of 3 seeds)."]


# --- going on -------------------------------------------------------------------------------------

def test_an_unfinished_sweep_is_gone_on_from(wanted, out, capsys, unaided):
    unaided.limit = 1
    status, text, err = call(capsys, wanted(), "--out", out, "--quiet")
    assert (status, text) == (130, "")
    assert "interrupted" in err
    assert f"{out} keeps 30 of 90 runs; the same command goes on from there." in err
    unaided.limit = -1
    status, text, err = call(capsys, wanted(), "--out", out)
    assert status == 0
    assert f"Going on from {out}, which holds 30 of 90 runs." in text
    assert_whole(out, SPEC)


def test_a_finished_sweep_is_left_alone_unless_asked(wanted, out, capsys, unaided):
    call(capsys, wanted(), "--out", out)
    before = out.stat().st_mtime_ns
    status, text, _ = call(capsys, wanted(), "--out", out)
    assert status == 0
    assert text.startswith("Nothing to do: ")
    assert out.stat().st_mtime_ns == before
    unaided.limit = 1
    status, _, err = call(capsys, wanted(), "--out", out, "--fresh", "--quiet")
    assert status == 130
    assert "the same command without --fresh goes on from there" in err


@pytest.mark.parametrize("holds", ["another sweep", "something else", "nothing"])
def test_a_file_with_something_else_is_not_touched(wanted, out, capsys, unaided, holds):
    if holds == "another sweep":
        call(capsys, wanted(swept({"seeds": 4})), "--out", out, "--quiet")
    else:
        out.write_bytes(b"my notes" if holds == "something else" else b"")
    before = out.read_bytes()
    status, text, err = call(capsys, wanted(), "--out", out)
    assert (status, text) == (2, "")
    assert "--fresh" in err
    assert len(err.splitlines()) == 1
    assert out.read_bytes() == before
    assert call(capsys, wanted(), "--out", out, "--fresh", "--quiet")[0] == 0
    assert_whole(out, SPEC)


def test_what_is_there_is_saved_now_and_then(wanted, out, capsys, unaided, monkeypatch):
    monkeypatch.setattr(command_sweep, "SAVE", 0.0)
    kept = []
    save = SweepResult.save
    monkeypatch.setattr(SweepResult, "save",
                        lambda self, file: kept.append(self.fraction) or save(self, file))
    assert call(capsys, wanted(), "--out", out, "--quiet")[0] == 0
    assert len(kept) > 1
    assert kept == sorted(kept)
    assert kept[-1] == 1


def test_a_full_disk_on_the_way_is_a_warning_and_at_the_end_an_error(
        wanted, out, capsys, unaided, monkeypatch):
    monkeypatch.setattr(command_sweep, "SAVE", 0.0)

    def full(self, file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(SweepResult, "save", full)
    status, text, err = call(capsys, wanted(), "--out", out, "--quiet")
    assert (status, text) == (1, "")
    assert set(err.splitlines()) == {
        f"qnviz: {out} could not be written: No space left on device."}


@pytest.mark.parametrize("error", [DataError("The data are gone."), WorkerError("No memory.")])
def test_errors_keep_what_there_is(wanted, out, capsys, unaided, error):
    unaided.limit, unaided.error = 1, error
    status, _, err = call(capsys, wanted(), "--out", out, "--quiet")
    assert status == 1
    assert err.startswith(f"qnviz: {error} {out} keeps 30 of 90 runs")
    assert SweepResult.load(out).fraction > 0


def test_a_fault_of_qnviz_keeps_what_there_is_too(wanted, out, capsys, unaided):
    unaided.limit, unaided.error = 1, ZeroDivisionError("a bug")
    with pytest.raises(ZeroDivisionError):
        main(["sweep", str(wanted()), "--out", str(out), "--quiet"])
    assert "keeps 30 of 90 runs" in capsys.readouterr().err


# --- wrong requests -------------------------------------------------------------------------------

def axis(**fields):
    return swept({"x": SPEC["sweep"]["x"] | fields})


BAD = {
    "no sweep": ({k: v for k, v in SPEC.items() if k != "sweep"}, "sweep is missing"),
    "equal ends": (axis(**{"from": 0.1, "to": 0.1}), "take points = 1"),
    "log through 0": (axis(**{"from": 0.0}), "a log axis needs ends above 0"),
    "log from below 0": (axis(**{"from": -1}), "a log axis needs ends above 0"),
    "no points": (axis(points=0), "points is 0"),
    "unknown field": (axis(field="speed"), "'speed'"),
    "not allowed there": (axis(to=1.5), "sweep.x: lam is 1.5"),
    "too many": (swept({"seeds": 10_000, "x": SPEC["sweep"]["x"] | {"points": 1000}}), "limit")}


@pytest.mark.parametrize("case", BAD)
def test_bad_sweeps_end_with_status_2_and_a_sentence(wanted, out, capsys, case):
    content, named = BAD[case]
    status, text, err = call(capsys, wanted(content), "--out", out)
    assert (status, text) == (2, "")
    assert named in err
    assert all(line.startswith("qnviz: ") and line.endswith(".") for line in err.splitlines())
    assert not out.exists()


def test_places_that_cannot_be_written_are_refused_before_anything_is_computed(
        wanted, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command_sweep, "sweep", lambda *_: pytest.fail("it has computed"))
    status, _, err = call(capsys, wanted(), "--out", tmp_path / "no" / "sweep.npz")
    assert (status, "the folder 'no' does not exist" in err) == (2, True)
    status, _, err = call(capsys, wanted(), "--out", tmp_path)
    assert (status, "is a folder" in err) == (2, True)

    def denied(dir):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(command_sweep.tempfile, "TemporaryFile", denied)
    status, _, err = call(capsys, wanted(), "--out", tmp_path / "sweep.npz")
    assert (status, "could not be written: Permission denied." in err) == (1, True)


# --- odd grids that make sense --------------------------------------------------------------------

ODD = {
    "one point": {"x": {"field": "lam", "from": 0.1, "to": 0.1, "points": 1}, "y": None},
    "one point of a wide axis": {"x": {"field": "lam", "from": 0.1, "to": 0.5, "points": 1}},
    "one axis": {"y": None},
    "reversed": {"x": {"field": "lr", "from": 1.0, "to": 0.1, "points": 4}, "y": None},
    "linear through 0": {"x": {"field": "start.0", "from": -1, "to": 1, "points": 3}, "y": None}}


@pytest.mark.parametrize("case", ODD)
def test_odd_grids_are_computed(wanted, out, capsys, unaided, case):
    content = swept(ODD[case])
    status, text, _ = call(capsys, wanted(content), "--out", out)
    assert status == 0
    assert f"Saved {out}." in text
    assert_whole(out, content)
    if case == "reversed":
        assert SweepResult.load(out).spec.values["x"].tolist() == [1.0, 0.7, 0.4, 0.1]


def test_runs_that_all_diverge_are_told_as_such(wanted, out, capsys, unaided):
    content = SPEC | {"methods": [{"name": "sgd"}], "steps": 200, "sweep": {
        "x": {"field": "lr", "from": 5, "to": 10, "points": 4}, "seeds": 2}}
    status, text, _ = call(capsys, wanted(content), "--out", out)
    assert status == 0
    assert "8 diverged." in text
    assert "No cell reached the target" in text
    assert np.isnan(SweepResult.load(out)["final_loss"]).all()


# --- as a process ---------------------------------------------------------------------------------

def process(*args):
    return subprocess.Popen([sys.executable, "-m", "qnviz", "sweep", *map(str, args)], cwd=ROOT,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env={**os.environ, "PYTHONUTF8": "1", "QNVIZ_WORKERS": "2"})


def workers_of(pid):
    return [child for child in children(pid) if "popen_loky" in command(child)]


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def under_way(running):
    """Read the progress bar until something was computed."""
    line = ""
    while not (line.endswith("]") and "| 0/" not in line):
        char = running.stderr.read(1)          # text: \r comes as \n
        assert char, line
        line = "" if char == "\n" else line + char


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_process_keeps_what_it_has_and_leaves_nobody_behind(wanted, out, how):
    running = process(wanted(LONG), "--out", out)
    under_way(running)
    workers = workers_of(running.pid)
    assert workers
    running.send_signal(how)
    text, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert "the same command goes on from there" in err
    assert "Traceback" not in err
    assert text == ""
    found = SweepResult.load(out)
    assert 0 < found.fraction < 1
    until(lambda: not any(map(alive, workers)))


def test_a_killed_worker_changes_no_number(wanted, tmp_path):
    content = LONG | {"steps": 100, "sweep": LONG["sweep"] | {"seeds": 24}}
    killed = tmp_path / "killed.npz"
    running = process(wanted(content), "--out", killed)
    under_way(running)
    os.kill(workers_of(running.pid)[0], signal.SIGKILL)
    _, err = running.communicate(timeout=200)
    assert running.returncode == 0, err
    assert "A worker process was killed; its tasks are computed again." in err
    assert_whole(killed, content)


def test_a_wrong_number_of_workers_gets_a_sentence(wanted, out, capsys, monkeypatch):
    monkeypatch.setenv("QNVIZ_WORKERS", "two")
    status, text, err = call(capsys, wanted(), "--out", out, "--quiet")
    assert (status, text) == (1, "")
    assert err.startswith("qnviz: QNVIZ_WORKERS is 'two', but must be a whole number")
    assert issubclass(WorkerError, QnvizError)
