"""What a test leaves behind is found: jobs, threads, processes, servers; on every system."""

import socket
import subprocess
import sys
import threading

import pytest

from qnviz.jobs.running import Run
from qnviz.jobs.service import Service
from tests import processes
from tests.helpers import spec
from tests.leaks import LeakError, nothing_left

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)", "a word " * 40 + "ü"]


@pytest.fixture
def over():
    """An event that is set after the test."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def sleeper():
    """A process with a long command line."""
    process = subprocess.Popen(SLEEP)
    yield process
    process.kill()
    process.wait()


@pytest.fixture(params=["files", "ps"])
def either_way(request, monkeypatch, tmp_path):
    """Processes are found as on Linux, and as where there is no /proc."""
    if request.param == "ps":
        monkeypatch.setattr(processes, "PROC", tmp_path)


def test_a_thread_is_found_with_what_it_does(over):
    with (pytest.raises(LeakError, match=r"the thread forgotten Condition\.wait .* < Event\.wait"),
          nothing_left(patience=0)):
        threading.Thread(target=over.wait, name="forgotten").start()


def test_a_job_is_found(jobs):
    with pytest.raises(LeakError, match=r"Queue\._run"), nothing_left(patience=0):
        jobs.watch("me", Run(spec("adam", steps=9_000, runs=40)))


def test_a_process_is_found_with_its_command(either_way):
    with pytest.raises(LeakError, match="the process .*time.sleep"), nothing_left(patience=0.1):
        process = subprocess.Popen(SLEEP)
    process.kill()
    process.wait()


def test_a_server_is_found_and_a_client_is_none():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        with pytest.raises(LeakError, match=r"a server at \('127.0.0.1', "), nothing_left(0):
            server.listen()
    with socket.socket() as client, nothing_left(patience=0):
        client.bind(("127.0.0.1", 0))


def test_what_ends_in_time_and_what_was_there_before_is_fine(over, sleeper):
    threading.Thread(target=over.wait).start()
    with nothing_left():
        threading.Timer(0.1, lambda: None).start()
        brief = subprocess.Popen([sys.executable, "-c", ""])
        jobs = Service()
        jobs.watch("me", Run(spec("adam", steps=9_000, runs=40)))
        jobs.close()
    brief.wait()


def test_what_many_tests_share_is_closed_until_nothing_is_left_of_it():
    closed, events = [], [threading.Event()]
    begin = lambda event: threading.Thread(target=event.wait, daemon=True).start()

    def close():
        closed.append(events[-1].set())
        if len(closed) < 3:                    # as a thread that is just starting does
            events.append(threading.Event())
            begin(events[-1])

    with nothing_left(close=close):
        begin(events[0])
    assert len(closed) >= 3


def test_processes_are_known_by_their_whole_command_lines(sleeper, either_way):
    assert sleeper.pid in processes.children()
    while not (line := processes.command(sleeper.pid)):        # it is just beginning
        pass
    assert line == " ".join(SLEEP)
    assert processes.alive(sleeper.pid)
    sleeper.kill()
    while processes.alive(sleeper.pid):        # as nobody has waited for it, it is still listed
        pass
    assert processes.command(sleeper.pid) == ""
    sleeper.wait()
    assert sleeper.pid not in processes.children()
    assert not processes.alive(sleeper.pid)
