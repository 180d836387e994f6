"""Races: every entrant of a spec gets a stepper, and they take turns chunk by chunk.

So a race grows everywhere at once, and can be drawn at any time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Event

import numpy as np
import torch

from qnviz.errors import Interrupted
from qnviz.methods.base import Method
from qnviz.methods.declared import DASHES, MARKERS
from qnviz.runs.device import built, enough_memory, set_threads
from qnviz.runs.plane import plane, projected
from qnviz.runs.record import Columns
from qnviz.runs.spec import RunSpec
from qnviz.runs.step import Runs, Stepper
from qnviz.runs.trace import Entrant, Trace

SENTENCES = 1000                     # runs of an entrant whose ends are put in words
PATHS = ("path", "path_loss", "path_true")


@dataclass(frozen=True)
class Progress:
    """What `stream` yields: how far all entrants are, and a way to see what there is so far."""

    done: int                        # entrant-steps finished
    total: int
    entrants: list[Stepper[Columns]]
    spec: RunSpec
    device: str

    @property
    def fraction(self) -> float:
        """Share of the work that is done."""
        return self.done / self.total

    @property
    def complete(self) -> bool:
        """Whether every run has come to its own end."""
        return not any(entrant.alive for entrant in self.entrants)

    def trace(self, quality: float = 1.0, known: Trace | None = None) -> Trace:
        """Everything recorded so far, drawable at any time.

        For a picture that is still growing: less `quality` makes a coarser plane, sooner, and with
        an earlier trace of the same run its plane and paths are taken as they were.
        """
        with enough_memory(self.spec):
            return self._trace(quality, known)

    def _trace(self, quality: float, known: Trace | None) -> Trace:
        spec, problem = self.spec, self.entrants[0].problem
        recorded = {e.method.entrant: e.recorder for e in self.entrants}
        columns = {label: r.columns() for label, r in recorded.items()}
        if spec.problem.plane:
            flat = plane(spec.problem, problem)
        else:
            if known is not None:
                flat = known.plane
                paths = {label: {n: c[n] for n in PATHS if n in c}
                         for label, c in known.columns.items()}
            else:
                flat, paths = projected(problem, columns, quality=quality)
            for label, path in paths.items():
                columns[label] |= path
        trace = Trace(
            spec=spec.model_dump(mode="json"), key=spec.key(),
            entrants=entrants([e.method for e in self.entrants]),
            columns=columns, plane=flat,
            scene={"loss_name": np.array(spec.problem.loss_name)} | problem.scene(),
            words={label: r.words() for label, r in recorded.items()},
            ends={label: [r.end(run) for run in range(min(spec.runs, SENTENCES))]
                  for label, r in recorded.items()},
            device=self.device)
        return trace if spec.keeps_parameters else trace.light()


@torch.inference_mode()          # a fifth faster than no_grad at this size
def stream(spec: RunSpec, stop: Event | None = None) -> Iterator[Progress]:
    """Run a spec, yielding every few tens of milliseconds; the last value holds the whole run.

    Setting `stop` ends it before the next pass through the net, however long a step is; the last
    value then holds what was computed.

    Raises:
        DeviceError: the device asked for is not there, or its memory does not hold the run.
        DataError: the problem's data are missing or damaged.
    """
    with enough_memory(spec):
        yield from _stream(spec, stop)


def _stream(spec: RunSpec, stop: Event | None) -> Iterator[Progress]:
    def check() -> None:
        if stop is not None and stop.is_set():
            raise Interrupted

    problem, words = built(spec)
    set_threads(problem.size * spec.runs)
    entered: list[Stepper[Columns]] = []

    def progress() -> Progress:
        return Progress(sum(e.progress for e in entered), spec.steps * len(spec.methods), entered,
                        spec, words)

    try:
        for method in spec.methods:
            runs = Runs.alike(method, problem, spec.seed, spec.runs)
            columns = Columns(spec, method, problem, spec.runs)
            entered.append(Stepper(spec, method, problem, runs, columns, check))
        while any(entrant.alive for entrant in entered):
            for entrant in entered:
                if entrant.alive:
                    entrant.advance()
                    yield progress()
    except Interrupted:
        if len(entered) < len(spec.methods):
            return                                      # stopped before there was anything to see
    yield progress()


def run(spec: RunSpec) -> Trace:
    """Run a spec to its end."""
    *_, last = stream(spec)
    return last.trace()


def entrants(methods: Sequence[Method]) -> list[Entrant]:
    """How each entrant is called and drawn; twins share a colour, not dash and marker."""
    found = []
    for i, m in enumerate(methods):
        name = m.entrant if m.label else m.title
        twins = sum(type(other) is type(m) for other in methods[:i])
        color, dash, marker = m.style
        found.append(Entrant(
            m.entrant, m.name, name, color,
            DASHES[(DASHES.index(dash) + twins) % len(DASHES)],
            MARKERS[(MARKERS.index(marker) + twins) % len(MARKERS)], m.family))
    return found
