"""Sweeps: a cell of a map is the run that a lab shows, whoever computes it and in which tile."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from qnviz.curvature.krylov import Reason
from qnviz.errors import SpecError, TraceError
from qnviz.methods.registry import METHODS
from qnviz.runs.loop import run
from qnviz.runs.spec import parse
from qnviz.sweeps.result import NOTHING, SweepResult
from qnviz.sweeps.spec import parse_sweep
from qnviz.sweeps.tiles import TILE_RUNS, compute, tile_runs, tiles

ROSENBROCK = {"name": "rosenbrock", "start": [-0.5, 0.5]}
LAM = {"field": "lam", "from": 0.05, "to": 0.8, "points": 3, "scale": "log"}
LR = {"field": "lr", "from": 0.01, "to": 3, "points": 4, "scale": "log"}


def sweep(x=LAM, y=LR, method="kbfgs", problem=ROSENBROCK, seeds=2, steps=60, **more):
    return parse_sweep({
        "problem": problem, "methods": [{"name": method}], "steps": steps, "stop_loss": 1e-2,
        "sweep": {"x": x, "y": y, "seeds": seeds}, **more})


def computed(spec):
    result = SweepResult(spec)
    for tile in tiles(spec):
        result.put(tile, compute(spec, tile))
    return result


PROBLEMS = {
    "rosenbrock": ROSENBROCK,
    "noise": ROSENBROCK | {"noise": 1.5, "start_noise": 0.1},
    "noise in f": ROSENBROCK | {"noise": 1.5, "noise_in": "function", "start_noise": 0.1},
    "linear_net": {"name": "linear_net", "width": 6, "samples": 40, "batch": 20}}


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("method", [
    "kbfgs", "kbfgs_l", "curveball", "newton_krylov", "kfac", "adam", "levenberg_marquardt", "sgd"])
def test_a_cell_is_the_run_that_a_lab_shows(method, problem):
    field = next(f for f in ("lam", "lr") if f in METHODS[method].model_fields)
    low, high = (0.02, 0.2) if field == "lr" else (0.1, 0.9)
    spec = sweep({"field": field, "from": low, "to": high, "points": 3}, None, method,
                 PROBLEMS[problem], steps=25, seed=5)
    result = computed(spec)
    assert result.complete
    for seed in range(2):
        for ix in range(3):
            alone = spec.at(0, ix, seed)
            assert alone.seed == 5 + seed
            trace = run(alone)
            c = trace[alone.methods[0].entrant]
            status, cell = result["status"][0, ix, seed], (0, ix, seed)
            assert status == c["status"][0]
            if status != "diverged":
                # so few steps that rounding has no time to grow
                np.testing.assert_allclose(result["final_loss"][cell], c["loss"][-1, 0], rtol=1e-6)
            assert result["work"][cell] == c["work"][int(c["stopped"][0]), 0]
            reached = result["steps_to_target"][cell]
            assert np.isnan(reached) if status != "converged" else reached == c["stopped"][0]


def test_summaries_are_those_of_the_recorded_run():
    spec = sweep(seeds=1)
    result = computed(spec)
    for iy in range(4):
        for ix in range(3):
            if result["status"][iy, ix, 0] == "diverged":
                continue
            c = run(spec.at(iy, ix))["kbfgs"]
            n = int(c["stopped"][0])
            np.testing.assert_allclose(result["eig_max"][iy, ix, 0], c["eig_max"][:n].max(),
                                       rtol=1e-6)
            damped = ((c["theta1"][:n] < 1) | (c["theta2"][:n] < 1)).mean()
            assert result["damped"][iy, ix, 0] == pytest.approx(damped)
    krylov = sweep({"field": "lam", "from": 1e-3, "to": 1, "points": 2}, None, "newton_krylov",
                   seeds=1)
    result = computed(krylov)
    c = run(krylov.at(0, 1))["newton_krylov"]
    n = int(c["stopped"][0])
    assert result["krylov"][0, 1, 0] == c["krylov_iterations"][:n].sum()
    assert result["negative"][0, 1, 0] == pytest.approx(
        (c["krylov_reason"][:n] == Reason.NEGATIVE_CURVATURE).mean())


def test_starts_lie_where_the_axes_say():
    spec = sweep({"field": "start.0", "from": -2, "to": 2, "points": 5},
                 {"field": "start.1", "from": -1, "to": 3, "points": 3}, "bfgs", seeds=1, steps=1)
    result = computed(spec)
    assert spec.at(2, 4).problem.start == (2, 3)
    for iy, y in enumerate(spec.values["y"]):
        for ix, x in enumerate(spec.values["x"]):
            c = run(spec.at(iy, ix))["bfgs"]
            np.testing.assert_allclose(c["theta"][0, 0], [x, y], atol=1e-15)
            np.testing.assert_allclose([result["end.0"][iy, ix, 0], result["end.1"][iy, ix, 0]],
                                       c["theta"][-1, 0], rtol=1e-9)


def test_whole_numbers_part_the_tiles():
    spec = sweep({"field": "memory", "from": 1, "to": 4, "points": 4},
                 {"field": "lr", "from": 0.001, "to": 0.01, "points": 2}, "kbfgs_l", seeds=1)
    for tile in tiles(spec):
        assert len({int(c) % 4 for c in tile.cells}) == 1
    result = computed(spec)
    c = run(spec.at(1, 2))["kbfgs_l"]
    assert spec.at(1, 2).methods[0].memory == 3
    assert result["final_loss"][1, 2, 0] == pytest.approx(c["loss"][-1, 0], rel=1e-9)


@pytest.mark.parametrize(("points", "seeds"), [
    ((1, 1), 1), ((7, 1), 3), ((64, 64), 1), ((65, 33), 2), ((1000, 1), 1)])
def test_tiles_cover_every_run_once_and_coarse_ones_first(points, seeds):
    spec = sweep(LAM | {"points": points[0]}, LR | {"points": points[1]}, seeds=seeds)
    seen = np.zeros((points[0] * points[1], seeds), dtype=int)
    found = tiles(spec)
    for i, tile in enumerate(found):
        assert tile.number == i
        assert 0 < len(tile.cells) <= tile_runs(spec) <= TILE_RUNS
        seen[tile.cells, tile.seed] += 1
    assert (seen == 1).all()
    if points == (64, 64):
        rows, columns = np.divmod(found[0].cells, 64)
        assert len(found[0].cells) == 64
        assert (rows % 8 == 0).all()
        assert (columns % 8 == 0).all()


def test_tiles_fit_the_memory_of_a_gpu(monkeypatch):
    """No GPU is needed to plan for one."""
    spec = sweep(LAM | {"points": 300}, LR | {"points": 300}, seeds=1,
                 problem={"name": "autoencoder"}, stop_loss=None)
    assert tile_runs(spec) <= TILE_RUNS
    seen = []
    for gigabytes in (2, 16):
        card = SimpleNamespace(total_memory=gigabytes * 2**30)
        monkeypatch.setattr("qnviz.sweeps.tiles.resolve", lambda *a: (torch.device("cuda"), ""))
        monkeypatch.setattr("torch.cuda.get_device_properties", lambda device, c=card: c)
        seen.append(tile_runs(spec))
        assert seen[-1] * spec.swept.footprint(spec.problem) * 8 <= 0.25 * card.total_memory
    assert 1 < seen[0] < seen[1]


def test_a_run_has_the_same_numbers_in_any_tile(monkeypatch):
    spec = sweep(LAM | {"points": 6}, LR | {"points": 6}, seeds=1, steps=40)
    whole = computed(spec)
    monkeypatch.setattr("qnviz.sweeps.tiles.TILE_RUNS", 7)
    again = parse_sweep(json.loads(json.dumps(spec.model_dump(mode="json"))) | {"steps": 40})
    tiles.__globals__["_tiles"].cache_clear()
    try:
        parts = computed(again)
        assert len(parts.have) > 5
    finally:
        tiles.__globals__["_tiles"].cache_clear()
    for name, a in whole.columns.items():
        if a.dtype.kind == "f":
            np.testing.assert_allclose(a, parts[name], rtol=1e-9)
        else:
            assert (a == parts[name]).all()


def test_what_diverges_is_a_category_and_no_number():
    spec = sweep({"field": "lr", "from": 5, "to": 9, "points": 3}, None, "sgd", seeds=1)
    result = computed(spec)
    assert (result["status"] == "diverged").all()
    assert np.isnan(result["final_loss"]).all()
    assert np.isnan(result["steps_to_target"]).all()


def test_a_run_that_ends_far_above_its_start_diverged():
    spec = sweep({"field": "memory", "from": 1, "to": 4, "points": 4},
                 {"field": "lr", "from": 0.01, "to": 0.1, "points": 2}, "kbfgs_l", seeds=1,
                 steps=14)
    trace = run(spec.at(1, 2))
    loss = trace["kbfgs_l"]["loss"][:, 0]
    assert 1e6 * loss[0] < loss[-1] < np.inf          # still finite when its steps are used up
    assert computed(spec)["status"][1, 2, 0] == trace["kbfgs_l"]["status"][0] == "diverged"
    assert "after all 14 steps the loss is" in trace.ends["kbfgs_l"][0]


@pytest.mark.parametrize(("change", "words"), [
    ({"x": LAM | {"from": 0, "to": 0.5}}, "a log axis needs ends above 0"),
    ({"x": LAM | {"from": 0.5, "to": 0.5}}, "take points = 1"),
    ({"x": LAM | {"to": 1.5}}, "lam is 1.5, but must be less than 1"),
    ({"x": LAM | {"points": 0}}, "points is 0, but must be at least 1"),
    ({"x": LAM | {"field": "depth"}}, "which K-BFGS does not have; it can sweep lr, lam"),
    ({"x": LAM | {"field": "damping"}}, "which K-BFGS does not have"),
    ({"x": LAM | {"field": "start.2"}}, "start fields are start.0, start.1"),
    ({"x": {"field": "start.0", "from": 0, "to": 99, "points": 2}}, "at most 10"),
    ({"x": LR}, "sweep.x and sweep.y are both 'lr'"),
    ({"entrant": "adam"}, "must be one of 'kbfgs'"),
    ({"seeds": 0}, "seeds is 0, but must be at least 1"),
    ({"x": LAM | {"points": 3000}, "y": LR | {"points": 3000}}, "the limit is 4,000,000"),
    ({"x": LAM | {"from": float("nan")}}, "finite"),
    ({"z": LAM}, "not a known field")])
def test_a_wrong_sweep_says_what_is_wrong(change, words):
    data = {"problem": ROSENBROCK, "methods": [{"name": "kbfgs"}],
            "sweep": {"x": LAM, "y": LR} | change}
    with pytest.raises(SpecError) as fault:
        parse_sweep(data)
    assert words in str(fault.value)


def test_a_sweep_of_whole_numbers_has_enough_of_them():
    with pytest.raises(SpecError, match="there are only 3"):
        sweep({"field": "memory", "from": 1, "to": 3, "points": 9}, None, "kbfgs_l")


def test_a_sweep_is_no_run_and_a_run_no_sweep():
    data = {"problem": ROSENBROCK, "methods": [{"name": "kbfgs"}]}
    with pytest.raises(SpecError, match="python -m qnviz sweep"):
        parse(data | {"sweep": {"x": LAM}})
    with pytest.raises(SpecError, match="sweep is missing"):
        parse_sweep(data)
    with pytest.raises(SpecError, match="leave runs out"):
        parse_sweep(data | {"runs": 2, "sweep": {"x": LAM}})


def test_reversed_ends_and_one_point_are_taken_as_they_are():
    spec = sweep(LAM | {"from": 0.8, "to": 0.05}, LR | {"points": 1}, seeds=1)
    assert spec.values["x"][0] == pytest.approx(0.8)
    assert spec.values["x"][-1] == 0.05
    assert spec.values["y"].tolist() == [0.01]
    other = sweep(LAM, LR | {"points": 1}, seeds=1)
    np.testing.assert_allclose(computed(spec)["work"][:, ::-1], computed(other)["work"])


def test_a_million_cells_are_planned_at_once():
    spec = sweep(LAM | {"points": 1000}, LR | {"points": 1000}, seeds=1)
    assert sum(len(t.cells) for t in tiles(spec)) == 1_000_000


def test_a_result_is_saved_and_read_back_whole_or_interrupted(tmp_path):
    spec = sweep(LAM | {"points": 40}, LR | {"points": 40}, seeds=1, steps=5)
    result = SweepResult(spec)
    first = tiles(spec)[0]
    result.put(first, compute(spec, first))
    assert 0 < result.fraction < 1
    result.save(tmp_path / "sweep.npz")
    again = SweepResult.load(tmp_path / "sweep.npz")
    assert again.spec == spec
    assert len(again.missing) == len(tiles(spec)) - 1
    assert (again["status"] == NOTHING).sum() == (result["status"] == NOTHING).sum()
    for tile in again.missing:
        again.put(tile, compute(again.spec, tile))
    whole = computed(spec)
    for name, a in whole.columns.items():
        np.testing.assert_array_equal(a, again[name])
    assert list(tmp_path.iterdir()) == [tmp_path / "sweep.npz"]
    with np.load(tmp_path / "sweep.npz", allow_pickle=False) as data:
        np.testing.assert_array_equal(data["axis/x"], spec.values["x"])


@pytest.mark.parametrize("content", [b"", b"nothing", None])
def test_a_damaged_result_is_refused(tmp_path, content):
    path = tmp_path / "sweep.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TraceError, match="sweep.npz"):
        SweepResult.load(path)


def test_all_see_the_same_noise():
    """One seed is one sequence of noise: equal settings in two cells are equal runs."""
    spec = sweep({"field": "lr", "from": 1e-4, "to": 1.0001e-4, "points": 2}, None, "sgd",
                 ROSENBROCK | {"noise": 3.0}, seeds=2, steps=10)
    (a, other), (b, _) = computed(spec)["final_loss"][0]
    assert a == pytest.approx(b, rel=1e-3)
    assert a != pytest.approx(other, rel=1e-2)
