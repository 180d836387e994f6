"""Numbers for people: three digits, and the unit's prefix that suits them."""

from __future__ import annotations

PREFIXES = {"s": ((1, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")),
            "B": ((1e6, "MB"), (1e3, "kB"), (1, "B"))}


def digits(x: float) -> str:
    """Three significant digits, without an exponent."""
    if x == 0:
        return "0"
    rounded = float(f"{x:.3g}")
    if abs(rounded) >= 100:
        return f"{rounded:,.0f}"
    places = 2 if abs(rounded) >= 1 else 3
    while abs(rounded) * 10**places < 99.5 and abs(rounded) < 1:
        places += 1
    return f"{rounded:.{places - (abs(rounded) >= 10)}f}"


def quantity(x: float, unit: str) -> str:
    """A number with its unit, or "×" after a ratio."""
    if unit in PREFIXES:
        scale, name = next((p for p in PREFIXES[unit] if abs(x) >= p[0]), PREFIXES[unit][-1])
        return f"{digits(x / scale)} {name}"
    return f"{digits(x)} ×" if unit == "×" else digits(x)
