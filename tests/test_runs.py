"""The loop, its recording, and saved traces."""

from pathlib import Path

import numpy as np
import pytest
import torch

from qnviz.curvature.oracle import Oracle
from qnviz.methods.registry import METHODS
from qnviz.problems.registry import PROBLEMS
from qnviz.runs import step
from qnviz.runs.loop import run
from qnviz.runs.spec import RunSpec
from qnviz.runs.trace import STATE_COLUMNS
from tests.helpers import CPU, F64, NOISY, assert_same, drive, normal, not_here, spec, variants

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.usefixtures("tiny_images")


def everything(where) -> RunSpec:
    """All methods that can run on one of the registered problems."""
    problem = dict(variants())[where]
    methods = tuple(m() for m in METHODS.values() if not not_here(m(), problem))
    return RunSpec(problem=problem, methods=methods, steps=25 if problem.plane else 6, runs=4,
                   seed=3)


# --- numbers ------------------------------------------------------------------------------------

@pytest.mark.parametrize("where", [w for w, _ in variants()])
def test_the_cut_into_chunks_changes_no_number(where, monkeypatch):
    wanted = everything(where)
    usual = run(wanted)
    for seconds, longest in ((1e-9, 1), (1e9, 7)):
        monkeypatch.setattr(step, "CHUNK_SECONDS", seconds)
        monkeypatch.setattr(step, "LONGEST_CHUNK", longest)
        assert_same(run(wanted), usual, ragged=True)


def test_stopping_is_the_same_in_any_chunks(monkeypatch):
    wanted = spec("newton_krylov", "curveball", steps=100, runs=20, stop_loss=1e-4)
    usual = run(wanted)
    assert (usual["curveball"]["status"] == "converged").all()
    monkeypatch.setattr(step, "CHUNK_SECONDS", 1e-9)
    monkeypatch.setattr(step, "LONGEST_CHUNK", 1)
    assert_same(run(wanted), usual, ragged=True)


def test_the_width_of_inner_iterations_is_the_same_in_any_chunks(monkeypatch):
    wanted, widths = spec("newton_krylov", steps=60, runs=20, stop_loss=1e-4), []
    for seconds, longest in ((1e9, 64), (1e-9, 1)):
        monkeypatch.setattr(step, "CHUNK_SECONDS", seconds)
        monkeypatch.setattr(step, "LONGEST_CHUNK", longest)
        c = run(wanted)["newton_krylov"]
        widths.append({n: a.shape for n, a in c.items()})
    assert widths[0] == widths[1]


@pytest.mark.parametrize("where", [w for w, _ in variants()])
def test_the_loop_adds_nothing_to_the_methods_steps(where):
    wanted = everything(where)
    trace = run(wanted)
    problem = wanted.problem.build(F64, CPU)
    for method in wanted.methods:
        c, path = trace[method.entrant], drive(method, problem, 4, wanted.steps, seed=3)
        for r in range(4):
            rows = 1 + int(c["stopped"][r]) - int(c["status"][r] == "diverged")
            np.testing.assert_allclose(c["theta"][:rows, r], path.theta[:rows, r], rtol=1e-10)
        flat = torch.as_tensor(c["theta"]).flatten(0, 1)
        f = problem.forward(flat, problem.reference()).f.view(-1, 4)          # at ε = 1
        np.testing.assert_allclose(c["loss"], f, rtol=1e-12)


def test_a_run_repeats_itself_and_a_seed_changes_it():
    assert_same(run(spec("kbfgs", "adam", seed=5)), run(spec("kbfgs", "adam", seed=5)))
    one, other = (run(spec("kbfgs", seed=s))["kbfgs"]["theta"] for s in (5, 6))
    assert not (one == other).all(-1).any()
    assert len(np.unique(one[0], axis=0)) == 5                                # starts differ by run


def test_entrants_see_the_same_starts_and_batches():
    twins = [{"name": "curveball", "label": label} for label in "ab"]
    twice = run(spec(twins[0], "adam", twins[1]))
    np.testing.assert_array_equal(twice["a"]["theta"], twice["b"]["theta"])
    np.testing.assert_array_equal(twice["a"]["theta"][0], twice["adam"]["theta"][0])
    alone = run(spec("curveball"))
    np.testing.assert_array_equal(alone["curveball"]["theta"], twice["a"]["theta"])


def test_a_diverging_run_leaves_the_others_bitwise_unchanged():
    method = METHODS["sgd"](lr=2e-3)
    wanted = RunSpec(problem={"name": "rosenbrock", "start_noise": 1.0}, methods=(method,), runs=64,
                     steps=60, seed=1)
    c = run(wanted)["sgd"]
    bad = c["status"] == "diverged"
    assert 0 < bad.sum() < 64
    calm = RunSpec(problem=wanted.problem, methods=(method,), runs=64, steps=60, seed=1)
    problem = calm.problem.build(F64, CPU)
    path = drive(method, problem, torch.arange(64)[torch.as_tensor(~bad)], 60, seed=1).theta
    np.testing.assert_array_equal(c["theta"][:, ~bad], path.numpy())


def test_the_first_runs_of_more_are_the_same_runs():
    few, many = (run(spec("kbfgs", "newton_krylov", runs=n)) for n in (3, 50))
    for label in ("kbfgs", "newton_krylov"):
        np.testing.assert_array_equal(few[label]["theta"], many[label]["theta"][:, :3])


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("where", [w for w, _ in variants()])
def test_a_float32_step_is_close_to_a_float64_step(name, where):
    problem, method = dict(variants())[where], METHODS[name]()
    if why := not_here(method, problem):
        pytest.skip(why)
    narrow, wide = (run(RunSpec(problem=problem, methods=(method,), dtype=d, steps=1, runs=5))[name]
                    for d in ("float32", "float64"))
    assert narrow["theta"].dtype == narrow["loss"].dtype == np.float32
    # rounding of 1e-7, times the condition 1e3 of Rosenbrock's Hessian …
    allowed = 1e-4 + 1e-3 * np.abs(wide["theta"][1])
    if not problem.plane:
        # … or, on nets, that of each run's own step: 100 times what rounding its start does to it
        exact, start = problem.build(F64, CPU), torch.as_tensor(wide["theta"][0])
        beside = start * (1 + 6e-8 * normal(0, *start.shape))
        moved = drive(method, exact, 5, 1, start=beside).theta[1].numpy() - wide["theta"][1]
        allowed = allowed + 100 * np.abs(moved).max(1, keepdims=True)
        if name == "newton":       # rounding H by 6e-8 λ_max changes (|H| + λ)⁻¹ g by that over λ
            size = np.linalg.norm(np.diff(wide["theta"], axis=0)[0], axis=1) / wide["step_size"][0]
            grown = 6e-8 * wide["hessian_high"][0] / wide["lam"][0] * size
            allowed = allowed + grown[:, None]
        assert (allowed < 1).all(), "such an amplification lets anything pass"
    assert (np.abs(narrow["theta"][1] - wide["theta"][1]) <= allowed).all()


@pytest.mark.parametrize("noise", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("name", ["curveball", "levenberg_marquardt", "newton_krylov"])
def test_float32_takes_as_many_steps_as_float64(name, noise):
    narrow, wide = (run(spec(name, dtype=d, problem=NOISY | {"noise": noise}, steps=200, runs=50,
                             stop_loss=1e-4))[name]
                    for d in ("float32", "float64"))
    assert (narrow["status"] == "converged").all()
    assert narrow["stopped"].mean() == pytest.approx(wide["stopped"].mean(), abs=1)


# --- how runs end -------------------------------------------------------------------------------

def frozen_after_the_end(c):
    for r, (status, t) in enumerate(zip(c["status"], c["stopped"], strict=True)):
        held = int(np.searchsorted(c["step"], t - (status == "diverged"), side="right")) - 1
        for name, a in c.items():
            if (name in ("seconds", "status", "stopped", "step")
                    or name.startswith(("view", "path"))):
                continue
            first = held if name in STATE_COLUMNS else t if name == "work" else t - 1
            rows = a[max(first, 0):, r]
            np.testing.assert_array_equal(rows, np.broadcast_to(rows[:1], rows.shape),
                                          err_msg=f"{name} of run {r}")


def test_converged_by_loss_at_the_first_step_below_it():
    trace = run(spec("newton_krylov", "curveball", "bfgs", steps=300, runs=12, stop_loss=1e-3))
    for label, c in trace.columns.items():
        assert (c["status"] == "converged").all()
        for r, t in enumerate(c["stopped"]):
            assert (c["loss"][:t, r] > 1e-3).all()
            assert c["loss"][t, r] <= 1e-3
        assert len(set(c["stopped"])) > 1                     # they do not all end together
        frozen_after_the_end(c)
        assert trace.ends[label][0].startswith(f"Converged at step {c['stopped'][0]}: loss ")


def test_converged_by_gradient_at_the_first_step_below_it():
    trace = run(spec("newton", "lbfgs", steps=80, stop_grad=1e-5,
                     problem={"name": "rosenbrock", "start_noise": 0.3}))
    for label, c in trace.columns.items():
        for r, t in enumerate(c["stopped"]):
            assert (c["grad_norm"][:t, r] > 1e-5).all()
            assert c["grad_norm"][t, r] <= 1e-5
        frozen_after_the_end(c)
        assert "‖∇f‖" in trace.ends[label][0]


def test_a_run_that_starts_at_the_minimum_ends_at_once():
    trace = run(spec("adam", "bfgs", stop_loss=1e-9,
                     problem={"name": "rosenbrock", "start": [1, 1]}))
    for label, c in trace.columns.items():
        assert c["stopped"].tolist() == [0] * 5
        assert c["loss"].shape == (31, 5)
        assert (c["theta"] == 1).all()
        assert trace.words[label] == []
        assert trace.ends[label][0].startswith("Converged at step 0")


def test_diverged_runs_keep_their_last_finite_iterate_and_say_when():
    trace = run(spec({"name": "sgd", "lr": 1.0}, {"name": "kbfgs", "lr": 10.0, "lam": 1e-3},
                     steps=60, runs=8))
    for label, c in trace.columns.items():
        assert (c["status"] == "diverged").all()
        assert np.isfinite(c["theta"]).all()
        assert np.isfinite(c["loss"]).all()
        assert (c["stopped"] < 60).all()
        frozen_after_the_end(c)
        assert trace.ends[label][0].startswith(f"Diverged at step {c['stopped'][0]}: the loss was")
        assert len(trace.words[label]) == c["stopped"][0]


def test_the_step_after_the_last_finite_iterate_was_not_finite():
    method = METHODS["sgd"](lr=1.0)
    c = run(RunSpec(problem=NOISY, methods=(method,), steps=60, runs=4))["sgd"]
    problem = RunSpec(problem=NOISY, methods=(method,)).problem.build(F64, CPU)
    path = drive(method, problem, 4, 60).theta
    losses = torch.stack([problem.forward(t, problem.reference()).f for t in path])
    finite = torch.isfinite(losses) & torch.isfinite(path).all(-1)
    np.testing.assert_array_equal(c["stopped"], (~finite).int().argmax(0))


def test_budget():
    trace = run(spec("adam"))
    assert (trace["adam"]["status"] == "budget").all()
    assert (trace["adam"]["stopped"] == 30).all()
    assert trace.ends["adam"][0].startswith("Used all 30 steps")


# --- work ---------------------------------------------------------------------------------------

BY_HAND = {            # units per step: forward 1, backward 2, Jv 1, Jᵀw 2, Hv 6 (MATH §1)
    "sgd": 3, "nesterov": 3, "adam": 3, "rmsprop": 3,
    "kbfgs": 6, "kbfgs_l": 6,              # forward and backward, before and after the step
    "kfac": 5}                             # and a second backward for the sampled targets


@pytest.mark.parametrize("name", BY_HAND)
def test_work_of_methods_with_a_fixed_cost(name):
    c = run(spec(name))[name]
    # warm starts: a forward pass for A, and for KFAC's G a backward pass of sampled targets
    first = {"kbfgs": 1, "kbfgs_l": 1, "kfac": 3}.get(name, 0)
    expected = first + BY_HAND[name] * np.arange(31.0)
    finite = np.arange(31)[:, None] <= c["stopped"] - (c["status"] == "diverged")
    np.testing.assert_array_equal(c["work"][finite],
                                  np.broadcast_to(expected[:, None], (31, 5))[finite])


def test_work_of_curveball():
    # forward, Jz, JΔz, and one backward with the gradient in it; one more forward in steps 1, 6, …
    steps = np.diff(run(spec("curveball"))["curveball"]["work"], axis=0)
    expected = np.where(np.arange(30) % 5 == 0, 6, 5)[:, None]
    np.testing.assert_array_equal(steps, np.broadcast_to(expected, (30, 5)))


def test_work_of_newton_krylov_per_iteration_and_trial():
    for curvature, price in (("hessian", 6), ("gauss_newton", 3)):
        c = run(spec({"name": "newton_krylov", "curvature": curvature}, steps=12))["newton_krylov"]
        trials = np.isfinite(c["trial_step"]).sum(-1)
        np.testing.assert_array_equal(np.diff(c["work"], axis=0),
                                      3 + price * c["krylov_iterations"] + trials)


def test_work_of_line_searches_and_dense_matrices():
    trace = run(spec("bfgs", "newton", "levenberg_marquardt", steps=12))
    # a new batch: gradient anew, and one per trial
    np.testing.assert_array_equal(np.diff(trace["bfgs"]["work"], axis=0),
                                  3 + 3 * trace["bfgs"]["trials"])
    np.testing.assert_array_equal(np.diff(trace["levenberg_marquardt"]["work"], axis=0),
                                  3 + 2 * 3 + 1)
    trials = np.where(trace["newton"]["step_size"] > 0,
                      1 - np.log2(np.maximum(trace["newton"]["step_size"], 2.0**-60)), 41)
    np.testing.assert_array_equal(np.diff(trace["newton"]["work"], axis=0), 3 + 2 * 6 + trials)
    full = run(spec("bfgs", steps=12, problem={"name": "rosenbrock"}))["bfgs"]
    np.testing.assert_array_equal(np.diff(full["work"], axis=0), 3 * full["trials"])
    assert (full["work"][0] == 3).all()


@pytest.mark.parametrize("name", [n for n, m in METHODS.items() if m.family == "outside"])
def test_work_of_outside_references_is_what_they_asked_for(name):
    c = run(spec(name, problem={"name": "rosenbrock"}, steps=200))[name]
    problem = PROBLEMS["rosenbrock"]().build(F64, CPU)
    asked = Oracle(problem, problem.reference(), 1)
    asked.gradient(asked.forward(problem.start(0, torch.arange(1))))
    assert (np.diff(c["work"], axis=0) >= 0).all()
    assert (c["work"][1] >= 2 * asked.work.item()).all()            # the start, and one more point
    assert (c["work"][-1] == c["work"][-2]).all()                   # it has ended


def test_looking_is_not_charged_and_seconds_grow():
    c = run(spec("sgd", steps=200, runs=1, problem={"name": "rosenbrock"}))["sgd"]
    assert c["work"][-1] == 600
    assert (np.diff(c["seconds"]) > 0).all()
