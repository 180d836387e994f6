"""SciPy's minimisers as outside references on deterministic problems.

SciPy runs one start at a time and owns its loop, so each run is solved to its end at `init`, every
iterate is kept, and `step` plays them back. Function, gradient and Hessian-vector products are ours.
How SciPy ends, with success or without, is the run's end; an exception of its own ends that run alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from types import SimpleNamespace
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from qnviz.curvature.oracle import Oracle
from qnviz.methods.base import Events, Failure, Method, State, Style
from qnviz.numbers import say
from qnviz.problems.norms import largest_power, norm
from qnviz.problems.spec import ProblemSpec
from qnviz.problems.tape import Tape

PRODUCTS = 50                                  # with the Hessian that a step usually needs at most
LONGEST = 2000                                 # iterations that are recorded at most
SUCCESS, FAILURE = 1, 2                        # how SciPy ends, as `Method.ending` has it
TOO_MANY = 1                                   # SciPy's status where it ran out of iterations
FAMILY = "outside"


@dataclass
class Recorded(State):
    """theta, k, and the whole path."""

    path: Tensor                               # (R, K, P)
    work: Tensor                               # (R, K), cumulative
    length: Tensor                             # (R,)
    end: Tensor                                # (R,), 1 success, 2 none, 0 not before the last step
    said: Tensor                               # (R,), which of the messages is SciPy's
    messages: np.ndarray                       # texts


class Solved(NamedTuple):
    """One run, solved to its end."""

    path: np.ndarray                           # (K, P)
    work: np.ndarray                           # (K,)
    end: int
    message: str


class SciPyReference(Method):
    """Base of the three references."""

    family: ClassVar[str] = FAMILY
    reference: ClassVar[str] = ("P. Virtanen et al., SciPy 1.0, Nature Methods 17, 2020, "
                                "doi 10.1038/s41592-019-0686-2; scipy.optimize.minimize.")
    solver: ClassVar[str]
    second_order: ClassVar[bool]

    def unavailable(self, problem: ProblemSpec) -> str | None:
        if not problem.deterministic:
            return (f"{self.title} needs the same function at every evaluation; here it changes "
                    "with every batch. Set the noise to 0.")
        return None

    def passes(self, problem: ProblemSpec) -> float:
        return 6 + 6 * min(problem.size, PRODUCTS) * self.second_order

    def footprint(self, problem: ProblemSpec) -> int:
        """The path as long as it may get, and SciPy's dense matrix, where it keeps one."""
        dense = 0 if self.second_order else 4 * problem.size**2
        return (LONGEST + 6) * problem.size + dense

    def init(self, oracle: Oracle, theta: Tensor, p: SimpleNamespace) -> Recorded:
        solved = [self._solve(oracle, start) for start in theta]
        longest = max(len(s.path) for s in solved)

        def padded(x: np.ndarray) -> np.ndarray:
            return np.concatenate([x, np.repeat(x[-1:], longest - len(x), 0)])

        def gathered(parts: list[np.ndarray], dtype: torch.dtype) -> Tensor:
            return torch.as_tensor(np.stack([padded(x) for x in parts]), dtype=dtype,
                                   device=theta.device)

        def numbers(parts: Sequence[int]) -> Tensor:
            return torch.as_tensor(parts, device=theta.device)

        messages, said = np.unique([s.message for s in solved], return_inverse=True)
        return Recorded(theta, 0, gathered([s.path for s in solved], theta.dtype),
                        gathered([s.work for s in solved], torch.float64),
                        numbers([len(s.path) - 1 for s in solved]),
                        numbers([s.end for s in solved]), numbers(said.tolist()), messages)

    def _solve(self, oracle: Oracle, start: Tensor) -> Solved:
        """Every iterate of one run, the work units spent by then, and how SciPy ended."""
        from scipy.optimize import minimize  # half a second to import: only when it is used

        _zero_work_arrays()
        own = Oracle(oracle.problem, oracle.batch, 1, oracle.check)
        seen: dict[bytes, tuple[Tape, np.ndarray]] = {}
        ours: list[Exception] = []             # what was raised by our functions, not by SciPy
        bare: list[bytes] = []                 # where a product Hv had no finite value

        def at(x: np.ndarray) -> tuple[Tape, np.ndarray]:
            key = x.tobytes()
            if key not in seen:
                tape = own.forward(torch.as_tensor(x, dtype=start.dtype, device=start.device)[None])
                seen.clear()
                seen[key] = tape, own.gradient(tape)[0].double().cpu().numpy()
            return seen[key]

        def product(x: np.ndarray, v: np.ndarray) -> np.ndarray:
            direction = torch.as_tensor(v, dtype=start.dtype, device=start.device)[None]
            Hv = own.hessian_vector(at(x)[0], direction)[0].double().cpu().numpy()
            if np.isfinite(v).all() and not np.isfinite(Hv).all():
                unit = direction / largest_power(direction)       # H has no value, or v is long
                if not bool(torch.isfinite(own.hessian_vector(at(x)[0], unit)).all()):
                    bare.append(x.tobytes())
            return Hv

        def watched(f: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any) -> Any:
                try:
                    return f(*args)
                except Exception as error:
                    ours.append(error)
                    raise
            return call

        first = start.double().cpu().numpy()
        path, work = [first], [0.0]

        def record(x: np.ndarray) -> None:
            path.append(np.array(x))
            work.append(float(own.work[0]))

        most = min(LONGEST, oracle.horizon)
        end, message = FAILURE, ""
        with warnings.catch_warnings():
            # its warnings (precision loss at the minimum, NaN far away) are in its message anyway
            warnings.simplefilter("ignore")
            try:
                found = minimize(watched(lambda x: float(at(x)[0].f[0])), first,
                                 jac=watched(lambda x: at(x)[1]),
                                 hessp=watched(product) if self.second_order else None,
                                 method=self.solver, callback=watched(record),
                                 options={"maxiter": most})
            except Exception as error:
                if ours:
                    raise
                message = f"{type(error).__name__}: {error}"
            else:
                end, message = SUCCESS if found.success else FAILURE, str(found.message)
                if found.status == TOO_MANY and len(path) > oracle.horizon:
                    end = 0                    # the run itself has no more steps than these
        if end == FAILURE and path[-1].tobytes() in bare:
            end = 0                            # why is the function's affair: the point stays
        return Solved(np.array(path), np.array(work), end, message)

    def step(self, oracle: Oracle, state: Recorded, p: SimpleNamespace) -> tuple[Recorded, Events]:
        last = state.path.shape[1] - 1
        now, then = min(state.k + 1, last), min(state.k, last)
        oracle.charge(1.0, state.work[:, now] - state.work[:, then])
        theta = state.path[:, now]
        ended = state.k >= state.length
        events = {"ended": ended, "move": norm(theta - state.theta)}
        return replace(state, theta=theta, k=state.k + 1), events

    def ending(self, state: Recorded) -> Tensor:
        return torch.where(state.k >= state.length, state.end, 0)

    def end_message(self, state: Recorded, run: int) -> str:
        message = str(state.messages[int(state.said[run])]).removeprefix("Warning: ")
        n, how = int(state.length[run]), "reports success" if (
            int(state.end[run]) == SUCCESS) else "gave up"
        return (f"{self.title} {how} after {n} iteration{'s' * (n != 1)}"
                + (f", \u201c{message.strip().rstrip('.')}\u201d." if message.strip() else "."))

    def describe(self, e: Mapping[str, Any]) -> str:
        return ("SciPy has ended; the point stays." if e["ended"] else
                f"SciPy's step was {say(e['move'])} long.")


class _Zeroed:
    """Numpy, whose new arrays hold zeros."""

    def __getattr__(self, name: str) -> Any:
        return np.zeros if name == "empty" else getattr(np, name)


@cache
def _zero_work_arrays() -> None:
    """Make trust-krylov's result a function of its input.

    Where a Krylov space ends early, SciPy 1.17's trlib reads parts of its work arrays before it
    writes them: from (1, 0) on √(x² + y²) the same call ended in four ways, by what lay in memory.
    """
    trlib = import_module("scipy.optimize._trlib._trlib")
    trlib.np = _Zeroed()                       # type: ignore[attr-defined]  it asks for np.empty


class SciPyBFGS(SciPyReference):
    """scipy.optimize.minimize(method="BFGS")."""

    name: Literal["scipy_bfgs"] = "scipy_bfgs"

    # --- how it is listed, drawn and compared -----------------------------------------------------

    title = "SciPy BFGS"
    idea = (
        "SciPy's BFGS, on our function and gradient. It should walk nearly as our BFGS does. "
        "Where they part, line searches and the first scaling of H differ.")
    equations = r"d = -Hg"
    fails = (
        "It ends by SciPy's own test, no gradient entry above 1e−5: where the valley is flat, "
        "that is short of the minimum. Ours goes on.")
    failure = Failure(
        "slow", {"name": "linear_net"}, {}, ({"name": "bfgs"},))
    style = Style("#b07aa1", "dot", "star")

    solver = "BFGS"
    second_order = False


class SciPyNewtonCG(SciPyReference):
    """scipy.optimize.minimize(method="Newton-CG")."""

    name: Literal["scipy_newton_cg"] = "scipy_newton_cg"

    # --- how it is listed, drawn and compared -----------------------------------------------------

    title = "SciPy Newton-CG"
    idea = (
        "SciPy's line-search Newton-CG on our Hessian-vector products. It also ends CG at "
        "negative curvature. Its step comes from a Wolfe search, not from the Taylor error.")
    equations = r"Hd = -g\ \text{by CG}"
    fails = (
        "It gives up at negative curvature as our Newton-Krylov does: where the Hessian is "
        "slightly indefinite along a flat valley, it crawls.")
    failure = Failure(
        "slow", {"name": "rosenbrock", "start": (-10.0, 10.0)}, {},
        ({"name": "newton_krylov"}, {"name": "scipy_trust_krylov"}))
    style = Style("#59a14f", "dot", "triangle-up")

    solver = "Newton-CG"
    second_order = True


class SciPyTrustKrylov(SciPyReference):
    """scipy.optimize.minimize(method="trust-krylov")."""

    name: Literal["scipy_trust_krylov"] = "scipy_trust_krylov"

    # --- how it is listed, drawn and compared -----------------------------------------------------

    title = "SciPy trust-krylov"
    idea = (
        "SciPy's trust-region Newton on a Krylov space (GLTR). Negative curvature is used, not "
        "avoided: the step runs to the region's edge. Products Hv are ours.")
    equations = (
        r"\min_d\ g^\top d + \tfrac12 d^\top H d\quad "
        r"\text{s.t.}\ \|d\| \le \Delta")
    fails = (
        "It ends by SciPy's own test, ‖∇f‖ ≤ 1e−4: on the flat floor of a valley that is short of "
        "the minimum. Newton's method goes on.")
    failure = Failure(
        "slow", {"name": "rosenbrock"}, {}, ({"name": "newton"},))
    style = Style("#59a14f", "longdash", "diamond")

    solver = "trust-krylov"
    second_order = True
