"""How runs end: one rule for labs and sweeps, where derivatives have no value and at any scale."""

import math
import warnings

import numpy as np
import pytest
import scipy.optimize
import torch
from hypothesis import given
from hypothesis import strategies as st

from qnviz.cli.run import _summary
from qnviz.cli.sweep import summary
from qnviz.curvature.oracle import Oracle
from qnviz.figures.maps import picture as maps
from qnviz.figures.maps import scale
from qnviz.figures.maps import words as maps_words
from qnviz.figures.maps.cells import (
    UNDEFINED,
    UNREACHED,
    VALUE,
    Quantity,
    Side,
    cells,
    ends,
    typical,
)
from qnviz.figures.race import RaceView
from qnviz.figures.race.loss import loss as loss_picture
from qnviz.figures.race.trajectory import trajectory
from qnviz.figures.theme import THEMES
from qnviz.methods.base import AT_PRECISION
from qnviz.methods.registry import METHODS
from qnviz.problems.typed import Function
from qnviz.problems.typed.ops import FUNCTIONS
from qnviz.problems.typed.ops import Function as Op
from qnviz.runs import ends as rule_of_ends
from qnviz.runs.ends import CONVERGED, DIVERGED, ENDED, FAILED, RUNNING, STATUS, Rule
from qnviz.runs.loop import run
from qnviz.runs.spec import parse
from qnviz.studies.newton_system import newton_system
from qnviz.sweeps.result import SweepResult
from qnviz.sweeps.spec import parse_sweep
from qnviz.sweeps.tiles import compute, tiles
from qnviz.ui.labs.open_view import ended

KINK = "sqrt(x^2+y^2)"                          # its minimum, 0 at (0, 0), has no gradient
WHY = "at (0, 0) ∇f has no value, as sqrt in column 1 has no derivative at 0"
SCIPY = [name for name in METHODS if name.startswith("scipy")]
RULES = [{}, {"stop_grad": 1e-6}, {"stop_loss": 1e-9}, {"stop_loss": 1e-9, "stop_grad": 1e-6},
         {"stop_loss": 0.0, "stop_grad": 0.0}]


def entrants(f, start):
    """Every method that takes a function, with the curvature that it has."""
    problem = Function(f=f, start=start)
    found = []
    for name, method in METHODS.items():
        fields = {"name": name}
        if name in ("curveball", "newton_krylov") and not problem.expression.squares:
            fields["curvature"] = "hessian"
        if method.model_validate(fields).unavailable(problem) is None:
            found.append(fields)
    return found


def race(f, start, *methods, **more):
    return run(parse({"problem": {"name": "function", "f": f, "start": start}, "steps": 40,
                      "methods": [{"name": m} if isinstance(m, str) else m for m in methods]}
                     | more))


def swept(f, method, x, y, **more):
    """A sweep over starts, computed, with its spec."""
    spec = parse_sweep({
        "problem": {"name": "function", "f": f, "start": (x[0], y[0])}, "methods": [method],
        "steps": 40, "sweep": {
            "x": {"field": "start.0", "from": x[0], "to": x[1], "points": x[2]},
            "y": {"field": "start.1", "from": y[0], "to": y[1], "points": y[2]}}} | more)
    result = SweepResult(spec)
    for tile in tiles(spec):
        result.put(tile, compute(spec, tile))
    return spec, result


# --- where derivatives have no value --------------------------------------------------------------

@pytest.mark.parametrize("rules", RULES, ids=str)
def test_a_start_without_a_gradient_ends_every_run_and_is_no_convergence(rules):
    trace = race(KINK, (0, 0), *entrants(KINK, (0, 0)), **rules)
    assert len(trace.entrants) == 14
    for label, c in trace.columns.items():
        assert (c["status"][0], c["stopped"][0]) == ("undefined", 0)
        assert np.isnan(c["grad_norm"]).all()
        assert trace.ends[label] == [
            f"Ended at step 0: {WHY}. f = 0 there, the lowest value there is."]


@pytest.mark.parametrize("rules", RULES, ids=str)
@pytest.mark.parametrize("name", ["newton_krylov", "curveball"])
def test_so_does_one_on_the_way(name, rules):
    trace = race(KINK, (1, 0), {"name": name, "curvature": "hessian"}, **rules)
    c = trace[name]
    assert (c["status"][0], c["stopped"][0], c["loss"][-1, 0]) == ("undefined", 1, 0)
    assert trace.ends[name] == [f"Ended at step 1: {WHY}. f = 0 there, the lowest value there is."]
    assert len(trace.words[name]) == 1


def test_where_the_loss_is_low_enough_it_has_converged_and_says_so():
    residuals = "sqrt(x); y"                    # f = x + y², lowest at the end of its domain
    assert "a ‖∇f‖" not in residuals
    trace = race(residuals, (0, 0), "adam", "levenberg_marquardt", stop_loss=1e-9)
    for label, c in trace.columns.items():
        assert c["status"][0] == "converged"
        assert trace.ends[label] == [f"Converged at step 0: loss 0 ≤ 1.0e−9; {WHY}."]
    without = race(residuals, (0, 0), "adam", stop_grad=1e-9)
    assert without["adam"]["status"][0] == "undefined"
    high = race(residuals, (0, 2), "adam", stop_loss=1e-9)
    assert "f = 4 there." in high.ends["adam"][0]


def test_derivatives_too_large_for_numbers_are_no_convergence_either():
    trace = race("exp(100*x) + y^2", (7.09, 0), "adam", "newton", stop_grad=1e-6)
    for label, c in trace.columns.items():
        assert c["status"][0] == "undefined"
        assert np.isfinite(c["loss"][0, 0])
        assert "too large" in trace.ends[label][0]


@pytest.fixture
def cusp(monkeypatch):
    """In place of tan: |x|^1.5, with a derivative at 0 and no second one."""
    monkeypatch.setitem(FUNCTIONS, "tan", Op(
        lambda x: x.abs() ** 1.5, lambda x, a: 1.5 * x.sign() * x.abs().sqrt(),
        lambda x, a: 0.75 / x.abs().sqrt(), lambda x: abs(x) ** 1.5, "", ""))


@pytest.mark.parametrize(("start", "lam", "step"), [((0, 1), 0.0, 0), ((1, 1), 0.75, 1)],
                         ids=["at the start", "on the way"])
def test_a_step_without_second_derivatives_ends_the_run_where_it_began(cusp, start, lam, step):
    f = f"tan(x) + {1 + step}.2345*y^2"
    fixed = {"lam": lam, "regularization": "fixed"} if lam else {}
    newton = {"name": "newton"} | fixed
    trace = race(f, start, newton, {"name": "sgd", "lr": 0.01})
    c = trace["newton"]
    assert (c["status"][0], c["stopped"][0]) == ("undefined", step)
    assert c["theta"][-1, 0, 0] == 0
    assert trace.ends["newton"][0].startswith(
        f"Ended at step {step}: at (0, {'1' if not step else ''}")
    assert ("the Hessian, which this method needs, has no value, as tan in column 1 has no second "
            "derivative at 0. f = ") in trace.ends["newton"][0]
    assert trace["sgd"]["status"][0] == "budget"          # who needs no Hessian walks on
    spec, result = swept(f, newton, (start[0], start[0] + 1, 2), (1, 2, 2))
    for iy, ix in np.ndindex(2, 2):
        lab = run(spec.at(iy, ix))["newton"]
        assert result["status"][iy, ix, 0] == lab["status"][0]
        assert result["work"][iy, ix, 0] == lab["work"][int(lab["stopped"][0]), 0]
        np.testing.assert_array_equal(result["final_loss"][iy, ix, 0], lab["loss"][-1, 0])


@pytest.mark.parametrize("rules", [RULES[0], RULES[3]], ids=str)
def test_a_sweep_ends_its_runs_as_the_lab_does(rules):
    for method in entrants(KINK, (0, 0)):
        spec, result = swept(KINK, method, (0, 1, 2), (0, 0.5, 2), **rules)
        assert result["status"][0, 0, 0] == "undefined"
        for iy, ix in ((0, 0), (0, 1), (1, 1)):
            trace = run(spec.at(iy, ix))
            (c,) = trace.columns.values()
            assert result["status"][iy, ix, 0] == c["status"][0], method
            if c["status"][0] != "diverged":
                np.testing.assert_allclose(result["final_loss"][iy, ix, 0], c["loss"][-1, 0],
                                           rtol=1e-9)
                assert result["work"][iy, ix, 0] == c["work"][int(c["stopped"][0]), 0]


def test_the_krylov_microscope_opens_what_came_before_such_an_end():
    trace = race(KINK, (1, 0), {"name": "newton_krylov"})
    system = newton_system(trace, "newton_krylov", 1)
    assert system.gradient == 1
    assert all(math.isfinite(v) for v in system.eigenvalues)


# --- SciPy's own ends -----------------------------------------------------------------------------

@pytest.mark.parametrize(("f", "start"), [
    (KINK, (1.0, 0.0)), ("log(1+exp(-x-y))", (-100.0, -100.0)), ("(x-1)^2+(y+2)^2", (0.0, 0.0)),
    ("x^4+y^4-x*y", (3.0, 1.0))])
@pytest.mark.parametrize("name", SCIPY)
def test_a_run_of_scipys_ends_as_scipy_says(name, f, start):
    problem = Function(f=f, start=start).build(torch.float64, torch.device("cpu"))

    def at(x):
        tape = problem.forward(torch.as_tensor(x)[None], problem.reference())
        return tape, problem.join(problem.gradient(tape))[0].numpy()

    trace = race(f, start, name, steps=300)
    extra = {} if name == "scipy_bfgs" else {"hessp": lambda x, v: problem.hessian_vector(
        at(x)[0], torch.as_tensor(v)[None])[0].numpy()}
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = scipy.optimize.minimize(
            lambda x: float(at(x)[0].f[0]), np.array(start), jac=lambda x: at(x)[1],
            method=METHODS[name].solver, **extra)
    c = trace[name]
    assert c["status"][0] == ("ended" if found.success else "failed")
    assert c["stopped"][0] == found.nit
    np.testing.assert_array_equal(c["theta"][-1, 0], found.x)
    said = found.message.removeprefix("Warning: ").rstrip(".")
    times = f"after {found.nit} iteration{'s' * (found.nit != 1)}"
    assert (f"{'reports success' if found.success else 'gave up'} {times}, \u201c{said}\u201d."
            ) in trace.ends[name][0]
    _, result = swept(f, {"name": name}, (start[0], start[0] + 1, 2), (start[1], start[1] + 1, 2),
                      steps=300)
    assert result["status"][0, 0, 0] == c["status"][0]


def test_what_lies_in_memory_changes_no_run_of_scipys():
    rng, seen = np.random.default_rng(0), set()
    problem = Function(f=KINK, start=(1.0, 0.0)).build(torch.float64, torch.device("cpu"))
    method = METHODS["scipy_trust_krylov"]()
    for _ in range(60):
        junk = [np.full(rng.integers(1, 400), rng.choice([np.nan, 1e300, -3.0])) for _ in range(50)]
        del junk                               # what is allocated next finds this
        for start in ((1.0, 0.0), (0.7, 0.2)):
            solved = method._solve(Oracle(problem, problem.reference(), 1, horizon=20),
                                   torch.tensor(start, dtype=torch.float64))
            seen.add((start, solved.message, solved.path.tobytes()))
    assert len(seen) == 2


def test_a_run_with_fewer_steps_than_scipy_wants_uses_them_all():
    trace = race("100*(y-x^2)^2+(1-x)^2", (-1.2, 1.0), *SCIPY, steps=4)
    for label, c in trace.columns.items():
        assert c["status"][0] == "budget"
        assert trace.ends[label][0].startswith("Used all 4 steps")


def test_an_exception_of_scipys_ends_that_run_alone(monkeypatch):
    solve, calls = scipy.optimize.minimize, []

    def breaking(fun, x0, **more):
        calls.append(x0)
        if x0[0] < 0.9:
            raise ValueError("array must not contain infs or NaNs")
        return solve(fun, x0, **more)

    monkeypatch.setattr(scipy.optimize, "minimize", breaking)
    spec, result = swept("(x-1)^2+(y+2)^2", {"name": "scipy_bfgs"}, (0.5, 2, 4), (0, 1, 2))
    assert result.complete
    assert (result["status"][:, 0, 0] == "failed").all()
    assert (result["status"][:, 1:, 0] == "ended").all()
    trace = run(spec.at(0, 0))
    assert "gave up after 0 iterations, \u201cValueError: array must" in trace.ends["scipy_bfgs"][0]
    beside = race("(x-1)^2+(y+2)^2", (0.5, 0), "scipy_bfgs", "newton", stop_grad=1e-6)
    assert beside["newton"]["status"][0] == "converged"


def test_what_our_own_functions_raise_inside_scipy_is_raised(monkeypatch):
    monkeypatch.setattr("qnviz.problems.typed.problem.TypedFunction.hessian_vector",
                        lambda *a: (_ for _ in ()).throw(RuntimeError("out of memory")))
    with pytest.raises(RuntimeError, match="out of memory"):
        race("(x-1)^2+(y+2)^2+x", (0.5, 0), "scipy_newton_cg")


# --- falling without end --------------------------------------------------------------------------

@pytest.mark.parametrize(("f", "start", "lowest"), [
    ("x^4-5000*x^2+y^2", (0.01, 0), -6.25e6), ("100*x^4-3000*x^3+y^2", (0.1, 0.1), -8.54296875e6),
    ("1e9*(x^2-x+y^2)", (0, 0), -2.5e8),
    ("x^4-5000*x^2+y^2", (1e-4, 0), -6.25e6)])
@pytest.mark.parametrize("rules", RULES[:2], ids=str)
def test_a_run_that_ends_at_a_minimum_has_not_diverged(f, start, lowest, rules):
    trace = race(f, start, "bfgs", "newton", steps=100, **rules)
    for label, c in trace.columns.items():
        assert c["loss"][-1, 0] == pytest.approx(lowest, rel=1e-9)
        assert c["status"][0] in ("budget", "converged")
        assert "without end" not in trace.ends[label][0]
    _, result = swept(f, {"name": "bfgs"}, (start[0], start[0] + 1e-5, 2), (0, 0.1, 2), steps=100,
                      **rules)
    assert set(result["status"].ravel()) <= {"budget", "converged"}


@pytest.mark.parametrize("c", [1e-9, 1e-3, 1.0, 1e9])
@pytest.mark.parametrize(("f", "start"), [("x^2-y^2", (1, 0.1)), ("x^3-3*x+y^2", (-2.5, 0.3))])
def test_what_falls_without_end_does_so_at_every_scale(f, start, c):
    newton = {"name": "newton", "lam": 1e-3 * c, "regularization": "fixed"}
    trace = race(f"{c}*({f})", start, newton, steps=200)
    assert trace["newton"]["status"][0] == "diverged"
    assert "falls without end" in trace.ends["newton"][0]
    assert "without end" in loss_picture(RaceView(trace, THEMES["light"])).title
    assert "without end" in trajectory(RaceView(trace, THEMES["light"])).title


def test_what_leaves_its_domain_does_not_fall_without_end():
    trace = race("-1/(1+x^2) + log(y)/100", (0.5, 0.01), {"name": "sgd", "lr": 1.0})
    c = trace["sgd"]
    assert c["status"][0] == "diverged"
    assert c["loss"][-1, 0] < 0
    for said in (trace.ends["sgd"][0], loss_picture(RaceView(trace, THEMES["light"])).title,
                 trajectory(RaceView(trace, THEMES["light"])).title):
        assert "without end" not in said
    assert "f has no value, as there is log of −" in trace.ends["sgd"][0]
    assert "in column 14." in trace.ends["sgd"][0]


@pytest.mark.parametrize(("f", "start", "method", "why"), [
    ("x^1.5+y^2", (1, 1), {"name": "adam"}, "the power 1.5 of −0.0163 in column 2"),
    ("x^1.5+y^2", (1, 1), {"name": "scipy_bfgs"}, "the power 1.5 of −1,148 in column 2"),
    ("sqrt(x)+1/y^2", (1, 1), {"name": "sgd"}, "sqrt of −0.0117 in column 1"),
    ("exp(x^4)+y^2", (2, 1), {"name": "sgd"}, None), ("x^4+y^2", (2, 1), {"name": "sgd"}, None)],
    ids=str)
def test_a_step_out_of_the_domain_is_told_apart_from_one_to_infinity(f, start, method, why):
    trace = race(f, start, {"lr": 1.0} | method if f == "x^4+y^2" else method, steps=300)
    said, = (texts[0] for texts in trace.ends.values())
    assert said.startswith("Diverged at step")
    assert f"f has no value, as there is {why}." in said if why else "no longer finite" in said


# --- the rule itself ------------------------------------------------------------------------------

NUMBER = st.one_of(st.floats(-1e300, 1e300), st.sampled_from([0.0, math.nan, math.inf, -math.inf]))
SIZE = st.one_of(st.floats(0, 1e300), st.sampled_from([0.0, math.nan, math.inf]))
GOALS = st.one_of(st.none(), st.floats(0, 1e300))


class Known:
    """A problem of which only what ends are decided by is known."""

    def __init__(self, lowest, signed):
        self.lowest, self.signed, self.smooth = lowest, signed, False


@given(NUMBER, SIZE, st.booleans(), st.floats(-1e300, 1e300), st.integers(0, 2), GOALS, GOALS,
       st.one_of(st.none(), st.floats(-1e300, 1e300)), st.booleans())
def test_arrays_and_tensors_end_alike_and_nan_is_never_small(f, g, placed, first, own, stop_loss,
                                                             stop_grad, lowest, signed):
    rule = Rule(Known(lowest, signed), stop_loss, stop_grad)
    with np.errstate(all="ignore"):
        codes = [rule.codes(make(f), make(g), make(placed), make(first), make(own)).item()
                 for make in (lambda v: np.array([v]), lambda v: torch.tensor(
                     [v], dtype=torch.float64 if isinstance(v, float) else None))]
        blown = [rule.blown(*(make(v) for v in (f, first, g, 1.0, 2.0))).item()
                 for make in (lambda v: np.array([v]),
                              lambda v: torch.tensor([v], dtype=torch.float64))]
    assert codes[0] == codes[1]
    assert blown[0] == blown[1]
    reached = stop_loss is not None and lowest is not None and abs(f - lowest) <= stop_loss
    if codes[0] == CONVERGED:
        assert placed
        assert math.isfinite(f)
        assert reached or (stop_grad is not None and g <= stop_grad)
    if not (placed and math.isfinite(f)):
        assert codes[0] == DIVERGED
    elif not math.isfinite(g) and not (lowest is not None and f <= lowest + (stop_loss or 0)):
        assert STATUS[codes[0]] in ("undefined", "diverged")
    if codes[0] in (ENDED, FAILED):
        assert codes[0] == ENDED + own - 1
    if codes[0] == RUNNING:
        assert own == 0


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9), st.floats(0, 1e9), st.floats(0, 1e9),
       st.floats(0, 1e3), st.one_of(st.none(), st.floats(-1e9, 1e9)), st.integers(-300, 300))
def test_a_scale_changes_no_verdict(loss, first, grad, first_grad, moved, lowest, power):
    c = 2.0**power                              # exact
    tiny = [v for v in (loss, first, grad, first_grad, lowest or 0) if v and abs(v) < 1e-30]
    if tiny:
        return                                  # products of these underflow
    small = Rule(Known(lowest, True), None, None)
    large = Rule(Known(lowest and c * lowest, True), None, None)
    assert bool(small.blown(loss, first, grad, first_grad, moved)) == bool(
        large.blown(c * loss, c * first, c * grad, c * first_grad, moved))


@pytest.mark.parametrize(("first", "last", "blown"), [
    (-5.0, -78.0, False), (0.0, 1e-3, False), (0.0, 2e6, True), (-5.0, -2e7, True),
    (-5.0, 2e7, True), (3.0, 3.9e6, False)])
def test_what_is_far_for_a_loss_with_a_sign(first, last, blown):
    for make in (np.array, torch.tensor):
        rule = Rule(Known(None, True), None, None)
        assert rule.blown(make([last]), make([first]), make([1e5]), make([1.0]),
                          make([1e3])).tolist() == [blown]
        assert rule.falls(make([last]), make([first]), make([0.0]), make([1.0]),
                          make([1e3])).tolist() == [False]           # at a minimum
    unsigned = Rule(Known(0.0, False), None, None)
    assert unsigned.blown(np.array([2e6]), np.array([1.0]), 0.0, 0.0, 0.0).all()


def test_what_is_near_the_lowest_loss():
    values = np.array([-78.4, -78.3, -78.25, 0.0])
    assert Rule(Known(-78.3, True), 0.06, None).low_enough(values).tolist() == [
        False, True, True, False]
    for lowest, limit in ((None, 0.1), (0.0, None)):
        assert not Rule(Known(lowest, True), limit, None).low_enough(values).any()
    assert Rule(Known(0.0, False), 0.1, None).low_enough(np.array([0.2, 0.05])).tolist() == [
        False, True]


BOUNDED = [KINK, "exp(x)+y^4", "cosh(x)+sin(y)", "-(1/(1+x^2))+y^2", "sin(x)*cos(y)",
           "sqrt(x^2)+sqrt(y^2)-1", "3*exp(-x^2-y^2)", "softplus(x)*2+tanh(y)",
           "sigmoid(x*y)-atan(x)", "1/(2+sin(x))", "x*y", "x^2-x",
           "(x-y)^4+exp(sin(x))", "(x^2+y^2)^1.5-1", "(x^2)^1.5+y^2", "cbrt(x)^4*cbrt(y)",
           "cbrt(x*y)-3", "acos(sin(x))+asin(cos(y))", "(1+x^2)^-1.5", "x*sqrt(x^2)+y"]


@given(st.sampled_from(BOUNDED), st.floats(-50, 50), st.floats(-50, 50))
def test_no_value_is_below_the_bound(f, x, y):
    problem = Function(f=f, start=(x, y))
    h = torch.tensor([x, y], dtype=torch.float64)
    assert float(problem.expression.program.value(h)[0]) >= problem.bound * (
        1 + 1e-15 * np.sign(-problem.bound))


@pytest.mark.parametrize(("f", "lowest"), [
    (KINK, 0.0), ("sqrt(x^2)+sqrt(y^2)-1", -1.0), ("cosh(x)+sin(y)", 0.0), ("x^2+y^4+2", 2.0),
    ("-(1/(1+x^2))", -1.0), ("exp(cosh(x))-1", math.e - 1), ("x*y", -math.inf)])
def test_the_bound_is_the_lowest_value_where_parts_do_not_pull_against_each_other(f, lowest):
    assert Function(f=f, start=(1, 1)).bound == pytest.approx(lowest, rel=1e-15)


# --- lengths at the ends of the range -------------------------------------------------------------

def test_a_length_neither_overflows_nor_underflows():
    big = race("exp(100*x)+y^2", (5, 1), "bfgs", "newton", "adam", "newton_krylov", steps=2)
    for label, c in big.columns.items():
        assert c["grad_norm"][0, 0] == pytest.approx(100 * math.exp(500), rel=1e-13)
        assert c["status"][0] != "undefined", label
    f = "1e-200*exp(x)+1e-200*exp(-x)+1e-200*y^2+1e-200*y"
    true = 1e-200 * math.hypot(math.exp(5) - math.exp(-5), 11)
    small = race(f, (5, 5), "bfgs", "newton", "adam", "sgd", steps=2, stop_grad=1e-250)
    for label, c in small.columns.items():
        assert c["grad_norm"][0, 0] == pytest.approx(true, rel=1e-13)
        assert c["status"][0] == "budget", label
        assert "‖∇f‖ = 1.5e−198" in small.ends[label][0] or label in ("newton", "bfgs")
    for name in ("bfgs", "sgd"):
        _, result = swept(f, {"name": name}, (5, 6, 2), (5, 6, 2), steps=2, stop_grad=1e-250)
        assert (result["status"] == "budget").all()


# --- what is shown of it --------------------------------------------------------------------------

STEPS = Quantity("steps_to_target", "steps", to_target=True)
SIDE = Side("α", np.array([1.0, 2.0, 3.0]), False)


def test_maps_have_a_category_for_it_where_it_occurs():
    status = np.array([[["converged"], ["undefined"], ["budget"]]])
    columns = {"status": status, "steps_to_target": np.array([[[3.0], [np.nan], [np.nan]]]),
               "final_loss": np.array([[[1e-9], [0.5], [0.2]]])}
    c = cells(columns, STEPS)
    assert c.kind.tolist() == [[VALUE, UNDEFINED, UNREACHED]]
    assert cells(columns, Quantity("final_loss", "loss")).kind.tolist() == [[VALUE] * 3]
    assert typical(columns, STEPS, 0, 1) == 0
    theme = THEMES["light"]
    shared = scale.setting_scale(theme, STEPS, [c], "not reached")
    assert [k["text"] for k in shared.legend["kinds"]] == [
        "", "not reached", "diverged", "∇f has no value"]
    z = maps.colored(c, shared)[0]
    assert (np.floor(z) == c.kind[0]).all()
    said = maps_words.summary(c, None, SIDE, Side("β", np.array([1.0]), False), 1)
    assert "No cell has a value" in said
    plain = cells(columns | {"status": np.where(status == "undefined", "budget", status)}, STEPS)
    without = scale.setting_scale(theme, STEPS, [plain], "not reached")
    assert [k.text for k in without.kinds if not k.rare] == ["", "not reached", "diverged"]
    assert not (plain.kind == len(without.kinds) - 1).any()    # the legend leaves out a rare one
    places = columns | {"end.0": np.array([[[1.0], [0.0], [9.0]]]), "end.1": np.zeros((1, 3, 1))}
    starts = ends(places, [(1.0, 0.0)], 0.1)
    assert starts.kind.tolist() == [[0, 3, 1]]
    basin = scale.basin_scale(theme, [starts], ["the minimum"], "elsewhere")
    assert basin.legend["kinds"][3]["text"] == "∇f has no value"
    assert "33 % end elsewhere, 0 % diverge, 33 % ended where ∇f has no value" in (
        maps_words.basin_summary(starts, SIDE, Side("y", np.array([0.0]), False), [(1.0, 0.0)]))


def test_tables_and_commands_say_it():
    trace = run(parse({"problem": {"name": "function", "f": KINK, "start": (0, 0)}, "runs": 3,
                       "methods": [{"name": "adam"}], "steps": 5}))
    table = ended(trace)
    assert table["ended where derivatives have no value"].tolist() == [3]
    assert "3 ended where derivatives have no value" in _summary("adam", trace)
    one = race(KINK, (0, 0), "adam")
    assert WHY in _summary("adam", one)
    assert f"Adam ended at step 0: {WHY}." in loss_picture(RaceView(one, THEMES["light"])).alt
    _, result = swept(KINK, {"name": "adam"}, (0, 1, 2), (0, 1, 2))
    assert summary(result)[0] == "3 used all steps, 1 ended where derivatives have no value."


def test_saved_sweeps_keep_their_meaning():
    assert STATUS[:4] == ("running", "converged", "budget", "diverged")
    assert max(map(len, STATUS)) <= 9                       # of the columns' text
    assert set(rule_of_ends.WORDS) == set(STATUS)


@pytest.mark.parametrize("name", ["bfgs", "lbfgs"])
@pytest.mark.parametrize("c", ["1e-200", "exp(460)"])
def test_a_line_search_sees_slopes_as_small_and_large_as_numbers_are(name, c):
    # gᵀd = −‖g‖² is 0 and infinite there: "∇f = 0", and "no step length lowered f", were both said
    f = "(exp(x) + exp(-x) + y^2 + y)"
    plain, scaled = (race(text, (5, 5), name, steps=8) for text in (f, f"{c}*{f}"))
    np.testing.assert_allclose(scaled[name]["theta"], plain[name]["theta"], rtol=1e-9)
    unit = float(scaled[name]["loss"][0, 0] / plain[name]["loss"][0, 0])
    for low in ("eig_min", "eig_max"):
        np.testing.assert_allclose(scaled[name][low] * unit, plain[name][low], rtol=1e-7)


def test_scipys_end_where_the_hessian_has_no_value_is_the_functions():
    # SciPy calls it "not positive definite"
    for name in ("scipy_newton_cg", "scipy_trust_krylov"):
        trace = race("x^1.5+y^2", (0, 1), name, steps=5)
        assert trace[name]["status"][0] == "undefined"
        assert "the Hessian, which this method needs, has no value" in trace.ends[name][0]
    trace = race("exp(100*x)+y^2", (5, 1), "scipy_newton_cg", steps=5)    # H has one, 1.4e221
    assert trace["scipy_newton_cg"]["status"][0] == "failed"


@pytest.mark.parametrize(("f", "kind"), [
    ("sqrt(1-x^2-y^2)", "at a maximum"), ("x^2-y^2", "at a saddle"),
    ("y^4-x^2", "not at a minimum"), ("1e-9*(x^2-y^2)", "at a saddle"),
    ("1e9*(x^4+y^2)", None), ("x^2+y^2", None)])
def test_where_the_gradient_is_small_is_named_by_both_ends_of_the_spectrum(f, kind):
    end = race(f, (0, 0), "adam", steps=2, stop_grad=1e-6).ends["adam"][0]
    assert end.startswith("Converged at step 0")
    said = f", {kind}: the Hessian has the eigenvalue −" if kind else ""
    assert (said in end) if said else "Hessian" not in end


@pytest.mark.parametrize(("name", "at"), [("asin", 1), ("acos", -1), ("arcsin", -1), ("acos", 1)])
def test_what_ends_steeply_has_no_derivative_there(name, at):
    end = race(f"{name}(x)+y^2", (at, 1), "adam", steps=2).ends["adam"][0]
    where = f"{at}".replace("-", "\u2212")
    assert f"in column 1 has no derivative at {where}. f = " in end


@pytest.mark.parametrize("name", ["bfgs", "lbfgs", "newton"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_step_that_leaves_the_loss_as_it_is_is_said_to(name, dtype):
    # of such a step "the Wolfe conditions were not reached" was all that was said
    trace = race("cos(x)+cos(y)", (1, 1), name, steps=30, dtype=dtype)
    loss, said = trace[name]["loss"][:, 0], trace.words[name]
    assert AT_PRECISION in said[-1]
    for t, words in enumerate(said):
        if AT_PRECISION in words:
            assert loss[t + 1] == loss[t]
        if loss[t + 1] < loss[t]:
            assert "precision" not in words
    falls = race("-x^2-y^2", (1, 1), name, steps=3)
    assert not any("precision" in words for words in falls.words[name])
