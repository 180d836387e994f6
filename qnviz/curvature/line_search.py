"""Line searches along d for all runs at once: strong Wolfe, and backtracking.

Strong Wolfe conditions with c₁ = 10⁻⁴, c₂ = 0.9 [NW06, eq. 3.7]:

    φ(a) ≤ φ(0) + c₁ a φ′(0)        |φ′(a)| ≤ c₂ |φ′(0)|,        φ(a) = f(θ + a d)

All of it is done in units of two powers of two, those of ‖g‖ and ‖d‖: they round nothing, and gᵀd
of entries near 1e200 is infinite without, of entries near 1e−200 it is 0.

The search is NW06's algorithm 3.5 (grow until a bracket is found) joined with 3.6 (zoom into it by
safeguarded cubic interpolation). Each run is in one of the two phases; masks choose.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from qnviz.curvature.oracle import Oracle
from qnviz.problems.norms import largest_power
from qnviz.problems.products import dot

C1, C2 = 1e-4, 0.9
TRIALS = 30
ROUNDINGS = 100                      # that a number may have gone through on its way, generously


class LineSearch(NamedTuple):
    """Where the search ended."""

    a: Tensor            # accepted step length (R,), 0 where none was found
    theta: Tensor        # θ + a d (R, P)
    f: Tensor            # loss there (R,)
    g: Tensor            # gradient there (R, P)
    found: Tensor        # (R,) whether the conditions hold
    trials: Tensor       # (R,) points tried
    at_precision: Tensor  # (R,) whether no step at all lowers f any more, but for rounding


def below_rounding(gain: Tensor, f: Tensor) -> Tensor:
    """Whether a decrease (R,) is so small that f (R,), as a rounded number, cannot show it."""
    return gain <= torch.finfo(f.dtype).eps * f.abs()


def exhausted(a: Tensor, slope: Tensor, f: Tensor, last: Tensor, found: Tensor) -> Tensor:
    """Whether no step along d lowers f (R,) at this precision.

    None was accepted, a = 0, down to a last one whose gain rounding would hide; or the accepted one
    was accepted for such a gain, and f, found to be the same there, does not show it.
    """
    step = torch.where(a == 0, last, a)
    hidden = (slope < 0) & below_rounding(step * slope.abs() / ROUNDINGS, f)
    return hidden & ((a == 0) | (found == f))


def cubic_minimiser(a: Tensor, fa: Tensor, da: Tensor, b: Tensor, fb: Tensor, db: Tensor) -> Tensor:
    """Minimiser of the cubic through (a, φ, φ′) and (b, φ, φ′) [NW06, eq. 3.59], kept inside.

    It is kept a tenth of the interval away from both ends, so every trial shrinks the bracket;
    where the cubic has none, it is the middle.
    """
    w = b - a
    d1 = (da + db).add_((fa - fb) / w, alpha=3)
    root = torch.copysign((d1 * d1 - da * db).clamp_min_(0).sqrt_(), w)
    t = 1 - (db - d1 + root) / (db - da).add_(root, alpha=2)
    return a + w * t.nan_to_num_(0.5, 0.5, 0.5).clamp_(0.1, 0.9)


def strong_wolfe(oracle: Oracle, theta: Tensor, f: Tensor, g: Tensor, d: Tensor,
                 first: Tensor) -> LineSearch:
    """Find step lengths that satisfy the strong Wolfe conditions.

    Runs that have found theirs leave the search: most take the first trial, and few need many.

    Args:
        oracle: the function, on one batch.
        theta: where to start (R, P).
        f: loss at theta (R,).
        g: gradient at theta (R, P).
        d: descent directions (R, P).
        first: first trial step lengths (R,).
    """
    unit, long, d = _units(g, d)
    first = first * long
    phi, slope0 = f / unit, dot(g, d) / unit
    search = slope0 < 0                              # not where NaN: there is nothing to search
    there = theta + first[:, None] * d
    tape = oracle.forward(there, search)
    g_a = oracle.gradient(tape, search)
    new = torch.stack([first, tape.f / unit, dot(g_a, d) / unit])
    found = (search & (new[1] <= phi + C1 * first * slope0)
             & (new[2].abs() <= C2 * slope0.abs()))
    start = torch.stack([torch.zeros_like(f), phi, slope0])
    wide = found[:, None].expand_as(g).contiguous()   # `where` is slower if it has to broadcast
    end, g_end = torch.where(found, new, start), torch.where(wide, g_a, g)
    trials, last = search.to(f.dtype), first.clone()
    if len(at := torch.nonzero(search & ~found)[:, 0]):
        _bracket(oracle, at, _only(at, start, new, torch.stack([theta, d, g, g_a]), unit),
                 (end, g_end, found, trials, last))
    moved = torch.where((end[0] > 0)[:, None], theta + end[0][:, None] * d, theta)
    return LineSearch(end[0] / long, moved, torch.where(end[0] > 0, end[1] * unit, f), g_end,
                      found, trials, exhausted(end[0], slope0, phi, last, end[1]))


def _units(g: Tensor, d: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The powers of two of ‖g‖ and ‖d‖ (R,), and d in that unit (R, P)."""
    long = largest_power(d)
    return largest_power(g)[:, 0], long[:, 0], d / long


def _bracket(oracle: Oracle, at: Tensor, known: tuple[Tensor, ...],
             out: tuple[Tensor, ...]) -> None:
    """Go on searching for the runs `at`, whose first trial was not accepted.

    The best point so far is one end of a bracket, `lo`; `hi` is the other, once there is one
    (`zoom`). Both are (a, φ, φ′).

    Args:
        oracle: the function for all R runs.
        at: (k,) the runs that search.
        known: their (a, φ, φ′) at a = 0 and at the first trial, (3, k) each, their θ, d, and
            gradients at both, (4, k, P), and the unit of f (k,).
        out: where to write what was found, for all runs: (a, φ, φ′) (3, R), gradients (R, P),
            whether the conditions hold, how many trials it took, and the last a of them.
    """
    start, new, points, unit = known
    end, g_end, found, trials, last = out
    lo = hi = start
    zoom, trial = torch.zeros_like(start[0], dtype=torch.bool), 0
    while True:                                      # at the last trial all leave
        trial += 1
        theta, d, g_lo, g_a = points
        (_, f_0, slope_0), (a, f_a, slope), (a_lo, f_lo, _) = start, new, lo
        # NaN and infinity count as "too high", so a step into overflow is zoomed back from
        low_enough = (f_a <= f_0 + C1 * a * slope_0) & (slope.abs() < torch.inf)
        better = low_enough & ((f_a < f_lo) | ~zoom & (a_lo == 0))
        accept = better & (slope.abs() <= C2 * slope_0.abs())
        uphill = slope * torch.where(zoom, hi[0] - a_lo, 1) >= 0
        turn = better & uphill                       # the minimum lies between new and lo
        hi = torch.where(turn, lo, torch.where(better, hi, new))
        zoom = zoom | turn | ~better
        lo = torch.where(better, new, lo)
        points[2] = torch.where(better[:, None], g_a, g_lo)

        stay = torch.nonzero(~accept)[:, 0] if trial < TRIALS else at[:0]
        if len(stay) < len(at):
            gone = torch.nonzero(accept | (trial == TRIALS))[:, 0]
            home = at[gone]
            end.index_copy_(1, home, lo[:, gone])
            g_end.index_copy_(0, home, points[2][gone])
            found.index_copy_(0, home, accept[gone])
            trials.index_fill_(0, home, trial)
            last.index_copy_(0, home, new[0][gone])
            if not len(stay):
                return
            at = at[stay]
            start, lo, hi, points, zoom, unit = _only(stay, start, lo, hi, points, zoom, unit)
            theta, d, _, _ = points
        ends = (*lo, *hi)
        inside = torch.where((ends[4] + ends[5]).abs() < torch.inf, cubic_minimiser(*ends),
                             0.5 * (ends[0] + ends[3]))
        a = torch.where(zoom, inside, 2 * ends[0])
        here = oracle.of(at)
        tape = here.forward(theta + a[:, None] * d)
        points[3] = here.gradient(tape)
        new = torch.stack([a, tape.f / unit, dot(points[3], d) / unit])


def _only(index: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
    """The chosen runs of tensors (R,), (n, R) and (n, R, P)."""
    return tuple(x.index_select(min(1, x.ndim - 1), index) for x in states)


def backtracking(oracle: Oracle, theta: Tensor, f: Tensor, g: Tensor, d: Tensor,
                 halvings: int = 40) -> LineSearch:
    """Halve a from 1 until φ(a) ≤ φ(0) + c₁ a φ′(0) (Armijo); a = 0 where that never happens."""
    unit, long, short = _units(g, d)
    slope0, phi = dot(g, short) / unit * long, f / unit
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
        accept = active & (f_a / unit <= phi + C1 * a * slope0)
        best = torch.where(accept[:, None], there, best)
        f_best = torch.where(accept, f_a, f_best)
        found, done = found | accept, done | accept
        if bool(done.all()):
            break
        a = torch.where(done, a, 0.5 * a)
    taken = torch.where(found, a, 0)
    return LineSearch(taken, best, f_best, g, found, trials,
                      exhausted(taken, slope0, phi, a, f_best / unit))
