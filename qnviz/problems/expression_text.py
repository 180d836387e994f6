"""From what a person typed to words that mean something, or a sentence that says what does not.

A page's visitors type here, so nothing is guessed and nothing is run: characters, words and their
order are checked one by one against short lists, in time proportional to a text of at most 300
characters. What passes holds numbers, known names, + - * / ** and balanced parentheses, in an order
that makes an expression: Python's own parser then only has to say what binds to what.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from qnviz.errors import ExpressionError
from qnviz.problems.expression_ops import NAMED

LONGEST = 300                                  # characters
DEEPEST = 40                                   # parentheses in each other
CONSTANTS = ("pi", "e")
VARIABLES = {"x": 0, "y": 1, "x1": 0, "x2": 1}

SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹"
FRIENDLY = {"−": "-", "–": "-", "·": "*", "⋅": "*", "×": "*", "÷": "/", "π": "pi", "^": "**",
            "₁": "1", "₂": "2", "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\t": " "}
SMOOTH = " This is not holomorphic, so no derivative is taken: write "
KINKS = {
    "abs": "|x| has a kink at 0." + SMOOTH + "sqrt(x^2 + 1e-6).",
    "max": "max(a, b) has a kink where a = b." + SMOOTH + "(a + b + sqrt((a - b)^2 + 1e-6))/2.",
    "min": "min(a, b) has a kink where a = b." + SMOOTH + "(a + b - sqrt((a - b)^2 + 1e-6))/2.",
    "sign": "sign(x) jumps at 0." + SMOOTH + "tanh(x/0.01).",
    "relu": "relu(x) has a kink at 0." + SMOOTH + "softplus(x).",
    "floor": "floor(x) jumps at every whole number and is flat between them." + SMOOTH
             + "x, or a sine for the wave.",
    "%": "a % b jumps wherever it starts again." + SMOOTH + "a sine for the wave.",
    "<": "A comparison jumps from 0 to 1." + SMOOTH + "sigmoid((b - a)/0.01) for a < b.",
    "if": "A choice between two branches has a kink or a jump where they meet." + SMOOTH
          + "s*a + (1 - s)*b with s replaced by a sigmoid(…)."}
SAME = {"fabs": "abs", "maximum": "max", "fmax": "max", "minimum": "min", "fmin": "min",
        "sgn": "sign", "heaviside": "sign", "ceil": "floor", "round": "floor", "trunc": "floor",
        "int": "floor", "mod": "%", "fmod": "%", "|": "abs", ">": "<", "else": "if", "and": "if",
        "or": "if", "not": "if", "where": "if"}
INSTEAD = {
    "ln": "The natural logarithm is log(x).", "log10": "Write log(x)/log(10).",
    "log2": "Write log(x)/log(2).", "pow": "Write x^3 for a power.", "arctan": "It is called atan.",
    "square": "Write x^2.", "exp2": "Write 2^x.",
    ",": "Functions take one argument here, residuals are separated by ; and decimals have a "
         "point, as in 1.5.",
    ".": "A point belongs into a number, such as 0.5.",
    "=": "Write only what f equals, without an equals sign.",
    "!": "There is no factorial.", "[": "Write ( instead.", "]": "Write ) instead.",
    "{": "Write ( instead.", "}": "Write ) instead.", "_": "Names here have no underscore.",
    "\n": "Write it in one line; residuals are separated by ;."}
TOKEN = re.compile(r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
                   r"|(?P<name>[A-Za-z_][A-Za-z_0-9]*)|(?P<sign>\*\*|[-+*/();])|(?P<space> +)",
                   re.ASCII)


class Word(NamedTuple):
    """One number, name or sign, and the column of what was typed in which it begins."""

    kind: str
    text: str
    column: int


def at(column: int, sentence: str) -> ExpressionError:
    """An error that names its place."""
    return ExpressionError(f"Column {column}: {sentence}")


def quoted(word: str) -> str:
    """A word of a visitor's in a sentence of ours, short."""
    return f"'{word}'" if len(word) <= 20 else f"'{word[:17]}…'"


def words(typed: str) -> list[Word]:
    """The words of a text, each of them known here.

    Raises:
        ExpressionError: with the column of the first that is not, and what to write instead.
    """
    if len(typed) > LONGEST:
        raise ExpressionError(f"A function may have {LONGEST} characters; this one has more.")
    plain, places = _plain(typed)
    found: list[Word] = []
    i = 0
    while i < len(plain):
        match = TOKEN.match(plain, i)
        if match is None:
            raise at(places[i], _character(typed[places[i] - 1]))
        kind = str(match.lastgroup)
        if kind == "name":
            _known(match.group(), places[i])
        if kind != "space":
            found.append(Word(kind, match.group(), places[i]))
        i = match.end()
    return found


def _plain(typed: str) -> tuple[str, list[int]]:
    """The text in ASCII where that is the same, and the column each character comes from."""
    plain, places, raised = [], [], False
    for column, c in enumerate(typed, 1):
        more = FRIENDLY.get(c, c)
        if c in SUPERSCRIPTS:                  # x²³ is x^23
            more = ("" if raised else "**") + str(SUPERSCRIPTS.index(c))
        raised = c in SUPERSCRIPTS
        plain.append(more)
        places += [column] * len(more)
    return "".join(plain), places


def _character(c: str) -> str:
    """Why a character has no place in an expression."""
    if sentence := KINKS.get(SAME.get(c, c)) or INSTEAD.get(c):
        return sentence
    if c.isascii() and c.isprintable():
        return f"'{c}' has no meaning here. An expression has + - * / ^ and parentheses."
    name = unicodedata.name(c, "a control character")
    return (f"U+{ord(c):04X} ({name.lower()}) is not known here"
            + ("; letters and digits are those of ASCII." if c.isalnum() else "."))


def _known(name: str, column: int) -> None:
    if name in VARIABLES or name in CONSTANTS or name in NAMED:
        return
    if sentence := KINKS.get(SAME.get(name, name)) or INSTEAD.get(name):
        raise at(column, sentence)
    parts = re.findall(r"[xy]|\d+", name) if re.fullmatch(r"[xy0-9]+", name) else []
    if len(parts) > 1:
        raise at(column, f"A sign is missing in {quoted(name)}: write {'*'.join(parts)} for a "
                         "product.")
    raise at(column, f"{quoted(name)} is not known. There are x, y, {', '.join(CONSTANTS)}, "
                     f"{', '.join(NAMED)}.")


def residuals(found: list[Word]) -> list[list[Word]]:
    """The words between semicolons; one after the last may be left out."""
    parts: list[list[Word]] = [[]]
    for word in found:
        if word.text == ";":
            if not parts[-1]:
                raise at(word.column, "There is no residual before this ;.")
            parts.append([])
        else:
            parts[-1].append(word)
    if len(parts) > 1 and not parts[-1]:
        parts.pop()
    if not parts[0]:
        raise ExpressionError("There is no function yet: write one of x and y, such as "
                              "(x^2 + y - 11)^2 + (x + y^2 - 7)^2.")
    return parts


def ordered(part: list[Word]) -> None:
    """Check that values and signs take turns, and that parentheses close.

    Raises:
        ExpressionError: where they do not.
    """
    opened: list[Word] = []
    before = Word("sign", "(", 0)              # as if all stood in parentheses
    for word in part:
        ended = before.kind != "sign" or before.text == ")"       # a value stands before
        if before.text in NAMED:
            if word.text != "(":
                raise _bare(before)
        elif word.kind != "sign" or word.text == "(":
            if ended:
                raise at(word.column, _missing(before.text, word.text))
        elif not ended and word.text not in ("+", "-"):
            raise at(word.column, f"A value is missing before {_sign(word)}.")
        if word.text == "(":
            opened.append(word)
            if len(opened) > DEEPEST:
                raise at(word.column, f"More than {DEEPEST} parentheses stand in each other.")
        elif word.text == ")":
            if not opened:
                raise at(word.column, "This ) closes nothing.")
            opened.pop()
        before = word
    if before.text in NAMED:
        raise _bare(before)
    if before.kind == "sign" and before.text != ")":
        raise at(before.column, f"A value is missing after {_sign(before)}.")
    if opened:
        raise at(opened[-1].column, "This ( is never closed.")


def _bare(function: Word) -> ExpressionError:
    return at(function.column, f"{function.text} needs its argument in parentheses, such as "
                               f"{function.text}(x).")


def _sign(word: Word) -> str:
    return {"**": "^"}.get(word.text, word.text)


def _missing(left: str, right: str) -> str:
    """Two values side by side: no product is guessed."""
    return f"A sign is missing before {quoted(right)}: write {left}*{right} for a product."


def from_address(raw: str) -> str:
    """An address's text as it was meant: browsers hand a typed + over as a space.

    Between two values, where a sign is missing, a space can only have been a plus.
    """
    raw = re.sub(r"(?<![\w.])((?:\d+\.?\d*|\.\d+)[eE]) (?=\d)", r"\1+", raw[:LONGEST + 1])
    plain, places = _plain(raw)
    repaired, before, i = list(raw), "", 0
    while i < len(plain) and (match := TOKEN.match(plain, i)):
        text, kind = match.group(), match.lastgroup
        if kind != "space":
            starts = kind in ("number", "name") or text == "("
            gap = places[i] - 2                # the character before it, in `raw`
            if before and starts and gap >= 0 and raw[gap] == " ":
                repaired[gap] = "+"
            ends = (kind in ("number", "name") or text == ")") and text not in NAMED
            before = text if ends else ""
        i = match.end()
    return "".join(repaired)
