"""What a person writes to ask for a problem, and what is known of it before anything is computed.

A spec is plain data and reads without torch; `build` makes it a `Problem` on a device.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from qnviz.fields import Frozen

if TYPE_CHECKING:                        # a scoreboard is read and drawn without torch
    import torch

    from qnviz.problems.problem import Problem


class Layer(NamedTuple):
    """One block W of shape (out, in + bias) and the activation after it."""

    fan_in: int
    fan_out: int
    bias: bool = True
    activation: str = "identity"

    @property
    def shape(self) -> tuple[int, int]:
        return self.fan_out, self.fan_in + self.bias

    @property
    def size(self) -> int:
        return self.fan_out * (self.fan_in + self.bias)


class ProblemSpec(Frozen):
    """What a person writes to ask for a problem; `build` makes it real on a device."""

    title: ClassVar[str]
    summary: ClassVar[str]
    reference: ClassVar[str]
    equation: ClassVar[str]                  # LaTeX, of all problems of the kind
    plane: ClassVar[bool] = False            # whether theta itself is a point of the plane
    smooth: ClassVar[bool] = True            # whether there are derivatives wherever f has a value
    axes: ClassVar[tuple[str, str]] = ("x_1", "x_2")      # what the plane's axes are called, LaTeX
    still: ClassVar[float | None] = None     # ‖∇f‖ at which pages call a run arrived, if they do
    reach: ClassVar[float] = 10.0            # the largest coordinate of a start in the plane
    loss_name: ClassVar[str] = "loss"        # what the reported loss is called
    rare: ClassVar[tuple[str, ...]] = ()     # fields that pages put aside, to keep one row
    reads: ClassVar[tuple[str, ...]] = ()    # fields that say how a file of data is read
    most_snapshots: ClassVar[int | None] = None      # iterates recorded of a run; None: all of them
    most_views: ClassVar[int] = 0            # of these, how many are viewed

    name: str = ""                           # a Literal in each problem: what a spec calls it

    @property
    def formula(self) -> str:
        """This problem's own function as LaTeX."""
        return self.equation

    @property
    def deterministic(self) -> bool:
        """Whether every step sees the same function."""
        return True

    @property
    def notes(self) -> tuple[str, ...]:
        """How its data were read, in sentences, where that had to be decided.

        Raises:
            DataError: they cannot be read.
        """
        return ()

    @property
    def window(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The part of the plane worth looking at: (x range, y range)."""
        raise TypeError(f"{type(self).__name__} has no plane")

    @property
    def minimiser(self) -> tuple[float, float]:
        """Where the loss is smallest in the plane."""
        raise TypeError(f"{type(self).__name__} has no plane")

    @property
    def minimisers(self) -> tuple[tuple[float, float], ...]:
        """All points of the plane where the loss is smallest, as far as they are known."""
        return (self.minimiser,)

    @property
    def lowest(self) -> float | None:
        """The smallest loss, from which `stop_loss` counts; None where none is known."""
        return 0.0

    @property
    def bound(self) -> float:
        """A number that the loss cannot fall below, whatever θ is."""
        return 0.0

    @property
    def signed(self) -> bool:
        """Whether the loss may fall below 0, so that ratios of losses mean nothing."""
        return False

    @property
    def undefined(self) -> str | None:
        """Why there is no loss at the start, in a sentence; None where there is one."""
        return None

    def missing_value(self, theta: Sequence[float]) -> str:
        """Why theta (P,) lies where f is not defined, such as "there is log of −1"; or ""."""
        return ""

    def missing_derivative(self, theta: Sequence[float], order: int) -> str:
        """Why f has a value at theta (P,), but no derivatives of an order, 1 or 2; or ""."""
        return ""

    @property
    def portable(self) -> dict[str, Any] | None:
        """What the browser's engine needs beyond the fields; None where it has no such problem."""
        return None

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, known without building anything."""
        raise TypeError(f"{type(self).__name__} must say which layers it has")

    @property
    def size(self) -> int:
        """P, the number of parameters."""
        return sum(layer.size for layer in self.layers)

    @property
    def step_samples(self) -> int:
        """How many samples a step looks at."""
        return 1

    @property
    def content(self) -> str:
        """What tells the data apart from others of the same name; part of a run's key."""
        return ""

    def build(self, dtype: torch.dtype, device: torch.device) -> Problem:
        """The problem itself, on a device."""
        raise TypeError(f"{type(self).__name__} must say how it is built")
