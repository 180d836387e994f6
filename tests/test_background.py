"""Runs beside the request: growing, pausing, stopping, sharing, and their errors."""

import threading
import time

import numpy as np

from qnviz.errors import DataError
from qnviz.jobs import background
from qnviz.jobs.background import Job
from qnviz.runs.loop import run
from tests.helpers import assert_same, spec

LONG = spec("adam", "kbfgs", steps=9_000, runs=40)


def until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def test_a_job_computes_the_run(jobs):
    wanted = spec("curveball", "newton_krylov")
    job = jobs.watch("me", wanted)
    assert job.over.wait(30)
    assert job.complete
    assert job.error is None
    assert_same(job.trace, run(wanted))


def test_a_growing_run_can_be_seen_and_its_rows_never_change(jobs):
    job = jobs.watch("me", LONG)
    until(lambda: job.look().trace is not None)
    early = job.look().trace
    until(lambda: job.look().trace is not early)
    later = job.look().trace
    done = int(early["adam"]["stopped"].min())
    assert 0 < done < int(later["adam"]["stopped"].min())
    np.testing.assert_array_equal(early["adam"]["theta"][:done + 1],
                                  later["adam"]["theta"][:done + 1])
    assert 0 < job.look().fraction < 1
    assert len(early.words["adam"]) == done


def test_pause_holds_and_resume_goes_on(jobs):
    job = jobs.watch("me", LONG)
    until(lambda: job.look().fraction > 0)
    job.pause()
    until(lambda: job.look().paused)
    time.sleep(0.3)
    held = job.look().fraction
    time.sleep(0.3)
    assert job.look().fraction == held
    shown = int(job.look().trace["adam"]["stopped"].min())
    assert shown == len(job.look().trace.words["adam"])
    job.resume()
    until(lambda: job.look().fraction > held)


def test_a_paused_job_lets_others_compute(monkeypatch, jobs):
    monkeypatch.setattr(background, "SLOTS", threading.BoundedSemaphore(1))
    first = jobs.watch("a", LONG)
    until(lambda: first.look().fraction > 0)
    waiting = jobs.watch("b", spec("adam"))
    time.sleep(0.2)
    assert waiting.look().waiting
    assert not waiting.over.is_set()
    first.pause()
    assert waiting.over.wait(20)
    assert waiting.complete
    first.resume()
    held = first.look().fraction
    until(lambda: first.look().fraction > held)


def test_stop_ends_soon_and_keeps_what_there_is(jobs):
    job = jobs.watch("me", LONG)
    until(lambda: job.look().fraction > 0)
    job.stop()
    assert job.over.wait(5)
    assert not job.complete
    assert (job.trace["adam"]["status"] == "running").any()
    assert job.trace.ends["adam"][0].startswith("Interrupted at step")


def test_a_step_is_interrupted_between_two_passes(jobs):
    """Newton-Krylov with a huge budget takes long steps; stopping does not wait for their end."""
    wanted = spec({"name": "newton_krylov", "budget": 500, "eta": 1e-12}, steps=50, runs=2,
                  problem={"name": "linear_net", "samples": 20_000})
    job = jobs.watch("me", wanted)
    time.sleep(0.3)
    began = time.monotonic()
    job.stop()
    assert job.over.wait(10)
    assert time.monotonic() - began < 5
    assert job.error is None


def test_viewers_share_a_job_and_the_last_one_to_leave_ends_it(jobs):
    job = jobs.watch("a", LONG)
    assert jobs.watch("b", LONG) is job
    jobs.leave("a")
    time.sleep(0.1)
    assert not job.over.is_set()
    other = jobs.watch("b", spec("adam"))               # another run lets the first one go
    assert other is not job
    assert job.over.wait(10)


def test_a_stopped_job_is_handed_out_to_its_viewer_only(jobs):
    job = jobs.watch("a", LONG)
    until(lambda: job.look().fraction > 0)
    job.stop()
    assert job.over.wait(10)
    assert jobs.watch("a", LONG) is job
    assert jobs.watch("b", LONG) is not job             # who has not stopped it, gets a whole one
    jobs.leave("a")
    assert jobs.watch("a", LONG) is not job


def test_a_job_without_viewers_ends(monkeypatch):
    monkeypatch.setattr(background, "SILENCE", 0.2)
    job = Job(LONG)
    assert job.over.wait(10)
    assert not job.complete


def test_a_job_ends_soon_after_its_last_viewer_has_gone(monkeypatch, jobs):
    monkeypatch.setattr(background, "GONE", 0.1)
    there = {"a", "b"}
    job = jobs.watch("a", LONG, lambda: "a" in there)
    jobs.watch("b", LONG, lambda: "b" in there)
    there.remove("a")
    time.sleep(0.4)
    assert not job.over.is_set()
    there.remove("b")
    assert job.over.wait(10)
    assert not job.complete


def test_closed_jobs_have_ended_and_are_forgotten(jobs):
    running = jobs.watch("me", LONG)
    waiting = [jobs.watch(str(seed), spec("adam", steps=9_000, seed=seed)) for seed in range(4)]
    until(lambda: running.look().fraction > 0)
    jobs.close()
    for job in (running, *waiting):
        assert job.over.is_set()
        assert not job._thread.is_alive()
    assert jobs.forget() == 0
    assert jobs.watch("me", LONG) is not running


def test_an_error_reaches_whoever_waits(jobs, tmp_path, monkeypatch):
    monkeypatch.setenv("QNVIZ_DATA", str(tmp_path))
    job = jobs.watch("me", spec("adam", problem={"name": "autoencoder", "data": "mnist"}))
    assert job.over.wait(20)
    assert isinstance(job.error, DataError)
    assert "MNIST" in str(job.error)
    assert job.trace is None
