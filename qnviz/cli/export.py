"""The command `python -m qnviz export`: a run as a page, pictures, numbers or a script.

What is given is a trace that was saved, or a spec, which is run first. The ending of --out says
what is made; a file that is there is overwritten, as `python -m qnviz run` does.
"""

from __future__ import annotations

import argparse
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from qnviz.errors import ExportError, QnvizError, SpecError
from qnviz.saving import replaced

if TYPE_CHECKING:
    from qnviz.runs.spec import RunSpec
    from qnviz.runs.trace import Trace

PICTURES = (".png", ".svg", ".pdf")
ENDINGS = (".html", *PICTURES, ".csv", ".npz", ".py")


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("source", type=Path,
                        help="a saved trace (.npz), or a spec (JSON) to run first")
    parser.add_argument("--out", type=Path, required=True,
                        help=f"what to make, by its ending: {', '.join(ENDINGS)}")
    parser.add_argument("--theme", choices=("light", "dark"),
                        help="colours; an HTML file has both and opens in its reader's own")
    parser.add_argument("--axis", choices=("iterations", "work", "seconds"), default="iterations",
                        help="what time is measured in")
    parser.add_argument("--step", type=int, help="where the playhead stands, by default at the end "
                        "(with --axis work or seconds: which of its ticks)")
    parser.add_argument("--run", type=int, default=0, help="which run of several, from 0 on")
    parser.add_argument("--layout", help="which pictures: those of another page, such as damping")
    parser.add_argument("--panel", action="append", metavar="ID", help="one picture instead of all "
                        "of them, such as loss, or 'eig/layer 2' where there is a choice; may be "
                        "repeated")
    parser.add_argument("--size", default="16:9", help="of a picture: 16:9, 4:3, half, third, 4k")
    parser.add_argument("--transparent", action="store_true", help="nothing behind a picture")
    parser.add_argument("--method", metavar="NAME", help="CSV: this entrant alone; .py: a script "
                        "that uses this method on a model of your own")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")


def export_command(args: argparse.Namespace) -> int:
    """Make what is asked for; returns the exit status.

    Raises:
        SpecError: the request was wrong.
        QnvizError: it could not be carried out.
    """
    ending = args.out.suffix.lower()
    if ending not in ENDINGS:
        raise SpecError([f"--out {args.out}: the ending must be one of {', '.join(ENDINGS)}."])
    if not (folder := args.out.resolve().parent).is_dir():
        raise SpecError([f"--out {args.out}: the folder {folder.name!r} does not exist."])
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
            _say(f"Saved {path}, {max(1, round(size / 1e3)):,} kB.")
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


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _written(path: Path, data: bytes) -> tuple[Path, int]:
    try:
        with replaced(path) as file:
            file.write(data)
    except OSError as error:
        raise QnvizError(f"{path} could not be written: {error.strerror}.") from None
    return path, len(data)


# --- what is given --------------------------------------------------------------------------------


def _trace(args: argparse.Namespace) -> Trace:
    """The saved trace, or that of the spec, which is run now."""
    from qnviz.runs.trace import Trace

    if _saved(args.source):
        return Trace.load(args.source)
    from qnviz.cli.run import computed

    return computed(_spec(args), args.quiet)


def _saved(path: Path) -> bool:
    return path.suffix == ".npz" or zipfile.is_zipfile(path)


def _spec(args: argparse.Namespace) -> RunSpec:
    from qnviz.runs.spec import parse, read
    from qnviz.runs.trace import Trace

    return parse(Trace.load(args.source).spec) if _saved(args.source) else read(args.source)


def _check(args: argparse.Namespace, trace: Trace) -> None:
    """Refuse what this trace does not hold."""
    from qnviz.figures.player import LAYOUTS

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
    import io

    if args.out.suffix.lower() == ".html":
        from qnviz.export.html import player_html

        return player_html(trace, layout=args.layout, axis=args.axis, frame=args.step,
                           run=args.run, theme=args.theme or "auto").encode()
    if args.out.suffix.lower() == ".csv":
        from qnviz.export.tables import csv_text

        return csv_text(trace, [args.method] if args.method else None, [args.run]).encode()
    file = io.BytesIO()
    trace.save(file)
    return file.getvalue()


def _pictures(args: argparse.Namespace, trace: Trace) -> Iterator[tuple[Path, bytes]]:
    """Every picture in a file of its own; one alone has the name that was given."""
    from qnviz.export import words
    from qnviz.export.pictures import SIZES, picture
    from qnviz.figures.player import linked
    from qnviz.figures.race import RaceView
    from qnviz.figures.theme import THEMES

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
    from qnviz.export.scripts import model_script, no_drop_in, run_script

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
