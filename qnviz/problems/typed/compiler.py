"""From trees to a program: equal parts once, constants folded, whole powers as products."""

from __future__ import annotations

import math
from typing import NamedTuple

from qnviz.numbers import say
from qnviz.problems.typed.lexer import at
from qnviz.problems.typed.ops import function
from qnviz.problems.typed.program import Program, Step
from qnviz.problems.typed.tree import Node

LARGEST_POWER = 20


class Raised(NamedTuple):
    """What is known of a step: it is that power of another, as a kind of `ops`."""

    kind: str                                  # "whole", "power", "even_power", "odd_power"
    base: int
    exponent: float


class Compiler:
    """Collects the steps of a program of so many variables."""

    def __init__(self, variables: int):
        self.variables = variables
        self.steps: list[Step] = []
        self.columns: list[int] = []
        self.words: list[str] = []
        self.raised: dict[int, Raised] = {}
        self.known: dict[Step | tuple[str, int], int] = {}
        for i in range(variables):
            self._new(Step("variable"), 0, key=("variable", i))

    def program(self, trees: tuple[Node, ...]) -> Program:
        """The program whose outputs are these trees.

        Raises:
            ExpressionError: a constant part has no value, or a power is not allowed.
        """
        outputs = tuple(self.add(tree) for tree in trees)
        used = set(range(self.variables)) | set(outputs)
        for i in reversed(range(len(self.steps))):     # merged powers leave what they were made of
            if i in used:
                used |= set(self.steps[i].args)
        place = {i: new for new, i in enumerate(sorted(used))}
        steps = (self.steps[i]._replace(args=tuple(place[a] for a in self.steps[i].args))
                 for i in place)
        return Program(tuple(steps), tuple(place[i] for i in outputs),
                       tuple(self.columns[i] for i in place), tuple(self.words[i] for i in place))

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
        if tree.op in ROOTS:
            return self._root(args[0], tree.op, column, tree.word and f"{tree.word} of {{}}")
        return self._emit(tree.op, (args[0],), column, tree.word and f"{tree.word} of {{}}")

    def _new(self, step: Step, column: int, key: Step | tuple[str, int] | None = None,
             words: str = "") -> int:
        key = step if key is None else key
        if key not in self.known:
            self.known[key] = len(self.steps)
            self.steps.append(step)
            self.columns.append(column)
            self.words.append(words)
        return self.known[key]

    def _number(self, value: float, column: int) -> int:
        if not math.isfinite(value):
            raise at(column, "This number is too large.")
        return self._new(Step("constant", (), value), column)

    def _emit(self, op: str, args: tuple[int, ...], column: int, words: str = "",
              exponent: float = 0.0) -> int:
        """A step, or its value where all its arguments are constants."""
        parts = [self.steps[a] for a in args]
        if all(p.op == "constant" for p in parts):
            return self._number(_folded(Step(op, (), exponent), [p.value for p in parts], column,
                                        words), column)
        if op in ("add", "times"):
            neutral = 0.0 if op == "add" else 1.0
            for a, p in zip(args, parts[::-1], strict=True):
                if p.op == "constant" and p.value == neutral:
                    return a
            if op == "times" and (joined := self._joined(args, column)) is not None:
                return joined
            args = tuple(sorted(args))         # a·b and b·a are one step
        found = self._new(Step(op, args, exponent), column, words=words)
        if op == "times":
            a, b = (self._raised(arg) for arg in args)
            if a.base == b.base and {a.kind, b.kind} == {"whole"}:
                self.raised[found] = Raised("whole", a.base, a.exponent + b.exponent)
        return found

    def _power(self, tree: Node) -> int:
        base, exponent = tree.args
        power = constant(exponent)
        if power is None:
            return self._varying(base, exponent, tree.column)
        if abs(power) > LARGEST_POWER:
            raise at(exponent.column, f"The power {say(power)} is too large: powers go up to "
                                      f"{LARGEST_POWER}.")
        x = self.add(base)
        if self.steps[x].op == "constant" and power != int(power):
            return self._emit("power", (x,), tree.column, exponent=power)
        if (merged := self._merged(x, power, tree.column)) is not None:
            return merged
        if power == int(power):
            found = self._whole(x, abs(int(power)), tree.column)
            return found if power >= 0 else self._emit("reciprocal", (found,), tree.column,
                                                       "a negative power of {}")
        if power == 0.5:
            return self._root(x, "sqrt", tree.column, "the power 0.5 of {}")
        return self._remembered(self._emit("power", (x,), tree.column, exponent=power), x,
                                "power", power)

    def _root(self, x: int, op: str, column: int, words: str = "") -> int:
        """A root of a step, which powers of it know."""
        kind, p = ROOTS[op]
        if (merged := self._merged(x, p, column, kind)) is not None:
            return merged
        return self._remembered(self._emit(op, (x,), column, words), x, kind, p)

    def _raised(self, x: int) -> Raised:
        return self.raised.get(x, Raised("whole", x, 1.0))

    def _remembered(self, found: int, x: int, kind: str, p: float) -> int:
        """A step that is a power of x, once that is noted."""
        if p > 0 and self.steps[found].op != "constant":
            known = self._power_of_power(x, kind, p)
            self.raised.setdefault(found, known or Raised(kind, x, p))
        return found

    def _power_of_power(self, x: int, kind: str, p: float) -> Raised | None:
        """What a power of x is of x's own base; None where x is no power."""
        inner, base, k = self._raised(x)
        if k <= 0 or base == x:
            return None
        even = inner == "even_power" or (inner == "whole" and k % 2 == 0)
        if even:
            found = "even_power"
        elif inner == "power" or (kind == "power" and p != int(p)):
            found = "power"
        else:                                  # roots of odd order, and whole powers of them
            found = "even_power" if p == int(p) and p % 2 == 0 else "odd_power"
        return Raised(found, base, k * p)

    def _merged(self, x: int, p: float, column: int, kind: str = "power") -> int | None:
        """A power of a power as one, where its derivatives at 0 need that: √x² ³ is |x|³.

        By the chain rule they would be 0 · ∞. None where the powers are best taken one by one.
        """
        if self._raised(x).kind == "whole" and p == int(p):
            return None
        known = self._power_of_power(x, kind, p)
        return known and self._to(known.kind, known.base, known.exponent, column)

    def _joined(self, args: tuple[int, ...], column: int) -> int | None:
        """The product of two powers of one step, where one of them is no whole power."""
        a, b = (self._raised(arg) for arg in args)
        kinds = {a.kind, b.kind}
        if a.base != b.base or kinds == {"whole"} or min(a.exponent, b.exponent) <= 0:
            return None
        odd = [r.kind == "odd_power" or (r.kind == "whole" and r.exponent % 2 == 1) for r in (a, b)]
        kind = "power" if "power" in kinds else "odd_power" if odd[0] != odd[1] else "even_power"
        return self._to(kind, a.base, a.exponent + b.exponent, column)

    def _to(self, kind: str, base: int, p: float, column: int) -> int | None:
        """The power of a kind, by the simplest step that is the same; None where none is better."""
        if kind == "power" and p == 0.5:
            return self._root(base, "sqrt", column)
        if kind != "power" and p == int(p) and p % 2 == (kind == "odd_power") and p > 0:
            return self._whole(base, int(p), column)
        if p <= 1 and kind != "power":
            return None
        found = self._emit(kind, (base,), column, exponent=p)
        if p > 0:
            self.raised.setdefault(found, Raised(kind, base, p))
        return found

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
        p, x = self.add(exponent), self.add(base)
        # e^(p log b), which is defined where b > 0
        log = self._emit("log", (x,), column, "a varying power of {}")
        return self._emit("exp", (self._emit("times", (p, log), column),), column,
                          "a power that is too large")


ROOTS = {"sqrt": ("power", 0.5), "cbrt": ("odd_power", 1 / 3)}


def constant(tree: Node) -> float | None:
    """The value of a tree without variables; None where it has one, or has no value."""
    if not _still(tree):
        return None
    compiler = Compiler(0)
    return compiler.steps[compiler.add(tree)].value


def _still(tree: Node) -> bool:
    return tree.op != "variable" and all(_still(arg) for arg in tree.args)


def _folded(step: Step, values: list[float], column: int, words: str) -> float:
    op = step.op
    name = words or (f"the power {say(step.value)} of {{}}" if op == "power" else f"{op} of {{}}")
    word = name.removesuffix(" of {}")
    name = (f"{word}({{}})" if " " not in word else name[0].upper() + name[1:]).format(
        say(values[0]))
    try:
        if op == "add":
            found = values[0] + values[1]
        elif op == "times":
            found = values[0] * values[1]
        else:
            found = function(op, step.value).number(values[0])
    except ZeroDivisionError:
        raise at(column, "This divides by 0.") from None
    except ValueError:
        raise at(column, f"{name} has no real value.") from None
    except OverflowError:
        raise at(column, f"{name} is too large a number.") from None
    if not math.isfinite(found):
        raise at(column, "This number is too large.")
    return found


