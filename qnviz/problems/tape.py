"""What a pass through a problem works on and leaves behind: a batch, and the tape.

Shapes as in `calculus`: R runs, N samples, P parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor


@dataclass
class Batch:
    """The samples of one step, and everything random about them."""

    x: Tensor                       # (R or 1, N, in)
    target: Tensor                  # broadcasts against u
    xi: Tensor                      # (R, 1) or (1, 1): ξ of the output map; unused by plain nets
    full: bool                      # whether this is the same function at every step
    seed: int = 0
    step: int = 0
    runs: Tensor = field(default_factory=lambda: torch.zeros(1, dtype=torch.int64))

    def take(self, index: Tensor) -> Batch:
        """The batch of the chosen runs; what all runs share stays shared."""
        if len(self.runs) == len(self.x) == len(self.target) == len(self.xi) == 1:
            return self
        pick = {name: t if t.shape[0] == 1 else t[index]
                for name, t in (("x", self.x), ("target", self.target), ("xi", self.xi))}
        runs = self.runs if len(self.runs) == 1 else self.runs[index]
        return replace(self, runs=runs, **pick)

    @staticmethod
    def concat(batches: list[Batch]) -> Batch:
        """Several steps' batches of the same runs as one batch of more runs, step after step."""
        first = batches[0]
        joined = {name: getattr(first, name) if getattr(first, name).shape[0] == 1
                  and name != "xi" else torch.cat([getattr(b, name) for b in batches])
                  for name in ("x", "target", "xi", "runs")}
        return replace(first, **joined)


@dataclass
class Tape:
    """What one forward pass leaves behind; `pull_back` fills in g."""

    batch: Batch
    theta: Tensor                   # (R, P)
    W: list[Tensor]                 # W_l            (R, out, in+1)
    a: list[Tensor]                 # ā_{l−1}        (R, N, in+1)
    h: list[Tensor]                 # h_l            (R, N, out)
    out: list[Tensor]               # a_l = φ_l(h_l) (R, N, out), without the last
    u: Tensor                       # (R, N, outputs)
    value: Callable[[Tape], Tensor]                 # computes f
    curvature: Callable[[Tensor], Tensor]           # computes H_u
    g: list[Tensor] = field(default_factory=list)   # ∂f/∂h_l per sample (R, N, out)

    @cached_property
    def f(self) -> Tensor:
        """The loss (R,); made when first asked for, as many passes only need a gradient."""
        return self.value(self)

    @cached_property
    def H_u(self) -> Tensor:
        """The diagonal of the loss's Hessian in u, (R, N, outputs) or broadcasting against it."""
        return self.curvature(self.u)

    def repeat(self, times: int) -> Tape:
        """Every run `times` times in a row: lets one batched call use many directions per run."""
        def more(t: Tensor) -> Tensor:
            return t if t.shape[0] == 1 else t.repeat_interleave(times, 0)   # 1: it broadcasts

        def many(ts: list[Tensor]) -> list[Tensor]:
            return [more(t) for t in ts]

        b = self.batch
        batch = replace(b, x=more(b.x), target=more(b.target), xi=more(b.xi), runs=more(b.runs))
        return Tape(batch, more(self.theta), many(self.W), many(self.a), many(self.h),
                    many(self.out), more(self.u), self.value, self.curvature, many(self.g))
