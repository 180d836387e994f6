"""Sweeps for many viewers: shared, fair, kept, resumed; and sweeps without viewers."""

import threading
import time
from concurrent.futures import Future

import numpy as np
import pytest
import torch

from qnviz.errors import DataError, Interrupted, SpecError, WorkerError
from qnviz.jobs import fair, workers
from qnviz.jobs import job as job_module
from qnviz.jobs.store import Store
from qnviz.jobs.threads import Threads
from qnviz.jobs.workers import LocalPool
from qnviz.scoreboard import scoring
from qnviz.scoreboard.board import Cell
from qnviz.scoreboard.scoring import Scoreboard
from qnviz.scoreboard.table import COLUMNS, ROWS
from qnviz.sweeps import sweeping
from qnviz.sweeps import tile as work_tile
from qnviz.sweeps.result import SweepResult
from qnviz.sweeps.spec import parse_sweep
from qnviz.sweeps.sweeping import Sweep, sweep
from qnviz.sweeps.tiles import compute, tiles


def grid(points=16, seeds=4, steps=3, **fields):
    """A small sweep of several tiles."""
    return parse_sweep({
        "problem": {"name": "rosenbrock", "noise": 1.0}, "methods": [{"name": "sgd"}],
        "steps": steps, "device": "cpu", "sweep": {
            "x": {"field": "lr", "from": 1e-4, "to": 1e-2, "points": points, "scale": "log"},
            "seeds": seeds}} | fields)


def assert_equal(a, b):
    assert a.complete
    assert b.complete
    assert set(a.columns) == set(b.columns)
    for name in a.columns:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


class Stage:
    """A pool whose tasks a test carries out one by one."""

    def __init__(self, size=2):
        self.size, self.note, self.tasks = size, None, []

    def submit(self, function, *args):
        future = Future()
        self.tasks.append((function, args, future))
        return future

    def specs(self):
        """Whose tiles are in flight."""
        return [args[0].key() for _, args, _ in self.tasks]

    def finish(self, n=0, error=None):
        """Carry out the n-th task in flight."""
        until(lambda: len(self.tasks) > n)
        function, args, future = self.tasks.pop(n)
        if error is not None:
            future.set_exception(error)
            return
        try:
            future.set_result(function(*args))
        except Exception as raised:
            future.set_exception(raised)

    def run(self, job):
        """Carry out whatever comes until a job is over."""
        while not job.over.wait(0.01):
            if self.tasks:
                self.finish()


@pytest.fixture
def stage(monkeypatch):
    made = Stage()
    monkeypatch.setattr(workers, "pool", lambda: made)
    return made


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch):
    """No test finds what another has computed."""
    monkeypatch.setattr(sweeping, "RESULTS", Store(sweeping.KEPT))


@pytest.fixture
def sweeps(stage, jobs):
    """A service on the stage."""
    return jobs


@pytest.fixture
def local(monkeypatch):
    """Two real worker processes."""
    made = LocalPool(2)
    monkeypatch.setattr(workers, "pool", lambda: made)
    yield made
    made.close()


# --- without viewers ------------------------------------------------------------------------------

def plain(spec):
    """The same without workers: tile by tile."""
    result = SweepResult(spec)
    for tile in tiles(spec):
        result.put(tile, compute(spec, tile))
    return result


def test_a_sweep_of_workers_is_the_sweep(local):
    spec, seen = grid(), []
    found = sweep(spec, progress=lambda done, total: seen.append((done, total)))
    assert_equal(found, plain(spec))
    assert [total for _, total in seen] == [spec.size] * len(tiles(spec))
    assert sorted(seen) == seen
    assert seen[-1] == (spec.size, spec.size)


def test_only_what_is_missing_is_computed(stage):
    spec, begun = grid(), SweepResult(grid())
    first = tiles(spec)[0]
    begun.put(first, compute(spec, first))
    whole = plain(spec)
    thread = threading.Thread(target=sweep, args=(spec, begun))
    thread.start()
    computed = []
    while thread.is_alive() or stage.tasks:
        if stage.tasks:
            computed.append(stage.tasks[-1][1][1].number)
            stage.finish(len(stage.tasks) - 1)         # in whatever order
    thread.join()
    assert first.number not in computed
    assert len(computed) == len(tiles(spec)) - 1
    assert_equal(begun, whole)


def test_a_result_of_another_sweep_is_refused(stage):
    with pytest.raises(SpecError, match="another sweep"):
        sweep(grid(), SweepResult(grid(seeds=5)))


def test_a_sweep_can_be_stopped_and_keeps_what_there_is(stage):
    spec, stop, result, raised = grid(seeds=6), threading.Event(), SweepResult(grid(seeds=6)), []

    def body():
        try:
            sweep(spec, result, stop=stop)
        except Interrupted as error:
            raised.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    stage.finish()
    until(result.have.any)
    stop.set()
    thread.join(10)
    assert raised
    assert 0 < result.fraction < 1
    while stage.tasks:                                 # tiles that still fly have been halted
        future = stage.tasks[0][2]
        stage.finish()
        assert isinstance(future.exception(), Interrupted)


def test_errors_of_tiles_come_out(stage):
    thread_error = []

    def body():
        try:
            sweep(grid())
        except DataError as error:
            thread_error.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    stage.finish(error=DataError("gone"))
    thread.join(10)
    assert str(thread_error[0]) == "gone"


def test_a_saved_sweep_is_gone_on_from_where_tiles_are_cut_otherwise(tmp_path, monkeypatch):
    """As on a GPU, what a CPU has begun."""
    from qnviz.sweeps import tiles as module

    spec, begun = grid(), SweepResult(grid())
    for tile in tiles(spec)[:2]:
        begun.put(tile, compute(spec, tile))
    begun.save(tmp_path / "begun.npz")
    whole = plain(spec)
    monkeypatch.setattr(module, "tile_runs", lambda _: 5)
    module._tiles.cache_clear()
    try:
        found = SweepResult.load(tmp_path / "begun.npz")
        assert found.fraction == begun.fraction
        assert found.have.sum() > 2
        for tile in found.missing:
            found.put(tile, compute(spec, tile))
        assert_equal(found, whole)
    finally:
        module._tiles.cache_clear()


# --- memory and devices ---------------------------------------------------------------------------

def test_a_tile_that_does_not_fit_is_halved_and_its_numbers_stay(monkeypatch):
    spec = grid(points=33, seeds=1)
    from qnviz.sweeps import tiles as module

    totals, sizes = module.totals, []

    def narrow(s, method, problem, runs, check):
        sizes.append(len(runs.theta))
        if len(runs.theta) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return totals(s, method, problem, runs, check)

    whole = plain(spec)
    monkeypatch.setattr(module, "totals", narrow)
    found = SweepResult(spec)
    for tile in tiles(spec):
        found.put(tile, work_tile.work(spec, tile, "/nowhere"))
    assert_equal(found, whole)
    assert max(sizes) > 5


def test_a_device_that_holds_not_even_one_run_is_named(monkeypatch):
    from qnviz.sweeps import tiles as module

    def full(*args):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(module, "totals", full)
    with pytest.raises(WorkerError, match="The memory of cpu does not hold a single run"):
        work_tile.work(grid(), tiles(grid())[0], "/nowhere")


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_tiles_for_a_gpu_stay_in_this_process(monkeypatch, sweeps, stage, device):
    """With a device that only pretends to be a GPU."""
    here, seen = Threads(1, 60.0), []
    monkeypatch.setattr(workers, "THREAD", here)
    monkeypatch.setattr(sweeping, "resolve", lambda *_: (torch.device(device), "on a GPU"))

    def work(spec, tile, halt):
        seen.append((spec.device, threading.get_ident()))
        return compute(spec.model_copy(update={"device": "cpu"}), tile)

    monkeypatch.setattr(sweeping, "work", work)
    spec = grid()
    assert_equal(sweep(spec), plain(spec))
    job = sweeps.watch("me", Sweep(grid(steps=4)))
    assert job.over.wait(20)
    here.close()
    assert_equal(job.snapshot().value, plain(grid(steps=4)))
    assert {d for d, _ in seen} == {device}
    assert len({t for _, t in seen}) == 1
    assert not stage.tasks


def test_workers_are_told_the_device_that_was_found_here(stage, sweeps):
    sweeps.watch("me", Sweep(grid(device="auto")))
    until(lambda: stage.tasks)
    assert stage.tasks[0][1][0].device == "cpu"


# --- one viewer -----------------------------------------------------------------------------------

def test_a_job_computes_the_sweep_and_shows_it_growing(stage, sweeps, monkeypatch):
    monkeypatch.setattr(sweeping, "FRESH", 0.0)
    spec = grid(seeds=6)
    job = sweeps.watch("me", Sweep(spec))
    assert job.snapshot().value is None
    assert job.snapshot().fraction == 0
    stage.finish()
    until(lambda: job.snapshot().fraction > 0)
    until(lambda: job.snapshot().value is not None)
    early = job.snapshot()
    assert early.value is job.snapshot().value           # nothing new: the same object
    copy = early.value.copy()
    assert early.place == 0
    stage.run(job)
    late = job.snapshot()
    assert_equal(late.value, plain(spec))
    assert late[1:] == (1.0, 0.0, 0, False)
    assert job.error is None
    for name in copy.columns:                          # a snapshot stays as it was
        np.testing.assert_array_equal(copy[name], early.value[name])
    with pytest.raises(ValueError, match="read-only"):
        late.value["work"][0] = 1


def test_snapshots_are_made_only_for_those_who_look_and_not_too_often(stage, sweeps, monkeypatch):
    copies = []
    monkeypatch.setattr(SweepResult, "copy",
                        lambda self, copy=SweepResult.copy: copies.append(1) or copy(self))
    monkeypatch.setattr(sweeping, "FRESH", 1e9)
    job = sweeps.watch("me", Sweep(grid(seeds=8)))
    stage.finish()
    stage.finish()
    until(lambda: job.snapshot().fraction > 0)
    for _ in range(20):
        job.snapshot()
    stage.run(job)
    assert len(copies) == 1
    assert job.snapshot().value.complete


def test_time_left_is_told_when_something_was_computed(stage, sweeps, monkeypatch):
    monkeypatch.setattr(job_module, "EARLY", 0.0)
    job = sweeps.watch("me", Sweep(grid(seeds=8)))
    assert job.snapshot().left is None
    for _ in range(4):
        stage.finish()
    until(lambda: job.snapshot().left is not None)
    assert job.snapshot().left > 0


def test_an_error_reaches_whoever_waits_and_is_not_tried_again_for_them(stage, sweeps):
    job = sweeps.watch("me", Sweep(grid()))
    stage.finish(error=DataError("the data are gone"))
    assert job.over.wait(10)
    assert str(job.error) == "the data are gone"
    assert sweeps.watch("me", Sweep(grid())) is job
    assert sweeps.watch("you", Sweep(grid())) is not job


def test_wrong_settings_are_the_jobs_error(monkeypatch, services):
    monkeypatch.setenv("QNVIZ_WORKERS", "zero")
    monkeypatch.setattr(workers, "_SWITCH", workers._Switch())
    job = services().watch("me", Sweep(grid()))
    assert job.over.wait(10)
    assert "QNVIZ_WORKERS" in str(job.error)


def test_a_viewer_that_cannot_be_asked_ends_its_sweep_only(stage, sweeps):
    def here():
        raise RuntimeError("no session")

    bad, good = sweeps.watch("bad", Sweep(grid(steps=4)), here), sweeps.watch("good", Sweep(grid()))
    assert bad.over.wait(10)
    assert str(bad.error) == "no session"
    stage.run(good)
    assert good.snapshot().value.complete


def test_stopping_keeps_what_there_is_for_the_next(stage, sweeps):
    spec = grid(seeds=6)
    job = sweeps.watch("me", Sweep(spec))
    stage.finish()
    until(lambda: job.snapshot().fraction > 0)
    job.stop()
    assert job.over.wait(1)
    shown = job.snapshot()
    assert not shown.value.complete
    assert 0 < shown.fraction < 1
    assert sweeps.watch("me", Sweep(spec)) is job      # who stopped it sees that it was stopped
    other = sweeps.watch("you", Sweep(spec))
    assert other is not job
    assert other.snapshot().fraction == shown.fraction
    numbers = [args[1].number for _, args, _ in stage.tasks]
    stage.run(other)
    assert_equal(other.snapshot().value, plain(spec))
    assert not job.snapshot().value.complete
    assert 0 not in numbers


def test_stopping_halts_tiles_that_are_being_computed(stage, sweeps):
    job = sweeps.watch("me", Sweep(grid(steps=2000)))
    until(lambda: stage.tasks)
    job.stop()
    for _ in range(len(stage.tasks)):
        future = stage.tasks[0][2]
        stage.finish()
        assert isinstance(future.exception(), Interrupted)


# --- many viewers ---------------------------------------------------------------------------------

def test_equal_sweeps_share_one_computation(stage, sweeps):
    jobs = {sweeps.watch(f"viewer {n}", Sweep(grid())) for n in range(10)}
    assert len(jobs) == 1
    job, = jobs
    computed = 0
    while not job.over.wait(0.01):
        if stage.tasks:
            stage.finish()
            computed += 1
    assert computed == len(tiles(grid()))
    again = sweeps.watch("late", Sweep(grid()))               # and afterwards it is there at once
    assert again.over.is_set()
    assert again.snapshot().value is job.snapshot().value
    assert not stage.tasks


def test_the_last_viewer_to_leave_ends_a_sweep(stage, sweeps):
    job = sweeps.watch("a", Sweep(grid()))
    sweeps.watch("b", Sweep(grid()))
    sweeps.leave("a")
    assert not job.over.is_set()
    sweeps.watch("b", Sweep(grid(steps=4)))                   # another sweep lets the first one go
    assert job.over.is_set()
    sweeps.leave("nobody")


def test_a_viewer_may_watch_several_slots(stage, sweeps):
    left, right = (sweeps.watch("a", Sweep(grid()), slot=slot) for slot in ("left", "right"))
    assert left is right
    other = sweeps.watch("a", Sweep(grid(steps=4)), slot="right")
    assert not left.over.is_set()
    assert other is not left
    sweeps.leave("a", "left")
    assert left.over.is_set()
    assert not other.over.is_set()


def test_a_sweep_ends_when_its_viewers_are_gone_and_goes_on_when_they_return(
        stage, sweeps, monkeypatch):
    monkeypatch.setattr(fair, "GONE", 0.05)
    monkeypatch.setattr(fair, "TICK", 0.02)
    there = {"a", "b"}
    job = sweeps.watch("a", Sweep(grid(seeds=6)), lambda: "a" in there)
    sweeps.watch("b", Sweep(grid(seeds=6)), lambda: "b" in there)
    stage.finish()
    until(lambda: job.snapshot().fraction > 0)
    there.remove("a")
    time.sleep(0.3)
    assert not job.over.is_set()
    there.remove("b")
    assert job.over.wait(10)
    there.add("a")
    again = sweeps.watch("a", Sweep(grid(seeds=6)), lambda: "a" in there)
    assert again is not job
    assert 0 < again.snapshot().fraction < 1
    stage.run(again)
    assert_equal(again.snapshot().value, plain(grid(seeds=6)))


def test_a_sweep_that_nobody_looks_at_ends(stage, sweeps, monkeypatch):
    monkeypatch.setattr(fair, "SILENCE", 0.1)
    monkeypatch.setattr(fair, "TICK", 0.02)
    assert sweeps.watch("me", Sweep(grid())).over.wait(10)


def shares(stage, jobs, tiles_each):
    """How many of the next tiles each job gets, when one lands after the other."""
    counts = dict.fromkeys((job.computation.spec.key() for job in jobs), 0)
    for _ in range(tiles_each):
        until(lambda: len(stage.tasks) == stage.size + fair.AHEAD)
        key = stage.tasks[0][1][0].key()
        counts[key] += 1
        stage.finish()
    return [counts[job.computation.spec.key()] for job in jobs]


def test_one_viewer_with_many_sweeps_gets_no_more_than_one_with_one(stage, sweeps, monkeypatch):
    monkeypatch.setattr(sweeping, "work", slow_as_said)
    greedy = [sweeps.watch("greedy", Sweep(grid(seeds=40, steps=n)), slot=str(n))
              for n in range(1, 11)]
    modest = sweeps.watch("modest", Sweep(grid(seeds=40, steps=20)))
    until(lambda: modest.begun)
    got = shares(stage, [*greedy, modest], 31)
    assert abs(got[-1] - sum(got[:-1])) <= 5
    assert modest.snapshot().place == 0


def test_a_viewer_with_a_board_and_ten_sweeps_gets_no_more_than_one_with_one_sweep(
        stage, sweeps, monkeypatch):
    """Tiles and cells take turns in the same queue."""
    monkeypatch.setattr(sweeping, "work", slow_as_said)
    monkeypatch.setattr(scoring, "compute", cell_as_said)
    rows, columns = tuple(ROWS), tuple(COLUMNS)
    board = sweeps.watch("greedy", Scoreboard(rows, columns, 10, 0, kept=None), slot="board")
    for n in range(1, 11):
        sweeps.watch("greedy", Sweep(grid(seeds=40, steps=n)), slot=str(n))
    modest = sweeps.watch("modest", Sweep(grid(seeds=40, steps=20)))
    until(lambda: modest.begun and board.begun)
    mine = greedy = cells = 0
    for _ in range(31):
        until(lambda: len(stage.tasks) == stage.size + fair.AHEAD)
        what = stage.tasks[0][1][0]
        cells += what in ROWS
        mine += what not in ROWS and what.key() == modest.computation.spec.key()
        greedy += what in ROWS or what.key() != modest.computation.spec.key()
        stage.finish()
    assert abs(mine - greedy) <= 5
    assert cells > 0
    assert board.snapshot().fraction > 0
    assert modest.snapshot().place == 0


def cell_as_said(row, column, repeats, seed, chosen):
    """A cell of which everyone believes that it took a second."""
    runs = np.full(repeats, 1 / repeats)
    return Cell(row, column, np.ones(repeats), runs, runs, runs, {}, ("", ""))


def slow_as_said(spec, tile, halt):
    """A tile of which everyone believes that it took a second."""
    rows = compute(spec, tile)
    return rows | {"seconds": np.full(len(tile.cells), 1 / len(tile.cells))}


def test_others_wait_with_their_place_and_a_viewers_second_sweep_after_all_first_ones(
        stage, services):
    sweeps = services(active=2)
    a = [sweeps.watch("a", Sweep(grid(steps=n)), slot=str(n)) for n in range(1, 5)]
    until(lambda: [j.snapshot().place for j in a] == [0, 0, 1, 2])
    b = sweeps.watch("b", Sweep(grid(steps=9)))
    until(lambda: [j.snapshot().place for j in (a[0], b, *a[1:])] == [0, 0, 1, 2, 3])
    c = sweeps.watch("c", Sweep(grid(steps=8)))
    until(lambda: c.snapshot().place == 1)
    assert [j.snapshot().place for j in a] == [0, 2, 3, 4]
    sweeps.leave("b")
    until(lambda: c.snapshot().place == 0)
    for job in [*a, c]:
        stage.run(job)
        assert job.snapshot().value.complete


def test_a_sweep_that_has_computed_for_long_makes_room(stage, services, monkeypatch):
    monkeypatch.setattr(job_module, "QUANTUM", 4.0)
    monkeypatch.setattr(sweeping, "work", slow_as_said)
    sweeps = services(active=1)
    heavy = sweeps.watch("a", Sweep(grid(seeds=40)))
    light = sweeps.watch("b", Sweep(grid(steps=4)))
    until(lambda: light.snapshot().place == 1)
    for _ in range(4):                         # of the heavy one alone: then a light one's come
        until(lambda: grid(seeds=40).key() in stage.specs())
        stage.finish(stage.specs().index(grid(seeds=40).key()))
    until(lambda: heavy.snapshot().place == 1)
    assert light.snapshot().place == 0
    stage.run(light)
    until(lambda: heavy.snapshot().place == 0)
    heavy.stop()


def test_few_tiles_are_in_flight(stage, sweeps):
    jobs = [sweeps.watch(str(n), Sweep(grid(steps=n))) for n in range(1, 6)]
    until(lambda: len(stage.tasks) == stage.size + fair.AHEAD)
    time.sleep(0.1)
    assert len(stage.tasks) == stage.size + fair.AHEAD
    for job in jobs:
        job.stop()


def test_real_workers_serve_many_viewers(local, services):
    sweeps = services()
    jobs = [sweeps.watch(f"viewer {n}", Sweep(grid(steps=n))) for n in range(1, 8)]
    for n, job in enumerate(jobs, 1):
        assert job.over.wait(60)
        assert job.error is None
        assert_equal(job.snapshot().value, plain(grid(steps=n)))


def test_the_queue_survives_a_fault_of_its_own(stage, sweeps, monkeypatch):
    monkeypatch.setattr(sweeps._pieces, "_rank", lambda: 1 / 0)
    job = sweeps.watch("me", Sweep(grid()))
    assert job.over.wait(10)
    assert isinstance(job.error, ZeroDivisionError)
    monkeypatch.undo()
    monkeypatch.setattr(workers, "pool", lambda: stage)
    other = sweeps.watch("you", Sweep(grid()))
    stage.run(other)
    assert other.snapshot().value.complete


def test_a_closed_queue_has_ended_its_sweeps_and_begins_anew_when_asked(stage, sweeps):
    job = sweeps.watch("me", Sweep(grid(seeds=6)))
    stage.finish()
    until(lambda: job.snapshot().fraction > 0)
    thread = sweeps._pieces._thread
    sweeps.close()
    assert not thread.is_alive()
    assert job.over.is_set()
    assert sweeps.busy == 0
    again = sweeps.watch("you", Sweep(grid(seeds=6)))
    assert 0 < again.snapshot().fraction < 1               # what was computed is kept
    stage.run(again)
    assert_equal(again.snapshot().value, plain(grid(seeds=6)))


def test_who_asks_while_a_queue_is_closed_is_served(stage, sweeps, monkeypatch):
    sweeps.watch("me", Sweep(grid(steps=4)))
    until(lambda: stage.tasks)
    asked = []
    monkeypatch.setattr(sweeps._pieces._thread, "join",
                        lambda: asked.append(sweeps.watch("you", Sweep(grid()))))
    sweeps.close()                                     # the old thread may not have ended by now
    stage.run(asked[0])
    assert_equal(asked[0].snapshot().value, plain(grid()))


# --- what is kept ---------------------------------------------------------------------------------

def test_a_shipped_result_is_shown_at_once(stage, sweeps):
    shipped = plain(grid())
    sweeping.keep(shipped)
    job = sweeps.watch("me", Sweep(grid()))
    assert job.over.is_set()
    assert job.snapshot() == (shipped, 1.0, 0.0, 0, False)
    assert not stage.tasks


def test_memory_of_kept_results_is_bounded():
    results = [SweepResult(grid(steps=n)) for n in range(1, 6)]
    for r in results:
        r.have[:] = True
    store = Store(3 * results[0].nbytes)
    for r in results[:3]:
        store.put(r.spec.key(), r)
    assert store.get(results[0].spec.key()) is results[0]      # the least wanted is now the second
    store.put(results[3].spec.key(), results[3])
    assert store.nbytes <= store.limit
    assert [store.get(r.spec.key()) is r for r in results] == [True, False, True, True, False]
    store.put("large", SweepResult(grid(points=999)))                # larger than all the room
    assert len(store) == 3
    partial = SweepResult(grid(steps=9))
    store.put(partial.spec.key(), partial)
    assert store.take(partial.spec.key()) is partial           # handed over
    assert store.get(partial.spec.key()) is None


# --- odd grids ------------------------------------------------------------------------------------

def test_a_million_cells_are_planned_shared_and_let_go(stage, sweeps):
    spec = parse_sweep({
        "problem": {"name": "rosenbrock"}, "methods": [{"name": "sgd"}], "steps": 2, "sweep": {
            "x": {"field": "lr", "from": 1e-4, "to": 1e-2, "points": 1000, "scale": "log"},
            "y": {"field": "momentum", "from": 0, "to": 0.9, "points": 1000}}})
    assert spec.size == sum(len(t.cells) for t in tiles(spec)) == 1_000_000
    job = sweeps.watch("me", Sweep(spec))
    for _ in range(5):
        stage.finish()
    until(lambda: job.snapshot().fraction > 0)
    until(lambda: job.snapshot().value is not None)
    job.stop()
    again = sweeps.watch("you", Sweep(spec))
    assert 0 < again.snapshot().fraction == job.snapshot().fraction < 1
    stage.finish(len(stage.tasks) - 1)
    again.stop()
