"""The README's figures: its measured paragraph is written from the results, and nowhere else."""

from __future__ import annotations

from benchmarks.chromium import ROOT
from benchmarks.results import Measurement, Results
from benchmarks.words import quantity

README = ROOT / "README.md"
START, END = "<!-- measured -->", "<!-- /measured -->"


def paragraph(results: Results) -> str:
    """What the README says of speed; sentences whose figures were not measured are left out."""
    def of(*where: str) -> Measurement | None:
        return results.find(*where)

    said = []
    race = of("engine", "race", "the engine, in Chromium")
    frames = of("lab", "followed", "dragging the start, 1280×800")
    if race and race.value is not None:
        drawn = f"; pictures that follow the hand are drawn {frames.value:.0f} times a second" if (
            frames and frames.value is not None) else ""
        said.append("A race of six methods × 300 steps takes the browser "
                    + quantity(race.value, "s") + drawn
                    + _times(". From 1,000 starts BFGS there is done while optimistix takes {} as "
                             "long", of("engine", "starts", "optimistix, jit and vmap")) + ".")
    ours = of("multistart", "thousand", "qnviz, one thread")
    if ours and ours.value is not None:
        said.append("In Python BFGS from 1,000 starts of Rosenbrock takes "
                    f"{quantity(ours.value, 's')}"
                    + _times("; a loop over SciPy's takes {} as long", of(
                        "multistart", "thousand", "SciPy, rosen and rosen_der"))
                    + _times(", one over pytorch-minimize's {}", of(
                        "multistart", "thousand", "pytorch-minimize")) + ", at equal success.")
    step = of("nets", "mnist", "kbfgs")
    if step and step.ratio:
        said.append(
            f"A step of K-BFGS takes {_factor(step)} as long as one forward-backward-SGD step of "
            "torch.nn on MNIST's shape" + _times(" and {} on the digits'", of(
                "nets", "digits", "kbfgs", "float64")) + _times("; CurveBall {}", of(
                    "nets", "mnist", "curveball")) + _times(" and {}", of(
                        "nets", "digits", "curveball", "float64")) + ".")
    product = of("products", "hessian", "curvlinops", "digits, float64")
    mine = of("products", "hessian", "qnviz, with its passes", "digits, float64")
    if product and mine and mine.ratio:
        said.append("A Hessian-vector product on the digits' net, its passes included, takes "
                    f"{mine.ratio.value:.0%} of the time of curvlinops's.")
    return "\n".join(said)


def _factor(row: Measurement) -> str:
    return f"{row.ratio.value:.2g} times" if row.ratio else ""


def _times(words: str, row: Measurement | None) -> str:
    return words.format(_factor(row)) if row and row.ratio else ""


def rewritten(text: str, results: Results) -> str:
    """The README with its measured paragraph written anew.

    Raises:
        ValueError: the marks around that paragraph are not there.
    """
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise ValueError(f"README.md lacks its marks {START} and {END}")
    return f"{before}{START}\n{paragraph(results)}\n{END}{after}"
