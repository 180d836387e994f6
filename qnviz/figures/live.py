"""What a picture's canvas draws while a hand drags: marks over columns that the browser computes.

A picture's `live` is a list of such marks, in the order in which they are drawn. They are few words
that map columns of an entrant to places on the axes that Plotly has laid out; titles, words and
ranges are Python's alone and come back with the record. `web/player/marks.js` draws them.

A *source* names a column of an entrant, of run 0: a state column has a row per iterate, any other a
row per step, which stands at the iterate that the step led to. Without an x, a mark stands at the
entrant's clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

Mark = dict[str, Any]
Source = dict[str, Any]
Test = dict[str, Any]


def column(name: str, part: int | None = None, *, last: bool = False, minus: float | None = None,
           least: float | None = None, signed: float | None = None,
           squeezed: float | None = None) -> Source:
    """A column of an entrant, and where its numbers stand on the axis.

    Args:
        name: as in a trace.
        part: of a column with several numbers a row, which one; else all of them, or the only one.
        last: of a ragged row its last number.
        minus: what is subtracted first.
        least: what is below it stands there.
        signed: the unit of a signed log axis, sign(x) log₁₀(1 + |x|/unit).
        squeezed: c of an axis of asinh(x/c) / ln 10.
    """
    given = dict(part=part, last=last or None, minus=minus, least=least, signed=signed,
                 squeezed=squeezed)
    return {"column": name} | {n: v for n, v in given.items() if v is not None}


def setting(name: str, power: float = 1.0, *, squeezed: float | None = None) -> Source:
    """A setting of the entrant's method, as the hand has it."""
    return {"setting": name, "power": power} | ({} if squeezed is None else {"squeezed": squeezed})


def at(height: float) -> Source:
    """The same place at every step."""
    return {"at": height}


def when(name: str, how: Literal["below", "from", "above", "equals", "finite", "last", "differs"],
         value: Any = None, part: int | None = None) -> Test:
    """A condition on a step: a number of it is below a value, at least it, …, its row's last.

    Args:
        name: the column.
        how: "differs" is from another column.
        value: a number, a `setting`, or that column's name.
        part: as in `column`; else the one that is drawn.
    """
    return {"column": name, "is": how} | ({} if value is None else {"value": value}) | (
        {} if part is None else {"part": part})


def line(entrant: int, y: Source, color: str, *, x: Source | None = None, width: float = 2.0,
         dash: str = "solid", opacity: float = 1.0, head: bool = False) -> Mark:
    """A line through all rows, with gaps where numbers are not finite; a `head` is on it."""
    return _placed("line", entrant, x, y=y, color=color, width=width, dash=dash, opacity=opacity,
                   head=head)


def band(entrant: int, low: Source, high: Source, color: str) -> Mark:
    """The area between two lines, where both are known."""
    return _placed("band", entrant, None, low=low, high=high, color=color)


def head(entrant: int, y: Source) -> Mark:
    """Where the entrant's marker stands, without a line."""
    return _placed("head", entrant, None, y=y)


def dots(entrant: int, y: Source, symbol: str, size: float, color: str, *, axis: str = "y",
         where: Sequence[Test] = (), unless: Sequence[Test] = ()) -> Mark:
    """A marker at every number for which all of `where` holds, but not all of `unless`."""
    return _placed("dots", entrant, None, y=y, symbol=symbol, size=size, color=color, axis=axis,
                   where=list(where), unless=list(unless))


def last_dot(entrant: int, y: Source, symbol: str, size: float, color: str, status: str) -> Mark:
    """A marker at the end of a run that ended so."""
    return _placed("end", entrant, None, y=y, symbol=symbol, size=size, color=color, status=status)


def stems(entrant: int, low: Source, high: Source, color: str, *, axis: str = "y",
          width: float = 1.6, opacity: float = 1.0, where: Sequence[Test] = ()) -> Mark:
    """An upright line at every step for which all of `where` holds; ends are sources or heights."""
    return _placed("stems", entrant, None, low=low, high=high, color=color, axis=axis, width=width,
                   opacity=opacity, where=list(where))


def rule(entrant: int, y: Source, color: str, *, axis: str = "y", width: float = 1.0,
         dash: str = "solid") -> Mark:
    """A level line across the picture at a setting."""
    return _placed("rule", entrant, None, y=y, color=color, axis=axis, width=width, dash=dash)


def bars(entrant: int, y: Source, fill: dict[str, Any], *, axis: str, share: float,
         where: Sequence[Test]) -> Mark:
    """A bar from 0 at every step for which `where` holds, over a share of its time on the clock."""
    return _placed("bars", entrant, None, y=y, axis=axis, share=share, where=list(where),
                   **_filled(fill))


def cells(entrant: int, y: Source, row: float, scale: Sequence[Sequence[Any]], faintest: float
          ) -> Mark:
    """A row of cells, coloured by 1 − y where that is above 0, from `faintest` of the scale on."""
    return _placed("cells", entrant, None, y=y, row=row, scale=[list(s) for s in scale],
                   faintest=faintest)


def shares(entrant: int, name: str, row: float, width: float, fills: Sequence[dict[str, Any]]
           ) -> Mark:
    """A stacked bar along x: the share of the steps that have each value 0, 1, … of a column."""
    return _placed("shares", entrant, None, y=column(name), row=row, width=width,
                   fills=[_filled(fill) for fill in fills])


def _placed(kind: str, entrant: int, x: Source | None, **more: Any) -> Mark:
    return {"kind": kind, "entrant": entrant} | ({} if x is None else {"x": x}) | more


def _filled(fill: dict[str, Any]) -> dict[str, str]:
    """How a bar of `Theme.bar` is filled."""
    return {"color": fill["color"], "pattern": fill["pattern"]["shape"],
            "ground": fill["pattern"]["fgcolor"]}
