"""The command `python -m qnviz run`: compute a spec and save its trace."""

from __future__ import annotations

import argparse

import numpy as np

from qnviz.cli.output import bar, check_folder, say, writing
from qnviz.runs.ends import WORDS
from qnviz.runs.loop import stream
from qnviz.runs.spec import RunSpec, read
from qnviz.runs.trace import Trace
from qnviz.saving import replaced


def command(args: argparse.Namespace) -> int:
    """Run a spec file and save what it leaves; returns the exit status.

    Raises:
        SpecError: the spec, or where to save its trace, is wrong.
        QnvizError: the run or the file could not be made.
    """
    spec = read(args.spec)
    check_folder(args.out)
    trace = computed(spec, args.quiet)
    with writing(args.out), replaced(args.out) as file:      # open, so that numpy adds no suffix
        trace.save(file)
    if not args.quiet:
        lines = [*spec.problem.notes, *(_summary(e.label, trace) for e in trace.entrants)]
        say("\n".join([*lines, f"Saved {args.out}, computed {trace.device}."]))
    return 0


def computed(spec: RunSpec, quiet: bool) -> Trace:
    """A run to its end, with a bar of its progress unless it is to be quiet."""
    progress = None
    with bar(spec.steps * len(spec.methods), "step", quiet) as shown:
        for progress in stream(spec):
            shown.update(progress.done - shown.n)
    assert progress is not None                     # a stream yields at least its end
    return progress.trace()


def _summary(label: str, trace: Trace) -> str:
    """How an entrant's runs ended, in a line."""
    columns = trace[label]
    status, stopped = columns["status"], columns["stopped"]
    if len(status) == 1:
        return f"{label:24} {trace.ends[label][0]}"
    good = status == "converged"
    counts = ", ".join(f"{n} {WORDS[str(s)]}" for s, n in zip(*np.unique(
        status, return_counts=True), strict=True))
    when = (f", in {stopped[good].mean():.1f} ± {stopped[good].std():.1f} steps"
            if good.any() else "")
    return f"{label:24} {counts}{when}"
