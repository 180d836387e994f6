"""The page of lessons: an index, and a player that walks through one, step by step."""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import streamlit as st

from qnviz import environment
from qnviz.errors import QnvizError, SettingError
from qnviz.paths import LESSONS
from qnviz.ui.components.lesson_bar import bar
from qnviz.ui.components.share import share
from qnviz.ui.lessons import claims
from qnviz.ui.lessons.address import Place
from qnviz.ui.lessons.claims import ClaimError, Facts
from qnviz.ui.lessons.file import read_folders
from qnviz.ui.lessons.lesson import Lesson, Picture, Question, Shelf, Step
from qnviz.ui.lessons.shows import PAGES, SHOWS
from qnviz.ui.state.form import Form, plain
from qnviz.ui.state.messages import REQUEST, received

VARIABLE = "QNVIZ_LESSONS"
BAR = "lessons/bar"


def folders() -> tuple[tuple[Path, ...], list[str]]:
    """Where lessons lie: those of QNVIZ_LESSONS, or our own; and what is wrong with them."""
    try:
        named = environment.value(VARIABLE)
    except SettingError as error:
        return (LESSONS,), [str(error)]
    # visitors need not know where on the server it would be
    notes = [f"{VARIABLE} names {p.name!r}, which is no folder." for p in named if not p.is_dir()]
    good = tuple(p for p in named if p.is_dir())
    return (good if good else (LESSONS,)), notes


def shelf() -> tuple[Shelf, list[str]]:
    """All lessons as their files are now."""
    where, notes = folders()
    stamp = tuple(sorted((str(p), p.stat().st_mtime_ns, p.stat().st_size)
                         for folder in where for p in folder.glob("*.md")))
    return _read(where, stamp), notes


@lru_cache(maxsize=4)
def _read(where: tuple[Path, ...], stamp: Any) -> Shelf:
    return read_folders(where, PAGES)


def lessons() -> None:
    """Run the page once."""
    form = Form("lessons", Place)
    place, (there, notes) = form.value, shelf()
    lesson = there.lessons.get(place.of)
    if place.of and lesson is None:
        broken = any(b.file == f"{place.of}.md" for b in there.broken)
        notes.append(f"The lesson {place.of!r} cannot be read; see below." if broken else
                     f"There is no lesson called {place.of!r}. Here are all there are.")
    if lesson and place.at > len(lesson.steps):
        notes.append(f"This lesson has {len(lesson.steps)} steps, so there is no step {place.at}. "
                     "This is the last one.")
        place = place.model_copy(update={"at": len(lesson.steps)})
    if lesson is None:
        place = Place()
    if notes := (*form.faults, *(n for n in notes if n not in form.faults)):
        form.seed(place)
        form.faults = notes
    form.remember()
    form.complaints()
    if lesson is None:
        _index(form, there)
    else:
        _lesson(form, lesson, place)
    if not place.present:                      # last, so that presenting moves nothing else
        share("lessons", steps=False)


# --- the index ----------------------------------------------------------------------------------

def _index(form: Form[Place], there: Shelf) -> None:
    st.title("Lessons")
    with st.container(key="lessons-index"):
        for number, lesson in enumerate(there.lessons.values(), 1):
            with st.container(border=True, key=f"lessons-card-{lesson.id}"):
                st.markdown(f"## {number}. {lesson.meta.title}")
                st.markdown(lesson.meta.summary)
                with st.container(horizontal=True, vertical_alignment="center"):
                    st.button("Open", key=f"lessons/open/{lesson.id}", on_click=form.seed,
                              args=(Place(of=lesson.id),), type="primary",
                              help=f"Open “{lesson.meta.title}”")
                    st.caption(f"{lesson.meta.minutes} minutes, {len(lesson.steps)} steps")
    for error in there.broken:
        st.error(f"**{plain(error.file)}** cannot be shown:  \n"
                 + "  \n".join(map(plain, error.faults)))
    st.caption("PageDown and PageUp, or n and p, turn the steps; b blackens the screen. A lesson "
               "is one Markdown file in the folder `lessons`; its README says how to write one.")


# --- a step -------------------------------------------------------------------------------------

def _lesson(form: Form[Place], lesson: Lesson, place: Place) -> None:
    step = lesson.steps[place.at - 1]
    answer = st.session_state.get(_answered(lesson, place.at))
    shown = step.revealed if answer is not None else step.picture
    with st.container(key="lesson-present" if place.present else "lesson"):
        bar({"lesson": lesson.id, "title": lesson.meta.title, "at": place.at,
             "steps": [s.heading for s in lesson.steps], "present": bool(place.present),
             "waits": step.question is not None and answer is None},
            key=BAR, on_ask=partial(_asked, form))
        with st.container(key="lesson-body", horizontal=True):
            words = st.container(key="lesson-words")
            picture = st.container(key="lesson-picture")
    with words:
        st.markdown(f"## {step.heading}")
        text = st.empty()
    if not SHOWS[shown.page].known(shown):
        text.markdown(claims.filled(step.text, None))
    try:
        with picture:
            found = SHOWS[shown.page].compute(shown)
            SHOWS[shown.page].draw(
                shown, found, f"lesson/{lesson.id}/{place.at}/{answer is not None}")
        with text.container():
            _words(lesson, place, step, answer, *_facts(step, shown, found))
    except ClaimError as error:
        words.warning(plain(f"{lesson.file}, line {step.line}: {error}"))
    except QnvizError as error:
        picture.error(plain(str(error)))
    st.html(f'<span data-lesson-ready="{place.at}{"" if answer is None else "!"}"></span>')
    _ahead(lesson, place, step, answer)


def _words(lesson: Lesson, place: Place, step: Step, answer: int | None,
           own: Facts, after: Facts) -> None:
    """The text of a step, its question, and the link to the page itself."""
    asks = step.question
    if not (place.present and asks and answer is not None):    # a hall reads the answer alone
        st.markdown(claims.filled(step.text, own))
    if asks:
        _question(lesson, place, asks, answer, own, after)
    if not place.present:
        shown = step.revealed if answer is not None else step.picture
        st.link_button("Try it yourself", shown.address, type="tertiary",
                       icon=":material/open_in_new:",
                       help="Opens the page with all its controls, in this very state.")


def _question(lesson: Lesson, place: Place, q: Question, answer: int | None,
              own: Facts, after: Facts) -> None:
    with st.container(key="lesson-question"):
        st.markdown(f"**{claims.filled(q.ask, own)}**")
        key = _answered(lesson, place.at)
        for i, option in enumerate(q.options, 1):
            text = claims.filled(option, own)
            if answer is None and not place.present:
                st.button(f"{chr(64 + i)}.  {text}", key=f"{key}/{i}", on_click=_choose,
                          args=(key, i), width="stretch")
            elif answer is None:
                st.markdown(f"{chr(64 + i)}.  {text}")
            elif i == q.right:
                st.markdown(f":primary[**{chr(64 + i)}.  {text}**] — "
                            + ("your prediction, and right" if answer == i else "this happens"))
            elif not place.present:
                st.markdown(f":gray[{chr(64 + i)}.  {text}]"
                            + (" — your prediction" if answer == i else ""))
        if answer is None and place.present:
            st.button("Reveal", key=f"{key}/reveal", on_click=_choose, args=(key, 0),
                      type="primary")
        if answer is not None:
            st.markdown(claims.filled(q.because, after))
            if not place.present:
                st.button("Ask again", key=f"{key}/again", on_click=_choose, args=(key, None),
                          type="tertiary")


def _facts(step: Step, shown: Picture, found: Any) -> tuple[Facts, Facts]:
    """Facts before and after the answer; in the latter `before.` asks about the former."""
    def own(name: str) -> claims.Value:
        page = SHOWS[step.picture.page]
        there = found if shown == step.picture else page.compute(step.picture)
        return page.fact(step.picture, there, name)

    def after(name: str) -> claims.Value:
        if name.startswith("before."):
            return own(name.removeprefix("before."))
        return SHOWS[shown.page].fact(shown, found, name)

    return own, after


def _ahead(lesson: Lesson, place: Place, step: Step, answer: int | None) -> None:
    """While this step is read, compute what can be asked for next."""
    following = []
    if step.question and answer is None:
        following.append(step.revealed)
    if place.at < len(lesson.steps):
        following.append(lesson.steps[place.at].picture)
    for i, picture in enumerate(following):
        try:
            SHOWS[picture.page].ahead(picture, str(i))
        except QnvizError:
            continue                           # reported when the reader arrives there


def _answered(lesson: Lesson, at: int) -> str:
    return f"lessons/answer/{lesson.id}/{at}"


def _choose(key: str, option: int | None) -> None:
    st.session_state[key] = option


def _asked(form: Form[Place]) -> None:
    """The bar was used, or a key."""
    place, request = form.value, received(BAR, "ask", REQUEST)
    if request is None:
        return
    if request.index:
        form.seed(Place())
    elif request.present is not None:
        form.seed(place.model_copy(update={"present": int(request.present)}))
    elif request.at is not None:
        form.seed(place.model_copy(update={"at": request.at}))
    elif request.reveal is not None:
        _choose(f"lessons/answer/{place.of}/{request.reveal}", 0)
