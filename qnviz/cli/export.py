"""The command `python -m qnviz export`: a run as a page, pictures, numbers or a script.

What is given is a trace that was saved, or a spec, which is run first. The ending of --out says
what is made; a file that is there is overwritten, as `python -m qnviz run` does.
"""

from __future__ import annotations

import argparse
import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from qnviz.cli.output import check_folder, say, writing
from qnviz.cli.parser import ENDINGS, PICTURES
from qnviz.cli.run import computed
from qnviz.errors import ExportError, SpecError
from qnviz.export import words
from qnviz.export.html import player_html
from qnviz.export.pictures import SIZES, picture
from qnviz.export.scripts import model_script, no_drop_in, run_script
from qnviz.export.tables import csv_text
from qnviz.figures.player import LAYOUTS, linked
from qnviz.figures.race import RaceView
from qnviz.figures.theme import THEMES
from qnviz.runs.spec import RunSpec, parse, read
from qnviz.runs.trace import Trace
from qnviz.saving import replaced


def command(args: argparse.Namespace) -> int:
    """Make what is asked for; returns the exit status.

    Raises:
        SpecError: the request was wrong.
        QnvizError: it could not be carried out.
    """
    ending = args.out.suffix.lower()
    if ending not in ENDINGS:
        raise SpecError([f"--out {args.out}: the ending must be one of {', '.join(ENDINGS)}."])
    check_folder(args.out)
    _fits(args, ending)
    if ending == ".py":
        written = [_written(args.out, _script(args).encode())]
    else:
        trace = _trace(args)
        _check(args, trace)
        made = [(args.out, _one(args, trace))] if ending not in PICTURES else list(
            _pictures(args, trace))
        written = [_written(path, data) for path, data in made]
    if not args.quiet:
        for path, size in written:
            say(f"Saved {path}, {max(1, round(size / 1e3)):,} kB.")
    return 0


def _fits(args: argparse.Namespace, ending: str) -> None:
    """Refuse options that would do nothing to what is made."""
    faults = [f"{name} is for pictures, not for {ending}." for name, value in (
        ("--panel", args.panel), ("--transparent", args.transparent))
        if value and ending not in PICTURES]
    if args.method and ending not in (".csv", ".py"):
        faults.append(f"--method is for .csv and .py, not for {ending}.")
    if faults:
        raise SpecError(faults)


def _written(path: Path, data: bytes) -> tuple[Path, int]:
    with writing(path), replaced(path) as file:
        file.write(data)
    return path, len(data)


# --- what is given --------------------------------------------------------------------------------


def _trace(args: argparse.Namespace) -> Trace:
    """The saved trace, or that of the spec, which is run now."""
    if _saved(args.source):
        return Trace.load(args.source)
    return computed(_spec(args), args.quiet)


def _saved(path: Path) -> bool:
    return path.suffix == ".npz" or zipfile.is_zipfile(path)


def _spec(args: argparse.Namespace) -> RunSpec:
    return parse(Trace.load(args.source).spec) if _saved(args.source) else read(args.source)


def _check(args: argparse.Namespace, trace: Trace) -> None:
    """Refuse what this trace does not hold."""
    runs = len(trace[trace.entrants[0].label]["status"])
    faults = []
    if not 0 <= args.run < runs:
        faults.append(f"--run is {args.run}, but the runs are numbered 0 to {runs - 1}.")
    if args.step is not None and args.step < 0:
        faults.append(f"--step is {args.step}, but must be at least 0.")
    if args.layout and args.layout not in LAYOUTS:
        faults.append(f"--layout is {args.layout!r}, but must be one of {', '.join(LAYOUTS)}.")
    labels = [e.label for e in trace.entrants]
    if args.method and args.out.suffix.lower() == ".csv" and args.method not in labels:
        faults.append(f"--method is {args.method!r}, but the entrants are {', '.join(labels)}.")
    if faults:
        raise SpecError(faults)


# --- what is made ---------------------------------------------------------------------------------


def _one(args: argparse.Namespace, trace: Trace) -> bytes:
    """A file that there is one of: page, numbers."""
    if args.out.suffix.lower() == ".html":
        return player_html(trace, layout=args.layout, axis=args.axis, frame=args.step,
                           run=args.run, theme=args.theme or "auto").encode()
    if args.out.suffix.lower() == ".csv":
        return csv_text(trace, [args.method] if args.method else None, [args.run]).encode()
    file = io.BytesIO()
    trace.save(file)
    return file.getvalue()


def _pictures(args: argparse.Namespace, trace: Trace) -> Iterator[tuple[Path, bytes]]:
    """Every picture in a file of its own; one alone has the name that was given."""
    if args.size not in SIZES:
        raise SpecError([f"--size is {args.size!r}, but must be one of {', '.join(SIZES)}."])
    view = RaceView(trace, THEMES[args.theme or "light"], args.axis, args.run)
    payload = linked(view, args.layout, follow=False)
    known = {name: (p["id"], choice) for p in payload["panels"] for name, choice in [
        (p["id"], None), *((f"{p['id']}/{c['label']}", c["label"]) for c in (p, *p["choices"])
                           if c["label"])]}
    wanted = args.panel or [p["id"] for p in payload["panels"]]
    if unknown := [name for name in wanted if name not in known]:
        raise SpecError([f"--panel is {name!r}, but must be one of {', '.join(known)}."
                         for name in unknown])
    for name in wanted:
        panel, choice = known[name]
        plain = re.sub(r"[^\w.()+-]+", "-", name)
        alone = bool(args.panel) and len(wanted) == 1
        out = args.out if alone else args.out.with_stem(f"{args.out.stem}-{plain}")
        yield out, picture(payload, panel, args.step, choice=choice,
                           form=args.out.suffix.lower()[1:], size=args.size,
                           caption=words.caption(trace.spec), transparent=args.transparent)


def _script(args: argparse.Namespace) -> str:
    spec = _spec(args)
    if not args.method:
        return run_script(spec)
    for method in spec.methods:
        if args.method in (method.entrant, method.name):
            script = model_script(method)
            if script is None:
                raise ExportError(no_drop_in(method))
            return script
    raise SpecError([f"--method is {args.method!r}, but the entrants are "
                     f"{', '.join(m.entrant for m in spec.methods)}."])
