"""Eight classic test functions: what each teaches, from where, and where its minima lie.

Minimisers are solutions of ∇f = 0 to 16 digits; tests check value, gradient and curvature of each.
"""

from __future__ import annotations

import math
from typing import NamedTuple

Point = tuple[float, float]


class Classic(NamedTuple):
    """A test function in the plane, as text that the function problem understands."""

    title: str
    f: str
    start: Point
    middle: Point                              # of the window that is drawn
    half: float                                # of its width
    minimisers: tuple[Point, ...]
    minimum: float
    reference: str
    teaches: str


LOW = -2.903534027771177                       # the lower root of 4x³ − 32x + 5

CLASSICS: dict[str, Classic] = {
    "himmelblau": Classic(
        "Himmelblau", "(x^2 + y - 11)^2 + (x + y^2 - 7)^2", (0.0, 0.0), (0.0, 0.0), 5.5,
        ((3.0, 2.0), (-2.805118086952745, 3.131312518250573),
         (-3.779310253377747, -3.283185991286170), (3.584428340330492, -1.848126526964404)), 0.0,
        "D. M. Himmelblau, Applied Nonlinear Programming, 1972.",
        "Four minima of equal depth: which of them a method finds depends on its first steps."),
    "beale": Classic(
        "Beale", "(1.5 - x + x*y)^2 + (2.25 - x + x*y^2)^2 + (2.625 - x + x*y^3)^2",
        (1.0, 1.0), (0.0, 0.0), 4.5, ((3.0, 0.5),), 0.0,
        "E. M. L. Beale, On an iterative method for finding a local minimum of a function of more "
        "than one variable, 1958; number 5 of J. J. Moré, B. S. Garbow, K. E. Hillstrom, Testing "
        "unconstrained optimization software, 1981.",
        "A flat plain with steep walls: steps that suit the walls crawl on the plain."),
    "booth": Classic(
        "Booth", "(x + 2*y - 7)^2 + (2*x + y - 5)^2", (-5.0, -5.0), (0.0, 0.0), 10.0,
        ((1.0, 3.0),), 0.0,
        "A. D. Booth, An application of the method of steepest descents to the solution of systems "
        "of non-linear simultaneous equations, 1949.",
        "A quadratic with κ = 9: one undamped Newton step is at the minimum, BFGS takes a few."),
    "styblinski_tang": Classic(
        "Styblinski-Tang", "(x^4 - 16*x^2 + 5*x)/2 + (y^4 - 16*y^2 + 5*y)/2", (1.5, -1.0),
        (0.0, 0.0), 5.0, ((LOW, LOW),), -78.33233140754282,
        "M. A. Styblinski, T.-S. Tang, Experiments in nonconvex optimization: stochastic "
        "approximation with function smoothing and simulated annealing, 1990.",
        "Four minima, one of them lowest: straight downhill leads to the nearest."),
    "goldstein_price": Classic(
        "Goldstein-Price",
        "(1 + (x + y + 1)^2*(19 - 14*x + 3*x^2 - 14*y + 6*x*y + 3*y^2))"
        "*(30 + (2*x - 3*y)^2*(18 - 32*x + 12*x^2 + 48*y - 36*x*y + 27*y^2))",
        (0.5, -0.5), (0.0, -0.5), 2.0, ((0.0, -1.0),), 3.0,
        "A. A. Goldstein, J. F. Price, On descent from local minima, 1971.",
        "Values from 3 to a million: a step size that fits one place is far off at another."),
    "saddle": Classic(
        "A saddle", "x^2 - 2*y^2 + y^4", (1.5, 0.001), (0.0, 0.0), 2.0,
        ((0.0, 1.0), (0.0, -1.0)), -1.0,
        "Y. N. Dauphin et al., Identifying and attacking the saddle point problem in "
        "high-dimensional non-convex optimization, 2014.",
        "A ridge leads to a saddle at (0, 0), where the gradient vanishes and curvature is "
        "negative along the way down."),
    "narrow": Classic(
        "A narrow quadratic", "(x^2 + 1000*y^2)/2", (-4.0, 1.0), (0.0, 0.0), 5.0, ((0.0, 0.0),),
        0.0,
        "H. Akaike, On a successive transformation of probability distribution and its application "
        "to the analysis of the optimum gradient method, 1959.",
        "κ = 1000: gradient descent zigzags or creeps, and curvature makes it as easy as a ball."),
}
assert math.isclose(4 * LOW**3 - 32 * LOW + 5, 0, abs_tol=1e-12)
