"""A step of every method on autoencoders, over one forward-backward-SGD step of torch.nn.

MNIST's shape in float32 with batches of 1,000; the digits' shape in both dtypes with batches of
256, alone and per run of 16 at once. Pixels are random: the cost of a pass does not depend on them.
Peer and methods have the same weights, images, dtype and number of threads, and take turns.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from benchmarks.pixels import Pixels, mean_cross_entropy, same_net
from benchmarks.results import Measurement, Table, spread
from benchmarks.timing import Seconds, interleaved, rows
from qnviz.curvature.oracle import Oracle
from qnviz.methods.base import Method
from qnviz.methods.registry import METHODS
from qnviz.problems.autoencoder import PUBLISHED, Autoencoder
from qnviz.runs.device import set_threads

PEER = "torch.nn SGD"
RUNS = 16
MANY = " of 16"                      # ends the name of a candidate that steps 16 runs at once
SETTINGS: dict[str, dict] = {        # small steps: all iterates stay finite, so costs are usual
    "kbfgs": {"lr": 1e-3}, "kbfgs_l": {"lr": 1e-3, "memory": 20}, "kfac": {"lr": 1e-3},
    "adam": {"lr": 1e-3}, "rmsprop": {"lr": 1e-4}, "sgd": {"lr": 1e-4}, "nesterov": {"lr": 1e-4}}
CALLS = {"kfac": 20}                 # it inverts at every 20th step: a turn of it has them all
DIGITS = "64-32-16-6-16-32-64, relu, cross-entropy, batches of 256, one thread."
MNIST = "784-1000-500-250-30-…, relu, cross-entropy, batches of 1,000, float32, all cores."
WORK = " Work counts passes, a gradient being 3."


def measure() -> Iterator[Table | str]:
    """The tables, and why some methods are in none."""
    every = {name: cls(**SETTINGS.get(name, {})) for name, cls in METHODS.items()}
    out = {name: why for name, m in every.items() if (why := m.unavailable(Autoencoder()))}
    methods = {name: m for name, m in every.items() if name not in out}
    yield from digits(methods)
    yield mnist(methods)
    # what to do instead is for people who choose a method, not for a report
    yield from (why.partition(". ")[0].removesuffix(".") + "." for why in out.values())


def digits(methods: dict[str, Method], rounds: int = 30) -> Iterator[Table]:
    """R = 1 and R = 16 in one set of rounds, so that their ratio is of pairs as well."""
    alone: list[Measurement] = []
    many: list[Measurement] = []
    cheaper: list[Measurement] = []
    for dtype in (torch.float64, torch.float32):
        case = str(dtype).removeprefix("torch.")
        one, several = (Pixels(PUBLISHED["digits"], 256, r, dtype) for r in (1, RUNS))
        set_threads(several.size * RUNS)
        steppers = {name: Stepper(one, m) for name, m in methods.items()}
        steppers |= {name + MANY: Stepper(several, m) for name, m in methods.items()}
        seconds = interleaved({PEER: Peer(one)} | steppers, rounds,
                              calls=CALLS | {name + MANY: n for name, n in CALLS.items()})
        work = {name: steppers[name].work() for name in methods}
        each = {name: seconds[name + MANY] / RUNS for name in methods}
        alone += rows({name: seconds[name] for name in (PEER, *methods)}, PEER, case, notes=work)
        many += rows({PEER: seconds[PEER]} | each, PEER, case)
        cheaper += [Measurement(name=name, case=case, unit="", **spread(seconds[name] / shared))
                    for name, shared in each.items()]
    yield Table(key="digits", title="A step on the digits' shape, R = 1", about=DIGITS + WORK,
                rows=tuple(alone))
    yield Table(key="digits_16", title="The same, per run of 16 at once", about=DIGITS,
                rows=tuple(many))
    yield Table(key="cheaper", title="How many times cheaper a run of 16 is than a run alone",
                about="Of the same rounds.", rows=tuple(cheaper))


def mnist(methods: dict[str, Method], rounds: int = 7) -> Table:
    """The published shape, which is bound by its matrix products."""
    problem = Pixels(PUBLISHED["mnist"], 1000, 1, torch.float32)
    set_threads(problem.size)
    steppers = {name: Stepper(problem, m) for name, m in methods.items()}
    seconds: Seconds = interleaved({PEER: Peer(problem)} | steppers, rounds, CALLS)
    return Table(key="mnist", title="A step on MNIST's shape, R = 1", about=MNIST + WORK,
                 rows=tuple(rows(seconds, PEER, notes={
                     name: s.work(3) for name, s in steppers.items()})))


class Stepper:
    """A method's steps on one batch, one after another."""

    def __init__(self, problem: Pixels, method: Method):
        self.problem, self.method, self.runs = problem, method, len(problem.x)
        which = torch.arange(self.runs)
        self.batch = next(problem.batches(0, 1, 0, which))
        with torch.inference_mode():
            theta = problem.start(0, which)
            self.p = method.tensors(self.runs, theta)
            oracle = Oracle(problem, problem.training(0, which), self.runs)
            self.state = method.init(oracle, theta, self.p)

    @torch.inference_mode()
    def __call__(self) -> Oracle:
        """One step."""
        oracle = Oracle(self.problem, self.batch, self.runs)
        self.state = self.method.step(oracle, self.state, self.p)[0]
        return oracle

    def work(self, steps: int = 10) -> str:
        """The mean of the work of some more steps, in words.

        Raises:
            RuntimeError: the iterate is not finite, so what was timed is no usual step.
        """
        spent = sum(float(self().work.mean()) for _ in range(steps)) / steps
        if not torch.isfinite(self.state.theta).all():
            raise RuntimeError(f"{self.method.title} diverged while its steps were timed")
        return f"work {spent:.3g}"


class Peer:
    """Forward, backward and an SGD step of the same net in torch.nn."""

    def __init__(self, problem: Pixels):
        self.net = same_net(problem, problem.start(0, torch.zeros(1)))
        self.x = problem.x[0]
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=1e-4, momentum=0.9)

    def __call__(self) -> None:
        """One step."""
        self.optimizer.zero_grad()
        mean_cross_entropy(self.net(self.x), self.x).backward()
        self.optimizer.step()
