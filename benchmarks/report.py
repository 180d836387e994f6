"""The report: results as Markdown that also reads well in a terminal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.aims import verdicts
from benchmarks.results import Measurement, Part, Results, Setting, Table
from benchmarks.words import quantity

FILE = "RESULTS.md"
LOAD = "load.json"
TITLES = {"core": "The numeric core", "nets": "Steps on nets", "products": "Curvature products",
          "adam": "Adam", "multistart": "Many starts", "maps": "Maps",
          "scaling": "Runs at once", "autoencoder": "The digits autoencoder",
          "engine": "The engine in Chromium", "lab": "The lab in Chromium",
          "payloads": "Payloads"}
HEAD = """# Results

Written by `make bench`; [NOTES.md](NOTES.md) explains these figures and says what was tried.
Medians with quartiles. The candidates of a table take turns; ratios are of turns of one round.
"""


def markdown(results: Results, load: dict[str, Any] | None = None) -> str:
    """All of it: where it was measured, aims, tables, load."""
    blocks = [HEAD, _measured_on(results), "## Aims\n\n" + aims(results, load)]
    for name, title in TITLES.items():
        if name in results.parts:
            blocks.append(f"## {title}\n\n" + part(results.parts[name]))
    if load:
        blocks.append("## Load\n\n" + load_section(load))
    return "\n".join(blocks)


def aims(results: Results, load: dict[str, Any] | None = None) -> str:
    """A row for every aim."""
    return grid(["aim", "measured", "verdict"], [list(v) for v in verdicts(results, load)])


def part(there: Part) -> str:
    """A part's tables, then what could not be measured."""
    blocks = [table(t) for t in there.tables]
    if there.missing:
        blocks.append("Not measured:\n\n" + "\n".join(f"- {why}" for why in there.missing) + "\n")
    return "\n".join(blocks)


def table(there: Table) -> str:
    """One table: a row per measurement, or a row per name and a column per case."""
    base = next((row.ratio.to for row in there.rows if row.ratio), None)
    about = " ".join(filter(None, (there.about, base and f"Ratios × are to {base}.")))
    head = f"### {there.title}\n\n" + (f"{about}\n\n" if about else "")
    cases = list(dict.fromkeys(row.case for row in there.rows))
    if cases in ([""], []):
        return head + _long(there)
    names = list(dict.fromkeys(row.name for row in there.rows))
    return head + grid(["", *cases], [
        [name, *(_cell(there, there.find(name, case)) for case in cases)] for name in names])


def _long(there: Table) -> str:
    base = any(row.ratio for row in there.rows)
    notes = any(row.note for row in there.rows)
    head = ["", "measured", *(["ratio"] if base else []), "repeats", *([""] if notes else [])]
    return grid(head, [[
        row.name, _spread(there, row), *([_ratio(row)] if base else []), str(row.repeats),
        *([row.note] if notes else [])] for row in there.rows])


def _cell(there: Table, row: Measurement | None) -> str:
    if row is None:
        return ""
    words = _spread(there, row)
    if row.ratio is not None:
        words = f"{_ratio(row)}; {quantity(row.value, row.unit)}" if row.value else _ratio(row)
    return f"{words}; {row.note}" if row.note else words


def _spread(there: Table, row: Measurement) -> str:
    if row.value is None or row.low is None or row.high is None:
        return "nothing finite"
    middle = quantity(row.value, row.unit)
    if there.spread == "std":                  # of losses, which have no unit
        return f"{row.value:.2f} ± {row.high - row.value:.2f}"
    if row.low == row.high:
        return middle
    return f"{middle} ({quantity(row.low, row.unit)} … {quantity(row.high, row.unit)})"


def _ratio(row: Measurement) -> str:
    r = row.ratio
    if r is None:
        return "–"
    if r.low == r.high:
        return quantity(r.value, "×")
    return f"{quantity(r.value, '×')} ({quantity(r.low, '')} … {quantity(r.high, '')})"


def load_section(load: dict[str, Any]) -> str:
    """What benchmarks/load.py found: N viewers at once, and the server's memory."""
    def seconds(x: float | None) -> str:
        return "–" if x is None else quantity(x, "s")

    words = f"`python -m benchmarks.load`, {load['when']}, {load['machine']}.\n\n"
    words += grid(["viewers", "what", "p50", "p95", "errors"], [
        [str(row["viewers"]), row["what"], seconds(row["p50_s"]), seconds(row["p95_s"]),
         str(row["errors"])] for row in load["rows"]])
    if told := load.get("memory"):
        bare, start, peak, after = (f"{told[name]:,.0f} MB" for name in (
            "bare_mb", "start_mb", "peak_mb", "after_mb"))
        words += (f"\nThe server's memory: {bare} before anybody came, {start} at the start, after "
                  f"one visitor, {peak} at most, {after} after all had left.\n")
    return words


def _measured_on(results: Results) -> str:
    """The newest part's machine and versions; then when each part ran, and where if elsewhere."""
    if not results.parts:
        return "Nothing was measured yet.\n"
    here = max(results.parts.values(), key=lambda p: p.when).setting
    rows = [[name, f"{p.when:%Y-%m-%d %H:%M}", f"{p.took_s:.0f} s", f"{p.processor_s:.0f} s",
             "" if p.setting == here else _setting(p.setting)] for name, p in results.parts.items()]
    took = sum(p.took_s for p in results.parts.values())
    return (f"{_setting(here)}.\n\n" + grid(["part", "when (UTC)", "took", "processor time",
                                             "elsewhere"], rows)
            + f"\nAll parts took {took / 60:.1f} minutes.\n")


def _setting(setting: Setting) -> str:
    return "; ".join(", ".join(f"{name} {word}" for name, word in told.items())
                     for told in (setting.machine, setting.versions))


def grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns stand under each other; an empty last column is left out."""
    if len(head) > 1 and not any(row[-1] for row in rows):
        head, rows = head[:-1], [row[:-1] for row in rows]
    widths = [max(3, *(len(line[k]) for line in (head, *rows))) for k in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(c.ljust(w) for c, w in zip(cells, widths, strict=True)) + " |\n"

    return line(head) + line(["-" * w for w in widths]) + "".join(map(line, rows))


def read_load(folder: Path) -> dict[str, Any] | None:
    """What benchmarks/load.py wrote, if it ever ran."""
    path = folder / LOAD
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
