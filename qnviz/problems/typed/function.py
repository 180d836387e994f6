"""A function of two variables that somebody typed, as a net of one layer with input 1.

    h = W·1 = (x, y)        u = r(h), the residuals        f = ‖u‖²
                            u = f(h), a plain function     f = u, so H_u = 0

The output map is the typed text (`expression`), with exact Jacobian products and second-order term,
so every method runs on it unchanged: one layer with A = E[ā āᵀ] = 1. A plain function has no
Gauss-Newton matrix, as there is no curvature in the loss; methods that live by it say so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import torch
from pydantic import Field, field_validator

from qnviz.errors import ExpressionError
from qnviz.fields import number, optional_number, text
from qnviz.numbers import say
from qnviz.problems import lapack
from qnviz.problems.spec import Layer, ProblemSpec
from qnviz.problems.typed.bound import bound
from qnviz.problems.typed.expression import Expression, parse
from qnviz.problems.typed.gallery import CLASSICS, Classic
from qnviz.problems.typed.problem import LAYERS, TypedFunction
from qnviz.problems.typed.program import Program, Undefined
from qnviz.problems.typed.search import REACH, Lowest, lowest
from qnviz.problems.typed.tree import latex

SEARCHED = 5.5                                 # half the width of where minima are searched,
EMPTY = 3.0                                    # of what is drawn where none is found,
ALONE = 2.0                                    # around a single one,
AIR = 1.5                                      # and times what several take, around them
STILL = 1e-9                                   # of the slope that curvature makes here: none
ENDING = ("asin", "acos", "arcsin", "arccos")    # what has no slope at ±1
ASIDE = 0.05                                   # of the half width, away from a saddle
Coordinate = Annotated[float, Field(ge=-REACH, le=REACH)]
FIRST = CLASSICS["himmelblau"]


class Stationary(NamedTuple):
    """A start where ∇f = 0 and that is no minimum, and a point beside it where f is lower."""

    kind: Literal["a saddle", "a maximum", "no minimum"]          # the last: μ₂ = 0 cannot tell
    beside: tuple[float, float]


class Function(ProblemSpec):
    """A function f(x, y) of your own."""

    title: ClassVar[str] = "Your own function"
    summary: ClassVar[str] = ("A function of x and y as you type it, or the sum of squares of its "
                              "residuals.")
    reference: ClassVar[str] = FIRST.reference
    equation: ClassVar[str] = (r"f(x, y) = u(x, y)\qquad\text{or}\qquad f(x, y) = "
                               r"\sum_i r_i(x, y)^2")
    plane: ClassVar[bool] = True
    smooth: ClassVar[bool] = False
    axes: ClassVar[tuple[str, str]] = ("x", "y")
    still: ClassVar[float | None] = 1e-6       # many such functions have more than one minimum
    reach: ClassVar[float] = REACH
    loss_name: ClassVar[str] = "f"
    rare: ClassVar[tuple[str, ...]] = ("start_noise", "mid_x", "mid_y", "half_width")

    name: Literal["function"] = "function"
    f: str = text(FIRST.f, "A function of x and y, such as x^4 - 3*x*y + exp(y). A sum of squares "
                  "is taken by its residuals; you may also type these, r1; r2.", kind="expression")
    start: tuple[Coordinate, Coordinate] = FIRST.start
    start_noise: float = number(0.0, r"\sigma_0", "Standard deviation of the start around the "
                                "chosen point, drawn anew for each run.", ge=0, le=2)
    mid_x: float | None = optional_number(None, "", "Middle of the window that is drawn, along x; "
                                          "empty to fit it to the minima.", ge=-50, le=50,
                                          empty="fitted")
    mid_y: float | None = optional_number(None, "", "Middle of the window that is drawn, along y; "
                                          "empty to fit it to the minima.", ge=-50, le=50,
                                          empty="fitted")
    half_width: float | None = optional_number(None, "", "Half the width of the window that is "
                                               "drawn; empty to fit it to the minima.", ge=1e-3,
                                               le=50, empty="fitted")

    @field_validator("f")
    @classmethod
    def understood(cls, typed: str) -> str:
        """The text of a function, as it was typed.

        Raises:
            ValueError: it is none, with the reason.
        """
        try:
            parse(typed)
        except ExpressionError as error:
            raise ValueError(str(error)) from None
        return typed

    @property
    def expression(self) -> Expression:
        """What the text means."""
        return parse(self.f)

    @property
    def loss(self) -> Literal["squares", "value"]:
        """Whether f is a sum of squares or the value itself."""
        return self.expression.loss

    @property
    def signed(self) -> bool:
        return not self.expression.squares

    @property
    def classic(self) -> Classic | None:
        """The classic that this function is, in whatever spelling."""
        return _CLASSICS.get(self.expression.program)

    @property
    def formula(self) -> str:
        """The function as LaTeX."""
        trees = [latex(tree) for tree in self.expression.typed]
        if not self.expression.listed:
            return f"f(x, y) = {trees[0]}"
        return "f(x, y) = " + " + ".join(rf"\left({tree}\right)^2" for tree in trees)

    @property
    def layers(self) -> tuple[Layer, ...]:
        return LAYERS

    @property
    def window(self) -> tuple[tuple[float, float], tuple[float, float]]:
        middle, half = self._frame()
        (x0, x1), (y0, y1) = ((max(-REACH, min(m - half, at - 0.05 * half)),
                               min(REACH, max(m + half, at + 0.05 * half)))
                              for m, at in zip(middle, self.start, strict=True))
        return (x0, x1), (y0, y1)

    @property
    def frame(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The part of the plane that is drawn, wherever a run starts."""
        (x, y), half = self._frame()
        return (x - half, x + half), (y - half, y + half)

    @property
    def searched(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Where minima are searched: in the window, where one was chosen."""
        half = SEARCHED if self.half_width is None else self.half_width
        x, y = self.mid_x or 0.0, self.mid_y or 0.0
        return (x - half, x + half), (y - half, y + half)

    @property
    def found(self) -> Lowest:
        """What a search over the window finds, wherever a run starts."""
        return lowest(self.f, self.searched)

    def _frame(self) -> tuple[tuple[float, float], float]:
        """Middle and half width of what is drawn: as chosen, a classic's, or around the minima."""
        c = self.classic
        if self.half_width is None and c:
            half, fitted = c.half, c.middle
        elif self.half_width is None:
            sides = list(zip(*self.minimisers, strict=True)) or [(0.0,), (0.0,)]
            spread = max(max(side) - min(side) for side in sides) / 2
            far = max(abs(t) for side in sides for t in side)
            half = AIR * spread if spread else max(ALONE, far / 2) if self.minimisers else EMPTY
            half = min(REACH, max(1e-3, float(f"{half:.2g}")))
            fitted = tuple(round((max(side) + min(side)) / half) * half / 2 for side in sides)
        else:
            half, fitted = self.half_width, (0.0, 0.0)
        x, y = (f if m is None else m for f, m in zip(fitted, (self.mid_x, self.mid_y),
                                                      strict=True))
        return (x, y), half

    @property
    def minimisers(self) -> tuple[tuple[float, float], ...]:
        """Those of a classic; of another function the lowest that a search found, if any.

        In a window that was chosen, only those in it.
        """
        if self.classic:
            return self.classic.minimisers
        (x0, x1), (y0, y1) = self.searched
        return tuple((x, y) for x, y in self.found.points if self.half_width is None
                     or (x0 <= x <= x1 and y0 <= y <= y1))

    @property
    def minimiser(self) -> tuple[float, float]:
        """The first of them.

        Raises:
            ExpressionError: none is known.
        """
        if not self.minimisers:
            raise ExpressionError("No minimum of this function is known.")
        return self.minimisers[0]

    @property
    def lowest(self) -> float | None:
        """The value there; a sum of squares has 0 at least."""
        found = self.classic.minimum if self.classic else self.found.value
        return 0.0 if found is None and self.expression.squares else found

    @property
    def bound(self) -> float:
        return 0.0 if self.expression.squares else bound(self.expression.program)

    @property
    def stationary(self) -> Stationary | None:
        """What the start is, where ∇f = 0 and f falls from there to second order; else None."""
        lacks = self.lacks(*self.start)
        if lacks is not None:
            return None
        problem = self.build(torch.float64, torch.device("cpu"))
        _, g, H = problem.derivatives(torch.tensor([self.start], dtype=torch.float64))
        mu, Q = lapack.eigh(H[0])
        half, steepest = self._frame()[1], float(mu.abs().max())
        if not float(g.norm()) <= STILL * steepest * half or float(mu[0]) >= -STILL * steepest:
            return None
        d = Q[:, 0] * torch.sign(Q[Q[:, 0].abs().argmax(), 0]) * ASIDE * half
        x, y = (float(f"{t + float(s):.3g}") if abs(float(s)) > 1e-9 * half else t
                for t, s in zip(self.start, d, strict=True))
        high = float(mu[1])
        return Stationary("no minimum" if abs(high) <= STILL * steepest else
                          "a saddle" if high > 0 else "a maximum", (x, y))

    @property
    def level(self) -> float | None:
        """The value that f approaches and never takes, as far as it is known to level off."""
        return None if self.classic else self.found.level

    @property
    def valley(self) -> float | None:
        """The lowest value that was found, if f takes it along a curve; else None."""
        found = None if self.classic else self.found
        return found.value if found and not found.points else None

    @property
    def undefined(self) -> str | None:
        lacks = self.lacks(*self.start)
        if lacks is None or lacks.what != "value":
            return None
        x, y = map(say, self.start)
        return (f"f has no value at the start ({x}, {y}): there is {lacks.operation} in column "
                f"{lacks.column}; choose another start.")

    def lacks(self, x: float, y: float) -> Undefined | None:
        """What f lacks at a point: a value, a gradient or a second derivative, and which operation
        of the text is why; None where it has all three.
        """
        expression = self.expression
        found = expression.program.undefined((x, y))
        if found is None and expression.squares:
            u = expression.program.value(torch.tensor([x, y], dtype=torch.float64))
            if not torch.isfinite((u * u).sum()):
                return Undefined("value", "a square that is too large",
                                 expression.typed[0].column, "a square", math.nan)
        return found

    def missing_value(self, theta: Sequence[float]) -> str:
        program = self.expression.program
        found = program.undefined(theta)
        if found is None or found.what != "value":
            return ""
        v = [float(a) for a in program.values(torch.tensor(theta, dtype=torch.float64))]
        i = next(i for i, a in enumerate(v) if not math.isfinite(a))
        if not math.isnan(v[i]) and found.argument != 0:
            return ""                          # f is defined there, and too large a number
        return f"there is {found.operation} in column {found.column}"

    def missing_derivative(self, theta: Sequence[float], order: int) -> str:
        found = self.expression.program.undefined(theta)
        which = "derivative" if order == 1 else "second derivative"
        if found is None or found.what != ("gradient", "second derivative")[order - 1] or (
                math.isnan(found.argument)):
            return f"its {which}s there are too large for floating-point numbers"
        if found.argument == 0 or (found.name in ENDING and abs(found.argument) == 1):
            return (f"{found.name} in column {found.column} has no {which} at "
                    f"{say(found.argument)}")
        return (f"the {which} of {found.name} in column {found.column} at {say(found.argument)} is "
                "too large a number")

    @property
    def portable(self) -> dict[str, Any]:
        """The program, whether it gives residuals or f itself, and the lowest value known."""
        return {"program": self.expression.program.portable, "loss": self.loss,
                "lowest": self.lowest}

    def build(self, dtype: torch.dtype, device: torch.device) -> TypedFunction:
        return TypedFunction(self.expression, dtype, device, self.start, self.start_noise)


_CLASSICS: dict[Program, Classic] = {parse(c.f).program: c for c in CLASSICS.values()}
