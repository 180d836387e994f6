"""Functions f(x, y) that people type: parsed without running them, and made into a program.

    (x^2 + y - 11)^2 + (x + y^2 - 7)^2         a plain function, here a sum of squares
    x^2 + y - 11; x + y^2 - 7                  the same by its residuals, f = r₁² + r₂²

Text is checked word by word (`expression_text`), and Python's own parser then says what binds to
what; of its syntax trees only numbers, x and y, pi and e, sums, products, powers and the functions
of `expression_ops` are taken. Nothing that a visitor typed is ever evaluated by Python.

A function that is visibly a sum of squares, Σ c rᵏ with c ≥ 0 and even k, is taken by its residuals
√c r^{k/2}: f is the same, and Gauss-Newton methods get something to work with.
"""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

from qnviz.errors import ExpressionError
from qnviz.problems.expression_compile import Compiler, constant
from qnviz.problems.expression_program import Program
from qnviz.problems.expression_text import (
    CONSTANTS,
    DEEPEST,
    VARIABLES,
    Word,
    at,
    ordered,
    quoted,
    residuals,
    words,
)
from qnviz.problems.expression_tree import Node

MOST_NODES = 200
LARGEST = 1e12                                 # of a number that is typed
BINARY = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "pow"}
SIGNS = {ast.UAdd: "", ast.USub: "neg"}


@dataclass(frozen=True)
class Expression:
    """What somebody typed, understood."""

    typed: tuple[Node, ...]                    # one tree, or one per residual
    squares: bool                              # whether f is the sum of the program's squares
    listed: bool                               # whether it was typed by its residuals
    program: Program                           # u: the residuals, or f itself


@lru_cache(maxsize=512)
def parse(typed: str) -> Expression:
    """Understand a function of x and y.

    Raises:
        ExpressionError: with a sentence, and where it can the column, for all that is not allowed.
    """
    found = words(typed)
    listed = any(word.text == ";" for word in found)
    trees = tuple(_tree(part) for part in residuals(found))
    if sum(tree.size for tree in trees) > MOST_NODES:
        raise ExpressionError(f"A function may have {MOST_NODES} numbers, variables and signs; "
                              "this one has more.")
    program = Compiler(2).program(trees)
    squares = trees if listed else squared(trees[0])
    if squares and not listed:
        program = Compiler(2).program(squares)
    if not any(step.op == "variable" for step in _used(program)):
        raise ExpressionError("This is a constant: a function needs x or y.")
    return Expression(trees, squares is not None, listed, program)


def _used(program: Program) -> list:
    """The steps on which an output depends."""
    needed = set(program.outputs)
    for i in reversed(range(len(program.steps))):
        if i in needed:
            needed |= set(program.steps[i].args)
    return [program.steps[i] for i in needed]


def _tree(part: list[Word]) -> Node:
    """The tree of one expression."""
    ordered(part)
    source, columns = "", {}
    for word in part:
        columns[len(source)] = word.column
        source += (_number(word) if word.kind == "number" else word.text) + " "
    try:
        syntax = ast.parse(source.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise ExpressionError("This is no expression.") from None
    return _node(syntax.body, columns, 0)


def _number(word: Word) -> str:
    value = float(word.text)
    if not abs(value) <= LARGEST:
        raise at(word.column, f"{quoted(word.text)} is too large: numbers go up to {LARGEST:g}.")
    return repr(value)                         # 007 is no number to Python


def _node(syntax: ast.AST, columns: dict[int, int], depth: int) -> Node:
    """One node of Python's tree as one of ours; there is a list of what is taken, nothing else."""
    column = columns.get(getattr(syntax, "col_offset", -1), 1)
    if depth > DEEPEST:
        raise at(column, f"More than {DEEPEST} operations stand in each other.")
    if isinstance(syntax, ast.BinOp) and type(syntax.op) in BINARY:
        line = [syntax]                        # a + b + c + … is long, but not deep
        while (not isinstance(line[-1].op, ast.Pow) and isinstance(line[-1].left, ast.BinOp)
               and not isinstance(line[-1].left.op, ast.Pow)):
            line.append(line[-1].left)
        tree = _node(line[-1].left, columns, depth + 1)
        for link in reversed(line):
            if type(link.op) not in BINARY:
                break
            right = _node(link.right, columns, depth + 1)
            tree = Node(BINARY[type(link.op)], (tree, right), column=column)
        else:
            return tree
    elif isinstance(syntax, ast.UnaryOp) and type(syntax.op) in SIGNS:
        inner = _node(syntax.operand, columns, depth + 1)
        return Node("neg", (inner,), column=column) if SIGNS[type(syntax.op)] else inner
    elif (isinstance(syntax, ast.Call) and isinstance(syntax.func, ast.Name)
          and len(syntax.args) == 1 and not syntax.keywords):
        return Node(syntax.func.id, (_node(syntax.args[0], columns, depth + 1),), column=column)
    elif isinstance(syntax, ast.Name) and syntax.id in VARIABLES:
        return Node("variable", value=float(VARIABLES[syntax.id]), column=column)
    elif isinstance(syntax, ast.Name) and syntax.id in CONSTANTS:
        return Node(syntax.id, value=math.pi if syntax.id == "pi" else math.e, column=column)
    elif isinstance(syntax, ast.Constant) and type(syntax.value) is float:
        return Node("number", value=syntax.value, column=column)
    raise at(column, "This has no place in an expression.")


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
