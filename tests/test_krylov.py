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


def test_negative_curvature_at_once_gives_steepest_descent_as_long_as_the_curvature_says():
    H, g = torch.tensor([[-1.0, 0], [0, -2.0]], dtype=F64), torch.tensor([3.0, 4.0], dtype=F64)
    k = one(H, g)
    assert outcome(k)[:2] == (Reason.NEGATIVE_CURVATURE, 1)
    d = -g * 5 / 73**0.5                                       # ‖g‖ / ‖Hg‖
    assert_close(k.d[0], d, 1e-15)
    assert_close(k.Hd[0], H @ d, 1e-15)
    assert bool(k.bare[0])


@SOLVERS
def test_curvature_up_to_epsilon_of_the_largest_seen_is_zero(solver):
    H, g = torch.diag(torch.tensor([1.0, 1e-3], dtype=F64))[None], torch.ones(1, 2, dtype=F64)
    first, second = solve_by(solver, H, g, eta=1e-9).rayleigh[0].tolist()
    ratio = second / first
    for scale in (1.0, 1e-14, 1e14):
        for epsilon, reason in ((0.999 * ratio, Reason.CONVERGED),
                                (1.001 * ratio, Reason.ZERO_CURVATURE)):
            k = solve_by(solver, scale * H, g, eta=1e-9, epsilon=epsilon)
            assert Reason(int(k.reason[0])) is reason
            assert int(k.iterations[0]) == 2
    assert_close(k.d, solve_by(solver, scale * H, g, budget=1).d, 1e-15)       # d is kept


@SOLVERS
@pytest.mark.parametrize("scale", [1e-200, 1e-12, 1.0, 1e200])
@pytest.mark.parametrize(("excess", "reason"), [
    (0.0, Reason.ZERO_CURVATURE), (1e-16, Reason.ZERO_CURVATURE), (-1e-16, Reason.ZERO_CURVATURE),
    (1e-12, Reason.CONVERGED), (-1e-12, Reason.NEGATIVE_CURVATURE)])
def test_at_the_first_iteration_zero_is_what_rounding_is(solver, scale, excess, reason):
    H = scale * torch.tensor([[[1.0, 0], [0, -1.0 + 2 * excess]]], dtype=F64)
    k = solve_by(solver, H, torch.ones(1, 2, dtype=F64), eta=0.5, budget=1)
    reason = Reason.BUDGET if reason is Reason.CONVERGED else reason
    assert Reason(int(k.reason[0])) is reason
    assert bool(k.bare[0]) == (reason is not Reason.BUDGET)


@SOLVERS
def test_where_h_says_nothing_steepest_descent_has_length_one(solver):
    g = torch.tensor([[3.0, 4.0]], dtype=F64)
    for H, reason in ((torch.zeros(1, 2, 2, dtype=F64), Reason.ZERO_CURVATURE),
                      (torch.full((1, 2, 2), torch.nan, dtype=F64), Reason.NON_FINITE),
                      (torch.full((1, 2, 2), torch.inf, dtype=F64), Reason.NON_FINITE)):
        for factor in (1e-200, 1.0, 1e200):
            k = solve_by(solver, H, factor * g)
            assert Reason(int(k.reason[0])) is reason
            assert_close(k.d, -g / 5, 1e-15)
            assert not k.Hd.any()


@SOLVERS
@pytest.mark.parametrize("power", [-830, -40, 3, 830])
def test_a_solution_is_as_long_as_its_gradient(solver, power):
    H, g, factor = spd(30, R, N, 20.0), normal(31, R, N), 2.0**power
    plain, k = solve_by(solver, H, g, eta=1e-9), solve_by(solver, H, factor * g, eta=1e-9)
    assert torch.equal(k.d / factor, plain.d)
    assert torch.equal(k.reason, plain.reason)
    assert torch.equal((k.residual / factor).nan_to_num(), plain.residual.nan_to_num())


def test_non_finite_later_keeps_the_direction():
    g = [1.0, 1.0]
    first = scripted([[-1.0, -2.0]], g, 1e-9)
    k = scripted([[-1.0, -2.0], [torch.nan, 0.0]], g, 1e-9)
    assert outcome(k) == (Reason.NON_FINITE, 2, first.d[0].tolist())


def test_an_overflowing_step_is_not_finite_and_gives_steepest_descent():
    H = torch.tensor([[0, 1e-310], [1e-310, 1e-310]], dtype=F64)
    k = one(H, [1.0, 0.7])                                # α = ‖r‖²/κ overflows
    assert outcome(k)[:2] == (Reason.NON_FINITE, 1)
    assert torch.isfinite(k.d).all()


def test_a_decrease_below_rounding_is_no_reason_to_end():
    k = one([[1.0, 0], [0, 2.0]], [1.0, 1e-12], eta=1e-14)
    assert outcome(k)[:2] == (Reason.CONVERGED, 2)
    assert_close(k.d[0], torch.tensor([-1.0, -0.5e-12], dtype=F64), 1e-16)


def test_order_non_finite_before_negative_curvature():
    # κ is −∞: both hold
    assert outcome(one([[-torch.inf, 0], [0, 1.0]], [1.0, 1.0]))[0] is Reason.NON_FINITE
    # Hp is not finite although κ is: p is 0 where Hp is not
    k = scripted([[-1.0, torch.inf]], [1.0, 0.0], 1e-9)
    assert outcome(k)[0] is Reason.NON_FINITE


def test_order_negative_curvature_before_disturbing():
    # κ₀ = −1: the step of negative length would raise gᵀd, too
    assert outcome(one([[-1.0]], [1.0]))[0] is Reason.NEGATIVE_CURVATURE


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
def test_without_early_ends_a_step_of_no_length_ends_it_at_zero_curvature(H):
    k = one(H, [1.0, 1.0], early=False)                        # κ₀ = 0
    assert outcome(k)[:2] == (Reason.ZERO_CURVATURE, 1)
    assert (k.d < 0).all()
    assert torch.isfinite(k.d).all()


def test_without_early_ends_a_stationary_point_has_converged():
    assert outcome(one([[1.0, 0], [0, 2.0]], [0.0, 0.0], early=False)) == (
        Reason.CONVERGED, 1, [0, 0])


def test_it_keeps_iterates_only_when_asked():
    H, g = spd(26, R, N, 10.0), normal(27, R, N)
    assert solve(H, g).path.shape == (R, 0, N)
    k = solve(H, g, eta=1e-9, keep=True)
    assert k.path.shape == (R, k.curvature.shape[1], N)
    assert torch.equal(k.path[:, -1], k.d)


# --- the true residual decides ---------------------------------------------------------------

@SOLVERS
@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("eta", [1e-2, 1e-6, 1e-10, 1e-14])
def test_convergence_is_that_of_the_true_residual(solver, early, eta):
    """On singular systems without a solution, indefinite and badly conditioned ones as well."""
    singular = spd(40, 3 * R, N, 1e2)
    values, Q = torch.linalg.eigh(singular)
    values[:, :4] = 0
    values[R:2 * R, 6:8] *= -1
    singular = (Q * values[:, None]) @ Q.mT
    H = torch.cat([0.5 * (singular + singular.mT), spd(41, R, N, 1e12), indefinite(42)])
    g = normal(43, len(H), N)
    g[2 * R:3 * R] = (singular[2 * R:] @ g[2 * R:3 * R, :, None])[..., 0]  # these have a solution
    k = solve_by(solver, H, g, eta=eta, early=early, budget=4 * N)
    true, size = ((H @ k.d[..., None])[..., 0] + g).norm(dim=1), g.norm(dim=1)
    ended = k.reason == Reason.CONVERGED
    assert (true[ended] <= eta * size[ended] * (1 + 1e-6) + 1e-15 * size[ended]).all()
    stuck = k.reason == Reason.STAGNATED
    assert (true[stuck] > eta * size[stuck]).all()
    last = torch.where(k.residual.isnan(), torch.inf, k.residual)
    for r in torch.nonzero(stuck)[:, 0].tolist():             # it is the true one that is reported
        assert last[r, int(k.iterations[r]) - 1] == pytest.approx(true[r].item(), rel=1e-6)
    if eta > 1e-7:
        assert ended[2 * R:3 * R].all()


def test_a_tolerance_below_rounding_ends_as_stagnated_after_one_more_product():
    H, g, asked = spd(44, 1, 40, 1e10), normal(45, 1, 40), []

    def product(v, active):
        asked.append(int(active.sum()))
        return (H @ v[..., None])[..., 0]

    one_run = torch.ones(1, dtype=F64)
    k = conjugate_gradients(product, g, 1e-13 * one_run, 0 * one_run, 4000)
    assert Reason(int(k.reason[0])) is Reason.STAGNATED
    assert sum(asked) == int(k.iterations[0]) + 1 < 4000
    true = float((H @ k.d[..., None] + g[..., None]).norm())
    assert true > 1e-13 * float(g.norm())
    assert k.residual[0, -1] == pytest.approx(true, rel=1e-9)


# --- another matrix in every product ---------------------------------------------------------

def changing(H, g, eta, budget):
    """CG whose j-th product is of H[j], for one run, ended by the model alone (MATH §6)."""
    d, Hd, q, r, p = torch.zeros_like(g), torch.zeros_like(g), 0.0, -g, -g
    for j in range(budget):
        Hp = H[j] @ p
        alpha = float(r @ r) / float(p @ Hp)
        d1, Hd1, r1 = d + alpha * p, Hd + alpha * Hp, r - alpha * Hp
        q1 = float(g @ d1 + 0.5 * d1 @ Hd1)
        change = 0.5 * alpha * float(d @ Hp - p @ Hd - r @ r)        # as MATH has it
        assert q1 - q == pytest.approx(change, rel=1e-6, abs=1e-12)
        if q1 > q or g @ d1 >= 0:
            return Reason.DISTURBING, j + 1, d if j else -g * g.norm() / Hp.norm()
        d, Hd, q = d1, Hd1, q1
        if r1.norm() <= eta * g.norm():
            return Reason.CONVERGED, j + 1, d
        p, r = r1 + float(r1 @ r1) / float(r @ r) * p, r1
    return Reason.BUDGET, budget, d


@pytest.mark.parametrize("spread", [0.1, 1.0, 3.0])
def test_with_another_matrix_in_every_product_a_direction_may_be_disturbing(spread):
    """CG's own step always lowers the model of its H, but not that of all that it has seen."""
    runs, budget, eta = 60, 8, 0.05
    base = spd(50, runs, N, 20.0)
    noise = torch.exp(spread * normal(51, budget, runs, N))
    H = noise[..., None].sqrt() * base * noise[..., None, :].sqrt()      # (J, R, N, N), all ≻ 0
    g, asked = normal(52, runs, N), iter(range(budget))
    k = conjugate_gradients(
        lambda v, active: (H[next(asked)] @ v[..., None])[..., 0], g,
        torch.full((runs,), eta, dtype=F64), torch.zeros(runs, dtype=F64), budget, fixed=False)
    both = 0
    for r in range(runs):
        reason, count, d = changing(H[:, r], g[r], eta, budget)
        assert (Reason(int(k.reason[r])), int(k.iterations[r])) == (reason, count)
        assert_close(k.d[r], d, 1e-9)
        both += reason is Reason.DISTURBING
    assert both > (0 if spread < 1 else runs / 3)


@SOLVERS
@pytest.mark.parametrize("spread", [0.1, 1.0, 3.0])
def test_positive_definite_matrices_have_no_negative_curvature_however_they_change(solver, spread):
    """Lanczos's matrix of products with different ones may be indefinite; none of them is."""
    runs, budget = 60, 8
    base, noise = spd(50, runs, N, 20.0), torch.exp(spread * normal(51, budget, runs, N))
    H = noise[..., None].sqrt() * base * noise[..., None, :].sqrt()      # (J, R, N, N), all ≻ 0
    asked = iter(range(budget))
    k = solver(
        lambda v, active: (H[next(asked)] @ v[..., None])[..., 0], normal(52, runs, N),
        torch.full((runs,), 0.05, dtype=F64), torch.zeros(runs, dtype=F64), budget, fixed=False)
    assert set(k.reason.tolist()) <= {Reason.CONVERGED, Reason.BUDGET, Reason.DISTURBING}
    assert (k.rayleigh[torch.isfinite(k.rayleigh)] > 0).all()
    # and what is kept lowers the model that was seen
    assert ((k.d * normal(52, runs, N)).sum(-1) < 0).all()


@SOLVERS
def test_with_one_matrix_no_direction_is_disturbing(solver):
    """Not in exact arithmetic, as q falls by ½ α‖r‖² each time, and not by rounding either."""
    H = torch.cat([spd(60 + i, 60, N, 10.0**i) for i in range(1, 13, 2)])        # 360 systems
    g = torch.cat([normal(70, 180, N), (H[180:] @ normal(71, 180, N, 1))[..., 0]])
    for eta in (0.1, 1e-6) if solver is minres else (0.1, 1e-6, 1e-14):
        # as if they were different ones, or else a rise would be called rounding anyway
        k = solve_by(solver, H, g, eta=eta, budget=5 * N, fixed=False)
        assert len(k.reason) == 360
        assert set(k.reason.tolist()) <= {Reason.CONVERGED, Reason.BUDGET}
    k = solve_by(solver, H, g, eta=1e-16, budget=5 * N)
    assert set(k.reason.tolist()) <= {Reason.CONVERGED, Reason.BUDGET, Reason.STAGNATED}


# --- the run axis ---------------------------------------------------------------------------------

@SOLVERS
@pytest.mark.parametrize("early", [True, False])
def test_runs_in_a_batch_equal_runs_alone(solver, early):
    apart = 1e-11 if early or solver is minres else 1e-8
    H = torch.cat([spd(15, 4, N, 20.0), indefinite(16, 4), torch.full((1, N, N), torch.nan)])
    g = normal(17, 9, N)
    together = solve_by(solver, H, g, eta=1e-6, early=early, keep=True)
    assert together.reason.unique().numel() >= (3 if early else 2)
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
