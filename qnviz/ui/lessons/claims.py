"""Claims about what a picture shows, and numbers in a lesson's text: computed, never typed.

    expect:  kbfgs.steps < adam.steps          kbfgs~2.end == diverged        0.1 < adam.loss < 2
    text:    Adam took [[adam.steps]] steps, [[adam.steps / kbfgs.steps]] times as many.

A name is a subject (an entrant of the race, `problem`, `slope`, …) and what is asked about it. A
side is a name, a number, or two of them with + − × ÷ between, written + - * / with spaces around.
Nothing is evaluated but this.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from qnviz.errors import QnvizError
from qnviz.numbers import say

Value = float | str
Facts = Callable[[str], Value]                 # a name's value; raises ClaimError

LONGEST = 160                                  # characters of a claim
NAME = re.compile(r"[a-z_][a-z0-9_]*(~[0-9]{1,2})?(\.[a-z0-9_]{1,40}){1,4}(@[0-9]{1,5})?")
NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?(e[-+]?[0-9]{1,3})?")
WORD = re.compile(r"[a-z]{1,30}")
PLACE = re.compile(r"\[\[(.*?)\]\]")
ARITHMETIC = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
ORDERS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
          "==": operator.eq, "!=": operator.ne}


class ClaimError(QnvizError):
    """A claim cannot be read, or asks for what is not there."""


@dataclass(frozen=True)
class Side:
    """One side of a comparison: a term, or two with a sign between."""

    terms: tuple[str, ...]
    sign: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The names that stand in it."""
        return tuple(t for t in self.terms if NAME.fullmatch(t))

    def value(self, facts: Facts) -> Value:
        """What it comes to.

        Raises:
            ClaimError: a name is unknown, or a word is to be calculated with.
        """
        values = [facts(t) if NAME.fullmatch(t) else float(t) if NUMBER.fullmatch(t) else t
                  for t in self.terms]
        if not self.sign:
            return values[0]
        a, b = values
        if isinstance(a, str) or isinstance(b, str):
            raise ClaimError(f"{' '.join((self.terms[0], self.sign, self.terms[1]))!r} calculates "
                             "with a word.")
        try:
            return float(ARITHMETIC[self.sign](a, b))
        except (ZeroDivisionError, OverflowError):
            return math.nan


@dataclass(frozen=True)
class Claim:
    """Sides with a comparison between each two neighbours; all must hold."""

    text: str
    sides: tuple[Side, ...]
    orders: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names that stand in it."""
        return tuple(n for side in self.sides for n in side.names)

    def holds(self, facts: Facts) -> bool:
        """Whether it is so; what is undefined holds nothing.

        Raises:
            ClaimError: a name is unknown, or a word is compared with a number.
        """
        values = [side.value(facts) for side in self.sides]
        for a, order, b in zip(values[:-1], self.orders, values[1:], strict=True):
            if isinstance(a, str) != isinstance(b, str) or (
                    isinstance(a, str) and order not in ("==", "!=")):
                raise ClaimError(f"{self.text!r} compares a word with a number.")
            if isinstance(a, float) and (math.isnan(a) or math.isnan(b)):      # type: ignore
                return False
            if not ORDERS[order](a, b):
                return False
        return True


def read_claim(text: str) -> Claim:
    """A claim as it is written.

    Raises:
        ClaimError: it is none.
    """
    parts = _parts(text)
    at = [i for i, part in enumerate(parts) if part in ORDERS]
    if not 1 <= len(at) <= 3:
        raise ClaimError(f"{text!r} must compare two values, such as `kbfgs.steps < adam.steps`, "
                         "with spaces around the sign.")
    edges = [-1, *at, len(parts)]
    sides = tuple(_side(parts[a + 1:b], text) for a, b in zip(edges, edges[1:], strict=False))
    claim = Claim(text, sides, tuple(parts[i] for i in at))
    if not claim.names:
        raise ClaimError(f"{text!r} names nothing of the picture.")
    return claim


def read_value(text: str) -> Side:
    """What stands in [[…]].

    Raises:
        ClaimError: it is no name, and no two values with a sign between.
    """
    side = _side(_parts(text), text)
    if not side.names:
        raise ClaimError(f"[[{text}]] must name what is to be computed, such as [[adam.steps]].")
    return side


def _parts(text: str) -> list[str]:
    if len(text) > LONGEST:
        raise ClaimError(f"{text[:40] + '…'!r} has more than {LONGEST} characters.")
    return text.split()


def _side(parts: list[str], text: str) -> Side:
    terms, signs = parts[::2], parts[1::2]
    good = len(parts) in (1, 3) and all(s in ARITHMETIC for s in signs)
    for term in terms:
        good = good and bool(NAME.fullmatch(term) or NUMBER.fullmatch(term) or (
            len(parts) == 1 and WORD.fullmatch(term)))
    if not good:
        raise ClaimError(f"{text!r} cannot be read: a value is a name such as adam.steps, a "
                         "number, or two of them with + - * / between, spaces around.")
    return Side(tuple(terms), "".join(signs))


def known(names: tuple[str, ...], subjects: frozenset[str]) -> None:
    """Check that all names begin with a subject.

    Raises:
        ClaimError: with the first that does not.
    """
    for name in names:
        subject = name.partition(".")[0]
        if subject not in subjects:
            raise ClaimError(f"{name!r} asks about {subject!r}, but this picture knows only "
                             f"{', '.join(sorted(subjects))}.")


def placeholders(text: str) -> Iterator[str]:
    """What stands in each [[…]] of a text."""
    return (m[1] for m in PLACE.finditer(text))


def filled(text: str, facts: Facts | None) -> str:
    """A text with its numbers; dots where they are not known yet.

    Raises:
        ClaimError: one asks for what is not there.
    """
    def one(match: re.Match[str]) -> str:
        side = read_value(match[1])
        if facts is None:
            return "…"
        value = side.value(facts)
        return value if isinstance(value, str) else say(value)

    return PLACE.sub(one, text)
