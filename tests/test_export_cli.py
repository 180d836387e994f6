"""`python -m qnviz export`: every ending, from traces and specs, and its refusals."""

import csv
import json

import pytest

from qnviz.__main__ import main
from qnviz.export import pictures
from qnviz.figures.player import LAYOUTS
from qnviz.runs.trace import Trace
from tests.test_architecture import ROOT

HOME = ROOT / "assets" / "home.npz"
SPEC = {"problem": {"name": "rosenbrock", "noise": 1.0}, "steps": 6, "runs": 2,
        "methods": [{"name": "kbfgs"}, {"name": "kfac"}, {"name": "adam"}]}


@pytest.fixture
def asked(tmp_path):
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(SPEC))
    return path


@pytest.fixture
def drawn(monkeypatch):
    """Figures that would go to the browser, with format and size."""
    found = []

    def render(figure, form, place):
        found.append((figure, form, place))
        return b"picture"

    monkeypatch.setattr(pictures.RENDERER, "render", render)
    return found


def call(capsys, *args):
    status = main(["export", *map(str, args)])
    out, err = capsys.readouterr()
    return status, out, err


def test_a_trace_becomes_a_page(tmp_path, capsys):
    out = tmp_path / "home.html"
    status, text, err = call(capsys, HOME, "--out", out, "--step", 40, "--theme", "dark")
    assert (status, err) == (0, "")
    assert text == f"Saved {out}, {round(out.stat().st_size / 1e3):,} kB.\n"
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_spec_is_run_first(asked, tmp_path, capsys):
    out = tmp_path / "run.npz"
    status, _, err = call(capsys, asked, "--out", out)
    assert status == 0
    assert "18/18" in err, "the progress bar is full"
    assert Trace.load(out)["kbfgs"]["loss"].shape == (7, 2)


def test_numbers_of_one_run_and_one_method(asked, tmp_path, capsys):
    out = tmp_path / "n.csv"
    assert call(capsys, asked, "--out", out, "--run", 1, "--method", "adam", "--quiet") == (
        0, "", "")
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [r["step"] for r in rows] == list("0123456")
    assert {r["method"] for r in rows} == {"adam"}


def test_scripts(asked, tmp_path, capsys):
    out = tmp_path / "s.py"
    assert call(capsys, asked, "--out", out)[0] == 0
    assert "stream(parse(SPEC))" in out.read_text()
    assert call(capsys, HOME, "--out", out, "--method", "Adam")[0] == 0
    assert "torch.optim.Adam(" in out.read_text()
    status, _, err = call(capsys, asked, "--out", out, "--method", "kfac")
    assert status == 1
    assert err.startswith("qnviz: KFAC has no drop-in here")


def test_all_pictures_or_those_named(tmp_path, capsys, drawn):
    status, _, _ = call(capsys, HOME, "--out", tmp_path / "p.svg", "--size", "half",
                        "--transparent")
    assert status == 0
    names = [n for row in LAYOUTS["rosenbrock"] for n in row if not n.startswith("@")]
    assert sorted(p.name for p in tmp_path.glob("*.svg")) == sorted(f"p-{n}.svg" for n in names)
    assert {(form, place.width, place.height) for _, form, place in drawn} == {("svg", 960, 1080)}
    assert all(f["layout"]["paper_bgcolor"] == "rgba(0,0,0,0)" for f, *_ in drawn)
    drawn.clear()
    call(capsys, ROOT / "assets" / "autoencoder.npz", "--out", tmp_path / "one.png", "--panel",
         "eig/layer 2", "--step", 7, "--theme", "dark")
    assert (tmp_path / "one.png").read_bytes() == b"picture"
    assert len(drawn) == 1
    assert "step 7 of 300" in drawn[0][0]["layout"]["title"]["text"]
    call(capsys, ROOT / "assets" / "damping.npz", "--out", tmp_path / "d.pdf", "--layout",
         "damping", "--panel", "raster", "--panel", "ratios")
    assert {p.name for p in tmp_path.glob("*.pdf")} == {"d-raster.pdf", "d-ratios.pdf"}


WRONG = {
    "useless panel": (["--out", "x.html", "--panel", "loss"], "--panel is for pictures, not for"),
    "useless method": (["--out", "x.npz", "--method", "Adam"], "--method is for .csv and .py"),
    "ending": (["--out", "x.gif"], "the ending must be one of .html"),
    "folder": (["--out", "no/x.html"], "the folder 'no' does not exist"),
    "run": (["--out", "x.html", "--run", "1"], "--run is 1, but the runs are numbered 0 to 0."),
    "step": (["--out", "x.html", "--step", "-1"], "--step is -1"),
    "layout": (["--out", "x.html", "--layout", "nope"], "--layout is 'nope'"),
    "panel": (["--out", "x.png", "--panel", "nope"], "--panel is 'nope', but must be one of path"),
    "size": (["--out", "x.png", "--size", "9:9"], "--size is '9:9', but must be one of 16:9"),
    "entrant": (["--out", "x.csv", "--method", "nope"], "the entrants are K-BFGS"),
    "method": (["--out", "x.py", "--method", "nope"], "the entrants are K-BFGS")}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_requests_end_with_status_2(tmp_path, capsys, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    args, said = WRONG[case]
    status, out, err = call(capsys, HOME, *args)
    assert (status, out) == (2, "")
    assert said in err
    assert all(line.startswith("qnviz: ") and line.endswith(".") for line in err.splitlines())
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_carried_out_ends_with_status_1(tmp_path, capsys, monkeypatch):
    for source, out, said in (
            (tmp_path / "no.npz", tmp_path / "x.csv", "no.npz cannot be read"),
            (HOME, tmp_path, None)):
        if said:
            status, _, err = call(capsys, source, "--out", out)
            assert (status, said in err) == (1, True)
    (tmp_path / "x.html").mkdir()
    status, _, err = call(capsys, HOME, "--out", tmp_path / "x.html")
    assert (status, "could not be written" in err) == (1, True)
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "no-browser"))
    status, _, err = call(capsys, HOME, "--out", tmp_path / "x.png", "--panel", "loss")
    assert status == 1
    assert err == f"qnviz: {pictures.NO_BROWSER}\n"


def test_an_unreadable_spec_ends_with_status_2(tmp_path, capsys):
    path = tmp_path / "spec.json"
    path.write_text('{"problem": ')
    status, _, err = call(capsys, path, "--out", tmp_path / "x.html")
    assert (status, "not valid JSON" in err) == (2, True)
