"""What a sweep leaves behind: numbers on its grid, saved as .npz without pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, Any

import numpy as np

from qnviz import archive
from qnviz.errors import SpecError, TraceError
from qnviz.runs.ends import STATUS
from qnviz.runs.trace import Rows
from qnviz.saving import replaced
from qnviz.sweeps.spec import SweepSpec, parse_sweep
from qnviz.sweeps.tiles import Tile, tiles

NOTHING = "missing"                  # the status of a cell that was not computed yet
MAX_FILE_BYTES = 4_000_000_000       # what a file may unpack to


class SweepResult:
    """A map's numbers on the grid × seeds, (ny, nx, seeds) each; grows tile by tile.

    status is one of STATUS or "missing". steps_to_target is NaN where the target was not reached,
    final_loss where the run diverged.
    """

    def __init__(self, spec: SweepSpec):
        self.spec = spec
        shape = spec.shape
        self.columns: dict[str, np.ndarray] = {
            name: np.full(shape, np.nan) for name in (
                "steps_to_target", "final_loss", "work", *self.own)}
        self.columns["status"] = np.full(shape, NOTHING, dtype="<U9")
        self.have = np.zeros(len(tiles(spec)), dtype=bool)
        self.seconds = 0.0                     # of computing, all tiles together

    @property
    def own(self) -> list[str]:
        """The columns beyond those that every method has."""
        ends = ([f"end.{i}" for i in range(self.spec.problem.size)]
                if self.spec.problem.plane else [])
        return ends + [s.name for s in self.spec.swept.summaries]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]

    @property
    def complete(self) -> bool:
        """Whether all tiles are there."""
        return bool(self.have.all())

    @property
    def fraction(self) -> float:
        """Share of the runs that are there."""
        return float((self.columns["status"] != NOTHING).mean())

    @property
    def missing(self) -> list[Tile]:
        """Tiles still to be computed, in order."""
        return [t for t in tiles(self.spec) if not self.have[t.number]]

    @property
    def nbytes(self) -> int:
        """Memory of the columns, in bytes."""
        return sum(a.nbytes for a in self.columns.values())

    def put(self, tile: Tile, rows: Rows) -> None:
        """Add what `compute` gave for a tile."""
        for name, a in self.columns.items():
            flat = a.reshape(-1, a.shape[-1])
            if name == "status":
                flat[tile.cells, tile.seed] = np.array(STATUS)[rows[name]]
            elif name.startswith("end."):
                flat[tile.cells, tile.seed] = rows["end"][:, int(name.removeprefix("end."))]
            else:
                flat[tile.cells, tile.seed] = rows[name]
        self.seconds += float(rows["seconds"].sum())
        self.have[tile.number] = True

    def copy(self) -> SweepResult:
        """A snapshot that stays as it is."""
        other = SweepResult.__new__(SweepResult)
        other.spec, other.seconds, other.have = self.spec, self.seconds, self.have.copy()
        other.columns = {name: a.copy() for name, a in self.columns.items()}
        return other

    def save(self, file: str | Path | IO[bytes]) -> None:
        """Write everything as .npz (arrays and JSON text, no pickle).

        A path is replaced in one go, so that an interruption leaves the old file or the new one.
        """
        arrays: dict[str, Any] = {
            "spec": np.array(json.dumps(self.spec.model_dump(mode="json"))),
            "key": np.array(self.spec.key()), "tiles": self.have, "seconds": np.array(self.seconds)}
        arrays |= {f"axis/{name}": v for name, v in self.spec.values.items()}
        arrays |= self.columns
        if not isinstance(file, str | Path):
            np.savez_compressed(file, allow_pickle=False, **arrays)
            return
        with replaced(file) as sink:
            np.savez_compressed(sink, allow_pickle=False, **arrays)

    @staticmethod
    def load(file: str | Path | IO[bytes], name: str | None = None) -> SweepResult:
        """Read a saved sweep, whole or interrupted.

        Raises:
            TraceError: the file is missing, damaged, or was not saved by this version's sweep.
        """
        called = name or (Path(file).name if isinstance(file, str | Path) else "the file")
        try:
            data = archive.arrays(file, MAX_FILE_BYTES)
            spec = parse_sweep(json.loads(str(data["spec"])))
            if str(data["key"]) != spec.key():
                raise TraceError(f"{called} was computed by another version of qnviz.")
            result = SweepResult(spec)
            for column, a in result.columns.items():
                saved = data[column]
                if saved.shape != a.shape or saved.dtype.kind != a.dtype.kind:
                    raise ValueError(column)
                a[...] = saved
            if not np.isin(result["status"], [*STATUS[1:], NOTHING]).all():
                raise ValueError("status")
            # not as saved: on another device the same sweep has other tiles
            status = result["status"].reshape(-1, spec.shape[2])
            result.have[...] = [(status[t.cells, t.seed] != NOTHING).all() for t in tiles(spec)]
            result.seconds = float(data["seconds"])
            return result
        except OSError as error:
            raise TraceError(f"{called} cannot be read: {error.strerror or error}.") from None
        except archive.TooLarge as error:
            raise TraceError(f"{called} would unpack to {error.size / 1e9:.1f} GB; the limit is "
                             f"{MAX_FILE_BYTES / 1e9:g} GB.") from None
        except (SpecError, *archive.DAMAGED):
            raise TraceError(f"{called} is not a sweep saved by qnviz, or is damaged.") from None
