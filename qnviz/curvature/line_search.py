"""Line searches along d for all runs at once: strong Wolfe, and backtracking.

Strong Wolfe conditions with c₁ = 10⁻⁴, c₂ = 0.9 [NW06, eq. 3.7]:

    φ(a) ≤ φ(0) + c₁ a φ′(0)        |φ′(a)| ≤ c₂ |φ′(0)|,        φ(a) = f(θ + a d)

The search is NW06's algorithm 3.5 (grow until a bracket is found) joined with 3.6 (zoom into it by
safeguarded cubic interpolation). Each run is in one of the two phases; masks choose.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.linalg import vecdot

from qnviz.curvature.oracle import Oracle

C1, C2 = 1e-4, 0.9
TRIALS = 30


class LineSearch(NamedTuple):
    """Where the search ended."""

    a: Tensor            # accepted step length (R,), 0 where none was found
    theta: Tensor        # θ + a d (R, P)
    f: Tensor            # loss there (R,)
    g: Tensor            # gradient there (R, P)
    found: Tensor        # (R,) whether the conditions hold
    trials: Tensor       # (R,) points tried


def cubic_minimiser(a: Tensor, fa: Tensor, da: Tensor, b: Tensor, fb: Tensor, db: Tensor) -> Tensor:
    """Minimiser of the cubic through (a, φ, φ′) and (b, φ, φ′) [NW06, eq. 3.59], kept inside.

    Where the cubic has none, or it lies within a tenth of an end of the interval, the interval's
    nearest tenth is taken, so every trial shrinks the bracket.
    """
    d1 = da + db - 3 * (fa - fb) / (a - b)
    root = torch.sign(b - a) * torch.sqrt(torch.clamp_min(d1 * d1 - da * db, 0))
    c = b - (b - a) * (db + root - d1) / (db - da + 2 * root)
    low, high = torch.minimum(a, b), torch.maximum(a, b)
    tenth = 0.1 * (high - low)
    middle = 0.5 * (low + high)
    return torch.clamp(torch.where(torch.isfinite(c), c, middle), low + tenth, high - tenth)


def strong_wolfe(oracle: Oracle, theta: Tensor, f: Tensor, g: Tensor, d: Tensor,
                 first: Tensor) -> LineSearch:
    """Find step lengths that satisfy the strong Wolfe conditions.

    Args:
        oracle: the function, on one batch.
        theta: where to start (R, P).
        f: loss at theta (R,).
        g: gradient at theta (R, P).
        d: descent directions (R, P).
        first: first trial step lengths (R,).
    """
    slope0 = vecdot(g, d)
    a = first
    zero = torch.zeros_like(f)
    lo, f_lo, d_lo = zero, f, slope0                 # best point so far, one end of the bracket
    hi, f_hi, d_hi = zero, f, slope0                 # the other end, once there is one
    zoom = torch.zeros_like(f, dtype=torch.bool)
    best_theta, best_g = theta, g
    done = ~(slope0 < 0)                             # also true for NaN: nothing to search there
    found = torch.zeros_like(done)
    trials = torch.zeros_like(f)
    for _ in range(TRIALS):
        active = ~done
        trials = trials + active
        there = theta + a[:, None] * d
        tape = oracle.forward(there, active)
        g_a = oracle.gradient(tape, active)
        f_a, slope = tape.f, vecdot(g_a, d)

        # NaN and infinity count as "too high", so a step into overflow is zoomed back from
        low_enough = (f_a <= f + C1 * a * slope0) & torch.isfinite(slope)
        better = low_enough & ((f_a < f_lo) | ~zoom & (lo == 0))
        flat = slope.abs() <= C2 * slope0.abs()
        accept = active & better & flat
        to_hi = active & ~accept & ~better
        to_lo = active & ~accept & better
        turn = to_lo & torch.where(zoom, slope * (hi - lo) >= 0, slope >= 0)

        hi, f_hi, d_hi = (torch.where(turn, x, torch.where(to_hi, y, z)) for x, y, z in (
            (lo, a, hi), (f_lo, f_a, f_hi), (d_lo, slope, d_hi)))
        zoom = zoom | to_hi | turn
        move = accept | to_lo
        lo, f_lo, d_lo = (torch.where(move, x, y) for x, y in (
            (a, lo), (f_a, f_lo), (slope, d_lo)))
        best_theta = torch.where(move[:, None], there, best_theta)
        best_g = torch.where(move[:, None], g_a, best_g)
        found, done = found | accept, done | accept
        if bool(done.all()):
            break
        inside = torch.where(torch.isfinite(f_hi) & torch.isfinite(d_hi),
                             cubic_minimiser(lo, f_lo, d_lo, hi, f_hi, d_hi), 0.5 * (lo + hi))
        a = torch.where(done, a, torch.where(zoom, inside, 2 * lo))
    return LineSearch(lo, best_theta, f_lo, best_g, found, trials)


def backtracking(oracle: Oracle, theta: Tensor, f: Tensor, g: Tensor, d: Tensor,
                 halvings: int = 40) -> LineSearch:
    """Halve a from 1 until φ(a) ≤ φ(0) + c₁ a φ′(0) (Armijo); a = 0 where that never happens."""
    slope0 = vecdot(g, d)
    a = torch.ones_like(f)
    done = ~(slope0 < 0)
    found = torch.zeros_like(done)
    trials = torch.zeros_like(f)
    best, f_best = theta, f
    for _ in range(halvings + 1):
        active = ~done
        trials = trials + active
        there = theta + a[:, None] * d
        f_a = oracle.forward(there, active).f
        accept = active & (f_a <= f + C1 * a * slope0)
        best = torch.where(accept[:, None], there, best)
        f_best = torch.where(accept, f_a, f_best)
        found, done = found | accept, done | accept
        if bool(done.all()):
            break
        a = torch.where(done, a, 0.5 * a)
    return LineSearch(torch.where(found, a, 0), best, f_best, g, found, trials)
