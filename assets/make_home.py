"""Compute the runs that pages show before torch is imported: `make home`."""

from pathlib import Path

from qnviz.runs.loop import run
from qnviz.scoreboard.scoring import board
from qnviz.sweeps.sweeping import sweep
from qnviz.ui.labs import damping, krylov
from qnviz.ui.maps.atlas_question import AtlasQuestion
from qnviz.ui.maps.basins import BasinQuestion
from qnviz.ui.maps.view import shipped
from qnviz.ui.state.defaults import FUNCTION, IMAGES, LAB, LINEAR, RACE

LARGE = 1000                     # parameters of which a shipped run keeps the last alone

if __name__ == "__main__":
    for name, settings in (("home", RACE), ("rosenbrock", LAB), ("linear_net", LINEAR),
                           ("autoencoder", IMAGES), ("function", FUNCTION),
                           ("damping", next(iter(damping.LABS.values()))),
                           ("krylov", next(iter(krylov.LABS.values())))):
        spec = settings.spec()
        assert spec is not None
        trace = run(spec)
        large = spec.problem.size > LARGE
        (trace.light() if large else trace).save(Path(__file__).with_name(f"{name}.npz"))
    for question in (AtlasQuestion(), BasinQuestion()):
        for plan, path in zip(question.plans()[0], shipped(question.page), strict=True):
            sweep(plan.spec).save(path)
    board().save(Path(__file__).with_name("scoreboard.json"))
