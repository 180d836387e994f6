"""One panel of the player as a picture that stands still: what its canvas draws at a frame.

Reads the player's own payload, so that a slide shows what the page shows: heads with their trails,
the cursor, images and points under the playhead. Units are pixels of the page; a slide is a page of
640 × 360 of them, drawn larger.
"""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from qnviz.figures.draw import curve, marks
from qnviz.figures.packing import unpacked
from qnviz.figures.playhead import Playhead, marker_size
from qnviz.figures.race.strip import strip
from qnviz.figures.theme import FONT, THEMES, Theme

PAD = 16                              # around everything
AIR = 6                               # beside what a panel has at its sides
TITLE, BELOW, ENTRY = 18, 12, 13      # sizes of type: title, what is below it, legend
LETTER, BOLD = 0.6, 0.7               # width of an average letter of a wide font, in its size
LINE = 1.6 * ENTRY                    # between two rows of a legend
SAMPLE = 48                           # a legend's line and marker, and the air around an entry
PIECES = 8                            # of a trail, each less opaque than the next
INSET = 3                             # of an arrow at the picture's edge
TRANSPARENT = "rgba(0,0,0,0)"


def option(payload: Mapping[str, Any], panel: str, choice: str | None = None) -> dict[str, Any]:
    """A panel of a payload, or the one of its choices with that label.

    Raises:
        KeyError: there is no such panel, or no such choice in it.
    """
    for shown in payload["panels"]:
        if shown["id"] == panel:
            for alternative in (shown, *shown["choices"]):
                if choice is None or alternative["label"] == choice:
                    return alternative | {"id": panel}
    raise KeyError(panel if choice is None else f"{panel}/{choice}")


def still(payload: Mapping[str, Any], panel: str, frame: int | None = None, *,
          choice: str | None = None, width: int = 640, height: int = 360, density: float = 3.0,
          caption: str = "", transparent: bool = False) -> dict[str, Any]:
    """A panel as it stands at a frame, as one Plotly figure with its title and legend.

    Args:
        payload: what the player draws, of `qnviz.figures.player`.
        panel: the panel's id.
        frame: where the playhead stands; by default at the end.
        choice: the label of what is chosen in the panel, where there is a choice.
        width: of the picture, in the page's pixels.
        height: the same.
        density: pixels of the finished picture per pixel of the page, for images in it.
        caption: a line below the title, after where the playhead stands.
        transparent: whether there is nothing behind the picture.

    Raises:
        KeyError: there is no such panel, or no such choice in it.
    """
    theme, head = THEMES[payload["theme"]], Playhead.at(payload, frame)
    spec = option(payload, panel, choice)
    own = bool(spec["figure"]["layout"].get("showlegend"))       # a legend of something else
    named = [] if own else _named(payload, spec)
    moves = bool(spec["heads"] or spec["cursor"] or spec["strip"] or spec["cloud"])
    below = " · ".join(filter(None, (head.words if moves else "", caption)))
    frame_of = _Frame.around(spec, _title(theme, spec["title"], below, width), named, width, height)
    layout = spec["figure"]["layout"] | {
        "width": width, "height": height, "margin": frame_of.margin, "title": frame_of.title,
        "showlegend": own or bool(named), "hovermode": False,
        "paper_bgcolor": TRANSPARENT if transparent else theme.paper,
        **_legends(theme, named, width, height)}
    data = [trace if own else trace | {"showlegend": False} for trace in spec["figure"]["data"]]
    if spec["strip"]:
        drawn, more = strip(theme, spec["strip"], head, frame_of.inner, density)
        data += drawn
        layout |= more
    if spec["cloud"]:
        data += _cloud(theme, spec["cloud"], head)
    if spec["cursor"]:
        layout["shapes"] = [*layout.get("shapes", []), _cursor(theme, layout, head)]
    for owner in spec["heads"]:
        data += _trail(owner, spec["trail"], head)
    for owner in reversed(spec["heads"]):            # the first entrant's is drawn last, on top
        data += _head(theme, owner, layout, head, frame_of.inner)
    return {"data": data + [_entry(e, k) for k, e in enumerate(named)], "layout": layout}


# --- title and legend -----------------------------------------------------------------------------


def _named(payload: Mapping[str, Any], spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The entrants that a legend names: those drawn, unless their names stand in the picture."""
    if spec["strip"] or spec["cloud"]:
        return []
    owners = {h["entrant"] for h in spec["heads"]} | {
        trace["meta"]["entrant"] for trace in spec["figure"]["data"] if "meta" in trace}
    return [e for i, e in enumerate(payload["entrants"]) if i in owners]


def _lines(text: str, letter: float, width: float) -> list[str]:
    return textwrap.wrap(text, max(12, int(width / letter))) or [""]


def _title(theme: Theme, text: str, below: str, width: int) -> dict[str, Any]:
    """The title, wrapped, and a quieter line below; `lines` says how high they are."""
    lines, small = (_lines(*part, width - 2 * PAD) for part in ((text, BOLD * TITLE),
                                                     (below, LETTER * BELOW)))
    words = "<br>".join(f"<b>{html.escape(line, quote=False)}</b>" for line in lines)
    if below:
        words += "".join(f'<br><span style="font-size:{BELOW}px;color:{theme.muted}">'
                         f"{html.escape(line, quote=False)}</span>" for line in small)
    high = 1.3 * (TITLE * len(lines) + (TITLE * len(small) if below else 0))
    return {"text": words, "x": 0, "xref": "container", "xanchor": "left", "y": 1,
            # Plotly puts the first line's foot, not its head, at the top
            "yref": "container", "yanchor": "top", "pad": dict(l=PAD, t=PAD + 0.75 * TITLE),
            "high": high,
            "font": dict(family=FONT, size=TITLE, color=theme.ink)}


@dataclass(frozen=True)
class _Frame:
    """What is around the plotting area."""

    margin: dict[str, float]
    inner: tuple[float, float, float, float]          # left, top, width, height of the inside
    title: dict[str, Any]

    @staticmethod
    def around(spec: Mapping[str, Any], title: dict[str, Any], named: list[dict[str, Any]],
               width: int, height: int) -> _Frame:
        own = spec["figure"]["layout"]["margin"]
        legend = LINE * len(_rows([e["title"] for e in named], width))
        bare = own["l"] == 0                          # images fill all of their panel
        margin = {"l": max(own["l"] + AIR, PAD), "r": max(own["r"] + AIR, PAD),
                  "t": PAD + title["high"] + own["t"],
                  "b": PAD if bare else own["b"] + legend + PAD / 2}
        inner = (margin["l"], margin["t"], width - margin["l"] - margin["r"],
                 height - margin["t"] - margin["b"])
        title = {name: value for name, value in title.items() if name != "high"}
        return _Frame(margin, inner, title)


def _rows(texts: list[str], width: float) -> list[list[tuple[int, float]]]:
    """Rows of a legend: which entries stand in them, and where they begin, in pixels."""
    rows: list[list[tuple[int, float]]] = []
    at = width
    for k, text in enumerate(texts):
        long = SAMPLE + LETTER * ENTRY * len(text)
        if at + long > width:
            rows.append([])
            at = PAD / 2
        rows[-1].append((k, at))
        at += long
    return rows


def _legends(theme: Theme, named: list[dict[str, Any]], width: int,
             height: int) -> dict[str, Any]:
    """One legend per entrant: a common one has only the plotting area's width, and then scrolls."""
    rows = _rows([e["title"] for e in named], width)
    return {_legend(k): dict(
        orientation="h", xref="container", x=at / width, xanchor="left", yref="container",
        y=((len(rows) - line) * LINE + PAD / 2) / height, yanchor="top", bgcolor=TRANSPARENT,
        font=dict(size=ENTRY, color=theme.ink)) for line, row in enumerate(rows) for k, at in row}


def _legend(k: int) -> str:
    return f"legend{k + 1}" if k else "legend"


def _entry(entrant: Mapping[str, Any], k: int) -> dict[str, Any]:
    """A legend's sample of an entrant's line and marker."""
    return {"type": "scatter", "mode": "lines+markers", "x": [None], "y": [None],
            "name": html.escape(entrant["title"], quote=False), "showlegend": True,
            "legend": _legend(k),
            "line": dict(color=entrant["color"], dash=entrant["dash"], width=2),
            "marker": dict(symbol=entrant["marker"], color=entrant["color"], line=dict(width=0),
                           size=0.85 * marker_size(entrant))}


# --- what the playhead moves ----------------------------------------------------------------------


def _cursor(theme: Theme, layout: Mapping[str, Any], head: Playhead) -> dict[str, Any]:
    """A vertical line through all of the picture's vertical axes."""
    domains = [axis.get("domain") or [0, 1] for name, axis in layout.items()
               if name.startswith("yaxis")]
    return dict(type="line", xref="x", yref="paper", x0=head.time, x1=head.time,
                y0=min(d[0] for d in domains), y1=max(d[1] for d in domains), opacity=0.5,
                line=dict(color=theme.ink, width=1))


def _places(owner: Mapping[str, Any], head: Playhead) -> tuple[np.ndarray, np.ndarray, int]:
    """An entrant's places (n,) and (n,), and at which of them it is."""
    y = unpacked(owner["y"]).astype(float)
    x = (unpacked(owner["x"]) if "x" in owner else head.clocks[owner["entrant"]]).astype(float)
    return x, y, min(head.index(owner["entrant"]), len(y) - 1)


def _trail(owner: Mapping[str, Any], length: int, head: Playhead) -> Iterator[dict[str, Any]]:
    """The way to where an entrant stands, the more opaque the newer."""
    x, y, at = _places(owner, head)
    first = max(0, at - length)
    pieces = min(PIECES, at - first)
    for k in range(pieces):
        begin, end = (first + (at - first) * (k + j) // pieces for j in (0, 1))
        yield curve(x[begin:end + 1], y[begin:end + 1], yaxis=owner["axis"], showlegend=False,
                    hoverinfo="skip", opacity=0.12 + 0.83 * (k + 1) / pieces, line=dict(
                        color=head.payload["entrants"][owner["entrant"]]["color"], width=3))


def _head(theme: Theme, owner: Mapping[str, Any], layout: Mapping[str, Any], head: Playhead,
          inner: tuple[float, float, float, float]) -> Iterator[dict[str, Any]]:
    """Where an entrant stands: its marker, or an arrow at the edge of a picture that it has left.

    Two markers: the lower one, in the ground's colour, sets the other off from what is below.
    """
    x, y, at = _places(owner, head)
    entrant = head.payload["entrants"][owner["entrant"]]
    axes = layout["xaxis"], layout[f"yaxis{owner['axis'][1:]}"]
    shares = np.array([_share(axis, float(v)) for axis, v in zip(axes, (x[at], y[at]),
                                                                 strict=True)])
    if np.isnan(shares).any():
        return
    low, high = axes[1].get("domain") or [0, 1]
    sides = np.array([inner[2], inner[3] * (high - low)])
    edge = np.clip(shares, 0, 1)
    away = (shares - edge) * sides                    # how far outside, in pixels
    symbol, large, angle = entrant["marker"], marker_size(entrant), 0.0
    place = np.array([x[at], y[at]])
    if np.hypot(*away) > 1:
        edge = np.clip(edge, INSET / sides, 1 - INSET / sides)
        place = np.array([_value(axis, float(s)) for axis, s in zip(axes, edge, strict=True)])
        symbol, large, angle = "arrow", 13.0, float(np.degrees(np.arctan2(away[0], away[1])))
    over, color = head.over(owner["entrant"]), entrant["color"]
    yield marks(np.repeat(place[:1], 2), np.repeat(place[1:], 2), yaxis=owner["axis"],
                showlegend=False, hoverinfo="skip", cliponaxis=False, marker=dict(
                    symbol=symbol, size=large, angle=angle, opacity=1,
                    color=[theme.paper, theme.paper if over else color],
                    line=dict(color=[theme.paper, color if over else TRANSPARENT],
                              width=[5 if over else 3, 2 if over else 0])))


def _share(axis: Mapping[str, Any], value: float) -> float:
    """How far along an axis a value stands; 0 … 1 is inside."""
    if axis.get("type") == "log":
        with np.errstate(divide="ignore", invalid="ignore"):
            value = float(np.log10(value))
    low, high = axis["range"]
    if not np.isfinite(value):
        return np.nan if np.isnan(value) else np.sign(value / (high - low)) * 1e4
    return float(np.clip((value - low) / (high - low), -1e4, 1e4))


def _value(axis: Mapping[str, Any], share: float) -> float:
    low, high = axis["range"]
    value = low + share * (high - low)
    return float(10.0 ** value if axis.get("type") == "log" else value)


def _cloud(theme: Theme, cloud: Mapping[str, Any], head: Playhead) -> list[dict[str, Any]]:
    """Points as the digits of their classes, where the latest view has them."""
    labels = unpacked(cloud["labels"]).astype(int)
    row = head.row(unpacked(cloud["rows"]), cloud["entrant"])
    steps = unpacked(cloud["views"]).reshape(-1, len(labels), 2)[row].astype(float)
    known = steps[:, 0] > 0                           # 0 stands for a point that is nowhere
    places = np.array(cloud["origin"]) + np.array(cloud["step"]) * steps
    drawn = []
    for label in np.unique(labels[known]):
        x, y = places[known & (labels == label)].T
        if label < 0:
            drawn.append(marks(x, y, showlegend=False, hoverinfo="skip", marker=dict(
                size=4, color=theme.ink, opacity=0.6)))
            continue
        color = cloud["colors"][label % len(cloud["colors"])]
        drawn.append({"type": "scatter", "mode": "text", "x": x, "y": y, "showlegend": False,
                      "hoverinfo": "skip", "text": [f"<b>{np.base_repr(label, 36).lower()}</b>"]
                      * len(x), "textfont": dict(size=11, color=color)})
    return drawn
