"""What is aimed at, and whether the last run met it: read off the results, never typed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks.results import Measurement, Ratio, Results
from benchmarks.words import quantity

Load = dict[str, Any] | None                   # what benchmarks/load.py wrote, if it ran


class Found(NamedTuple):
    """A number that was measured, with its spread where it has one."""

    value: float
    low: float
    high: float


class Aim(NamedTuple):
    """A sentence, where its number is, and its limit."""

    text: str
    find: Callable[[Results, Load], Found | None]
    limit: float
    unit: str = ""                             # as a measurement's; "×" for ratios
    least: bool = False                        # whether the limit is the least, not the most


class Verdict(NamedTuple):
    """An aim's row."""

    text: str
    measured: str
    words: str


def _found(x: Measurement | Ratio | None) -> Found | None:
    if x is None or x.value is None or x.low is None or x.high is None:
        return None
    return Found(x.value, x.low, x.high)


def value(part: str, table: str, name: str, case: str = "") -> Callable:
    """The value of a measurement."""
    return lambda results, load: _found(results.find(part, table, name, case))


def ratio(part: str, table: str, name: str, case: str = "") -> Callable:
    """How many times its baseline's."""
    def find(results: Results, load: Load) -> Found | None:
        there = results.find(part, table, name, case)
        return _found(there.ratio) if there else None
    return find


def over_best(name: str, others: tuple[str, ...]) -> Callable:
    """A loss of the digits autoencoder after all its epochs, over the least of others'."""
    def find(results: Results, load: Load) -> Found | None:
        mine, *rest = (_found(results.find("autoencoder", "losses", n, "60 epochs"))
                       for n in (name, *others))
        known = [x.value for x in rest if x is not None]
        if mine is None or len(known) < len(others):
            return None
        return Found(*(x / min(known) for x in mine))
    return find


def viewers(number: int, what: str, field: str) -> Callable:
    """The worst of a load's rows of so many viewers, whose name contains a word."""
    def find(results: Results, load: Load) -> Found | None:
        rows = [row[field] for row in (load or {}).get("rows", [])
                if row["viewers"] == number and what in row["what"] and row[field] is not None]
        return Found(*[float(max(rows))] * 3) if rows else None
    return find


def memory(results: Results, load: Load) -> Found | None:
    """Memory after all viewers left over that at the start."""
    told = (load or {}).get("memory")
    return Found(*[told["after_mb"] / told["start_mb"]] * 3) if told else None


FIRST_ORDER = ("sgd", "adam")
AIMS: tuple[Aim, ...] = (
    Aim("A K-BFGS step on MNIST's shape, over a step of torch.nn",
        ratio("nets", "mnist", "kbfgs"), 2.4, "×"),
    Aim("A CurveBall step there", ratio("nets", "mnist", "curveball"), 2.0, "×"),
    Aim("A K-BFGS step on the digits, R = 1", ratio("nets", "digits", "kbfgs", "float64"), 3, "×"),
    Aim("A CurveBall step there", ratio("nets", "digits", "curveball", "float64"), 2.2, "×"),
    Aim("K-BFGS on the digits, float64: a run of 16 is cheaper than alone",
        value("nets", "cheaper", "kbfgs", "float64"), 25, "×", least=True),
    Aim("… and in float32", value("nets", "cheaper", "kbfgs", "float32"), 25, "×", least=True),
    Aim("Hessian times vector on the digits, with its passes: curvlinops takes",
        lambda r, l: _inverse(ratio("products", "hessian", "qnviz, with its passes",
                                    "digits, float64")(r, l)), 10, "×", least=True),
    Aim("1,000 starts of BFGS: SciPy with its rosen takes",
        ratio("multistart", "thousand", "SciPy, rosen and rosen_der"), 30, "×", least=True),
    Aim("… SciPy with the leanest functions",
        ratio("multistart", "thousand", "SciPy, plain Python functions"), 30, "×", least=True),
    Aim("… pytorch-minimize", ratio("multistart", "thousand", "pytorch-minimize"), 100, "×",
        least=True),
    Aim("A race of 6 × 300 steps with all records, in the browser's engine",
        value("engine", "race", "the engine, in Chromium"), 0.005, "s"),
    Aim("1,000 starts of BFGS in the engine, one core",
        value("engine", "starts", "the engine, in Chromium"), 0.0015, "s"),
    Aim("… optimistix takes", ratio("engine", "starts", "optimistix, jit and vmap"), 1, "×",
        least=True),
    Aim("512×512 starts of BFGS on Himmelblau in the engine, one core",
        value("engine", "maps", "512×512 BFGS starts on Himmelblau"), 2, "s"),
    Aim("64×64 runs of K-BFGS in the engine, 300 steps each, one core",
        value("engine", "maps", "64×64 K-BFGS runs of 300 steps"), 0.3, "s"),
    Aim("A map of 4,096 runs × 200 steps, K-BFGS", value("maps", "maps", "K-BFGS, λ × α"), 3, "s"),
    Aim("… CurveBall", value("maps", "maps", "CurveBall, λ₀ × β"), 3, "s"),
    Aim("The home page's first picture, over a bare page with one chart",
        ratio("lab", "first", "home page"), 1.3, "×"),
    Aim("A race of 6 × 300 steps computed and drawn",
        value("lab", "control", "computed"), 1.5, "s"),
    Aim("The same from the cache", value("lab", "control", "from the cache"), 0.3, "s"),
    Aim("Longest wait until a changed control interrupts a run",
        value("core", "race", "longest wait for an interrupt"), 0.5, "s"),
    Aim("Frames per second while playing, of the browser's own",
        ratio("lab", "player", "frames per second, playing"), 0.95, "×", least=True),
    Aim("Frames per second while a dragged start has five pictures follow, of the browser's own",
        ratio("lab", "followed", "dragging the start, 1280×800"), 0.95, "×", least=True),
    Aim("… at 1920×1080", value("lab", "followed", "dragging the start, 1920×1080"), 30, "1/s",
        least=True),
    Aim("A drawn frame while the slider is dragged",
        value("lab", "player", "scrub: from one drawn frame to the next"), 0.017, "s"),
    Aim("Digits autoencoder, 60 epochs: K-BFGS's loss, of the better of SGD's and Adam's",
        over_best("kbfgs", FIRST_ORDER), 1, "×"),
    Aim("… KFAC's", over_best("kfac", FIRST_ORDER), 1, "×"),
    Aim("Thirty viewers of a lesson: p95 of a changed control",
        viewers(30, "lesson, changed control", "p95_s"), 2, "s"),
    Aim("… errors", viewers(30, "", "errors"), 0),
    Aim("… memory after all have left, over the start", memory, 1.2, "×"))


def _inverse(x: Found | None) -> Found | None:
    return x and Found(1 / x.value, 1 / x.high, 1 / x.low)


def verdict(aim: Aim, results: Results, load: Load = None) -> Verdict:
    """Met, or missed and by how much; and whether the spread would let one say the opposite."""
    sign = "≥" if aim.least else "≤"
    text = f"{aim.text} {sign} {aim.limit:g} {aim.unit}".rstrip()
    there = aim.find(results, load)
    if there is None:
        return Verdict(text, "–", "not measured")
    measured = quantity(there.value, aim.unit)
    if there.low != there.high:
        measured += f" ({quantity(there.low, aim.unit)} … {quantity(there.high, aim.unit)})"
    met = there.value >= aim.limit if aim.least else there.value <= aim.limit
    if met:
        words = "met"
    elif not aim.limit:
        words = f"**missed** by {quantity(there.value, aim.unit)}"
    else:
        words = f"**missed** by {abs(there.value / aim.limit - 1):.0%}"
    if there.low <= aim.limit <= there.high and there.low != there.high:
        words += ", within the spread"
    return Verdict(text, measured, words)


def verdicts(results: Results, load: Load = None) -> list[Verdict]:
    """All of them."""
    return [verdict(aim, results, load) for aim in AIMS]
