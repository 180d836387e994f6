"""BFGS as the lab has it, in scalars compiled by numba: the floor for one start after the other."""

from __future__ import annotations

from math import inf, isfinite, isnan, sqrt

import numpy as np
from numba import njit  # type: ignore[import-not-found]


@njit
def solved(starts: np.ndarray, limit: float) -> np.ndarray:
    """Where BFGS on Rosenbrock ends, from starts (n, 2), at ‖∇f‖ ≤ limit."""
    found = np.empty_like(starts)
    for i in range(len(starts)):
        found[i, 0], found[i, 1] = _bfgs(starts[i, 0], starts[i, 1], limit)
    return found


@njit
def _rosenbrock(x, y):
    u, v = 10 * (y - x * x), 1 - x
    return u * u + v * v, -40 * u * x - 2 * v, 20 * u


@njit
def _inside(a, fa, da, b, fb, db):
    """Minimiser of the cubic through both ends, a tenth of the interval away from either."""
    w = b - a
    d1 = da + db + 3 * (fa - fb) / w
    root = sqrt(max(d1 * d1 - da * db, 0.0))
    if w < 0:
        root = -root
    t = 1 - (db - d1 + root) / (db - da + 2 * root)
    if isnan(t):
        t = 0.5
    return a + w * min(max(t, 0.1), 0.9)


@njit
def _search(x, y, f, g1, g2, d1, d2, a):
    """Strong Wolfe [NW06, algorithms 3.5 and 3.6]: a, f and the gradient where it ended."""
    slope0 = g1 * d1 + g2 * d2
    lo_a, lo_f, lo_s, lo_1, lo_2 = 0.0, f, slope0, g1, g2
    hi_a, hi_f, hi_s = 0.0, f, slope0
    zoom = False
    for _ in range(30):
        fa, a1, a2 = _rosenbrock(x + a * d1, y + a * d2)
        slope = a1 * d1 + a2 * d2
        low = fa <= f + 1e-4 * a * slope0 and abs(slope) < inf
        better = low and (fa < lo_f or (not zoom and lo_a == 0))
        if better and abs(slope) <= -0.9 * slope0:
            return a, fa, a1, a2
        if better:
            if slope * ((hi_a - lo_a) if zoom else 1.0) >= 0:
                hi_a, hi_f, hi_s, zoom = lo_a, lo_f, lo_s, True
            lo_a, lo_f, lo_s, lo_1, lo_2 = a, fa, slope, a1, a2
        else:
            hi_a, hi_f, hi_s, zoom = a, fa, slope, True
        if not zoom:
            a = 2 * lo_a
        elif isfinite(hi_f + hi_s):
            a = _inside(lo_a, lo_f, lo_s, hi_a, hi_f, hi_s)
        else:
            a = 0.5 * (lo_a + hi_a)
    return lo_a, lo_f, lo_1, lo_2


@njit
def _bfgs(x, y, limit):
    f, g1, g2 = _rosenbrock(x, y)
    h11, h12, h22 = 1.0, 0.0, 1.0
    fresh = True
    for _ in range(400):
        size = sqrt(g1 * g1 + g2 * g2)
        if size <= limit:
            break
        d1, d2 = -(h11 * g1 + h12 * g2), -(h12 * g1 + h22 * g2)
        a, f1, n1, n2 = _search(x, y, f, g1, g2, d1, d2, 1 / size if fresh else 1.0)
        s1, s2, y1, y2 = a * d1, a * d2, n1 - g1, n2 - g2
        sy = s1 * y1 + s2 * y2
        if a == 0:
            h11, h12, h22, fresh = 1.0, 0.0, 1.0, True
            continue
        if sy > 0:
            if fresh:
                h11 = h22 = sy / (y1 * y1 + y2 * y2)
                h12 = 0.0
            e1, e2 = h11 * y1 + h12 * y2, h12 * y1 + h22 * y2
            half = 0.5 * (1 + (y1 * e1 + y2 * e2) / sy)
            w1, w2 = (half * s1 - e1) / sy, (half * s2 - e2) / sy
            h11 += 2 * s1 * w1
            h12 += s1 * w2 + w1 * s2
            h22 += 2 * s2 * w2
            fresh = False
        x, y, f, g1, g2 = x + s1, y + s2, f1, n1, n2
    return x, y
