"""BFGS updates and the compact L-BFGS inverse, against the formulas they are short for."""

import mpmath
import pytest
import torch

from qnviz.curvature.secant import CompactLBFGS, bfgs_update, skip
from tests.helpers import F64, assert_close, normal, spd

R, N = 6, 5


def good_pairs(seed, count=1, runs=R, n=N):
    """Pairs with sᵀy > 0, as y = A s + noise gives."""
    s = normal(seed, count, runs, n)
    y = (spd(seed + 1, runs, n, 20.0) @ s[..., None])[..., 0] + 0.05 * normal(seed + 2, *s.shape)
    assert ((s * y).sum(-1) > 0).all()
    return s, y


def product_form(H, s, y):
    """(I − ρ s yᵀ) H (I − ρ y sᵀ) + ρ s sᵀ for one run."""
    rho, eye = 1 / (s @ y), torch.eye(len(s), dtype=F64)
    V = eye - rho * torch.outer(s, y)
    return V @ H @ V.T + rho * torch.outer(s, s)


def two_loop(v, S, Y, gamma):
    """H v by the two-loop recursion [NW06, algorithm 7.4], oldest pair first."""
    q, coefficients = v.clone(), []
    for s, y in zip(reversed(S), reversed(Y), strict=True):
        a = (s @ q) / (s @ y)
        q = q - a * y
        coefficients.append(a)
    z = gamma * q
    for s, y, a in zip(S, Y, reversed(coefficients), strict=True):
        z = z + (a - (y @ z) / (s @ y)) * s
    return z


def update(H, s, y, keep=None):
    Hy = (H @ y[..., None])[..., 0]
    keep = torch.zeros(len(s), dtype=torch.bool) if keep is None else keep
    return bfgs_update(H, s, Hy, (s * y).sum(-1), (y * Hy).sum(-1), keep)[0]


def test_the_update_is_the_product_form_and_solves_the_secant_equation():
    H, (s, y) = spd(1, R, N), good_pairs(2)
    new = update(H, s[0], y[0])
    assert_close(new, torch.stack([product_form(H[r], s[0, r], y[0, r]) for r in range(R)]), 1e-13)
    assert_close((new @ y[0][..., None])[..., 0], s[0], 1e-12)
    assert torch.equal(new, new.mT)
    assert (torch.linalg.eigvalsh(new) > 0).all()


@pytest.mark.parametrize("poison", [torch.nan, torch.inf])
def test_a_kept_matrix_stays_bit_by_bit_whatever_the_pair_holds(poison):
    H, (s, y) = spd(1, R, N), good_pairs(2)
    s, y = s[0].clone(), y[0].clone()
    y[1], s[4] = poison, poison
    keep = torch.tensor([False, True, False, False, True, False])
    new = update(H, s, y, keep)
    assert torch.equal(new[keep], H[keep])
    assert torch.equal(new[~keep], update(H[~keep], s[~keep], y[~keep]))


@pytest.mark.parametrize("n", [2, 5, 9])
def test_bfgs_with_exact_line_search_ends_in_n_steps_and_knows_the_hessian(n):
    A, b = spd(3, R, n, 30.0), normal(4, R, n)
    x, H = normal(5, R, n), torch.eye(n, dtype=F64).repeat(R, 1, 1)
    g = (A @ x[..., None])[..., 0] - b
    start = g.norm(dim=1)
    for k in range(n):
        assert (g.norm(dim=1) > 1e-6 * start).all(), f"ended already after {k} steps"
        d = -(H @ g[..., None])[..., 0]
        Ad = (A @ d[..., None])[..., 0]
        s = -((g * d).sum(1) / (d * Ad).sum(1))[:, None] * d
        x, new = x + s, g + (A @ s[..., None])[..., 0]
        H, g = update(H, s, new - g), new
    # conjugacy is lost by rounding in proportion to the condition
    assert (g.norm(dim=1) < 1e-10 * start).all()
    assert_close(H, torch.linalg.inv(A), 1e-9)


def window(memory, fill, gamma, seed=7):
    """A window into which run r has pushed fill[r] pairs, and those pairs one by one."""
    S, Y = good_pairs(seed, max(fill) if max(fill) else 1, len(fill))
    H = CompactLBFGS.empty(len(fill), memory, N, S)
    for k in range(max(fill)):
        # runs that have pushed all of theirs keep what they have, even if NaN is offered
        keep = torch.tensor([k >= f for f in fill])
        s = torch.where(keep[:, None], torch.nan, S[k])
        H = H.push(s, Y[k], keep)
    H = CompactLBFGS(H.S, H.Y, torch.as_tensor(gamma, dtype=F64).expand(len(fill)))
    pairs = [(S[max(0, f - memory):f, r], Y[max(0, f - memory):f, r]) for r, f in enumerate(fill)]
    return H, pairs


@pytest.mark.parametrize("gamma", [1.0, 0.3, 17.0])
@pytest.mark.parametrize(("memory", "fill"), [
    (4, (0, 1, 2, 3, 4, 7)), (1, (0, 1, 2, 3, 1, 0)), (12, (12, 11, 3, 0, 1, 15))])
def test_compact_form_is_the_two_loop_recursion(memory, fill, gamma):
    H, pairs = window(memory, fill, gamma)
    V = normal(9, R, N, 3)
    slow = torch.stack([torch.stack([two_loop(V[r, :, m], *pairs[r], gamma) for m in range(3)], 1)
                        for r in range(R)])
    # R = triu(SᵀY) is inverted: its condition grows with the number of pairs in five dimensions
    assert_close(H.apply(V), slow, 1e-9)
    assert_close(H(V[..., 0]), slow[..., 0], 1e-9)
    eye = torch.eye(N, dtype=F64)
    dense = torch.stack([torch.stack([two_loop(e, *pairs[r], gamma) for e in eye], 1)
                         for r in range(R)])
    assert_close(H.dense, dense, 1e-9)
    assert torch.equal(H.dense, H.dense.mT)


def test_with_enough_memory_it_is_dense_bfgs():
    S, Y = good_pairs(11, 4)
    dense = torch.eye(N, dtype=F64).repeat(R, 1, 1)
    compact = CompactLBFGS.empty(R, 6, N, S)
    no = torch.zeros(R, dtype=torch.bool)
    assert_close(compact.dense, dense, 0)
    for s, y in zip(S, Y, strict=True):
        dense, compact = update(dense, s, y), compact.push(s, y, no)
        assert_close(compact.dense, dense, 1e-11)
        assert_close((compact.dense @ y[..., None])[..., 0], s, 1e-11)


def test_runs_do_not_depend_on_their_neighbours():
    fill = (0, 1, 2, 3, 4, 7)
    H, _ = window(4, fill, 1.0)
    v = normal(9, R, N)
    for r in range(R):
        alone = CompactLBFGS(H.S[r:r + 1], H.Y[r:r + 1], H.gamma[r:r + 1])
        assert_close(alone(v[r:r + 1])[0], H(v)[r], 1e-13)


def test_without_newest_is_the_window_before_the_last_push():
    S, Y = good_pairs(13, 5)
    no = torch.zeros(R, dtype=torch.bool)
    H = CompactLBFGS.empty(R, 3, N, S)
    for k in range(5):
        H = H.push(S[k], Y[k], no)
        older = range(max(0, k - 2), k)
        eye = torch.eye(N, dtype=F64)
        slow = torch.stack([torch.stack([
            two_loop(e, [S[j, r] for j in older], [Y[j, r] for j in older], 1.0)
            for e in eye], 1) for r in range(R)])
        assert_close(H.without_newest().dense, slow, 1e-10)


def test_rescaling_takes_gamma_from_the_newest_pair_except_where_kept():
    H, _ = window(4, (2,) * R, 1.0)
    s, y = normal(15, R, N), normal(16, R, N)
    keep = torch.tensor([True, False] * 3)
    gamma = H.rescaled(s, y, keep).gamma
    assert (gamma[keep] == 1).all()
    assert_close(gamma[~keep], ((s * y).sum(1) / (y * y).sum(1))[~keep], 1e-14)


@pytest.mark.parametrize(("sy", "ss", "scale", "usable", "skipped"), [
    (1.0, 1.0, 1.0, True, False),
    (0.0, 1.0, 1.0, True, True),            # no curvature
    (-1.0, 1.0, 0.0, True, True),           # negative, even where the scale is 0
    (1.1e-4, 1.0, 1.0, True, False),        # just above 10⁻⁴ sᵀs·scale
    (0.9e-4, 1.0, 1.0, True, True),         # just below
    (1e-4, 1.0, 1.0, True, True),           # at it: the rule says ≤
    (0.9e-4, 1.0, 0.5, True, False),        # the scale counts
    (0.9e-4, 0.5, 1.0, True, False),        # and so does sᵀs
    (1.0, 1.0, 1.0, False, True),           # degenerate
    (torch.nan, 1.0, 1.0, True, True),
    (torch.inf, 1.0, 1.0, True, True),
    (1.0, torch.nan, 1.0, True, True),
    (1.0, torch.inf, 0.0, True, True),
    (1.0, 1.0, torch.nan, True, True),
])
def test_which_pairs_are_skipped(sy, ss, scale, usable, skipped):
    got = skip(*(torch.tensor([x], dtype=F64) for x in (sy, ss, scale)), torch.tensor([usable]))
    assert got.tolist() == [skipped]


# --- spectra of what pairs define -----------------------------------------------------------------

def exact(S, Y, gamma):
    """Eigenvalues of the inverse that stored pairs define, by its updates with 150 digits."""
    with mpmath.workdps(150):
        H = mpmath.eye(S.shape[1]) * mpmath.mpf(float(gamma))
        for s, y in zip(S.double().tolist(), Y.double().tolist(), strict=True):
            if any(s):
                s, y = mpmath.matrix(s), mpmath.matrix(y)
                rho = 1 / (s.T * y)[0]
                V = mpmath.eye(len(s)) - rho * s * y.T
                H = V * H * V.T + rho * s * s.T
        return torch.tensor(sorted(float(v) for v in mpmath.eigsy(H, eigvals_only=True)),
                            dtype=F64)


def wild(seed, runs, p, n, decades):
    """Windows of pairs with sᵀy > 0 only just, and of sizes that differ by many decades."""
    S = normal(seed, runs, p, n) * 10 ** (decades / 4 * normal(seed + 1, runs, p, 1))
    Y = normal(seed + 2, runs, p, n) * 10 ** (decades / 4 * normal(seed + 3, runs, p, 1))
    sy, share = (S * Y).sum(-1, keepdim=True), 1e-3 * S.norm(dim=-1) * Y.norm(dim=-1)
    Y = Y + (share[..., None] - sy) / S.square().sum(-1, keepdim=True) * S
    S[::2, 0] = Y[::2, 0] = 0                              # every other window is not full
    return S, Y


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("p", "n", "decades"), [(5, 2, 4), (4, 3, 8), (3, 9, 8), (2, 12, 8)])
def test_eigenvalues_of_a_window_keep_sign_and_digits(p, n, decades, dtype):
    """2p above the width and below, conditions beyond 10¹⁶; each against 150 digits."""
    S, Y = (V.to(dtype) for V in wild(p, 12, p, n, decades))
    gamma = torch.logspace(-2, 2, 12, dtype=dtype)
    H = CompactLBFGS(S, Y, gamma)
    low, high = H.extremes
    assert H.eigenvalues.dtype == dtype
    assert (H.eigenvalues > 0).all()
    want = torch.stack([exact(S[r], Y[r], gamma[r]) for r in range(12)])
    rtol = 1e-6 if dtype is torch.float64 else 1e-5        # D^½ R⁻¹ has the condition of the pairs
    torch.testing.assert_close(low.double(), want[:, 0], rtol=rtol, atol=0)
    torch.testing.assert_close(high.double(), want[:, -1], rtol=rtol, atol=0)
    plain = torch.linalg.eigvalsh(H.apply(torch.eye(n, dtype=dtype)))[:, 0].double()
    assert (want[:, -1] / want[:, 0]).max() > 1e16
    assert ((plain / want[:, 0] - 1).abs() > 100 * rtol).any(), "this case is too easy"
    v = normal(3, 12, n).to(dtype)
    q = H.squared(v)
    assert (q > 0).all()
    assert (q.double() <= high.double() * v.double().square().sum(1) * (1 + 1e-6)).all()


def test_a_quadratic_form_is_the_matrixs():
    H, _ = window(4, (0, 1, 2, 3, 4, 7), 0.3)
    v = normal(9, R, N)
    assert_close(H.squared(v), (v * H(v)).sum(1), 1e-11)
    assert_close(H.eigenvalues, torch.linalg.eigvalsh(H.dense), 1e-11)


def test_a_window_whose_pairs_have_lost_sy_is_shown_as_it_is_applied():
    """sᵀy < 0 in the stored digits: what they define is indefinite, and is said to be."""
    H, _ = window(4, (3,) * R, 1.0)
    Y = H.Y.clone()
    Y[2, -1] *= -1
    lost = CompactLBFGS(H.S, Y, H.gamma)
    assert (lost.extremes[0] < 0).tolist() == [r == 2 for r in range(R)]
    applied = lost.apply(torch.eye(N, dtype=F64))[2]
    assert_close(lost.eigenvalues[2], torch.linalg.eigvalsh(applied), 1e-12)
    assert_close(lost.dense[2], applied, 1e-12)
    others = [r for r in range(R) if r != 2]
    assert torch.equal(lost.eigenvalues[others], H.eigenvalues[others])
