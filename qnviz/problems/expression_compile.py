"""From trees to a program: equal parts once, constants folded, whole powers as products."""

from __future__ import annotations

import math

from qnviz.problems.expression_ops import FUNCTIONS
from qnviz.problems.expression_program import Program, Step
from qnviz.problems.expression_text import at
from qnviz.problems.expression_tree import Node
from qnviz.words import say

LARGEST_POWER = 20


class Compiler:
    """Collects the steps of a program of so many variables."""

    def __init__(self, variables: int):
        self.steps: list[Step] = []
        self.columns: list[int] = []
        self.known: dict[Step | tuple[str, int], int] = {}
        for i in range(variables):
            self._new(Step("variable"), 0, key=("variable", i))

    def program(self, trees: tuple[Node, ...]) -> Program:
        """The program whose outputs are these trees.

        Raises:
            ExpressionError: a constant part has no value, or a power is not allowed.
        """
        outputs = tuple(self.add(tree) for tree in trees)
        return Program(tuple(self.steps), outputs, tuple(self.columns))

    def add(self, tree: Node) -> int:
        """The step that computes a tree."""
        column = tree.column
        if tree.op == "variable":
            return int(tree.value)
        if tree.op in ("number", "pi", "e"):
            return self._number(tree.value, column)
        if tree.op == "pow":
            return self._power(tree)
        args = [self.add(arg) for arg in tree.args]
        if tree.op == "neg":
            return self._emit("times", (self._number(-1.0, column), args[0]), column)
        if tree.op == "add":
            return self._emit("add", (args[0], args[1]), column)
        if tree.op == "sub":
            minus = self._emit("times", (self._number(-1.0, column), args[1]), column)
            return self._emit("add", (args[0], minus), column)
        if tree.op == "mul":
            return self._emit("times", (args[0], args[1]), column)
        if tree.op == "div":
            return self._emit("times", (args[0], self._emit("reciprocal", (args[1],), column)),
                              column)
        return self._emit(tree.op, (args[0],), column)

    def _new(self, step: Step, column: int, key: Step | tuple[str, int] | None = None) -> int:
        key = step if key is None else key
        if key not in self.known:
            self.known[key] = len(self.steps)
            self.steps.append(step)
            self.columns.append(column)
        return self.known[key]

    def _number(self, value: float, column: int) -> int:
        if not math.isfinite(value):
            raise at(column, "This number is too large.")
        return self._new(Step("constant", (), value), column)

    def _emit(self, op: str, args: tuple[int, ...], column: int) -> int:
        """A step, or its value where all its arguments are constants."""
        parts = [self.steps[a] for a in args]
        if all(p.op == "constant" for p in parts):
            return self._number(_folded(op, [p.value for p in parts], column), column)
        if op in ("add", "times"):
            neutral = 0.0 if op == "add" else 1.0
            for a, p in zip(args, parts[::-1], strict=True):
                if p.op == "constant" and p.value == neutral:
                    return a
            args = tuple(sorted(args))         # a·b and b·a are one step
        return self._new(Step(op, args), column)

    def _power(self, tree: Node) -> int:
        base, exponent = tree.args
        power = constant(exponent)
        if power is None:
            return self._varying(base, exponent, tree.column)
        if abs(power) > LARGEST_POWER:
            raise at(exponent.column, f"The power {say(power)} is too large: powers go up to "
                                      f"{LARGEST_POWER}.")
        x = self.add(base)
        if power == int(power):
            found = self._whole(x, abs(int(power)), tree.column)
            return found if power >= 0 else self._emit("reciprocal", (found,), tree.column)
        if abs(power) == 0.5:
            found = self._emit("sqrt", (x,), tree.column)
            return found if power > 0 else self._emit("reciprocal", (found,), tree.column)
        return self._exponential(self._number(power, exponent.column), x, tree.column)

    def _whole(self, x: int, power: int, column: int) -> int:
        """X times itself so often, by squaring: exact for negative x and complex steps too."""
        found = self._number(1.0, column)
        while power:
            if power & 1:
                found = self._emit("times", (found, x), column)
            power >>= 1
            if power:
                x = self._emit("times", (x, x), column)
        return found

    def _varying(self, base: Node, exponent: Node, column: int) -> int:
        b = constant(base)
        if b is not None and b <= 0:
            raise at(base.column, f"{say(b)} to a varying power is no real function: only positive "
                                  "numbers have all powers.")
        return self._exponential(self.add(exponent), self.add(base), column)

    def _exponential(self, exponent: int, base: int, column: int) -> int:
        """E^(p log b), which is defined where b > 0."""
        log = self._emit("log", (base,), column)
        return self._emit("exp", (self._emit("times", (exponent, log), column),), column)


def constant(tree: Node) -> float | None:
    """The value of a tree without variables; None where it has one, or has no value."""
    if not _still(tree):
        return None
    compiler = Compiler(0)
    return compiler.steps[compiler.add(tree)].value


def _still(tree: Node) -> bool:
    return tree.op != "variable" and all(_still(arg) for arg in tree.args)


def _folded(op: str, values: list[float], column: int) -> float:
    try:
        if op == "add":
            found = values[0] + values[1]
        elif op == "times":
            found = values[0] * values[1]
        else:
            found = FUNCTIONS[op].number(values[0])
    except ZeroDivisionError:
        raise at(column, "This divides by 0.") from None
    except ValueError:
        raise at(column, f"{op}({say(values[0])}) has no real value.") from None
    except OverflowError:
        raise at(column, f"{op}({say(values[0])}) is too large a number.") from None
    if not math.isfinite(found):
        raise at(column, "This number is too large.")
    return found


