"""`make bench`: run the parts, one after another, and write one report."""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from benchmarks.readme import README, rewritten
from benchmarks.report import FILE, TITLES, aims, markdown, read_load, table
from benchmarks.results import HERE, Part, Results, Setting, Table


def main() -> None:
    """Run all, or those named."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part",
                        help="all, or some of " + ", ".join(TITLES) + "; what was found of the "
                             "others stays in the report")
    parser.add_argument("--out", type=Path, default=HERE,
                        help="folder for results.json and RESULTS.md; by default this one, and "
                             "the README's figures are written too")
    parser.add_argument("--render", action="store_true",
                        help="measure nothing: write the report of results.json anew")
    args = parser.parse_args()
    if unknown := [name for name in args.parts if name not in TITLES]:
        parser.error(f"no part is called {unknown[0]!r}; there are {', '.join(TITLES)}")
    args.out.mkdir(parents=True, exist_ok=True)
    if not args.render:
        measure(args.parts or list(TITLES), args.out)
    write(Results.load(args.out), args.out)
    print(aims(Results.load(args.out), read_load(args.out)))
    print(f"{args.out / FILE}")


def measure(names: list[str], folder: Path) -> None:
    """Run parts and save each as soon as it is done."""
    from benchmarks.machine import setting

    here = setting()
    for name in names:
        print(f"## {TITLES[name]}\n", flush=True)
        found = run(name, here)
        # read again: another process may have measured another part meanwhile
        Results.load(folder).with_part(name, found).save(folder)
        print(f"({name}: {found.took_s:.0f} s, {found.processor_s:.0f} s of processor time)\n")


def run(name: str, here: Setting) -> Part:
    """One part, its tables printed as they come."""
    from benchmarks.machine import processor_seconds

    began, used = time.perf_counter(), processor_seconds()
    tables: list[Table] = []
    missing: list[str] = []
    for found in import_module(f"benchmarks.{name}").measure():
        if isinstance(found, Table):
            tables.append(found)
            print(table(found), flush=True)
        else:
            missing.append(found)
            print(f"- {found}", flush=True)
    return Part(when=datetime.now(UTC).replace(microsecond=0),
                took_s=round(time.perf_counter() - began, 1),
                processor_s=round(processor_seconds() - used, 1),
                setting=here, tables=tuple(tables), missing=tuple(missing))


def write(results: Results, folder: Path) -> None:
    """RESULTS.md; and the README's figures, where the folder is the repository's own."""
    (folder / FILE).write_text(markdown(results, read_load(folder)), encoding="utf-8")
    if folder.resolve() == HERE:
        README.write_text(rewritten(README.read_text(encoding="utf-8"), results), encoding="utf-8")


if __name__ == "__main__":
    main()
