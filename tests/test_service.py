"""One service for what takes long: runs, sweeps and scoreboards are shared and stopped alike."""

import threading
import time
from types import SimpleNamespace

import pytest

from qnviz.errors import Interrupted
from qnviz.jobs import workers
from qnviz.jobs.fair import compute
from qnviz.jobs.running import Run
from qnviz.jobs.store import Store
from qnviz.jobs.threads import Threads
from qnviz.scoreboard.scoring import Scoreboard
from qnviz.scoreboard.table import ROWS
from qnviz.sweeps import sweeping
from qnviz.sweeps.result import SweepResult
from qnviz.sweeps.spec import parse_sweep
from qnviz.sweeps.sweeping import Sweep
from tests.helpers import spec

GRID = parse_sweep({
    "problem": {"name": "rosenbrock"}, "methods": [{"name": "sgd"}], "steps": 2000, "device": "cpu",
    "sweep": {"x": {"field": "lr", "from": 1e-4, "to": 1e-3, "points": 16}, "seeds": 90}})
QUICK = tuple(key for key, row in ROWS.items() if not row.tuned)
MAKE = {"run": lambda: Run(spec("adam", "kbfgs", steps=9_000, runs=40)),
        "sweep": lambda: Sweep(GRID),
        "scoreboard": lambda: Scoreboard(QUICK, ("rosenbrock", "noise_1", "noise_3"), 10, 0,
                                         kept=None)}


@pytest.fixture(autouse=True)
def _few_workers(monkeypatch):
    """Pieces are computed by a thread, and nothing is kept."""
    pool = Threads(1)
    monkeypatch.setattr(workers, "pool", lambda: pool)
    monkeypatch.setattr(sweeping, "RESULTS", Store(sweeping.KEPT))


def until(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


@pytest.fixture(params=MAKE)
def make(request):
    """Makes equal computations of each kind."""
    return MAKE[request.param]


def test_equal_requests_are_shared_and_different_ones_are_not(make, jobs):
    job = jobs.watch("a", make())
    assert jobs.watch("b", make()) is job
    assert jobs.watch("b", make(), slot="another") is job
    assert job.names == {"a", "b"}
    others = [jobs.watch("a", other(), slot="other") for other in MAKE.values()]
    assert sum(other is job for other in others) == 1
    jobs.leave("a", "other")
    assert not job.over.is_set()


def test_who_stops_ends_it_alone_and_the_last_for_all(make, jobs):
    job = jobs.watch("a", make())
    jobs.watch("b", make())
    until(lambda: job.snapshot().fraction > 0)
    mine = jobs.stop("a")
    assert mine is not job
    assert mine.over.is_set()
    assert not job.over.is_set()
    assert 0 < mine.snapshot().fraction < 1
    assert jobs.watch("a", make()) is mine
    assert jobs.watch("c", make()) is job
    jobs.leave("c")
    assert jobs.stop("b") is job
    assert job.over.wait(20)
    assert not job.complete


def test_a_pause_of_all_viewers_holds_it(make, jobs):
    job = jobs.watch("a", make())
    until(lambda: job.snapshot().fraction > 0)
    job.pause("a")
    assert job.snapshot("a").paused
    until(lambda: not job.flying)
    held = job.snapshot("a").fraction
    time.sleep(0.3)
    assert job.snapshot("a").fraction == held
    assert not job.over.is_set()
    job.resume("a")
    until(lambda: job.snapshot("a").fraction > held or job.over.is_set())
    assert job.error is None


def test_a_computation_without_viewers_can_be_stopped():
    stop, seen = threading.Event(), []

    def progress(done, total):
        seen.append(done)
        stop.set()

    result = SweepResult(GRID)
    with pytest.raises(Interrupted):
        compute(Sweep(GRID, result, progress), stop)
    assert seen[0] <= round(result.fraction * GRID.size) < GRID.size


def test_a_store_counts_bytes_and_drops_what_was_not_used_for_longest():
    value = lambda size: SimpleNamespace(nbytes=size)
    store, a, b, c = Store(10), value(4), value(5), value(3)
    store.put("a", a)
    store.put("b", b)
    assert store.get("a") is a
    store.put("c", c)
    assert [store.get(key) for key in "abc"] == [a, None, c]
    store.put("a", value(6))                           # in place of the smaller one
    assert (len(store), store.nbytes) == (2, 9)
    assert store.take("c") is c
    assert store.take("c") is None
    store.put("large", value(11))
    assert (len(store), store.nbytes) == (1, 6)


def test_threads_come_when_needed_and_leave_when_idle():
    pool, gate = Threads(2), threading.Event()
    futures = [pool.submit(gate.wait, 10) for _ in range(3)]
    until(lambda: sum(f.running() for f in futures) == 2)
    assert not futures[2].running()
    gate.set()
    assert all(f.result(10) for f in futures)
    until(lambda: pool._there == 0)
    assert pool.submit(int, "7").result(10) == 7
