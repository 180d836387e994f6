"""A lesson's file: Markdown with front matter; each `## heading` is a step, with a block of YAML.

    ---
    title: Why curvature
    summary: What a method gains by knowing how the slope changes.
    minutes: 20
    order: 1
    ---

    ## Downhill

    Gradient descent took [[sgd.steps]] steps.

    ```yaml
    page: rosenbrock
    state: ?noise=0&m=sgd
    show: [path]
    ```

lessons/README.md has all fields. Each mistake is reported in a sentence with its line and field.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlencode

from qnviz.errors import LessonError
from qnviz.ui.lessons import blocks, claims
from qnviz.ui.lessons.blocks import Block, Fault
from qnviz.ui.lessons.lesson import MOST_WORDS, Fields, Lesson, Meta, Picture, Shelf, Step

LARGEST = 100_000                              # bytes of a file
MOST_STEPS = 30
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
FENCE = re.compile(r"(`{3,}|~{3,})\s*(\w*)\s*$")


class Pages(Protocol):
    """What knows the pages that a step can show."""

    def faults(self, picture: Picture) -> list[tuple[str, str]]:
        """What is wrong with a picture: the field, and a sentence."""
        ...

    def subjects(self, picture: Picture) -> frozenset[str]:
        """What a text or a claim can ask about: the entrants of its race, and the like."""
        ...


@dataclass
class _Section:
    heading: str
    line: int
    text: list[str] = field(default_factory=list)
    blocks: list[tuple[int, str]] = field(default_factory=list)      # first line, YAML
    placed: list[int] = field(default_factory=list)                  # the line of each line of text


def read_lesson(path: Path, pages: Pages) -> Lesson:
    """Read and check a lesson.

    Raises:
        LessonError: with a sentence per fault: line, field, what is wrong.
    """
    found: list[Fault] = []
    lesson = _read(path, pages, found)
    if found or lesson is None:
        raise LessonError(path.name, [str(f) for f in sorted(found, key=lambda f: f.line)])
    return lesson


def _read(path: Path, pages: Pages, found: list[Fault]) -> Lesson | None:
    if not NAME.fullmatch(path.stem):
        found.append(Fault(1, "file name", "it is the lesson's address, so it must be made of "
                           "small letters, digits and single hyphens."))
    if (text := _text(path, found)) is None:
        return None
    lines = text.split("\n")
    end = next((i for i, line in enumerate(lines) if i and line.rstrip() == "---"), None)
    if lines[0].rstrip() != "---" or end is None:
        found.append(Fault(1, "", "a lesson begins with its front matter: title, summary and "
                           "minutes between two lines `---`."))
        return None
    head = blocks.read_block("\n".join(lines[1:end]), 2)
    meta = blocks.validated(head, Meta) if not head.faults else None
    found += head.faults
    sections = list(_sections(lines, end + 1, found))
    if not 1 <= len(sections) <= MOST_STEPS:
        found.append(Fault(end + 1, "", f"a lesson has 1 to {MOST_STEPS} steps, each under a "
                           f"heading `## …`; here are {len(sections)}."))
        return None
    steps = [_step(i, s, pages, found) for i, s in enumerate(sections, 1)]
    whole = [s for s in steps if s is not None]
    if meta is None or len(whole) < len(steps):
        return None
    return Lesson(path.stem, path.name, meta, tuple(whole))


def _text(path: Path, found: list[Fault]) -> str | None:
    raw = b""
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
        if len(raw) > LARGEST:
            found.append(Fault(1, "", f"the file is larger than {LARGEST:,} bytes."))
            return None
        text = raw.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except OSError as error:
        found.append(Fault(1, "", f"the file cannot be read: {error.strerror or error}."))
        return None
    except UnicodeDecodeError as error:
        line = raw[:error.start].count(b"\n") + 1
        found.append(Fault(line, "", "the file is not UTF-8 text."))
        return None
    if "\0" in text:
        found.append(Fault(text[:text.index("\0")].count("\n") + 1, "", "here is a NUL byte."))
        return None
    return text


def _sections(lines: list[str], start: int, found: list[Fault]) -> Iterator[_Section]:
    """Steps as they are written: each heading with its text and its blocks of YAML."""
    now, fence, opened = _Section("", start + 1), "", -1
    for i in range(start, len(lines)):
        line = lines[i]
        mark = FENCE.match(line)
        if opened >= 0:                          # within a block of YAML
            if mark and not mark[2]:
                now.blocks.append((opened + 2, "\n".join(lines[opened + 1:i])))
                opened = -1
            continue
        if mark and not fence and mark[2] in ("yaml", "yml"):
            opened = i
            continue
        if mark:
            fence = "" if fence and line.startswith(fence) else fence or mark[1]
        elif line.startswith("## ") and not fence:
            yield from _closed(now, found)
            now = _Section(line[3:].strip(), i + 1)
            continue
        now.text.append(line)
        now.placed.append(i + 1)
    if opened >= 0 or fence:
        found.append(Fault(opened + 1 if opened >= 0 else now.line, "",
                           "a block that begins here is not closed by ```."))
    yield from _closed(now, found)


def _closed(section: _Section, found: list[Fault]) -> Iterator[_Section]:
    if section.heading:
        yield section
    elif section.blocks or any(line.strip() for line in section.text):
        found.append(Fault(section.line, "", "a step begins with a heading `## …`; here is text "
                           "or a block outside of any step."))


def _step(number: int, section: _Section, pages: Pages, found: list[Fault]) -> Step | None:
    def fault(line: int, name: str, words: str) -> None:
        found.append(Fault(line, f"step {number}" + (f", {name}" if name else ""), words))

    text = "\n".join(section.text).strip()
    if len(section.heading) > 80:
        fault(section.line, "heading", "it has more than 80 characters.")
    if len(text) > MOST_WORDS:
        fault(section.line, "text", f"it has {len(text):,} characters; what is to be read from the "
              f"back of a hall has at most {MOST_WORDS}.")
    if len(section.blocks) != 1:
        fault(section.line, "", f"a step has one block ```yaml that says what it shows; here are "
              f"{len(section.blocks)}.")
        return None
    line, yaml = section.blocks[0]
    block = blocks.read_block(yaml, line)
    fields = blocks.validated(block, Fields) if not block.faults else None
    if fields is None:
        for one in block.faults:
            fault(*one)
        return None
    own, shown = _pictures(fields)
    q = fields.question
    subjects = _checked(own, block, (), pages, fault)
    if q and subjects is not None:
        after = subjects if shown.state == own.state and shown.page == own.page else None
        if after is None or q.reveal.show is not None:
            after = _checked(shown, block, ("question", "reveal"), pages, fault)
        if after is not None:
            after |= {"before"}
            _check_claims(q.reveal.expect, after, block, ("question", "reveal"), fault)
            _check_text(q.because, after, fault, block.line(("question", "because")), "because")
        for name, words in (("ask", q.ask), *(("options", o) for o in q.options)):
            _check_text(words, subjects, fault, block.line(("question", name)), f"question.{name}")
    if subjects is not None:
        for at, words in zip(section.placed, section.text, strict=True):
            _check_text(words, subjects, fault, at, "text")
        _check_claims(own.expect, subjects, block, (), fault)
    return Step(section.heading, text, own, q, shown, section.line)


def _pictures(fields: Fields) -> tuple[Picture, Picture]:
    """What a step shows before and after its question."""
    own = _pinned(Picture.model_validate(
        fields.model_dump(include=set(Picture.model_fields))))
    if fields.question is None:
        return own, own
    changes = fields.question.reveal.model_dump(exclude_none=True, exclude={"expect"})
    shown = own.model_dump() | {"step": None, "expect": fields.question.reveal.expect} | changes
    return own, _pinned(Picture.model_validate(shown))


def _pinned(picture: Picture) -> Picture:
    """The same with the step that its state may hold in its own field."""
    query = picture.query
    if picture.step is None and query.get("step", "").isdigit() and len(query["step"]) < 5:
        step = int(query.pop("step"))
        return picture.model_copy(update={
            "state": urlencode(query, safe=",~()^*+/:"), "step": step})
    return picture


def _checked(picture: Picture, block: Block, at: tuple[str, ...], pages: Pages,
             fault) -> frozenset[str] | None:                         # type: ignore[no-untyped-def]
    """What can be asked about a picture; None where it cannot be shown, its faults reported."""
    wrong = pages.faults(picture)
    for name, words in wrong:
        fault(block.line((*at, name)), blocks.named((*at, name)), words)
    return None if wrong else pages.subjects(picture)


def _check_claims(texts: tuple[str, ...], subjects: frozenset[str], block: Block,
                  at: tuple[str, ...], fault) -> None:                # type: ignore[no-untyped-def]
    for i, text in enumerate(texts):
        try:
            claims.known(claims.read_claim(text).names, subjects)
        except claims.ClaimError as error:
            path = (*at, "expect", i)
            fault(block.line(path), blocks.named(path), str(error))


def _check_text(text: str, subjects: frozenset[str], fault,           # type: ignore[no-untyped-def]
                line: int, name: str) -> None:
    for inner in claims.placeholders(text):
        try:
            claims.known(claims.read_value(inner).names, subjects)
        except claims.ClaimError as error:
            fault(line, name, str(error))


def read_folders(folders: tuple[Path, ...], pages: Pages) -> Shelf:
    """All lessons of some folders; a broken one costs only itself."""
    good: dict[str, Lesson] = {}
    broken: list[LessonError] = []
    for folder in folders:
        for path in sorted(folder.glob("*.md")):
            if path.name == "README.md":
                continue
            try:
                lesson = read_lesson(path, pages)
                if (other := good.get(lesson.id)) is not None:
                    raise LessonError(path.name, [
                        f"line 1, file name: the lesson {lesson.id!r} is there already, as "
                        f"{other.meta.title!r}. Give this file another name."])
                good[lesson.id] = lesson
            except LessonError as error:
                broken.append(error)
    order = sorted(good.values(), key=lambda one: (one.meta.order, one.id))
    return Shelf({one.id: one for one in order}, tuple(broken))
