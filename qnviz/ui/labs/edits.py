"""What a visitor changed by hand in the player of a lab, taken into the page's settings."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import streamlit as st
from pydantic import ValidationError

from qnviz.fields import Frozen, faults
from qnviz.methods.registry import METHODS
from qnviz.numbers import say
from qnviz.problems.registry import PROBLEMS
from qnviz.runs.handles import of_method, of_problem
from qnviz.ui.labs.page import Page
from qnviz.ui.state.messages import Edit
from qnviz.ui.state.settings import RunFields, Settings, base

REMEMBERED = 64                                # labels
BY_HAND = ("steps", "seed")                    # fields of the whole run


def name_entrants(page: Page, settings: Settings) -> None:
    """Remember which entrant a label means in the player that is about to be drawn.

    A twin's label says its settings, so an edit may name it as it was called one drawing earlier.
    """
    known = st.session_state.setdefault(f"{page.scope}/labels", {})
    for e in settings.entrants:
        known.pop(settings.title(e), None)
        known[settings.title(e)] = e
    for label in list(known)[:-REMEMBERED]:
        del known[label]


def take(page: Page, edit: Edit) -> list[str]:
    """Put an edit into the session; gives a sentence for all that is refused."""
    refused = []
    model = PROBLEMS[page.on]
    if edit.start is not None:
        refused += begin(page, edit.start)
    refused += _set(page, model, edit.problem, [q.name for q in of_problem(model)])
    refused += _set(page, RunFields, edit.run, BY_HAND)
    for label, values in edit.entrants.items():
        e = _entrant(page, label)
        if e is None:
            refused.append(_stranger(label))
            continue
        method = METHODS[base(e)]
        wrong = _set(page, method, values, [q.name for q in of_method(method)], f"{e}.")
        refused += [f"{label}: {words}" for words in wrong]
    if edit.remove is not None:
        refused += _remove(page, edit.remove)
    return refused


def begin(page: Page, point: tuple[float, float]) -> list[str]:
    """Start from another point of the plane; gives a sentence if that is refused."""
    problem = PROBLEMS[page.on]
    if not problem.plane:
        return [f"{problem.title} has no start that can be chosen."]
    if max(map(abs, point)) > problem.reach:
        return ["Coordinates of the start must lie between "
                f"{say(-problem.reach)} and {say(problem.reach)}."]
    page.start_from(point)
    return []


def _set(page: Page, model: type[Frozen], values: Mapping[str, Any], known: Collection[str],
         prefix: str = "") -> list[str]:
    """Set those values that their fields take, each by itself; gives a sentence for each other."""
    refused = []
    for name, value in values.items():
        if name not in known:
            refused.append(f"{name} is no setting that can be changed here.")
            continue
        try:
            taken = getattr(model.model_validate({name: value}, strict=True), name)
        except ValidationError as error:
            refused += faults(error)
        else:
            st.session_state[page.key(f"{prefix}{name}")] = taken
    return refused


def _entrant(page: Page, label: str) -> str | None:
    """The entrant that a label means: now, or when the player was drawn."""
    settings = page.settings
    now = {settings.title(e): e for e in settings.entrants}
    e = now.get(label, st.session_state.get(f"{page.scope}/labels", {}).get(label))
    return e if e in settings.entrants else None


def _remove(page: Page, label: str) -> list[str]:
    e, entrants = _entrant(page, label), list(page.settings.entrants)
    if e is None:
        return [_stranger(label)]
    if len(entrants) == 1:
        return [f"{label} is the only method: add another one before it leaves."]
    page.enter([other for other in entrants if other != e])
    return []


def _stranger(label: str) -> str:
    return f"{label} takes no part in this race any more."
