"""The tree of an expression, and how it is written: in LaTeX, and as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from qnviz.problems.typed.ops import FUNCTIONS

STRENGTH = {"add": 1, "sub": 1, "mul": 2, "div": 4, "neg": 2, "pow": 3}      # others bind as atoms
NAMES = ("x", "y")
ROOTS = ("sqrt", "cbrt")


@dataclass(frozen=True)
class Node:
    """One number, variable, constant, operation or function with its arguments; immutable."""

    op: str
    args: tuple[Node, ...] = ()
    value: float = 0.0                         # of a number or constant; which variable it is
    column: int = field(default=1, compare=False)         # where it was typed,
    word: str = field(default="", compare=False)          # and how, if not by its name here

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
        right = rf"\left({right}\right)" if right.startswith("-") else right
        dot = r"\cdot " if right[0].isdigit() else r"\," if (
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
    return form.format(inner if op in ROOTS else rf"\left({inner}\right)")


def _within(tree: Node, least: int, names: Sequence[str]) -> str:
    """The LaTeX of an argument, in parentheses where it binds less than that."""
    text = latex(tree, names)
    weak = STRENGTH.get(tree.op, 5) < least or (least > 3 and (
        tree.op in FUNCTIONS and tree.op not in ROOTS or text.startswith("-") or r"\cdot" in text))
    return rf"\left({text}\right)" if weak else text


def _number(value: float) -> str:
    """12, 0.5, 2.5·10⁻⁷."""
    digits, _, power = f"{value:.12g}".partition("e")
    if not power:
        return digits
    return f"10^{{{int(power)}}}" if digits == "1" else rf"{digits}\cdot 10^{{{int(power)}}}"


# how strongly each binds in plain text, where an argument has to bind as strongly as is said here
PLAIN = {"add": (1, "{} + {}", 1, 2), "sub": (1, "{} - {}", 1, 2), "mul": (2, "{}*{}", 2, 3),
         "div": (2, "{}/{}", 2, 3), "neg": (2, "-{}", 4), "pow": (4, "{}^{}", 5, 5)}


def text(tree: Node) -> str:
    """The expression as plain text with every sign, which is read as the same tree."""
    if tree.op == "number":
        return _digits(tree.value)
    if tree.op == "variable":
        return NAMES[int(tree.value)]
    if tree.op in ("pi", "e"):
        return tree.op
    if tree.op not in PLAIN:                   # without a name it is a parenthesis
        return f"{tree.op}({text(tree.args[0])})"
    _, form, *least = PLAIN[tree.op]
    return form.format(*(_bound(arg, k) for arg, k in zip(tree.args, least, strict=True)))


def _bound(tree: Node, least: int) -> str:
    weak = PLAIN[tree.op][0] < least if tree.op in PLAIN else tree.value < 0 and least > 1
    return f"({text(tree)})" if weak else text(tree)


def _digits(value: float) -> str:
    return repr(value).removesuffix(".0") if value >= 0 else f"-{_digits(-value)}"
