"""How wrong each kind of derivative is against its step h, and what each costs (MATH §5).

The derivatives are the runs' own, of `curvature/hessian_vector.py` on a `Problem`; all steps h are
one batch along the run axis. What they are judged by is made otherwise: loss and gradient written
once more in mpmath with 80 digits, and difference quotients of those, which lose nothing there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import mpmath
import numpy as np
import torch
from torch import Tensor

from qnviz.curvature import hessian_vector as hv
from qnviz.errors import SpecError
from qnviz.fields import Frozen, choice, number, whole
from qnviz.numbers import say
from qnviz.problems import philox
from qnviz.problems.autoencoder import Autoencoder
from qnviz.problems.norms import norm
from qnviz.problems.one_variable import OneVariable
from qnviz.problems.problem import Problem
from qnviz.problems.rosenbrock import Rosenbrock
from qnviz.problems.tape import Batch, Tape
from qnviz.runs.device import set_threads

CPU = torch.device("cpu")
DTYPES = {"float64": torch.float64, "float32": torch.float32}
DIGITS, TINY = 80, 1e-20              # the reference and its step: it is good to 1e-36 or better
CERTAIN = 1e-30                       # relative errors below this count as 0
CANCELS = 1e-8                        # times |F′|: a smaller |F| is what a cancellation left over
MOST_STEPS, PER_DECADE = 180, 6
SMALL, SAMPLES = "64-16-6-16-64", 4   # small enough for 80 digits in a blink
WIDE, IMAGES = "64-32-16-6-16-32-64", 256          # what costs are measured on: the lab's own net
LIMIT = 10.0                          # times the floor: up to there the complex step "holds"

Function = Literal["squire_trapp", "exp_relu", "exp_softplus", "rosenbrock", "autoencoder"]
Smooth = Literal["tanh", "sigmoid", "relu", "softplus"]


class Question(Frozen):
    """What is differentiated, where, along what, and how finely."""

    function: Function = choice("autoencoder", "What is differentiated.")
    activation: Smooth = choice("tanh", "What the net's hidden units do.", r"\varphi")
    loss: Literal["bce", "mse"] = choice(
        "bce", "Cross-entropy of every pixel, or half the squared error.", r"\ell")
    precision: Literal["float64", "float32"] = choice(
        "float64", "Of point, direction and arithmetic; its rounding ε is 2.2e-16 or 1.2e-7.")
    x: float = number(1.5, "x", "The point; of Rosenbrock the first coordinate.", ge=-10, le=10)
    y: float = number(1.0, "y", "The point's second coordinate.", ge=-10, le=10)
    seed: int = whole(0, "", "Direction and weights are functions of the seed.", ge=0, le=2**31 - 1)
    length: float = number(1.0, r"\|v\|", "Length of the direction v.", ge=0, le=1000, log=True)
    decades: int = whole(30, "", "The smallest step is 10 to the power of minus this.", ge=16,
                         le=320)


@dataclass(frozen=True)
class Case:
    """A problem with its samples, a point θ (1, P) and a direction v (1, P)."""

    problem: Problem
    batch: Batch
    theta: Tensor
    v: Tensor


def case(q: Question) -> Case:
    """What a question asks about, rounded to its precision.

    Raises:
        SpecError: there is no direction, or the function has no value at the point.
    """
    dtype = DTYPES[q.precision]
    problem: Problem
    if q.function == "autoencoder":
        problem = Autoencoder(widths=SMALL, activation=q.activation,               # type: ignore
                              loss=q.loss).build(dtype, CPU)
    elif q.function == "rosenbrock":
        problem = Rosenbrock(start=(q.x, q.y)).build(dtype, CPU)
    else:
        problem = OneVariable(q.function, q.x, dtype)
    b, zeroth = problem.reference(), torch.zeros(1, dtype=torch.int64)
    batch = replace(b, x=b.x[:, :SAMPLES], target=b.target[:, :SAMPLES])
    theta = problem.start(q.seed, zeroth)
    draw = philox.normal(q.seed, philox.NOISE, zeroth, zeroth, problem.size)[0]
    v = torch.ones_like(draw) if problem.size == 1 else draw / norm(draw)
    v = (q.length * v).to(dtype)
    if not v.any():
        where = f" in {q.precision}" if q.length else ""
        raise SpecError([f"The direction v is 0{where}: there is nowhere to step, and every "
                         "derivative along it is 0. Choose a longer v."])
    if not problem.forward(theta, batch).f.isfinite().all():
        raise SpecError([f"The function has no value at x = {q.x:g}: sin³x + cos³x is not positive "
                         "there. Choose x between −0.78 and 2.35."])
    return Case(problem, batch, theta, v)


# --- the reference: 80 digits, by difference quotients --------------------------------------------

mp = mpmath.MPContext()
mp.dps = DIGITS
Pass = Callable[[np.ndarray], np.ndarray]          # θ (P,) → [f, ∇f] (1 + P,), numbers of 80 digits
_exact = np.frompyfunc(mp.mpf, 1, 1)               # a double is a number of 80 digits, unrounded


def _by_quotients(f: Callable[[np.ndarray], Any]) -> Pass:
    """The function with its gradient by central differences, coordinate by coordinate."""
    k = mp.mpf(TINY)

    def both(theta: np.ndarray) -> np.ndarray:
        eye = _exact(np.eye(len(theta)))
        return np.array([f(theta), *((f(theta + k * e) - f(theta - k * e)) / (2 * k) for e in eye)])
    return both


def _plain(q: Question, theta: np.ndarray) -> Pass:
    """A function of one or two variables. A relu stays on the branch on which its point lies."""
    if q.function == "squire_trapp":
        return _by_quotients(lambda t: mp.exp(t[0]) / mp.sqrt(mp.sin(t[0])**3 + mp.cos(t[0])**3))
    if q.function == "exp_relu":
        on = theta[0] > 0
        return _by_quotients(lambda t: mp.exp(t[0]) if on else mp.mpf(1))
    if q.function == "exp_softplus":
        return _by_quotients(lambda t: 1 + mp.exp(t[0]))
    return _by_quotients(lambda t: 100 * (t[1] - t[0]**2)**2 + (1 - t[0])**2)


def _net(q: Question, c: Case) -> Pass:
    """The net: forward and backward in numbers of 80 digits, every relu on one branch."""
    x = _exact(c.batch.x[0].double().numpy().T)                                  # (D, N)
    one = _exact(np.ones((1, x.shape[1])))
    sigmoid = np.frompyfunc(lambda z: 1 / (1 + mp.exp(-z)), 1, 1)
    smooth = {"tanh": (np.frompyfunc(mp.tanh, 1, 1), lambda z, a: 1 - a * a),
              "sigmoid": (sigmoid, lambda z, a: a * (1 - a)),
              "softplus": (np.frompyfunc(lambda z: mp.log(1 + mp.exp(z)), 1, 1),
                           lambda z, a: sigmoid(z))}
    branch: dict[int, np.ndarray] = {}             # settled by the first point asked for

    def both(t: np.ndarray) -> np.ndarray:
        at, W, inputs, slopes, z = 0, [], [], [], x
        for l, layer in enumerate(c.problem.layers):
            W.append(t[at:at + layer.size].reshape(layer.shape))
            at += layer.size
            inputs.append(np.concatenate([z, one]))
            h = W[l] @ inputs[l]
            z, slope = h, None
            if layer.activation == "relu":
                slope = branch.setdefault(l, (h > 0).astype(int))
                z = h * slope
            elif layer.activation in smooth:
                z = smooth[layer.activation][0](h)
                slope = smooth[layer.activation][1](h, z)
            slopes.append(slope)
        n = x.shape[1]
        bce = q.loss == "bce"
        value = (smooth["softplus"][0](z) - x * z if bce else (z - x) ** 2 / 2).sum() / n
        g, blocks = (sigmoid(z) - x if bce else z - x) / n, []
        for l in range(len(W) - 1, -1, -1):
            blocks.append((g @ inputs[l].T).ravel())
            if l:
                g = W[l][:, :-1].T @ g
                g = g if slopes[l - 1] is None else g * slopes[l - 1]
        return np.concatenate([[value], *blocks[::-1]])

    return both


def truth(q: Question, c: Case, tiny: float = TINY) -> np.ndarray:
    """[f, ∇f] and its first three derivatives along v: (4, 1 + P) numbers of 80 digits."""
    theta, v = (_exact(t[0].double().numpy()) for t in (c.theta, c.v))
    both = _net(q, c) if q.function == "autoencoder" else _plain(q, theta)
    k = mp.mpf(tiny) / mp.sqrt((v * v).sum())
    m, a, b, d, e = (both(theta + j * k * v) for j in (0, -2, -1, 1, 2))
    return np.array([m, (d - b) / (2 * k), (d - 2 * m + b) / k**2,
                     (e - 2 * d + 2 * b - a) / (2 * k**3)])


# --- errors against h -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Errors:
    """One derivative by several kinds, relative errors in the 2-norm against the 80-digit one."""

    h: np.ndarray                                  # (K,) falling
    by_step: dict[str, np.ndarray]                 # kind → (K,); NaN where the kind gives no number
    without_step: dict[str, float]
    expected: dict[str, np.ndarray]                # (K,) truncation + rounding, to leading order
    eps: float                                     # the precision's rounding
    relative: bool                                 # else absolute, as the true derivative is 0
    spread: float                                  # largest difference of two kinds without a step
    holds: tuple[float, float] | None              # h from … to: the complex step at its floor
    floor: float                                   # its median error there
    kink: float | None                             # from this h on a central difference crosses one


@dataclass(frozen=True)
class Answer:
    """Errors of the slope gᵀv and of the product Hv, and what has to be said about them."""

    slope: Errors
    product: Errors
    parameters: int
    notes: tuple[str, ...]


def steps(decades: int) -> np.ndarray:
    """10⁻¹ … 10^−decades, (K,), evenly on a log axis, powers of ten among them."""
    each = max(1, min(PER_DECADE, MOST_STEPS // decades))
    return 10.0 ** -(1 + np.arange((decades - 1) * each + 1) / each)


@lru_cache(maxsize=64)
def answer(q: Question) -> Answer:
    """Errors of all kinds for all h.

    Raises:
        SpecError: there is nothing to differentiate; the sentence says why.
    """
    c, h = case(q), steps(q.decades)
    set_threads(c.problem.size)
    true = truth(q, c)
    with torch.inference_mode():
        tape = c.problem.forward(c.theta, c.batch)
        many, v = tape.repeat(len(h)), c.v.expand(len(h), -1)
        width = torch.tensor(h)
        slopes = {n: f(c.problem, many, v, width)[:, None] for n, f in hv.SLOPES_STEPPED.items()}
        products = {n: f(c.problem, many, v, width) for n, f in hv.STEPPED.items()}
        kink = _crossing(c, tape, width)
        flat = {n: f(c.problem, tape, c.v)[:, None] for n, f in hv.SLOPES.items()}
        exact = {n: hv.KINDS[n](c.problem, tape, c.v)
                 for n in ("pairs", "forward_over_reverse", "double_backward")}
        on_kink = kink is not None and _on_kink(c, tape)
    eps = float(torch.finfo(c.v.dtype).eps)
    slope = _errors(h, slopes, flat, true[:, :1], eps, kink)
    product = _errors(h, products, exact, true[:, 1:], eps, kink)
    return Answer(slope, product, c.problem.size, tuple(_notes(q, c, slope, product, on_kink)))


def _norm(x: np.ndarray) -> float:
    return float(mp.sqrt((x * x).sum()))


def _errors(h: np.ndarray, by_step: dict[str, Tensor], without: dict[str, Tensor],
            true: np.ndarray, eps: float, kink: float | None) -> Errors:
    """Errors of values (K, n) and (1, n) against true (4, n): the value and its derivatives."""
    size, first, second, third = (_norm(row) for row in true)
    relative = first > CERTAIN * max(size, second, third)
    scale = first if relative else 1.0
    high = true[1].astype(float)                   # as two doubles: the difference keeps its digits
    low = (true[1] - _exact(high)).astype(float)

    def error(values: Tensor) -> np.ndarray:
        e = norm(torch.from_numpy((values.double().numpy() - high) - low)).numpy() / scale
        return np.where(e < CERTAIN, 0.0, np.where(np.isfinite(e), e, np.nan))

    made = {name: error(values) for name, values in by_step.items()}
    lines = {name: float(error(values)[0]) for name, values in without.items()}
    spread = max(float(norm((a - b).double())) for a in without.values()
                 for b in without.values()) / scale
    floor, holds = _plateau(h, made["complex_step"], eps)
    # rounding: a value of size |F| is known to ε/2, and two such are subtracted
    # (the size of a sum that cancels says nothing about that)
    known = size if size > CANCELS * first else np.nan
    with np.errstate(over="ignore"):               # h may be 1e-320
        rounding = eps * known / scale / h
    expected = {"forward_difference": h * second / 2 / scale + rounding,
                "finite_difference": h**2 * third / 6 / scale + rounding / 2,
                "complex_step": h**2 * third / 6 / scale + eps / 2}
    return Errors(h, made, lines, expected, eps, relative, spread, holds, floor, kink)


def _plateau(h: np.ndarray, e: np.ndarray, eps: float) -> tuple[float, tuple[float, float] | None]:
    """The complex step's floor, and the longest range of h in which it stays there."""
    seen = e[np.isfinite(e)]
    if not len(seen):
        return np.nan, None
    floor = float(np.quantile(seen, 0.25))
    good = np.isfinite(e) & (e <= LIMIT * max(floor, eps))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], good.astype(int), [0]])))
    if not len(edges):
        return floor, None
    first, last = max(zip(edges[::2], edges[1::2], strict=True), key=lambda r: r[1] - r[0])
    return float(np.median(e[first:last])), (float(h[last - 1]), float(h[first]))


def _relus(c: Case, tape: Tape) -> list[Tensor]:
    return [h for h, layer in zip(tape.h, c.problem.layers, strict=True)
            if layer.activation == "relu"]


def _crossing(c: Case, tape: Tape, h: Tensor) -> float | None:
    """The smallest of these h at which θ + hv or θ − hv has a relu on another branch than θ."""
    crossed = torch.zeros(len(h), dtype=torch.bool)
    for sign in (1, -1):
        theta = c.theta + sign * h[:, None].to(c.v.dtype) * c.v
        there = c.problem.forward(theta, c.batch)
        for z, z0 in zip(_relus(c, there), _relus(c, tape), strict=True):
            crossed |= ((z > 0) != (z0 > 0)).flatten(1).any(1)
    return float(h[crossed].min()) if crossed.any() else None


def _on_kink(c: Case, tape: Tape) -> bool:
    """Whether a relu's input is exactly 0, and moves along v."""
    moves = c.problem._push_forward(tape, c.v)[2]
    return any(bool(((z == 0) & (dz != 0)).any()) for z, dz, layer in zip(
        tape.h, moves, c.problem.layers, strict=True) if layer.activation == "relu")


def _notes(q: Question, c: Case, slope: Errors, product: Errors, on_kink: bool) -> Iterator[str]:
    """What is degenerate here, a sentence each."""
    if on_kink:
        yield ("The point lies exactly on a relu's kink, where the slope jumps. All exact kinds "
               "take relu′(0) = 0, and so does the reference; differences see more than one side.")
    for e, name in ((slope, "slope gᵀv"), (product, "product Hv")):
        if not e.relative:
            yield f"The true {name} is 0 here, so its errors are drawn as absolute numbers."
    tiny = torch.finfo(c.v.dtype)
    if (zero := torch.tensor(slope.h).to(c.v.dtype) == 0).any():
        yield (f"In {q.precision} every h below {say(tiny.smallest_normal * tiny.eps)} is 0, and a "
               f"quotient by it 0/0: nothing is drawn at the last {int(zero.sum())} of {len(zero)} "
               "steps.")
    low = max((e.holds[0] for e in (slope, product) if e.holds), default=0.0)
    entry = low * float(c.v.abs().max())
    if low > 1.01 * slope.h[-1] and entry < tiny.smallest_normal / tiny.eps:
        yield (f"Below h = {say(low)} the complex step underflows: the largest imaginary part h·vᵢ "
               f"is {say(entry)} there, and what it is multiplied by takes products below "
               f"{say(tiny.smallest_normal)}, where {q.precision} drops digits.")
    outside = np.isnan(slope.by_step["finite_difference"]) & ~zero.numpy()
    if outside.any():
        yield (f"At h = {say(slope.h[outside].max())} a finite difference leaves the region where "
               "the function has a value; the complex step does not.")


# --- costs ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Costs:
    """Seconds of each kind, measured in turns on one batch; the first column is one gradient."""

    kinds: tuple[str, ...]
    seconds: np.ndarray                            # (N, kinds)
    units: np.ndarray                              # what a run is charged (MATH §1)
    net: str                                       # what it was measured on
    threads: int

    @property
    def ratios(self) -> np.ndarray:
        """Quartiles and median of time relative to the median gradient, (3, kinds)."""
        return np.quantile(self.seconds, [0.25, 0.5, 0.75], axis=0) / np.median(self.seconds[:, 0])


def costs(activation: Smooth, loss: Literal["bce", "mse"], precision: str,
          budget: float = 1.2, most: int = 40) -> Costs:
    """Measure one gradient and all kinds of products, in turns, until the seconds are spent."""
    problem = Autoencoder(widths=WIDE, activation=activation,                      # type: ignore
                          loss=loss).build(DTYPES[precision], CPU)
    set_threads(problem.size)                      # as a run on this net does
    b, zeroth = problem.reference(), torch.zeros(1, dtype=torch.int64)
    batch = replace(b, x=b.x[:, :IMAGES], target=b.target[:, :IMAGES])
    theta = problem.start(0, zeroth)
    v = philox.normal(0, philox.NOISE, zeroth, zeroth, problem.size)[0].to(problem.dtype)
    kinds = hv.KINDS | {"forward_difference": hv.forward_difference}
    if precision == "float32":
        kinds["complex_step_denormal"] = lambda p, tape, v: hv.complex_step(p, tape, v, 1e-20)
    with torch.inference_mode():
        tape = problem.forward(theta, batch)
        problem.gradient(tape)
        work: dict[str, Callable[[], Any]] = {
            "gradient": lambda: problem.gradient(problem.forward(theta, batch))}
        work |= {name: lambda f=f: f(problem, tape, v) for name, f in kinds.items()}
        rows, began = [[_seconds(f) for f in work.values()]], time.perf_counter()      # warms up
        rows = []
        while len(rows) < 3 or (len(rows) < most and time.perf_counter() - began < budget):
            rows.append([_seconds(f) for f in work.values()])
    units = np.array([3.0] + [6.0] * len(kinds))
    return Costs(tuple(work), np.array(rows), units, f"{WIDE}, {activation}, {IMAGES} images, "
                 f"{precision}", torch.get_num_threads())


def _seconds(f: Callable[[], Any]) -> float:
    began = time.perf_counter()
    f()
    return time.perf_counter() - began
