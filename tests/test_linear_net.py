"""The degenerate linear net: symmetry, flat directions, data, and what is seen of it."""

import numpy as np
import pytest
import torch

from qnviz.problems.linear_net import LinearNet
from qnviz.runs.loop import run
from qnviz.runs.spec import RunSpec
from tests.helpers import CPU, F64, assert_close, normal, plain_hessian, plain_loss


def build(**fields):
    return LinearNet(**({"samples": 50} | fields)).build(F64, CPU)


def joined(*blocks):
    return torch.cat([b.reshape(-1) for b in blocks])[None]


def minimiser(problem):
    """Blocks whose product is the best one of their rank: singular values shared out evenly."""
    spec = problem.spec
    # f = E‖(P − A)x‖²: with S = E[xxᵀ] the best product of rank w is that of A S^½, times S^−½
    x = problem.reference().x[0]
    values, Q = torch.linalg.eigh(x.T @ x / len(x))
    root = Q * values.sqrt() @ Q.T
    U, s, Vt = torch.linalg.svd(problem.A @ root, full_matrices=False)
    k, L = min(spec.width, 6), spec.depth
    part = torch.diag(s[:k] ** (1 / L))
    inner = torch.zeros(spec.width, spec.width, dtype=F64)
    inner[:k, :k] = part
    first = torch.zeros(spec.width, 6, dtype=F64)
    first[:k] = part @ Vt[:k] @ torch.linalg.inv(root)
    last = torch.zeros(10, spec.width, dtype=F64)
    last[:, :k] = U[:, :k] @ part
    return joined(first, *[inner] * (L - 2), last)


# --- symmetry -----------------------------------------------------------------------------------

@pytest.mark.parametrize("width", [1, 6, 9])
def test_the_loss_is_blind_to_a_change_of_basis_in_the_hidden_layer(width):
    problem = build(width=width)
    theta = problem.start(0, torch.arange(4))
    W1, W2 = problem.split(theta)
    C = normal(5, 4, width, width) + 3 * torch.eye(width, dtype=F64)
    moved = problem.join([C @ W1, W2 @ torch.linalg.inv(C)])
    batch = problem.reference()
    assert (moved - theta).norm() > 1
    assert_close(problem.forward(moved, batch).f, problem.forward(theta, batch).f, 1e-11)
    assert_close(problem.views(moved, theta)["singular"], problem.views(theta, theta)["singular"],
                 1e-11)


@pytest.mark.parametrize("condition", [1e-8, 1e-5, 1e-1])
@pytest.mark.parametrize(("width", "depth"), [(1, 2), (3, 2), (6, 2), (8, 2), (4, 3), (6, 3),
                                              (7, 4)])
def test_flat_directions_at_a_minimiser(width, depth, condition):
    problem = build(width=width, depth=depth, condition=condition)
    theta, batch = minimiser(problem), problem.reference()
    tape = problem.forward(theta, batch)
    g = problem.join(problem.gradient(tape))
    H = plain_hessian(problem, theta[0], batch, 0)
    values = torch.linalg.eigvalsh(H)
    top = values[-1]
    assert g.norm() < 1e-12 * top
    if width >= 6:
        assert tape.f.item() < 1e-20
        assert problem.spec.zeros >= 16 * width - 60 if depth == 2 else problem.spec.zeros > 0
    assert values[0] > -1e-12 * top
    # small κ makes more eigenvalues vanish below rounding: there `zeros` is a lower bound
    zeros = int((values < 1e-13 * top).sum())
    assert zeros >= problem.spec.zeros
    if depth == 2 and condition == 1e-1:
        assert zeros == problem.spec.zeros == 16 * width - min(width, 6) * (16 - min(width, 6))


def test_the_depth_two_count_is_that_of_the_paper():
    for width in (6, 7, 10, 50):
        assert LinearNet(width=width).zeros == 16 * width - 60


@pytest.mark.parametrize("depth", [2, 3])
def test_gradient_flow_keeps_the_differences_and_small_steps_nearly(depth):
    problem = build(depth=depth, init="scaled", condition=0.1)
    start, batch = problem.start(1, torch.arange(3)), problem.reference()
    drifts = []
    for step in (4e-3, 2e-3, 1e-3):
        theta = start
        for _ in range(round(0.4 / step)):                        # the same time for every step
            theta = theta - step * problem.join(problem.gradient(problem.forward(theta, batch)))
        drifts.append(problem.views(theta, start)["drift"])
    assert (theta - start).norm() > 0.5                           # it went somewhere
    assert (drifts[-1] < 1e-2).all()
    for coarse, fine in zip(drifts[:-1], drifts[1:], strict=True):
        assert ((coarse / fine - 2).abs() < 0.2).all()            # first order in the step


# --- data ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("batch", [None, 5])
def test_methods_begin_on_all_samples_with_draws_of_their_own(batch):
    problem, runs = build(batch=batch), torch.tensor([4, 7])
    begun = problem.training(3, runs)
    assert torch.equal(begun.x[0], problem.draw.x)
    assert torch.equal(begun.target[0], problem.draw.target)
    assert (begun.full, begun.seed, begun.step) == (True, 3, -1)
    assert torch.equal(begun.runs, runs)


@pytest.mark.parametrize("fields", [{}, {"samples": 10}, {"samples": 1000, "condition": 1e-8},
                                    {"depth": 4, "width": 3}])
def test_seven_points_stand_for_all_samples(fields):
    problem = build(**fields)
    few, every = problem.reference(), next(iter(problem.batches(0, 1, 0, torch.arange(3))))
    assert few.x.shape == (1, 7, 6)
    assert every.x.shape == (1, problem.spec.samples, 6)
    assert few.full
    assert every.full
    theta = problem.start(0, torch.arange(3))
    a, b = problem.forward(theta, few), problem.forward(theta, every)
    assert_close(a.f, b.f, 1e-12)
    assert_close(problem.join(problem.gradient(a)), problem.join(problem.gradient(b)), 1e-12)
    v = normal(2, 3, problem.size)
    assert_close(problem.hessian_vector(a, v), problem.hessian_vector(b, v), 1e-12)
    assert_close(problem.gauss_newton_vector(a, v), problem.gauss_newton_vector(b, v), 1e-12)
    for one, all_ in zip([*a.a, *a.h, *a.g], [*b.a, *b.h, *b.g], strict=True):
        assert_close(one.mean(1), all_.mean(1), 1e-12)
        assert_close(one.mT @ one / one.shape[1], all_.mT @ all_ / all_.shape[1], 1e-12)


def test_few_samples_give_the_hessian_of_all_of_them():
    problem = build(samples=20, width=3)
    few, every = problem.reference(), next(iter(problem.batches(0, 1, 0, torch.arange(1))))
    theta = problem.start(0, torch.arange(1))[0]
    assert_close(plain_hessian(problem, theta, few, 0), plain_hessian(problem, theta, every, 0),
                 1e-12)
    assert_close(plain_loss(problem, theta, few, 0), plain_loss(problem, theta, every, 0), 1e-12)


@pytest.mark.parametrize("condition", [1e-1, 1e-5, 1e-8])
def test_a_is_a_scaled_uniform_matrix(condition):
    problem = build(condition=condition, samples=100)
    scale = np.linspace(1, condition, 10)
    U = problem.A.numpy() / scale[:, None]
    assert ((U >= 0) & (U < 1)).all()
    assert U.mean() == pytest.approx(0.5, abs=4 * 0.29 / 60**0.5)
    batch = next(iter(problem.batches(0, 1, 0, torch.arange(1))))
    assert_close(batch.target[0], batch.x[0] @ problem.A.T, 1e-14)
    np.testing.assert_allclose(problem.scene()["singular"],
                               np.linalg.svd(problem.A.numpy(), compute_uv=False), rtol=1e-9)
    assert problem.scene()["zeros"] == 36
    # the same data in every dtype, other data for another seed
    narrow = LinearNet(condition=condition, samples=100).build(torch.float32, CPU)
    assert torch.equal(narrow.A, problem.A.float())
    assert not torch.equal(build(condition=condition, data_seed=1).A, problem.A)
    x = build(samples=20_000).draw.x
    assert x.mean(0).abs().max() < 4 / 20_000**0.5
    assert ((x.T @ x / 20_000 - torch.eye(6, dtype=F64)).abs() < 6 / 20_000**0.5).all()


@pytest.mark.parametrize("width", [6, 10])
def test_scales_of_the_start(width):
    runs = torch.arange(3000)
    usual, scaled = (build(width=width, depth=3, init=i) for i in ("randn", "scaled"))
    a, b = (p.split(p.start(4, runs)) for p in (usual, scaled))
    for l, (W, V) in enumerate(zip(a, b, strict=True)):
        ratio = 2 / (width + 6) if l == 0 else 1 / width
        assert_close(V, ratio * W, 1e-15)
        assert W.mean().abs() < 4 / W.numel()**0.5
        assert W.std().item() == pytest.approx(1, abs=4 / (2 * W.numel())**0.5)
    assert not torch.equal(a[0][0], a[0][1])                      # every run starts elsewhere


# --- what is seen -------------------------------------------------------------------------------

def test_views_by_numpy():
    spec = RunSpec(problem=LinearNet(width=4, depth=3, samples=30, init="scaled"),
                   methods=({"name": "sgd", "lr": 0.01}, {"name": "kbfgs"}), steps=40, runs=2)
    trace, problem = run(spec), spec.problem.build(F64, CPU)
    L, w, sizes = 3, 4, [(4, 6), (4, 4), (10, 4)]
    for c in trace.columns.values():
        assert c["view_step"].tolist() == list(range(41))
        assert c["view_singular"].shape == (41, 6)
        assert c["view_drift"].shape == (41, L - 1)
        assert c["view_hessian"].shape == (41, problem.size)
        start = None
        for v, k in enumerate(c["view_step"]):
            theta, at, W = c["theta"][k, 0], 0, []                # c["step"] is every iterate here
            for shape in sizes:
                W.append(theta[at:at + np.prod(shape)].reshape(shape))
                at += np.prod(shape)
            values = np.linalg.svd(W[2] @ W[1] @ W[0], compute_uv=False)
            np.testing.assert_allclose(c["view_singular"][v], values, rtol=1e-10, atol=1e-14)
            C = [W[l] @ W[l].T - W[l + 1].T @ W[l + 1] for l in range(L - 1)]
            start = start or C
            drift = [np.linalg.norm(a - b) / np.linalg.norm(b)
                     for a, b in zip(C, start, strict=True)]
            np.testing.assert_allclose(c["view_drift"][v], drift, rtol=1e-9, atol=1e-13)
            if v % 10 == 0:
                H = plain_hessian(problem, torch.as_tensor(theta), problem.reference(), 0)
                ours = np.linalg.eigvalsh(H.numpy())
                np.testing.assert_allclose(c["view_hessian"][v], ours, rtol=0,
                                           atol=1e-12 * abs(ours).max())
    factors = trace["kbfgs"]
    assert factors["view_spectrum_g"].shape == (41, L, 10)
    assert factors["view_spectrum_a"].shape == (41, L, 6)
    assert np.isnan(factors["view_spectrum_g"][:, 0, w:]).all()
    assert (np.diff(factors["view_spectrum_g"][:, 2], axis=1) >= 0).all()
    # the events' extremes are those of the same matrices, one step later
    np.testing.assert_allclose(factors["view_spectrum_g"][1:, 2, -1],
                               factors["eig_max"][:, 0, 2], rtol=1e-12)
    np.testing.assert_allclose(factors["view_spectrum_g"][1:, 0, 0],
                               factors["eig_min"][:, 0, 0], rtol=1e-12)


def test_hessians_of_more_than_400_parameters_are_not_viewed():
    c = run(RunSpec(problem=LinearNet(width=30, samples=20), methods=({"name": "adam"},),
                    steps=3))
    assert "view_hessian" not in c["adam"]


def test_wide_nets_have_no_view_of_the_hessian():
    c = run(RunSpec(problem=LinearNet(width=100, samples=20), methods=({"name": "adam"},),
                    steps=3))
    assert "view_hessian" not in c["adam"]
    assert c["adam"]["view_singular"].shape == (4, 6)
