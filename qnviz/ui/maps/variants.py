"""What a map can show: methods with their variants, the fields that can be swept, their ranges."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from pydantic import create_model

from qnviz.fields import Frozen, Parameter, in_unicode, parameters
from qnviz.methods.base import Method
from qnviz.methods.registry import METHODS
from qnviz.ui.state.defaults import suited

SEEDS = "seeds"                                # an axis of repeats instead of a second field
LONGEST = 45                                   # letters of an axis title's words
DECADES = 100.0                                # a log axis runs so far to either side of the usual


class Variant(NamedTuple):
    """A method as the list of maps offers it."""

    id: str
    title: str
    short: str                                 # beside another variant of the same method
    name: str                                  # the method's
    chosen: dict[str, str]                     # the choices that make it this variant

    @property
    def model(self) -> type[Method]:
        """The method's class."""
        return METHODS[self.name]

    @property
    def fields(self) -> dict[str, Parameter]:
        """The numbers that can be swept, by name, and that have an effect."""
        idle = self.model.model_validate(self.chosen).idle()
        return {q.name: q for q in parameters(self.model)
                if q.kind in ("float", "int") and q.name not in idle}

    @property
    def pair(self) -> tuple[str, str]:
        """The two fields of its map by default; a single field is repeated seed by seed."""
        if self.model.axes:
            return self.model.axes
        names = list(self.fields)
        if len(names) == 1:
            return names[0], SEEDS
        y = "lr" if "lr" in names else names[-1]
        rest = [n for n in names if n != y]
        return ("lam" if "lam" in rest else rest[0]), y

    def spec(self, problem: dict[str, Any], **values: Any) -> dict[str, Any]:
        """This method for a run on a problem; what is not given is as in the problem's lab."""
        usual = suited(problem).usual(self.name)
        return {"name": self.name} | {k: v for k, v in usual.items()
                                      if k in self.model.model_fields and k not in self._choices
                                      } | self.chosen | values

    @property
    def _choices(self) -> set[str]:
        return {q.name for q in parameters(self.model) if q.kind == "choice"}


def _variants() -> dict[str, Variant]:
    found = {}
    for name, method in METHODS.items():
        if method.family == "outside":
            continue
        default = method()
        named = [words[getattr(default, field)] for field, words in method.variants.items()
                 if getattr(default, field) in words]
        plain = ", ".join([method.title, *named])
        found[name] = Variant(name, plain, plain, name, {})
        for field, options in method.variants.items():
            for option, words in options.items():
                if option != getattr(default, field):
                    id = f"{name}.{option}"
                    found[id] = Variant(id, f"{method.title}, {words}", words, name,
                                        {field: option})
    return found


VARIANTS = _variants()
MAPPED = {id: v for id, v in VARIANTS.items() if v.fields}
FIELDS = tuple(dict.fromkeys(n for v in MAPPED.values() for n in v.fields))
# the settings of a map's method that differ from its lab's, such as `left.lr` in an address
Own: type[Frozen] = create_model(
    "Own", __base__=Frozen, **dict.fromkeys(FIELDS, (float | None, None)))      # type: ignore


def symbol(q: Parameter) -> str:
    """A field's symbol without LaTeX, such as λ₀."""
    return in_unicode(q.symbol) or q.name


def axis_title(q: Parameter) -> str:
    """A field as an axis is titled: what it is, its symbol, its unit."""
    words = re.split(r"[.:,;]", q.help)[0]
    words = words if len(words) <= LONGEST else q.name
    return f"{words} {symbol(q)}" + (f" ({q.unit})" if q.unit else "")


def usual_range(v: Variant, q: Parameter) -> tuple[float, float]:
    """Where a field's axis begins and ends by default."""
    if declared := v.model.ranges.get(q.name):
        return declared
    low, high = q.low if q.low is not None else 0.0, q.high if q.high is not None else 1.0
    if q.kind == "int":
        return low, min(high, max(2.0 * q.default, low + 1))
    if q.log and q.default > 0:
        return (max(q.default / DECADES, 2 * low if q.low_open else low) or q.default / DECADES,
                min(q.default * DECADES, 0.9 * high if q.high_open else high))
    air = 0.01 * (high - low)
    return low + air * q.low_open, high - air * q.high_open
