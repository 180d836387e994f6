"""An expression as a list of steps, each made of earlier ones, and its derivatives.

    v_i = v_a + v_b,   v_a v_b,   or φ(v_a)          forwards, from v_0 = x and v_1 = y
    v̄_a += φ′(v_a) v̄_i,   …                         backwards: (∂u/∂h)ᵀ w           (vjp)
    v̇_i = φ′(v_a) v̇_a,   …                          forwards along dh: (∂u/∂h) dh   (jvp)

    and per step (v, ∇v, ∇²v) of one point           which step is the first without a value

The derivative of the vjp along dh is the backward sweep over pairs (v̄, its tangent):
the tangent of φ′(v_a) v̄_i is φ″(v_a) v̇_a v̄_i + φ′(v_a) times the tangent of v̄_i. Everything is
sums and products without conjugation, so it runs on complex tensors too (MATH §5); where a function
ends is then decided at the real point, by the program of the real parts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from qnviz.numbers import say
from qnviz.problems.typed.ops import Function, function

VARIABLES = 2
Number = Tensor | float


PLAIN = ("variable", "constant", "add", "times")
WORDS = {"add": "a sum that is too large", "times": "a product that is too large",
         "reciprocal": "a division by {}", "power": "the power {p} of {}",
         "even_power": "the power {p} of |{}|", "odd_power": "the power {p} of {}",
         "constant": "a number that is too large", "variable": "a coordinate that is too large"}


class Step(NamedTuple):
    """One operation: "variable", "constant", "add", "times" or a function, on earlier steps."""

    op: str
    args: tuple[int, ...] = ()
    value: float = 0.0                         # of a constant; a power's exponent

    @property
    def function(self) -> Function:
        """Which function it is."""
        return function(self.op, self.value)


class Jet(NamedTuple):
    """A step's value, gradient (v_x, v_y) and second derivatives (v_xx, v_xy, v_yy) at a point."""

    v: Any
    d: tuple[Any, Any]
    dd: tuple[Any, Any, Any]


Missing = Literal["value", "gradient", "second derivative"]


class Undefined(NamedTuple):
    """The first operation of a text without a value, slope or curvature at a point."""

    what: Missing
    operation: str                             # in words, as "sqrt of 0"
    column: int                                # of the text, from 1
    name: str                                  # of the operation alone, as "sqrt"
    argument: float                            # NaN of sums and products


@dataclass(frozen=True)
class Program:
    """Outputs u (…, m) as functions of h (…, 2); immutable."""

    steps: tuple[Step, ...]
    outputs: tuple[int, ...]
    # where in its text each step was written, and what it is called there, if not as usual
    columns: tuple[int, ...] = field(default=(), compare=False)
    words: tuple[str, ...] = field(default=(), compare=False)

    @property
    def portable(self) -> dict[str, Any]:
        """Steps and outputs as JSON can hold them, for the browser's engine."""
        return {"steps": [[op, list(args), value] for op, args, value in self.steps],
                "outputs": list(self.outputs)}

    @cached_property
    def affine(self) -> bool:
        """Whether no output bends: the second-order term is 0."""
        return not any(s.op not in PLAIN or (s.op == "times" and not any(
            self.steps[a].op == "constant" for a in s.args)) for s in self.steps)

    def values(self, h: Tensor) -> list[Number]:
        """V_i of every step, (…) each; constants stay plain numbers."""
        v: list[Number] = []
        points = self._points(h)
        for i, (op, args, value) in enumerate(self.steps):
            if op == "variable":
                v.append(h[..., i])
            elif op == "constant":
                v.append(value)
            elif op == "add":
                v.append(v[args[0]] + v[args[1]])
            elif op == "times":
                v.append(v[args[0]] * v[args[1]])
            else:
                v.append(self.steps[i].function.at(_tensor(v[args[0]]), points[args[0]]))
        return v

    def _points(self, h: Tensor) -> Sequence[Any]:
        """The real point of every step of a complex h, which decides where functions end."""
        return self.values(h.real) if h.is_complex() else [None] * len(self.steps)

    def value(self, h: Tensor) -> Tensor:
        """U (…, m)."""
        v = self.values(h)
        return _stack([v[i] for i in self.outputs], h[..., 0])

    def jvp(self, h: Tensor, dh: Tensor) -> Tensor:
        """(∂u/∂h) dh, (…, m)."""
        dv = self._tangents(self.values(h), self._points(h), dh)
        return _stack([dv[i] for i in self.outputs], dh[..., 0])

    def vjp(self, h: Tensor, w: Tensor) -> Tensor:
        """(∂u/∂h)ᵀ w, (…, 2)."""
        v, points = self.values(h), self._points(h)
        bar = self._seeds(w)
        for i in reversed(range(VARIABLES, len(self.steps))):
            op, args, _ = self.steps[i]
            if (b := bar[i]) is None:
                continue
            if op == "add":
                for a in args:
                    bar[a] = _sum(bar[a], b)
            elif op == "times":
                for a, other in (args, args[::-1]):
                    bar[a] = _sum(bar[a], b * v[other])
            elif op not in PLAIN:
                a = args[0]
                bar[a] = _sum(bar[a], b * self._slope(i, v, points))
        return _stack(bar[:VARIABLES], w[..., 0])

    def curvature(self, h: Tensor, dh: Tensor, w: Tensor) -> Tensor:
        """The derivative of (∂u/∂h)ᵀ w along dh at fixed w, (…, 2)."""
        v, points = self.values(h), self._points(h)
        dv, bar = self._tangents(v, points, dh), self._seeds(w)
        dbar: list[Tensor | None] = [None] * len(self.steps)
        for i in reversed(range(VARIABLES, len(self.steps))):
            op, args, _ = self.steps[i]
            b, db = bar[i], dbar[i]
            if b is None:
                continue
            if op == "add":
                for a in args:
                    bar[a], dbar[a] = _sum(bar[a], b), _sum(dbar[a], db)
            elif op == "times":
                for a, other in (args, args[::-1]):
                    bar[a] = _sum(bar[a], b * v[other])
                    dbar[a] = _sum(dbar[a], _sum(_product(db, v[other]), _product(dv[other], b)))
            elif op not in PLAIN:
                a, slope = args[0], self._slope(i, v, points)
                curve = self.steps[i].function.curve(_tensor(v[a]), _tensor(v[i]))
                bend = _product(dv[a], curve * b)
                bar[a] = _sum(bar[a], b * slope)
                dbar[a] = _sum(dbar[a], _sum(_product(db, slope), bend))
        return _stack(dbar[:VARIABLES], dh[..., 0])

    def _slope(self, i: int, v: list[Number], points: Sequence[Any]) -> Tensor:
        """φ′ of a step."""
        a = self.steps[i].args[0]
        return self.steps[i].function.slope_at(_tensor(v[a]), _tensor(v[i]), points[a])

    def _tangents(self, v: list[Number], points: Sequence[Any],
                  dh: Tensor) -> list[Tensor | None]:
        """V̇_i along dh; None where a step does not depend on h."""
        dv: list[Tensor | None] = []
        for i, (op, args, _) in enumerate(self.steps):
            if op == "variable":
                dv.append(dh[..., i])
            elif op == "constant":
                dv.append(None)
            elif op == "add":
                dv.append(_sum(dv[args[0]], dv[args[1]]))
            elif op == "times":
                left, right = args
                dv.append(_sum(_product(dv[left], v[right]), _product(dv[right], v[left])))
            else:
                a = args[0]
                dv.append(_product(dv[a], self._slope(i, v, points)))
        return dv

    def _seeds(self, w: Tensor) -> list[Tensor | None]:
        bar: list[Tensor | None] = [None] * len(self.steps)
        for k, i in enumerate(self.outputs):
            bar[i] = _sum(bar[i], w[..., k])
        return bar


    # --- one point, step by step ------------------------------------------------------------------

    def jets(self, point: Sequence[Any], number: Callable[[float], Any],
             derivatives: Callable[[Step, Any], tuple[Any, Any, Any]]) -> list[Jet]:
        """Every step at one point, in whatever arithmetic.

        Args:
            point: x and y.
            number: a constant in that arithmetic.
            derivatives: φ, φ′ and φ″ of a step that is a function, at its argument.
        """
        zero = number(0.0)
        jets: list[Jet] = []
        for i, step in enumerate(self.steps):
            if step.op == "variable":
                jets.append(Jet(point[i], (number(float(i == 0)), number(float(i == 1))),
                                (zero, zero, zero)))
            elif step.op == "constant":
                jets.append(Jet(number(step.value), (zero, zero), (zero, zero, zero)))
            elif step.op == "add":
                a, b = (jets[k] for k in step.args)
                jets.append(Jet(a.v + b.v, _add(a.d, b.d), _add(a.dd, b.dd)))
            elif step.op == "times":
                a, b = (jets[k] for k in step.args)
                (ax, ay), (bx, by) = a.d, b.d
                twice = (2 * ax * bx, ax * by + ay * bx, 2 * ay * by)
                jets.append(Jet(a.v * b.v, _add(_times(b.v, a.d), _times(a.v, b.d)), _add(
                    _add(_times(b.v, a.dd), _times(a.v, b.dd)), twice)))
            else:
                a = jets[step.args[0]]
                value, slope, curve = derivatives(step, a.v)
                dx, dy = a.d
                jets.append(Jet(value, _times(slope, a.d), _add(
                    _times(slope, a.dd), _times(curve, (dx * dx, dx * dy, dy * dy)))))
        return jets

    def undefined(self, point: Sequence[float]) -> Undefined | None:
        """Which operation of the text is the first without a derivative at a point, if one is.

        The first that lacks a value, else the first that lacks a slope, else a curvature; None
        where all of them are finite.
        """
        jets = self.jets([torch.tensor(float(t), dtype=torch.float64) for t in point],
                         lambda c: torch.tensor(c, dtype=torch.float64), _by_torch)
        parts: tuple[tuple[Missing, Callable[[Jet], Any]], ...] = (
            ("value", lambda j: (j.v,)), ("gradient", lambda j: j.d),
            ("second derivative", lambda j: j.dd))
        for what, part in parts:
            for i, jet in enumerate(jets):
                if not all(math.isfinite(t) for t in part(jet)):
                    return self._lacking(what, i, jets)
        return None

    def _lacking(self, what: Any, i: int, jets: list[Jet]) -> Undefined:
        """A step in words, with the number to which it is applied."""
        step = self.steps[i]
        words = self.words[i] or WORDS.get(step.op, f"{step.op} of {{}}")
        x = math.nan if step.op in PLAIN else float(jets[step.args[0]].v)
        power = say(step.value)
        name = re.split(r" (?:of|by) \|?\{\}", words)[0].format(p=power)
        return Undefined(what, words.format(say(x), p=power), self.columns[i], name, x)


def _by_torch(step: Step, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    phi = step.function
    a = phi.value(x)
    return a, phi.slope(x, a), phi.curve(x, a)


def _add(a: tuple[Any, ...], b: tuple[Any, ...]) -> Any:
    return tuple(s + t for s, t in zip(a, b, strict=True))


def _times(c: Any, a: tuple[Any, ...]) -> Any:
    return tuple(c * t for t in a)


def _tensor(x: Number) -> Tensor:
    """A step that depends on h: what functions are applied to, as constants are folded."""
    assert isinstance(x, Tensor)
    return x


def _sum(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    """A + b, where None is 0."""
    return b if a is None else a if b is None else a + b


def _product(a: Tensor | None, b: Number) -> Tensor | None:
    return None if a is None else a * b


def _stack(parts: Sequence[Number | None], like: Tensor) -> Tensor:
    """Parts (…) side by side; constants, and zeros for None, are spread to a common shape."""
    spread = [part if isinstance(part, Tensor) else torch.full_like(like, part or 0.0)
              for part in parts]
    return torch.stack(torch.broadcast_tensors(*spread), -1)
