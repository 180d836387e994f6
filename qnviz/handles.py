"""How a field is set by hand, wherever that is: its name, its words, and its slider."""

from __future__ import annotations

from typing import Any

from qnviz.fields import Parameter, in_unicode
from qnviz.numbers import round_up, say

DECADES = 1e3                                  # a log slider runs so far around the default


def named(q: Parameter, symbol: str) -> str:
    """What a control is called: the field's symbol, name and unit."""
    return f"{symbol} {q.name.replace('_', ' ')}".strip() + (f" ({q.unit})" if q.unit else "")


def explained(q: Parameter) -> str:
    """What a field means, what is allowed, and its default."""
    if q.kind in ("widths", "data", "expression"):
        return q.help
    usual = q.empty if q.default is None else shown(q.default)
    return f"{q.help} Allowed: {q.range}. Default: {usual}."


def slide(q: Parameter, value: float) -> tuple[float, float, float]:
    """Both ends and the step of a linear slider that has `value` on it.

    An end that is not allowed is excluded by one step.
    """
    low, high = q.low if q.low is not None else -10.0, q.high if q.high is not None else 10.0
    step = round_up((high - low) / 100)        # about a hundred positions
    return min(low + step * q.low_open, value), max(high - step * q.high_open, value), step


def handle(q: Parameter, value: Any) -> dict[str, Any]:
    """A field as a component draws it: what it is called, means and takes, its slider's ends."""
    field = {"name": q.name, "label": named(q, in_unicode(q.symbol)), "help": explained(q),
             "kind": q.kind, "value": value}
    if q.kind == "choice":
        return field | {"options": [[o, o.replace("_", " ")] for o in q.options]}
    kind = "a whole number" if q.kind == "int" else "a number"
    first, last, step = _log_ends(q, value) if q.log else slide(q, value)
    if q.kind == "int":
        first, last, step = int(first), int(last), max(1, int(step))
    return field | {
        "low": q.low, "high": q.high, "low_open": q.low_open, "high_open": q.high_open,
        "refusal": f"{q.name} must be {kind}, {q.range}.", "log": q.log,
        "first": first, "last": last, "step": step}


def _log_ends(q: Parameter, value: float) -> tuple[float, float, float]:
    """Both ends of a log slider, around the default; it has no step of its own."""
    low, high = (float(f"{q.default * by:.12g}") for by in (1 / DECADES, DECADES))
    if q.low:
        low = max(low, q.low)
    if q.high is not None:
        high = min(high, (0.9 if q.high_open else 1.0) * q.high)     # the last that is useful
    return min(low, value or low), max(high, value), 0.0


def shown(value: Any) -> str:
    """A value as a control writes it."""
    if value is None:
        return "all"
    return say(value) if isinstance(value, float) else str(value).replace("_", " ")
