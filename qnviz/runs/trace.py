"""What a run leaves behind: numpy columns per entrant, saved as .npz without pickle.

This module does not import torch: a saved run can be read and drawn without it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from qnviz import archive
from qnviz.errors import TraceError

Rows = dict[str, np.ndarray]            # columns by name
MAX_FILE_BYTES = 4_000_000_000          # what a file may unpack to
FALLS = "It falls without end"          # in the sentence of a run that does


@dataclass(frozen=True)
class Entrant:
    """One method in a race, with how it is drawn and how its runs ended."""

    label: str
    name: str
    title: str
    color: str
    dash: str
    marker: str
    family: str


@dataclass(eq=False)                     # two traces are the same only if they are one object
class Trace:
    """A recorded run. T steps, R runs, P parameters, L layers.

    `columns[label]` holds, per entrant:

    - step (K,): the iterates of which there are snapshots, from 0 on. All of them for small
      problems (then K = T+1), every 2nd, 5th, … for nets.
    - state columns (K, R, …) at these: loss, grad_norm and theta, at ε = 1 or on the reference
      batch; hessian_min and hessian_max for tiny problems; test_loss and error for autoencoders.
    - work (T+1, R) in units, and seconds (T+1,), at every iterate.
    - what the method exposes, (T, R, …), row t being the step from iterate t to t+1. Where steps
      see batches, batch_loss, and for tiny problems batch_hessian_min and batch_hessian_max (T, R),
      are those of the step's own batch.
    - status and stopped (R,). A run that has ended repeats its last values.
    - view_step (V,) and view_… (V, …): what there is to see of run 0 at these iterates.
    - path (K, 2) and path_loss (K,): run 0 in the plane of `plane`, where theta itself is no point
      of a plane.
    """

    spec: dict[str, Any]
    key: str
    entrants: list[Entrant]
    columns: dict[str, dict[str, np.ndarray]]
    plane: dict[str, np.ndarray] = field(default_factory=dict)   # x (n,), y (m,), z (m, n)
    scene: dict[str, np.ndarray] = field(default_factory=dict)   # what views are compared with
    words: dict[str, list[str]] = field(default_factory=dict)    # run 0, one sentence per step
    ends: dict[str, list[str]] = field(default_factory=dict)     # one sentence per run
    device: str = ""

    def __getitem__(self, label: str) -> dict[str, np.ndarray]:
        return self.columns[label]

    @property
    def unfinished(self) -> bool:
        """Whether some run is not over: it goes on, or it was interrupted."""
        return any((c["status"] == "running").any() for c in self.columns.values())

    def theta(self, label: str) -> np.ndarray:
        """The parameters (K, R, P) in all snapshots of an entrant.

        Raises:
            TraceError: they were not kept.
        """
        if not self.whole:
            raise TraceError("The parameters of this run were not kept, only its pictures.")
        return self.columns[label]["theta"]

    @property
    def whole(self) -> bool:
        """Whether the parameters of all snapshots are there."""
        return all(len(c["theta"]) == len(c["step"]) for c in self.columns.values())

    @property
    def nbytes(self) -> int:
        """Memory of the columns, in bytes."""
        return sum(a.nbytes for c in self.columns.values() for a in c.values())

    def light(self) -> Trace:
        """The same run in a fraction of the bytes, for pictures: the last parameters alone."""
        columns = {label: c | {"theta": c["theta"][-1:]} for label, c in self.columns.items()}
        return replace(self, columns=columns)

    def falls(self, label: str, run: int) -> bool:
        """Whether a run of an entrant diverged by falling without end."""
        return any(FALLS in end for end in self.ends.get(label, [])[run:run + 1])

    def row(self, label: str, step: int, run: int) -> dict[str, np.ndarray]:
        """What one step of one run exposed, by name."""
        c = self.columns[label]
        return {n: a[step, run] for n, a in c.items() if is_event(n)}

    def save(self, file: str | Path | IO[bytes]) -> None:
        """Write everything as .npz (arrays and JSON text, no pickle)."""
        arrays: dict[str, np.ndarray] = {
            "spec": np.array(json.dumps(self.spec)),
            "events": np.array(json.dumps({
                "key": self.key, "entrants": [vars(e) for e in self.entrants],
                "words": self.words, "ends": self.ends, "device": self.device})),
        }
        arrays |= {f"plane/{n}": a for n, a in self.plane.items()}
        arrays |= {f"scene/{n}": a for n, a in self.scene.items()}
        for label, c in self.columns.items():
            arrays |= {f"{label}/{n}": a for n, a in c.items()}
        np.savez_compressed(file, allow_pickle=False, **arrays)      # type: ignore[arg-type]

    @staticmethod
    def load(file: str | Path | IO[bytes], name: str | None = None,
             limit: int = MAX_FILE_BYTES) -> Trace:
        """Read a saved run; in a stranger's file, `runs.check.checked` validates the rest.

        Args:
            file: a path, or an open file.
            name: what it is called in a complaint.
            limit: bytes that it may unpack to.

        Raises:
            TraceError: the file is missing, damaged, too large, or was not saved by qnviz.
        """
        called = name or (Path(file).name if isinstance(file, str | Path) else "the file")
        try:
            arrays = archive.arrays(file, limit)
            if "tiles" in arrays and "events" not in arrays:
                raise TraceError(f"{called} holds a sweep, a map of many runs, and not one run.")
            spec, meta = (json.loads(str(arrays.pop(n))) for n in ("spec", "events"))
            columns: dict[str, dict[str, np.ndarray]] = {e["label"]: {} for e in meta["entrants"]}
            static: dict[str, dict[str, np.ndarray]] = {"plane": {}, "scene": {}}
            for path, a in arrays.items():
                owner, _, column = path.partition("/")
                (columns[owner] if owner in columns else static[owner])[column] = a
            entrants = [Entrant(**e) for e in meta["entrants"]]
            return Trace(spec, meta["key"], entrants, columns, static["plane"], static["scene"],
                         meta["words"], meta["ends"], meta["device"])
        except OSError as error:
            raise TraceError(f"{called} cannot be read: {error.strerror or error}.") from None
        except archive.TooLarge as error:
            raise TraceError(f"{called} would unpack to {error.size / 1e9:.1f} GB; the limit is "
                             f"{limit / 1e9:g} GB.") from None
        except archive.DAMAGED:
            raise TraceError(f"{called} is not a run saved by qnviz, or is damaged.") from None


STATE_COLUMNS = frozenset({"loss", "theta", "grad_norm", "hessian_min", "hessian_max",
                           "test_loss", "error", "path", "path_loss", "path_true"})
OTHER_COLUMNS = frozenset({"step", "work", "seconds", "status", "stopped"})


def is_event(name: str) -> bool:
    """Whether a column has a row per step, rather than per iterate or view."""
    return not (name in STATE_COLUMNS or name in OTHER_COLUMNS or name.startswith("view_"))


def snapshots(columns: Mapping[str, np.ndarray], run: int = 0) -> np.ndarray:
    """The iterates of a run of which there are snapshots: the first rows of its state columns."""
    step = columns["step"]
    return step[:np.searchsorted(step, columns["stopped"][run], side="right")]


def at_every_step(columns: Mapping[str, np.ndarray], run: int = 0) -> np.ndarray:
    """For every iterate of a run, the row of the last snapshot of it or before it."""
    steps = np.arange(int(columns["stopped"][run]) + 1)
    return np.searchsorted(columns["step"], steps, side="right") - 1


def clock(columns: Mapping[str, np.ndarray], axis: str, run: int = 0) -> np.ndarray:
    """The values (T+1,) of an axis: iterations, work, or seconds."""
    if axis == "work":
        return columns["work"][:, run]
    if axis == "seconds":
        return columns["seconds"]
    return np.arange(len(columns["seconds"]), dtype=float)
