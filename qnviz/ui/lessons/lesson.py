"""A lesson: its steps, what each shows, and what it asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from pydantic import Field, field_validator

from qnviz.errors import LessonError
from qnviz.fields import Frozen

MOST_WORDS = 900                               # characters of a step's text


class Meta(Frozen):
    """What the index tells of a lesson."""

    title: str = Field(min_length=1, max_length=80)
    summary: str = Field(min_length=1, max_length=240)
    minutes: int = Field(ge=1, le=240)
    order: int = Field(default=1000, ge=0, le=100_000)


class Picture(Frozen):
    """A page's state, and what of it is shown."""

    page: str
    state: str = Field(default="", max_length=2000)
    step: int | None = Field(default=None, ge=0, le=3000)
    show: tuple[str, ...] = Field(default=(), max_length=4)
    expect: tuple[str, ...] = ()

    @property
    def query(self) -> dict[str, str]:
        """The state's fields, as the page's address has them."""
        return dict(parse_qsl(self.state.rpartition("?")[2], keep_blank_values=True))

    @property
    def address(self) -> str:
        """Where the page itself opens in this state, beside the lesson's own address."""
        pinned = {} if self.step is None else {"step": str(self.step)}
        query = urlencode(self.query | pinned, safe=",~()^*+/:")
        return f"{self.page}?{query}" if query else self.page


class Reveal(Frozen):
    """What of the step's picture is another one after the answer; the rest stays."""

    page: str | None = None
    state: str | None = Field(default=None, max_length=2000)
    step: int | None = Field(default=None, ge=0, le=3000)
    show: tuple[str, ...] | None = Field(default=None, max_length=4)
    expect: tuple[str, ...] = ()


class Question(Frozen):
    """Something to predict before it is seen."""

    ask: str = Field(min_length=1, max_length=400)
    options: tuple[str, ...]
    right: int
    because: str = Field(min_length=1, max_length=MOST_WORDS)
    reveal: Reveal = Reveal()

    @field_validator("options")
    @classmethod
    def _few(cls, options: tuple[str, ...]) -> tuple[str, ...]:
        if not 2 <= len(options) <= 5:
            raise ValueError(f"a question needs 2 to 5 options, but has {len(options)}")
        if not all(0 < len(o) <= 160 for o in options):
            raise ValueError("an option needs 1 to 160 characters")
        return options

    @field_validator("right")
    @classmethod
    def _one_of(cls, right: int, info) -> int:                        # type: ignore[no-untyped-def]
        count = len(info.data.get("options", ()))
        if count and not 1 <= right <= count:
            raise ValueError(f"right is {right}, but must be the number of an option, 1 to {count}")
        return right


class Fields(Picture):
    """The block of a step."""

    question: Question | None = None


@dataclass(frozen=True)
class Step:
    """One screen of a lesson."""

    heading: str
    text: str
    picture: Picture
    question: Question | None
    revealed: Picture                          # the same as `picture` where nothing is asked
    line: int


@dataclass(frozen=True)
class Lesson:
    """One lesson."""

    id: str
    file: str
    meta: Meta
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Shelf:
    """All lessons that can be shown, in their order, and what is wrong with the others."""

    lessons: Mapping[str, Lesson]
    broken: tuple[LessonError, ...]
