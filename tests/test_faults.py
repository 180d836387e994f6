"""What goes wrong around a computation: full disks, damaged files, NaN, memory, visitors."""

import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from qnviz.__main__ import main
from qnviz.errors import DataError, DeviceError, TraceError
from qnviz.figures.maps.cells import Quantity, cells
from qnviz.jobs import fair
from qnviz.jobs.running import Run
from qnviz.jobs.store import Store
from qnviz.methods.registry import METHODS
from qnviz.numbers import say
from qnviz.problems.data import curves, files
from qnviz.problems.data.uploads import save_upload
from qnviz.runs.loop import run
from qnviz.runs.trace import Trace
from qnviz.scoreboard import board as scoreboard_board
from qnviz.scoreboard.board import Board
from qnviz.sweeps import tile as work_tile
from qnviz.sweeps.result import SweepResult
from qnviz.sweeps.spec import parse_sweep
from qnviz.sweeps.tiles import compute, tiles
from qnviz.ui.labs.open_view import MEDIAN, ended
from qnviz.ui.maps import scoreboard
from qnviz.ui.state import store
from tests.helpers import assert_same, spec
from tests.image_files import npy

ASSETS = store.ASSETS
LONG = spec("adam", steps=9_000, runs=40)
SWEEP = parse_sweep({
    "problem": {"name": "rosenbrock", "noise": 1.0}, "methods": [{"name": "sgd"}], "steps": 20,
    "sweep": {"x": {"field": "lr", "from": 1e-4, "to": 1e-3, "points": 16}, "seeds": 4}})


def until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


# --- disks ----------------------------------------------------------------------------------------

@contextmanager
def full_disk(room=100):
    """No file may grow beyond `room` bytes: the system itself refuses to write on."""
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)


@pytest.fixture(scope="module")
def trace():
    return run(spec("adam", "kbfgs", steps=40))


COMMANDS = {
    "run": ["run", "{spec}", "--out", "{out}", "--quiet"],
    "page": ["export", "{trace}", "--out", "{out}.html", "--quiet"],
    "numbers": ["export", "{trace}", "--out", "{out}.csv", "--quiet"]}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("before", [b"what was there before", None])
def test_a_command_whose_file_does_not_fit_says_so_and_leaves_what_was_there(
        name, before, trace, tmp_path, capsys):
    given = {"spec": tmp_path / "spec.json", "trace": tmp_path / "given.npz"}
    given["spec"].write_text(spec("adam", steps=40).model_dump_json())
    trace.save(given["trace"])
    words = [w.format(out=tmp_path / "out", **given) for w in COMMANDS[name]]
    out = Path(words[3])
    if before:
        out.write_bytes(before)
    there = sorted(tmp_path.iterdir())
    with full_disk():
        status = main(words)
    assert status == 1
    assert capsys.readouterr().err == f"qnviz: {out} could not be written: File too large.\n"
    assert sorted(tmp_path.iterdir()) == there
    assert not before or out.read_bytes() == before


@pytest.mark.parametrize("save", [
    lambda path: SweepResult(SWEEP).save(path),
    lambda path: Board().save(path),
    lambda path: files.write(path, b"x" * 1000)], ids=["sweep", "scoreboard", "data"])
def test_a_file_that_does_not_fit_leaves_what_was_there(save, tmp_path):
    path = tmp_path / "kept"
    path.write_bytes(b"before")
    with full_disk(), pytest.raises(OSError, match="File too large"):
        save(path)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_file_is_written_to_and_a_link_stays_one(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    Board().save(tmp_path / "link")
    Board().save("/dev/null")
    assert (tmp_path / "link").is_symlink()
    assert scoreboard_board.load(tmp_path / "file").cells == {}
    assert Path("/dev/null").is_char_device()


def test_an_upload_that_does_not_fit_says_so_and_leaves_nothing(where):
    content = npy(np.arange(20 * 64).reshape(20, 8, 8).astype(np.uint8))
    with full_disk(), pytest.raises(DataError, match="cannot be written into the data folder: "
                                                     "File too large"):
        save_upload("mine.npy", content)
    assert not list(where.iterdir())


def test_curves_are_drawn_where_they_cannot_be_kept(where, monkeypatch):
    monkeypatch.setattr(curves, "TRAIN", 20)
    monkeypatch.setattr(curves, "TEST", 10)
    with full_disk():
        drawn = curves.images(where)
    np.testing.assert_array_equal(drawn, curves.draw(30))
    assert not [p for p in where.rglob("*") if p.is_file()]


# --- damaged files --------------------------------------------------------------------------------

def damages(content):
    """The same bytes, damaged in all ways in which files are."""
    rng = np.random.default_rng(0)
    yield b""
    yield rng.bytes(len(content))
    for part in rng.uniform(0, 1, 8):
        yield content[:int(part * len(content))]
    for at in rng.integers(0, len(content), 30):
        yield content[:at] + bytes([content[at] ^ 1 << int(rng.integers(8))]) + content[at + 1:]
    entries = [at for at in range(len(content)) if content[at:at + 4] == b"PK\1\2"]
    for at in rng.choice(entries, 8) + 32 if entries else ():  # how long an entry's comment is
        for bit in range(16):
            new = int.from_bytes(content[at:at + 2], "little") ^ 1 << bit
            yield content[:at] + new.to_bytes(2, "little") + content[at + 2:]
    for at in rng.integers(0, len(content) - 64, 4):           # a block that was never written
        yield content[:at] + bytes(64) + content[at + 64:]


@pytest.mark.parametrize("name", ["trace", "sweep", "curves"])
def test_a_damaged_file_is_refused_or_gives_the_same_numbers(name, trace, where, monkeypatch):
    """Each byte of an archive is under a checksum, or says nothing about the numbers."""
    path = where / "file.npz"
    if name == "trace":
        trace.save(path)
        load, same = Trace.load, assert_same
    elif name == "sweep":
        path.write_bytes((ASSETS / "atlas-left.npz").read_bytes())
        load, same = SweepResult.load, lambda a, b: [
            np.testing.assert_array_equal(a[n], b[n]) for n in b.columns]
    else:
        monkeypatch.setattr(curves, "TRAIN", 20)
        monkeypatch.setattr(curves, "TEST", 10)
        path = where / "cache" / f"curves-{curves.VERSION}.npz"
        load, same = (lambda path: curves.images(where)), np.testing.assert_array_equal
        load(path)
    content, good = path.read_bytes(), load(path)
    refused = []
    for damaged in damages(content):
        path.write_bytes(damaged)
        try:
            found = load(path)
        except TraceError as error:
            refused.append(str(error))
        else:
            same(found, good)
    assert all(words.startswith("file.npz ") and words.endswith(".") for words in refused)
    assert len(refused) > 30 or name == "curves"           # these are drawn anew


def test_a_damaged_scoreboard_is_refused(tmp_path):
    content = (ASSETS / "scoreboard.json").read_bytes()
    path = tmp_path / "board.json"
    half = content.replace(b'"status":["', b'"status":["converged","', 1)
    for damaged in (b"", b"\0" * 99, content[:len(content) // 2], b"[]", b'{"cells": [[]]}', half,
                    b"[" * 100_000, b'{"cells": [], "seed": 0}'):
        path.write_bytes(damaged)
        with pytest.raises(TraceError, match=r"^board\.json "):
            scoreboard_board.load(path)


@pytest.fixture
def damaged_assets(tmp_path, monkeypatch):
    """The files that come with the project, all of them damaged."""
    for path in ASSETS.iterdir():
        if path.suffix in (".npz", ".json") and path.name != "digits.npz":
            (tmp_path / path.name).write_bytes(path.read_bytes()[:1000])
    for module in (store, scoreboard):
        monkeypatch.setattr(module, "ASSETS", tmp_path)
    monkeypatch.setattr(store, "STORE", Store(store.MAX_BYTES))
    caches = store._read, scoreboard.shipped
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


@pytest.mark.parametrize("page", ["rosenbrock", "scoreboard"])
def test_a_page_whose_shipped_numbers_are_damaged_works(page, damaged_assets, caplog):
    app = AppTest.from_file(str(Path(__file__).parents[1] / "pages" / f"{page}.py"),
                            default_timeout=60).run()
    assert not app.exception
    assert "cannot be used" in caplog.text


# --- NaN ------------------------------------------------------------------------------------------

@pytest.fixture
def poisoned(monkeypatch):
    """Turns one run of a method into NaN at its third step."""
    def poison(method, r):
        plain, steps = METHODS[method].step, []

        def step(self, oracle, state, p):
            state, seen = plain(self, oracle, state, p)
            steps.append(0)
            if len(steps) == 3:
                state.theta = state.theta.clone()
                state.theta[r] = torch.nan
            return state, seen

        monkeypatch.setattr(METHODS[method], "step", step)
    return poison


@pytest.mark.parametrize("name", [n for n, m in METHODS.items() if m.family != "outside"])
def test_a_run_of_64_that_turns_nan_is_told_and_touches_no_other(name, poisoned):
    wanted = spec({"name": name}, steps=20, runs=64)
    calm = run(wanted)
    r = int(calm[name]["stopped"].argmax())
    poisoned(name, r)
    found = run(wanted)
    others = np.arange(64) != r
    c, d = calm[name], found[name]
    for column in ("theta", "loss", "work", "status", "stopped"):
        a, b = (x[column] if column in ("status", "stopped") else x[column].swapaxes(0, 1)
                for x in (c, d))
        np.testing.assert_array_equal(a[others], b[others], err_msg=column)
    assert d["status"][r] == "diverged"
    assert found.ends[name][r].startswith("Diverged at step 3: ")
    assert "no longer finite" in found.ends[name][r]
    table = ended(found).iloc[0]
    assert table["diverged"] == (d["status"] == "diverged").sum()
    left = np.median(d["loss"][-1][d["status"] != "diverged"])
    assert table[f"{MEDIAN}, without the diverged"] == say(left)


def test_a_run_of_64_in_a_sweep_that_turns_nan_is_counted_and_touches_no_other(poisoned):
    calm, found = SweepResult(SWEEP), SweepResult(SWEEP)
    every = list(tiles(SWEEP))
    for tile in every:
        calm.put(tile, compute(SWEEP, tile))
    poisoned("sgd", 1)
    for tile in every:                         # in the first of them the second cell is hit
        found.put(tile, compute(SWEEP, tile))
    hit = np.zeros(SWEEP.shape, bool)
    hit.reshape(-1, 4)[every[0].cells[1], every[0].seed] = True
    for name, column in found.columns.items():
        np.testing.assert_array_equal(column[~hit], calm[name][~hit], err_msg=name)
    assert found["status"][hit] == "diverged"
    assert np.isnan(found["final_loss"][hit])
    cell = cells(found.columns, Quantity("final_loss", "loss"))
    assert cell.runs.sum() == 64
    assert cell.diverged[0].tolist() == hit.sum(-1)[0].tolist()


# --- memory ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("error", [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."), MemoryError(),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")], ids=lambda e: type(
        e).__name__)
def test_a_lab_whose_run_does_not_fit_says_so(error, jobs, monkeypatch):
    def step(*args):
        raise error

    monkeypatch.setattr(METHODS["adam"], "step", step)
    job = jobs.watch("me", Run(spec("adam")))
    assert job.over.wait(20)
    assert isinstance(job.error, DeviceError)
    assert str(job.error).startswith("The memory of cpu does not hold this run: 5 runs of 1 method")
    with pytest.raises(DeviceError):
        run(spec("adam"))


def test_another_fault_of_torch_stays_what_it_is(monkeypatch):
    def step(*args):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(METHODS["adam"], "step", step)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        run(spec("adam"))


# --- visitors -------------------------------------------------------------------------------------

def test_who_comes_back_after_a_sleep_gets_the_whole_run(jobs, monkeypatch):
    """A computer that slept has stopped nothing."""
    monkeypatch.setattr(fair, "SILENCE", 0.1)
    slept = jobs.watch("me", Run(LONG))
    assert slept.over.wait(20)
    assert not slept.complete
    monkeypatch.setattr(fair, "SILENCE", 60.0)
    again = jobs.watch("me", Run(LONG))
    assert again is not slept
    until(lambda: again.snapshot().fraction > 0)
    assert not again.over.is_set()


def test_stopping_ends_a_run_for_who_stops_it_alone(jobs):
    job = jobs.watch("a", Run(LONG))
    assert jobs.watch("b", Run(LONG)) is job
    until(lambda: job.snapshot().value is not None)
    jobs.stop("a")
    mine = jobs.watch("a", Run(LONG))
    assert mine is not job
    assert mine.over.is_set()
    assert not mine.complete
    assert mine.snapshot().value.ends["adam"][0].startswith("Interrupted at step")
    assert jobs.watch("a", Run(LONG)) is mine
    done = job.snapshot("b").fraction
    until(lambda: job.snapshot("b").fraction > done)
    jobs.leave("a")
    assert jobs.watch("a", Run(LONG)) is job           # who wants to go on, does so with the others
    jobs.leave("a")
    jobs.stop("b")
    assert job.over.wait(20)


def test_who_stops_after_all_others_have_gone_ends_the_run(jobs):
    there = {"a", "b"}
    job = jobs.watch("a", Run(LONG), lambda: "a" in there)
    jobs.watch("b", Run(LONG), lambda: "b" in there)
    there.remove("b")
    jobs.stop("a")
    assert job.over.wait(20)


def test_a_pause_holds_what_one_sees_and_the_run_once_all_want_it(jobs):
    job = jobs.watch("a", Run(LONG))
    jobs.watch("b", Run(LONG))
    until(lambda: job.snapshot("a").fraction > 0)
    job.pause("a")
    held = job.snapshot("a")
    assert held.paused
    until(lambda: job.snapshot("b").fraction > held.fraction)
    assert not job.snapshot("b").paused
    assert job.snapshot("a") is held
    job.pause("b")
    until(lambda: job.snapshot("a").paused and job.snapshot("a") is not held)
    jobs.watch("c", Run(LONG))                              # who has not paused goes before
    assert not job.snapshot("c").paused
    jobs.leave("c")
    assert job.snapshot("b").paused
    job.resume("a")
    assert not job.snapshot("a").paused


def test_flags_of_killed_processes_are_taken_away(tmp_path, monkeypatch):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left, others, mine = (tmp_path / f"qnviz-halt-{name}" for name in (
        f"{gone.pid}-1", f"{os.getppid()}-1", "notes"))
    for path in (left, others, mine):
        path.touch()
    monkeypatch.setattr(work_tile.tempfile, "gettempdir", lambda: str(tmp_path))
    flag = work_tile.Halt()
    flag.set()
    assert sorted(tmp_path.iterdir()) == sorted([others, mine, Path(flag.path)])
    del flag
    assert sorted(tmp_path.iterdir()) == sorted([others, mine])
