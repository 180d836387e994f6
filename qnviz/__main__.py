"""Headless qnviz: `python -m qnviz run SPEC.json --out run.npz`, `python -m qnviz list [--json]`.

`python -m qnviz sweep SPEC.json --out map.npz` computes a map, and goes on from an unfinished one.
`python -m qnviz export run.npz --out run.html` makes a page of a run, or pictures or numbers.

Exit status: 0 done, 1 could not be carried out, 2 the request was wrong, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

from qnviz import environment
from qnviz.cli.parser import parser
from qnviz.errors import QnvizError, SpecError


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    args = parser().parse_args(argv)
    try:
        environment.check()
        return import_module(f"qnviz.cli.{args.module}").command(args)
    except SpecError as error:
        for fault in error.faults:
            print(f"qnviz: {fault}", file=sys.stderr)
        return 2
    except QnvizError as error:
        print(f"qnviz: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:                  # the reader, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("qnviz: interrupted, nothing was saved.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
