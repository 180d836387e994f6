"""A page with images, points and choices under one playhead, for tests of what is seen."""

from __future__ import annotations

from typing import Any

from tests.browser.player_page import Player

LAST = 40
SIDE = 4  # pixels of a test image across

# Images are of one tone: inputs 255, entrant k's at look v are 5 v (2 - k). Points of look v lie
# at code unit 1 = v for the first entrant and -v for the second.
PAGE = """
import numpy as np
import streamlit as st
from qnviz.figures.race import RaceView
from qnviz.figures.race.codes import codes
from qnviz.figures.race.factors import factors
from qnviz.figures.packing import plain
from qnviz.figures.race.reconstructions import reconstructions
from qnviz.figures.theme import THEMES
from qnviz.runs.trace import Entrant, Trace
from qnviz.ui.components.player import player

st.set_page_config(layout="wide")
query = st.query_params
LAST, SIDE, IMAGES, POINTS = 40, 4, 3, 12
other = st.checkbox("other")
number = int(query.get("entrants", 2))
names = [("K-BFGS", "#0072b2", "circle"), ("Adam", "#e69f00", "square")]
entrants = [Entrant(f"e{k}", "x", names[k % 2][0] + f" {k}" * (k > 1), names[k % 2][1], "solid",
                    names[k % 2][2], "quasi-Newton") for k in range(number)]
steps, looks = np.arange(LAST + 1), np.arange(0, LAST + 1, 2)
columns = {}
for k, e in enumerate(entrants):
    v = np.arange(len(looks))
    tone = np.clip(5 * v * (2 - k) + 20 * other, 0, 255).astype(np.uint8)
    spread = np.stack([np.zeros(POINTS), np.linspace(-8, 8, POINTS)], 1)
    codes_at = np.stack([v * (1 - 2 * (k % 2)), 0 * v], 1)[:, None] + spread
    spectrum = np.tile(np.array([1.0, 2.0, 4.0]) * (k + 1), (len(looks), 1, 1))
    columns[e.label] = {
        "step": steps, "loss": np.ones((LAST + 1, 1)), "work": 1.0 * steps[:, None],
        "seconds": 1.0 * steps, "status": np.array(["budget"]), "stopped": np.array([LAST]),
        "view_step": looks,
        "view_reconstruction": np.tile(tone[:, None, None], (1, IMAGES, SIDE * SIDE)),
        "view_code": codes_at.astype(np.float32), "view_spectrum_g": spectrum,
        "view_spectrum_a": 10 * spectrum}
labels = np.full(POINTS, 3)
labels[0] = -1
inputs = np.full((IMAGES, SIDE * SIDE), 255, np.uint8)
if "photo" not in query:
    inputs[:, : SIDE * SIDE - 2] = 0
trace = Trace({}, "key", entrants, columns,
              scene={"inputs": inputs, "shape": np.array([SIDE, SIDE]), "labels": labels})
theme = "dark" if st.context.theme.type == "dark" else "light"

def panel(p):
    return {"id": p.id, "title": p.title, "alt": p.alt, "span": 1, "trail": p.trail,
            "figure": plain(p.figure), "cursor": p.cursor, "click": p.click,
            "heads": [{"entrant": h.entrant, "y": h.y.tolist(), "axis": h.axis} for h in p.heads],
            "label": p.label, "strip": p.strip, "cloud": p.cloud,
            "choices": [panel(c) for c in p.choices]}

pictures = [f(RaceView(trace, THEMES[theme])) for f in (reconstructions, codes, factors)]
player({"id": f"data-{other}", "plotly_url": "/bundle/plotly.js", "theme": theme, "frame": None,
        "autoplay": False, "rate": 60,
        "clock": {"label": "step", "unit": "", "frames": list(range(LAST + 1))},
        "entrants": [{"label": e.label, "title": e.title, "color": e.color, "dash": e.dash,
                      "marker": e.marker, "clock": list(range(LAST + 1)),
                      "loss": [1.0] * (LAST + 1), "words": [""] * (LAST + 1), "end": ""}
                     for e in entrants],
        "panels": [panel(p) for p in pictures],
        "rows": [[p.id for p in pictures], ["@words"]]}, key="views")
"""

# One pixel of a panel's canvas, at CSS pixels from its corner.
PIXEL = """([panel, x, y]) => {
  const canvas = document.querySelector(`[data-panel=${panel}] canvas.qnviz-canvas`);
  const r = canvas.width / canvas.clientWidth;
  return [...canvas.getContext('2d').getImageData(Math.round(x * r), Math.round(y * r), 1, 1).data];
}"""

# What a canvas shows in one colour: how many pixels, and their middle from the canvas's corner.
INK = """([panel, colour]) => {
  const canvas = document.querySelector(`[data-panel=${panel}] canvas.qnviz-canvas`);
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  const r = canvas.width / canvas.clientWidth;
  let [count, x, y] = [0, 0, 0];
  for (let i = 0; i < pixels.length; i += 4) {
    if (pixels[i + 3] < 200) continue;
    if ([0, 1, 2].some((k) => Math.abs(pixels[i + k] - colour[k]) > 12)) continue;
    count += 1;
    x += (i / 4) % canvas.width;
    y += Math.floor(i / 4 / canvas.width);
  }
  return {count, x: x / count / r, y: y / count / r};
}"""
# The heights of a canvas's pixels in one colour, and between which heights anything is drawn.
COLUMN = """([panel, colour]) => {
  const canvas = document.querySelector(`[data-panel=${panel}] canvas.qnviz-canvas`);
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  const r = canvas.width / canvas.clientWidth;
  const [inked, any] = [[], []];
  for (let i = 0; i < pixels.length; i += 4) {
    const y = (Math.floor(i / 4 / canvas.width) + 0.5) / r;
    if (pixels[i + 3]) any.push(y);
    const near = (k) => Math.abs(pixels[i + k] - colour[k]) < 12;
    if (pixels[i + 3] > 200 && [0, 1, 2].every(near)) inked.push(y);
  }
  return {inked, top: any[0], bottom: any.at(-1)};
}"""
TIPS = """(places) => {
  const figure = document.querySelector('[data-panel=reconstructions]');
  const [box, tip] = [figure.getBoundingClientRect(), figure.querySelector('.qnviz-tip')];
  return places.map(([x, y]) => {
    const [clientX, clientY] = [box.x + x, box.y + y];
    const under = document.elementFromPoint(clientX, clientY);
    for (const type of ['pointermove', 'mousemove']) {
      under.dispatchEvent(new PointerEvent(type, {clientX, clientY, bubbles: true}));
    }
    return tip.hidden ? '' : tip.textContent;
  });
}"""
LINES = """(panel) => document.querySelector(`[data-panel=${panel}] .qnviz-plot`).data
  .filter((t) => t.meta && t.visible !== false).map((t) => [t.name, t.meta.entrant])"""
# the class colours of a 3 and the inks of both rooms, as the figures and the app's theme set them
THREE = {"light": (0xB0, 0x24, 0x6F), "dark": (0xFF, 0x8F, 0xC8)}


class Views(Player):
    """The player of images, points and choices, in the words of the tests."""

    def go(self, frame: int) -> None:
        """Put the playhead on a frame as a reader's drag would."""
        self.slider.evaluate(
            "(s, v) => { s.value = v; s.dispatchEvent(new Event('input')); }", str(frame))
        assert self.frame == frame

    def box(self, panel: str) -> dict[str, float]:
        """Where a panel's figure lies on the page."""
        return self.page.locator(f"[data-panel={panel}]").bounding_box()

    def cells(self, line: int) -> list[dict[str, float]]:
        """The images of a line of the strip, found by pointing: middle of each, and its words."""
        box, found, last = self.box("reconstructions"), [], ""
        y = self.line_middle(line)
        along = [(x, y) for x in range(int(box["width"] * 0.15), int(box["width"]) - 2, 4)]
        for (x, _), tip in zip(along, self.tips(along), strict=True):
            if tip and tip != last:
                found.append({"x": x + 4, "y": y, "tip": tip})
            last = tip
        return found

    def line_middle(self, line: int) -> float:
        """The height of a line: lines are told apart by the words of their tips."""
        box = self.box("reconstructions")
        seen: list[str] = []
        grid = [(x, y) for y in range(2, int(box["height"]) - 2, 4)
                for x in range(int(box["width"] * 0.3), int(box["width"]) - 2, 16)]
        for (_, y), tip in zip(grid, self.tips(grid), strict=True):
            name = tip.split(",")[0]
            if name and name not in seen:
                seen.append(name)
                if len(seen) > line:
                    return y + 6
        raise AssertionError(f"no line {line} among {seen}")

    def tips(self, places: list[tuple[int, int]]) -> list[str]:
        """The tip at each of many places of the strip.

        The events are made in the page: a mouse's way there and back would take a minute.
        """
        return self.page.evaluate(TIPS, places)

    def tip(self) -> str:
        """What the tip over the strip says, empty where it is hidden."""
        return self.page.locator("[data-panel=reconstructions] .qnviz-tip").evaluate(
            "(t) => t.hidden ? '' : t.textContent")

    def away(self) -> None:
        """Take the pointer off all pictures."""
        self.page.mouse.move(1, 1)

    def pixel(self, panel: str, at: dict[str, float]) -> list[int]:
        """The colour of a canvas at a place."""
        return self.page.evaluate(PIXEL, [panel, at["x"], at["y"]])

    def ink(self, panel: str, colour: tuple[int, ...]) -> dict[str, float]:
        """What a canvas shows in one colour."""
        return self.page.evaluate(INK, [panel, colour])

    def choice(self, panel: str) -> Any:
        """The selector in a panel's title bar."""
        return self.page.locator(f".qnviz-panel:has([data-panel={panel}]) .qnviz-choice")

    def title(self, panel: str) -> str:
        """A panel's title."""
        box = self.page.locator(f".qnviz-panel:has([data-panel={panel}])")
        return box.locator(".qnviz-title").inner_text()
