"""Sweeps: one run per cell of a grid and seed, as batches of runs; what maps are made of.

A sweep's grid is cut into tiles: some cells, one seed. A tile is a function of the spec alone, so
whoever computes it, and in whatever order, gets the same numbers; a sweep that was interrupted goes
on from the tiles it has. Coarse grids come first.

All cells of a tile share their noise and batches: neighbours differ by what is swept, not by luck.
A cell with seed number s is the run that a lab shows for the spec's seed + s.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch

from qnviz.problems.problem import Problem
from qnviz.problems.spec import ProblemSpec
from qnviz.runs.device import DTYPES, resolve, set_threads
from qnviz.runs.ends import CONVERGED
from qnviz.runs.step import Runs
from qnviz.runs.totals import totals
from qnviz.runs.trace import Rows
from qnviz.sweeps.spec import START, SweepSpec

TILE_RUNS = 1024                     # of a map that somebody waits for: small tiles come soon
MANY_TILES = 16                      # beyond so many they grow, as larger ones take less per run
LARGEST_TILE = 8192
TILE_NUMBERS = 20_000_000            # that a tile may hold at once
TILE_WORK = 2e10                     # multiplications of a tile: about a second
GPU_RUNS = 65_536                    # on a GPU, where small tiles leave it idle
GPU_SHARE = 0.25                     # of its memory that a tile may take
COARSEST = 8                         # points per axis of the first, coarse map, if there are more


class Tile(NamedTuple):
    """Some cells (indices into the flattened grid (ny, nx)) of one seed."""

    number: int
    seed: int
    cells: np.ndarray


def tiles(spec: SweepSpec) -> tuple[Tile, ...]:
    """All tiles in the order in which they should be computed: coarse grids first."""
    return _tiles(spec)                        # type: ignore[arg-type]  frozen models hash


@lru_cache(maxsize=16)                       # a million cells take 8 MB
def _tiles(spec: SweepSpec) -> tuple[Tile, ...]:
    ny, nx, seeds = spec.shape
    most = tile_runs(spec)
    level = np.minimum(_levels(ny)[:, None], _levels(nx)).ravel()
    if ny * nx <= most:                        # there at once: a coarse map would only delay it
        level[:] = 0
    group = np.zeros(ny * nx)                  # cells that differ in a whole number part ways
    for name, values in spec.values.items():
        if spec.whole(spec.axes[name].field):
            grid = np.broadcast_to(values if name == "x" else values[:, None], (ny, nx)).ravel()
            group = group * 1e6 + grid
    found: list[Tile] = []
    for here in np.unique(level)[::-1]:
        cells = np.flatnonzero(level == here)
        cells = cells[np.argsort(group[cells], kind="stable")]
        for alike in np.split(cells, np.flatnonzero(np.diff(group[cells])) + 1):
            for part in np.array_split(alike, -(-len(alike) // most)):
                found += [Tile(0, s, part) for s in range(seeds)]
    return tuple(t._replace(number=i) for i, t in enumerate(found))


def tile_runs(spec: SweepSpec) -> int:
    """How many runs a tile holds: few enough to fit memory and, on a processor, to end soon."""
    problem = spec.problem
    units = sum(layer.fan_out for layer in problem.layers)
    # of a run: its state, and two tapes
    numbers = spec.swept.footprint(problem) + 6 * problem.step_samples * units
    device = resolve(spec.device)[0]
    if device.type == "cuda":
        memory = GPU_SHARE * torch.cuda.get_device_properties(device).total_memory
        return int(np.clip(memory / spec.itemsize // numbers, 1, GPU_RUNS))
    work = spec.steps * spec.swept.passes(problem) * problem.step_samples * problem.size
    most = np.clip(spec.size // MANY_TILES, TILE_RUNS, LARGEST_TILE)
    return int(np.clip(min(TILE_NUMBERS // numbers, TILE_WORK // work), 1, most))


def _levels(n: int) -> np.ndarray:
    """Per index the largest power of two that divides it, as an exponent; bounded (n,)."""
    top = max(0, int(np.log2(n / COARSEST))) if n >= COARSEST else 0
    i = np.arange(n)
    level = np.zeros(n, dtype=np.int64)
    for k in range(1, top + 1):
        level[i % 2**k == 0] = k
    if n < COARSEST:                           # a short axis is all there from the beginning
        level[:] = 64
    return level


@lru_cache(maxsize=4)                        # tiles of a sweep share the data on the device
def _problem(spec: ProblemSpec, dtype: str, device: str) -> Problem:
    return spec.build(DTYPES[dtype], resolve(device)[0])


def compute(spec: SweepSpec, tile: Tile, check: Callable[[], None] = lambda: None) -> Rows:
    """Run the cells of a tile.

    Returns:
        What `totals` does, (cells,) each, and steps_to_target (NaN where it was not reached).

    Raises:
        DeviceError: the device asked for is not there.
        DataError: the problem's data are missing or damaged.
    """
    problem = _problem(spec.problem, spec.dtype, spec.device)
    method = spec.swept
    set_threads(1)
    ny, nx, _ = spec.shape
    where = {"x": tile.cells % nx, "y": tile.cells // nx}
    run = torch.zeros(1, dtype=torch.int64, device=problem.device)
    theta = problem.start(spec.seed + tile.seed, run).repeat(len(tile.cells), 1)
    swept: dict[str, torch.Tensor] = {}
    for name, values in spec.values.items():
        field = spec.axes[name].field
        here = torch.as_tensor(values[where[name]], dtype=theta.dtype, device=theta.device)
        if field.startswith(START):
            place = int(field.removeprefix(START))
            theta[:, place] += here - spec.problem.start[place]
        elif spec.whole(field):
            method = method.model_copy(update={field: int(values[where[name][0]])})
        else:
            swept[field] = here
    p = method.tensors(len(theta), theta)
    for field, here in swept.items():
        setattr(p, field, here)
    rows = totals(spec, method, problem, Runs(theta, p, spec.seed + tile.seed, run), check)
    rows["steps_to_target"] = np.where(rows["status"] == CONVERGED, rows["stopped"], np.nan)
    return rows
