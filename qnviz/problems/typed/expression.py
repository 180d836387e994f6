"""Functions f(x, y) that people type: parsed without running them, and made into a program.

    (x^2 + y - 11)^2 + (x + y^2 - 7)^2         a plain function, here a sum of squares
    x^2 + y - 11; x + y^2 - 7                  the same by its residuals, f = r₁² + r₂²

The lexer cuts text into known words, and the parser says what binds to what; it knows numbers, x
and y, pi and e, sums, products, powers and the functions of `ops`. The compiler makes a program of
the tree. Nothing that a visitor typed is ever evaluated by Python.

A function that is visibly a sum of squares, Σ c rᵏ with c ≥ 0 and even k, is taken by its residuals
√c r^{k/2}: f is the same, and Gauss-Newton methods get something to work with.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Literal

from qnviz.errors import ExpressionError
from qnviz.problems.typed.compiler import Compiler, constant
from qnviz.problems.typed.lexer import residuals, words
from qnviz.problems.typed.parser import Parser
from qnviz.problems.typed.program import Program
from qnviz.problems.typed.tree import Node

MOST_NODES = 200


@dataclass(frozen=True)
class Expression:
    """What somebody typed, understood."""

    typed: tuple[Node, ...]                    # one tree, or one per residual
    squares: bool                              # whether f is the sum of the program's squares
    listed: bool                               # whether it was typed by its residuals
    program: Program                           # u: the residuals, or f itself
    notes: tuple[str, ...] = ()                # how places were read that have two readings

    @property
    def loss(self) -> Literal["squares", "value"]:
        """The loss that makes f of the program's outputs."""
        return "squares" if self.squares else "value"


@lru_cache(maxsize=512)
def parse(typed: str) -> Expression:
    """Understand a function of x and y.

    Raises:
        ExpressionError: with a sentence, and where it can the column, for all that is not allowed.
    """
    found = words(typed)
    listed = any(word.text == ";" for word in found)
    parsers = [Parser(part) for part in residuals(found)]
    trees = tuple(parser.tree() for parser in parsers)
    if sum(tree.size for tree in trees) > MOST_NODES:
        raise ExpressionError(f"A function may have {MOST_NODES} numbers, variables and signs; "
                              "this one has more.")
    program = Compiler(2).program(trees)
    squares = trees if listed else squared(trees[0])
    if squares and not listed:
        program = Compiler(2).program(squares)
    if not any(i in step.args for step in program.steps for i in (0, 1)) and not (
            set(program.outputs) & {0, 1}):
        raise ExpressionError("This is a constant: a function needs x or y.")
    notes = dict.fromkeys(chain.from_iterable(parser.notes for parser in parsers))
    if listed and len(trees) == 1:
        notes["Read as one residual, which is squared; leave out the ; for f itself."] = None
    return Expression(trees, squares is not None, listed, program, tuple(notes))


def squared(tree: Node) -> tuple[Node, ...] | None:
    """Residuals r with f = Σ r², where f is visibly such a sum; else None."""
    if tree.op == "add":
        parts = [squared(arg) for arg in tree.args]
        return None if None in parts else tuple(chain.from_iterable(p for p in parts if p))
    if tree.op in ("mul", "div"):
        left, right = tree.args
        if (c := constant(right)) is not None:
            scale, inner = (1 / c if c else -1.0) if tree.op == "div" else c, left
        elif tree.op == "mul" and (c := constant(left)) is not None:
            scale, inner = c, right
        else:
            return None
        found = squared(inner) if scale > 0 else None
        return found and tuple(_scaled(math.sqrt(scale), r) for r in found)
    if tree.op == "pow" and (k := constant(tree.args[1])) is not None and k > 0 and k % 2 == 0:
        base, exponent = tree.args
        if constant(base) is not None:
            return None
        return (base,) if k == 2 else (Node("pow", (base, Node(
            "number", value=k / 2, column=exponent.column)), column=tree.column),)
    return None


def _scaled(factor: float, r: Node) -> Node:
    return Node("mul", (Node("number", value=factor, column=r.column), r), column=r.column)
