"""An expression as a list of steps, each made of earlier ones, and its derivatives.

    v_i = v_a + v_b,   v_a v_b,   or φ(v_a)          forwards, from v_0 = x and v_1 = y
    v̄_a += φ′(v_a) v̄_i,   …                         backwards: (∂u/∂h)ᵀ w           (vjp)
    v̇_i = φ′(v_a) v̇_a,   …                          forwards along dh: (∂u/∂h) dh   (jvp)

The derivative of the vjp along dh is the backward sweep over pairs (v̄, its tangent):
the tangent of φ′(v_a) v̄_i is φ″(v_a) v̇_a v̄_i + φ′(v_a) times the tangent of v̄_i. Everything is
sums and products without conjugation, so it runs on complex tensors too (MATH §5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from qnviz.problems.expression_ops import FUNCTIONS

VARIABLES = 2
Number = Tensor | float


class Step(NamedTuple):
    """One operation: "variable", "constant", "add", "times" or a function, on earlier steps."""

    op: str
    args: tuple[int, ...] = ()
    value: float = 0.0                         # of a constant


@dataclass(frozen=True)
class Program:
    """Outputs u (…, m) as functions of h (…, 2); immutable."""

    steps: tuple[Step, ...]
    outputs: tuple[int, ...]
    # where in its text each step was written
    columns: tuple[int, ...] = field(default=(), compare=False)

    @cached_property
    def affine(self) -> bool:
        """Whether no output bends: the second-order term is 0."""
        return not any(s.op in FUNCTIONS or (s.op == "times" and not any(
            self.steps[a].op == "constant" for a in s.args)) for s in self.steps)

    def values(self, h: Tensor) -> list[Number]:
        """V_i of every step, (…) each; constants stay plain numbers."""
        v: list[Number] = []
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
                v.append(FUNCTIONS[op].value(_tensor(v[args[0]])))
        return v

    def value(self, h: Tensor) -> Tensor:
        """U (…, m)."""
        v = self.values(h)
        return _stack([v[i] for i in self.outputs], h[..., 0])

    def jvp(self, h: Tensor, dh: Tensor) -> Tensor:
        """(∂u/∂h) dh, (…, m)."""
        dv = self._tangents(self.values(h), dh)
        return _stack([dv[i] for i in self.outputs], dh[..., 0])

    def vjp(self, h: Tensor, w: Tensor) -> Tensor:
        """(∂u/∂h)ᵀ w, (…, 2)."""
        v = self.values(h)
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
            elif op in FUNCTIONS:
                a = args[0]
                bar[a] = _sum(bar[a], b * FUNCTIONS[op].slope(_tensor(v[a]), _tensor(v[i])))
        return _stack(bar[:VARIABLES], w[..., 0])

    def curvature(self, h: Tensor, dh: Tensor, w: Tensor) -> Tensor:
        """The derivative of (∂u/∂h)ᵀ w along dh at fixed w, (…, 2)."""
        v = self.values(h)
        dv, bar = self._tangents(v, dh), self._seeds(w)
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
            elif op in FUNCTIONS:
                a, phi = args[0], FUNCTIONS[op]
                x, y = _tensor(v[a]), _tensor(v[i])
                slope = phi.slope(x, y)
                bend = _product(dv[a], phi.curve(x, y) * b)
                bar[a] = _sum(bar[a], b * slope)
                dbar[a] = _sum(dbar[a], _sum(_product(db, slope), bend))
        return _stack(dbar[:VARIABLES], dh[..., 0])

    def _tangents(self, v: list[Number], dh: Tensor) -> list[Tensor | None]:
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
                dv.append(_product(dv[a], FUNCTIONS[op].slope(_tensor(v[a]), _tensor(v[i]))))
        return dv

    def _seeds(self, w: Tensor) -> list[Tensor | None]:
        bar: list[Tensor | None] = [None] * len(self.steps)
        for k, i in enumerate(self.outputs):
            bar[i] = _sum(bar[i], w[..., k])
        return bar


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
