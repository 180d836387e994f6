"""The pages that a lesson can show, one line each: what a state means there, its picture, facts.

A page is added by one line in SHOWS: a lab by its opening states, another by a class with the
methods of `Show`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import streamlit as st

from qnviz.errors import QnvizError
from qnviz.figures.player import LAYOUTS, PICTURES
from qnviz.problems.registry import PROBLEMS
from qnviz.runs.spec import RunSpec
from qnviz.runs.trace import Trace
from qnviz.ui.components.player import player
from qnviz.ui.labs import damping, function, krylov
from qnviz.ui.labs.stage import payload
from qnviz.ui.labs.state import LabState, Own, read_state
from qnviz.ui.lessons import facts, waiting
from qnviz.ui.lessons.claims import Value
from qnviz.ui.lessons.derivatives import DerivativesShow
from qnviz.ui.lessons.lesson import Picture
from qnviz.ui.lessons.parts import PARTS, SYSTEM, Part
from qnviz.ui.state import defaults
from qnviz.ui.state.codec import USUAL
from qnviz.ui.state.session import theme_name
from qnviz.ui.state.settings import Settings

SIDES = "eig-*"                                # in a layout: the matrices side by side


class Show(Protocol):
    """What a lesson needs of a page; `found` is whatever `compute` made."""

    def faults(self, picture: Picture) -> list[tuple[str, str]]:
        """What is wrong with a picture: the field, and a sentence."""
        ...

    def subjects(self, picture: Picture) -> frozenset[str]:
        """What can be asked about it."""
        ...

    def known(self, picture: Picture) -> bool:
        """Whether it is there already."""
        ...

    def compute(self, picture: Picture) -> Any:
        """What is to be drawn, waited for with its progress."""
        ...

    def ahead(self, picture: Picture, place: str) -> None:
        """Begin to compute what is about to be asked for."""
        ...

    def fact(self, picture: Picture, found: Any, name: str) -> Value:
        """A fact by its name."""
        ...

    def draw(self, picture: Picture, found: Any, key: str) -> None:
        """Draw it here."""
        ...


@dataclass(frozen=True)
class LabShow:
    """A lab: one run under the linked player, or a part of the page that belongs to the run."""

    labs: Mapping[str, Settings]
    layout: str | None = None
    own: type[Own] = Own
    parts: tuple[str, ...] = ()

    def state(self, picture: Picture) -> LabState:
        """What the state means, as the page itself reads it."""
        return read_state(picture.query, self.labs, self.own)[0]

    def faults(self, picture: Picture) -> list[tuple[str, str]]:
        """What is wrong with a picture: the field, and a sentence."""
        asked, notes = read_state(picture.query, self.labs, self.own)
        wrong = [("state", words.removesuffix(f" {USUAL}")) for words in notes]
        problem = asked.settings.problem["name"]
        there = self.panels(problem)
        wrong += [("show", f"{name!r} is no picture of this page; there are {', '.join(there)}.")
                  for name in picture.show if name not in there]
        kinds = {n if n in (SIDES, "pair", "system") else n in self.parts for n in picture.show}
        if len(kinds) > 1 or (len(picture.show) > 1 and kinds & {SIDES, "pair", "system"}):
            wrong.append(("show", "these pictures do not stand under one playhead."))
        if wrong:
            return wrong
        try:
            out = asked.settings.unavailable()
            wrong += [("state", f"{asked.settings.title(e)} cannot run here: {why}")
                      for e, why in out.items()]
            spec = asked.settings.spec()
        except QnvizError as error:
            return [*wrong, ("state", str(error))]
        if spec and picture.step is not None and picture.step > spec.steps:
            wrong.append(("step", f"step is {picture.step}, but the run has {spec.steps}."))
        return wrong

    def panels(self, problem: str) -> tuple[str, ...]:
        """The pictures that a run on this problem has."""
        here = {n for row in LAYOUTS[problem] for n in row}
        elsewhere = {n for other in LAYOUTS if other in OTHERS and other != problem
                     for row in LAYOUTS[other] for n in row}
        return (*(n for n in PICTURES if n in here or n not in elsewhere), "words", SIDES,
                *self.parts)

    def subjects(self, picture: Picture) -> frozenset[str]:
        """The entrants, `problem`, and what the parts know."""
        asked = self.state(picture)
        more = {s for part in self.parts for s in PARTS[part].subjects}
        return frozenset({*asked.settings.entrants, "problem", *more})

    def spec(self, picture: Picture) -> RunSpec:
        """The run that the state asks for."""
        spec = self.state(picture).settings.spec()
        if spec is None:
            raise QnvizError("No method of this step can run.")
        return spec

    def part(self, picture: Picture) -> Part | None:
        """The part of the page that is shown in place of its run."""
        name = next((n for n in picture.show if n in self.parts), None)
        return PARTS[name] if name else None

    @property
    def whole(self) -> bool:
        """Whether the run is needed with its parameters, to be taken apart."""
        return "system" in self.parts

    def known(self, picture: Picture) -> bool:
        """Whether the run is there already."""
        return waiting.kept(self.spec(picture), self.whole) is not None

    def compute(self, picture: Picture) -> Trace:
        """The run."""
        return waiting.computed(self.spec(picture), self.whole)

    def ahead(self, picture: Picture, place: str) -> None:
        """Begin to compute the run."""
        waiting.ahead(self.spec(picture), place, self.whole)

    def fact(self, picture: Picture, found: Trace, name: str) -> Value:
        """A fact about an entrant, the problem, or a part.

        Raises:
            ClaimError: there is none of this name.
        """
        asked, subject = self.state(picture), name.partition(".")[0]
        for part in (PARTS[p] for p in self.parts):
            if subject in part.subjects:
                return part.fact(found, picture.step, name)
        return facts.run_fact(found, asked.settings, name)

    def draw(self, picture: Picture, found: Trace, key: str) -> None:
        """The player, with the pictures that the step names; or a part."""
        asked = self.state(picture)
        if part := self.part(picture):
            part.draw(found, picture.show, picture.step, asked.own, key)
            return
        layout = self.layout
        if picture.show:
            layout = (tuple("@words" if n == "words" else n for n in picture.show),)
        data = payload(found, theme_name(), asked.settings.axis, layout)
        panels = [p | {"click": None} for p in data["panels"]]       # a lesson's start is given
        st.fragment(player)(data | {"frame": picture.step, "panels": panels}, key=key)


OTHERS = tuple(PROBLEMS)                       # layouts that belong to one problem
SHOWS: dict[str, Show] = {
    "race": LabShow({"rosenbrock": defaults.RACE}),
    "rosenbrock": LabShow({"rosenbrock": defaults.LAB}),
    "linear_net": LabShow({"linear_net": defaults.LINEAR}),
    "autoencoder": LabShow({"autoencoder": defaults.IMAGES}),
    "function": LabShow(function.LABS),
    "damping": LabShow(damping.LABS, "damping", damping.DampingState, ("pair",)),
    "krylov": LabShow(krylov.LABS, "krylov", krylov.KrylovState, SYSTEM),
    "complex_step": DerivativesShow(),
}


class _Pages:
    """All pages, as one that asks the right one."""

    def faults(self, picture: Picture) -> list[tuple[str, str]]:
        if picture.page not in SHOWS:
            return [("page", f"page is {picture.page!r}, but must be one of "
                     f"{', '.join(SHOWS)}.")]
        return SHOWS[picture.page].faults(picture)

    def subjects(self, picture: Picture) -> frozenset[str]:
        return SHOWS[picture.page].subjects(picture)


PAGES = _Pages()
