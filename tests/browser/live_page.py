"""A player alone on a page, with the engine beside it, and the run of a spec in its pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import plotly

from qnviz.figures.player import linked
from qnviz.figures.race import RaceView
from qnviz.runs.loop import run
from qnviz.runs.portable import portable
from qnviz.runs.spec import parse
from qnviz.runs.trace import Trace
from qnviz.web import ENGINE, bundle, text
from tests.browser.modules import imported

PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
# the engine stands in the page; what is reported is kept
MOUNT = """async ([payload, engine]) => {
  window.QnvizPlotly = window.Plotly;
  window.edits = [];
  window.engine = URL.createObjectURL(new Blob([engine], {type: 'text/javascript'}));
  if (payload.live) payload.live.engine = window.engine;
  const root = document.body.appendChild(document.createElement('div'));
  window.player = new m.Player(root, payload, {onEdit: (edit) => edits.push(edit)});
  while (root.dataset.ready !== 'true') await new Promise((done) => setTimeout(done, 10));
  while (payload.live && !player.live.engine) await new Promise((done) => setTimeout(done, 10));
}"""
UPDATE = """async (payload) => {
  if (payload.live) payload.live.engine = window.engine;
  await player.update(payload);
}"""
FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def raced(problem: dict[str, Any], methods: list[dict[str, Any]], steps: int = 40,
          **fields: Any) -> Trace:
    """The record of a race."""
    return run(parse({"problem": problem, "methods": methods, "steps": steps, "seed": 3} | fields))


def payload(trace: Trace, layout: str | None = None, axis: str = "iterations",
            answered: int | None = None) -> dict[str, Any]:
    """What the player is sent of it."""
    made = linked(RaceView(trace, axis=axis), layout, follow=False)
    return made | {"plotly_url": "nowhere", "autoplay": False, "answered": answered, "live": {
        "spec": portable(parse(trace.spec)), "engine": "", "axis": axis}}


class LivePage:
    """The player, in the words of the tests."""

    def __init__(self, page: Any, data: dict[str, Any], engine: str | None = None) -> None:
        self.page = page
        imported(page, "player/player.js")
        page.add_script_tag(content=PLOTLY.read_text(encoding="utf-8"))
        page.add_style_tag(content=text("player/player.css"))
        page.evaluate(MOUNT, [data, engine or bundle(ENGINE)])
        self.start = page.get_by_role("slider", name="Start of the run")

    def change(self, edit: dict[str, Any]) -> None:
        """Change something under the hand, and see it drawn."""
        self.page.evaluate("(edit) => player.live.change(edit)", edit)
        self.page.evaluate(FRAMES)

    def update(self, data: dict[str, Any]) -> None:
        """A payload comes."""
        self.page.evaluate(UPDATE, data)

    @property
    def live(self) -> bool:
        """Whether the pictures follow the hand."""
        return self.page.evaluate("() => player.live.on")

    @property
    def edits(self) -> list[dict[str, Any]]:
        """What was reported."""
        return self.page.evaluate("() => edits")

    @property
    def shown(self) -> str:
        """Which record is shown."""
        return self.page.locator("[data-qnviz-player]").get_attribute("data-id")

    def middle(self) -> tuple[float, float]:
        """The middle of the start's handle on the page."""
        box = self.start.bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
