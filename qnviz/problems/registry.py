"""All problems: one line each."""

from qnviz.problems.autoencoder import Autoencoder
from qnviz.problems.linear_net import LinearNet
from qnviz.problems.rosenbrock import Rosenbrock
from qnviz.problems.rosenbrock_n import RosenbrockN
from qnviz.problems.spec import ProblemSpec
from qnviz.problems.typed import Function

PROBLEMS: dict[str, type[ProblemSpec]] = {p.model_fields["name"].default: p for p in (
    Rosenbrock,
    LinearNet,
    Autoencoder,
    Function,
    RosenbrockN,
)}
