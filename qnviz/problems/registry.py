"""All problems: one line each."""

from qnviz.problems.autoencoder import Autoencoder
from qnviz.problems.base import ProblemSpec
from qnviz.problems.linear_net import LinearNet
from qnviz.problems.rosenbrock import Rosenbrock

PROBLEMS: dict[str, type[ProblemSpec]] = {p.model_fields["name"].default: p for p in (
    Rosenbrock,
    LinearNet,
    Autoencoder,
)}
