"""What a run leaves behind: columns, words, its key, and its file."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from qnviz.errors import TraceError
from qnviz.runs import step
from qnviz.runs.loop import run, stream
from qnviz.runs.spec import RunSpec, parse
from qnviz.runs.trace import OTHER_COLUMNS, STATE_COLUMNS, Trace, is_event
from tests.helpers import NOISY, assert_same, spec

ROOT = Path(__file__).resolve().parents[1]

# --- what is recorded ---------------------------------------------------------------------------

EXPOSED = {
    "kbfgs": ("eig_min", "eig_max", "pair_low", "pair_high", "apriori_low",
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
        assert c["step"].tolist() == list(range(T + 1))         # a small problem: every iterate
        assert c["status"].shape == c["stopped"].shape == (R,)
        for name, a in c.items():
            assert not a.dtype.hasobject
            assert a.shape[:2] == (T, R) if is_event(name) else (
                name in STATE_COLUMNS | OTHER_COLUMNS), name
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
    assert not (STATE_COLUMNS | OTHER_COLUMNS) & set(row)
    assert row["rho"] == trace["curveball"]["rho"][7, 2]


def test_an_interrupted_run_is_a_usable_trace(monkeypatch):
    monkeypatch.setattr(step, "LONGEST_CHUNK", 4)
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
    assert_same(Trace.load(file), trace)


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
        {"methods": [{"name": "kbfgs", "label": "k"}, {"name": "adam"}]},
        {"methods": [{"name": "kbfgs"}], "fork": {"method": {"name": "kbfgs"}, "step": 5}},
        {"methods": [{"name": "kbfgs"}], "fork": {"method": {"name": "kbfgs"}, "step": 6}}]
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
    assert_same(recorded, loaded)
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


def test_a_file_that_would_fill_the_memory_is_refused(recorded, tmp_path):
    path = tmp_path / "lecture.npz"
    recorded.save(path)
    with pytest.raises(TraceError, match=r"lecture\.npz would unpack to"):
        Trace.load(path, limit=1000)


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
