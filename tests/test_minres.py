"""MINRES: against SciPy, dense least squares over Krylov spaces, and what is known of its rules."""

from functools import partial

import numpy as np
import pytest
import torch
from scipy.sparse.linalg import minres as scipy_minres

from qnviz.curvature.krylov import Reason, conjugate_gradients
from qnviz.curvature.minres import minres
from qnviz.methods.newton_krylov import NewtonKrylov
from tests.helpers import (
    F64,
    Net,
    assert_close,
    drive,
    normal,
    plain_gauss_newton,
    plain_gradient,
    plain_hessian,
    plain_loss,
    spd,
)
from tests.test_krylov import N, R, indefinite, lanczos, solve_by

solve = partial(solve_by, minres)


def singular(seed, runs=R, n=N, rank=8):
    """Positive semi-definite H of a given rank, and g in its range."""
    Q = torch.linalg.qr(normal(seed, runs, n, n))[0][..., :rank]
    values = torch.linspace(0.5, 3.0, rank, dtype=F64)
    H = (Q * values) @ Q.mT
    return 0.5 * (H + H.mT), (Q @ normal(seed + 1, runs, rank, 1))[..., 0]


def smallest_residuals(H, g, count):
    """min ‖H d + g‖ over span(g, Hg, …) of one run, by dense least squares on its basis."""
    Q, _ = lanczos(H, g)
    found = []
    for j in range(1, count + 1):
        A = (H @ Q[:, :j]).numpy()
        x, *_ = np.linalg.lstsq(A, -g.numpy(), rcond=None)
        found.append(Q[:, :j].numpy() @ x)
    return torch.as_tensor(np.stack(found))


# --- right iterates -------------------------------------------------------------------------------

@pytest.mark.parametrize(("H", "g"), [
    (spd(1, R, N, 50.0), normal(2, R, N)), (indefinite(3), normal(4, R, N))],
    ids=["positive definite", "indefinite"])
def test_every_iterate_has_the_smallest_residual_in_its_krylov_space(H, g):
    k = solve(H, g, eta=1e-13, early=False, keep=True, budget=N - 1)
    for r in range(R):
        d = smallest_residuals(H[r], g[r], N - 1)
        assert_close(k.path[r], d, 1e-7)
        assert_close(k.residual[r], (d @ H[r] + g[r]).norm(dim=1), 1e-8)


@pytest.mark.parametrize("steps", [1, 3, 6, 11])
@pytest.mark.parametrize(("H", "g"), [
    (spd(5, R, N, 20.0), normal(6, R, N)), (indefinite(7), normal(8, R, N)), singular(9)],
    ids=["positive definite", "indefinite", "singular"])
def test_it_walks_as_scipys(H, g, steps):
    k = solve(H, g, eta=1e-15, early=False, budget=steps)
    for r in range(R):
        theirs, _ = scipy_minres(H[r].numpy(), -g[r].numpy(), rtol=0.0, maxiter=steps)
        if int(k.reason[r]) == Reason.BUDGET:
            assert_close(k.d[r], torch.as_tensor(theirs), 1e-9)
        else:                       # SciPy goes on where nothing is left to solve but rounding
            assert_close(H[r] @ k.d[r], -g[r], 1e-9)


def test_a_singular_consistent_system_is_solved_by_the_shortest_step():
    H, g = singular(9)
    k = solve(H, g, eta=1e-10, early=False)
    assert (k.reason == Reason.CONVERGED).all()
    assert (k.iterations == 8).all()                       # as many as eigenvalues are not 0
    assert_close(k.d, (torch.linalg.pinv(H) @ -g[..., None])[..., 0], 1e-8)


def test_a_singular_inconsistent_system_ends_at_a_least_squares_solution():
    H, g = singular(11)
    g = g + normal(12, R, N)
    k = solve(H, g, eta=1e-13, early=False, budget=3 * N)
    assert (k.reason == Reason.ZERO_CURVATURE).all()               # H r = 0: nothing to go on with
    assert torch.isfinite(k.d).all()
    best = (torch.linalg.pinv(H) @ H @ -g[..., None])[..., 0]      # the part of −g in the range
    assert_close((H @ k.d[..., None])[..., 0], best, 1e-7)


def test_what_it_reports_is_consistent():
    H, g = indefinite(13), normal(14, R, N)
    k = solve(H, g, eta=1e-13, early=False, keep=True, budget=N - 2)
    Hd = k.path @ H.mT
    assert_close(k.residual, (Hd + g[:, None]).norm(dim=-1), 1e-10)
    assert_close(k.model, (k.path * g[:, None]).sum(-1) + 0.5 * (k.path * Hd).sum(-1), 1e-9)
    assert_close(k.Hd, Hd[:, -1], 1e-10)
    assert torch.equal(k.path[:, -1], k.d)
    residuals = torch.cat([g[:, None], Hd + g[:, None]], 1)[:, :-1]
    assert_close(k.curvature, ((residuals @ H.mT) * residuals).sum(-1), 1e-9)
    assert_close(k.rayleigh, k.curvature / (residuals * residuals).sum(-1), 1e-9)


def test_residuals_never_rise():
    for H in (spd(15, R, N, 1e4), indefinite(16), singular(17)[0]):
        k = solve(H, normal(18, R, N), eta=1e-13, early=False, budget=N - 4)
        start = normal(18, R, N).norm(dim=1, keepdim=True)
        steps = torch.cat([start, k.residual], 1).diff(dim=1)
        assert (steps[~steps.isnan()] <= 0).all()


def test_on_a_positive_definite_system_its_residual_is_below_that_of_conjugate_gradients():
    H, g = spd(19, R, N, 1e3), normal(20, R, N)
    ours, theirs = (solve_by(s, H, g, eta=1e-14, budget=9)
                    for s in (minres, conjugate_gradients))
    assert (ours.residual <= theirs.residual * (1 + 1e-9)).all()
    assert (ours.residual < 0.9 * theirs.residual).any()
    assert (ours.model >= theirs.model - 1e-12).all()              # which CG makes smallest


def test_its_lanczos_numbers_are_those_of_gram_schmidt():
    H, g = spd(21, R, N, 30.0), normal(22, R, N)
    k = solve(H, g, eta=1e-14, budget=N - 1)
    for r in range(R):
        _, T = lanczos(H[r], g[r])
        assert_close(k.alpha[r], T.diag()[:-1], 1e-7)
        assert_close(k.beta[r], T.diag(1).abs(), 1e-7)


# --- its rules ------------------------------------------------------------------------------------

@pytest.mark.parametrize("negative", [1, 3, 6])
def test_it_meets_negative_curvature_when_conjugate_gradients_do(negative):
    H, g = indefinite(23, negative=negative), normal(24, R, N)
    ours, theirs = (solve_by(s, H, g) for s in (minres, conjugate_gradients))
    assert (ours.reason == Reason.NEGATIVE_CURVATURE).all()
    assert torch.equal(ours.iterations, theirs.iterations)
    assert ours.iterations.unique().numel() > 1
    for r in range(R):
        last = int(ours.iterations[r]) - 1
        assert (ours.rayleigh[r, :last] > 0).all()
        assert ours.rayleigh[r, last] <= 0
        steepest = -g[r] * g[r].norm() / (H[r] @ g[r]).norm()
        before = smallest_residuals(H[r], g[r], last)[-1] if last else steepest
        assert_close(ours.d[r], before, 1e-9)                      # d is kept
        assert bool(ours.bare[r]) == (last == 0)
        assert_close(ours.Hd[r], H[r] @ ours.d[r], 1e-9)
        assert torch.isnan(ours.residual[r, last])


def test_until_then_the_model_falls_and_every_direction_descends():
    k = solve(indefinite(25), normal(26, R, N), keep=True)
    q = torch.cat([torch.zeros(R, 1, dtype=F64), k.model], 1).diff(dim=1)
    assert (q[~q.isnan()] < 0).all()
    assert ((k.path * normal(26, R, N)[:, None]).sum(-1) < 0).all()


def test_at_a_stationary_point_it_has_converged_and_stays():
    for early in (True, False):
        k = solve(torch.eye(2, dtype=F64)[None], torch.zeros(1, 2, dtype=F64), early=early)
        assert k.d.tolist() == k.Hd.tolist() == [[0, 0]]
        assert Reason(int(k.reason[0])) is Reason.CONVERGED


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_non_finite_at_once_gives_steepest_descent(bad, early):
    H = torch.tensor([[[bad, 0], [0, 1.0]]], dtype=F64)
    k = solve(H, torch.tensor([[3.0, 4.0]], dtype=F64), early=early)
    assert Reason(int(k.reason[0])) is Reason.NON_FINITE
    assert_close(k.d, torch.tensor([[-0.6, -0.8]], dtype=F64), 1e-15)
    assert torch.isfinite(k.Hd).all()


def test_budget_takes_the_last_direction():
    k = solve(spd(27, 1, N, 1e3), normal(28, 1, N), budget=3)
    assert Reason(int(k.reason[0])) is Reason.BUDGET
    assert int(k.iterations[0]) == 3
    assert not torch.isnan(k.residual).any()


# --- as Newton-Krylov uses them -------------------------------------------------------------------

def krylov_direction(H, g, eta, solver):
    """MATH §6 with dense matrices: Galerkin or least squares on an orthonormal Krylov basis."""
    Q, d = [g / g.norm()], torch.zeros_like(g)
    for j in range(1, len(g) + 1):
        B = torch.stack(Q, 1)
        T = B.T @ H @ B
        if torch.linalg.eigvalsh(T)[0] <= 0:                   # where κ_j ≤ 0, CG's or MINRES's
            return -g * g.norm() / (H @ g).norm() if j == 1 else d
        d = -B @ (torch.linalg.solve(T, B.T @ g) if solver == "cg" else
                  torch.linalg.lstsq(H @ B, g[:, None]).solution[:, 0])
        if (H @ d + g).norm() <= eta * g.norm():
            return d
        v = H @ Q[-1]
        for _ in range(2):
            v = v - torch.stack(Q, 1) @ (torch.stack(Q, 1).T @ v)
        Q.append(v / v.norm())
    return d


@pytest.mark.parametrize("solver", ["cg", "minres"])
@pytest.mark.parametrize(("kind", "lam"), [("hessian", 0.0), ("hessian", 0.5),
                                           ("gauss_newton", 0.5)])
def test_newton_krylov_against_dense_krylov_spaces(kind, lam, solver):
    # η is loose: from 12 iterations on rounding has taken Lanczos vectors visibly apart
    problem, eta = Net((3, 3, 2), "tanh", "mse", samples=9), 0.2
    method = NewtonKrylov(eta=eta, curvature=kind, lam=lam, solver=solver, epsilon=0.0)
    path, batch = drive(method, problem, 3, 4), problem.reference()
    matrix = plain_hessian if kind == "hessian" else plain_gauss_newton
    ended = torch.stack([e["krylov_reason"] for e in path.events]).unique().tolist()
    assert ended == ([1] if kind == "hessian" and not lam else [0, 1] if lam and kind == "hessian"
                     else [0])
    for k, e in enumerate(path.events):
        for r in range(3):
            theta = path.theta[k, r]
            g = plain_gradient(problem, theta, batch, r)
            H = matrix(problem, theta, batch, r) + lam * torch.eye(problem.size, dtype=F64)
            d, a = krylov_direction(H, g, eta, solver), float(e["step_size"][r])
            assert_close(path.theta[k + 1, r], theta + a * d, 1e-7)
            f, f_a = (float(plain_loss(problem, t, batch, r)) for t in (theta, theta + a * d))
            m = f + a * float(g @ d) + 0.5 * a * a * float(d @ H @ d)
            assert abs(f_a - m) <= method.tau * abs(f - m) * (1 + 1e-6)                     # (2)
            assert f_a < f
