"""The plane laid through the paths of nets: what it explains, and what is drawn on it."""

import numpy as np
import pytest
import torch

from qnviz.methods.registry import METHODS
from qnviz.problems.linear_net import LinearNet
from qnviz.runs import plane as planes
from qnviz.runs.loop import run
from qnviz.runs.plane import projected
from qnviz.runs.spec import RunSpec
from qnviz.runs.trace import snapshots
from tests.helpers import CPU, F64, Net, drive, normal, variants

pytestmark = pytest.mark.usefixtures("tiny_images")


def columns(problem, theta):
    """What `projected` needs of an entrant with iterates theta (K, P)."""
    loss = problem.forward(theta, problem.reference()).f
    K = len(theta)
    return {"theta": theta[:, None].numpy(), "loss": loss[:, None].numpy(),
            "step": np.arange(K), "stopped": np.array([K - 1])}


def race(problem, steps=25):
    entrants = {"gd": METHODS["sgd"](lr=0.01), "adam": METHODS["adam"](lr=0.02),
                "kbfgs": METHODS["kbfgs"](lr=0.1)}
    return {label: columns(problem, drive(m, problem, 1, steps).theta[:, 0])
            for label, m in entrants.items()}


@pytest.fixture(scope="module")
def net():
    return Net((4, 5, 3), "tanh", "mse", samples=30)


@pytest.fixture(scope="module")
def found(net):
    paths = race(net)
    return paths, *projected(net, paths)


def loss_at(problem, theta):
    return problem.forward(torch.as_tensor(theta), problem.reference()).f.numpy()


def frame(paths, flat):
    """Origin and axes (2, P) of the plane, by least squares from iterates and coordinates."""
    theta = np.concatenate([c["theta"][:, 0] for c in paths.values()])
    at = np.concatenate([flat[label]["path"] for label in paths])
    A = np.column_stack([at, np.ones(len(at))])
    # the axes are the principal directions: coordinates and what they leave out are uncorrelated
    return np.linalg.lstsq(A, theta, rcond=None)[0]


def test_it_explains_what_numpys_principal_components_explain(found):
    paths, plane, flat = found
    theta = np.concatenate([c["theta"][:, 0] for c in paths.values()])
    s = np.linalg.svd(theta - theta.mean(0), compute_uv=False) ** 2
    np.testing.assert_allclose(plane["explained"], s[:2] / s.sum(), rtol=1e-9)
    at = np.concatenate([flat[label]["path"] for label in paths])
    np.testing.assert_allclose(np.sort(at.var(0))[::-1] * len(at), s[:2], rtol=1e-9)
    assert 0 < plane["explained"].sum() <= 1 + 1e-12


def test_coordinates_can_be_taken_back_into_the_plane(net, found):
    paths, _, flat = found
    x, y, origin = frame(paths, flat)
    np.testing.assert_allclose([x @ x, y @ y, x @ y], [1, 1, 0], atol=1e-9)
    for label, c in paths.items():
        shadow = origin + flat[label]["path"] @ np.stack([x, y])
        again = (shadow - origin) @ np.stack([x, y]).T
        np.testing.assert_allclose(again, flat[label]["path"], atol=1e-12)
        np.testing.assert_allclose(flat[label]["path_loss"], loss_at(net, shadow), rtol=1e-8)
        np.testing.assert_allclose(flat[label]["path_true"], loss_at(net, c["theta"][:, 0]),
                                   rtol=1e-12)
        np.testing.assert_allclose(flat[label]["path_true"], c["loss"][:, 0], rtol=1e-12)


def test_the_surface_is_the_loss_at_its_points(net, found):
    paths, plane, flat = found
    x, y, origin = frame(paths, flat)
    X, Y = np.meshgrid(plane["x"], plane["y"])
    grid = origin + X[..., None] * x + Y[..., None] * y
    assert plane["z"].shape == (len(plane["y"]), len(plane["x"]))
    np.testing.assert_allclose(plane["z"], loss_at(net, grid.reshape(-1, net.size)).reshape(
        plane["z"].shape), rtol=1e-7)
    for label in paths:
        inside = flat[label]["path"]
        for k, axis in enumerate("xy"):
            assert plane[axis][0] < inside[:, k].min()
            assert plane[axis][-1] > inside[:, k].max()


def test_with_ends_the_plane_passes_through_where_two_entrants_ended(net, found):
    paths = found[0]
    plane, flat = projected(net, paths, ends=("adam", "kbfgs"))
    for label in ("adam", "kbfgs"):
        assert flat[label]["path_loss"][-1] == pytest.approx(flat[label]["path_true"][-1], rel=1e-9)
        assert flat[label]["path_loss"][0] == pytest.approx(flat[label]["path_true"][0], rel=1e-9)
        np.testing.assert_allclose(flat[label]["path"][0], 0, atol=1e-12)
    assert flat["adam"]["path"][-1][1] == pytest.approx(0, abs=1e-12)
    assert not np.allclose(flat["gd"]["path_loss"], flat["gd"]["path_true"])
    assert (plane["explained"] > 0).all()
    assert plane["explained"].sum() < 1


def test_samples_are_the_same_for_surface_and_path(net, found, monkeypatch):
    monkeypatch.setattr(planes, "SAMPLES", 11)
    paths = found[0]
    _, flat = projected(net, paths)
    few = net.reference()
    few.x, few.target = few.x[:, :11], few.target[:, :11]
    for label, c in paths.items():
        expected = net.forward(torch.as_tensor(c["theta"][:, 0]), few).f
        np.testing.assert_allclose(flat[label]["path_true"], expected, rtol=1e-12)


def test_a_diverged_entrant_does_not_spoil_the_fit(net, found):
    paths = dict(found[0])
    usual = projected(net, paths)[0]
    start = paths["gd"]["theta"][:1, 0]
    far = start * 10.0 ** np.arange(0, 9)[:, None]
    paths["wild"] = columns(net, torch.as_tensor(np.concatenate([start, far[1:]])))
    plane, flat = projected(net, paths)
    assert (plane["x"][-1] - plane["x"][0]) < 3 * (usual["x"][-1] - usual["x"][0])
    assert np.isfinite(plane["z"]).all()
    assert plane["explained"].sum() > 0.5
    assert flat["wild"]["path"].shape == (9, 2)
    np.testing.assert_allclose(flat["wild"]["path_true"], paths["wild"]["loss"][:, 0], rtol=1e-12)


@pytest.mark.parametrize("kind", ["one point", "a line", "nobody moves"])
def test_poor_paths_have_a_plane_all_the_same(net, kind):
    theta = net.start(0, torch.arange(1))
    line = theta + torch.linspace(0, 1, 7, dtype=F64)[:, None] * normal(1, 1, net.size)
    path = {"one point": theta, "a line": line, "nobody moves": theta.expand(5, -1).clone()}[kind]
    plane, flat = projected(net, {"a": columns(net, path)})
    for a in (*plane.values(), *flat["a"].values()):
        assert np.isfinite(a).all()
    assert (np.diff(plane["x"]) > 0).all()
    assert (np.diff(plane["y"]) > 0).all()
    assert flat["a"]["path"].shape == (len(path), 2)
    np.testing.assert_allclose(flat["a"]["path_loss"], flat["a"]["path_true"], rtol=1e-9)
    if kind == "a line":
        np.testing.assert_allclose(plane["explained"], [1, 0], atol=1e-9)


def test_ends_that_did_not_move_have_a_plane_all_the_same(net):
    theta = net.start(0, torch.arange(1))
    still = columns(net, theta.expand(4, -1).clone())
    plane, flat = projected(net, {"a": still, "b": still}, ends=("a", "b"))
    assert np.isfinite(plane["z"]).all()
    assert np.isfinite(flat["b"]["path"]).all()


def test_without_parameters_there_is_no_plane(net):
    c = columns(net, net.start(0, torch.arange(1)))
    del c["theta"]
    assert projected(net, {"a": c}) == ({}, {})


@pytest.mark.parametrize("where", [w for w, s in variants() if not s.plane])
def test_in_a_trace(where):
    problem = dict(variants())[where]
    trace = run(RunSpec(problem=problem, methods=({"name": "sgd", "lr": 1e-3}, {"name": "kbfgs"},
                                                  {"name": "sgd", "lr": 10.0, "label": "wild"}),
                        steps=20, runs=2))
    assert set(trace.plane) == {"x", "y", "z", "explained"}
    assert np.isfinite(trace.plane["z"]).all()
    for c in trace.columns.values():
        K = len(c["step"])
        assert c["path"].shape == (K, 2)
        assert c["path_loss"].shape == (K,)
        assert np.isfinite(c["path"]).all()
    # samples of the reference are all here: the true losses are the reported ones
    last = trace["kbfgs"]
    K = len(snapshots(last))                       # it may diverge
    np.testing.assert_allclose(last["path_true"][:K], last["loss"][:K, 0], rtol=1e-9)


def test_less_quality_is_a_coarser_plane(net, found, monkeypatch):
    monkeypatch.setattr(planes, "OPERATIONS", 2e6)
    fine, coarse = (projected(net, found[0], quality=q)[0] for q in (1.0, 0.1))
    assert coarse["z"].size <= fine["z"].size
    assert coarse["z"].shape[0] >= planes.FEWEST_POINTS


def test_the_plane_of_a_linear_net_sees_the_whole_reference():
    problem = LinearNet(samples=100, width=3).build(F64, CPU)
    paths = race(problem, 10)
    _, flat = projected(problem, paths)
    for label, c in paths.items():
        np.testing.assert_allclose(flat[label]["path_true"], c["loss"][:, 0], rtol=1e-12)
