"""Products with the Hessian and the Gauss-Newton matrix against curvlinops and torch.autograd.

The same net, weights, images, dtype and threads; before anything is timed, all products of a case
are held against each other. curvlinops and autograd pass forward and backward in every product, so
the fair pair of theirs is "with its passes"; a solver such as CG asks for many products at one
point, and ours keeps the passes between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from benchmarks.pixels import Pixels, as_tensors, as_vector, mean_cross_entropy, same_net
from benchmarks.results import Measurement, Table
from benchmarks.timing import interleaved, rows
from qnviz.problems.autoencoder import PUBLISHED
from qnviz.problems.tape import Tape
from qnviz.runs.device import set_threads

PEER, FRESH, KEPT = "curvlinops", "qnviz, with its passes", "qnviz, one more at the same point"
AUTOGRAD = "torch.autograd, twice backward"
CASES: dict[str, tuple[str, int, torch.dtype, int]] = {      # shape, batch, dtype, rounds
    "digits, float64": ("digits", 256, torch.float64, 40),
    "digits, float32": ("digits", 256, torch.float32, 40),
    "MNIST's shape, float32": ("mnist", 1000, torch.float32, 5)}
ROUNDING = {torch.float64: 1e-12, torch.float32: 1e-4}       # relative, of the largest entry
Products = dict[str, Callable[[], "Tensor | list[Tensor]"]]


def measure() -> Iterator[Table | str]:
    """Two tables, or what is missing."""
    try:
        import curvlinops
    except ImportError:
        yield "curvlinops-for-pytorch is not installed, so products were not compared"
        return
    for key, title, operator in (
            ("hessian", "Hessian times vector", curvlinops.HessianLinearOperator),
            ("gauss_newton", "Gauss-Newton matrix times vector", curvlinops.GGNLinearOperator)):
        found: list[Measurement] = []
        differ: list[str] = []
        for case, (shape, batch, dtype, rounds) in CASES.items():
            problem = Pixels(PUBLISHED[shape], batch, 1, dtype)
            set_threads(problem.size)
            products = candidates(problem, key, operator)
            differ.append(f"{agreement(problem, products):.0e} ({case})")
            found += rows(interleaved(products, rounds), PEER, case)
        yield Table(key=key, title=title, rows=tuple(found), about=(
            "The products differ, relative to the largest entry, by " + ", ".join(differ) + "."))


def candidates(problem: Pixels, key: str, operator: type) -> Products:
    """Every way to the product with one vector."""
    theta, v = (problem.start(seed, torch.zeros(1)) for seed in (0, 1))
    net, x, batch = same_net(problem, theta), problem.x[0], problem.reference()
    parts = as_tensors(problem, v)
    matrix = operator(net, Mean(), list(net.parameters()), [(x, x)], check_deterministic=False)
    times = problem.hessian_vector if key == "hessian" else problem.gauss_newton_vector

    def passed() -> Tape:
        tape = problem.forward(theta, batch)
        if key == "hessian":
            problem.backward(tape)
        return tape

    inside = torch.inference_mode()
    tape = inside(passed)()
    ways: Products = {PEER: lambda: matrix @ parts,
                      FRESH: inside(lambda: times(passed(), v)),
                      KEPT: inside(lambda: times(tape, v))}
    if key == "hessian":
        ways[AUTOGRAD] = lambda: twice_backward(net, x, parts)
    return ways


class Mean(nn.Module):
    """The loss as curvlinops takes it: a module that says how it reduces.

    It says "sum", which curvlinops leaves as it is: the mean over images is taken here.
    """

    reduction = "sum"

    def forward(self, u: Tensor, x: Tensor) -> Tensor:
        """The loss of a batch."""
        return mean_cross_entropy(u, x)


def twice_backward(net: nn.Module, x: Tensor, v: list[Tensor]) -> list[Tensor]:
    """∇(gᵀv), the usual way where no library is at hand."""
    parameters = list(net.parameters())
    g = torch.autograd.grad(mean_cross_entropy(net(x), x), parameters, create_graph=True)
    return list(torch.autograd.grad(g, parameters, v))


def agreement(problem: Pixels, products: Products) -> float:
    """The largest difference between a product and the peer's, relative to its largest entry.

    Raises:
        RuntimeError: it is more than rounding, so these are not the same products.
    """
    def vector(found: Tensor | list[Tensor]) -> Tensor:
        return as_vector(problem, found) if isinstance(found, list) else found

    right = vector(products[PEER]())
    worst = max(float((vector(way()) - right).abs().max() / right.abs().max())
                for way in products.values())
    if not worst <= ROUNDING[problem.dtype]:
        raise RuntimeError(f"products differ by {worst:.1e}, which is more than rounding")
    return worst
