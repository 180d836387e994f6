"""Hyper-parameters are declared once, here is how; everything else is read off the declaration.

`number`, `whole` and `choice` make pydantic fields that carry symbol, unit, bounds and meaning.
`parameters(model)` reads them back for sliders, the URL, tables, and axis titles.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

SIGNS = {"alpha": "α", "beta": "β", "eta": "η", "kappa": "κ", "lambda": "λ", "mu": "μ", "xi": "ξ",
         "rho": "ρ", "sigma": "σ", "tau": "τ", "epsilon": "ϵ", "varepsilon": "ε", "varphi": "φ",
         "ell": "ℓ", "max": "max"}
LOWERED = str.maketrans("0123456789aekmx", "₀₁₂₃₄₅₆₇₈₉ₐₑₖₘₓ")


class Frozen(BaseModel):
    """Base of all specs: immutable, no unknown fields, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def number(default: float, symbol: str, help: str, *, gt=None, ge=None, lt=None, le=None,
           log: bool = False, unit: str = "") -> Any:
    """Declare a real hyper-parameter.

    Args:
        default: value used when none is given.
        symbol: LaTeX symbol, as in the paper.
        help: one line for a student.
        gt: exclusive lower bound.
        ge: inclusive lower bound.
        lt: exclusive upper bound.
        le: inclusive upper bound.
        log: whether a slider or an axis should be logarithmic.
        unit: unit of the value, if it has one.
    """
    return Field(default, gt=gt, ge=ge, lt=lt, le=le, description=help,
                 json_schema_extra={"symbol": symbol, "log": log, "unit": unit})


def whole(default: int, symbol: str, help: str, *, ge: int, le: int, unit: str = "") -> Any:
    """Declare an integer hyper-parameter with inclusive bounds."""
    return Field(default, ge=ge, le=le, description=help,
                 json_schema_extra={"symbol": symbol, "log": False, "unit": unit})


def optional_whole(default: int | None, symbol: str, help: str, *, ge: int, le: int,
                   empty: str = "all") -> Any:
    """Declare an integer hyper-parameter that may be left out (None), `empty` in a word."""
    return Field(default, ge=ge, le=le, description=help,
                 json_schema_extra={"symbol": symbol, "log": False, "unit": "", "empty": empty})


def optional_number(default: float | None, symbol: str, help: str, *, gt: float | None = None,
                    ge: float | None = None, le: float, empty: str) -> Any:
    """Declare a real hyper-parameter that may be left out (None), `empty` in a word."""
    return Field(default, gt=gt, ge=ge, le=le, description=help,
                 json_schema_extra={"symbol": symbol, "log": False, "unit": "", "empty": empty})


def text(default: Any, help: str, kind: Literal["widths", "data", "expression"]) -> Any:
    """Declare a field that a person writes or picks as text of a certain kind."""
    return Field(default, description=help,
                 json_schema_extra={"symbol": "", "log": False, "unit": "", "kind": kind})


def choice(default: str | bool, help: str, symbol: str = "") -> Any:
    """Declare a choice; its options are the field's Literal type (or True and False)."""
    return Field(default, description=help,
                 json_schema_extra={"symbol": symbol, "log": False, "unit": ""})


@dataclass(frozen=True)
class Parameter:
    """One declared hyper-parameter, as every other part of the program sees it."""

    name: str
    kind: Literal["float", "int", "choice", "bool", "widths", "data", "expression"]
    default: Any
    symbol: str
    help: str
    unit: str = ""
    log: bool = False
    low: float | None = None
    high: float | None = None
    low_open: bool = False
    high_open: bool = False
    options: tuple[str, ...] = ()
    optional: bool = False             # None is allowed
    empty: str = "all"                 # … and means that

    @property
    def range(self) -> str:
        """The allowed values in words, such as ``0 < lam < 1``."""
        if self.kind in ("choice", "bool"):
            return "one of " + ", ".join(str(o) for o in self.options)
        if self.kind in ("widths", "data", "expression"):
            return "see its description"
        low = "" if self.low is None else f"{self.low:g} {'<' if self.low_open else '≤'} "
        high = "" if self.high is None else f" {'<' if self.high_open else '≤'} {self.high:g}"
        return f"{low}{self.name}{high}" if low or high else "any finite number"


def in_unicode(symbol: str) -> str:
    r"""A symbol of a field without LaTeX: λ₀ for ``\lambda_0``, Ĥ for ``\hat H``.

    Raises:
        KeyError: it has a sign that is not in SIGNS.
    """
    text = re.sub(r"\\hat (\w)", lambda m: m[1] + "\N{COMBINING CIRCUMFLEX ACCENT}", symbol)
    text = re.sub(r"\\mathrm\{(\w+)\}", r"\1", text)
    text = re.sub(r"\\([a-z]+)", lambda m: SIGNS[m[1]], text)
    text = re.sub(r"_\{?(\d|[a-z]+)\}?", lambda m: m[1].translate(LOWERED), text)
    return unicodedata.normalize("NFC", text)


def parameter(name: str, info: FieldInfo) -> Parameter | None:
    """Read one declaration back, or None for a field that is no hyper-parameter."""
    extra = info.json_schema_extra
    if not isinstance(extra, dict) or "symbol" not in extra:
        return None
    low = high = None
    low_open = high_open = False
    inner = [a for a in get_args(info.annotation) if a is not type(None)]
    optional = type(None) in get_args(info.annotation)
    annotation = inner[0] if optional else info.annotation
    for mark in info.metadata:
        if isinstance(mark, Gt | Ge):
            low_open = isinstance(mark, Gt)
            low = float(mark.gt if isinstance(mark, Gt) else mark.ge)  # type: ignore[arg-type]
        elif isinstance(mark, Lt | Le):
            high_open = isinstance(mark, Lt)
            high = float(mark.lt if isinstance(mark, Lt) else mark.le)  # type: ignore[arg-type]
    kind, options = ("int" if annotation is int else "float"), ()
    if "kind" in extra:
        kind = extra["kind"]
    elif get_origin(annotation) is Literal:
        kind, options = "choice", tuple(get_args(annotation))
    elif annotation is bool:
        kind, options = "bool", ("true", "false")
    return Parameter(name, kind, info.default, str(extra["symbol"]),   # type: ignore[arg-type]
                     info.description or "", str(extra["unit"]), bool(extra["log"]), low, high,
                     low_open, high_open, options, optional,
                     str(extra.get("empty", "all")))


@cache
def parameters(model: type[BaseModel]) -> tuple[Parameter, ...]:
    """All declared hyper-parameters of a model, in the order of declaration."""
    found = (parameter(name, info) for name, info in model.model_fields.items())
    return tuple(p for p in found if p is not None)


def faults(error: ValidationError, tags: frozenset[str] = frozenset()) -> list[str]:
    """Turn pydantic's report into one sentence per fault, naming field, value and range.

    `tags` are the names of a union's alternatives: pydantic puts them into the field's path, where
    a person has not written them.
    """
    return [sentence for _, sentence in faults_by_field(error, tags)]


def faults_by_field(error: ValidationError,
                    tags: frozenset[str] = frozenset()) -> list[tuple[str, str]]:
    """The same, each sentence with its field's name: "" where it is about several."""
    return [(str(e["loc"][0]) if e["loc"] else "", _sentence(e, tags))
            for e in error.errors(include_url=False)
            if not (e["type"] == "too_short" and e["input"])]    # its items' faults stand already


def _sentence(e: Any, tags: frozenset[str]) -> str:
    where = ""
    for part in e["loc"]:
        if part not in tags:
            where += f"[{part}]" if isinstance(part, int) else f"{'.' if where else ''}{part}"
    where = where or "The run"
    value = repr(e.get("input"))
    value = value if len(value) <= 60 else value[:57] + "..."
    context = e.get("ctx", {})
    match e["type"]:
        case "greater_than":
            return f"{where} is {value}, but must be greater than {context['gt']:g}."
        case "greater_than_equal":
            return f"{where} is {value}, but must be at least {context['ge']:g}."
        case "less_than":
            return f"{where} is {value}, but must be less than {context['lt']:g}."
        case "less_than_equal":
            return f"{where} is {value}, but must be at most {context['le']:g}."
        case "finite_number":
            return f"{where} is {value}, but must be a finite number."
        case "float_parsing" | "float_type":
            return f"{where} is {value}, but must be a number."
        case "int_parsing" | "int_type" | "int_from_float":
            return f"{where} is {value}, but must be a whole number."
        case "literal_error":
            return f"{where} is {value}, but must be one of {context['expected']}."
        case "union_tag_invalid":
            return (f"{where} has the unknown name {context['tag']!r}; "
                    f"known are {context['expected_tags']}.")
        case "union_tag_not_found" | "model_type" | "model_attributes_type" | "dict_type":
            return f"{where} is {value}, but must be an object with a \"name\"."
        case "extra_forbidden":
            return f"{where} = {value} is not a known field."
        case "too_short":
            return f"{where} is empty, but must have at least {context['min_length']} entry."
        case "too_long":
            return f"{where} has {context['actual_length']} entries, but at most " \
                   f"{context['max_length']} are allowed."
        case "missing":
            return f"{where} is missing."
        case "value_error":
            error = str(context["error"]).removesuffix(".")
            return f"{where}: {error}." if e["loc"] else f"{error}."
        case _:
            return f"{where} is {value}: {e['msg'].lower()}."
