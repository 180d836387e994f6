"""What a benchmark finds: measurements in tables, tables in parts, parts in one file.

Times are in seconds and sizes in bytes; how they are shown is the report's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

HERE = Path(__file__).parent
FILE = "results.json"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Ratio(_Model):
    """How many times the baseline's, from pairs measured one after the other: median, quartiles."""

    to: str
    value: float
    low: float
    high: float
    repeats: int


class Measurement(_Model):
    """One row, or one cell, of a table. `value` is None where nothing finite came out."""

    name: str
    case: str = ""                             # column, in a table that has several
    unit: Literal["s", "B", "1/s", ""]
    value: float | None
    low: float | None
    high: float | None
    repeats: int
    ratio: Ratio | None = None
    note: str = ""


class Table(_Model):
    """Measurements that belong together."""

    key: str
    title: str
    about: str = ""                            # how it was measured, in a sentence or two
    spread: Literal["quartiles", "std"] = "quartiles"    # median, quartiles; or mean ± std
    rows: tuple[Measurement, ...]

    def find(self, name: str, case: str = "") -> Measurement | None:
        """The row of that name, in that column."""
        return next((r for r in self.rows if (r.name, r.case) == (name, case)), None)


class Setting(_Model):
    """Where something was measured."""

    machine: dict[str, str]                    # processor, cores, memory, GPU, system
    versions: dict[str, str]                   # package → version, or "not installed"


class Part(_Model):
    """All tables of one part, with what could not be measured."""

    when: datetime
    took_s: float                              # on the clock
    processor_s: float                         # of all its processes; servers' and workers' too
    setting: Setting
    tables: tuple[Table, ...]
    missing: tuple[str, ...] = ()              # sentences


class Results(_Model):
    """The last run of every part."""

    parts: dict[str, Part] = {}

    def with_part(self, name: str, part: Part) -> Results:
        """The same, where one part is replaced or added."""
        return Results(parts=self.parts | {name: part})

    def find(self, part: str, table: str, name: str, case: str = "") -> Measurement | None:
        """One measurement, if it was made."""
        for there in self.parts[part].tables if part in self.parts else ():
            if there.key == table:
                return there.find(name, case)
        return None

    def save(self, folder: Path) -> None:
        """Write `results.json`."""
        (folder / FILE).write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path = HERE) -> Results:
        """What is in `results.json`; nothing where there is no such file."""
        path = folder / FILE
        if not path.exists():
            return cls()
        return cls.model_validate_json(path.read_text(encoding="utf-8"))


def spread(values: Sequence[float] | np.ndarray) -> dict:
    """Median and quartiles, as the fields of a measurement or ratio."""
    low, middle, high = np.quantile(np.asarray(values, dtype=float), [0.25, 0.5, 0.75])
    return {"value": _short(middle), "low": _short(low), "high": _short(high),
            "repeats": len(values)}


def deviation(values: np.ndarray) -> dict:
    """Mean, and mean ± standard deviation, of those that are finite."""
    good = values[np.isfinite(values)]
    if not len(good):
        return {"value": None, "low": None, "high": None, "repeats": len(values)}
    mean, std = good.mean(), good.std()
    return {"value": _short(mean), "low": _short(mean - std), "high": _short(mean + std),
            "repeats": len(values)}


def single(value: float) -> dict:
    """One number that has no spread."""
    return {"value": _short(value), "low": _short(value), "high": _short(value), "repeats": 1}


def _short(value: float) -> float:
    """Six digits: more are noise, and make the file's changes hard to read."""
    return float(f"{value:.6g}")
