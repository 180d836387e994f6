"""Double damping keeps its two promises, and both eigenvalue bounds follow from them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qnviz.curvature.double_damping import (
    double_damping,
    spectrum_bounds,
    update_bounds,
    worst_case,
)
from qnviz.curvature.secant import bfgs_update
from tests.helpers import F64, assert_close, normal, spd

DAMPINGS = ["double", "powell", "none"]
thorough = settings(deadline=None, derandomize=True, max_examples=60)


def times(H):
    return lambda v: (H @ v[..., None])[..., 0]


def pairs(seed, n, condition, runs=64):
    """H ≻ 0 and pairs of all sizes: a quarter nearly good, a quarter with s nearly ⟂ y."""
    H = spd(seed, runs, n, condition) * 10 ** normal(seed + 1, runs, 1, 1)
    s, y = normal(seed + 2, runs, n), normal(seed + 3, runs, n)
    y[: runs // 4] = torch.linalg.solve(H[: runs // 4], s[: runs // 4]) + 0.1 * y[: runs // 4]
    third = slice(runs // 4, runs // 2)
    s[third] -= (s[third] * y[third]).sum(1, keepdim=True) / y[third].square().sum(1)[:, None] \
        * y[third] * (1 - 1e-3 * normal(seed + 4, runs // 4, 1))
    return H, s * 10 ** (2 * normal(seed + 5, runs, 1)), y * 10 ** (2 * normal(seed + 6, runs, 1))


def settings_of(seed, runs=64):
    """μ₁, μ₂ in (0, 1), their ends included in the sense of 1e-4."""
    g = torch.Generator().manual_seed(seed)
    return (1e-4 + (1 - 2e-4) * torch.rand(2, runs, generator=g, dtype=F64)).unbind(0)


def dot(a, b):
    return (a * b).sum(-1)


def size(a, b):
    """What the rounding of a dot product is relative to."""
    return a.norm(dim=1) * b.norm(dim=1)


given_pairs = given(seed=st.integers(0, 10**6), n=st.integers(1, 8),
                    condition=st.sampled_from([1.0, 1e2, 1e6]))


@thorough
@given_pairs
def test_both_inequalities_hold_with_equality_where_damping_acted(seed, n, condition):
    H, s, y = pairs(seed, n, condition)
    mu1, mu2 = settings_of(seed)
    p = double_damping(s, y, times(H), mu1, mu2)
    Hy, yHy = times(H)(y), dot(y, times(H)(y))
    # dot products of nearly orthogonal vectors cancel: rounding is relative to their norms
    slack1 = 1e-13 * (size(p.s, y) + p.theta1 * size(s, y) + size(Hy, y))
    slack2 = 1e-13 * (size(p.s, p.y) + p.theta2 * size(p.s, y) + dot(p.s, p.s))
    assert (dot(p.s, y) >= mu1 * yHy - slack1).all()
    assert (dot(p.s, p.y) >= mu2 * dot(p.s, p.s) - slack2).all()
    acted1, acted2 = p.theta1 < 1, p.theta2 < 1
    assert ((dot(p.s, y) - mu1 * yHy).abs() <= slack1)[acted1].all()
    assert ((dot(p.s, p.y) - mu2 * dot(p.s, p.s)).abs() <= slack2)[acted2].all()
    assert ((p.theta1 > 0) & (p.theta1 <= 1) & (p.theta2 > 0) & (p.theta2 <= 1)).all()
    assert (acted1 == (dot(s, y) < mu1 * yHy)).all()


def test_the_random_pairs_reach_all_branches():
    H, s, y = pairs(1, 4, 1e2, runs=4000)
    mu1, mu2 = settings_of(1, 4000)
    p = double_damping(s, y, times(H), mu1, mu2)
    for acted1 in (False, True):
        for acted2 in (False, True):
            assert (((p.theta1 < 1) == acted1) & ((p.theta2 < 1) == acted2)).sum() > 50
    assert (dot(s, y) < 0).sum() > 500


@thorough
@given_pairs
def test_undamped_parts_of_a_pair_pass_bit_by_bit(seed, n, condition):
    H, s, y = pairs(seed, n, condition)
    for damping in DAMPINGS:
        p = double_damping(s, y, times(H), *settings_of(seed), damping)
        assert torch.equal(p.s[p.theta1 == 1], s[p.theta1 == 1])
        assert torch.equal(p.y[p.theta2 == 1], y[p.theta2 == 1])
        if damping == "none":
            assert (p.theta1 == 1).all()
        if damping != "double":
            assert (p.theta2 == 1).all()


@pytest.mark.parametrize("damping", DAMPINGS)
def test_formulas_against_a_version_for_one_pair(damping):
    H, s, y = pairs(5, 3, 1e2)
    mu1, mu2 = settings_of(5)
    p = double_damping(s, y, times(H), mu1, mu2, damping)
    for r in range(len(s)):
        h, u, v, m1, m2 = H[r], s[r], y[r], mu1[r].item(), mu2[r].item()
        yHy, sy = (v @ h @ v).item(), (u @ v).item()
        theta1 = (1 - m1) * yHy / (yHy - sy) if damping != "none" and sy < m1 * yHy else 1.0
        s_t = theta1 * u + (1 - theta1) * (h @ v)
        ss, s_ty = (s_t @ s_t).item(), (s_t @ v).item()
        theta2 = (1 - m2) * ss / (ss - s_ty) if damping == "double" and s_ty < m2 * ss else 1.0
        y_t = theta2 * v + (1 - theta2) * s_t
        sy_t = (s_t @ y_t).item()
        expected = {
            "s": s_t, "y": y_t, "Hy": h @ y_t, "theta1": theta1, "theta2": theta2,
            "ratio1_before": sy / yHy, "ratio1_after": s_ty / yHy, "ratio2_before": s_ty / ss,
            "ratio2_after": sy_t / ss, "sy": sy_t, "ss": ss,
            "c1": (y_t @ h @ y_t).item() / sy_t, "c2": ss / sy_t}
        for name, value in expected.items():
            # s is nearly orthogonal to y in a quarter of the pairs: three to six digits cancel
            torch.testing.assert_close(getattr(p, name)[r], torch.as_tensor(value, dtype=F64),
                                       rtol=1e-7, atol=1e-12, msg=f"{name} of pair {r}")
        assert bool(p.usable[r])


@thorough
@given(seed=st.integers(0, 10**6), n=st.integers(1, 8),
       condition=st.sampled_from([1.0, 1e2, 1e4]), damping=st.sampled_from(DAMPINGS))
def test_both_bounds_hold_for_every_update(seed, n, condition, damping):
    H, s, y = pairs(seed, n, condition, runs=128)
    mu1, mu2 = settings_of(seed, 128)
    p = double_damping(s, y, times(H), mu1, mu2, damping)
    good = p.usable & (p.sy > 1e-8 * size(p.s, p.y))        # what is left is a usable secant pair
    H_next = bfgs_update(H, p.s, p.Hy, p.sy, p.c1 * p.sy, ~good)[0][good]
    values, before = torch.linalg.eigvalsh(H_next), torch.linalg.eigvalsh(H[good])
    low, high = before[:, 0], before[:, -1]
    c1, c2 = p.c1[good], p.c2[good]
    # eigvalsh is accurate relative to λ_max, and so is the update's rounding to what it adds
    slack = 1e-12 * (values[:, -1] + high * (1 + c1))
    worst1, worst2 = worst_case(high, mu1[good], mu2[good], damping)
    assert (c1 <= worst1 * (1 + 1e-7)).all()               # 1e-7: sᵀy may have lost eight digits
    assert (c2 <= worst2 * (1 + 1e-7)).all()
    for bound in ((c1, c2), (worst1, worst2)):
        low_next, high_next = update_bounds(low, high, *bound)
        assert (values[:, 0] >= low_next - slack).all()
        assert (values[:, -1] <= high_next * (1 + 1e-7) + slack).all()


def slowly(high, mu1, mu2):
    """The largest c₁ that step 2 leaves room for, by trying every 1 − θ₂ (MATH §2)."""
    t = mu2 * (1 - torch.logspace(-9, 0, 200_001, dtype=F64) ** 2)       # dense towards μ₂
    t = torch.cat([t, t.new_tensor([mu2])])
    return float(((((1 - t) * (mu2 - t) / mu1).sqrt() + t * high**0.5) ** 2 / mu2).max())


@pytest.mark.parametrize("mu1", [0.01, 0.2, 0.9])
@pytest.mark.parametrize("mu2", [0.01, 0.5, 0.99])
@pytest.mark.parametrize("high", [1e-3, 1.0, 5.0, 100.0, 1e5])
def test_the_worst_case_is_the_maximum_that_it_stands_for(high, mu1, mu2):
    c1, c2 = worst_case(*(torch.tensor(v, dtype=F64) for v in (high, mu1, mu2)))
    assert float(c1) == pytest.approx(slowly(high, mu1, mu2), rel=1e-9)
    assert float(c2) == 1 / mu2
    assert c1 <= max(1 / mu1, high) * (1 + 1e-12)          # what convexity alone gives
    assert c1 <= (mu1**-0.5 + (mu2 * high) ** 0.5) ** 2    # and what 1 − θ₂ ≤ μ₂ alone does


def test_the_worst_case_in_numbers():
    """λ_max = 100, μ = (0.2, 0.5), where convexity gives 100; and H = 5I with λ = 0.3."""
    c1, c2 = worst_case(*(torch.tensor(v, dtype=F64) for v in (100.0, 0.2, 0.5)))
    assert float(c1) == pytest.approx((15 - 0.5 * 95**0.5) ** 2 / 2, rel=1e-14)
    assert float(c2) == 2
    five, mu = torch.tensor(5.0, dtype=F64), torch.tensor([0.2, 0.3**0.5], dtype=F64)
    low, high = update_bounds(five, five, *worst_case(five, *mu))
    assert float(low) == pytest.approx(5 / 6, rel=1e-14)
    assert float(high) == pytest.approx(29.46, abs=0.01)


@pytest.mark.parametrize("mu1", [0.05, 0.2, 0.7])
def test_both_branches_of_the_worst_case_meet(mu1):
    mu1, mu2 = torch.tensor(mu1, dtype=F64), torch.linspace(0.01, 0.99, 99, dtype=F64)
    edge = (1 + mu2) ** 2 / (4 * mu1 * mu2)
    for shift in (1 - 1e-12, 1 + 1e-12):
        assert_close(worst_case(edge * shift, mu1, mu2)[0], (1 / mu1).expand(99), 1e-11)


def adversaries(seed, count):
    """H = diag(λ, tiny), and pairs that step 2 damps while they drive c₁ to its least upper bound.

    s̃ = s lies nearly along λ, and y has the H-norm that Powell's ratio allows, along s but for a
    part that H hardly sees and that sets s̃ᵀy at will.
    """
    g = torch.Generator().manual_seed(seed)
    mu1, mu2, at, tilt, scale = torch.rand(5, count, generator=g, dtype=F64)
    mu1, mu2 = 0.01 + 0.98 * mu1, 0.01 + 0.98 * mu2
    high, tilt = 10 ** (6 * scale - 3), 10 ** (-4 * tilt)
    a = mu2 * (1e-3 + 0.998 * at)                          # s̃ᵀy / s̃ᵀs̃
    s = torch.stack([torch.ones_like(tilt), tilt], 1)
    s = s / s.norm(dim=1, keepdim=True)
    along = (a / (mu1 * high)).sqrt() * (1 - 1e-9)
    y = torch.stack([along, (a - along * s[:, 0]) / s[:, 1]], 1)
    H = torch.diag_embed(torch.stack([high, 1e-9 * high * tilt**2], 1))
    return H, s, y, mu1, mu2


def test_no_pair_of_100_000_exceeds_the_worst_case_and_many_come_near():
    H, s, y, mu1, mu2 = adversaries(0, 100_000)
    p = double_damping(s, y, times(H), mu1, mu2)
    worst1, worst2 = worst_case(H[:, 0, 0], mu1, mu2)
    assert (p.theta2 < 1).double().mean() > 0.9
    share = p.c1 / worst1
    assert (share > 1 + 1e-9).sum() == 0
    assert (p.c2 > worst2 * (1 + 1e-9)).sum() == 0
    beyond = worst1 > 1 / mu1 * (1 + 1e-9)                 # both branches are least bounds
    for branch in (beyond, ~beyond):
        assert branch.sum() > 10_000
        assert (share[branch] > 0.99).sum() > 300


def test_no_random_pair_of_100_000_exceeds_the_worst_case():
    for n, condition in ((2, 1.0), (3, 1e2), (8, 1e6)):
        H, s, y = pairs(n, n, condition, runs=100_000 // 3)
        mu1, mu2 = settings_of(n, len(s))
        p = double_damping(s, y, times(H), mu1, mu2)
        worst1, worst2 = worst_case(torch.linalg.eigvalsh(H)[:, -1], mu1, mu2)
        # sᵀy is what is left of terms 10⁸ times as large in some of them
        assert (p.c1 <= worst1 * (1 + 1e-7)).all()
        assert (p.c2 <= worst2 * (1 + 1e-7)).all()


def test_a_pair_damped_against_H_is_bounded_in_another_matrix():
    """K-BFGS(L) forgets its oldest pair after damping: c₁ then is that of H′, not of H."""
    H, s, y = pairs(11, 3, 1e2, runs=30_000)
    other = spd(17, 30_000, 3, 50.0) * torch.linalg.eigvalsh(H)[:, -1][:, None, None]
    mu1, mu2 = settings_of(11, 30_000)
    p = double_damping(s, y, times(H), mu1, mu2)
    high, low = torch.linalg.eigvalsh(other)[:, -1], torch.linalg.eigvalsh(H)[:, 0]
    ratio = high / low
    c1 = dot(p.y, times(other)(p.y)) / p.sy
    worst, _ = worst_case(high, mu1 / ratio, mu2)
    assert (c1 <= worst * (1 + 1e-7)).all()
    through, _ = worst_case(torch.linalg.eigvalsh(H)[:, -1], mu1, mu2)
    assert (worst <= ratio * through * (1 + 1e-9)).all()   # never worse than by way of ỹᵀHỹ


def test_powells_worst_case_is_nearly_reached():
    # bounds that nothing comes near would be true and useless
    mu1, mu2 = torch.full((20_000,), 0.2, dtype=F64), torch.full((20_000,), 0.5, dtype=F64)
    H, s, y = pairs(3, 2, 1e2, runs=20_000)
    p = double_damping(s, y, times(H), mu1, mu2, "powell")
    worst1, worst2 = worst_case(torch.linalg.eigvalsh(H)[:, -1], mu1, mu2, "powell")
    assert (p.c1 / worst1).max() > 0.99
    assert worst2.isinf().all()


def test_without_damping_nothing_is_bounded():
    H = torch.eye(2, dtype=F64).repeat(30, 1, 1)
    tiny = 10.0 ** -torch.arange(30, dtype=F64)
    s = torch.stack([tiny, torch.ones(30, dtype=F64)], 1)
    y = torch.tensor([[1.0, 0.0]], dtype=F64).repeat(30, 1)
    mu1, mu2 = torch.full((30,), 0.2, dtype=F64), torch.full((30,), 0.5, dtype=F64)
    none, powell, double = (double_damping(s, y, times(H), mu1, mu2, d)
                            for d in ("none", "powell", "double"))
    assert none.c1.max() > 1e28
    assert none.c2.max() > 1e28
    assert powell.c1.max() <= 1 / 0.2 + 1e-9
    assert double.c2.max() <= 1 / 0.5 + 1e-9
    high = torch.ones(30, dtype=F64)
    assert worst_case(high, mu1, mu2, "none")[0].isinf().all()
    assert worst_case(high, mu1, mu2, "powell")[1].isinf().all()


@pytest.mark.parametrize("damping", DAMPINGS)
@pytest.mark.parametrize("zero", ["s", "y", "both"])
def test_degenerate_pairs_are_unusable_and_harm_no_neighbour(damping, zero):
    H, s, y = pairs(7, 3, 1e2, runs=4)
    mu1, mu2 = settings_of(7, 4)
    alone = double_damping(s[2:], y[2:], times(H[2:]), mu1[2:], mu2[2:], damping)
    if zero in ("s", "both"):
        s[0] = 0
    if zero in ("y", "both"):
        y[0] = 0
    y[1] = torch.nan
    p = double_damping(s, y, times(H), mu1, mu2, damping)
    assert p.usable.tolist() == [False, False, True, True]
    assert p.theta1[:2].tolist() == p.theta2[:2].tolist() == [1, 1]
    for ours, theirs in zip(p, alone, strict=True):
        assert_close(ours[2:].double(), theirs.double(), 1e-14)


def test_bounds_of_a_step_are_its_pairs_unless_it_was_skipped_or_has_none():
    """A good pair, a skipped one, s̃ᵀỹ < 0, s̃ᵀỹ = 0, and an H that is no longer definite."""
    low, high = (torch.tensor(v, dtype=F64) for v in ([0.5, 0.5, 0.5, 0.5, -1e-18], [2.0] * 5))
    c1 = torch.tensor([1.5, 1.5, -1.5, torch.inf, 1.5], dtype=F64)
    c2 = torch.tensor([3.0, 3.0, -3.0, torch.inf, 3.0], dtype=F64)
    skipped = torch.tensor([False, True, False, False, False])
    worst = worst_case(high, torch.full_like(high, 0.2), torch.full_like(high, 0.5))
    b = spectrum_bounds(low, high, c1, c2, worst, skipped)
    own, anyone = update_bounds(low, high, c1, c2), update_bounds(low, high, *worst)
    nan = torch.nan
    for side, known, mine, theirs in zip(("low", "high"), (low, high), own, anyone, strict=True):
        pair = torch.tensor([mine[0], known[1], nan, nan, nan], dtype=F64)
        torch.testing.assert_close(b[f"pair_{side}"], pair, equal_nan=True)
        apriori = torch.cat([theirs[:4], torch.tensor([nan], dtype=F64)])
        torch.testing.assert_close(b[f"apriori_{side}"], apriori, equal_nan=True)
