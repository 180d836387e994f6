"""All problems: one line each."""

from qnviz.problems.base import ProblemSpec
from qnviz.problems.rosenbrock import Rosenbrock

PROBLEMS: dict[str, type[ProblemSpec]] = {p.model_fields["name"].default: p for p in (
    Rosenbrock,
)}
