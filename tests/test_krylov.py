"""Conjugate gradients: right on good systems, and ended for the right reason on the others."""

from functools import partial

import numpy as np
import pytest
import torch

from qnviz.curvature.krylov import Krylov, Reason, conjugate_gradients, ritz_values
from qnviz.curvature.minres import minres
from tests.helpers import F64, assert_close, normal, spd

R, N = 8, 12


def solve_by(solver, H, g, eta=1e-12, epsilon=0.0, budget=None, **more):
    """H d = −g with every run at the same settings."""
    def product(v, active):
        return (H @ v[..., None])[..., 0]

    like = g[:, 0]
    return solver(product, g, torch.full_like(like, eta), torch.full_like(like, epsilon),
                  budget or g.shape[1], **more)


solve = partial(solve_by, conjugate_gradients)
SOLVERS = pytest.mark.parametrize("solver", [conjugate_gradients, minres])


def indefinite(seed, runs=R, n=N, negative=3):
    """Symmetric matrices with some negative eigenvalues."""
    Q = torch.linalg.qr(normal(seed, runs, n, n))[0]
    values = torch.linspace(0.2, 3.0, n, dtype=F64).repeat(runs, 1)
    values[:, :negative] = -values[:, :negative]
    A = (Q * values[:, None]) @ Q.mT
    return 0.5 * (A + A.mT)


def lanczos(H, g):
    """Orthonormal Krylov vectors by Gram-Schmidt done twice, and T = Qᵀ H Q, for one run."""
    Q = [g / g.norm()]
    for _ in range(len(g) - 1):
        v = H @ Q[-1]
        for _ in range(2):
            for q in Q:
                v = v - (q @ v) * q
        Q.append(v / v.norm())
    Q = torch.stack(Q, 1)
    return Q, Q.T @ H @ Q


@pytest.mark.parametrize("n", [1, 2, 7, 12])
def test_it_ends_within_n_steps_at_the_solution_of_a_positive_definite_system(n):
    H, g = spd(1, R, n, 10.0), normal(2, R, n)
    k = solve(H, g, eta=1e-9)
    assert (k.reason == Reason.CONVERGED).all()
    assert (k.iterations <= n).all()
    assert_close(k.d, torch.linalg.solve(H, -g), 1e-8)


def test_with_m_distinct_eigenvalues_it_ends_in_m_steps():
    Q = torch.linalg.qr(normal(3, R, N, N))[0]
    values = torch.tensor([1.0, 4.0, 9.0], dtype=F64).repeat(N // 3)
    k = solve((Q * values) @ Q.mT, normal(4, R, N), eta=1e-9)
    assert (k.iterations == 3).all()


def test_what_it_reports_is_consistent():
    H, g = spd(5, R, N, 30.0), normal(6, R, N)
    for budget in range(1, N):
        k = solve(H, g, eta=1e-14, budget=budget)
        Hd = (H @ k.d[..., None])[..., 0]
        assert_close(k.Hd, Hd, 1e-12)
        assert_close(k.residual[:, -1], (Hd + g).norm(dim=1), 1e-9)
        assert_close(k.model[:, -1], (g * k.d).sum(1) + 0.5 * (k.d * Hd).sum(1), 1e-12)
        assert (k.reason == Reason.BUDGET).all()
        assert (k.iterations == budget).all()
        assert k.curvature.shape == (R, budget)
    assert (k.model.diff(dim=1) < 0).all()                       # each iteration lowers the model
    start = g.norm(dim=1, keepdim=True)
    residuals = torch.cat([start, k.residual], 1)
    assert_close(k.beta, (residuals[:, 1:] / residuals[:, :-1])**2, 1e-10)
    assert_close(k.alpha * k.curvature, residuals[:, :-1]**2, 1e-10)


def test_rayleigh_quotients_lie_within_the_spectrum():
    H = indefinite(7)
    k = solve(H, normal(8, R, N))
    values = torch.linalg.eigvalsh(H)
    seen = torch.where(k.rayleigh.isnan(), values[:, :1], k.rayleigh)
    assert (seen >= values[:, :1] - 1e-12).all()
    assert (seen <= values[:, -1:] + 1e-12).all()
    assert torch.equal(k.rayleigh.isnan(), k.curvature.isnan())


@pytest.mark.parametrize("negative", [1, 3, 6])
def test_negative_curvature_is_met_when_the_lanczos_matrix_turns_indefinite(negative):
    H, g = indefinite(9, negative=negative), normal(10, R, N)
    k = solve(H, g)
    assert (k.reason == Reason.NEGATIVE_CURVATURE).all()
    for r in range(R):
        _, T = lanczos(H[r], g[r])
        turned = next(j for j in range(1, N + 1)
                      if torch.linalg.eigvalsh(T[:j, :j])[0] < 0)
        assert int(k.iterations[r]) == turned
        # κ_j scaled by the residuals are the pivots of LDLᵀ: T_j has as many negative ones
        assert (k.curvature[r, :turned - 1] > 0).all()
        assert k.curvature[r, turned - 1] < 0
    assert k.iterations.unique().numel() > 1               # it does not always happen at once


def test_negative_curvature_keeps_the_last_direction():
    H, g = indefinite(9, negative=1), normal(10, R, N)
    k = solve(H, g)
    for r in range(R):
        before = solve(H[r:r + 1], g[r:r + 1], budget=int(k.iterations[r]) - 1)
        assert int(before.reason[0]) == Reason.BUDGET
        assert_close(k.d[r], before.d[0], 1e-13)
        assert_close(k.Hd[r], H[r] @ k.d[r], 1e-11)
        assert torch.isnan(k.residual[r, int(k.iterations[r]) - 1])      # d was not taken


def test_ritz_values_are_those_of_the_krylov_projection_and_end_as_the_spectrum():
    H, g = spd(11, R, N, 50.0), normal(12, R, N)
    k = solve(H, g, eta=1e-15)
    for r in range(R):
        Q, _ = lanczos(H[r], g[r])
        found = ritz_values(k.alpha[r].numpy(), k.beta[r].numpy())
        assert len(found) == N
        for j, values in enumerate(found, 1):
            assert_close(values, torch.linalg.eigvalsh(Q[:, :j].T @ H[r] @ Q[:, :j]), 1e-8)
        assert_close(found[-1], torch.linalg.eigvalsh(H[r]), 1e-8)


def test_ritz_values_of_an_iteration_that_took_no_step_are_none():
    assert ritz_values(np.array([np.nan]), np.array([np.nan])) == []
    assert len(ritz_values(np.array([0.5, np.nan]), np.array([0.1, np.nan]))) == 1


# --- every reason, and which of two comes first -------------------------------------------------

def one(H, g, **settings) -> Krylov:
    return solve(torch.as_tensor(H, dtype=F64)[None], torch.as_tensor(g, dtype=F64)[None],
                 **settings)


def scripted(products, g, eta, epsilon=0.0, budget=None):
    """CG on a product that answers from a list: for what no symmetric matrix does."""
    answers = iter(products)
    g = torch.as_tensor(g, dtype=F64)[None]
    like = g[:, 0]
    return conjugate_gradients(
        lambda v, active: torch.as_tensor(next(answers), dtype=F64)[None], g,
        torch.full_like(like, eta), torch.full_like(like, epsilon), budget or len(products))


def outcome(k: Krylov):
    return Reason(int(k.reason[0])), int(k.iterations[0]), k.d[0].tolist()


def test_negative_curvature_at_once_gives_steepest_descent():
    k = one([[-1.0, 0], [0, -2.0]], [3.0, 4.0])
    assert outcome(k) == (Reason.NEGATIVE_CURVATURE, 1, [-3.0, -4.0])
    assert k.Hd[0].tolist() == [3.0, 8.0]


def test_curvature_up_to_epsilon_counts_as_negative():
    H, g = [[1e-3, 0], [0, 1e-3]], [1.0, 0.0]
    assert outcome(one(H, g, epsilon=0.0))[0] is Reason.CONVERGED
    assert outcome(one(H, g, epsilon=1e-3))[0] is Reason.NEGATIVE_CURVATURE      # κ ≤ ε‖p‖²
    assert outcome(one(H, g, epsilon=0.9e-3))[0] is Reason.CONVERGED


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_non_finite_at_once_gives_steepest_descent(bad):
    k = one([[bad, 0], [0, 1.0]], [3.0, 4.0])
    assert outcome(k) == (Reason.NON_FINITE, 1, [-3.0, -4.0])
    assert torch.isfinite(k.Hd).all()


def test_non_finite_later_keeps_the_direction():
    g = [1.0, 1.0]
    first = scripted([[-1.0, -2.0]], g, 1e-9)
    k = scripted([[-1.0, -2.0], [torch.nan, 0.0]], g, 1e-9)
    assert outcome(k) == (Reason.NON_FINITE, 2, first.d[0].tolist())


def test_an_overflowing_step_is_disturbing_and_gives_steepest_descent():
    k = one([[1e-310, 0], [0, 1e-310]], [1.0, 0.0])       # α = ‖r‖²/κ overflows
    assert outcome(k) == (Reason.DISTURBING, 1, [-1.0, -0.0])


def test_a_decrease_below_rounding_is_disturbing_and_keeps_the_direction():
    H, g = [[1.0, 0], [0, 2.0]], [1.0, 1e-12]
    first = one(H, g, eta=1e-14, budget=1)
    k = one(H, g, eta=1e-14)
    assert outcome(k) == (Reason.DISTURBING, 2, first.d[0].tolist())


def test_order_non_finite_before_negative_curvature():
    # κ is −∞: both hold
    assert outcome(one([[-torch.inf, 0], [0, 1.0]], [1.0, 1.0]))[0] is Reason.NON_FINITE
    # Hp is not finite although κ is: p is 0 where Hp is not
    k = scripted([[-1.0, torch.inf]], [1.0, 0.0], 1e-9)
    assert outcome(k)[0] is Reason.NON_FINITE


def test_order_negative_curvature_before_disturbing():
    # κ₀ = −1: the step of negative length would raise gᵀd, too
    assert outcome(one([[-1.0]], [1.0]))[0] is Reason.NEGATIVE_CURVATURE


def test_order_disturbing_before_tolerance():
    # at j = 1 the residual is 0, but the model decreases by less than rounding
    assert outcome(one([[1.0, 0], [0, 2.0]], [1.0, 1e-12], eta=1e-13))[0] is Reason.DISTURBING


def test_order_tolerance_before_budget():
    k = one([[2.0, 0], [0, 2.0]], [1.0, 1.0], budget=1)
    assert outcome(k) == (Reason.CONVERGED, 1, [-0.5, -0.5])


def test_budget_takes_the_last_direction():
    H, g = spd(13, 1, N, 1e3), normal(14, 1, N)
    k = solve(H, g, budget=3)
    assert Reason(int(k.reason[0])) is Reason.BUDGET
    assert int(k.iterations[0]) == 3
    assert not torch.isnan(k.residual).any()


def test_at_a_stationary_point_it_has_converged_and_stays():
    k = one([[1.0, 0], [0, 2.0]], [0.0, 0.0])
    assert k.d[0].tolist() == [0, 0]
    assert k.Hd[0].tolist() == [0, 0]
    assert Reason(int(k.reason[0])) is Reason.CONVERGED


def test_every_reason_has_words():
    assert len({r.words for r in Reason}) == len(Reason)
    assert all("_" not in r.words for r in Reason)


# --- without early ends ---------------------------------------------------------------------------

def textbook(H, g, eta, budget):
    """All iterates of conjugate gradients on one system, tested for nothing but the tolerance."""
    d, r, p, path = torch.zeros_like(g), -g, -g, []
    while len(path) < budget and r.norm() > eta * g.norm():
        alpha = (r @ r) / (p @ H @ p)
        d, r1 = d + alpha * p, r - alpha * H @ p
        p, r = r1 + (r1 @ r1) / (r @ r) * p, r1
        path.append(d)
    return torch.stack(path)


@pytest.mark.parametrize("eta", [1e-1, 1e-6])
@pytest.mark.parametrize("negative", [0, 1, 3, 6])
def test_without_early_ends_it_is_textbook_conjugate_gradients(negative, eta):
    H, g = indefinite(20, negative=negative), normal(21, R, N)
    k = solve(H, g, eta=eta, early=False, keep=True, budget=N + 3)
    for r in range(R):
        path = textbook(H[r], g[r], eta, N + 3)
        assert int(k.iterations[r]) == len(path)
        assert_close(k.path[r, :len(path)], path, 1e-5)
        assert (k.path[r, len(path):] == k.d[r]).all()
        residuals = (path @ H[r] + g[r]).norm(dim=1)
        assert_close(k.residual[r, :len(path)], residuals, 1e-5)
    assert (k.reason == Reason.CONVERGED).all()
    assert_close((H @ k.d[..., None])[..., 0], -g, 2 * eta)


def test_without_early_ends_it_goes_on_where_curvature_is_negative():
    H, g = indefinite(22), normal(23, R, N)
    early, late = solve(H, g, eta=1e-6), solve(H, g, eta=1e-6, early=False, budget=2 * N)
    assert (early.reason == Reason.NEGATIVE_CURVATURE).all()
    assert (late.iterations > early.iterations).all()
    assert (late.curvature.nan_to_num(1.0) <= 0).any(1).all()
    for r in range(R):                                        # up to there they are the same
        n = int(early.iterations[r])
        torch.testing.assert_close(late.curvature[r, :n], early.curvature[r, :n], rtol=0, atol=0)


def test_without_early_ends_ritz_values_end_as_the_indefinite_spectrum():
    H, g = indefinite(24), normal(25, R, N)
    k = solve(H, g, eta=1e-9, early=False, budget=N)
    for r in range(R):
        found = ritz_values(k.alpha[r].numpy(), k.beta[r].numpy())
        assert_close(found[-1], torch.linalg.eigvalsh(H[r]), 1e-5)


@pytest.mark.parametrize("H", [[[0.0, 0], [0, 0]], [[1.0, 0], [0, -1.0]]])
def test_without_early_ends_a_step_of_no_length_ends_it_as_not_finite(H):
    k = one(H, [1.0, 1.0], early=False)                        # κ₀ = 0
    assert outcome(k) == (Reason.NON_FINITE, 1, [-1.0, -1.0])


def test_without_early_ends_a_stationary_point_has_converged():
    assert outcome(one([[1.0, 0], [0, 2.0]], [0.0, 0.0], early=False)) == (
        Reason.CONVERGED, 1, [0, 0])


def test_it_keeps_iterates_only_when_asked():
    H, g = spd(26, R, N, 10.0), normal(27, R, N)
    assert solve(H, g).path.shape == (R, 0, N)
    k = solve(H, g, eta=1e-9, keep=True)
    assert k.path.shape == (R, k.curvature.shape[1], N)
    assert torch.equal(k.path[:, -1], k.d)


# --- the run axis ---------------------------------------------------------------------------------

@SOLVERS
@pytest.mark.parametrize("early", [True, False])
def test_runs_in_a_batch_equal_runs_alone(solver, early):
    apart = 1e-11 if early or solver is minres else 1e-8
    H = torch.cat([spd(15, 4, N, 20.0), indefinite(16, 4), torch.full((1, N, N), torch.nan)])
    g = normal(17, 9, N)
    together = solve_by(solver, H, g, eta=1e-6, early=early, keep=True)
    assert together.reason.unique().numel() == (3 if early else 2)
    for r in range(9):
        alone = solve_by(solver, H[r:r + 1], g[r:r + 1], eta=1e-6, early=early, keep=True)
        count = alone.curvature.shape[1]
        assert int(alone.reason[0]) == int(together.reason[r])
        assert int(alone.iterations[0]) == int(together.iterations[r]) == count
        assert_close(together.d[r], alone.d[0], apart)
        assert_close(together.path[r, :count], alone.path[0], apart)
        for name in ("curvature", "residual", "model", "alpha", "beta"):
            ours, theirs = getattr(together, name)[r], getattr(alone, name)[0]
            torch.testing.assert_close(ours[:count], theirs, rtol=1e3 * apart, atol=1e-13,
                                       equal_nan=True)
            assert ours[count:].isnan().all()


@SOLVERS
def test_only_runs_still_iterating_are_charged(solver):
    H = torch.stack([torch.eye(N, dtype=F64), spd(18, 1, N, 1e2)[0]])
    asked = torch.zeros(2)

    def product(v, active):
        asked.add_(active)
        return (H @ v[..., None])[..., 0]

    g, ones = normal(19, 2, N), torch.ones(2, dtype=F64)
    k = solver(product, g, 1e-8 * ones, 0 * ones, N)
    assert asked.tolist() == k.iterations.tolist()
    assert asked[0] == 1 < asked[1]
