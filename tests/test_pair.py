"""One update in the plane: every damping at once, and the exact cut of an n-dimensional update."""

import math
import re
from pathlib import Path

import mpmath
import numpy as np
import pytest
import torch

from qnviz.curvature.double_damping import double_damping
from qnviz.curvature.pair import section, update_in_plane
from qnviz.errors import QnvizError
from qnviz.figures.theme import DARK, LIGHT
from qnviz.methods.kbfgs import KBFGS
from tests.helpers import F64, normal, spd

ROOT = Path(__file__).resolve().parents[1]
SIZES = [2, 3, 5, 12, 40]


def tensor(*values):
    return torch.tensor(values, dtype=F64)


def outer(s, y, H, theta1, theta2):
    """H⁺ from its definition, one product after another."""
    s = theta1 * s + (1 - theta1) * (H @ y)
    y = theta2 * y + (1 - theta2) * s
    P = np.eye(len(s)) - np.outer(s, y) / (s @ y)
    return P @ H @ P.T + np.outer(s, s) / (s @ y)


def problem(seed, n):
    """H ≻ 0 (n, n) and a pair; every third has negative curvature, every third nearly none."""
    H = spd(seed, 1, n, 50.0)[0]
    s, y = normal(seed + 1, 1, n)[0], normal(seed + 2, 1, n)[0]
    if seed % 3 == 0:
        y = y - (s @ y + 0.5 * s.norm() * y.norm()) / (s @ s) * s
    if seed % 3 == 1:
        y = y - (s @ y - 1e-3 * s.norm() * y.norm()) / (s @ s) * s
    return H, s, y


def direct(H, s, y):
    """B⁺ of the direct BFGS formula, from H."""
    B = torch.linalg.inv(H)
    Bs = B @ s
    return B - torch.outer(Bs, Bs) / (s @ Bs) + torch.outer(y, y) / (s @ y)


@pytest.mark.parametrize("seed", range(30))
def test_each_damping_is_its_definition(seed):
    H, s, y = problem(seed, 2)
    mu1, mu2 = 0.2 + 0.02 * seed, 0.9 - 0.02 * seed
    got = update_in_plane(H, s, y, *tensor(mu1, mu2))
    h, sn, yn = H.numpy(), s.numpy(), y.numpy()
    sy, yHy = sn @ yn, yn @ h @ yn
    theta1 = (1 - mu1) * yHy / (yHy - sy) if sy < mu1 * yHy else 1
    st = theta1 * sn + (1 - theta1) * h @ yn
    theta2 = (1 - mu2) * (st @ st) / (st @ st - st @ yn) if st @ yn < mu2 * st @ st else 1
    for u, a, b in ((got.none, 1, 1), (got.powell, theta1, 1), (got.double, theta1, theta2)):
        expected = outer(sn, yn, h, a, b)
        assert u.changed
        # the undamped update divides twice by an sᵀy that may be tiny
        np.testing.assert_allclose(u.H, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())
        np.testing.assert_allclose([u.low, u.high], np.linalg.eigvalsh(expected),
                                   atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("seed", range(30))
def test_the_double_damped_update_keeps_within_both_bounds(seed):
    H, s, y = problem(seed, 2)
    u = update_in_plane(H, s, y, *tensor(0.3, 0.4)).double
    slack = 1e-12 * u.high
    assert u.apriori_low <= u.pair_low + slack
    assert u.pair_low <= u.low + slack
    assert u.high <= u.pair_high + slack
    assert u.pair_high <= u.apriori_high + slack


def test_undamped_negative_curvature_is_indefinite_and_has_no_bounds():
    H, s, y = problem(0, 2)
    u = update_in_plane(H, s, y, *tensor(0.2, 0.5))
    assert s @ y < 0
    assert u.none.low < 0 < u.none.high
    assert math.isnan(u.none.pair_low)
    assert math.isnan(u.none.pair_high)
    assert (u.none.apriori_low, u.none.apriori_high) == (0, math.inf)
    assert u.powell.low > 0
    assert u.powell.apriori_high == math.inf
    assert u.double.low > 0


@pytest.mark.parametrize("share", [1e-6, 1e-12, -1e-12, -1e-6])
def test_the_smaller_eigenvalue_has_the_sign_of_sy(share):
    """H⁺ of condition 10³⁰: its entries no longer hold λ_min, its determinant does."""
    for seed in range(6):
        H, s, y = problem(seed, 2)
        y = y - (s @ y) / (s @ s) * s
        y = y + share * y.norm() / s.norm() * s
        u = update_in_plane(H, s, y, *tensor(0.2, 0.5)).none
        with mpmath.workdps(60):
            h, t, g = (mpmath.matrix(v.tolist()) for v in (H, s, y))
            rho = 1 / (t.T * g)[0]
            V = mpmath.eye(2) - rho * t * g.T
            want = sorted(float(v) for v in mpmath.eigsy(
                V * h * V.T + rho * t * t.T, eigvals_only=True))
        assert u.low < 0 if share < 0 else u.low > 0
        # sᵀy itself is what is left of terms 10¹² times as large
        np.testing.assert_allclose([u.low, u.high], want, rtol=1e-15 / abs(share) + 1e-13)


@pytest.mark.parametrize(("s", "y"), [((0, 0), (1, 2)), ((1, 2), (0, 0)), ((0, 0), (0, 0)),
                                      ((1, 0), (1e200, 0))])
def test_pairs_that_teach_nothing_leave_H_alone(s, y):
    H = spd(0, 1, 2, 5.0)[0]
    for u in update_in_plane(H, tensor(*s), tensor(*y), *tensor(0.2, 0.5)):
        assert not u.changed
        assert torch.equal(u.H, H)


def test_undamped_orthogonal_pairs_have_no_update():
    u = update_in_plane(torch.eye(2, dtype=F64), tensor(1, 2), tensor(-2, 1), *tensor(0.2, 0.5))
    assert not u.none.changed
    assert u.powell.changed
    assert u.double.changed


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("seed", range(6))
def test_the_section_has_the_numbers_of_the_whole(seed, n):
    H, s, y = problem(seed, n)
    cut = section(H, s, y)
    mu = tensor(0.3, 0.9 if seed < 3 else 0.01)

    def damped(H, s, y):
        return double_damping(s, y, lambda v: H @ v, *mu)

    whole, plane = damped(H, s, y), damped(cut.H, cut.s, cut.y)
    torch.testing.assert_close(cut.Q.mT @ cut.Q, torch.eye(2, dtype=F64), rtol=0, atol=1e-14)
    assert cut.s[0] > 0
    assert abs(cut.s[1]) < 1e-14 * cut.s[0]
    torch.testing.assert_close(cut.H @ cut.y, cut.Q.mT @ (H @ y), rtol=1e-9, atol=1e-12)
    for name in ("theta1", "theta2", "sy", "ss", "c2", "ratio1_before", "ratio1_after",
                 "ratio2_before", "ratio2_after"):
        # sᵀy is what is left of terms 10³ times as large
        torch.testing.assert_close(getattr(plane, name), getattr(whole, name), rtol=1e-9, atol=0)
    if whole.theta2 == 1:
        torch.testing.assert_close(plane.c1, whole.c1, rtol=1e-9, atol=0)
    else:
        assert plane.c1 <= whole.c1 * (1 + 1e-9)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("seed", range(6))
def test_updating_and_cutting_commute(seed, n):
    H, s, y = problem(seed, n)
    H_cut, s_cut, y_cut, Q = section(H, s, y)
    mu = tensor(0.3, 0.9 if seed < 3 else 0.01)
    got = update_in_plane(H_cut, s_cut, y_cut, *mu)
    for u, damping in zip(got, ("none", "powell", "double"), strict=True):
        p = double_damping(s, y, lambda v: H @ v, *mu, damping)
        B = Q.mT @ direct(H, p.s, p.y) @ Q
        # rounding in B⁺ is relative to its largest entry, and that in H⁺ to its own
        size = float(B.abs().max() * u.H.abs().max())
        torch.testing.assert_close(u.H @ B, torch.eye(2, dtype=F64), rtol=0, atol=1e-12 * size)


def test_c1_is_larger_outside_the_plane_where_step_2_acted():
    H, s, y = problem(0, 12)
    cut, mu = section(H, s, y), tensor(0.3, 0.9)
    whole = double_damping(s, y, lambda v: H @ v, *mu)
    plane = double_damping(cut.s, cut.y, lambda v: cut.H @ v, *mu)
    assert whole.theta2 < 1
    assert plane.c1 < 0.999 * whole.c1


@pytest.mark.parametrize("case", ["parallel", "s = 0", "y = 0", "both 0"])
def test_a_plane_is_completed(case):
    H, s, y = problem(2, 7)
    if case == "parallel":
        y = torch.linalg.solve(H, 2 * s)
    s = 0 * s if case in ("s = 0", "both 0") else s
    y = 0 * y if case in ("y = 0", "both 0") else y
    cut = section(H, s, y)
    torch.testing.assert_close(cut.Q.mT @ cut.Q, torch.eye(2, dtype=F64), rtol=0, atol=1e-14)
    torch.testing.assert_close(cut.Q @ cut.s, s, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(cut.Q @ (cut.H @ cut.y), H @ y, rtol=1e-9, atol=1e-12)


def test_a_single_dimension_gets_a_second_axis_of_its_own_scale():
    cut = section(tensor(3.0)[None], tensor(-2.0), tensor(0.5))
    assert cut.Q.shape == (1, 2)
    torch.testing.assert_close(cut.H, 3 * torch.eye(2, dtype=F64))
    torch.testing.assert_close(cut.Q @ cut.s, tensor(-2.0))
    torch.testing.assert_close(cut.s @ cut.y, tensor(-1.0)[0])


@pytest.mark.parametrize("H", [[[1.0, 2.0], [2.0, 1.0]], [[1.0, 0.0], [0.0, 0.0]],
                               [[1.0, 0.0], [0.0, math.inf]]])
def test_only_a_positive_definite_H_has_a_section(H):
    with pytest.raises(QnvizError, match="positive definite"):
        section(tensor(*H), tensor(1, 0), tensor(0, 1))


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_the_view_has_the_colours_of_the_figures(theme):
    css = (ROOT / "qnviz" / "web" / "pair" / "pair.css").read_text(encoding="utf-8")
    start = '[data-qnviz-pair][data-theme="dark"] {' if theme is DARK else "[data-qnviz-pair] {"
    block = css.split(start)[1].split("}")[0]
    values = dict(re.findall(r"--(\w+): (?:var\([\w-]+, )?(#\w{6})", block))
    hues = {"s": "#009e73", "y": "#cc79a7", "none": "#d55e00", "powell": "#e69f00",
            "double": KBFGS.style.color.lower()}
    assert values | {"accent": ""} == {
        "ink": theme.ink, "paper": theme.paper,
        "alarm": theme.alarm, "accent": "", **{n: theme.tint(c) for n, c in hues.items()}}


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_quiet_words_of_the_view_can_be_read(theme):
    """They are mixed from the page's ink, and still stand out from its paper by 4.5 to 1."""
    css = (ROOT / "qnviz" / "web" / "pair" / "pair.css").read_text(encoding="utf-8")
    share = float(re.search(r"--muted: color-mix\(in srgb, var\(--ink\) (\d+)%", css)[1]) / 100
    ink, paper = (np.array([int(c[i:i + 2], 16) for i in (1, 3, 5)]) / 255
                  for c in (theme.ink, theme.paper))
    muted, ground = (_luminance(c) for c in (share * ink + (1 - share) * paper, paper))
    assert (max(muted, ground) + 0.05) / (min(muted, ground) + 0.05) >= 4.5


def _luminance(color):
    """Relative luminance of sRGB values in [0, 1] (WCAG 2.2)."""
    linear = np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
