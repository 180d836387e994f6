"""What comes from outside is validated: it brings nothing but what it may say, or a sentence."""

import io
import math
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.lib import format as npy
from pydantic import ValidationError
from streamlit.testing.v1 import AppTest

from qnviz import environment
from qnviz.errors import DataError, LessonError, QnvizError, SettingError, SpecError, TraceError
from qnviz.export.tables import FORMULAS, csv_text, harmless
from qnviz.problems.data import files, save_upload, uploads
from qnviz.runs.loop import run
from qnviz.runs.spec import parse
from qnviz.runs.trace import Trace
from qnviz.sweeps.spec import SweepSpec, parse_sweep
from qnviz.ui.frame.quota import Quota
from qnviz.ui.labs import damping, krylov
from qnviz.ui.labs.open import opened
from qnviz.ui.labs.state import read_state
from qnviz.ui.lessons.address import Place
from qnviz.ui.lessons.file import read_lesson
from qnviz.ui.lessons.shows import PAGES
from qnviz.ui.maps.atlas_question import AtlasQuestion
from qnviz.ui.maps.basins import BasinQuestion
from qnviz.ui.state import messages
from qnviz.ui.state.address import LONGEST_NAME, LONGEST_VALUE, MOST_FIELDS, bounded
from qnviz.ui.state.codec import decode, names_in
from qnviz.ui.state.defaults import RACE
from qnviz.ui.state.form import plain
from qnviz.ui.state.messages import CELL, EVENT, FRAME, PAIR, POINT, REQUEST
from qnviz.ui.state.settings import LIMITS, read_query
from tests.helpers import spec

FEW = settings(max_examples=60, deadline=None,
               suppress_health_check=[HealthCheck.function_scoped_fixture])
WORDS = st.one_of(st.text(max_size=30), st.sampled_from([
    "nan", "inf", "-inf", "1e999", "9" * 500, "0x1", "1,2", "1,2,3", ",", "~", "kbfgs", "../../etc",
    "true", "None", "\0", "<script>", "=1+1", "٣", "²", "1_000", " 1 "]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-10**20, 10**20) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["H", "s", "y", "mu1", "mu2", "at", "index", "reveal", "present", "x"]),
        inner, max_size=6), max_leaves=12)


# --- addresses ------------------------------------------------------------------------------------

def names(model):
    return st.sampled_from([*model.model_fields, "m", "step", "x" * 90])


@FEW
@given(st.data())
def test_no_address_brings_a_map_anything_but_sentences(data):
    for model in (AtlasQuestion, BasinQuestion):
        query = data.draw(st.dictionaries(names(model), WORDS, max_size=5))
        question, notes = decode(query, model())
        found, more = question.plans()
        assert all(isinstance(p.spec, SweepSpec) for p in found)
        assert all(isinstance(note, str) for note in (*notes, *more))


@FEW
@given(st.dictionaries(st.sampled_from(["of", "at", "present", "?"]), WORDS))
def test_no_address_brings_the_lessons_anything_but_a_place(query):
    place, notes = decode(query, Place())
    assert place.at >= 1
    assert len(place.of) <= 100
    assert all(isinstance(note, str) for note in notes)


@FEW
@given(WORDS)
def test_no_field_of_a_page_of_its_own_brings_anything_but_a_sentence(raw):
    for page in (damping.DAMPING, krylov.KRYLOV):
        for name in (*names_in(page.own), *page.own.former):
            there, notes = read_state({name: raw}, page.labs, page.own)
            assert isinstance(there.own, page.own)
            assert all(isinstance(note, str) for note in notes)


def test_a_link_has_bounds():
    query = {f"f{i}": "x" * 10_000 for i in range(MOST_FIELDS + 50)} | {"y" * 100: "1"}
    found, notes = bounded(query)
    assert len(found) == MOST_FIELDS
    assert max(map(len, found.values())) == LONGEST_VALUE
    assert max(map(len, found)) <= LONGEST_NAME
    assert notes[0].startswith("51 of the link's fields were left out")
    assert len(read_query(query, RACE).faults) <= MOST_FIELDS + 1


@pytest.mark.parametrize(("name", "value"), [("steps", 3001), ("seed", 2**40), ("stop_loss", 2.0)])
def test_what_a_widget_says_beyond_a_pages_limit_is_refused(name, value):
    from dataclasses import replace

    assert value > LIMITS[name]
    with pytest.raises(SpecError, match=rf"^{name} is .*, but a page takes at most"):
        replace(RACE, **{name: value}).spec()


@pytest.mark.parametrize("typed", [
    "https://evil.example/x", "HTTPS://evil.example", "www.evil.example", "a@evil.example",
    "[l](https://evil.example)", "![i](https://evil.example/p.png)", "<b>x</b>", ":red[x]", "$x$"])
def test_what_a_visitor_typed_is_no_markup_and_no_link(typed):
    shown = plain(typed)
    assert "".join(c for c in shown if c not in "\\\N{WORD JOINER}") == typed
    assert "://e" not in shown.lower()
    assert "www." not in shown.lower()
    assert "@e" not in shown
    assert all(shown[i - 1] == "\\" for i, c in enumerate(shown) if c in "[]()<>`*_$:!")


# --- what browsers send ---------------------------------------------------------------------------

@settings(max_examples=300, deadline=None)
@given(JSON)
@example(True)
@example(math.nan)
@example([math.nan, 1.0])
@example({"at": True})
@example({"H": [1, 0, 1], "s": [1, 0], "y": [math.inf, 0], "mu1": 0.2, "mu2": 0.5})
def test_no_message_brings_anything_but_what_it_may_say(value):
    for message in (FRAME, POINT, EVENT, CELL, PAIR, REQUEST):
        try:
            found = message.read(value)
        except ValidationError:
            continue
        numbers = (found if isinstance(found, tuple) else found.model_dump().values()
                   if hasattr(found, "model_dump") else [found])
        for n in numbers:
            for one in n if isinstance(n, tuple) else [n]:
                assert one is None or (math.isfinite(one) and abs(one) <= messages.LARGEST)


@pytest.mark.parametrize(("message", "value", "meant"), [
    (FRAME, 12, 12), (FRAME, None, None), (POINT, [-0.25, 1], (-0.25, 1.0)),
    (EVENT, [3, -1], (3, -1)), (CELL, [0, 2, 5], (0, 2, 5))])
def test_what_a_component_sends_is_taken(message, value, meant):
    assert message.read(value) == meant


@pytest.mark.parametrize("wish", [{"index": True}, {"present": False}, {"at": 3}, {"reveal": 2}])
def test_a_lessons_bar_wishes_for_one_thing(wish):
    assert REQUEST.read(wish).model_dump(exclude_unset=True) == wish
    with pytest.raises(ValidationError):
        REQUEST.read(wish | {"at": 4, "index": True})


def test_a_pair_is_taken():
    seen = PAIR.read({"H": [1, 0.3, 0.5], "s": [1, 0], "y": [0, 1], "mu1": 0.2, "mu2": 0.5})
    assert seen.H == (1.0, 0.3, 0.5)


def _sent(value):
    import streamlit

    from qnviz.ui.state.messages import FRAME, received

    streamlit.session_state["p/player"] = value
    streamlit.text(repr(received("p/player", "frame", FRAME)))


@pytest.mark.parametrize(("value", "taken", "toasts"), [
    ({"frame": 7}, "7", 0), ({}, "None", 0), ([1], "None", 0), ({"frame": "7"}, "None", 1),
    ({"frame": {"a": [1]}}, "None", 1)])
def test_what_makes_no_sense_is_left_out_and_said(value, taken, toasts):
    at = AppTest.from_function(_sent, args=(value,)).run()
    assert not at.exception
    assert [t.value for t in at.text] == [taken]
    assert len(at.toast) == toasts


# --- files ----------------------------------------------------------------------------------------

@FEW
@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_bring_the_page_of_files_anything_but_a_sentence(content, zipped):
    found = opened("f", b"PK\3\4" + content if zipped else content)
    assert found.trace is None
    assert found.fault


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_no_damage_to_a_trace_brings_anything_but_a_sentence(data):
    whole = _saved()
    at = data.draw(st.integers(0, len(whole) - 1))
    bits = data.draw(st.binary(min_size=1, max_size=8))
    found = opened("f", whole[:at] + bits + whole[at + len(bits):])
    assert found.fault or found.trace is not None


def _saved(_kept=[]):                                                  # noqa: B006
    if not _kept:
        file = io.BytesIO()
        run(spec({"name": "sgd"}, steps=3)).save(file)
        _kept.append(file.getvalue())
    return _kept[0]


def member(promised=(10,), size=80):
    file = io.BytesIO()
    npy.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": promised})
    return file.getvalue() + b"\0" * size


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packings_without_a_limit_are_refused(packing):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing) as z:
        z.writestr("a.npy", member())
    with pytest.raises(TraceError):
        Trace.load(io.BytesIO(file.getvalue()), "This file", 10**9)


@pytest.mark.parametrize("zip64", [False, True])
def test_a_directory_of_millions_is_refused_before_it_is_read(zip64):
    content = bytearray(_saved())
    if zip64:                                  # whose numbers go before those of the end record
        content[-22:-22] = struct.pack("<4sLQL", b"PK\6\7", 0, 0, 1)
    else:
        content[-10:-6] = (200_000_000).to_bytes(4, "little")
    with pytest.raises(TraceError):
        Trace.load(io.BytesIO(bytes(content)), "This file", 10**9)


def test_opened_runs_share_a_quota_and_give_it_back():
    def trace():
        return Trace.load(io.BytesIO(_saved()), "This file", 10**9)

    first = trace()
    quota = Quota(int(1.5 * first.nbytes))
    assert quota.admit(first) is first
    with pytest.raises(TraceError, match="as many opened runs as it can"):
        quota.admit(trace())
    del first
    assert quota.used == 0
    quota.admit(trace())


def test_the_data_folder_is_filled_no_further(tmp_path, monkeypatch):
    file = io.BytesIO()
    np.save(file, np.random.default_rng(0).random((40, 3, 3)))
    save_upload("a.npy", file.getvalue(), tmp_path)
    monkeypatch.setattr(uploads, "MOST_BYTES", 1.5 * len(file.getvalue()))
    with pytest.raises(DataError, match="The data folder is full"):
        save_upload("b.npy", file.getvalue(), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.npy"]


@FEW
@given(st.text(max_size=60))
def test_no_name_of_a_file_leaves_the_folder(name):
    safe = uploads.safe_name(name)
    assert Path(safe).name == safe
    assert not safe.startswith(".")
    assert 0 < len(safe) <= uploads.LONGEST


@settings(max_examples=20, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_no_bytes_in_a_lessons_file_bring_anything_but_sentences(tmp_path, content):
    path = tmp_path / "one.md"
    path.write_bytes(b"---\ntitle: a\nsummary: b\nminutes: 3\n---\n## s\n" + content)
    with pytest.raises(LessonError):
        read_lesson(path, PAGES)


AXIS = st.fixed_dictionaries({"field": WORDS, "from": JSON, "to": JSON, "points": JSON})


@FEW
@given(st.dictionaries(st.sampled_from(["x", "y", "entrant", "seeds"]), JSON | AXIS))
def test_no_sweep_brings_anything_but_a_sentence(sweep):
    data = {"problem": {"name": "rosenbrock"}, "methods": [{"name": "adam"}], "sweep": sweep}
    faults = []
    try:
        assert parse_sweep(data).size >= 1
    except SpecError as error:
        faults = error.faults
    assert all(fault.endswith(".") for fault in faults)


@FEW
@given(st.text(max_size=50))
def test_a_label_is_harmless_wherever_it_goes(label):
    try:
        found = parse({"problem": {"name": "rosenbrock"},
                       "methods": [{"name": "adam", "label": label}]}).methods[0].entrant
    except SpecError:
        return
    assert not set(found) & set("<>&\"'`[]{}\\/@$%\n\0")
    assert not harmless(found).startswith(FORMULAS)


def test_no_label_is_a_formula_in_a_spreadsheet():
    text = csv_text(run(spec({"name": "sgd", "label": "=1+1"}, {"name": "adam"}, steps=2)))
    assert {line.partition(",")[0] for line in text.splitlines()[1:]} == {"'=1+1", "adam"}


# --- the environment ------------------------------------------------------------------------------

@FEW
@given(st.sampled_from(list(environment.Environment.model_fields)),
       WORDS.filter(lambda s: "\0" not in s and not any(0xD800 <= ord(c) < 0xE000 for c in s)))
def test_no_variable_brings_anything_but_its_kind_or_a_sentence(monkeypatch, name, text):
    monkeypatch.setenv(name, text)
    said = name
    try:
        environment.value(name)
    except SettingError as error:
        said = str(error)
    assert said.startswith(name)


@pytest.mark.parametrize(("name", "text"), [
    ("QNVIZ_WORKERS", "none"), ("QNVIZ_DASK_SCHEDULER", "http://x"), ("QNVIZ_DATA", "a\tb"),
    ("QNVIZ_FRAMES", "https://a.example; script-src *"), ("QNVIZ_FRAMES", "*"),
    ("QNVIZ_DATE", "/data"), ("BROWSER_PATH", "x" * 5000)])
def test_a_wrong_variable_is_told_at_the_start(monkeypatch, capsys, name, text):
    from qnviz.__main__ import main

    monkeypatch.setenv(name, text)
    assert main(["list", "--json"]) == 1
    assert name in capsys.readouterr().err


def test_without_variables_all_is_as_usual(monkeypatch):
    for name in [n for n in os.environ if n.startswith("QNVIZ_")]:
        monkeypatch.delenv(name)
    environment.check()
    assert environment.value("QNVIZ_FRAMES") == ()
    assert files.folder() == files.ROOT / "data"


def test_no_sentence_for_visitors_tells_where_files_lie(tmp_path, monkeypatch):
    from qnviz.problems.data import load
    from qnviz.ui.lessons.page import folders

    monkeypatch.setenv("QNVIZ_DATA", str(tmp_path / "pictures"))
    monkeypatch.setenv("QNVIZ_LESSONS", str(tmp_path / "talks"))
    said = folders()[1]
    for name in ("mnist", "faces", "file:none.npz"):
        with pytest.raises(QnvizError) as error:
            load(name)
        said.append(str(error.value))
    assert len(said) == 4
    assert not any(str(tmp_path) in sentence for sentence in said)
