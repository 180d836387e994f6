"""A picture that stands still is what the canvas shows at that frame."""

import base64
import struct
import zlib

import numpy as np
import plotly.graph_objects as go
import pytest

from qnviz.figures.packing import packed, plain, unpacked
from qnviz.figures.player import Clock, assembled, linked
from qnviz.figures.playhead import Playhead
from qnviz.figures.race import RaceView
from qnviz.figures.race.codes import codes
from qnviz.figures.race.strip import planned, png
from qnviz.figures.still import still
from qnviz.figures.theme import DARK, LIGHT, THEMES
from qnviz.runs.loop import run
from qnviz.runs.trace import Trace
from tests.helpers import spec
from tests.net_traces import autoencoder
from tests.test_architecture import ROOT

SHIPPED = ["home", "linear_net", "autoencoder", "damping", "krylov"]


def payload(name, theme="light", axis="iterations"):
    trace = Trace.load(ROOT / "assets" / f"{name}.npz")
    return linked(RaceView(trace, THEMES[theme], axis), name if name in ("damping", "krylov")
                  else None)


@pytest.fixture(scope="module")
def race():
    return run(spec({"name": "kbfgs", "lr": 0.05}, {"name": "curveball"}, {"name": "adam"},
                    steps=60, stop_loss=1e-6))


def heads(figure):
    """Marker traces that the playhead moves: two points on one another."""
    return [t for t in figure["data"] if t["type"] == "scatter" and t["mode"] == "markers"
            and t.get("cliponaxis") is False]


def image(source):
    """The pixels of a PNG without filters, read by the standard's plain rules."""
    data = base64.b64decode(source.removeprefix("data:image/png;base64,"))
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, parts = 8, {}
    while at < len(data):
        size, name = struct.unpack(">I4s", data[at:at + 8])
        parts[name] = data[at + 8:at + 8 + size]
        assert zlib.crc32(name + parts[name]) == struct.unpack(
            ">I", data[at + 8 + size:at + 12 + size])[0]
        at += 12 + size
    width, height = struct.unpack(">II", parts[b"IHDR"][:8])
    lines = np.frombuffer(zlib.decompress(parts[b"IDAT"]), np.uint8).reshape(height, -1)
    assert not lines[:, 0].any()
    return lines[:, 1:].reshape(height, width, 4)


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("theme", THEMES)
def test_every_panel_of_every_lab_is_a_figure_that_plotly_takes(name, theme):
    data = payload(name, theme)
    for panel in data["panels"]:
        for choice in (panel, *panel["choices"]):
            figure = still(data, panel["id"], 7, choice=choice["label"] or None)
            # as the browser gets it; Plotly checks every attribute
            drawn = go.Figure(plain(figure))
            assert (drawn.layout.width, drawn.layout.height) == (640, 360)
            words = " ".join(drawn.layout.title.text.replace("<br>", " ").split())
            assert choice["title"].split()[0] in words


@pytest.mark.parametrize("axis", ["iterations", "work", "seconds"])
def test_heads_stand_where_the_entrants_are(race, axis):
    data = linked(RaceView(race, axis=axis))
    frames = unpacked(data["clock"]["frames"])
    for frame in (0, 3, len(frames) - 1):
        drawn = {t["marker"]["color"][1]: t for t in heads(still(data, "loss", frame))}
        for i, e in enumerate(race.entrants):
            c = race[e.label]
            ticks = unpacked(data["entrants"][i]["clock"])
            step = max(0, *np.flatnonzero(ticks <= frames[frame] * (1 + 1e-7)), 0)
            over = frames[frame] > ticks[-1] * (1 + 1e-7)
            color = THEMES["light"].paper if over else e.color
            mark = drawn[color] if not over else next(
                t for t in heads(still(data, "loss", frame))
                if t["marker"]["line"]["color"][1] == e.color)
            assert mark["x"][1] == pytest.approx(ticks[step])
            assert mark["y"][1] == pytest.approx(c["loss"][step, 0], rel=1e-6)
            assert mark["marker"]["symbol"] == e.marker


def test_a_run_that_is_over_is_hollow(race):
    data = linked(RaceView(race))
    ball = race.entrants[1]
    stop = int(race[ball.label]["stopped"][0])
    assert race[ball.label]["status"][0] == "converged"
    assert stop < 60
    for frame, hollow in ((stop, False), (stop + 1, True)):
        mark = heads(still(data, "path", frame))[1]          # drawn from the last to the first
        assert (mark["marker"]["color"][1] != ball.color) == hollow
        assert (mark["marker"]["line"]["width"][1] > 0) == hollow


def test_the_first_entrant_is_drawn_last(race):
    assert [t["marker"]["color"][1] for t in heads(still(linked(RaceView(race)), "path", 2))] == [
        e.color for e in reversed(race.entrants)]


def test_who_left_the_picture_is_an_arrow_at_its_edge(race):
    data = linked(RaceView(race))
    panel = next(p for p in data["panels"] if p["id"] == "path")
    panel["heads"][0] |= {"x": packed(np.full(61, 99.0)), "y": packed(np.full(61, 1.0))}
    mark = heads(still(data, "path", 5))[-1]
    assert mark["marker"]["symbol"] == "arrow"
    assert mark["marker"]["angle"] == 90.0, "to the right"
    low, high = panel["figure"]["layout"]["xaxis"]["range"]
    assert high - 0.05 * (high - low) < mark["x"][1] < high
    panel["heads"][0] |= {"x": packed(np.full(61, 1.0)), "y": packed(np.full(61, -99.0))}
    assert heads(still(data, "path", 5))[-1]["marker"]["angle"] == 180.0, "down"


def test_nothing_stands_where_a_value_is_none(race):
    data = linked(RaceView(race))
    panel = next(p for p in data["panels"] if p["id"] == "loss")
    for value, left in ((-1.0, 2), (np.nan, 2), (0.0, 3)):
        panel["heads"][0]["y"] = packed(np.full(61, value))
        marks = heads(still(data, "loss", 5))
        assert len(marks) == left
    assert marks[-1]["marker"]["symbol"] == "arrow", "zero is far below on a log axis"
    assert marks[-1]["marker"]["angle"] == 180.0


def test_a_trail_is_the_latest_part_of_the_way(race):
    data = linked(RaceView(race))
    panel = next(p for p in data["panels"] if p["id"] == "path")
    before = len(panel["figure"]["data"])
    for frame, pieces in ((0, 0), (3, 3), (50, 8)):
        figure = still(data, "path", frame)
        pieces_of = [t for t in figure["data"][before:] if t["mode"] == "lines"
                     and t["line"]["color"] == race.entrants[0].color]
        assert len(pieces_of) == pieces
        if pieces:
            theta = race["kbfgs"]["theta"][:, 0]
            x = np.concatenate([pieces_of[0]["x"], *(t["x"][1:] for t in pieces_of[1:])])
            np.testing.assert_allclose(x, theta[max(0, frame - panel["trail"]):frame + 1, 0],
                                       rtol=1e-6)
            shades = [t["opacity"] for t in pieces_of]
            assert shades == sorted(shades)
            assert shades[-1] == pytest.approx(0.95)


def test_the_cursor_goes_through_all_axes(race):
    figure = still(linked(RaceView(race)), "eig", 17)
    line = figure["layout"]["shapes"][-1]
    assert (line["x0"], line["x1"], line["y0"], line["y1"]) == (17, 17, 0, 1)


def test_title_legend_and_caption_are_inside(race):
    data = linked(RaceView(race, DARK))
    figure = still(data, "loss", 9, caption="Rosenbrock <1>", width=320, transparent=True)
    text = figure["layout"]["title"]["text"]
    assert "step 9 of 60 · Rosenbrock &lt;1&gt;" in text.replace("<br>", " ").replace(
        '</span> <span style="font-size:12px;color:#a3abbd">', " ")
    assert figure["layout"]["paper_bgcolor"] == "rgba(0,0,0,0)"
    legend = [t for t in figure["data"] if t.get("showlegend")]
    assert [t["name"] for t in legend] == [e.title for e in race.entrants]
    places = [figure["layout"][t["legend"]] for t in legend]
    assert len({(p["x"], p["y"]) for p in places}) == 3
    assert all(0 <= p["x"] < 1 and 0 < p["y"] < 1 for p in places)


def test_a_pictures_own_legend_stays():
    figure = still(payload("krylov"), "reasons")
    assert figure["layout"]["showlegend"] is True
    assert {t["name"] for t in figure["data"] if t.get("showlegend") is not False} >= {"budget"}


def test_frames_beyond_the_ends_are_the_ends(race):
    data = linked(RaceView(race))
    assert Playhead.at(data).words == Playhead.at(data, 9999).words == "step 60 of 60"
    assert Playhead.at(data, -3).time == 0
    assert Playhead.at(linked(RaceView(race, axis="work")), 0).words.endswith("passes")


@pytest.mark.parametrize(("panel", "choice"), [("nope", None), ("loss", "nope")])
def test_what_is_not_there_is_named(race, panel, choice):
    with pytest.raises(KeyError, match="nope"):
        still(linked(RaceView(race)), panel, choice=choice)


def test_points_stand_where_the_code_is():
    trace = autoencoder(units=2)
    picture = codes(RaceView(trace, THEMES["light"]))
    entrants = [{"label": e.label, "title": e.title, "color": e.color, "dash": e.dash,
                 "marker": e.marker, "clock": np.arange(13.0), "loss": np.ones(13), "words": [],
                 "end": ""} for e in trace.entrants]
    data = assembled(LIGHT, [picture], entrants, Clock(np.arange(13.0)), [["codes"]], "x")
    for frame, look in ((0, 0), (5, 1), (12, 4)):
        texts = [t for t in still(data, "codes", frame)["data"] if t.get("mode") == "text"]
        labels = trace.scene["labels"]
        for t in texts:
            digit = int(t["text"][0].strip("<b/>"))
            expected = trace["e0"]["view_code"][look][labels == digit]
            np.testing.assert_allclose(np.stack([t["x"], t["y"]], 1), expected, atol=1e-3)


def test_images_are_those_due_and_nothing_stands_between_them():
    data = payload("autoencoder", "dark")
    shown = next(p for p in data["panels"] if p["id"] == "reconstructions")["strip"]
    figure = still(data, "reconstructions", 150, density=2.0)
    pixels = image(figure["layout"]["images"][0]["source"])
    head, theme = Playhead.at(data, 150), THEMES["dark"]
    inner = (figure["layout"]["margin"], figure["layout"]["width"], figure["layout"]["height"])
    width = inner[1] - inner[0]["l"] - inner[0]["r"]
    assert pixels.shape[1] == round(2 * width)
    seen = np.unique(pixels[..., 3])
    assert seen.tolist() == [0, 255]
    row = shown["rows"][0]
    view = head.row(unpacked(row["rows"]), 0)
    wanted = unpacked(row["images"]).reshape(-1, shown["count"], *shown["shape"])[view, 0]
    # the first entrant's first image: below the first input, of the same columns
    solid = pixels[..., 3].any(0).nonzero()[0]
    left = solid[0]
    lines = np.diff(np.concatenate([[0], pixels[:, left, 3] > 0, [0]]).astype(int))
    tops, ends = (lines == 1).nonzero()[0], (lines == -1).nonzero()[0]
    high = ends[1] - tops[1]
    rows = tops[1] + (np.arange(8) + 0.5) * high / 8
    columns = left + (np.arange(8) + 0.5) * high / 8
    found = pixels[np.ix_(rows.astype(int), columns.astype(int))][..., 0].astype(int)
    ink = int(theme.ink[1:3], 16)
    ground = round(0.93 * int(theme.paper[1:3], 16) + 0.07 * ink)
    expected = ground + (ink - ground) * wanted.astype(int) / 255
    np.testing.assert_allclose(found, np.round(expected), atol=1)
    assert len(tops) == 1 + len(shown["rows"])


def test_images_use_the_room():
    wide = planned(600, 100, (8, 8), 10, 2, 100)
    assert wide.columns == 10
    high = planned(300, 900, (8, 8), 10, 2, 100)
    assert high.columns < 10
    for plan, size in ((wide, (600, 100)), (high, (300, 900))):
        corners = [plan.corner(line, k) for line in range(2) for k in range(10)]
        assert len(set(corners)) == 20
        assert all(x >= 100 and x + plan.cell[0] <= size[0] + 1e-9 for x, _ in corners)
        assert all(y >= 0 and y + plan.cell[1] <= size[1] + 1e-9 for _, y in corners)


def test_png_keeps_every_pixel():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 4)).astype(np.uint8)
    source = "data:image/png;base64," + base64.b64encode(png(pixels)).decode()
    np.testing.assert_array_equal(image(source), pixels)


def test_packed_columns_read_back():
    values = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(unpacked(packed(values, "f8")), values)
    np.testing.assert_array_equal(unpacked([1, None, 3]), [1, np.nan, 3])
