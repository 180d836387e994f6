"""Runs beside the request: growing, pausing, stopping, sharing, and their errors."""

import time

import numpy as np

from qnviz.errors import DataError
from qnviz.jobs import fair
from qnviz.jobs.running import Run
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
    job = jobs.watch("me", Run(wanted))
    assert job.over.wait(30)
    assert job.complete
    assert job.error is None
    assert_same(job.snapshot().value, run(wanted))


def test_a_growing_run_can_be_seen_and_its_rows_never_change(jobs):
    job = jobs.watch("me", Run(LONG))
    until(lambda: job.snapshot().value is not None)
    early = job.snapshot().value
    until(lambda: job.snapshot().value is not early)
    later = job.snapshot().value
    done = int(early["adam"]["stopped"].min())
    assert 0 < done < int(later["adam"]["stopped"].min())
    np.testing.assert_array_equal(early["adam"]["theta"][:done + 1],
                                  later["adam"]["theta"][:done + 1])
    assert 0 < job.snapshot().fraction < 1
    assert len(early.words["adam"]) == done


def test_pause_holds_and_resume_goes_on(jobs):
    job = jobs.watch("me", Run(LONG))
    until(lambda: job.snapshot().fraction > 0)
    job.pause()
    until(lambda: job.snapshot().paused)
    time.sleep(0.3)
    held = job.snapshot().fraction
    time.sleep(0.3)
    assert job.snapshot().fraction == held
    shown = int(job.snapshot().value["adam"]["stopped"].min())
    assert shown == len(job.snapshot().value.words["adam"])
    job.resume()
    until(lambda: job.snapshot().fraction > held)


def test_a_paused_job_lets_others_compute(services):
    jobs = services(slots=1)
    first = jobs.watch("a", Run(LONG))
    until(lambda: first.snapshot().fraction > 0)
    waiting = jobs.watch("b", Run(spec("adam")))
    time.sleep(0.2)
    assert waiting.snapshot().place == 1
    assert not waiting.over.is_set()
    first.pause()
    assert waiting.over.wait(20)
    assert waiting.complete
    first.resume()
    held = first.snapshot().fraction
    until(lambda: first.snapshot().fraction > held)


def test_stop_ends_soon_and_keeps_what_there_is(jobs):
    job = jobs.watch("me", Run(LONG))
    until(lambda: job.snapshot().fraction > 0)
    job.stop()
    assert job.over.wait(5)
    assert not job.complete
    assert (job.snapshot().value["adam"]["status"] == "running").any()
    assert job.snapshot().value.ends["adam"][0].startswith("Interrupted at step")


def test_a_step_is_interrupted_between_two_passes(jobs):
    """Newton-Krylov with a huge budget takes long steps; stopping does not wait for their end."""
    wanted = spec({"name": "newton_krylov", "budget": 500, "eta": 1e-12}, steps=50, runs=2,
                  problem={"name": "linear_net", "samples": 20_000})
    job = jobs.watch("me", Run(wanted))
    time.sleep(0.3)
    began = time.monotonic()
    job.stop()
    assert job.over.wait(10)
    assert time.monotonic() - began < 5
    assert job.error is None


def test_viewers_share_a_job_and_the_last_one_to_leave_ends_it(jobs):
    job = jobs.watch("a", Run(LONG))
    assert jobs.watch("b", Run(LONG)) is job
    jobs.leave("a")
    time.sleep(0.1)
    assert not job.over.is_set()
    other = jobs.watch("b", Run(spec("adam")))               # another run lets the first one go
    assert other is not job
    assert job.over.wait(10)


def test_a_stopped_job_is_handed_out_to_its_viewer_only(jobs):
    job = jobs.watch("a", Run(LONG))
    until(lambda: job.snapshot().fraction > 0)
    job.stop()
    assert job.over.wait(10)
    assert jobs.watch("a", Run(LONG)) is job
    assert jobs.watch("b", Run(LONG)) is not job       # who has not stopped it, gets a whole one
    jobs.leave("a")
    assert jobs.watch("a", Run(LONG)) is not job


def test_a_job_without_viewers_ends(monkeypatch, jobs):
    monkeypatch.setattr(fair, "SILENCE", 0.2)
    job = jobs.watch("me", Run(LONG))
    assert job.over.wait(10)
    assert not job.complete


def test_a_job_ends_soon_after_its_last_viewer_has_gone(monkeypatch, jobs):
    monkeypatch.setattr(fair, "GONE", 0.1)
    there = {"a", "b"}
    job = jobs.watch("a", Run(LONG), lambda: "a" in there)
    jobs.watch("b", Run(LONG), lambda: "b" in there)
    there.remove("a")
    time.sleep(0.4)
    assert not job.over.is_set()
    there.remove("b")
    assert job.over.wait(10)
    assert not job.complete


def test_closed_jobs_have_ended_and_are_forgotten(jobs):
    running = jobs.watch("me", Run(LONG))
    waiting = [jobs.watch(str(seed), Run(spec("adam", steps=9_000, seed=seed)))
               for seed in range(4)]
    until(lambda: running.snapshot().fraction > 0)
    jobs.close()
    for job in (running, *waiting):
        assert job.over.is_set()
    assert jobs.forget() == 0
    assert jobs.watch("me", Run(LONG)) is not running


def test_an_error_reaches_whoever_waits(jobs, tmp_path, monkeypatch):
    monkeypatch.setenv("QNVIZ_DATA", str(tmp_path))
    job = jobs.watch("me", Run(spec("adam", problem={"name": "autoencoder", "data": "mnist"})))
    assert job.over.wait(20)
    assert isinstance(job.error, DataError)
    assert "MNIST" in str(job.error)
    assert job.snapshot().value is None
