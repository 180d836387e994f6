"""Why a typed function has a value at a point, and its derivatives have none: which part, where."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from qnviz.problems.expression_ops import FUNCTIONS
from qnviz.problems.expression_program import Program
from qnviz.words import say


def underived(program: Program, point: Sequence[float], order: int) -> str:
    """The first part of a program without a finite derivative of an order at a point, in words.

    Args:
        program: the function.
        point: (x, y).
        order: 1 or 2.

    Returns:
        Such as "sqrt in column 1 has no derivative at 0"; of parts that all have one, that their
        product is too large.
    """
    values = program.values(torch.as_tensor(point, dtype=torch.float64))
    which = "derivative" if order == 1 else "second derivative"
    for i, (step, value) in enumerate(zip(program.steps, values, strict=True)):
        if step.op not in FUNCTIONS:
            continue
        phi, (x, a) = FUNCTIONS[step.op], (torch.as_tensor(v, dtype=torch.float64)
                                           for v in (values[step.args[0]], value))
        if torch.isfinite((phi.slope if order == 1 else phi.curve)(x, a)):
            continue
        name = "a quotient" if step.op == "reciprocal" else step.op
        if x == 0:
            return f"{name} in column {program.columns[i]} has no {which} at 0"
        return (f"the {which} of {name} in column {program.columns[i]} at {say(float(x))} is too "
                "large a number")
    return f"its {which}s there are too large for floating-point numbers"
