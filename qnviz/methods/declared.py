"""What a method declares of itself beside its algorithm; nothing here needs torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

Dash = Literal["solid", "dash", "dot", "dashdot", "longdash"]
Marker = Literal["circle", "diamond", "square", "triangle-up", "cross", "x", "star"]
DASHES: tuple[Dash, ...] = get_args(Dash)      # what pictures, legend and canvas can all draw
MARKERS: tuple[Marker, ...] = get_args(Marker)


class Style(NamedTuple):
    """How an entrant is drawn everywhere; colour is never the only cue."""

    color: str                                 # #rrggbb, readable on white
    dash: Dash = "solid"
    marker: Marker = "circle"


@dataclass(frozen=True)
class Failure:
    """A run in which a method does what its `fails` says, beside entrants that fare better.

    `shows` says how: "diverged"; "slow", far behind the best of the others when its steps are used
    up or it has ended by itself; "stalls", the second half of its steps gains nearly nothing;
    "jumps", one step multiplies the loss by a hundred.
    """

    shows: Literal["diverged", "slow", "stalls", "jumps"]
    problem: Mapping[str, Any]                 # fields of its spec, with "name"
    settings: Mapping[str, Any]                # the method's own hyper-parameters
    beside: tuple[Mapping[str, Any], ...]      # other entrants, each with "name"
    steps: int = 300
    seed: int = 0


class DropIn(NamedTuple):
    """The optimizer that makes a method's steps in a training loop of the reader's own.

    An argument is called like the field that it takes, unless `renamed` says otherwise; fields
    that are renamed to the same argument are passed as one tuple.
    """

    module: Literal["qnviz.optim", "torch.optim"]
    name: str
    closure: Literal["none", "backward", "loss", "output"]     # what step() is called with
    note: str                                  # a sentence for the head of the script
    takes: str = "model.parameters()"          # its first argument
    renamed: Mapping[str, str] = {}            # field → argument
    fixed: Mapping[str, Any] = {}              # arguments that no field of the method sets
    full_batch: bool = False                   # whether every step must see all data


@dataclass(frozen=True)
class Row:
    """A row of the scoreboard: the method with declared settings, and the fields that are tuned.

    Every problem gets its own best combination of the values that `GRID` in scoreboard/table.py has
    for these fields, or the row's own `grid`. The page shows rows beyond its main ones on request.
    """

    key: str
    title: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    tuned: tuple[str, ...] = ()
    grid: Mapping[str, tuple[float, ...]] = field(default_factory=dict)    # by field
    name: str = ""                             # the method's; the table fills it in
