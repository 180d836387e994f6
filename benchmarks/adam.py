"""Adam against torch.optim.Adam as it is, with foreach, and fused.

The digits' net in float64 from the same weights on the same images: first a hundred steps of each,
whose iterates must agree, then the cost of a whole step, and of the update alone, by the gradient
given. Our update also makes what the pictures show: the length of the step, and its rescaling.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from benchmarks.pixels import Pixels, as_vector, mean_cross_entropy, same_net
from benchmarks.results import Measurement, Table
from benchmarks.timing import interleaved, rows
from qnviz.curvature.oracle import Oracle
from qnviz.methods.adam import Adam
from qnviz.problems.autoencoder import PUBLISHED
from qnviz.runs.device import set_threads

LR, STEPS, ROUNDS, TURN = 1e-3, 100, 40, 5
ROUNDING = 1e-9                                # relative, of iterates after STEPS steps
OURS, PEER = "qnviz", "torch.optim.Adam"
PEERS: dict[str, dict[str, bool]] = {
    PEER: {}, "… foreach": {"foreach": True}, "… fused": {"fused": True}}


def measure() -> Iterator[Table | str]:
    """One table, a column for whole steps and one for updates."""
    problem = Pixels(PUBLISHED["digits"], 256, 1, torch.float64)
    set_threads(problem.size)
    worst = agreement(problem)
    found: list[Measurement] = []
    for case, make in (("whole step", whole), ("update alone", update)):
        steps = {name: make(problem, name)[0] for name in (PEER, OURS, *list(PEERS)[1:])}
        found += rows(interleaved(steps, ROUNDS, dict.fromkeys(steps, TURN)), PEER, case)
    yield Table(key="adam", title="Adam on the digits' shape, R = 1", rows=tuple(found), about=(
        f"64-32-16-6-16-32-64, batches of 256, float64, one thread. After {STEPS} steps the "
        f"weights differ by {worst:.0e} of the largest at most."))


Made = tuple[Callable[[], object], Callable[[], Tensor]]      # a step; the weights (1, P) by now


def whole(problem: Pixels, name: str) -> Made:
    """Forward, backward and update."""
    if name != OURS:
        return theirs(problem, name, backward=True)
    return ours(problem, Oracle)


def update(problem: Pixels, name: str) -> Made:
    """The update by a gradient that is there."""
    if name != OURS:
        return theirs(problem, name, backward=False)
    return ours(problem, Given)


class Given(Oracle):
    """Answers with the gradient at the start, whatever it is asked."""

    def forward(self, theta: Tensor, active: Tensor | None = None) -> Tensor:      # type: ignore
        """Nothing is passed through."""
        return theta

    def gradient(self, tape: Tensor, active: Tensor | None = None) -> Tensor:      # type: ignore
        """The gradient at the start."""
        return self.problem.given                                                  # type: ignore


@torch.inference_mode()
def ours(problem: Pixels, kind: type[Oracle]) -> Made:
    """The lab's Adam as the loop calls it."""
    method, one = Adam(lr=LR), torch.zeros(1, dtype=torch.int64)
    theta, batch = problem.start(0, one), problem.reference()
    problem.given = problem.join(problem.gradient(problem.forward(theta, batch)))  # type: ignore
    p = method.tensors(1, theta)
    state = [method.init(Oracle(problem, batch, 1), theta, p)]

    @torch.inference_mode()
    def step() -> None:
        state[0] = method.step(kind(problem, batch, 1), state[0], p)[0]

    return step, lambda: state[0].theta


def theirs(problem: Pixels, name: str, backward: bool) -> Made:
    """torch.optim.Adam on the same net."""
    theta = problem.start(0, torch.zeros(1))
    net, x = same_net(problem, theta), problem.x[0]
    optimizer = torch.optim.Adam(net.parameters(), lr=LR, **PEERS[name])

    def gradient() -> None:
        optimizer.zero_grad()
        mean_cross_entropy(net(x), x).backward()

    def step() -> None:
        if backward:
            gradient()
        optimizer.step()

    gradient()
    return step, lambda: as_vector(problem, [w.detach() for w in net.parameters()])


def agreement(problem: Pixels) -> float:
    """The largest difference of weights between any two after STEPS steps, relative.

    Raises:
        RuntimeError: it is more than rounding, so these are not the same methods.
    """
    ends = []
    for name in (PEER, OURS, *list(PEERS)[1:]):
        step, weights = whole(problem, name)
        for _ in range(STEPS):
            step()
        ends.append(weights())
    worst = max(float((end - ends[0]).abs().max() / ends[0].abs().max()) for end in ends)
    if not worst <= ROUNDING:
        raise RuntimeError(f"after {STEPS} steps weights differ by {worst:.1e}: more than rounding")
    return worst

