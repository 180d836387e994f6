"""Compute the runs that pages show before torch is imported: `make home`."""

from pathlib import Path

from qnviz.runs.loop import run
from qnviz.ui.defaults import LAB, RACE

if __name__ == "__main__":
    for name, settings in (("home", RACE), ("rosenbrock", LAB)):
        spec = settings.spec()
        assert spec is not None
        run(spec).save(Path(__file__).with_name(f"{name}.npz"))
