"""Few snapshots, views, and stopping in the middle: what is recorded is what would have been."""

import itertools
from threading import Event

import numpy as np
import pytest
import torch

from qnviz.methods.registry import METHODS
from qnviz.problems.autoencoder import Autoencoder
from qnviz.problems.linear_net import LinearNet
from qnviz.runs import spec as specs
from qnviz.runs import step
from qnviz.runs.loop import run, stream
from qnviz.runs.spec import FEWEST_SNAPSHOTS, SNAPSHOT_BYTES, RunSpec, parse
from qnviz.runs.trace import STATE_COLUMNS, is_event
from tests.helpers import TINY, assert_measured

pytestmark = pytest.mark.usefixtures("tiny_images")

PROBLEMS = {
    "linear_net": {"name": "linear_net", "samples": 30, "width": 4, "batch": 10},
    "autoencoder": {"name": "autoencoder", **TINY, "batch": 8}}
MODELS = {"linear_net": LinearNet, "autoencoder": Autoencoder}


def race(where, steps=37, runs=3, methods=None, **fields):
    methods = methods or [{"name": "kbfgs"}, {"name": "adam"}, {"name": "newton_krylov"}]
    return parse({"problem": PROBLEMS[where], "methods": methods, "steps": steps, "runs": runs}
                 | fields)


def thinned(monkeypatch, where, most):
    monkeypatch.setattr(MODELS[where], "most_snapshots", most)


# --- few snapshots --------------------------------------------------------------------------------

@pytest.mark.parametrize("where", PROBLEMS)
@pytest.mark.parametrize("most", [1, 16, 20])
def test_few_snapshots_show_what_those_of_all_iterates_show(where, most, monkeypatch):
    monkeypatch.setattr(specs, "FEWEST_SNAPSHOTS", 1)
    every = run(race(where))
    thinned(monkeypatch, where, most)
    thin = run(race(where))
    apart = race(where).snapshot_every
    assert apart == -(-37 // most)
    for label, c in thin.columns.items():
        full = every[label]
        assert c["step"].tolist() == sorted({*range(0, 38, apart), 37})
        assert full["step"].tolist() == list(range(38))
        for name, a in c.items():
            if name in STATE_COLUMNS and not name.startswith("path"):
                assert_measured(name, a, full[name][c["step"]])
            elif is_event(name) or name in ("work", "status", "stopped"):
                assert_measured(name, a, full[name])
        at = {int(k): v for v, k in enumerate(full["view_step"])}
        rows = [at[int(k)] for k in c["view_step"] if int(k) in at]
        assert rows
        for name in (n for n in c if n.startswith("view_") and n != "view_step"):
            mine = [v for v, k in enumerate(c["view_step"]) if int(k) in at]
            np.testing.assert_array_equal(c[name][mine], full[name][rows], err_msg=name)


@pytest.mark.parametrize("where", PROBLEMS)
def test_any_chunks_have_snapshots_of_the_same_iterates(where, monkeypatch):
    monkeypatch.setattr(specs, "FEWEST_SNAPSHOTS", 1)
    thinned(monkeypatch, where, 6)
    methods = [{"name": "kbfgs"}, {"name": "adam"}]
    usual = run(race(where, methods=methods))
    for longest in (1, 5):
        monkeypatch.setattr(step, "LONGEST_CHUNK", longest)
        other = run(race(where, methods=methods))
        for label, c in usual.columns.items():
            for name, a in c.items():
                if name != "seconds":
                    assert_measured(name, a, other[label][name])


WILD = [{"name": "sgd", "lr": 8.0, "momentum": 0.9}]


@pytest.mark.parametrize("most", [3, 7])
def test_a_run_that_diverges_between_snapshots_says_when_and_keeps_its_last_finite_one(
        most, monkeypatch):
    monkeypatch.setattr(specs, "FEWEST_SNAPSHOTS", 1)
    every = run(race("linear_net", steps=60, runs=6, methods=WILD))["sgd"]
    thinned(monkeypatch, "linear_net", most)
    trace = run(race("linear_net", steps=60, runs=6, methods=WILD))
    c = trace["sgd"]
    assert (every["status"] == "diverged").all()
    assert (c["status"] == "diverged").all()
    for r in range(6):
        first = int(c["stopped"][r])
        # the batch's loss overflows at the same iterate as that on all samples, or one beside it
        assert abs(first - every["stopped"][r]) <= 1
        row = np.searchsorted(c["step"], every["stopped"][r] - 1, side="right") - 1
        assert np.isfinite(c["loss"][:, r]).all()
        np.testing.assert_array_equal(c["theta"][:row + 1, r],
                                      every["theta"][c["step"][:row + 1], r])
        assert (c["theta"][row:, r] == c["theta"][row, r]).all()
        assert trace.ends["sgd"][r].startswith(f"Diverged at step {first}: the loss was")
        assert (f"at step {c['step'][row]}," in trace.ends["sgd"][r]
                or "one step earlier" in trace.ends["sgd"][r])


def test_convergence_is_noticed_at_a_snapshot(monkeypatch):
    thinned(monkeypatch, "linear_net", 16)
    problem = {"name": "linear_net", "samples": 30, "init": "scaled"}
    trace = run(parse({"problem": problem, "methods": [{"name": "newton_krylov"}, {"name": "bfgs"}],
                       "steps": 80, "runs": 4, "stop_loss": 1e-3}))
    for c in trace.columns.values():
        assert (c["status"] == "converged").any()
        for r in np.flatnonzero(c["status"] == "converged"):
            t = c["stopped"][r]
            assert t in c["step"]
            row = int(np.searchsorted(c["step"], t))
            assert (c["loss"][:row, r] > 1e-3).all()
            assert (c["loss"][row:, r] <= 1e-3).all()
            assert (c["work"][t:, r] == c["work"][t, r]).all()


# --- views --------------------------------------------------------------------------------------

@pytest.mark.parametrize("where", PROBLEMS)
def test_views_are_of_run_0_and_end_with_its_last_iterate(where, monkeypatch):
    monkeypatch.setattr(MODELS[where], "most_views", 5)
    wanted = race(where, steps=40)
    c = run(wanted)["kbfgs"]
    assert c["view_step"].tolist() == [0, 8, 16, 24, 32, 40]
    alone = run(race(where, steps=40, runs=1))["kbfgs"]
    for name in (n for n in c if n.startswith("view_")):
        np.testing.assert_allclose(c[name], alone[name], rtol=1e-6, atol=1e-9, err_msg=name)


def test_the_last_view_of_a_run_that_ends_early_is_its_last_iterate(monkeypatch):
    monkeypatch.setattr(LinearNet, "most_views", 4)
    problem = {"name": "linear_net", "samples": 30, "init": "scaled"}
    trace = run(parse({"problem": problem, "methods": [
        {"name": "newton_krylov"}, {"name": "sgd", "lr": 5.0}], "steps": 80, "runs": 2,
        "stop_loss": 1e-3}))
    for label, status in (("newton_krylov", "converged"), ("sgd", "diverged")):
        c = trace[label]
        assert c["status"][0] == status
        last = int(c["stopped"][0]) - (status == "diverged")
        assert c["view_step"].tolist() == sorted({*range(0, last + 1, 20), last})
        assert len(c["view_singular"]) == len(c["view_step"])
        W1, W2 = c["theta"][last, 0][:36].reshape(6, 6), c["theta"][last, 0][36:].reshape(10, 6)
        with np.errstate(over="ignore", invalid="ignore"):
            M = W2 @ W1
        if np.isfinite(M).all():
            values = np.linalg.svd(M, compute_uv=False)
            np.testing.assert_allclose(c["view_singular"][-1], values, rtol=0,
                                       atol=1e-12 * values.max())


# --- stopping -------------------------------------------------------------------------------------

class After(Event):
    """An event that sets itself when it was asked so many times."""

    def __init__(self, times):
        super().__init__()
        self.left, self.asked = times, 0

    def is_set(self):
        self.asked += 1
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize("where", PROBLEMS)
@pytest.mark.parametrize("passes", [60, 200, 431])
def test_a_stopped_run_is_the_beginning_of_the_full_run(where, passes, monkeypatch):
    monkeypatch.setattr(step, "LONGEST_CHUNK", 3)
    full, stop = run(race(where)), After(passes)
    *_, last = stream(race(where), stop)
    assert stop.asked == passes + 1                    # nothing was computed after the answer yes
    trace = last.trace()
    total = 0
    for label, c in trace.columns.items():
        t = int(c["stopped"][0])
        total += t
        assert t == len(trace.words[label])
        rows = np.searchsorted(c["step"], t, side="right")
        for name in ("theta", "loss", "grad_norm"):
            assert_measured(name, c[name][:rows], full[label][name][:rows])
            assert (c[name][rows:] == c[name][rows - 1]).all()
        np.testing.assert_array_equal(c["work"][:t + 1], full[label]["work"][:t + 1])
        assert set(c["status"]) == {"running"} if t < 37 else {"budget"}
        assert c["view_step"].max() <= t
        assert trace.ends[label][0].startswith(f"Interrupted at step {t}")
    assert total < 3 * 37


def test_a_run_stopped_at_once_shows_nothing():
    stop = Event()
    stop.set()
    assert list(stream(race("linear_net"), stop)) == []


def test_a_set_event_ends_a_long_step_within_one_pass(monkeypatch):
    """A Newton-Krylov step of hundreds of products ends at the next one."""
    slow = [{"name": "newton_krylov", "budget": 500, "eta": 1e-12, "epsilon": 0.0, "lam": 1e-9}]
    wanted = race("linear_net", steps=5, methods=slow)
    trial = After(10**9)
    list(stream(wanted, trial))
    assert trial.asked > 40
    stop = After(trial.asked // 2)
    *_, last = stream(wanted, stop)
    assert stop.asked == trial.asked // 2 + 1
    assert last.fraction < 1


@pytest.mark.parametrize("name", [n for n, m in METHODS.items() if m.family == "outside"])
def test_a_set_event_ends_scipy_too(name):
    problem = {"name": "linear_net", "samples": 30, "width": 3}
    wanted = parse({"problem": problem, "methods": [{"name": name}], "steps": 30})
    stop = After(20)                                   # init's first pass, and then SciPy's passes
    assert list(stream(wanted, stop)) == []
    assert stop.asked == 21


def test_scipy_takes_no_more_iterations_than_the_run_has_steps():
    problem = {"name": "linear_net", "samples": 30, "width": 3}
    c = run(parse({"problem": problem, "methods": [{"name": "scipy_bfgs"}], "steps": 3}))
    spec = RunSpec(problem=LinearNet(samples=30, width=3), methods=(METHODS["scipy_bfgs"](),),
                   steps=3)
    first, = itertools.islice(stream(spec), 1)
    assert first.entrants[0].state.path.shape[1] <= 4
    assert c["scipy_bfgs"]["loss"].shape == (4, 1)


# --- planning -------------------------------------------------------------------------------------

WIDE = {"name": "autoencoder", "data": "mnist"}


def planned(problem, steps, runs=1, dtype="float64", methods=("adam",)):
    return parse({"problem": problem, "methods": [{"name": m} for m in methods], "steps": steps,
                  "runs": runs, "dtype": dtype})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("steps", [1, 10, 150, 151, 1000, 10_000])
@pytest.mark.parametrize("problem", [
    WIDE, {"name": "autoencoder"}, {"name": "autoencoder", "data": "curves"},
    {"name": "autoencoder", "data": "faces"}], ids=lambda p: p.get("data", "digits"))
def test_nets_keep_between_16_and_150_snapshots_within_their_memory(problem, steps, dtype):
    spec = planned(problem, steps, dtype=dtype)
    snapshots = -(-steps // spec.snapshot_every)
    assert snapshots <= 150
    assert snapshots >= min(steps, FEWEST_SNAPSHOTS) / 2      # rounding steps up to whole intervals
    bytes_ = snapshots * spec.problem.size * spec.itemsize
    assert bytes_ <= max(SNAPSHOT_BYTES, FEWEST_SNAPSHOTS * spec.problem.size * spec.itemsize)
    views = -(-steps // spec.view_every)
    assert 1 <= views <= spec.problem.most_views
    assert spec.view_every % spec.snapshot_every == 0


def test_small_problems_have_snapshots_of_all_iterates():
    for problem in ({"name": "rosenbrock"}, {"name": "linear_net"}):
        assert planned(problem, 10_000).snapshot_every == 1
    assert planned({"name": "rosenbrock"}, 300).view_every == 0
    assert planned({"name": "linear_net"}, 300).view_every == 3


@pytest.mark.parametrize("where", PROBLEMS)
@pytest.mark.parametrize("name", ["kbfgs", "kbfgs_l", "kfac", "newton_krylov", "adam", "curveball"])
def test_a_run_on_a_net_records_no_more_than_was_planned(where, name):
    spec = race(where, steps=60, runs=20, methods=[{"name": name}])
    c = run(spec)[name]
    numbers = {n: a for n, a in c.items() if not n.startswith(("view_", "path"))}
    assert sum(a.nbytes for a in numbers.values()) <= spec.bytes


@pytest.mark.parametrize("name", ["bfgs", "newton", "levenberg_marquardt"])
def test_dense_matrices_of_many_runs_are_planned_too(name):
    with pytest.raises(specs.SpecError, match="GB"):
        planned({"name": "linear_net", "width": 100}, 3, runs=1000, methods=(name,))


@pytest.mark.parametrize("label", ["plane", "scene"])
def test_labels_that_a_saved_run_uses_itself_are_refused(label):
    with pytest.raises(specs.SpecError, match=f"'{label}'"):
        race("linear_net", methods=[{"name": "adam", "label": label}])
    race("linear_net", methods=[{"name": "adam", "label": label + "s"}])


def test_a_kept_path_may_lose_its_parameters(monkeypatch, tmp_path):
    from qnviz.runs import spec
    from qnviz.runs.trace import Trace

    usual = run(race("autoencoder"))
    monkeypatch.setattr(spec, "KEPT_BYTES", 10)
    trace = run(race("autoencoder"))
    for label, c in trace.columns.items():
        assert len(c["theta"]) == 1
        np.testing.assert_array_equal(c["theta"][0], usual[label]["theta"][-1])
        for name in ("path", "path_loss"):
            np.testing.assert_array_equal(c[name], usual[label][name])
    trace.save(tmp_path / "run.npz")
    assert set(Trace.load(tmp_path / "run.npz").columns) == set(trace.columns)


def test_a_row_of_a_trace_of_a_net_holds_its_events_alone():
    trace = run(race("linear_net", steps=5))
    for label in trace.columns:
        row = trace.row(label, 3, 2)
        assert "batch_loss" in row
        assert not {n for n in row if n.startswith(("path", "view")) or n == "step"}
        c = trace[label]
        assert all(a.shape[:2] == (5, 3) for n, a in c.items() if is_event(n))


def test_batch_losses_are_those_of_the_steps_own_batches():
    wanted = race("linear_net", steps=12, methods=[{"name": "adam"}])
    c, problem = run(wanted)["adam"], wanted.problem.build(torch.float64, torch.device("cpu"))
    for k, batch in enumerate(problem.batches(0, 12, 0, torch.arange(3))):
        f = problem.forward(torch.as_tensor(c["theta"][k]), batch).f
        np.testing.assert_allclose(c["batch_loss"][k], f, rtol=1e-12)
