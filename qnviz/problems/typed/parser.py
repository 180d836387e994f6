r"""From words to a tree: what binds to what in a text that a person typed.

    sum       product (+ product | - product)*
    product   signed (* signed | / signed | factor)*          from left to right: 1/2x is (1/2) x
    signed    - signed | + signed | factor
    factor    value raised* [^ signed]                        -x^2 is -(x^2), 2^3^2 is 2^(3^2)
    value     number | name | ( sum ) | function [^whole] argument | √ factor | \frac{ sum }{ sum }
    argument  ( sum ) | (number | name, each with its power)+               sin 2x is sin(2x)

A value beside a value is their product, but for a number behind one: x 2 may have been x². What
can be meant otherwise is not refused as long as one reading is usual, and a note says which it is.
"""

from __future__ import annotations

import math

from qnviz.errors import ExpressionError
from qnviz.numbers import say
from qnviz.problems.typed.lexer import (
    CONSTANTS,
    INDEXED,
    VARIABLES,
    Word,
    at,
    quoted,
)
from qnviz.problems.typed.ops import NAMED
from qnviz.problems.typed.tree import Node, text

DEEPEST = 40                                   # parentheses and signs in each other
LARGEST = 1e12                                 # of a number that is typed
OPEN = {"(": ")", "{": "}"}
END = Word("end", "", 0)


class Parser:
    """Reads the words of one expression; `notes` say how ambiguous places were read."""

    def __init__(self, words: list[Word]):
        self.words, self.i, self.depth = words, 0, 0
        self.notes: list[str] = []

    def tree(self) -> Node:
        """The tree of all words.

        Raises:
            ExpressionError: they are no expression; the sentence says where and why.
        """
        found = self._sum()
        if self._next.text in (")", "}"):
            raise at(self._next.column, f"This {self._next.text} closes nothing.")
        return found

    # --- words ----------------------------------------------------------------------------------

    @property
    def _next(self) -> Word:
        return self.words[self.i] if self.i < len(self.words) else END

    def _take(self) -> Word:
        self.i += 1
        return self.words[self.i - 1]

    def _is(self, *signs: str) -> bool:
        return self._next.kind == "sign" and self._next.text in signs

    def _deeper(self, word: Word, by: int = 1) -> None:
        self.depth += by
        if self.depth > DEEPEST:
            raise at(word.column, f"More than {DEEPEST} parentheses, signs or powers stand in "
                                  "each other.")

    def _missing(self) -> ExpressionError:
        """There is no value where one has to begin."""
        before = self.words[self.i - 1] if self.i else None
        if self._next is END or (self._is(")", "}") and before and before.text not in OPEN):
            assert before is not None
            return at(before.column, f"A value is missing after {_shown(before)}.")
        return at(self._next.column, f"A value is missing before {_shown(self._next)}.")

    # --- rules ----------------------------------------------------------------------------------

    def _sum(self) -> Node:
        found = self._product()
        while self._is("+", "-"):
            sign = self._take()
            found = Node("add" if sign.text == "+" else "sub", (found, self._product()),
                         column=sign.column)
        return found

    def _product(self) -> Node:
        found = self._signed()
        while True:
            word = self._next
            if self._is("*", "/"):
                self._take()
                found = Node("mul" if word.text == "*" else "div", (found, self._signed()),
                             column=word.column)
            elif self._begins(word):
                self._beside(word)
                before, right = self.words[self.i - 1], self._factor()
                self._note(found, right, before, word)
                found = Node("mul", (found, right), column=word.column)
            else:
                return found

    def _begins(self, word: Word) -> bool:
        """Whether a value begins here."""
        return word.kind in ("number", "name", "root", "frac") or self._is(*OPEN)

    def _beside(self, word: Word) -> None:
        """A number beside the end of a value is no product, and x(1) may be the first variable.

        Raises:
            ExpressionError: what was meant is not plain.
        """
        inside = self.words[self.i + 1:self.i + 3]
        if word.text == "(" and word.glued and self.words[self.i - 1].text in VARIABLES and (
                [w.kind for w in inside] == ["number", "sign"] and inside[1].text == ")"):
            raise at(self.words[self.i - 1].column, INDEXED)
        if word.kind == "number":
            before = self.words[self.i - 1]
            raise at(word.column, f"A sign is missing before {quoted(word.text)}: write " + (
                "one between the two numbers." if before.kind == "number" else
                "^ for a power or * for a product."))

    def _note(self, left: Node, right: Node, before: Word, word: Word) -> None:
        """Say how a product without a sign was read, where it might have been another.

        Its left side ends with the word `before`, its right side begins with `word`.
        """
        def powers(node: Node) -> bool:
            return node.op == "pow" and not any(_varies(arg) for arg in node.args)

        last = left.args[1] if left.op in ("mul", "div") else left
        if left.op == "div" and before.kind != "sign":
            a, b = left.args
            other = text(Node("div", (a, Node("mul", (b, right)))))
            here = Node("mul", (Node("", (left,)), right))
            self.notes.append(f"Read from left to right as {text(here)}; write {other} for the "
                              "other.")
        elif powers(last) and before.kind == "number" and word.glued:
            base, exponent = last.args
            other = text(Node("pow", (base, Node("mul", (exponent, right)))))
            self.notes.append(f"Read as {text(Node('mul', (last, right)))}; write {other} for the "
                              "other.")
        elif before.kind == "number" and "e" in before.text.lower():
            self.notes.append(f"{before.text} is the number {say(float(before.text))}.")

    def _signed(self) -> Node:
        if not self._is("+", "-"):
            return self._factor()
        sign = self._take()
        self._deeper(sign)
        inner = self._signed()
        self.depth -= 1
        return Node("neg", (inner,), column=sign.column) if sign.text == "-" else inner

    def _factor(self) -> Node:
        return self._powers(self._value())

    def _powers(self, found: Node) -> Node:
        """A value with the powers that are raised behind it."""
        while self._next.kind == "raised":
            word = self._take()
            found = Node("pow", (found, _raised(word)), column=word.column)
        if self._is("**"):
            sign = self._take()
            self._deeper(sign)
            found = Node("pow", (found, self._signed()), column=sign.column)
            self.depth -= 1
        return found

    def _value(self) -> Node:
        word = self._next
        if not self._begins(word):
            raise self._missing()
        if self._is(*OPEN):
            return self._group()
        self._take()
        if word.kind == "number":
            return _number(word)
        if word.kind == "frac":
            if not self._is("{"):
                raise at(word.column, f"{word.text} needs its two parts in braces, as in "
                                      rf"{word.text}{{x}}{{2}}.")
            above = self._group()
            if not self._is("{"):
                raise at(word.column, f"{word.text} needs a second part in braces.")
            return Node("div", (above, self._group()), column=word.column)
        if word.kind == "root":
            self._deeper(word)
            inner = self._group() if self._is(*OPEN) else self._factor()
            self.depth -= 1
            return Node(word.text, (inner,), column=word.column, word=_alias(word))
        if word.function:
            return self._applied(word)
        if word.text in VARIABLES:
            return Node("variable", value=float(VARIABLES[word.text]), column=word.column)
        assert word.text in CONSTANTS
        return Node(word.text, value=math.pi if word.text == "pi" else math.e, column=word.column)

    def _group(self) -> Node:
        """What stands in parentheses or braces."""
        opened = self._take()
        self._deeper(opened)
        found = self._sum()
        if not self._is(")", "}"):
            raise at(opened.column, f"This {opened.text} is never closed.")
        if self._next.text != OPEN[opened.text]:
            raise at(self._next.column, f"This {self._next.text} closes no {opened.text}.")
        self._take()
        self.depth -= 1
        return found

    def _applied(self, function: Word) -> Node:
        """A function of its argument: sin(x), sin²(x), sin x."""
        power = self._power_of(function)
        if self._is(*OPEN):
            self._deeper(function)
            inner = self._group()
            self.depth -= 1
        else:
            inner = self._bare(function)
        found = Node(function.text, (inner,), column=function.column, word=_alias(function))
        return found if power is None else Node("pow", (found, power), column=function.column)

    def _power_of(self, function: Word) -> Node | None:
        """The power between a function and its argument."""
        if self._next.kind == "raised":
            power = _raised(self._take())
        elif self._is("**"):
            self._take()
            if self._next.kind == "number":
                power = _number(self._take())
            elif self._is("{", "("):
                power = self._group()
            else:
                raise _inverse(function)
        else:
            return None
        if power.op != "number" or power.value != int(power.value) or power.value < 1:
            raise _inverse(function)
        return power

    def _bare(self, function: Word) -> Node:
        """An argument without parentheses: numbers and names with their powers, side by side."""
        found: Node | None = None
        while self._next.kind in ("number", "name") and not self._next.function:
            word = self._next
            if found is not None:
                self._beside(word)
            factor = self._factor()
            found = factor if found is None else Node("mul", (found, factor), column=word.column)
        if found is None or self._is(*OPEN) or self._next.kind == "frac":
            raise at(function.column, f"{function.typed} needs its argument in parentheses, such "
                                      f"as {function.typed}(x).")
        return found


def _inverse(function: Word) -> ExpressionError:
    """A power before an argument that is no whole number from 1 on."""
    name = function.typed
    other = f"a{function.text}"
    inverse = f"; {other}(x) is the inverse function" if other in NAMED else ""
    return at(function.column, f"Only whole powers from 1 on stand before an argument, as in "
                               f"{name}^2(x): write {name}(x)^(-1) for others{inverse}.")


def _alias(word: Word) -> str:
    """How a function was typed, where that is not its name here."""
    return word.typed if word.typed != word.text else ""


def _varies(node: Node) -> bool:
    return node.op == "variable" or any(_varies(arg) for arg in node.args)


def _number(word: Word) -> Node:
    value = float(word.text)
    if not abs(value) <= LARGEST:
        raise at(word.column, f"{quoted(word.text)} is too large: numbers go up to {LARGEST:g}.")
    return Node("number", value=value, column=word.column)


def _raised(word: Word) -> Node:
    """A power in small raised characters: a number with or without a sign, x or y."""
    sign, name = word.text[:1], word.text.lstrip("+-")
    if name in VARIABLES:
        found = Node("variable", value=float(VARIABLES[name]), column=word.column)
    elif name.isdigit() and len(word.text) - len(name) <= 1:
        found = _number(Word("number", name, word.column))
    else:
        raise at(word.column, "This is no power: write it with ^ and parentheses.")
    if sign != "-":
        return found
    return Node("neg", (found,), column=word.column)


def _shown(word: Word) -> str:
    return word.typed or word.text
