"""Workers: bounded, polite, replaceable, and gone when they should be."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from qnviz.errors import DataError, WorkerError
from qnviz.jobs import workers
from qnviz.jobs.threads import Threads
from qnviz.jobs.workers import LocalPool
from qnviz.sweeps.tile import ready
from tests.processes import alive

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def pool():
    """Two workers, gone after the test."""
    made = LocalPool(2)
    yield made
    made.close()


@pytest.fixture
def switch(monkeypatch):
    """A fresh pool of this process, gone after the test."""
    made = workers._Switch()
    monkeypatch.setattr(workers, "_SWITCH", made)
    yield made
    made.close()


def double(n):
    return 2 * n


def process():
    import torch

    return os.getpid(), os.nice(0), torch.get_num_threads(), signal.getsignal(signal.SIGINT)


def fail(text):
    raise DataError(text)


def die_once(marker, n):
    """Kills its process when first called; later it gives n."""
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return n


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def sleep(seconds):
    time.sleep(seconds)
    return os.getpid()


def gone(pid, seconds=20.0):
    """Whether a process ends within some time."""
    end = time.monotonic() + seconds
    while (there := alive(pid)) and time.monotonic() < end:
        time.sleep(0.05)
    return not there


# --- how many -------------------------------------------------------------------------------------

@pytest.mark.parametrize(("asked", "found"), [("1", 1), (" 7 ", 7), ("1024", 1024)])
def test_the_environment_says_how_many(monkeypatch, asked, found):
    monkeypatch.setenv("QNVIZ_WORKERS", asked)
    assert workers.count() == found


def test_by_default_there_is_one_per_core_within_bounds(monkeypatch):
    monkeypatch.delenv("QNVIZ_WORKERS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert workers.count() == 4
    monkeypatch.setattr(os, "cpu_count", lambda: 512)
    assert workers.count() == workers.MOST
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert workers.count() == 1


@pytest.mark.parametrize("asked", ["0", "-1", "1025", "2.5", "many", "٣", "1e3"])
def test_a_wrong_number_gets_a_sentence(monkeypatch, switch, asked):
    monkeypatch.setenv("QNVIZ_WORKERS", asked)
    with pytest.raises(WorkerError, match="QNVIZ_WORKERS is '.*', but must be a whole number"):
        workers.pool()


# --- what they do ---------------------------------------------------------------------------------

def test_results_and_errors_come_back(pool):
    futures = [pool.submit(double, n) for n in range(20)]
    assert [f.result() for f in futures] == [2 * n for n in range(20)]
    with pytest.raises(DataError, match="no such file"):
        pool.submit(fail, "no such file").result()


def test_workers_are_other_processes_with_one_thread_and_no_ear_for_interrupts(pool):
    found = [pool.submit(process).result() for _ in range(4)]
    for pid, niceness, threads, on_interrupt in found:
        assert pid != os.getpid()
        assert niceness > os.nice(0)
        assert threads == 1
        assert on_interrupt == signal.SIG_IGN
    assert len({pid for pid, *_ in found}) <= 2


class Arriving:
    """Becomes the niceness of the process that unpacks it."""

    def __reduce__(self):
        return os.nice, (0,)


def niceness(on_arrival):
    return on_arrival, os.nice(0)


def test_a_worker_is_polite_from_its_first_task_on_and_not_while_it_starts(pool):
    """What it imports to know its task comes before: somebody waits for it."""
    assert pool.submit(niceness, Arriving()).result() == (os.nice(0), os.nice(0) + workers.NICE)


def test_a_cancelled_task_is_not_computed(pool, tmp_path):
    busy = [pool.submit(sleep, 1.0) for _ in range(3)]
    late = pool.submit(die_once, tmp_path / "marker", 1)
    assert late.cancel()
    for f in busy:
        f.result()
    assert pool.submit(double, 1).result() == 2
    assert not (tmp_path / "marker").exists()


def test_what_a_killed_worker_had_is_computed_again(pool, tmp_path):
    futures = [pool.submit(die_once, tmp_path / f"marker{n // 8}", n) for n in range(24)]
    assert [f.result() for f in futures] == list(range(24))


def test_a_worker_killed_while_idle_is_replaced(pool):
    first = pool.submit(process).result()[0]
    os.kill(first, signal.SIGKILL)
    for _ in range(4):
        assert pool.submit(process).result()[0] != first


def test_a_task_that_kills_every_worker_is_named_and_takes_no_other_with_it(pool):
    others = [pool.submit(double, n) for n in range(3)]
    killer = pool.submit(die)
    others += [pool.submit(sleep, 0.05) for _ in range(6)]
    with pytest.raises(WorkerError, match="ended its worker process 3 times"):
        killer.result()
    for f in others:
        assert f.result() is not None
    assert pool.submit(double, 4).result() == 8


def test_closing_ends_the_processes_and_what_they_do(pool):
    pid = pool.submit(sleep, 0).result()
    long = pool.submit(sleep, 600)
    waiting = [pool.submit(sleep, 600) for _ in range(5)]
    pool.close()
    for f in (long, *waiting):
        with pytest.raises(WorkerError, match="closed"):
            f.result(timeout=10)
    assert gone(pid)
    with pytest.raises(WorkerError, match="closed"):
        pool.submit(double, 1)


def test_idle_workers_leave_and_come_back(monkeypatch, pool):
    monkeypatch.setattr(workers, "IDLE", 0.5)
    pid = pool.submit(sleep, 0).result()
    assert gone(pid)
    assert pool.submit(double, 2).result() == 4


# --- the process they belong to -------------------------------------------------------------------

LONG_TASKS = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)       # a background job ignores it
from qnviz.jobs.workers import pool
from tests.test_workers import sleep
worker = pool().submit(sleep, 0).result()
pool().submit(sleep, 600), pool().submit(sleep, 600)
print(worker, flush=True)                      # whoever reads it finds all of this under way
time.sleep(float(sys.argv[1]))
"""


def started(seconds):
    process = subprocess.Popen([sys.executable, "-c", LONG_TASKS, str(seconds)], cwd=ROOT,
                               stdout=subprocess.PIPE, text=True,
                               env={**os.environ, "QNVIZ_WORKERS": "2"})
    with process.stdout:
        return process, int(process.stdout.readline())


def test_a_process_ends_with_its_workers_whatever_they_do():
    process, worker = started(0)
    assert process.wait(20) == 0
    assert gone(worker)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_process_leaves_no_orphans(how):
    process, worker = started(600)
    process.send_signal(how)
    try:
        process.wait(20)
    finally:
        process.kill()
    assert gone(worker)


# --- a thread of this process ---------------------------------------------------------------------

def test_here_one_thread_computes_in_order():
    here, seen = Threads(1, 60.0), []
    futures = [here.submit(lambda n: (seen.append(n), threading.get_ident())[1], n)
               for n in range(5)]
    threads = {f.result() for f in futures}
    assert seen == list(range(5))
    assert len(threads) == 1
    assert threading.get_ident() not in threads
    with pytest.raises(DataError):
        here.submit(fail, "no").result()
    assert here.submit(double, 3).result() == 6
    here.close()


# --- which pool -----------------------------------------------------------------------------------

def test_there_is_one_pool_and_a_new_one_after_closing(monkeypatch, switch):
    monkeypatch.delenv("QNVIZ_DASK_SCHEDULER", raising=False)
    monkeypatch.setenv("QNVIZ_WORKERS", "1")
    first = workers.pool()
    assert workers.pool() is first
    assert (first.size, first.note) == (1, None)
    assert first.words == "by one process on this machine"
    workers.close()
    assert workers.pool() is not first


def test_warming_up_returns_at_once_and_a_wrong_setting_is_logged(monkeypatch, switch, caplog):
    monkeypatch.setenv("QNVIZ_WORKERS", "none")
    workers._warm(ready)
    assert "QNVIZ_WORKERS is 'none'" in caplog.text
    monkeypatch.setenv("QNVIZ_WORKERS", "1")
    workers.warm(ready)
    assert workers.pool().submit(double, 1).result() == 2


@pytest.mark.parametrize("asked", [
    "127.0.0.1:8786", "tcp://", "tcp://host", "tcp://host:99999", "http://host:8786",
    "tcp://host:8786/path", "tcp://[::1:8786", "tcp://user@host:8786", "tcp://host:port"])
def test_a_wrong_scheduler_gets_a_sentence(monkeypatch, switch, asked):
    monkeypatch.setenv("QNVIZ_DASK_SCHEDULER", asked)
    with pytest.raises(WorkerError, match="QNVIZ_DASK_SCHEDULER is '.*', but must be an address"):
        workers.pool()


def test_without_dask_a_sentence_says_so_and_this_machine_computes(monkeypatch, switch, caplog):
    monkeypatch.setenv("QNVIZ_DASK_SCHEDULER", "tcp://127.0.0.1:9")
    monkeypatch.setenv("QNVIZ_WORKERS", "1")
    monkeypatch.setitem(sys.modules, "distributed", None)
    pool = workers.pool()
    assert "dask is not installed: pip install -r requirements-dask.txt" in pool.note
    assert pool.note.endswith("This machine computes instead.")
    assert pool.note in caplog.text
    assert pool.submit(double, 1).result() == 2
