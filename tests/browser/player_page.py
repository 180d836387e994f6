"""Apps with a player: what all share, and a race for tests of what the player does."""

from __future__ import annotations

import json
import re
from typing import Any

LAST = 120  # frames of the playhead

# Serves the pages beside it, with Plotly's bundle where a page's player looks for it.
APP = """
from pathlib import Path
import plotly, streamlit as st
from starlette.responses import FileResponse
from starlette.routing import Route

BUNDLE = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"

async def bundle(request):
    return FileResponse(BUNDLE, media_type="text/javascript")

app = st.App("site.py", routes=[Route("/bundle/plotly.js", bundle)])
"""

SITE = """
import streamlit as st

st.navigation([st.Page("player.py", default=True), st.Page("views.py"), st.Page("pair.py")],
              position="hidden").run()
"""

PAGE = """
import math
import streamlit as st
from qnviz.ui.components.player import player

st.set_page_config(layout="wide")
state = st.session_state
state.setdefault("starts", [])
state.setdefault("frames", [])
left, right = st.columns(2)
shift = left.number_input("shift", 0.0, 1.0, 0.0, 0.25)
right.slider("other", 0, 10, 5)
pin = left.text_input("pin")
few, gone = right.checkbox("few"), right.checkbox("gone")
query = st.query_params
LAST = 120
lengths = [LAST, LAST, 60]
labels = [("kbfgs", "K-BFGS", "#0072b2", "circle"), ("cb", "CurveBall", "#d55e00", "square"),
          ("nk", "Newton-Krylov", "#009e73", "diamond")][: 2 if few else 3]
entrants, path, loss, curves = [], [], [], {"path": [], "loss": []}
for k, (label, title, color, marker) in enumerate(labels):
    n = lengths[k]
    steps = list(range(n + 1))
    xs = [-1.5 + 3 * i / LAST for i in steps]
    ys = [k * 0.8 - 0.5 + shift + 0.3 * math.sin(i / 15) for i in steps]
    losses = [10 ** (1 - (k + 1) * i / LAST) for i in steps]
    entrants.append({"label": label, "title": title, "color": color, "dash": "dash",
                     "marker": marker, "clock": steps, "loss": losses,
                     "words": [f"{label} at {i}" for i in steps],
                     "end": "Converged at step 60." if label == "nk" else None})
    path.append({"entrant": k, "x": xs, "y": ys})
    loss.append({"entrant": k, "x": steps, "y": losses})
    for name, x, y in [("path", xs, ys), ("loss", steps, losses)]:
        curves[name].append({"type": "scatter", "mode": "lines", "x": x, "y": y,
                             "line": {"color": color}, "opacity": 0.4, "meta": {"entrant": k}})
grid = [i / 10 for i in range(-20, 21)]
contour = {"type": "contour", "x": grid, "y": grid, "showscale": False, "hoverinfo": "skip",
           "colorscale": [[0, "#eeeeee"], [1, "#cccccc"]],
           "z": [[x * x + y * y for x in grid] for y in grid]}
margin = {"l": 40, "r": 10, "t": 6, "b": 30}
base = {"margin": margin, "showlegend": False, "hovermode": False}
linear = {**base, "xaxis": {"range": [-2, 2]}, "yaxis": {"range": [-1, 2]}}
log = {**base, "xaxis": {"range": [0, LAST]}, "yaxis": {"type": "log", "range": [-2.5, 1.5]}}

def panel(name, layout, heads, click, **more):
    return {"id": name, "title": name, "alt": f"What {name} shows.", "span": 1, "trail": 0,
            "heads": heads, "cursor": False, "click": click, **more,
            "figure": {"data": more.pop("under", []) + curves[name[:4]], "layout": layout}}

panels = [panel("path", linear, path, "start", under=[contour]),
          panel("loss", log, loss, "start"),
          panel("loss2", log, loss, None, cursor=True)]
payload = {"id": f"data-{shift}" + "-few" * few, "theme": "light",
           "plotly_url": "/bundle/plotly.js",
           "frame": int(pin or query.get("frame", -1)) if pin or "frame" in query else None,
           "autoplay": "auto" in query, "rate": 60,
           "clock": {"label": "step", "unit": "", "frames": list(range(LAST + 1))},
           "entrants": entrants, "panels": panels,
           "rows": [["path", "loss", "loss2"], ["@words"]]}
if not gone:
    player(payload, key="race", on_start=lambda: state.starts.append(state.race.start),
           on_frame=lambda: state.frames.append(state.race.frame))
if "two" in query:
    player(payload, key="second")
st.text(f"starts={state.starts}")
st.text(f"frames={state.frames}")
st.text(f"shift={shift}")
"""

# What is drawn on a panel's canvas in (nearly) one colour: how many pixels, and their middle.
INK = """([panel, colour]) => {
  const box = document.querySelectorAll('.qnviz-figure')[panel];
  const canvas = box.querySelector('canvas.qnviz-canvas');
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let [count, x, y] = [0, 0, 0];
  for (let i = 0; i < pixels.length; i += 4) {
    if (pixels[i + 3] < 200) continue;
    if ([0, 1, 2].some((k) => Math.abs(pixels[i + k] - colour[k]) > 8)) continue;
    count += 1;
    x += (i / 4) % canvas.width + 0.5;
    y += Math.floor(i / 4 / canvas.width) + 0.5;
  }
  const corner = canvas.getBoundingClientRect();
  return {count, x: corner.left + x / count, y: corner.top + y / count};
}"""
BLUE, ORANGE, GREEN = (0, 114, 178), (213, 94, 0), (0, 158, 115)


class Player:
    """The player on a page."""

    def __init__(self, page: Any, url: str) -> None:
        self.page = page
        page.goto(url)
        page.wait_for_selector("[data-qnviz-player][data-ready=true]", timeout=30_000)
        self.root = page.locator("[data-qnviz-player]").first
        self.slider = page.get_by_role("slider", name="Playhead").first

    @property
    def frame(self) -> int:
        """The playhead's frame."""
        return int(self.root.get_attribute("data-frame"))


class Race(Player):
    """The player of a race, in the words of the tests."""

    @property
    def playing(self) -> bool:
        """Whether the playhead runs."""
        return self.root.get_attribute("data-playing") == "true"

    def press(self, *keys: str) -> int:
        """Press keys one after another; gives the frame after the last."""
        for key in keys:
            self.page.keyboard.press(key)
        return self.frame

    def wait_frame(self, least: int) -> None:
        """Wait until the playhead has come so far."""
        self.page.wait_for_function(
            "n => +document.querySelector('[data-qnviz-player]').dataset.frame >= n", arg=least
        )

    def wait_text(self, text: str) -> None:
        """Wait for a line that the script prints."""
        self.page.get_by_text(text, exact=True).wait_for(timeout=10_000)

    def server_list(self, name: str) -> list[Any]:
        """A list that the script prints, once it is not empty."""
        line = self.page.get_by_text(re.compile(rf"^{name}=\[.+\]"))
        line.wait_for(timeout=10_000)
        return json.loads(line.inner_text().split("=")[1])

    def ink(self, panel: int, colour: tuple[int, int, int]) -> dict[str, float]:
        """What a panel's canvas shows in one colour: pixels, and their middle on the page."""
        return self.page.evaluate(INK, [panel, colour])

    def area(self, panel: int) -> dict[str, float]:
        """The plotting area on the page, as Plotly laid it out."""
        return self.page.locator(".qnviz-figure").nth(panel).locator(".nsewdrag").bounding_box()

    def change_data(self) -> None:
        """Change a widget that changes the data, and wait until the new ones are drawn."""
        self.page.get_by_role("spinbutton", name="shift").fill("0.5")
        self.page.keyboard.press("Enter")
        self.wait_text("shift=0.5")
        self.page.wait_for_selector("[data-qnviz-player][data-ready=true][data-id='data-0.5']")
