"""The tree of an expression, and how it is written in LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from qnviz.problems.expression_ops import FUNCTIONS

STRENGTH = {"add": 1, "sub": 1, "mul": 2, "div": 4, "neg": 2, "pow": 3}      # others bind as atoms
NAMES = ("x", "y")


@dataclass(frozen=True)
class Node:
    """One number, variable, constant, operation or function with its arguments; immutable."""

    op: str
    args: tuple[Node, ...] = ()
    value: float = 0.0                         # of a number or constant; which variable it is
    column: int = field(default=1, compare=False)         # where it was typed

    @cached_property
    def size(self) -> int:
        """How many nodes it has, itself included."""
        return 1 + sum(arg.size for arg in self.args)


def latex(tree: Node, names: Sequence[str] = NAMES) -> str:
    """The expression as LaTeX; `names` are those of the variables."""
    op, args = tree.op, tree.args
    if op == "number":
        return _number(tree.value)
    if op == "variable":
        return names[int(tree.value)]
    if op in ("pi", "e"):
        return {"pi": r"\pi", "e": "e"}[op]
    if op == "div":
        return rf"\frac{{{latex(args[0], names)}}}{{{latex(args[1], names)}}}"
    if op == "neg":
        inner = _within(args[0], 2, names)
        return rf"-\left({inner}\right)" if inner.startswith("-") else f"-{inner}"
    if op in ("add", "sub"):
        sign = "+" if op == "add" else "-"
        right = _within(args[1], 1 + (op == "sub"), names)
        right = rf"\left({right}\right)" if right.startswith("-") else right
        return f"{latex(args[0], names)} {sign} {right}"
    if op == "mul":
        left, right = _within(args[0], 2, names), _within(args[1], 2, names)
        dot = r"\cdot " if right[0].isdigit() or right[0] == "-" else r"\," if (
            left[-1].isalnum() and right[0].isalnum()) else " "
        return f"{left}{dot}{right}"
    if op == "pow":
        base = _within(args[0], 4, names)
        if base.startswith(r"\frac"):
            base = rf"\left({base}\right)"
        return f"{base}^{{{latex(args[1], names)}}}"
    if op == "exp":
        return f"e^{{{latex(args[0], names)}}}"
    inner = latex(args[0], names)
    form = FUNCTIONS[op].latex
    return form.format(inner if op == "sqrt" else rf"\left({inner}\right)")


def _within(tree: Node, least: int, names: Sequence[str]) -> str:
    """The LaTeX of an argument, in parentheses where it binds less than that."""
    text = latex(tree, names)
    weak = STRENGTH.get(tree.op, 5) < least or (least > 3 and (
        tree.op in FUNCTIONS and tree.op != "sqrt" or text.startswith("-") or r"\cdot" in text))
    return rf"\left({text}\right)" if weak else text


def _number(value: float) -> str:
    """12, 0.5, 2.5·10⁻⁷."""
    digits, _, power = f"{value:.12g}".partition("e")
    if not power:
        return digits
    return f"10^{{{int(power)}}}" if digits == "1" else rf"{digits}\cdot 10^{{{int(power)}}}"
