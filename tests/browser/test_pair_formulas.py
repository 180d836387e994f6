"""The drag view's formulas, run in a real browser, are Python's."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.browser.modules import imported
from tests.browser.pair_values import python


def cases(count: int) -> list[dict[str, Any]]:
    """Random updates: plain ones, tiny and huge, orthogonal, negative, at both branch points."""
    rng = np.random.default_rng(20)
    found = []
    for i in range(count):
        turn = rng.uniform(0, np.pi)
        Q = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        H = Q @ np.diag(10 ** rng.uniform(-1.5, 1.5, 2)) @ Q.T
        H = 0.5 * (H + H.T)
        s, y = rng.normal(size=2), rng.normal(size=2)
        mu1, mu2 = rng.uniform(0.001, 0.999, 2)
        kind = i % 10
        if kind == 1:
            y = -np.linalg.solve(H, s) + 0.1 * y
        elif kind == 2:
            s, y = 1e-7 * s, 1e-6 * y
        elif kind == 3:
            s, y = 1e5 * s, 1e6 * y
        elif kind == 4:                                   # the second loses λ_min in H⁺'s entries
            y = np.array([-s[1], s[0]]) + (1e-3 if i % 20 == 4 else 1e-6) * y
        elif kind == 5:                                   # sᵀy = μ₁ yᵀHy
            s = s + (mu1 * y @ H @ y - s @ y) / (y @ y) * y
        elif kind == 6:                                   # sᵀy = μ₂ sᵀs
            y = y + (mu2 * s @ s - s @ y) / (s @ s) * s
        elif kind == 7:
            mu1, mu2 = rng.choice([1e-3, 1 - 1e-6], 2)
        elif kind == 8:                                   # s ∥ Hy, exactly good or exactly bad
            s = rng.choice([-1, 1]) * (H @ y)
        elif kind == 9 and i % 40 == 9:
            s, y = (np.zeros(2), y) if i % 80 == 9 else (s, np.zeros(2))
        found.append({"H": [H[0, 0], H[0, 1], H[1, 1]], "s": list(s), "y": list(y),
                      "mu1": mu1, "mu2": mu2})
    return [{k: list(map(float, v)) if isinstance(v, list) else float(v) for k, v in c.items()}
            for c in found]


def compare(got: dict[str, Any], expected: Any, size: float) -> None:
    """Both sides of one damping, every field to 1e-9.

    Vectors and matrices are compared relative to their size, eigenvalues to themselves.
    """
    def close(name: str, a: Any, b: Any, scale: float = 0) -> None:
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * scale, err_msg=name)

    for name, value in expected.pair._asdict().items():
        value = value.numpy()
        # a vector's own size is what its rounding is relative to
        close(name, got["pair"][name], value, float(np.linalg.norm(value)) if value.ndim else 0)
    H = expected.H.numpy()
    close("H", got["H"], [H[0, 0], H[0, 1], H[1, 1]], size)
    assert got["changed"] == expected.changed
    for name in ("low", "high", "pair_low", "pair_high", "apriori_low", "apriori_high"):
        close(name, got[name], getattr(expected, name))


def test_formulas_are_those_of_python(page: Any) -> None:
    """All fields of all three dampings, on 1,000 random cases, to 1e-9."""
    imported(page, "engine/pair.js")
    given = cases(1000)
    got = page.evaluate("""(given) => given.map(
      ({H, s, y, mu1, mu2}) => m.updateInPlane(H, s, y, mu1, mu2))""", given)
    acted = np.zeros(4, int)
    for case, mine in zip(given, got, strict=True):
        expected = python(case)
        for name in ("none", "powell", "double"):
            u = getattr(expected, name)
            compare(mine[name], u, float(u.H.abs().max()))
        pair = expected.double.pair
        acted[int(pair.theta1 < 1) + 2 * int(pair.theta2 < 1)] += 1
    assert acted.min() > 50, "every branch must have been there often"
