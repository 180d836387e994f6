r"""From what a person typed to words that mean something, or a sentence that says what does not.

    2x(y + 1)   x²y   √x   πx   sin²x   \frac{x}{2}   f(x, y) = …      are read as they are meant

A page's visitors type here, so nothing is run: characters and words are checked one by one against
short lists, in time proportional to a text of at most 300 characters. What passes holds numbers,
known names, + - * / ^ and parentheses; letters that stand together are the known names that they
are made of, as in xy and πx. What binds to what is the parser's job.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from qnviz.errors import ExpressionError
from qnviz.problems.typed.ops import NAMED

LONGEST = 300                                  # characters
CONSTANTS = ("pi", "e")
VARIABLES = {"x": 0, "y": 1, "x1": 0, "x2": 1}
ALIASES = {"ln": "log", "arcsin": "asin", "arccos": "acos", "arctan": "atan", "tg": "tan"}
WORDS = (*NAMED, *ALIASES, *CONSTANTS, "x", "y")

RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ˣʸ", "0123456789+-xy", strict=True))
MARK = "\x01"                                  # before each raised character
FRIENDLY = {"−": "-", "–": "-", "·": "*", "⋅": "*", "∙": "*", "×": "*", "∗": "*", "÷": "/",
            "∕": "/", "⁄": "/", "π": "pi", "𝑥": "x", "𝑦": "y", "𝜋": "pi", "^": "**",
            "₀": "0", "₁": "1", "₂": "2", "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\t": " "}
COMMANDS = {r"\cdot": "*", r"\times": "*", r"\ast": "*", r"\div": "/", r"\sigma": "sigmoid"}
SPACES = {"\\" + c for c in ",;:! "} | {r"\left", r"\right", r"\quad", r"\qquad", r"\displaystyle"}
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
SOUGHT = "Write f alone: its minimum is what the methods look for."
RAISE = "The methods look for a minimum: write -(f) to find where f is largest."
COMMAND = {"min": SOUGHT, "max": RAISE}        # without ( behind it: min f = …
SAME = {"fabs": "abs", "maximum": "max", "fmax": "max", "minimum": "min", "fmin": "min",
        "sgn": "sign", "heaviside": "sign", "ceil": "floor", "round": "floor", "trunc": "floor",
        "int": "floor", "mod": "%", "fmod": "%", "|": "abs", ">": "<", "else": "if", "and": "if",
        "or": "if", "not": "if", "where": "if"}
INSTEAD = {
    "log10": "Write log(x)/log(10).", "log2": "Write log(x)/log(2).",
    "pow": "Write x^3 for a power.", "square": "Write x^2.", "exp2": "Write 2^x.",
    "hypot": "Write sqrt(x^2 + y^2).", "lg": "Write log(x)/log(10).",
    "sec": "Write 1/cos(x).", "csc": "Write 1/sin(x).", "cot": "Write 1/tan(x).",
    "asinh": "Write log(x + sqrt(x^2 + 1)).", "acosh": "Write log(x + sqrt(x^2 - 1)).",
    "atanh": "Write log((1 + x)/(1 - x))/2.", "logistic": "Write sigmoid(x).",
    **dict.fromkeys(("np", "numpy", "math", "torch", "jnp"),
                    "Write sin(x) alone, without the name of a module before it."),
    **dict.fromkeys(("minimize", "minimise", "argmin"), SOUGHT),
    **dict.fromkeys(("maximize", "maximise", "argmax"), RAISE),
    ",": "Functions take one argument here, residuals are separated by ; and decimals have a "
         "point, as in 1.5.",
    ".": "A decimal point needs a digit beside it, as in 0.5.",
    "=": "This is an equation. Write only what f equals, without an equals sign; of an equation "
         "that shall hold, one side minus the other.",
    "!": "There is no factorial.", "[": "Write ( instead.", "]": "Write ) instead.",
    "_": "Names here have no underscore.", "$": "Write the formula without $.",
    "‖": "Write sqrt(x^2 + y^2) for a norm.",
    "\n": "Write it in one line; residuals are separated by ;."}
INDEXED = ("This can be read in several ways: write x and y for the first and the second variable, "
           "and * for a product.")             # x[0], x(1)
TOKEN = re.compile(r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
                   r"|(?P<index>[xX](?:_?[12]|_\{[12]\})(?![A-Za-z_0-9]))"
                   r"|(?P<name>[A-Za-z_][A-Za-z_0-9]*)"
                   r"|(?P<upright>\\(?:operatorname|mathrm|text) *\{ *[A-Za-z]+ *\})"
                   r"|(?P<root>[√∛]|\\sqrt *\[ *3 *\])"
                   r"|(?P<command>\\(?:[A-Za-z]+|[,;:! ]))"
                   rf"|(?P<raised>(?:{MARK}[-+0-9xy])+)"
                   r"|(?P<sign>\*\*|[-+*/();{}])|(?P<space> +)", re.ASCII)
# f(x, y) =, z =, g := … and nothing that could be a part of f
HEADER = re.compile(r" *(?P<name>[A-Za-z])(?:_?\d|_\{\d\})? *(?:\((?P<of>[^()=;]*)\))? *:?=(?!=)",
                    re.ASCII)
ARGUMENT = re.compile(r" *(?:[xyXY]|[xX]_?\{?[12]\}?) *", re.ASCII)


class Word(NamedTuple):
    """One number, name or sign, and the column of what was typed in which it begins."""

    kind: str                                  # number, name, raised, root, frac or sign
    text: str                                  # as it is known here
    column: int
    typed: str = ""                            # as it was written
    glued: bool = False                        # to the word before it

    @property
    def function(self) -> bool:
        """Whether it needs an argument."""
        return self.kind == "name" and self.text in NAMED


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
    i, touching, begins = 0, False, True
    while i < len(plain):
        if begins:
            i, begins = _after_header(plain, i, places), False
        match = TOKEN.match(plain, i)
        if match is None:
            if i < len(plain):
                if plain[i] == "[" and found and found[-1].text in VARIABLES:
                    raise at(found[-1].column, INDEXED)
                raise at(places[i], _character(typed[places[i] - 1]))
            break
        kind, text, column = str(match.lastgroup), match.group(), places[i]
        i = match.end()
        if kind == "space" or text in SPACES:
            touching = touching and kind != "space"
            continue
        if kind == "name":
            parts, rest = _named(text, column, typed, places)
            i -= rest
        else:
            parts = [_word(kind, text, column)]
        for n, (kind, known, place) in enumerate(parts):
            after = parts[n + 1][2] if n + 1 < len(parts) else places[i - 1] + 1
            found.append(Word(kind, known, place, typed[place - 1:after - 1], touching or n > 0))
        touching, begins = True, found[-1].text == ";"
    return found


def _plain(typed: str) -> tuple[str, list[int]]:
    """The text in ASCII where that is the same, and the column each character comes from."""
    plain, places = [], []
    for column, c in enumerate(typed, 1):
        more = MARK + RAISED[c] if c in RAISED else FRIENDLY.get(c, c).replace(MARK, "\0")
        plain.append(more)
        places += [column] * len(more)
    return "".join(plain), places


def _after_header(plain: str, i: int, places: list[int]) -> int:
    """Behind f(x, y) =, where a function begins with that."""
    match = HEADER.match(plain, i)
    if match is None:
        return i
    name, of = match["name"], match["of"]
    sign = places[match.end() - 1]
    if name.lower() in VARIABLES:
        raise at(sign, f"{name} is a variable. " + INSTEAD["="])
    if of is not None and not all(ARGUMENT.fullmatch(part) for part in of.split(",")):
        raise at(places[match.start("of") - 1], "The variables are x and y here.")
    return match.end()


def _word(kind: str, text: str, column: int) -> tuple[str, str, int]:
    """What a match is, as kind, text and column."""
    if kind == "index":
        return "name", "x" + re.sub(r"\D", "", text), column
    if kind == "raised":
        return kind, text.replace(MARK, ""), column
    if kind == "root":
        return "root", "sqrt" if text == "√" else "cbrt", column
    if kind == "upright":
        kind, text = "command", "\\" + text[text.index("{") + 1:-1].strip()
    if kind == "command":
        if text in COMMANDS:
            text = COMMANDS[text]
            return "name" if text == "sigmoid" else "sign", text, column
        name = ALIASES.get(text[1:], text[1:])
        if name in ("frac", "dfrac", "tfrac"):
            return "frac", text, column
        if name in NAMED or name in CONSTANTS:
            return "name", name, column
        if sentence := KINKS.get(SAME.get(name, name)) or INSTEAD.get(name):
            raise at(column, sentence)
        raise at(column, f"{quoted(text)} is not known here.")
    return kind, text, column


def _character(c: str) -> str:
    """Why a character has no place in an expression."""
    if sentence := KINKS.get(SAME.get(c, c)) or INSTEAD.get(c):
        return sentence
    if c.isascii() and c.isprintable():
        mark = '"' if c == "'" else "'"
        return f"{mark}{c}{mark} has no meaning here. An expression has + - * / ^ and parentheses."
    if unicodedata.decomposition(c).startswith("<fraction>"):
        return f"Write ({unicodedata.normalize('NFKC', c).replace('⁄', '/')}) for {c}."
    name = unicodedata.name(c, "a control character")
    return (f"U+{ord(c):04X} ({name.lower()}) is not known here"
            + ("; letters and digits are those of ASCII." if c.isalnum() else "."))


def _named(text: str, column: int, typed: str,
           places: list[int]) -> tuple[list[tuple[str, str, int]], int]:
    """The known names in letters that stand together, and how many digits after them are none.

    Raises:
        ExpressionError: there are others; the sentence quotes what was typed.
    """
    name = text.lower()
    if name in COMMAND and not typed[column - 1 + len(name):].lstrip().startswith("("):
        raise at(column, COMMAND[name])
    if sentence := KINKS.get(SAME.get(name, name)) or INSTEAD.get(name):
        raise at(column, sentence)
    letters = re.match(r"[a-z]*", name)[0]     # type: ignore[index]  it always matches
    parts, rest = _segments(letters), len(name) - len(letters)
    begin = places.index(column)
    # π is one character of what was typed and two of the plain text
    end = places[min(begin + len(text), len(places)) - 1]
    shown = quoted(typed[column - 1:end])
    if parts is None or "_" in name:
        raise at(column, f"{shown} is not known. There are x, y, {', '.join(CONSTANTS)}, "
                         f"{', '.join(NAMED)}.")
    if rest and parts[-1] not in NAMED:        # y2, x3, x2y
        raise at(column, f"{shown} can be read in several ways: write ^ for a power and * for a "
                         "product, as in x^2*y.")
    found, k = [], begin
    for part in parts:
        found.append(("name", ALIASES.get(part, part), places[k]))
        k += len(part)
    return found, rest


@lru_cache(maxsize=1024)
def _segments(letters: str) -> tuple[str, ...] | None:
    """Letters as known names one after the other, longer ones first; None where they are not."""
    ends: list[tuple[str, ...] | None] = [None] * len(letters)
    ends.append(())
    for i in reversed(range(len(letters))):
        for word in sorted(WORDS, key=len, reverse=True):
            after = ends[i + len(word)] if letters.startswith(word, i) else None
            if after is not None:
                ends[i] = (word, *after)
                break
    return ends[0]


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


# --- addresses --------------------------------------------------------------------------------

def from_address(raw: str) -> str:
    """An address's text as it was meant: browsers hand a typed + over as a space.

    Between two values a space is taken for a plus; `for_address` writes products by other spaces.
    """
    raw = re.sub(r"(?<![\w.])((?:\d+\.?\d*|\.\d+)[eE]) (?=\d)", r"\1+", raw[:LONGEST + 1])
    return _with(raw, "+")


def for_address(typed: str) -> str:
    """A function's text as an address may carry it: x y is a product, and no x+y come back."""
    return _with(typed, "\u00a0")


def _with(text: str, sign: str) -> str:
    """A text with that sign for the last space between two values that stand side by side."""
    repaired = list(text)
    for gap in _gaps(text):
        repaired[gap] = sign
    return "".join(repaired)


def _gaps(text: str) -> Iterator[int]:
    plain, places = _plain(text)
    ended = False                              # whether a value ends before this
    i = 0
    while i < len(plain):
        header = HEADER.match(plain, i) if not i or plain[i - 1] == ";" else None
        i = header.end() if header else i
        if (match := TOKEN.match(plain, i)) is None:
            return
        word, kind = match.group(), match.lastgroup
        named = kind in ("name", "index", "upright") or (
            kind == "command" and word not in COMMANDS and word not in SPACES)
        if kind != "space" and word not in SPACES:
            starts = named or kind in ("number", "root") or word in "({"
            gap = places[i] - 2                # the character before it
            if ended and starts and gap >= 0 and text[gap] == " ":
                yield gap
            function = named and any(word.lower().endswith(n) for n in (*NAMED, *ALIASES))
            ended = kind in ("number", "raised") or word in ")}" or (named and not function)
        i = match.end()
