"""Maps of the browser's engine are Python's, cell by cell, and so are means over noisy runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from qnviz.runs.loop import run
from qnviz.runs.portable import portable
from qnviz.runs.spec import parse
from qnviz.runs.trace import Rows
from qnviz.sweeps.spec import SweepSpec, parse_sweep
from qnviz.sweeps.tiles import compute, tiles
from tests.browser.engine import gridded, opened
from tests.browser.engine_cases import JITTER, jittered

RELATIVE = 1e-6                      # by which numbers may differ after so many steps
SHARE = 0.1                          # of it by which Python itself may move,
UNSURE = 0.2                         # … and of the cells in which it moves by more
BASINS = {"x": {"field": "start.0", "from": -5.5, "to": 5.5, "points": 32},
          "y": {"field": "start.1", "from": -5.0, "to": 5.5, "points": 16}}
SWEEPS: dict[str, dict[str, Any]] = {
    # 512 starts each
    "basins": {"methods": [{"name": "bfgs"}], "problem": {"name": "function"}, "sweep": BASINS,
               "stop_grad": 1e-6, "steps": 200},
    "Newton's basins": {"methods": [{"name": "newton"}], "sweep": BASINS, "stop_grad": 1e-6,
                        "problem": {"name": "function",
                                    "f": "(x^4-16x^2+5x)/2 + (y^4-16y^2+5y)/2"}, "steps": 100},
    "an end": {"methods": [{"name": "kbfgs"}], "sweep": BASINS, "stop_grad": 1e-6,
               "problem": {"name": "function", "f": "ln(x + 3) + sqrt(y + 2) + x^2 + y^2",
                           "start": (0, 0)}, "steps": 60},
    # settings: real ones, with noise and seeds, and whole numbers
    "atlas": {"methods": [{"name": "kbfgs"}], "stop_loss": 1e-4, "steps": 80,
              "problem": {"name": "rosenbrock", "noise": 1.0, "start_noise": 0.2},
              "sweep": {"x": {"field": "lam", "from": 1e-3, "to": 0.9, "points": 9, "scale": "log"},
                        "y": {"field": "lr", "from": 0.01, "to": 1, "points": 7, "scale": "log"},
                        "seeds": 3}},
    "whole numbers": {"methods": [{"name": "kbfgs_l"}, {"name": "sgd"}], "stop_loss": 1e-4,
                      "problem": {"name": "rosenbrock"}, "steps": 60, "sweep": {
                          "entrant": "kbfgs_l",
                          "x": {"field": "memory", "from": 1, "to": 9, "points": 5},
                          "y": {"field": "mu1", "from": 0.05, "to": 0.5, "points": 4}}},
    "a line": {"methods": [{"name": "newton_krylov"}], "steps": 40, "stop_loss": 1e-6,
               "problem": {"name": "rosenbrock"},
               "sweep": {"x": {"field": "eta", "from": 1e-4, "to": 0.9, "points": 25,
                               "scale": "log"}}},
}


def python(spec: SweepSpec, monkeypatch: pytest.MonkeyPatch, jitter: float = 0.0) -> Rows:
    """All cells as `compute` has them, in the engine's order: (ny, nx, seeds) flattened."""
    found: Rows = {}
    cells = spec.shape[0] * spec.shape[1]
    problem = spec.problem.build(torch.float64, torch.device("cpu"))
    if jitter:
        jittered(problem, jitter)
    with monkeypatch.context() as patch:
        patch.setattr("qnviz.sweeps.tiles._problem", lambda *_: problem)
        for tile in tiles(spec):
            rows = compute(spec, tile)
            rows |= {f"end.{i}": rows["end"][:, i] for i in range(2)}
            for name in set(rows) - {"end", "seconds"}:
                whole = found.setdefault(name, np.full((cells, spec.shape[2]), np.nan))
                whole[tile.cells, tile.seed] = rows[name]
    return {name: a.ravel() for name, a in found.items()}


def same(a: Rows, b: Rows, share: float = 1.0) -> dict[str, np.ndarray]:
    """Per column which cells agree."""
    found = {}
    for name, x in a.items():
        y = b[name]
        if name in ("status", "stopped", "steps_to_target"):
            found[name] = (x == y) | (np.isnan(x) & np.isnan(y))
            continue
        floor = 1e-9 if name.startswith("end") else 1e-15      # of coordinates; of a loss of 0
        with np.errstate(invalid="ignore"):
            found[name] = ((x == y) | (np.isnan(x) & np.isnan(y))
                           | (np.abs(x - y) <= share * (RELATIVE * np.abs(x) + floor)))
    return found


@pytest.mark.parametrize("case", SWEEPS)
def test_maps_are_those_of_python(case: str, page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status, steps, loss, end, work and the method's own summaries, cell by cell.

    Not where Python moves itself when all numbers that it is given are wrong in their last bits:
    a line search, or a step at the edge of stability, is then decided by rounding.
    """
    spec = parse_sweep(SWEEPS[case])
    expected, (engine,) = python(spec, monkeypatch), gridded(opened(page), [portable(spec)])
    moved = [python(spec, monkeypatch, jitter) for jitter in (JITTER, 2 * JITTER)]
    assert set(engine) == set(expected)
    sure = {name: np.all(cells, 0) for name, cells in {
        name: [same(expected, m, SHARE)[name] for m in moved] for name in expected}.items()}
    calm = np.all([sure[name] for name in ("status", "stopped", "end.0", "end.1")], 0)
    faults = {name: [(i, expected[name][i], engine[name][i])
                     for i in np.flatnonzero(~agree & calm & sure[name])]
              for name, agree in same(expected, engine).items()}
    assert not any(faults.values()), faults
    for name, cells in sure.items():
        assert (~cells).mean() <= UNSURE, name


def test_cells_may_be_asked_for_one_by_one(page: Any) -> None:
    """What some cells are does not depend on which others are asked for, nor on slices of time."""
    spec = portable(parse_sweep(SWEEPS["atlas"]))
    found = opened(page).evaluate("""(spec) => {
      const whole = m.grid(spec), cells = Uint32Array.from([150, 3, 77, 0]);
      const few = new m.Grid(spec, {cells, summaries: false});
      let slices = 0;
      while (!few.advance(0)) slices += 1;
      return [slices, Object.keys(whole).filter((name) => !(name in few.maps)),
        Object.entries(few.maps).every(([name, part]) => [...part].every(
          (value, i) => Object.is(value, whole[name][cells[i]])))];
    }""", spec)
    assert found == [0, ["eig_max", "damped"], True]


# settings, and which share of the runs at least takes exactly as many steps: K-BFGS learns H from
# small differences of gradients, so that noise drives more of its runs apart
NOISY = {"kbfgs": ({"lr": 0.3}, 0.9), "sgd": ({"lr": 2e-3}, 0.99), "adam": ({"lr": 0.05}, 0.99)}


@pytest.mark.parametrize("name", NOISY)
def test_means_over_noisy_runs_are_those_of_python(name: str, page: Any) -> None:
    """1,000 runs draw the same noise and the same starts, so that their steps to a goal agree."""
    settings, share = NOISY[name]
    spec = parse({"problem": {"name": "rosenbrock", "noise": 1.0, "start_noise": 0.3},
                  "methods": [{"name": name} | settings], "steps": 200, "stop_loss": 0.3,
                  "runs": 1000})
    expected = run(spec)[name]
    status, stopped = opened(page).evaluate(
        "(spec) => { const [{status, stopped}] = m.race(spec); return [status, [...stopped]] }",
        portable(spec))
    mine, theirs = ((np.array(s), np.array(k)) for s, k in (
        (status, stopped), (expected["status"], expected["stopped"])))
    reached = [k[s == "converged"] for s, k in (mine, theirs)]
    assert len(reached[0]) > 200
    assert ((mine[0] == theirs[0]) & (mine[1] == theirs[1])).mean() > share
    assert reached[0].mean() == pytest.approx(reached[1].mean(), rel=1e-2)
