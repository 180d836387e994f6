"""What a lab page is, what state it can be in, and how its address says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from qnviz.fields import Frozen
from qnviz.runs.spec import RunSpec
from qnviz.runs.trace import Trace
from qnviz.ui.state import codec
from qnviz.ui.state.address import Query, bounded
from qnviz.ui.state.settings import Settings, read_query, write_query

if TYPE_CHECKING:
    from qnviz.ui.labs.page import Page


class Own(Frozen):
    """What a lab page keeps in its address beside the settings of a run; here nothing."""

    former: ClassVar[tuple[str, ...]] = ()     # fields of addresses of earlier versions

    @classmethod
    def renewed(cls, query: dict[str, str], settings: Settings) -> tuple[dict[str, str], list[str]]:
        """An address with today's fields in place of `former` ones, and what is wrong with them."""
        return query, []


@dataclass(frozen=True)
class LabState:
    """The whole state of a lab page."""

    settings: Settings
    own: Own


@dataclass(frozen=True)
class Lab:
    """What one lab page is: where it opens, what it offers, and the parts that only it has.

    Attributes:
        labs: the state in which it opens without anything in its address, by the name of its
            problem; of several the visitor may choose one, the first being where it opens.
        presets: states to jump to, by their names.
        explain: what there is to see, in Markdown, under 120 words.
        own: the fields that the page has in its address beside its settings.
        data: draws controls for the page's data.
        above: draws what stands above everything else; gets the run, if there is one.
        below: draws what stands below the pictures of a run that is over.
        event: called with a clicked event's trace, frame and row before the page is drawn again;
            returns the frame that was meant.
    """

    labs: Mapping[str, Settings]
    presets: Mapping[str, Settings]
    explain: str = ""
    own: type[Own] = Own
    data: Callable[[Page], None] | None = None
    above: Callable[[Page, RunSpec | None], None] | None = None
    below: Callable[[Page, Trace, RunSpec], None] | None = None
    event: Callable[[Page, Trace, int, int], int] | None = None


def read_state(query: Query, labs: Mapping[str, Settings], own: type[Own]) -> tuple[
        LabState, tuple[str, ...]]:
    """An address as a lab's state, and a sentence for each field that is refused."""
    fields, notes = bounded(query)
    on = fields.pop("on", next(iter(labs)))
    if on not in labs:
        notes.append(f"on is {on!r}, but must be one of {', '.join(labs)}.")
        on = next(iter(labs))
    mine = {*codec.names_in(own), *own.former}
    settings = read_query({n: v for n, v in fields.items() if n not in mine}, labs[on])
    fields, more = own.renewed({n: v for n, v in fields.items() if n in mine}, settings)
    found, refused = codec.decode(fields, own())
    return LabState(settings, found), (*notes, *more, *refused, *settings.faults)


def write_state(value: LabState, labs: Mapping[str, Settings]) -> dict[str, str]:
    """A lab's state as an address's fields, without those that are as the page opens."""
    on = value.settings.problem["name"]
    query = {} if on == next(iter(labs)) else {"on": on}
    return query | write_query(value.settings, labs[on]) | codec.encode(value.own)
