"""The door for saved runs: ours pass untouched; whatever passes can be drawn; the rest is told."""

import io
import json
import warnings
import zipfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib import format as npy

from qnviz.errors import TraceError
from qnviz.figures.player import linked
from qnviz.figures.race import RaceView
from qnviz.methods.registry import METHODS
from qnviz.problems.registry import PROBLEMS
from qnviz.runs.check import checked
from qnviz.runs.loop import run, stream
from qnviz.runs.spec import parse
from qnviz.runs.trace import Trace
from qnviz.ui.labs.details import summary, table
from qnviz.web import encoded

ASSETS = Path(__file__).resolve().parents[1] / "assets"
SHIPPED = ("home", "rosenbrock", "linear_net", "autoencoder", "damping", "krylov")
SMALL = {
    "rosenbrock": {"problem": {"name": "rosenbrock", "noise": 1.0, "start_noise": 0.1},
                   "methods": [{"name": n} for n in ("kbfgs", "newton_krylov", "curveball", "sgd")],
                   "steps": 12, "runs": 3},
    "linear_net": {"problem": {"name": "linear_net", "batch": 20},
                   "methods": [{"name": n} for n in ("kbfgs_l", "bfgs", "newton_krylov")],
                   "steps": 10},
    "autoencoder": {"problem": {"name": "autoencoder"},
                    "methods": [{"name": "kbfgs"}, {"name": "kfac"}], "steps": 6}}


@cache
def small(name):
    return run(parse(SMALL[name]))


def drawn(trace, runs=1):
    """All that the page makes of a trace; raises if something does not fit."""
    for axis in ("iterations", "work", "seconds"):
        for r in range(runs):
            encoded(linked(RaceView(trace, axis=axis, run=r)))
    summary(trace)
    for e in trace.entrants:
        table(trace, e.label)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_runs_that_come_with_the_project_pass_untouched(name):
    trace = Trace.load(ASSETS / f"{name}.npz")
    seen = checked(trace)
    assert seen.left_out == ()
    assert seen.trace.entrants == trace.entrants
    assert seen.trace.spec == trace.spec
    for label, c in trace.columns.items():
        assert set(seen.trace[label]) == set(c)
        assert all(seen.trace[label][n] is a for n, a in c.items())
    assert seen.trace.scene.keys() == trace.scene.keys()
    assert seen.trace.plane.keys() >= trace.plane.keys()
    assert str(seen.trace.scene["loss_name"]) == str(trace.scene["loss_name"])


@pytest.mark.parametrize("name", SMALL)
def test_new_runs_pass_and_are_drawn(name):
    file = io.BytesIO()
    small(name).save(file)
    file.seek(0)
    seen = checked(Trace.load(file))
    assert seen.left_out == ()
    assert seen.spec.key() == seen.trace.key
    drawn(seen.trace, seen.spec.runs)


@pytest.mark.parametrize("name", METHODS)
def test_a_run_of_every_method_passes_whole_and_stopped(name):
    spec = parse({"problem": {"name": "rosenbrock"}, "methods": [{"name": name}], "steps": 40})
    for progress in stream(spec):                     # as it stands after a few steps, too
        assert checked(progress.trace()).left_out == ()


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_run_of_every_problem_passes_whole(name):
    spec = parse({"problem": {"name": name}, "methods": [{"name": "curveball"}, {"name": "adam"}],
                  "steps": 4})
    seen = checked(run(spec))
    assert seen.left_out == ()
    drawn(seen.trace)


# --- damaged files --------------------------------------------------------------------------------

WAYS = ("drop", "shorten", "lengthen", "turn", "kind", "whole", "text", "nan", "inf", "huge",
        "negative", "flat", "empty")


def damaged(a, way, at):
    a = np.array(a)
    match way:
        case "shorten":
            return a[:-1] if a.ndim else a[None]
        case "lengthen":
            return np.concatenate([a, a[-1:]]) if a.ndim and len(a) else a[None]
        case "turn":
            return np.moveaxis(a, 0, -1) if a.ndim > 1 else a[::-1] if a.ndim else a[None]
        case "kind":
            return a.astype("f4") if a.dtype.kind in "biu" else np.zeros(a.shape, bool)
        case "whole":
            return np.full(a.shape, 10**6)
        case "text":
            return np.full(a.shape, "<b>x</b>")
        case "flat":
            return a.reshape(-1)
        case "empty":
            return a[..., :0] if a.ndim else a[None][:0]
    if a.dtype.kind == "f":
        a = a.astype("f8")                             # float32 holds no 1e300
        a.reshape(-1)[int(at * (a.size - 1)):] = {
            "nan": np.nan, "inf": np.inf, "huge": 1e300, "negative": -1e9}[way]
    elif a.dtype.kind in "iu":
        a.reshape(-1)[int(at * (a.size - 1)):] = {"negative": -1 if a.dtype.kind == "i" else 0}.get(
            way, np.iinfo(a.dtype).max)
    return a


@settings(deadline=None, max_examples=250)
@given(st.sampled_from(sorted(SMALL)), st.data())
def test_what_passes_the_door_can_be_drawn(name, data):
    trace = small(name)
    parts = {"plane": dict(trace.plane), "scene": dict(trace.scene)} | {
        label: dict(c) for label, c in trace.columns.items()}
    for _ in range(data.draw(st.integers(1, 2))):
        part = data.draw(st.sampled_from(sorted(parts)))
        column = data.draw(st.sampled_from(sorted(parts[part]))) if parts[part] else None
        if column is None:
            continue
        way = data.draw(st.sampled_from(WAYS))
        if way == "drop":
            del parts[part][column]
        else:
            parts[part][column] = damaged(parts[part][column], way, data.draw(st.floats(0, 1)))
    broken = replace(trace, plane=parts.pop("plane"), scene=parts.pop("scene"), columns=parts)
    try:
        seen = checked(broken)
    except TraceError as error:
        told = str(error)
        assert told.endswith("."), told
        return
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)        # numpy's: nothing but NaN to look at
        drawn(seen.trace)


@pytest.mark.parametrize(("changes", "words"), [
    ({"spec": []}, "no JSON object"),
    ({"spec": {"problem": {"name": "x"}}}, "problem.name is 'x'"),
    ({"entrants": []}, "entrants"),
    ({"words": {}}, "words"), ({"words": {"kbfgs": [1]}}, "words"),
    ({"ends": None}, "ends"), ({"key": 7}, "key"), ({"device": {}}, "device")])
def test_what_is_said_of_a_run_is_checked(changes, words):
    with pytest.raises(TraceError, match=words):
        checked(replace(small("rosenbrock"), **changes))


def test_words_may_not_be_endless_and_are_kept_as_text():
    trace = small("rosenbrock")
    label = trace.entrants[0].label
    for said in (["x" * 10**6], ["x"] * 10**5):
        with pytest.raises(TraceError, match="sentences"):
            checked(replace(trace, words=trace.words | {label: said}))


def test_labels_and_looks_come_from_the_description():
    trace = small("rosenbrock")
    first = replace(trace.entrants[0], title="<img src=x onerror=alert(1)>", color="url(x)",
                    dash="no", marker="<b>")
    seen = checked(replace(trace, entrants=[first, *trace.entrants[1:]]))
    assert seen.trace.entrants == trace.entrants
    named = replace(trace.entrants[0], label="<script>")
    with pytest.raises(TraceError, match="entrants"):
        checked(replace(trace, entrants=[named, *trace.entrants[1:]],
                        columns=trace.columns | {"<script>": trace["kbfgs"]}))


def test_columns_of_another_version_are_left_out_and_named():
    trace = small("rosenbrock")
    more = trace["kbfgs"] | {"from_the_future": np.zeros((12, 3))}
    seen = checked(replace(trace, columns=trace.columns | {"kbfgs": more}))
    assert seen.left_out == ("kbfgs/from_the_future",)
    drawn(seen.trace)


# --- hostile archives -----------------------------------------------------------------------------

def archive(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as z:
        for name, content in members.items():
            z.writestr(f"{name}.npy", content)
    file.seek(0)
    return file


def header(shape, descr="<f8", magic=b"\x93NUMPY\x01\x00"):
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return magic + len(text).to_bytes(2, "little") + text


def text_member(text):
    file = io.BytesIO()
    npy.write_array(file, np.array(text), allow_pickle=False)
    return file.getvalue()


@pytest.mark.parametrize("member", [
    header((10**12,)), header((10**18,), "<U0"), header((2**40, 2**40)), header((-1,)),
    header((3,), "|O"), header((1,), [("a", "<f8")]), header((1,) * 30), header((4,), "(9,)<f8"),
    header((1,), "<M8[s]"), header((1,), "no"), b"\x93NUMPY\x09\x00", b"", b"junk",
    header("(" * 3000 + ")" * 3000), header("-" * 9000 + "1"), header("1" * 9000)])
def test_headers_that_promise_too_much_are_refused_at_once(member):
    file = archive(spec=text_member("{}"), events=text_member("{}"), x=member)
    with pytest.raises(TraceError, match="not a run saved by qnviz"):
        Trace.load(file, "x.npz")


@pytest.mark.parametrize("spec", ["[" * 10**5, "{", '"x"', "null", "1" * 10**4, "{}", "NaN"])
def test_descriptions_that_are_none_are_refused(spec):
    meta = json.dumps({"key": "k", "entrants": [], "words": {}, "ends": {}, "device": ""})
    with pytest.raises(TraceError):
        checked(Trace.load(archive(spec=text_member(spec), events=text_member(meta))))


@pytest.mark.parametrize("meta", [
    [], {}, {"entrants": 3}, {"key": "k", "entrants": [{"label": []}], "words": 1},
    {"key": "k", "entrants": [{"label": "a", "more": 1}], "words": {}, "ends": {}, "device": ""}])
def test_entrants_that_are_none_are_refused(meta):
    with pytest.raises(TraceError):
        Trace.load(archive(spec=text_member("{}"), events=text_member(json.dumps(meta))))


def test_a_bomb_is_not_unpacked():
    bomb = archive(x=bytes(30_000_000))
    with pytest.raises(TraceError, match="would unpack to"):
        Trace.load(bomb, "bomb.npz", limit=10_000_000)


def test_a_damaged_and_an_encrypted_archive_are_told():
    file = io.BytesIO()
    small("rosenbrock").save(file)
    whole = file.getvalue()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(60):
        at, bit = int(rng.integers(len(whole))), int(rng.integers(1, 256))
        broken = whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1:]
        try:
            checked(Trace.load(io.BytesIO(broken)))
        except TraceError:
            refused += 1
    assert refused > 40                        # a flipped date in the archive's directory is none
    for cut in (0, 1, len(whole) // 2, len(whole) - 1):
        with pytest.raises(TraceError):
            Trace.load(io.BytesIO(whole[:cut]))
    locked = bytearray(archive(spec=text_member("{}")).getvalue())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[locked.index(mark) + offset] |= 1
    with pytest.raises(TraceError, match="not a run"):
        Trace.load(io.BytesIO(bytes(locked)))


def test_a_sweep_is_recognised():
    file = archive(spec=text_member("{}"), tiles=header((0,), "|b1"))
    with pytest.raises(TraceError, match="holds a sweep"):
        Trace.load(file, "map.npz")
