"""Compute the run that the home page shows before torch is imported: `make home`."""

from pathlib import Path

from qnviz.runs.loop import run
from qnviz.ui.defaults import RACE

if __name__ == "__main__":
    spec = RACE.spec()
    assert spec is not None
    run(spec).save(Path(__file__).with_name("home.npz"))
