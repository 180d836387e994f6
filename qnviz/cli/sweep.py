"""The command `python -m qnviz sweep`: a map without the browser.

What is computed is saved from time to time and whatever happens, and gone on from by the same
command.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from tqdm import tqdm

from qnviz import numbers
from qnviz.cli.output import bar, check_folder, say, writing
from qnviz.errors import Interrupted, QnvizError, SpecError, TraceError
from qnviz.jobs import workers
from qnviz.runs.ends import WORDS
from qnviz.sweeps.result import SweepResult
from qnviz.sweeps.spec import SweepSpec, read_sweep
from qnviz.sweeps.sweeping import sweep

LOG = logging.getLogger("qnviz")
SAVE = 10.0                          # seconds between two times of saving
SAVE_SHARE = 0.1                     # of the time that may go into it


def command(args: argparse.Namespace) -> int:
    """Compute what is missing of a sweep; returns the exit status.

    Args:
        args: `spec` and `out`, paths; `quiet` and `fresh`.

    Raises:
        SpecError: the spec is wrong, or `out` holds something else.
        QnvizError: it could not be carried out; what was computed is in `out`.
    """
    spec = read_sweep(args.spec)
    _writable(args.out)
    result = _begun(args, spec)
    if result.complete:
        if not args.quiet:
            say(f"Nothing to do: {args.out} holds all of this sweep. --fresh computes it again.")
        return 0
    with _handled() as stop, _sentences():
        status = _carried_out(args, result, stop)
    if not status and not args.quiet:
        for line in summary(result):
            say(line)
        say(f"Saved {args.out}.")
    return status


def _writable(out: Path) -> None:
    """Refuse a place that nothing can be written to, before anything is computed."""
    check_folder(out)
    if out.is_dir():
        raise SpecError([f"--out {out} is a folder; give a file in it."])
    with writing(out), tempfile.TemporaryFile(dir=out.resolve().parent):
        pass


def _begun(args: argparse.Namespace, spec: SweepSpec) -> SweepResult:
    """What there is of a sweep in the file that is to hold it."""
    if args.fresh or not args.out.exists():
        return SweepResult(spec)
    try:
        found = SweepResult.load(args.out)
    except TraceError as error:
        raise SpecError([f"{error} --fresh overwrites it."]) from None
    if found.spec.key() != spec.key():
        raise SpecError([f"{args.out} holds another sweep than {args.spec} describes; "
                         "take another file, or overwrite this one by --fresh."])
    if not (args.quiet or found.complete):
        say(f"Going on from {args.out}, which holds {_counted(found)}.")
    return found


def _counted(result: SweepResult) -> str:
    return f"{round(result.fraction * result.spec.size):,} of {result.spec.size:,} runs"


@contextmanager
def _handled() -> Iterator[threading.Event]:
    """An event that Ctrl+C and SIGTERM set: between two tiles is the time to end."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set())
              for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Sentences(logging.Handler):
    """What is logged, above the progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(f"qnviz: {record.getMessage()}", file=sys.stderr)


@contextmanager
def _sentences() -> Iterator[None]:
    handler = _Sentences(logging.WARNING)
    LOG.addHandler(handler)
    try:
        yield
    finally:
        LOG.removeHandler(handler)


def _carried_out(args: argparse.Namespace, result: SweepResult, stop: threading.Event) -> int:
    try:
        _compute(args, result, stop)
    except Interrupted:
        sys.stderr.write(f"qnviz: interrupted. {_kept(args, result)}\n")
        return 130
    except QnvizError as error:
        raise QnvizError(f"{error} {_kept(args, result)}") from error
    except Exception:
        sys.stderr.write(f"qnviz: {_kept(args, result)}\n")
        raise
    finally:
        workers.close()
    _save(result, args.out)
    return 0


def _compute(args: argparse.Namespace, result: SweepResult, stop: threading.Event) -> None:
    """Add to the result until it is complete, and save it now and then."""
    done, due = round(result.fraction * result.spec.size), time.monotonic() + SAVE

    def progress(runs: int, total: int) -> None:
        nonlocal done, due
        shown.update(runs - done)
        done = runs
        if (began := time.monotonic()) > due and runs < total:
            try:
                _save(result, args.out)
            except QnvizError as error:        # at the end there may be space again
                LOG.warning("%s", error)
            due = time.monotonic() + max(SAVE, (time.monotonic() - began) / SAVE_SHARE)

    with bar(result.spec.size, "run", args.quiet, initial=done, smoothing=0.1) as shown:
        sweep(result.spec, result, progress, stop)


def _save(result: SweepResult, out: Path) -> None:
    with writing(out):
        result.save(out)


def _kept(args: argparse.Namespace, result: SweepResult) -> str:
    """Save what there is, and say so."""
    if not result.have.any():
        return "Nothing was computed yet."
    _save(result, args.out)
    again = " without --fresh" if args.fresh else ""
    return (f"{args.out} keeps {_counted(result)}; the same command{again} goes on from there.")


def summary(result: SweepResult) -> list[str]:
    """How many runs ended how, and the cell that reached the target soonest, in words."""
    names, counts = np.unique(result["status"], return_counts=True)
    lines = [", ".join(f"{n:,} {WORDS.get(str(name), name)}" for name, n in zip(
        names, counts, strict=True)) + "."]
    # a run that did not reach the target took longer than any that did
    steps = np.nan_to_num(result["steps_to_target"], nan=np.inf)
    median = np.median(steps, axis=-1)
    iy, ix = np.unravel_index(np.argmin(median), median.shape)
    if not np.isfinite(median[iy, ix]):
        return [*lines, "No cell reached the target in half of its runs."]
    spec, at = result.spec, {"x": ix, "y": iy}
    where = ", ".join(f"{spec.axes[name].field} = {numbers.say(values[at[name]])}"
                      for name, values in spec.values.items())
    runs = f" (median of {spec.sweep.seeds} seeds)" if spec.sweep.seeds > 1 else ""
    return [*lines, f"Best cell: {where}, with {numbers.say(median[iy, ix])} steps to the target"
                    f"{runs}."]
