"""How a run ends: the one rule, for columns and for tensors, and the one place of its sentences.

At an iterate that is evaluated, a run with f and θ finite has

    converged    f within `stop_loss` of the lowest known value, or ‖∇f‖ ≤ `stop_grad`
    undefined    ∇f without a value there, and neither of these
    ended        come to an end by a rule of its method's own (SciPy's minimisers have one), or
    failed       been given up by it;

otherwise it goes on. Without f or θ finite it has diverged. A step that led nowhere, to no finite
iterate or to the same one again, from where ∇f is not 0 and the Hessian has no value, shows that
its method needs one: the run ended where that step began, undefined. A run that has used all its
steps may still have diverged, if it stands absurdly far from its start (MATH §7b).
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from qnviz.numbers import say
from qnviz.problems.spec import ProblemSpec
from qnviz.runs.trace import FALLS

STATUS = ("running", "converged", "budget", "diverged", "undefined", "ended", "failed")
RUNNING, CONVERGED, BUDGET, DIVERGED, UNDEFINED, ENDED, FAILED = range(len(STATUS))
WORDS = {"converged": "converged", "budget": "used all steps", "diverged": "diverged",
         "undefined": "ended where derivatives have no value", "ended": "ended by SciPy",
         "failed": "given up by SciPy", "running": "interrupted"}

BLOWN = 1e6                          # times its scale at the start: a run that ends there diverged
FALLING = 0.1                        # least ‖∇f‖ ‖θ − θ₀‖ over f₀ − f of a run that goes on falling
FLAT = 1e-9                          # of the largest |λ| of a Hessian: a smaller one has no sign
SAME = 1e-9                          # relative to the lowest known value: a loss that is as low


class Rule:
    """When runs of a spec end. Its methods take arrays and tensors alike, with any leading axes."""

    def __init__(self, problem: ProblemSpec, stop_loss: float | None, stop_grad: float | None):
        self.problem, self.stop_loss, self.stop_grad = problem, stop_loss, stop_grad

    @property
    def needs_gradient(self) -> bool:
        """Whether ‖∇f‖ decides, beside the loss."""
        return self.stop_grad is not None or not self.problem.smooth or self.problem.signed

    @cached_property
    def lowest(self) -> float | None:
        """The lowest known loss."""
        return self.problem.lowest

    def codes(self, loss: Any, grad: Any, placed: Any, first: Any, own: Any = 0) -> Any:
        """How runs end at iterates, as codes of STATUS; RUNNING where they go on.

        Args:
            loss: f at iterates.
            grad: ‖∇f‖ there, or 0 where the rule does not need it.
            placed: whether θ is finite.
            first: f at each run's start.
            own: 0, or 1 where a run has ended by its method's own rule, 2 where that gave it up.
        """
        there = placed & finite(loss)
        good = there & self.low_enough(loss)
        if self.stop_grad is not None:
            good = good | there & (grad <= self.stop_grad)            # a NaN is not
        lost = there & ~good & ~finite(grad)
        far = lost & self.above(loss, first, 0 * first)
        left = there & ~good & ~lost
        return (CONVERGED * good + UNDEFINED * (lost & ~far) + DIVERGED * (~there | far)
                + left * (own + (ENDED - 1) * (own > 0)))

    def nowhere(self, there: Any, unmoved: Any, grad_before: Any) -> Any:
        """Which steps led nowhere, though ∇f was there: if H was not, it is why.

        Args:
            there: whether the iterate that a step led to has f and θ finite.
            unmoved: whether it is the one that the step began at.
            grad_before: ‖∇f‖ where the step began.
        """
        return (~there | unmoved) & (grad_before > 0) & finite(grad_before)

    def low_enough(self, loss: Any) -> Any:
        """Which losses are within `stop_loss` of the lowest known one."""
        if self.stop_loss is None or self.lowest is None:
            return loss != loss                # none is: without a goal only the gradient decides
        return abs(loss - self.lowest) <= self.stop_loss

    def is_lowest(self, loss: float) -> bool:
        """Whether a loss is as low as any that is known."""
        return self.lowest is not None and loss <= self.lowest + SAME * abs(self.lowest)

    # --- after the last step ----------------------------------------------------------------------

    def blown(self, loss: Any, first: Any, grad: Any, first_grad: Any, moved: Any) -> Any:
        """Which runs that have used all their steps diverged all the same.

        Args:
            loss: f at the last iterate.
            first: f at the start.
            grad: ‖∇f‖ at the last iterate.
            first_grad: ‖∇f‖ at the start.
            moved: ‖θ − θ₀‖.
        """
        return self.above(loss, first, first_grad) | self.falls(loss, first, grad, first_grad,
                                                                moved)

    def above(self, loss: Any, first: Any, first_grad: Any) -> Any:
        """Which losses are absurdly far above the first one."""
        if not self.problem.signed:
            return loss > BLOWN * first
        return loss - first > BLOWN * (abs(first - (self.lowest or 0.0)) + first_grad)

    def falls(self, loss: Any, first: Any, grad: Any, first_grad: Any, moved: Any) -> Any:
        """Which runs are absurdly far below their first loss, and go on falling.

        At a minimum ‖∇f‖ ‖θ − θ₀‖ is small against f₀ − f, whatever the scales of f and θ are; of
        a fall such as tᵖ it is p times that.
        """
        if not self.problem.signed:
            return loss < loss                 # none does
        scale = abs(first) + first_grad
        drop = first - loss
        fallen = (drop > BLOWN * scale) & (grad * moved > FALLING * drop)
        if self.lowest is not None:            # a run below it shows that there is none
            fallen = fallen & (loss < self.lowest - SAME * (abs(self.lowest) + scale))
        return fallen


def finite(x: Any) -> Any:
    """Which numbers of an array or a tensor are finite."""
    return (x - x) == 0


class Last(NamedTuple):
    """Where a run stood when it ended."""

    stopped: int                               # the step at which it ended
    at: int                                    # the last evaluated iterate that counts
    loss: float
    grad: float
    first: float                               # the loss at the start
    falls: bool
    theta: np.ndarray                          # (P,)
    low: float                                 # λ_min of the Hessian; NaN where it is not known
    high: float                                # λ_max of it
    own: str                                   # how its method ended it, in its own words
    beyond: np.ndarray                         # (P,), where its next step led, if that is known


def sentence(rule: Rule, status: str, last: Last, steps: int) -> str:
    """How a run ended, with its numbers.

    Args:
        rule: by which it ended.
        status: one of STATUS.
        last: where it stood.
        steps: how many it was to take.
    """
    t, f, g = last.stopped, say(last.loss), say(last.grad)
    if status == "converged":
        return f"Converged at step {t}: {_arrived(rule, last)}."
    if status == "undefined":
        low = ", the lowest value there is" if last.loss <= rule.problem.bound else (
            ", the lowest known" if rule.is_lowest(last.loss) else "")
        return f"Ended at step {t}: {_without_derivative(rule.problem, last)}. f = {f} there{low}."
    if status in ("ended", "failed"):
        return f"Ended at step {t}: {last.own} Loss {f}, ‖∇f‖ = {g}."
    if status == "diverged" and last.falls:
        return (f"Diverged: at step {last.at} the loss is {f}. {FALLS}: this way the function has "
                "no minimum.")
    if status == "diverged" and t == 0 and not np.isfinite(last.loss):
        return "Diverged at once: the function has no value at the start."
    if status == "diverged" and np.isfinite(last.loss) and last.at == steps:
        times = (f"far above {say(last.first)} at the start" if rule.problem.signed else
                 f"{say(last.loss / last.first)} times that at the start")
        return (f"Diverged: after all {t} steps the loss is {f}, {times}. Try a smaller step size "
                "or more damping.")
    if status == "diverged" and last.at == t:
        return (f"Diverged at step {t}: the loss is {f}, and ∇f is no longer finite. Try a smaller "
                "step size or more damping.")
    if status == "diverged":
        when = "one step earlier" if t - last.at == 1 else f"at step {last.at}"
        why = rule.problem.missing_value(last.beyond.tolist())
        then = (f"and {_place(last.beyond)}f has no value, as {why}" if why else
                "then no longer finite")
        return (f"Diverged at step {t}: the loss was {f} {when}, {then}. Try a smaller step size "
                "or more damping.")
    if status == "budget":
        low = " (the lowest known)" if rule.problem.signed and rule.is_lowest(last.loss) else ""
        return f"Used all {t} steps: loss {f}{low}, ‖∇f‖ = {g}."
    return f"Interrupted at step {t}: loss {f}."


def _arrived(rule: Rule, last: Last) -> str:
    """By which rule a run converged, and what is odd about the place."""
    if rule.low_enough(last.loss):
        limit = say(rule.stop_loss or 0)
        why = f"loss {say(last.loss)}, within {limit} of the lowest known, {say(rule.lowest)}" if (
            rule.lowest) else f"loss {say(last.loss)} ≤ {limit}"
        if np.isfinite(last.grad):
            return why
        return f"{why}; {_without_derivative(rule.problem, last)}"
    why = f"‖∇f‖ = {say(last.grad)} ≤ {say(rule.stop_grad or 0)}"
    least = FLAT * max(abs(last.low), abs(last.high))
    if last.low < -least:
        kind = "at a saddle" if last.high > least else (
            "at a maximum" if last.high < -least else "not at a minimum")
        why += f", {kind}: the Hessian has the eigenvalue {say(last.low)}"
    return why


def _without_derivative(problem: ProblemSpec, last: Last) -> str:
    """That derivatives have no value at a point, and why."""
    order = 2 if np.isfinite(last.grad) else 1
    place = _place(last.theta)
    what = "∇f has" if order == 1 else "the Hessian, which this method needs, has"
    why = problem.missing_derivative(last.theta.tolist(), order)
    return f"{place}{what} no value" + (f", as {why}" if why else "")


def _place(theta: np.ndarray) -> str:
    """Where in the plane, in words; "" beyond it."""
    return f"at ({', '.join(map(say, theta))}) " if len(theta) <= 2 else ""
