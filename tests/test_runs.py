"""The loop, its recording, and saved traces."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from qnviz.curvature.oracle import Oracle
from qnviz.errors import TraceError
from qnviz.methods.registry import METHODS
from qnviz.problems.registry import PROBLEMS
from qnviz.runs import loop
from qnviz.runs.loop import run, stream
from qnviz.runs.spec import RunSpec, parse
from qnviz.runs.trace import STATE_COLUMNS, Trace
from tests.helpers import CPU, F64, drive, variants

ROOT = Path(__file__).resolve().parents[1]
NOISY = {"name": "rosenbrock", "noise": 3.0, "start": [-0.25, -0.25], "start_noise": 0.1}


def spec(*methods, **fields) -> RunSpec:
    """A race of methods given by name or as objects."""
    entries = [{"name": m} if isinstance(m, str) else m for m in methods]
    return parse({"problem": NOISY, "methods": entries, "steps": 30, "runs": 5} | fields)


def everything(where) -> RunSpec:
    """All methods that can run on one of the registered problems."""
    problem = dict(variants())[where]
    methods = tuple(m() for m in METHODS.values() if not m().unavailable(problem))
    return RunSpec(problem=problem, methods=methods, steps=25, runs=4, seed=3)


def same(a: Trace, b: Trace) -> None:
    """All numbers but the seconds are the same, bit by bit."""
    assert list(a.columns) == list(b.columns)
    for label, columns in a.columns.items():
        assert set(columns) == set(b[label])
        for name, x in columns.items():
            if name != "seconds":
                np.testing.assert_array_equal(x, b[label][name], err_msg=f"{label}/{name}")


# --- numbers ------------------------------------------------------------------------------------

@pytest.mark.parametrize("where", [w for w, _ in variants()])
def test_the_cut_into_chunks_changes_no_number(where, monkeypatch):
    wanted = everything(where)
    usual = run(wanted)
    for seconds, longest in ((1e-9, 1), (1e9, 7), (1e9, 64)):
        monkeypatch.setattr(loop, "CHUNK_SECONDS", seconds)
        monkeypatch.setattr(loop, "LONGEST_CHUNK", longest)
        same(run(wanted), usual)


def test_stopping_is_the_same_in_any_chunks(monkeypatch):
    wanted = spec("newton_krylov", "curveball", steps=100, runs=20, stop_loss=1e-4)
    usual = run(wanted)
    assert (usual["curveball"]["status"] == "converged").all()
    monkeypatch.setattr(loop, "CHUNK_SECONDS", 1e-9)
    monkeypatch.setattr(loop, "LONGEST_CHUNK", 1)
    same(run(wanted), usual)


@pytest.mark.parametrize("where", [w for w, _ in variants()])
def test_the_loop_adds_nothing_to_the_methods_steps(where):
    wanted = everything(where)
    trace = run(wanted)
    problem = wanted.problem.build(F64, CPU)
    for method in wanted.methods:
        c, path = trace[method.entrant], drive(method, problem, 4, 25, seed=3)
        for r in range(4):
            rows = 1 + int(c["stopped"][r]) - int(c["status"][r] == "diverged")
            np.testing.assert_allclose(c["theta"][:rows, r], path.theta[:rows, r], rtol=1e-10)
        flat = torch.as_tensor(c["theta"]).flatten(0, 1)
        f = problem.forward(flat, problem.reference()).f.view(26, 4)          # at ε = 1
        np.testing.assert_allclose(c["loss"], f, rtol=1e-12)


def test_a_run_repeats_itself_and_a_seed_changes_it():
    same(run(spec("kbfgs", "adam", seed=5)), run(spec("kbfgs", "adam", seed=5)))
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
    if why := method.unavailable(problem):
        pytest.skip(why)
    narrow, wide = (run(RunSpec(problem=problem, methods=(method,), dtype=d, steps=1, runs=5))[name]
                    for d in ("float32", "float64"))
    assert narrow["theta"].dtype == narrow["loss"].dtype == np.float32
    # rounding of 1e-7, times the condition 1e3 of the Hessian
    np.testing.assert_allclose(narrow["theta"], wide["theta"], rtol=1e-3, atol=1e-4)


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
        held = t - (status == "diverged")
        for name, a in c.items():
            if name in ("seconds", "status", "stopped"):
                continue
            first = held if name in STATE_COLUMNS else t - 1
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
    first = {"kbfgs": 1, "kbfgs_l": 1, "kfac": 1}.get(name, 0)       # A's warm start: one forward
    expected = first + BY_HAND[name] * np.arange(31.0)
    finite = np.arange(31)[:, None] <= c["stopped"] - (c["status"] == "diverged")
    np.testing.assert_array_equal(c["work"][finite],
                                  np.broadcast_to(expected[:, None], (31, 5))[finite])


def test_work_of_curveball():
    # forward, Jz, JΔz, and one backward with the gradient in it; every fifth step one more forward
    steps = np.diff(run(spec("curveball"))["curveball"]["work"], axis=0)
    expected = np.where(np.arange(1, 31) % 5 == 0, 6, 5)[:, None]
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


# --- what is recorded ---------------------------------------------------------------------------

EXPOSED = {
    "kbfgs": ("eig_min", "eig_max", "certified_low", "certified_high", "apriori_low",
              "apriori_high", "theta1", "theta2", "ratio1_before", "ratio1_after",
              "ratio2_before", "ratio2_after", "skipped"),
    "curveball": ("rho", "beta", "lam", "ratio"),
    "newton_krylov": ("krylov_iterations", "krylov_reason", "step_size", "taylor_error")}


def test_shapes():
    T, R, P, L = 30, 5, 2, 1
    trace = run(spec("kbfgs", "kbfgs_l", "curveball", "newton_krylov"))
    for c in trace.columns.values():
        assert c["theta"].shape == (T + 1, R, P)
        for name in ("loss", "grad_norm", "work", "hessian_min", "hessian_max"):
            assert c[name].shape == (T + 1, R), name
        assert c["seconds"].shape == (T + 1,)
        assert c["status"].shape == c["stopped"].shape == (R,)
        for name, a in c.items():
            assert not a.dtype.hasobject
            assert name in STATE_COLUMNS or a.shape[:2] == (T, R), name
    for label in ("kbfgs", "kbfgs_l"):
        for name in EXPOSED["kbfgs"]:
            assert trace[label][name].shape == (T, R, L), name
    for label in ("curveball", "newton_krylov"):
        for name in EXPOSED[label]:
            assert trace[label][name].shape == (T, R), name


def test_inner_iterations_are_padded_with_nan():
    c = run(spec("newton_krylov", steps=40, runs=30))["newton_krylov"]
    J = c["krylov_iterations"].max()
    for name in ("curvature", "residual", "rayleigh"):
        assert c[name].shape == (40, 30, J)
    count = np.isfinite(c["curvature"]).sum(-1)
    np.testing.assert_array_equal(count, c["krylov_iterations"])
    assert (np.isfinite(c["residual"]).sum(-1) <= count).all()
    inside = np.arange(J) < count[..., None]
    np.testing.assert_array_equal(np.isfinite(c["curvature"]), inside)


def test_exact_curvature_is_that_of_the_reported_function():
    c = run(spec("adam"))["adam"]
    x, y = c["theta"][..., 0], c["theta"][..., 1]
    H = np.moveaxis(np.array([[1200 * x**2 - 400 * y + 2, -400 * x],
                              [-400 * x, np.full_like(x, 200)]]), (0, 1), (2, 3))
    values = np.linalg.eigvalsh(H)
    np.testing.assert_allclose(c["hessian_min"], values[..., 0], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(c["hessian_max"], values[..., 1], rtol=1e-12)


def test_words_and_ends():
    trace = run(spec("kbfgs", "adam", runs=3))
    for label in ("kbfgs", "adam"):
        assert len(trace.words[label]) == 30
        assert len(trace.ends[label]) == 3
        assert all(w.endswith(".") for w in trace.words[label] + trace.ends[label])
    assert trace.device


def test_the_plane_is_the_loss_at_its_points():
    trace = run(spec("adam", steps=1))
    x, y, z = (trace.plane[k] for k in "xyz")
    assert z.shape == (len(y), len(x))
    np.testing.assert_allclose(z, 100 * (y[:, None] - x**2)**2 + (1 - x)**2, rtol=1e-12)


def test_a_row_holds_what_one_step_of_one_run_exposed():
    trace = run(spec("curveball"))
    row = trace.row("curveball", 7, 2)
    assert set(EXPOSED["curveball"]) <= set(row)
    assert not STATE_COLUMNS & set(row)
    assert row["rho"] == trace["curveball"]["rho"][7, 2]


def test_an_interrupted_run_is_a_usable_trace(monkeypatch):
    monkeypatch.setattr(loop, "LONGEST_CHUNK", 4)
    wanted = spec("kbfgs", "newton_krylov", "adam", steps=50)
    full, seen = run(wanted), []
    for i, progress in enumerate(stream(wanted)):
        seen.append(progress.fraction)
        trace = progress.trace()
        if i == 4:
            break
    assert seen == sorted(seen)
    assert 0 < seen[-1] < 1
    for label, c in trace.columns.items():
        done = len(trace.words[label])
        assert 0 < done < 50
        assert c["loss"].shape == (51, 5)
        np.testing.assert_array_equal(c["theta"][:done + 1], full[label]["theta"][:done + 1])
        np.testing.assert_array_equal(c["theta"][done:], np.broadcast_to(
            c["theta"][done], (51 - done, 5, 2)))
        assert set(c["status"]) <= {"running", "diverged"}
        assert c["status"][0] == "running"
        assert trace.ends[label][0].startswith(f"Interrupted at step {done}")
    file = io.BytesIO()
    trace.save(file)
    file.seek(0)
    same(Trace.load(file), trace)


def test_progress_counts_up_to_all_steps():
    wanted = spec("newton_krylov", "adam", steps=60, stop_loss=1e-3)
    *_, last = stream(wanted)
    assert last.done == last.total == 120


# --- the key --------------------------------------------------------------------------------------

def test_equal_specs_have_equal_keys_with_defaults_said_or_not():
    short = {"problem": {"name": "rosenbrock"}, "methods": [{"name": "adam"}]}
    long = parse(short).model_dump(mode="json")
    assert parse(short).key() == parse(long).key() == parse(json.loads(json.dumps(long))).key()
    assert parse(parse(long).short()).key() == parse(short).key()
    backwards = {k: short[k] for k in reversed(short)}
    assert parse(backwards).key() == parse(short).key()


def test_the_key_changes_with_every_field():
    base = {"problem": NOISY, "methods": [{"name": "kbfgs"}, {"name": "adam"}], "steps": 50}
    changed = [
        {"steps": 51}, {"runs": 2}, {"seed": 1}, {"stop_loss": 1e-4}, {"stop_grad": 1e-4},
        {"dtype": "float32"}, {"device": "cpu"}, {"problem": NOISY | {"noise": 2.0}},
        {"problem": NOISY | {"start": [0, 0]}}, {"problem": NOISY | {"start_noise": 0.2}},
        {"methods": [{"name": "kbfgs"}]}, {"methods": [{"name": "adam"}, {"name": "kbfgs"}]},
        {"methods": [{"name": "kbfgs", "damping": "none"}, {"name": "adam"}]},
        {"methods": [{"name": "kbfgs", "lam": 0.30001}, {"name": "adam"}]},
        {"methods": [{"name": "kbfgs", "label": "k"}, {"name": "adam"}]}]
    covered = {f for c in changed for f in c}
    assert covered == set(RunSpec.model_fields)
    keys = [parse(base | c).key() for c in [{}, *changed]]
    assert len(set(keys)) == len(keys)


# --- files ----------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def recorded():
    return run(spec("kbfgs", {"name": "newton_krylov", "label": "NK, η=0.1"}, {
        "name": "sgd", "lr": 1.0}))


def test_a_saved_trace_comes_back_as_it_was(recorded, tmp_path):
    path = tmp_path / "run.npz"
    recorded.save(path)
    loaded = Trace.load(path)
    same(recorded, loaded)
    np.testing.assert_array_equal(loaded["sgd"]["seconds"], recorded["sgd"]["seconds"])
    for name in ("spec", "key", "entrants", "words", "ends", "device"):
        assert getattr(loaded, name) == getattr(recorded, name), name
    for name, a in recorded.plane.items():
        np.testing.assert_array_equal(loaded.plane[name], a)
    assert parse(loaded.spec).key() == loaded.key


def test_the_file_is_plain_npz_without_pickle_with_the_promised_names(recorded, tmp_path):
    path = tmp_path / "run.npz"
    recorded.save(path)
    with np.load(path, allow_pickle=False) as data:
        names = set(data.files)
        assert all(not data[n].dtype.hasobject for n in names)
        assert parse(json.loads(str(data["spec"]))).steps == 30
        assert isinstance(json.loads(str(data["events"])), dict)
    assert "allow_pickle" not in names
    for column in ("loss", "theta", "work", "seconds", "status", *EXPOSED["kbfgs"]):
        assert f"kbfgs/{column}" in names
    assert "NK, η=0.1/krylov_reason" in names


def damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    if how == "truncated":
        path.write_bytes(data[:len(data) // 2])
    elif how == "flipped":
        middle = len(data) // 3
        path.write_bytes(data[:middle] + bytes(b ^ 0xFF for b in data[middle:middle + 200])
                         + data[middle + 200:])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "text":
        path.write_text("this is no run")
    elif how == "other npz":
        np.savez(path, x=np.arange(3))
    elif how == "other zip":
        with zipfile.ZipFile(path, "w") as z:
            z.writestr("hello.txt", "hello")
    elif how == "single array":
        with path.open("wb") as file:
            np.save(file, np.arange(3))
    else:
        with np.load(path) as saved:
            arrays = dict(saved)
        meta = json.loads(str(arrays["events"]))
        if how == "pickle":
            arrays["kbfgs/loss"] = np.array([{"a": 1}], dtype=object)
        elif how == "no events":
            del arrays["events"]
        elif how == "broken json":
            arrays["spec"] = np.array("{")
        elif how == "list for events":
            arrays["events"] = np.array("[]")
        elif how == "number for entrants":
            arrays["events"] = np.array(json.dumps(meta | {"entrants": 3}))
        elif how == "strange entrant":
            meta["entrants"][0]["wheels"] = 4
            arrays["events"] = np.array(json.dumps(meta))
        elif how == "column of nobody":
            arrays["nobody/loss"] = arrays["kbfgs/loss"]
        np.savez(path, **arrays)


@pytest.mark.parametrize("how", [
    "truncated", "flipped", "empty", "text", "other npz", "other zip", "single array", "pickle",
    "no events", "broken json", "list for events", "number for entrants", "strange entrant",
    "column of nobody"])
def test_damaged_and_foreign_files_are_refused_by_name(recorded, tmp_path, how):
    path = tmp_path / "lecture.npz"
    recorded.save(path)
    damage(path, how)
    with pytest.raises(TraceError, match=r"lecture\.npz") as error:
        Trace.load(path)
    assert str(error.value).endswith(".")
    with pytest.raises(TraceError, match="upload"), path.open("rb") as file:
        Trace.load(file, name="upload")


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path):
    for path in (tmp_path / "lecture.npz", tmp_path):
        with pytest.raises(TraceError, match=path.name):
            Trace.load(path)


def test_a_file_that_would_fill_the_memory_is_refused(recorded, tmp_path, monkeypatch):
    path = tmp_path / "lecture.npz"
    recorded.save(path)
    monkeypatch.setattr("qnviz.runs.trace.MAX_FILE_BYTES", 1000)
    with pytest.raises(TraceError, match=r"lecture\.npz would unpack to"):
        Trace.load(path)


def test_a_trace_is_read_without_torch(recorded, tmp_path):
    path = tmp_path / "run.npz"
    recorded.save(path)
    code = ("import sys; from qnviz.runs.trace import Trace; "
            f"t = Trace.load({str(path)!r}); assert t['kbfgs']['loss'].shape == (31, 5); "
            "assert not {'torch', 'pydantic', 'streamlit'} & set(sys.modules)")
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_every_kind_of_hessian_vector_product_runs_in_the_loop():
    """The loop is in inference mode, which autograd's kinds must step out of."""
    from typing import get_args

    from qnviz.curvature.hessian_vector import Kind

    ends = {}
    for kind in get_args(Kind):
        spec = parse({"problem": {"name": "rosenbrock", "noise": 1.0}, "runs": 3, "steps": 12,
                      "methods": [{"name": "newton_krylov", "derivative": kind}]})
        ends[kind] = run(spec)["newton_krylov"]["theta"]
    for kind, theta in ends.items():
        # central differences lose half of the digits, and twelve Newton steps amplify that
        limit = 1e-6 if kind == "finite_difference" else 1e-12
        assert abs(theta - ends["pairs"]).max() < limit, kind
