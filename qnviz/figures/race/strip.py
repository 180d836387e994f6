"""Images under the playhead as one picture: a line of inputs, then a line per entrant."""

from __future__ import annotations

import base64
import html
import struct
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from qnviz.figures.colors import mixed, parts
from qnviz.figures.draw import marks, note
from qnviz.figures.packing import unpacked
from qnviz.figures.playhead import Playhead, marker_size
from qnviz.figures.theme import Theme
from qnviz.numbers import say

NAME, NOTE = 13, 11                   # sizes of type
LETTER = 0.7                          # width of an average bold letter, in its size
MARKER = 22                           # in front of a name
GAP, BETWEEN = 2, 8                   # pixels between images, and between bands of them
CLEARLY = 1.15                        # how much larger images must get to break a line for it


class Plan(NamedTuple):
    """Where images stand, in pixels: cells of a size, in columns, in bands of lines."""

    left: float
    top: float
    columns: int
    cell: tuple[float, float]                         # width, height
    step: tuple[float, float]
    band: float

    def corner(self, line: int, k: int) -> tuple[float, float]:
        """The upper left corner of image k in a line."""
        return (self.left + (k % self.columns) * self.step[0],
                self.top + (k // self.columns) * self.band + line * self.step[1])


def planned(width: float, height: float, shape: tuple[int, int], count: int, lines: int,
            names: float) -> Plan:
    """The bands in which `count` images (height, width) per line get largest beside their names."""
    best: tuple[float, int, int] | None = None
    for bands in range(1, count + 1):
        columns = -(-count // bands)
        if columns * (bands - 1) >= count:            # a band would stay empty
            continue
        across = ((width - names) / columns - GAP) / shape[1]
        down = ((height - BETWEEN * (bands - 1)) / (bands * lines) - GAP) / shape[0]
        if best is None or min(across, down) > CLEARLY * best[0]:
            best = min(across, down), bands, columns
    assert best is not None                           # one band holds all
    scale, bands, columns = best
    cell = shape[1] * scale, shape[0] * scale
    slots = (width - names) / columns, (height - BETWEEN * (bands - 1)) / (bands * lines)
    step = tuple(size + min(max(slot - size, GAP), 4 * GAP)
                 for size, slot in zip(cell, slots, strict=True))
    used = bands * lines * step[1] + BETWEEN * (bands - 1)
    side = max(0.0, (width - names - columns * step[0]) / 2)
    return Plan(side + names, max(0.0, (height - used) / 2), columns, cell,
                (step[0], step[1]), lines * step[1] + BETWEEN)


def strip(theme: Theme, data: Mapping[str, Any], head: Playhead,
          inner: tuple[float, float, float, float],
          density: float) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Traces and a part of a layout that show the images due at the playhead.

    Args:
        theme: the colours.
        data: the player's strip: shape, count, inputs, rows.
        head: where the playhead stands.
        inner: left, top, width and height of the place for it.
        density: pixels of the finished picture per unit of `inner`.
    """
    (h, w), count, entrants = data["shape"], int(data["count"]), head.payload["entrants"]
    lines: list[tuple[str, np.ndarray, float | None, int | None]] = [
        ("input", unpacked(data["inputs"]).reshape(count, h, w), None, None)]
    for row in data["rows"]:
        view = head.row(unpacked(row["rows"]), row["entrant"])
        lines.append((entrants[row["entrant"]]["title"],
                      unpacked(row["images"]).reshape(-1, count, h, w)[view],
                      float(unpacked(row["mean"])[view]), row["entrant"]))
    names = MARKER + LETTER * NAME * max(len(title) for title, *_ in lines) + 4
    names = min(names, 0.4 * inner[2])
    plan = planned(inner[2], inner[3], (h, w), count, len(lines), names)
    canvas = _drawn(theme, plan, [images for _, images, *_ in lines], inner, density,
                    bool(data["photo"]))
    texts, heads = [], []
    for line, (title, _, error, owner) in enumerate(lines):
        for band in range(-(-count // plan.columns)):
            x, y = plan.corner(line, band * plan.columns)
            x, y = x - names, y + plan.cell[1] / 2
            noted = error if plan.cell[1] >= 2.2 * NAME else None
            color = theme.ink if owner is None else theme.legible(entrants[owner]["color"])
            up = 7 if noted is not None else 0
            texts.append(_name(x, y - up, inner, f"<b>{html.escape(title)}</b>", NAME, color))
            if noted is not None:
                texts.append(_name(x, y + 8, inner, f"error {say(noted)}", NOTE, theme.muted))
            if owner is not None:
                heads.append(_marker(theme, entrants[owner], head.over(owner),
                                     (x + 8) / inner[2], 1 - (y - up) / inner[3]))
    return heads, {"images": [dict(
        source=canvas, xref="paper", yref="paper", x=0, y=1, sizex=1, sizey=1, xanchor="left",
        yanchor="top", sizing="stretch", layer="above")], "annotations": texts}


def _name(x: float, y: float, inner: tuple[float, ...], text: str, size: int,
          color: str) -> dict[str, Any]:
    return note(text, (x + MARKER - 4) / inner[2], 1 - y / inner[3], xref="paper", yref="paper",
                xanchor="left", yanchor="middle", font=dict(size=size, color=color))


def _marker(theme: Theme, entrant: Mapping[str, Any], over: bool, x: float,
            y: float) -> dict[str, Any]:
    """An entrant's marker on axes that run from 0 to 1; hollow where its run is over."""
    return marks(np.array([x]), np.array([y]), showlegend=False, hoverinfo="skip",
                 cliponaxis=False, marker=dict(
                     symbol=entrant["marker"], size=marker_size(entrant), opacity=1,
                     color=theme.paper if over else entrant["color"],
                     line=dict(color=entrant["color"], width=2 if over else 0)))


def _drawn(theme: Theme, plan: Plan, lines: list[np.ndarray],
           inner: tuple[float, float, float, float], density: float, photo: bool) -> str:
    """All images in one, true pixels enlarged to squares, nothing between them."""
    width, height = (round(side * density) for side in inner[2:])
    tones = _tones(theme, photo)
    canvas = np.zeros((height, width, 4), np.uint8)
    for line, images in enumerate(lines):
        for k, image in enumerate(images):
            x, y = plan.corner(line, k)
            left, top = round(x * density), round(y * density)
            across, down = (max(1, round(side * density)) for side in plan.cell)
            across, down = min(across, width - left), min(down, height - top)
            rows = np.arange(down) * image.shape[0] // max(down, 1)
            columns = np.arange(across) * image.shape[1] // max(across, 1)
            canvas[top:top + down, left:left + across] = tones[image[rows][:, columns]]
    return "data:image/png;base64," + base64.b64encode(png(canvas)).decode()


def _tones(theme: Theme, photo: bool) -> np.ndarray:
    """Colours (256, 4) of bytes: ink on the page's ground, or black to white for photographs."""
    # a ground a shade off the page's shows where an empty image is
    low, high = ("#000000", "#ffffff") if photo else (mixed(theme.paper, theme.ink, 0.07),
                                                      theme.ink)
    share = np.linspace(0, 1, 256)[:, None]
    colors = np.round((1 - share) * parts(low) + share * np.array(parts(high)))
    return np.concatenate([colors, np.full((256, 1), 255)], 1).astype(np.uint8)


def png(image: np.ndarray) -> bytes:
    """An image (height, width, 4) of bytes as a PNG file [ISO/IEC 15948, §5, §11]."""
    height, width, _ = image.shape

    def chunk(name: bytes, data: bytes) -> bytes:
        return (struct.pack(">I", len(data)) + name + data
                + struct.pack(">I", zlib.crc32(name + data)))

    lines = np.concatenate([np.zeros((height, 1), np.uint8), image.reshape(height, -1)], 1)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0,
                                                              0, 0))
            + chunk(b"IDAT", zlib.compress(lines.tobytes(), 6)) + chunk(b"IEND", b""))
