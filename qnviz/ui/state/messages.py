"""Validation of what browsers send of a component: by its own script, or by anybody at all.

A component's value is JSON that Streamlit hands on as it came. Only what the component's script can
send is taken; anything else is ignored, and the visitor is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Generic, TypeVar

import streamlit as st
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from qnviz.fields import Frozen

T = TypeVar("T")
LARGEST_PLACE = 1_000_000            # of anything that is counted: steps, rows, cells
LARGEST = 1e12                       # of a coordinate; pages have closer bounds of their own

Place = Annotated[int, Field(strict=True, ge=0, le=LARGEST_PLACE)]
Row = Annotated[int, Field(strict=True, ge=-LARGEST_PLACE, le=LARGEST_PLACE)]     # beside, too
Number = Annotated[float, Field(strict=True, ge=-LARGEST, le=LARGEST, allow_inf_nan=False)]
Share = Annotated[float, Field(strict=True, gt=0, lt=1)]
Word = Annotated[str, Field(strict=True, max_length=80)]
# of a field of a spec; which values a field takes, its model says
Value = (Annotated[int, Field(strict=True, ge=-LARGEST, le=LARGEST)] | Number
         | Annotated[bool, Field(strict=True)] | Word)
Values = Annotated[dict[Word, Value], Field(max_length=50)]


class Pair(Frozen):
    """An update in the plane as the reader left it."""

    H: tuple[Number, Number, Number]
    s: tuple[Number, Number]
    y: tuple[Number, Number]
    mu1: Share
    mu2: Share


class Request(Frozen):
    """What the reader asked of the lesson bar: one thing at a time."""

    model_config = ConfigDict(strict=True)

    index: bool | None = None
    present: bool | None = None
    at: Annotated[int, Field(ge=1, le=LARGEST_PLACE)] | None = None
    reveal: Annotated[int, Field(ge=1, le=LARGEST_PLACE)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Request:
        if len(self.model_fields_set) != 1:
            raise ValueError("a request names one thing")
        return self


class Edit(Frozen):
    """What a visitor changed of a run by hand: only what differs from before."""

    start: tuple[Number, Number] | None = None
    problem: Values = {}
    run: Values = {}
    entrants: Annotated[dict[Word, Values], Field(max_length=50)] = {}     # by the trace's labels
    remove: Word | None = None                 # the label of one who leaves the race
    serial: Place | None = None                # by which the player finds it answered


class MapEdit(Frozen):
    """Settings of a page of maps as the reader left them: of either method, and of both."""

    left: Annotated[dict[Word, Number], Field(max_length=50)] = {}
    right: Annotated[dict[Word, Number], Field(max_length=50)] = {}
    noise: Number | None = None
    seed: Place | None = None
    start: tuple[Number, Number] | None = None


class Message(Generic[T]):
    """What one field of a component's value may be; None, its value at rest, always passes."""

    def __init__(self, shape: Any, words: str):
        self._shape: TypeAdapter[Any] = TypeAdapter(shape)
        self.words = words

    def read(self, value: Any) -> T | None:
        """A field's value.

        Raises:
            ValidationError: it is none that the component's script could send.
        """
        return None if value is None else self._shape.validate_python(value)


FRAME: Message[int] = Message(Place, "a step")
POINT: Message[tuple[float, float]] = Message(tuple[Number, Number], "a point")
EVENT: Message[tuple[int, int]] = Message(tuple[Place, Row], "an event")
CELL: Message[tuple[int, int, int]] = Message(tuple[Place, Place, Place], "a cell of a map")
PIN: Message[tuple[()] | tuple[int, float, float, int]] = Message(
    tuple[Place, Number, Number, Place] | tuple[()], "a run of a map")
MAP_EDIT: Message[MapEdit] = Message(MapEdit, "a setting")
PAIR: Message[Pair] = Message(Pair, "an update")
EDIT: Message[Edit] = Message(Edit, "a change of settings")
REQUEST: Message[Request] = Message(Request, "a request")


def received(component: str, name: str, message: Message[T]) -> T | None:
    """What a component reported, or None; what makes no sense is ignored, with a message.

    Args:
        component: the component's key.
        name: the field of its value.
        message: what that may be.
    """
    value = st.session_state.get(component)
    try:
        return message.read(value.get(name) if isinstance(value, Mapping) else None)
    except ValidationError:
        st.toast(f"The browser sent {message.words} that does not exist; it was ignored.")
        return None
