"""Whether a search that no longer moves has found a minimum, or a place where f levels off.

In float64 both look alike: σ(10x) at −5 is 10⁻²², its slope too, and tanh(10x) is −1 to the last
digit. In extended range they differ: near a minimum Newton's steps shrink towards it, and where f
levels off they do not. So Newton's method goes on there from where the search ended (MATH §7b):

    d = −Q diag(1/|μ|) Qᵀ g                          shrinks quadratically at a usual minimum,
    |d₂| = ρ |d₁|,  θ + d₁ + d₂/(1 − ρ)              exact for |x|ᵏ, where ρ = (k − 2)/(k − 1);
                                                     ρ = 1 for eˣ, ρ > 1 for 1/x²: θ runs away

All derivatives are those of the typed function, in as many digits as a decision needs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from qnviz.problems.typed.program import Program, Step

if TYPE_CHECKING:
    from mpmath import MPContext

DIGITS = (60, 300, 1000)                       # decimal; more only where a direction seems flat
CYCLES = 40                                    # of two steps and a leap
CLOSE = 1e-20                                  # of the longest step: there it is
AWAY = 1e3                                     # times the longest step: it is not coming back
BESIDE, ASIDE = 1e-6, 1e-3                     # of it: where both sides of an end are looked at
DECIMALS = 12                                  # of a minimum's coordinates, where they suffice
ACROSS = 8                                     # steps to the floor of a valley
ROUND = 1e-9                                   # less curvature, in proportion, may be a valley's
STEEPEST = 1e12                                # largest exponent: beyond, numbers fill memory


class Settled(NamedTuple):
    """What there is at the end of a search."""

    kind: Literal["minimum", "level", "nothing"]
    point: tuple[float, float]                 # of a minimum
    value: float                               # there, or the level that f approaches
    alone: bool = True                         # or one of a valley's


class Place(NamedTuple):
    """The function at a point, in extended range: eigenvalues μ₁, μ₂ with |μ₁| ≥ |μ₂|."""

    theta: tuple[Any, Any]
    f: Any
    g: tuple[Any, Any]
    mu: tuple[Any, Any]
    Q: tuple[tuple[Any, Any], tuple[Any, Any]]            # eigenvectors, one after the other
    parts: tuple[tuple[Any, Any], tuple[Any, Any]]        # of the step, along each eigenvector
    slopes: tuple[Any, Any]                    # along each
    flat: bool                                 # neither slope nor curvature can be told from 0

    @property
    def step(self) -> tuple[Any, Any]:
        """Newton's step by |μ|."""
        (a, b), (c, d) = self.parts
        return a + c, b + d


def settle(program: Program, squares: bool, point: tuple[float, float],
           longest: float) -> Settled:
    """Follow f from a point where a search in float64 no longer moves.

    Args:
        program: f's program; its outputs' squares are summed where `squares`.
        squares: likewise.
        point: where the search ended.
        longest: its longest step, which sets the scale.
    """
    found = Settled("nothing", point, float("nan"))
    for digits in DIGITS:
        before = found
        try:
            found, unsure = _Follow(program, squares, longest, digits).end(point)
        except (ArithmeticError, ValueError):  # beyond what is defined, or beyond memory
            return found
        if not unsure:
            break
        if found.kind == before.kind == "minimum" and (
                math.dist(found.point, before.point) > longest):
            return Settled("level", point, found.value)          # it is as far as digits reach
    return found


class _Follow:
    """One attempt, with so many digits."""

    def __init__(self, program: Program, squares: bool, longest: float, digits: int):
        from mpmath import MPContext  # lazily: few functions are ever searched

        self.program, self.squares = program, squares
        self.ctx = MPContext()                 # of its own: other threads have other digits
        self.ctx.dps = digits
        self.longest = self.ctx.mpf(longest)
        self.noise = self.ctx.mpf(2) ** (24 - self.ctx.prec)
        self.derivatives = derivatives(self.ctx)

    def end(self, point: tuple[float, float]) -> tuple[Settled, bool]:
        """Where it leads, and whether more digits may lead elsewhere.

        They may where a direction seemed flat, and after a long way to where the slope is 0: of
        a difference such as softplus(x) − x nothing is left there.
        """
        ctx = self.ctx
        first = here = self.at((ctx.mpf(point[0]), ctx.mpf(point[1])))
        floor = self.floor(here)
        if floor is not None:
            return self.minimum(floor), True
        levels, flat = [here.f], here.flat
        for _ in range(CYCLES):
            try:
                there, gone = here, _size(ctx, _minus(here.theta, first.theta))
                if (one := _size(ctx, here.step)) > CLOSE * self.longest:
                    there = self.moved(here, here.step)
            except (ArithmeticError, ValueError):
                break                          # as far as there are numbers
            flat = flat or there.flat
            if (two := _size(ctx, there.step)) <= CLOSE * self.longest:
                if flat and gone > self.longest:            # out of digits on the way out
                    return Settled("level", point, float(there.f)), True
                return self.minimum(there), flat or gone > self.longest
            rho, most = two / one, 3 * gone + self.longest
            ahead = here.step[0] * there.step[0] + here.step[1] * there.step[1] > 0
            times = 1.0 if not ahead else min(1 / (1 - rho), most / two) if rho < 1 else most / two
            try:
                here = self.moved(there, (times * there.step[0], times * there.step[1]))
            except (ArithmeticError, ValueError):
                break
            flat = flat or here.flat
            levels.append(here.f)
            if gone > AWAY * self.longest:
                break
        gone = _size(ctx, _minus(here.theta, first.theta))
        return self.level(levels, point, gone), flat

    def floor(self, here: Place) -> Place | None:
        """The floor of a valley, where f is as low all along: there is no slope left there.

        Steps across alone lead to it. In other valleys the slope along them stays as it is.
        """
        if not here.slopes[1]:
            return None
        there = self.across(here)
        return there if abs(there.slopes[1]) <= CLOSE * abs(here.slopes[1]) else None

    def across(self, there: Place) -> Place:
        """Down the steeper direction alone."""
        for _ in range(ACROSS):
            if not there.slopes[0]:
                break
            there = self.moved(there, there.parts[0])
        return there

    def minimum(self, here: Place) -> Settled:
        """An end, unless f is lower beside it: x³ + y² has none at 0."""
        point = (float(here.theta[0]), float(here.theta[1]))
        t = BESIDE * self.longest
        bend = abs(here.mu[0]) * t * t * self.ctx.sqrt(self.noise)
        for q in here.Q:
            for side in (t, -t):
                f = self.value((here.theta[0] + side * q[0], here.theta[1] + side * q[1]))
                if f < here.f - bend - self.noise * abs(here.f):
                    return Settled("nothing", point, float(here.f))
        value, point = self.rounded(here)
        return Settled("minimum", point, float(value), self.alone(here))

    def rounded(self, here: Place) -> tuple[Any, tuple[float, float]]:
        """The value and the numbers of a minimum: of few decimals where f is no higher there.

        At |x|ᵏ the search comes to rest at 10⁻⁶⁰ or so, and the minimum is at 0.
        """
        x, y = (float(t) for t in here.theta)
        near = round(x, DECIMALS) + 0.0, round(y, DECIMALS) + 0.0
        try:
            value = self.value((self.ctx.mpf(near[0]), self.ctx.mpf(near[1])))
        except (ArithmeticError, ValueError):  # e^(−1/x²) has none at 0
            return here.f, (x, y)
        found, point = (value, near) if value <= here.f else (here.f, (x, y))
        # no more is known of f than its curvature makes of the last step
        lost = abs(here.mu[0]) * (CLOSE * self.longest) ** 2
        return (found if abs(found) > lost else self.ctx.mpf(0)), point

    def alone(self, here: Place) -> bool:
        """Whether a minimum is a point, not one of a valley whose floor is as low beside it."""
        if abs(here.mu[1]) > ROUND * abs(here.mu[0]):
            return True
        t, q = ASIDE * self.longest, here.Q[1]
        beside = self.at((here.theta[0] + t * q[0], here.theta[1] + t * q[1]))
        least = max(ROUND * abs(beside.f - here.f), self.noise * abs(here.f))
        return self.across(beside).f - here.f > least

    def level(self, f: list[Any], point: tuple[float, float], gone: Any) -> Settled:
        """What values approach whose falls get smaller on the way out; else nothing."""
        if len(f) < 3 or gone < self.longest / 2:
            return Settled("nothing", point, float(f[-1]))
        before, last = f[-3] - f[-2], f[-2] - f[-1]
        if not 0 <= last <= before / 2:
            return Settled("nothing", point, float(f[-1]))
        limit = f[-1] - last * last / (before - last) if before else f[-1]
        return Settled("level", point, float(limit))

    def moved(self, here: Place, d: tuple[Any, Any]) -> Place:
        """The place a step on, or a part of it: as far as f does not rise there."""
        before = here.g[0] * d[0] + here.g[1] * d[1]
        for halvings in range(12):
            a = self.ctx.ldexp(1, -halvings)
            try:
                there = self.at((here.theta[0] + a * d[0], here.theta[1] + a * d[1]))
            except (ArithmeticError, ValueError):           # there is no value that far
                continue
            if there.g[0] * d[0] + there.g[1] * d[1] <= abs(before):
                return there
        raise ValueError("f rises however short the step")

    def value(self, theta: tuple[Any, Any]) -> Any:
        return self.function(theta)[0]

    def function(self, theta: tuple[Any, Any]) -> tuple[Any, tuple[Any, Any], tuple[Any, Any, Any]]:
        """F, g and (H₁₁, H₁₂, H₂₂)."""
        jets = self.program.jets(theta, self.ctx.mpf, self.derivatives)
        if not self.squares:
            return jets[self.program.outputs[0]]
        f = gx = gy = a = b = c = self.ctx.mpf(0)
        for v, (dx, dy), (xx, xy, yy) in (jets[i] for i in self.program.outputs):
            f += v * v
            gx, gy = gx + 2 * v * dx, gy + 2 * v * dy
            a, b, c = (a + 2 * (dx * dx + v * xx), b + 2 * (dx * dy + v * xy),
                       c + 2 * (dy * dy + v * yy))
        return f, (gx, gy), (a, b, c)

    def at(self, theta: tuple[Any, Any]) -> Place:
        """The function at a point, with Newton's step by |μ|, no longer than the longest."""
        f, g, H = self.function(theta)
        if not all(self.ctx.isfinite(t) for t in (f, *g, *H)):
            raise ValueError("no derivatives here")
        mu, Q, known = self.eigen(*H)
        flat, steps, slopes = False, [], []
        for k, (m, q) in enumerate(zip(mu, Q, strict=True)):
            parts = q[0] * g[0], q[1] * g[1]
            slope = sum(parts)
            if abs(slope) <= self.noise * sum(map(abs, parts)):
                slope = self.ctx.mpf(0)        # what is left of a difference
            if k and not known:
                m = self.ctx.mpf(0)
            flat = flat or not (slope or m)
            # without curvature a slope leads as far as may be
            length = min(abs(slope / m), self.longest) if m else self.longest
            length = -self.ctx.sign(slope) * length
            steps.append((length * q[0], length * q[1]))
            slopes.append(slope)
        return Place(theta, f, g, mu, Q, (steps[0], steps[1]), (slopes[0], slopes[1]), flat)

    def eigen(self, a: Any, b: Any, c: Any) -> tuple[Any, Any, bool]:
        """Eigenvalues and vectors of [[a, b], [b, c]], and whether the small one is known."""
        ctx, zero, one = self.ctx, self.ctx.mpf(0), self.ctx.mpf(1)
        if not b:
            axes = ((one, zero), (zero, one))
            return ((a, c), axes, True) if abs(a) >= abs(c) else ((c, a), axes[::-1], True)
        mean, half = (a + c) / 2, (a - c) / 2
        root = ctx.sqrt(half * half + b * b)
        big = mean + (root if mean >= 0 else -root)
        det = a * c - b * b                    # b ≠ 0, so big is not 0
        u, v = (big - c, b) if abs(big - c) >= abs(big - a) else (b, big - a)
        size = ctx.sqrt(u * u + v * v)
        q = (u / size, v / size)
        return (big, det / big), (q, (-q[1], q[0])), abs(det) > self.noise * (abs(a * c) + b * b)


def _size(ctx: MPContext, d: tuple[Any, Any]) -> Any:
    return ctx.sqrt(d[0] * d[0] + d[1] * d[1])


def _minus(a: tuple[Any, Any], b: tuple[Any, Any]) -> tuple[Any, Any]:
    return a[0] - b[0], a[1] - b[1]


def derivatives(ctx: MPContext) -> Callable[[Step, Any], tuple[Any, Any, Any]]:
    """φ, φ′ and φ″ of every function, each to a relative error: 1 − tanh² is 1/cosh²."""
    def exp(x: Any) -> Any:
        if abs(x) > STEEPEST:
            raise OverflowError("too large for an exponent")
        return ctx.exp(x)

    def even(x: Any, p: Any, sign: Any) -> tuple[Any, Any, Any]:
        """|x|ᵖ, or with its sign, where 0 has no slope or curvature only if it is infinite."""
        size = abs(x)
        s = ctx.sign(x)
        a, b, c = (times * ctx.power(size, p - n) if times else ctx.mpf(0)
                   for n, times in enumerate((1, p, p * (p - 1))))
        return (s * a, b, s * c) if sign else (a, s * b, c)

    def power(x: Any, p: Any) -> tuple[Any, Any, Any]:
        if x < 0:
            raise ValueError("a negative base")
        return even(x, p, True)

    def sides(x: Any) -> tuple[Any, Any]:
        return 1 / (1 + exp(-x)), 1 / (1 + exp(x))

    def of(step: Step, x: Any) -> tuple[Any, Any, Any]:
        op = step.op
        if op == "reciprocal":
            a = 1 / x
            return a, -a * a, 2 * a**3
        if op in ("power", "sqrt"):
            return power(x, ctx.mpf(step.value if op == "power" else 0.5))
        if op in ("even_power", "odd_power", "cbrt"):
            p = ctx.mpf(1) / 3 if op == "cbrt" else ctx.mpf(step.value)
            return even(x, p, op != "even_power")
        if op == "exp":
            return (exp(x),) * 3
        if op == "log":
            if x <= 0:
                raise ValueError("no logarithm")
            return ctx.log(x), 1 / x, -1 / (x * x)
        if op in ("sin", "cos"):
            s, c = ctx.sin(x), ctx.cos(x)
            return (s, c, -s) if op == "sin" else (c, -s, -c)
        if op == "tan":
            t, c = ctx.tan(x), ctx.cos(x)
            return t, 1 / (c * c), 2 * t / (c * c)
        if op == "atan":
            return ctx.atan(x), 1 / (1 + x * x), -2 * x / (1 + x * x) ** 2
        if op in ("asin", "acos"):
            if abs(x) >= 1:
                raise ValueError("beside its ends")
            beside, s = ctx.sqrt((1 - x) * (1 + x)), 1 if op == "asin" else -1
            return getattr(ctx, op)(x), s / beside, s * x / beside**3
        if op in ("sinh", "cosh"):
            up, down = exp(x) / 2, exp(-x) / 2
            s, c = (ctx.sinh(x) if abs(x) < 1 else up - down), up + down
            return (s, c, s) if op == "sinh" else (c, s, c)
        if op == "tanh":
            up, down = exp(x), exp(-x)
            t, slope = ctx.tanh(x), 4 / (up + down) ** 2
            return t, slope, -2 * t * slope
        a, b = sides(x)
        if op == "sigmoid":
            return a, a * b, a * b * (b - a)
        assert op == "softplus"
        return (ctx.log1p(exp(x)) if x < 0 else x + ctx.log1p(exp(-x))), a, a * b

    return of
