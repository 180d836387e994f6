"""Lessons: files are read strictly and told apart when broken; what ours claim is computed."""

import contextlib
import logging
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qnviz.errors import LessonError
from qnviz.ui.lessons import page
from qnviz.ui.lessons.address import Place
from qnviz.ui.lessons.blocks import LONGEST, read_block
from qnviz.ui.lessons.claims import ClaimError, filled, read_claim, read_value
from qnviz.ui.lessons.file import LARGEST, MOST_STEPS, read_folders, read_lesson
from qnviz.ui.lessons.lesson import Picture
from qnviz.ui.lessons.shows import PAGES, SHOWS
from qnviz.ui.state.codec import decode, encode

SHIPPED = Path(__file__).resolve().parents[1] / "lessons"
GOOD = """---
title: A lesson
summary: What it is about.
minutes: 5
---

## First

Adam took [[adam.steps]] steps.

```yaml
page: rosenbrock
state: ?noise=0&m=adam,sgd
show: [path, loss]
expect:
  - adam.steps == 300
```

## Second

Which?

```yaml
page: rosenbrock
state: ?m=sgd&step=20
question:
  ask: "Yes: or no?"
  options: [yes, no]
  right: 2
  because: It ends at [[sgd.loss]], not [[before.sgd.loss]].
  reveal:
    state: ?m=sgd,kbfgs
```
"""
UNKNOWN = "which does not run here"


def written(folder: Path, text: str, name: str = "one") -> Path:
    path = folder / f"{name}.md"
    path.write_text(text, encoding="utf-8")
    return path


def complaints(folder: Path, text: str) -> list[str]:
    with pytest.raises(LessonError) as caught:
        read_lesson(written(folder, text), PAGES)
    assert caught.value.file == "one.md"
    return caught.value.faults


def line_of(text: str, part: str) -> int:
    return next(i for i, line in enumerate(text.split("\n"), 1) if part in line)


# --- the format -----------------------------------------------------------------------------------

def test_a_lesson_is_read_as_it_is_written(tmp_path):
    lesson = read_lesson(written(tmp_path, GOOD), PAGES)
    assert (lesson.id, lesson.meta.title, lesson.meta.minutes) == ("one", "A lesson", 5)
    first, second = lesson.steps
    assert (first.heading, first.text) == ("First", "Adam took [[adam.steps]] steps.")
    assert first.question is None
    assert first.revealed == first.picture
    assert first.picture.query == {"noise": "0", "m": "adam,sgd"}
    assert second.question.options == ("yes", "no")          # no YAML truth values
    assert second.question.ask == "Yes: or no?"


def test_a_copied_address_brings_its_pinned_step_and_the_answer_plays_on(tmp_path):
    second = read_lesson(written(tmp_path, GOOD), PAGES).steps[1]
    assert (second.picture.step, second.picture.query) == (20, {"m": "sgd"})
    assert second.picture.address == "rosenbrock?m=sgd&step=20"
    assert (second.revealed.step, second.revealed.query) == (None, {"m": "sgd,kbfgs"})


def test_code_in_a_text_is_no_step(tmp_path):
    text = GOOD.replace("Which?", "```python\n## no heading\n```")
    assert len(read_lesson(written(tmp_path, text), PAGES).steps) == 2


def test_windows_files_are_read_alike(tmp_path):
    path = tmp_path / "one.md"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert read_lesson(path, PAGES) == read_lesson(written(tmp_path, GOOD), PAGES)


BROKEN = [                                      # what is put for what; line at, field, words
    ("title: A lesson\n", "", "title:", "title", "missing"),
    ("minutes: 5", "minutes: soon", "minutes: soon", "minutes", "must be a whole number"),
    ("minutes: 5", "minutes: 5\nminutes: 6", "minutes: 6", "minutes", "stands here twice"),
    ("minutes: 5", "minutes: 5\ncolour: red", "colour", "colour", "not a known field"),
    ("page: rosenbrock\nstate: ?n", "page: rosenrock\nstate: ?n", "page: rosenrock",
     "step 1, page", "must be one of race,"),
    ("m=adam,sgd", "m=adma,sgd", "m=adma", "step 1, state", "unknown method 'adma'"),
    ("noise=0", "noise=-1", "noise=-1", "step 1, state", "noise is '-1'"),
    ("noise=0", "nose=0", "nose=0", "step 1, state", "'nose' is not known"),
    ("[path, loss]", "[path, los]", "los]", "step 1, show", "'los' is no picture"),
    ("[path, loss]", "[singular]", "singular", "step 1, show", "'singular' is no picture"),
    ("[path, loss]", "[eig-*, loss]", "eig-*", "step 1, show", "one playhead"),
    ("[path, loss]", "path", "show: path", "step 1, show", "must be a list"),
    ("show: [path, loss]", "step: 301", "step: 301", "step 1, step", "the run has 300"),
    ("[[adam.steps]]", "[[adma.steps]]", "[[adma", "step 1, text", "asks about 'adma'"),
    ("[[adam.steps]]", "[[adam steps]]", "[[adam", "step 1, text", "cannot be read"),
    ("adam.steps == 300", "adam.steps = 300", "= 300", "step 1, expect[1]", "must compare"),
    ("adam.steps == 300", "kbfgs.steps < 1", "kbfgs.steps", "step 1, expect[1]", "'kbfgs'"),
    ("adam.steps == 300", "__import__('os') == 1", "__import__", "step 1, expect[1]",
     "cannot be read"),
    ("right: 2", "right: 3", "right: 3", "step 2, question.right", "1 to 2"),
    ("[yes, no]", "[yes]", "[yes]", "step 2, question.options", "2 to 5 options"),
    ("  because: It ends at [[sgd.loss]], not [[before.sgd.loss]].\n", "", "question:",
     "step 2, question.because", "missing"),
    ('ask: "Yes: or no?"', "ask: Yes: or no?", "ask: Yes", "step 2", "needs quotes"),
    ("    state: ?m=sgd,kbfgs", "    state: ?m=sgd,kbfgz", "kbfgz",
     "step 2, question.reveal.state", "unknown method"),
    ("not [[before.sgd.loss]]", "not [[adam.loss]]", "[[adam.loss]]", "step 2, because",
     "asks about 'adam'"),
    ("page: rosenbrock\nstate: ?m", "page: !!python/name:os.system\nstate: ?m", "!!python",
     "step 2", "not allowed"),
    ("page: rosenbrock\nstate: ?m", "page: &a rosenbrock\nstate: ?m", "&a", "step 2",
     "anchors"),
    ("## First", "Text\n\n## First", "Text", "", "outside of any step"),
    ("## Second", "Second", "## First", "step 1", "here are 2"),
]


@pytest.mark.parametrize(("old", "new", "at", "field", "words"), BROKEN,
                         ids=[f"{b[3] or 'file'}:{b[4]}" for b in BROKEN])
def test_what_is_wrong_is_told_with_line_and_field(tmp_path, old, new, at, field, words):
    text = GOOD.replace(old, new, 1)
    assert text != GOOD
    told = complaints(tmp_path, text)
    where = 2 if words == "missing" and field == "title" else line_of(text, at)
    if words == "outside of any step":
        where = line_of(text, "minutes") + 2
    assert any(t.startswith(f"line {where}{', ' if field else ''}{field}") and words in t
               for t in told), told


def test_all_faults_of_a_file_are_told_together_in_order(tmp_path):
    text = GOOD.replace("minutes: 5", "minutes: 0").replace("m=adam", "m=adma").replace(
        "right: 2", "right: 9")
    told = complaints(tmp_path, text)
    lines = [int(t.split()[1].strip(",:")) for t in told]
    assert len(told) >= 3
    assert lines == sorted(lines)


@pytest.mark.parametrize(("text", "words"), [
    ("", "begins with its front matter"),
    ("## A step without front matter\n", "begins with its front matter"),
    (GOOD.partition("## First")[0], "1 to 30 steps"),
    (GOOD + "```yaml\npage: race\n", "not closed"),
    (GOOD + "x" * LARGEST, "larger than"),
    (GOOD.replace("Which?", "W" * 901), "at most 900"),
    (GOOD + GOOD.partition("---\n\n")[2].partition("## Second")[0] * MOST_STEPS, "1 to 30 steps"),
    (GOOD.replace("Which?", "a\0b"), "NUL")])
def test_limits(tmp_path, text, words):
    began = time.monotonic()
    assert any(words in told for told in complaints(tmp_path, text))
    assert time.monotonic() - began < 5                       # an upper bound on a blow-up only


def test_what_is_no_text_or_has_no_good_name(tmp_path):
    (tmp_path / "one.md").write_bytes(GOOD.encode() + b"\xff")
    with pytest.raises(LessonError, match=f"line {GOOD.count(chr(10)) + 1}: .*UTF-8"):
        read_lesson(tmp_path / "one.md", PAGES)
    with pytest.raises(LessonError, match="small letters"):
        read_lesson(written(tmp_path, GOOD, "One two"), PAGES)
    with pytest.raises(LessonError, match="cannot be read"):
        read_lesson(tmp_path / "none.md", PAGES)


def test_a_broken_lesson_costs_only_itself_and_a_double_one_is_told(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    a.mkdir(), b.mkdir()
    written(a, GOOD), written(b, GOOD), written(b, GOOD.replace("minutes: 5", "order: 1"), "two")
    written(a, "no lesson", "README")
    shelf = read_folders((a, b), PAGES)
    assert list(shelf.lessons) == ["one"]
    assert [error.file for error in shelf.broken] == ["one.md", "two.md"]
    assert "is there already" in shelf.broken[0].faults[0]


def test_lessons_are_sorted_by_their_order(tmp_path):
    for name, order in (("a", "order: 3"), ("b", "order: 1"), ("c", "")):
        written(tmp_path, GOOD.replace("minutes: 5", f"minutes: 5\n{order}".rstrip()), name)
    assert list(read_folders((tmp_path,), PAGES).lessons) == ["b", "a", "c"]


YAML_BITS = st.sampled_from(["page: race", "state: ?m=adam", "- ", "  ", "\n", ": ", "[", "]", "{",
                             "}", "&a ", "*a", "!!int ", "'", '"', "|", ">", "%", "@", "\t", "#",
                             "? ", "<<: ", "~", "null", "\u2028", "😀", "x", "0"])


@settings(max_examples=150, deadline=None)
@given(st.lists(YAML_BITS, max_size=30).map("".join))
def test_no_block_of_yaml_brings_anything_but_sentences(text):
    block = read_block(text, 7)
    assert block.faults or isinstance(block.value, dict)
    assert all(fault.line >= 7 and str(fault) for fault in block.faults)


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, len(GOOD)), cut=st.integers(0, 40),
       bits=st.lists(YAML_BITS, max_size=4).map("".join))
def test_no_damage_to_a_file_brings_anything_but_sentences(tmp_path_factory, at, cut, bits):
    folder = tmp_path_factory.mktemp("fuzz")
    path = written(folder, GOOD[:at] + bits + GOOD[at + cut:])
    told: list[str] = []
    try:
        read_lesson(path, PAGES)
    except LessonError as error:
        told = error.faults
    assert all(sentence.startswith("line ") for sentence in told)


@pytest.mark.parametrize("text", ["[" * 5000, "{a: " * 3000, "- " * 5000, "a: [" + "[" * 50,
                                  "x" * (LONGEST + 1), "a: &b [x]\nc: [*b, *b]"])
def test_bombs_are_refused(text):
    assert read_block(text, 1).faults


# --- claims ---------------------------------------------------------------------------------------

KNOWN = {"a.x": 2.0, "b.x": 4.0, "a.end": "converged", "k~2.loss@20": 0.5, "n.x": float("nan")}


def facts(name):
    if name not in KNOWN:
        raise ClaimError(f"{name!r} is not known")
    return KNOWN[name]


@pytest.mark.parametrize(("text", "holds"), [
    ("a.x < b.x", True), ("a.x > b.x", False), ("1 < a.x < b.x", True), ("1 < b.x < a.x", False),
    ("a.x * 2 == b.x", True), ("b.x / a.x <= 2", True), ("a.x - b.x == -2", True),
    ("a.x != 2.0", False), ("a.end == converged", True), ("a.end != diverged", True),
    ("k~2.loss@20 < 1e-1", False), ("n.x < 1", False), ("n.x >= 1", False), ("a.x / 0 > 1", False)])
def test_claims_hold_or_do_not(text, holds):
    assert read_claim(text).holds(facts) is holds


@pytest.mark.parametrize("text", [
    "", "a.x", "a.x <", "< a.x", "a.x<b.x", "a.x < b.x < 3 < 4 < 5", "1 < 2", "a.x = 2", "a < 1",
    "a.x + b.x + 1 < 2", "a.x ** 2 < 1", "a.__class__() < 1", "A.x < 1", "a.x < (1)", "a.x is 2",
    "a.x < 1; b.x < 2", "a.x < " + "9" * 400, "ａ.x < 1", "a.x < 1e9999", "a.x and b.x < 1"])
def test_what_is_no_claim_is_refused(text):
    with pytest.raises(ClaimError):
        read_claim(text)


@pytest.mark.parametrize("text", ["a.end < 1", "a.end == 1", "a.end < converged", "a.end + 1 < 2"])
def test_words_are_not_compared_with_numbers(text):
    with pytest.raises(ClaimError):
        read_claim(text).holds(facts)


@given(st.text(max_size=60))
def test_no_text_is_evaluated(text):
    for read in (read_claim, read_value):
        with contextlib.suppress(ClaimError):                  # and nothing else
            assert read(text).names


def test_texts_are_filled():
    assert filled("[[a.x]] of [[b.x / a.x]], [[a.end]] [x]", facts) == "2 of 2, converged [x]"
    assert filled("[[a.x]] steps", None) == "… steps"
    with pytest.raises(ClaimError):
        filled("[[c.x]]", facts)


# --- where the reader is ----------------------------------------------------------------------

def test_places_are_addresses():
    place = Place(of="one", at=3, present=1)
    assert encode(place) == {"of": "one", "at": "3", "present": "1"}
    assert decode(encode(place), Place()) == (place, ())
    assert encode(Place()) == {}


@pytest.mark.parametrize(("query", "words"), [
    ({"of": "one", "at": "0"}, "at is '0'"), ({"of": "one", "at": "x"}, "at is 'x'"),
    ({"of": "one", "at": "٣"}, "at is"), ({"of": "one", "at": "9" * 99}, "at is"),
    ({"of": "one", "present": "yes"}, "present is 'yes'"), ({"off": "one"}, "'off' is not known")])
def test_bad_addresses_get_a_sentence(query, words):
    place, notes = decode(query, Place())
    assert place.at == 1
    assert len(notes) == 1
    assert words in notes[0]


def test_the_folder_can_be_another(tmp_path, monkeypatch):
    written(tmp_path, GOOD)
    monkeypatch.setenv(page.VARIABLE, str(tmp_path))
    assert list(page.shelf()[0].lessons) == ["one"]
    written(tmp_path, GOOD, "two")                            # seen without a restart
    assert list(page.shelf()[0].lessons) == ["one", "two"]
    monkeypatch.setenv(page.VARIABLE, str(tmp_path / "none"))
    there, notes = page.shelf()
    assert "which is no folder" in notes[0]
    assert len(there.lessons) >= 6


# --- the lessons that are here --------------------------------------------------------------------

@pytest.fixture(scope="module")
def shelf():
    logging.getLogger("streamlit.runtime.scriptrunner_utils").setLevel(logging.ERROR)
    logging.getLogger("streamlit").setLevel(logging.ERROR)
    return read_folders((SHIPPED,), PAGES)


IDS = sorted(p.stem for p in SHIPPED.glob("*.md") if p.name != "README.md")


def test_all_are_well_written(shelf):
    assert [str(error) for error in shelf.broken] == []
    assert sorted(shelf.lessons) == IDS
    assert len(IDS) >= 6
    for lesson in shelf.lessons.values():
        assert 5 <= len(lesson.steps) <= 8
        assert any(step.question for step in lesson.steps)
        assert len({step.question.right for step in lesson.steps if step.question}) > 1


@pytest.mark.parametrize("id", IDS)
def test_every_claim_holds_and_every_number_is_there(shelf, id):
    for step in shelf.lessons[id].steps:
        own, after = (SHOWS[p.page].compute(p) for p in (step.picture, step.revealed))
        before, _ = page._facts(step, step.picture, own)
        _, later = page._facts(step, step.revealed, after)
        wrong = [c for c in step.picture.expect if not read_claim(c).holds(before)]
        if step.question:
            wrong += [c for c in step.question.reveal.expect if not read_claim(c).holds(later)]
        assert wrong == [], step.heading
        texts = [step.text]
        if step.question:
            texts += [step.question.ask, *step.question.options]
            assert "undefined" not in filled(step.question.because, later)
        for text in texts:
            assert "undefined" not in filled(text, before)


def test_the_template_of_the_readme_is_a_lesson(tmp_path):
    text = (SHIPPED / "README.md").read_text(encoding="utf-8")
    template = text.partition("````markdown\n")[2].partition("````\n")[0]
    assert len(read_lesson(written(tmp_path, template), PAGES).steps) == 2


def test_every_page_that_the_readme_names_can_be_shown():
    text = (SHIPPED / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in SHOWS)
    for name, show in SHOWS.items():
        assert show.faults(Picture(page=name)) == []


def test_an_unknown_fact_is_told(shelf):
    show, picture = SHOWS["rosenbrock"], Picture(page="rosenbrock", state="?m=adam&steps=3")
    found = show.compute(picture)
    for name in ("adam.lossy", "adam.loss.median", "adam.rho@2", "sgd.loss", "problem.mass",
                 "adam.theta@2"):
        with pytest.raises(ClaimError, match=r"not known|" + UNKNOWN):
            show.fact(picture, found, name)
    assert show.fact(picture, found, "adam.steps") == 3
    assert show.fact(picture, found, "adam.loss@3") == show.fact(picture, found, "adam.loss")
    assert show.fact(picture, found, "adam.loss@0") == show.fact(picture, found, "adam.start")


def test_links_open_the_very_state(shelf):
    """`Try it yourself` and the lesson read the same run off their addresses."""
    for lesson in shelf.lessons.values():
        for step in lesson.steps:
            address = step.picture.address
            again = Picture(page=address.partition("?")[0], state=address)
            show = SHOWS[step.picture.page]
            if hasattr(show, "spec"):
                a, b = (SimpleNamespace(query=p.query) for p in (step.picture, again))
                b.query.pop("step", None)
                assert show.spec(a).key() == show.spec(b).key()


