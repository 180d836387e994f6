"""A Dask cluster computes the very numbers that this machine does, also when parts of it die."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from qnviz.errors import DataError, WorkerError
from qnviz.jobs import cluster as work_dask
from qnviz.jobs import workers
from qnviz.sweeps.result import SweepResult
from qnviz.sweeps.spec import parse_sweep
from qnviz.sweeps.sweeping import Sweep, sweep
from qnviz.sweeps.tiles import compute, tiles

pytest.importorskip("distributed")
pytestmark = pytest.mark.xdist_group("dask")

ROOT = Path(__file__).resolve().parents[1]
SPEC = parse_sweep({
    "problem": {"name": "rosenbrock", "noise": 1.0}, "methods": [{"name": "kbfgs"}], "steps": 150,
    "stop_loss": 1e-3, "sweep": {
        "x": {"field": "lam", "from": 1e-3, "to": 0.9, "points": 12, "scale": "log"},
        "y": {"field": "lr", "from": 1e-3, "to": 3, "points": 12, "scale": "log"}, "seeds": 12}})


def dask(*args):
    return subprocess.Popen([sys.executable, "-m", "dask", *args, "--no-dashboard"], cwd=ROOT,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                            env={**os.environ, "PYTHONPATH": str(ROOT)})


class Cluster:
    """A scheduler and workers on this machine, each a process."""

    def __init__(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{port}"
        self.scheduler = dask("scheduler", "--host", "127.0.0.1", "--port", str(port))
        self.workers = []

    def add(self, count):
        """Start workers, and wait until they are known."""
        from distributed import Client

        # without a nanny the process itself computes, so a killed one stays away
        self.workers += [dask("worker", self.address, "--nthreads", "1", "--no-nanny")
                         for _ in range(count)]
        with Client(self.address, timeout=30, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=60)

    def end(self):
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def standing():
    """A scheduler and two workers for tests that leave them as they were."""
    made = Cluster()
    try:
        made.add(2)
        yield made
    finally:
        made.end()


@pytest.fixture
def ask(monkeypatch):
    """Sends tasks to a cluster, and forgets it after the test."""
    def use(made):
        monkeypatch.setenv("QNVIZ_DASK_SCHEDULER", made.address)
        monkeypatch.setenv("QNVIZ_WORKERS", "1")
        monkeypatch.setattr(workers, "_SWITCH", workers._Switch())
        monkeypatch.setattr(workers, "AGAIN", 1e9)     # however slow the machine is
        return made
    yield use
    workers.close()


@pytest.fixture
def shared(standing, ask):
    """The standing cluster, which tasks go to."""
    return ask(standing)


@pytest.fixture
def cluster(ask):
    """A scheduler and two workers of the test's own, to be killed; nothing is left of them."""
    made = Cluster()
    try:
        made.add(2)
        yield ask(made)
        workers.close()
    finally:
        made.end()


@pytest.fixture(scope="module")
def local():
    """What this very process computes."""
    result = SweepResult(SPEC)
    for tile in tiles(SPEC):
        result.put(tile, compute(SPEC, tile))
    return result


def assert_equal(a, b):
    assert a.complete
    for name in a.columns:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def process_of(_):
    return os.getpid()


def fail(text):
    raise DataError(text)


def slow(seconds):
    time.sleep(seconds)
    return os.getpid()


def when(fraction, act):
    """A progress that does something once, at some fraction."""
    done = []

    def progress(runs, total):
        if not done and runs >= fraction * total:
            done.append(act())
    return progress


def test_two_workers_give_the_numbers_of_this_machine(shared, local, jobs):
    pool = workers.pool()
    assert (pool.size, pool.note) == (2, None)
    assert pool.words == f"on 2 workers of the Dask cluster at {shared.address}"
    found = {pool.submit(slow, 0.3).result() for _ in range(4)} | {
        f.result() for f in [pool.submit(slow, 0.3) for _ in range(4)]}
    assert found == {p.pid for p in shared.workers}
    assert_equal(sweep(SPEC), local)
    job = jobs.watch("me", Sweep(SPEC))
    assert job.over.wait(100)
    assert_equal(job.snapshot().value, local)


def test_what_a_task_raises_comes_back(shared):
    with pytest.raises(DataError, match="the data are gone"):
        workers.pool().submit(fail, "the data are gone").result(30)
    assert workers.pool().note is None


def test_a_killed_worker_changes_no_number(cluster, local):
    found = sweep(SPEC, progress=when(0.3, lambda: cluster.workers[0].send_signal(signal.SIGKILL)))
    assert cluster.workers[0].wait(10) == -signal.SIGKILL
    assert_equal(found, local)
    assert workers.pool().note is None


def test_a_lost_scheduler_changes_no_number(cluster, local, caplog):
    found = sweep(SPEC, progress=when(0.3, lambda: cluster.scheduler.send_signal(signal.SIGKILL)))
    assert_equal(found, local)
    note = workers.pool().note
    assert note.startswith("The connection to the Dask cluster at tcp://127.0.0.1:")
    assert note.endswith(" was lost. This machine computes instead.")
    assert caplog.text.count("was lost") == 1


def test_a_cluster_without_workers_is_given_up(cluster, local, monkeypatch):
    monkeypatch.setattr(work_dask, "ALONE", 0.5)
    monkeypatch.setattr(work_dask, "CHECK", 0.2)

    def kill():
        for process in cluster.workers:
            process.kill()

    found = sweep(SPEC, progress=when(0.3, kill))
    assert_equal(found, local)
    assert "has no workers any more. This machine computes instead." in workers.pool().note


def test_workers_of_other_versions_are_not_asked(shared, local, monkeypatch):
    monkeypatch.setattr(work_dask, "_versions", lambda: ("0.0", "0.0", "0.0"))
    assert_equal(sweep(SPEC), local)
    assert "has other versions of qnviz, torch and numpy" in workers.pool().note
    assert "instead of 0.0, 0.0, 0.0. This machine" in workers.pool().note


def test_a_cluster_that_came_back_is_used_again(shared, monkeypatch):
    monkeypatch.setattr(workers, "AGAIN", 0.0)
    workers.pool().close()
    here = workers.pool()
    assert here.size == 1                              # nobody waits for a second attempt
    end = time.monotonic() + 30
    while workers.pool() is here:
        assert time.monotonic() < end
        time.sleep(0.1)
    assert workers.pool().size == 2


def test_closing_ends_what_is_unfinished(cluster):
    future = workers.pool().submit(slow, 60)
    workers.close()
    with pytest.raises(WorkerError, match="closed"):
        future.result(10)


def test_a_scheduler_that_is_down_gets_a_sentence_and_this_machine_computes(
        monkeypatch, local, caplog):
    monkeypatch.setattr(work_dask, "PATIENCE", 1.0)
    monkeypatch.setenv("QNVIZ_DASK_SCHEDULER", "tcp://127.0.0.1:9")
    monkeypatch.setattr(workers, "_SWITCH", workers._Switch())
    try:
        assert workers.pool().note == ("The Dask scheduler at tcp://127.0.0.1:9 cannot be reached. "
                                       "This machine computes instead.")
        assert workers.pool().note in caplog.text
        assert_equal(sweep(SPEC), local)
    finally:
        workers.close()
