"""Multiplying f by c > 0 and scaling what carries its unit changes nothing."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qnviz.curvature.krylov import Reason
from qnviz.methods.registry import METHODS
from qnviz.problems.typed import Function
from qnviz.runs.loop import run
from qnviz.runs.spec import parse
from tests.helpers import CPU, F64, assert_close, drive

# of each method that is scale-invariant in theory: settings, and the powers of c with which those
# that carry f's unit go
INVARIANT = {
    "newton": ("newton", {"lam": 1e-3}, {}),
    "newton, undamped": ("newton", {"lam": 0.0}, {}),
    "newton, fixed": ("newton", {"lam": 1e-3, "regularization": "fixed"}, {"lam": 1}),
    "bfgs": ("bfgs", {}, {}),
    "lbfgs": ("lbfgs", {"memory": 4}, {}),
    "krylov": ("newton_krylov", {}, {}),
    "krylov, exact": ("newton_krylov", {"eta": 1e-9}, {}),
    "krylov, superlinear": ("newton_krylov", {"forcing": "superlinear"}, {}),
    "krylov, damped": ("newton_krylov", {"lam": 0.25}, {"lam": 1}),
    "krylov, minres": ("newton_krylov", {"solver": "minres", "eta": 1e-3}, {}),
    "curveball": ("curveball", {"curvature": "hessian", "lam": 1.0}, {"lam": 1}),
    "sgd": ("sgd", {"lr": 1e-3}, {"lr": -1}),
    "nesterov": ("nesterov", {"lr": 1e-3}, {"lr": -1}),
    "adam": ("adam", {"lr": 0.01, "eps": 1e-8}, {"eps": 1}),
    "rmsprop": ("rmsprop", {"lr": 0.01, "eps": 1e-8}, {"eps": 1})}
SQUARES = {
    "levenberg-marquardt": ("levenberg_marquardt", {}, {}),
    "levenberg-marquardt, diagonal": ("levenberg_marquardt", {"scaling": "diagonal"}, {}),
    "krylov, gauss-newton": ("newton_krylov", {"curvature": "gauss_newton"}, {}),
    "curveball, gauss-newton": ("curveball", {"lam": 1.0}, {"lam": 1})}
PLAIN = ("cos(x) + cos(y)", "100*(y - x^2)^2 + (1 - x)^2", "x^4 + y^4 - x*y", "x^2 + y",
         "exp(x) + x*y + y^4", "x^2*y^2 + 0.1*x", "x^2 - y^2 + y^4/4")
RESIDUALS = ("10*(y - x^2); 1 - x", "exp(x) - 2; x*y; y - 0.3", "x; 0.01*y + x^2")
STEPS, RUNS = 6, 6
STARTS = st.lists(st.tuples(*[st.floats(-2, 2).map(lambda v: round(v, 3))] * 2),
                  min_size=RUNS, max_size=RUNS)
POWERS = st.lists(st.integers(-30, 30), min_size=RUNS, max_size=RUNS)


def multiplied(problem, s):
    """The problem with its output u times s (R,), so that f is times s, or s² for squares."""
    reference = replace(problem.reference(), xi=s[:, None])

    def times(of, *given):
        xi = given[-1]                               # which a typed function has no use for
        return of(*given) * xi[..., None].to(given[0].dtype)

    for name in ("output", "output_jvp", "output_vjp", "output_curvature"):
        setattr(problem, name, partial(times, getattr(problem, name)))
    problem.reference = lambda: reference
    problem.batches = lambda first, count, seed, runs: (
        replace(reference, seed=seed, step=k, runs=runs) for k in range(first, first + count))
    return problem


def walk(name, fields, powers, text, starts, c):
    """The iterates (steps + 1, R, 2) on c times f (R,), with settings scaled likewise."""
    problem = Function(f=text, start=(0.0, 0.0)).build(F64, CPU)
    numbers = {k: v for k, v in fields.items() if isinstance(v, float)}
    method = METHODS[name](**{k: v for k, v in fields.items() if k not in numbers})
    # as tensors: a slider's bounds do not stand in the way of a scale
    scaled = {k: v * c ** powers.get(k, 0) for k, v in numbers.items()}
    multiplied(problem, c if problem.loss_name == "value" else c.sqrt())
    start = torch.tensor(starts, dtype=F64)
    return drive(method, problem, len(starts), STEPS, start=start, **scaled).theta


def same(a, b, rtol):
    """Run by run the same iterates, as far as they are finite."""
    fine = torch.isfinite(b).all(-1) & (b.abs().amax(-1) < 1e50)
    for r in range(b.shape[1]):
        n = int(fine[:, r].long().cumprod(0).sum())
        assert_close(a[:n, r], b[:n, r], rtol)


@pytest.mark.parametrize("method", INVARIANT)
@settings(max_examples=4, deadline=None)
@given(text=st.sampled_from(PLAIN), starts=STARTS, powers=POWERS)
@example(text="x^2*y^2 + 0.1*x", starts=[(0.0, 0.0)] * RUNS, powers=[1, *[0] * (RUNS - 1)])  # H = 0
def test_a_power_of_two_before_f_changes_no_digit(method, text, starts, powers):
    # an inverse square root of 2 ** odd would round: 4 ** k has none
    c, one = 4.0 ** torch.tensor(powers, dtype=F64), torch.ones(RUNS, dtype=F64)
    plain = walk(*INVARIANT[method], text, starts, one)
    same(walk(*INVARIANT[method], text, starts, c), plain, 0.0)


@pytest.mark.parametrize("method", SQUARES)
@settings(max_examples=4, deadline=None)
@given(text=st.sampled_from(RESIDUALS), starts=STARTS, powers=POWERS)
def test_a_power_of_two_before_squares_changes_no_digit(method, text, starts, powers):
    c, one = 4.0 ** torch.tensor(powers, dtype=F64), torch.ones(RUNS, dtype=F64)
    plain = walk(*SQUARES[method], text, starts, one)
    same(walk(*SQUARES[method], text, starts, c), plain, 0.0)


@pytest.mark.parametrize("method", [*INVARIANT, *SQUARES])
@pytest.mark.parametrize(("text", "start"), [
    (PLAIN[0], (1.0, 1.1)), (PLAIN[2], (1.5, -0.7)), (RESIDUALS[0], (-1.2, 1.0))])
def test_any_factor_before_f_changes_only_roundings(method, text, start):
    if method in SQUARES and ";" not in text:
        pytest.skip("it needs a sum of squares")
    c = torch.tensor([1e-12, 3.7e-9, 0.3, 1.0, 1e4, 7e6, 1e8], dtype=F64)
    theta = walk(*(INVARIANT | SQUARES)[method], text, [start] * len(c), c)
    same(theta, theta[:, 3:4].expand_as(theta), 1e-7)


def ended(text, start, name, stop, **fields):
    trace = run(parse({"problem": {"name": "function", "f": text, "start": start}, "steps": 200,
                       "methods": [{"name": name} | fields], "stop_grad": stop,
                       "stop_loss": None}))
    c = trace[name]
    return int(c["stopped"][0]), str(c["status"][0]), c


@pytest.mark.parametrize("solver", ["cg", "minres"])
def test_a_run_takes_as_many_steps_at_every_scale_after_steepest_descent(solver):
    seen = {c: ended(f"{c!r}*(cos(x) + cos(y))", [1.0, 1.0], "newton_krylov", 1e-8 * c,
                     solver=solver) for c in (1e-12, 1.0, 1e4, 1e6, 1e8)}
    assert {end[:2] for end in seen.values()} == {(4, "converged")}
    for _, _, c in seen.values():                     # the first solve has nothing but −g to keep
        assert c["krylov_reason"][0, 0] == Reason.NEGATIVE_CURVATURE
        assert c["step_size"][:4, 0].tolist() == [1.0] * 4


def test_a_convex_quadratic_of_any_size_is_solved_in_one_step():
    for c in (1e-120, 1e-12, 1.0, 1e12):
        steps, status, columns = ended(f"{c!r}*((x - 1)^2 + (y + 2)^2)", [0.0, 0.0],
                                       "newton_krylov", 1e-9 * c)
        assert (steps, status) == (1, "converged")
        assert columns["krylov_reason"][0, 0] == Reason.CONVERGED


@pytest.mark.parametrize("text", ["x^2 + y", "x + 2*y", "1e-9*(x^2 + y)"])
def test_curvature_that_is_zero_is_not_called_negative(text):
    trace = run(parse({"problem": {"name": "function", "f": text, "start": [1.0, 1.0]},
                       "methods": [{"name": "newton_krylov", "eta": 1e-6}], "steps": 5}))
    reasons = trace["newton_krylov"]["krylov_reason"][:, 0]
    assert (reasons == Reason.ZERO_CURVATURE).any()
    assert not (reasons == Reason.NEGATIVE_CURVATURE).any()
    assert any("zero curvature" in w for w in trace.words["newton_krylov"])
