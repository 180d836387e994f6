"""The command `python -m qnviz run`: compute a spec and save its trace."""

from __future__ import annotations

import argparse
import sys

import numpy as np
from tqdm import tqdm

from qnviz.errors import QnvizError, SpecError
from qnviz.runs.ends import WORDS
from qnviz.runs.loop import stream
from qnviz.runs.spec import RunSpec, read
from qnviz.runs.trace import Trace
from qnviz.saving import replaced


def run_command(args: argparse.Namespace) -> int:
    """Run a spec file and save what it leaves; returns the exit status.

    Raises:
        SpecError: the spec, or where to save its trace, is wrong.
        QnvizError: the run or the file could not be made.
    """
    spec = read(args.spec)
    folder = args.out.resolve().parent
    if not folder.is_dir():
        raise SpecError([f"--out {args.out}: the folder {folder.name!r} does not exist."])
    trace = computed(spec, args.quiet)
    try:
        with replaced(args.out) as file:            # a handle, so that numpy adds no suffix
            trace.save(file)
    except OSError as error:
        raise QnvizError(f"{args.out} could not be written: {error.strerror}.") from None
    if not args.quiet:
        lines = [*spec.problem.notes, *(_summary(e.label, trace) for e in trace.entrants)]
        sys.stdout.write("\n".join([*lines, f"Saved {args.out}, computed {trace.device}.\n"]))
    return 0


def computed(spec: RunSpec, quiet: bool) -> Trace:
    """A run to its end, with a bar of its progress unless it is to be quiet."""
    with tqdm(total=spec.steps * len(spec.methods), unit="step", disable=quiet,
              file=sys.stderr, dynamic_ncols=True) as bar:
        progress = None
        for progress in stream(spec):
            bar.update(progress.done - bar.n)
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
