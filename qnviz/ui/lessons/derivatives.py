"""The page on derivatives in a lesson: errors against h, and costs, as pictures of one size."""

from __future__ import annotations

import threading
from functools import lru_cache

import numpy as np
import streamlit as st

from qnviz.errors import QnvizError
from qnviz.figures.player import Clock, assembled
from qnviz.figures.system import derivatives as figures
from qnviz.figures.theme import THEMES, Theme
from qnviz.figures.theme import Picture as Drawn
from qnviz.studies.derivatives import DIGITS, Answer, Costs, Errors, Question, answer, costs
from qnviz.ui.components.player import player
from qnviz.ui.frame.server import PLOTLY_URL
from qnviz.ui.lessons.claims import ClaimError, Value
from qnviz.ui.lessons.lesson import Picture
from qnviz.ui.state.codec import decode
from qnviz.ui.state.session import theme_name

NAMES = {"slope": "First derivative", "product": "Hessian-vector product"}
PANELS = (*NAMES, "costs")
KINDS = {"forward": "forward_difference", "central": "finite_difference",
         "complex": "complex_step"}
_measuring, _answering = threading.Lock(), threading.Lock()
_found: set[Question] = set()                  # what `answer` was asked before


class DerivativesShow:
    """Error curves of a slope gᵀv and of a product Hv, and what each kind costs here."""

    def faults(self, picture: Picture) -> list[tuple[str, str]]:
        """What is wrong with a picture: the field, and a sentence."""
        question, notes = decode(picture.query, Question())
        wrong = [("state", words.removesuffix(" The default is used.")) for words in notes]
        wrong += [("show", f"{n!r} is no picture of this page; there are {', '.join(PANELS)}.")
                  for n in picture.show if n not in PANELS]
        if picture.step is not None:
            wrong.append(("step", "this page has no steps."))
        return wrong

    def subjects(self, picture: Picture) -> frozenset[str]:
        """What can be asked about it."""
        return frozenset({*NAMES, "cost", "problem"})

    def known(self, picture: Picture) -> bool:
        """Whether they are there already; whoever is not sure says no."""
        return self._question(picture) in _found

    def compute(self, picture: Picture) -> Answer:
        """The errors, of all kinds and steps."""
        question = self._question(picture)
        with st.spinner(f"Calculating with {DIGITS} digits …"):
            return _answered(question)

    def ahead(self, picture: Picture, place: str) -> None:
        """Begin to compute them; `answer` keeps what it found."""
        threading.Thread(target=_quietly, args=(self._question(picture),), daemon=True).start()

    def fact(self, picture: Picture, found: Answer, name: str) -> Value:
        """A fact by its name: slope.central.best, product.forward@8 (at h = 1e−8), cost.pairs.

        Raises:
            ClaimError: there is none of this name.
        """
        subject, _, what = name.partition(".")
        value = None
        if subject in NAMES:
            value = _error(getattr(found, subject), what)
        elif subject == "cost":
            c = _costs(self._question(picture))
            value = dict(zip(c.kinds, c.ratios[1].tolist(), strict=True)).get(what)
        elif what == "size":
            value = float(found.parameters)
        if value is None:
            raise ClaimError(f"{name!r} is not known.")
        return value

    def draw(self, picture: Picture, found: Answer, key: str) -> None:
        """The pictures that the step names, as large as there is space."""
        theme, drawn = THEMES[theme_name()], []
        for name in picture.show or ("slope", "product"):
            drawn.append(figures.costs(figures.CostsView(_costs(self._question(picture)), theme))
                         if name == "costs" else _drawn(found, theme, name))
        payload = assembled(theme, drawn, [], Clock(np.arange(1)), [[p.id for p in drawn]],
                            [picture.state, *picture.show])
        player(payload | {"plotly_url": PLOTLY_URL}, key=key)

    def _question(self, picture: Picture) -> Question:
        return decode(picture.query, Question())[0]


def _answered(question: Question) -> Answer:
    with _answering:                           # whoever comes second finds what the first did
        found = answer(question)                             # type: ignore[arg-type]  it hashes
    _found.add(question)
    return found


def _quietly(question: Question) -> None:
    try:
        _answered(question)
    except QnvizError:
        return                                               # reported to whoever arrives there


def _drawn(found: Answer, theme: Theme, name: str) -> Drawn:
    return figures.errors(figures.ErrorsView(getattr(found, name), name, NAMES[name], theme))


def _error(e: Errors, what: str) -> float | None:
    """A number of one picture: kind.best, kind.best_h, complex.floor, kink, kind@k at h = 10^−k."""
    if what == "kink":
        return float("nan") if e.kink is None else e.kink
    if what == "complex.floor":
        return e.floor
    if what in ("complex.from", "complex.to") and e.holds:
        return e.holds[what == "complex.from"]
    kind, at, power = what.partition("@")
    if at and kind in KINDS:
        h = int(np.abs(np.log10(e.h) + int(power)).argmin())
        return float(e.by_step[KINDS[kind]][h])
    kind, _, which = what.partition(".")
    if kind in KINDS and which in ("best", "best_h"):
        lowest = figures.best(e, KINDS[kind])
        return None if lowest is None else lowest[which == "best"]
    return e.without_step.get(kind) if which == "error" else None


@lru_cache(maxsize=8)
def _measured(activation: str, loss: str, precision: str) -> Costs:
    return costs(activation, loss, precision)                # type: ignore[arg-type]


def _costs(q: Question) -> Costs:
    with _measuring:                           # once for a class of thirty, and one at a time
        return _measured(q.activation, q.loss, q.precision)
