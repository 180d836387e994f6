"""The page of a run: whole, closed to the network, and harmless whatever its texts say."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from qnviz.export import words
from qnviz.export.html import interned, player_html
from qnviz.export.pictures import plotly_js
from qnviz.figures.player import linked
from qnviz.figures.race import RaceView
from qnviz.figures.theme import DARK, THEMES
from qnviz.runs.handles import handles
from qnviz.runs.loop import run
from qnviz.runs.portable import portable
from qnviz.runs.spec import parse
from qnviz.runs.trace import Trace
from qnviz.sweeps.result import SweepResult
from qnviz.sweeps.spec import parse_sweep
from qnviz.ui.maps.basins import BasinQuestion
from qnviz.ui.maps.page import _saved, payload
from qnviz.web import bundle, encoded
from tests.helpers import spec
from tests.test_architecture import ROOT


class Page(HTMLParser):
    """Tags with their attributes, and what scripts and the title hold."""

    def __init__(self, text):
        super().__init__(convert_charrefs=False)
        self.tags, self.held = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style", "title"):
            self.held.append("")

    def handle_data(self, data):
        if self.tags and self.tags[-1][0] in ("script", "style", "title"):
            self.held[-1] += data

    def named(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def restored(value, table):
    """As the page does it."""
    if isinstance(value, list):
        return [restored(v, table) for v in value]
    if isinstance(value, dict):
        return table[value["@"]] if "@" in value else {
            n: restored(v, table) for n, v in value.items()}
    return value


def held(text):
    """The data of a page."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    return json.loads(found[1])


@pytest.fixture(scope="module")
def home():
    return Trace.load(ROOT / "assets" / "home.npz")


@pytest.fixture(scope="module")
def page(home):
    return player_html(home, frame=40)


def test_nothing_is_fetched_and_only_these_scripts_run(page):
    read = Page(page)
    policy = next(a["content"] for a in read.named("meta") if "http-equiv" in a)
    rules = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data: blob:"
    scripts = re.findall(r"<script(?: type=\"module\")?>(.*?)</script>", page, re.S)
    assert len(scripts) == 2
    assert rules["script-src"].split() == [
        f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'"
        for s in scripts]
    assert not [a for _, attrs in read.tags for a in attrs if a in ("src", "href", "srcset")]
    assert "@import" not in page.split("<script", 1)[0]
    assert "url(" not in page.split("<script", 1)[0]
    assert plotly_js().read_text(encoding="utf-8") in page


@pytest.mark.parametrize("theme", THEMES)
def test_both_lights_hold_the_pages_own_payload(home, page, theme):
    data = held(page)
    spec = parse(home.spec)
    expected = json.loads(encoded(linked(RaceView(home, THEMES[theme])) | {
        "frame": 40, "handles": handles(spec),
        "live": {"spec": portable(spec), "engine": "", "axis": "iterations"}}))
    assert restored(data["payloads"][theme], data["table"]) == expected


def test_what_the_engine_cannot_compute_stays_as_it_is():
    net = Trace.load(ROOT / "assets" / "linear_net.npz")
    payload = held(player_html(net))["payloads"]["light"]
    assert "live" not in payload
    assert "handles" not in payload


def test_what_both_lights_share_stands_once(home, page):
    alone = len(encoded(linked(RaceView(home))))
    scripts = len(plotly_js().read_text(encoding="utf-8"))
    assert len(page) < scripts + 1.3 * alone + len(bundle("offline.js")) + 80_000
    assert interned({"a": ["x" * 99], "b": "x" * 99, "c": ["short"], "d": ["x" * 99]}) == (
        {"a": {"@": 0}, "b": {"@": 1}, "c": ["short"], "d": {"@": 0}}, [["x" * 99], "x" * 99])


def test_the_page_says_what_run_it_is(home, page):
    about = held(page)["about"]
    assert about["title"] == "Rosenbrock: 6 methods"
    assert Page(page).held[0].strip() == about["title"]
    assert json.loads(about["spec"]) == home.spec
    assert [row[0] for row in about["methods"]] == [e.title for e in home.entrants]
    assert about["methods"][0][1].startswith("lr = 0.05, lam = 0.3, mu1 = 0.2")
    assert about["methods"][0][2] == home.ends[home.entrants[0].label][0]
    assert "start = (−1.2, 1)" in about["problem"]
    assert "seed 0" in about["problem"]
    assert "plotly.js 4" in about["made"]
    assert "MIT" in about["made"]


def test_texts_cannot_become_markup(home):
    evil = '</script><script>alert(1)</script><!--<img src=x onerror=alert(2)>{{plotly}}&"\'\u2028'
    entrants = [replace(home.entrants[0], title=evil), *home.entrants[1:3]]
    trace = replace(home, entrants=entrants[:3], ends={
        **home.ends, entrants[0].label: [evil]}, device=evil)
    text = player_html(trace)
    read = Page(text)
    assert len(read.named("script")) == 3
    assert not read.named("img")
    assert "<img src=x" not in text
    assert text.count("{{plotly}}") == evil.count("{{plotly}}") * text.count("alert(2)")
    assert evil in held(text)["about"]["title"]
    data = held(text)
    payload = restored(data["payloads"]["light"], data["table"])
    assert payload["entrants"][0]["title"] == evil


def test_run_frame_axis_and_light_are_those_asked_for():
    trace = run(spec({"name": "adam"}, steps=5, runs=3,
                     problem={"name": "rosenbrock", "noise": 1.0}))
    data = held(player_html(trace, run=2, axis="work", frame=3, theme="dark"))
    assert data["theme"] == "dark"
    payload = restored(data["payloads"]["dark"], data["table"])
    assert payload == json.loads(encoded(linked(RaceView(trace, DARK, "work", 2)) | {"frame": 3}))
    assert data["about"]["methods"][0][2] == trace.ends["adam"][2]
    assert "3 runs" in data["about"]["problem"]
    assert held(player_html(trace))["payloads"]["light"]["autoplay"] is True


def test_captions_name_what_is_unusual():
    asked = spec({"name": "adam"}, steps=5, seed=4, problem={"name": "rosenbrock", "noise": 3.0})
    assert words.caption(asked.model_dump(mode="json")) == "Rosenbrock, noise = 3, seed 4"
    assert words.caption(asked.short()) == "Rosenbrock, noise = 3, seed 4"
    assert words.caption({"problem": {"name": "gone", "a": "x" * 99}}) == (
        f"gone, a = {'x' * 60}…, seed 0")
    assert words.settings({"name": "gone"}) == "nothing to set"


# --- maps -----------------------------------------------------------------------------------------

def test_a_page_of_maps_holds_both_themes_and_the_engine():
    q = BasinQuestion(points=4, steps=20)
    results = tuple(SweepResult(p.spec) for p in q.plans()[0])
    page = _saved(q, results)
    data, there = held(page), Page(page)
    for theme in THEMES:
        expected = json.loads(encoded(payload(q, results, theme) | {
            "plotly_url": "", "headline": ""}))
        assert restored(data["payloads"][theme], data["table"]) == expected
    policy = there.named("meta")[1]["content"]
    assert "worker-src blob:" in policy
    assert "unsafe-eval" not in policy
    assert not re.search(r"https?:", policy)
    assert {"data", "engine", "worker"} <= {attrs.get("id") for attrs in there.named("script")}
    assert [parse_sweep(s).key() for s in json.loads(data["about"]["spec"])] == [
        p.spec.key() for p in q.plans()[0]]
