"""The browser's engine for tests: many specs on one page, and what it makes of them as arrays."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from tests.browser.modules import imported

BATCH = 400                          # specs in one message; columns of thousands would be too long
# Numbers go back as one text of bytes: as JSON they would take longer than they take to compute.
PACKED = """(work) => {
  const parts = [];
  let at = 0;
  const pack = (array) => {
    const data = Float64Array.from(array);
    parts.push(new Uint8Array(data.buffer));
    at += data.length;
    return [at - data.length, at];
  };
  const found = work(pack);
  const bytes = new Uint8Array(8 * at);
  let to = 0;
  for (const part of parts) { bytes.set(part, to); to += part.length; }
  let text = '';
  for (let i = 0; i < bytes.length; i += 0x6000)
    text += btoa(String.fromCharCode(...bytes.subarray(i, i + 0x6000)));
  return [found, text];
}"""
RACES = f"""(specs) => ({PACKED})((pack) => specs.map((spec) => m.race(spec).map((result) => ({{
  label: result.label, name: result.name, status: result.status, stopped: [...result.stopped],
  columns: Object.fromEntries(Object.entries(result.columns).map(
    ([name, {{data, shape}}]) => [name, [pack(data), shape]]))}}))))"""
GRIDS = f"""(specs) => ({PACKED})((pack) => specs.map((spec) => Object.fromEntries(
  Object.entries(m.grid(spec)).map(([name, data]) => [name, pack(data)]))))"""


class Ran(NamedTuple):
    """What the engine recorded of an entrant: columns as a trace has them."""

    label: str
    name: str
    columns: dict[str, np.ndarray]
    status: list[str]
    stopped: np.ndarray


def opened(page: Any, *more: str) -> Any:
    """A page with the engine, and with what other modules export, in its `m`."""
    imported(page, "engine/index.js", *more)
    return page


def _batches(items: Iterable[Any]) -> Iterator[list[Any]]:
    whole = list(items)
    for first in range(0, len(whole), BATCH):
        yield whole[first:first + BATCH]


def _numbers(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<f8")


def raced(page: Any, specs: Iterable[Any]) -> list[list[Ran]]:
    """The races of portable specs: per spec, what was recorded of each entrant."""
    found: list[list[Ran]] = []
    for batch in _batches(specs):
        results, text = page.evaluate(RACES, batch)
        numbers = _numbers(text)
        found += [[Ran(r["label"], r["name"], {
            name: numbers[slice(*at)].reshape(shape) for name, (at, shape) in r["columns"].items()},
            r["status"], np.array(r["stopped"])) for r in race] for race in results]
    return found


def gridded(page: Any, specs: Iterable[Any]) -> list[dict[str, np.ndarray]]:
    """The maps of portable sweeps, flattened as the engine gives them."""
    found: list[dict[str, np.ndarray]] = []
    for batch in _batches(specs):
        results, text = page.evaluate(GRIDS, batch)
        numbers = _numbers(text)
        found += [{name: numbers[slice(*at)] for name, at in maps.items()} for maps in results]
    return found


def sampled(page: Any, expression: str, argument: Any = None) -> np.ndarray:
    """Numbers that a function of JavaScript gives for an argument, NaN and infinities included."""
    _, text = page.evaluate(f"(given) => ({PACKED})((pack) => pack(({expression})(given)))",
                            argument)
    return _numbers(text)
