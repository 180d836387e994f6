"""A typed function as a problem: its derivatives, its ends, what methods and pictures make."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qnviz.curvature.hessian_vector import KINDS
from qnviz.errors import ExpressionError, SpecError
from qnviz.fields import parameters
from qnviz.figures.player import linked
from qnviz.figures.race import RaceView
from qnviz.figures.race.loss import loss
from qnviz.figures.race.trajectory import trajectory
from qnviz.figures.theme import THEMES
from qnviz.methods.registry import METHODS
from qnviz.problems.registry import PROBLEMS
from qnviz.problems.rosenbrock_n import RosenbrockN
from qnviz.problems.typed import Function
from qnviz.runs.ends import CONVERGED, DIVERGED
from qnviz.runs.loop import run
from qnviz.runs.spec import parse
from qnviz.sweeps.spec import parse_sweep
from qnviz.sweeps.tiles import compute, tiles
from qnviz.ui.labs.function import facts
from qnviz.ui.state.defaults import FUNCTION
from qnviz.ui.state.settings import read_query, write_query
from tests.helpers import CPU, F64, assert_close, first_batch, normal

THEME = THEMES["light"]
PLAIN = "(x^4 - 16*x^2 + 5*x)/2 + (y^4 - 16*y^2 + 5*y)/2"
CASES = {
    "residuals": (Function(), lambda x, y: (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2),
    "plain": (Function(f=PLAIN), lambda x, y: 0.5 * sum(
        t**4 - 16 * t**2 + 5 * t for t in (x, y))),
    "smooth": (Function(f="exp(-x^2)*sin(y) + softplus(x*y)"), lambda x, y: torch.exp(
        -x**2) * torch.sin(y) - torch.nn.functional.logsigmoid(-x * y)),
    "linear": (Function(f="2*x - y"), lambda x, y: 2 * x - y + 0 * x * y),
    "rosenbrock_n": (RosenbrockN(n=5), None)}


def race(f, *methods, start=(0.5, 0.5), **more):
    problem = {"name": "function", "f": f, "start": start, **more.pop("problem", {})}
    return run(parse({"problem": problem, "methods": [
        {"name": m} if isinstance(m, str) else m for m in methods], "steps": 60} | more))


@pytest.fixture(params=CASES)
def case(request):
    spec, plain = CASES[request.param]
    if plain is None:
        def plain(*t):
            x = torch.stack(t)
            return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()
    return spec.build(F64, CPU), plain


def test_value_gradient_and_hessian_are_those_of_autograd(case):
    problem, plain = case
    theta = 1.5 * normal(1, 4, problem.size)
    tape = problem.forward(theta, first_batch(problem, 4))
    g, v = problem.join(problem.gradient(tape)), normal(2, 4, problem.size)
    Hv = problem.hessian_vector(tape, v)
    for r in range(4):
        def f(t):
            return plain(*t)

        assert_close(tape.f[r], f(theta[r]), 1e-12)
        assert_close(g[r], torch.autograd.functional.jacobian(f, theta[r]), 1e-12)
        H = torch.autograd.functional.hessian(f, theta[r])
        exact = H @ v[r]
        assert (Hv[r] - exact).abs().max() <= 1e-11 * (exact.abs().max() + g[r].abs().max())


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_hessian_vector_product_takes_a_typed_function(case, kind):
    problem, _ = case
    theta, v = normal(3, 3, problem.size), normal(4, 3, problem.size)
    tape = problem.forward(theta, first_batch(problem, 3))
    exact, found = problem.hessian_vector(tape, v), KINDS[kind](problem, tape, v)
    loose = 1e-5 if "difference" in kind else 1e-10
    assert (found - exact).abs().max() <= loose * (1 + exact.abs().max())


def test_of_a_plain_function_the_gauss_newton_matrix_is_0():
    problem = Function(f=PLAIN).build(F64, CPU)
    tape = problem.forward(normal(5, 3, 2), problem.reference())
    assert not problem.gauss_newton_vector(tape, normal(6, 3, 2)).any()


NEEDS_CURVATURE = {"levenberg_marquardt": {}, "kfac": {}, "curveball": {},
                   "newton_krylov": {"curvature": "gauss_newton"}}


@pytest.mark.parametrize("name", METHODS)
def test_methods_that_live_by_gauss_newton_say_so_and_all_others_run(name):
    fields = NEEDS_CURVATURE.get(name, {})
    method = METHODS[name](**fields)
    assert method.unavailable(Function()) is None
    why = method.unavailable(Function(f=PLAIN))
    if name in NEEDS_CURVATURE:
        assert why is not None
        assert why.endswith(".")
        assert "residuals" in why
        with pytest.raises(SpecError, match="cannot run on this problem"):
            race(PLAIN, {"name": name} | fields)
    else:
        assert why is None
        assert np.isfinite(race(PLAIN, name, steps=5)[name]["loss"]).all()


@pytest.mark.parametrize("name", ["curveball", "newton_krylov"])
def test_with_the_hessian_they_run_on_plain_functions(name):
    c = race(PLAIN, {"name": name, "curvature": "hessian"} | ({"lam": 100.0} if (
        name == "curveball") else {}), start=(1.5, -1.0), steps=200, stop_grad=1e-6)[name]
    assert c["status"][0] == "converged"
    assert c["loss"][-1, 0] == pytest.approx(-64.1956123590532)


def test_a_page_asks_each_entrant_with_its_own_settings():
    s = read_query({"f": "x^2 - y^2 + y^4", "m": "curveball,curveball~2,adam",
                    "curveball.curvature": "gauss_newton", "curveball~2.curvature": "hessian"},
                   FUNCTION)
    assert s.faults == ()
    assert list(s.unavailable()) == ["curveball"]
    assert [m.entrant for m in s.spec().methods] == ["CurveBall (hessian)", "Adam"]


# --- how runs end ---------------------------------------------------------------------------------

def test_a_run_without_end_diverged_and_says_that_it_falls():
    trace = race("x^2 - y^2", "newton", {"name": "sgd", "lr": 0.4}, start=(1, 0.1), steps=100)
    for label, c in trace.columns.items():
        assert c["status"][0] == "diverged"
        assert "falls without end" in trace.ends[label][0]
    picture = loss(RaceView(trace, THEME))
    assert "falls without end for 2 of 2" in picture.title
    assert picture.figure["layout"]["yaxis"].get("type") != "log"
    assert trajectory(RaceView(trace, THEME)).title == "2 of 2 fall without end"


def test_a_run_that_overflows_below_says_the_same():
    trace = race("x^3 - exp(-y)", {"name": "sgd", "lr": 1.0}, start=(-1, -1), steps=50)
    assert trace["sgd"]["status"][0] == "diverged"
    assert np.isfinite(trace["sgd"]["loss"]).all()
    assert "falls without end" in trace.ends["sgd"][0]


def test_runs_converge_above_the_lowest_value_and_not_below_0():
    trace = race(PLAIN, "newton", start=(-2.0, -2.0), stop_loss=1e-10)
    assert trace["newton"]["status"][0] == "converged"
    assert "within 1.0e−10 of the lowest known, −78.3" in trace.ends["newton"][0]
    # another minimum: no loss below 0 may count as converged
    other = race(PLAIN, "newton", start=(2.0, 2.0), stop_loss=1e-10)
    assert other["newton"]["status"][0] == "budget"
    still = race(PLAIN, "newton", start=(2.0, 2.0), stop_loss=1e-10, stop_grad=1e-6)
    assert still["newton"]["status"][0] == "converged"
    assert "saddle" not in still.ends["newton"][0]


def test_a_saddle_is_told_from_a_minimum():
    trace = race("x^2 - 2*y^2 + y^4", "bfgs", start=(1.5, 0.0), stop_grad=1e-6)
    assert "at a saddle: the Hessian has the eigenvalue −4" in trace.ends["bfgs"][0]


def test_pages_stop_where_the_gradient_vanishes_and_0_lets_them_go_on():
    s = read_query({"f": PLAIN, "start": "2,2", "m": "newton"}, FUNCTION)
    assert s.spec().stop_grad == PROBLEMS["function"].still
    assert read_query({"stop": "0"}, FUNCTION).spec().stop_grad is None


def test_a_start_without_a_value_is_refused_in_words():
    with pytest.raises(SpecError, match=r"no value at the start \(−1, 2\): there is log of −1 in "
                                        r"column 3; choose another start\."):
        race("x*log(x)", "adam", start=(-1, 2))
    with pytest.raises(SpecError, match="a division by 0"):
        race("1/x + y", "adam", start=(0, 2))


def test_runs_that_begin_beside_the_function_end_at_once_and_leave_the_others_alone():
    trace = race("(x - 1)^2 + log(x)^2 + y^2 + y", "newton", start=(0.3, 0.1), runs=12,
                 problem={"start_noise": 0.5})
    c = trace["newton"]
    gone = c["theta"][0, :, 0] <= 0
    assert 0 < gone.sum() < 12
    assert (c["status"][gone] == "diverged").all()
    assert (c["stopped"][gone] == 0).all()
    assert "no value at the start" in trace.ends["newton"][int(np.flatnonzero(gone)[0])]
    assert (c["grad_norm"][-1, ~gone] < 1e-8).all()
    for picture in (loss, trajectory):
        for r in range(12):
            assert picture(RaceView(trace, THEME, run=r)).title


# --- the lowest minimum of an own function --------------------------------------------------------

@pytest.mark.parametrize(("f", "value", "count"), [
    ("(x - 1)^2 + (y + 2)^2 - 3", -3.0, 1), ("sin(x)*cos(y)", -1.0, None),
    ("x^2 - y^2", None, 0), ("x^3 - 3*x + y^2", None, 0), ("x + y", None, 0),
    ("(x + y)^2 - 1", -1.0, 0), ("x^4 + y^2 - 1", -1.0, 1), ("log(x)^2 + y^2 - 1", -1.0, 1),
    ("-exp(-x^2 - y^2)", -1.0, 1), ("(x^2 - 1)^2 + y^2 - 5", -5.0, 2), ("x;y; 2", 4.0, 1),
    # minima where f is flat: at a point, along a line, along a curve
    ("x^4 + y^4", 0.0, 1), ("x^20 + y^2", 0.0, 1), ("(x^2 + y^2)^1.5", 0.0, 1), ("x^2", 0.0, 0),
    ("(x*y - 1)^2", 0.0, 0), ("(x^2 + y^2 - 1)^2", 0.0, 0), ("x^2*y^2", 0.0, 0),
    ("cosh(x)*cosh(y)", 1.0, 1), ("x^4 - 5000*x^2 + y^2", -6.25e6, 2),
    # one that lies deeper than where f levels off, or as deep
    ("(x - 2)^2*exp(-x^2) + y^2", 0.0, 1), ("x*exp(-x^2 - y^2)", -0.5**0.5 * np.exp(-0.5), 1),
    # at a kink: no minimum that a gradient tells, and no level either
    ("sqrt(x^2 + y^2)", None, 0), ("1 + sqrt((x - 1)^2 + (y + 1/3)^2)", None, 0)])
def test_the_search_finds_what_there_is_and_no_more(f, value, count):
    found = Function(f=f).found
    assert found.level is None
    assert found.value == (value if value is None else pytest.approx(value, abs=1e-9))
    if count is None:
        assert len(found.points) > 1
    else:
        assert len(found.points) == count


@pytest.mark.parametrize(("f", "said"), [
    ("x^2", "lowest found 0 along a curve"), ("(x + y)^2 - 1", "lowest found −1 along a curve"),
    ("(x^2 + y^2 - 1)^2", "lowest found 0 along a curve"), ("x^2 + y^2", "lowest found 0 at (0"),
    ("x^2 - y^2", "no lowest value found up to |x|, |y| = 100"),
    ("(x - 300)^2 + y^2", "no lowest value found up to |x|, |y| = 100")])
def test_what_is_said_of_the_lowest_value_is_what_was_found(f, said):
    assert facts(Function(f=f))[1].startswith(said)


@pytest.mark.parametrize("f", [
    "(x^2 + y^2 - 1)^2", "100*(y - x^2)^2 + (1 - x)^2", "sin(x)^2 + cos(y)^2",
    "1e-90*(x - 1/3)^2 + 1e-90*(y + 1/7)^2", "1e12*(x - 1/3)^2 + 1e12*(y + 1/7)^2"])
def test_what_rounding_leaves_of_a_sum_of_squares_is_0(f):
    assert Function(f=f).found.value == 0


@pytest.mark.parametrize("f", ["x^2 + y^2 + 1e-20^2", "1e-20*x; y; 1e-9"])
def test_a_small_lowest_value_that_is_none_of_rounding_stays(f):
    assert Function(f=f).found.value == pytest.approx(1e-18 if ";" in f else 1e-40, rel=1e-6)


@pytest.mark.parametrize(("f", "level"), [
    ("sigmoid(10*x) + y^2", 0.0), ("tanh(10*x) + y^2", -1.0), ("softplus(20*x) + y^2", 0.0),
    ("exp(10*x) + y^2", 0.0), ("1/(1 + exp(-20*x)) + y^2", 0.0), ("exp(x) + y^2", 0.0),
    ("atan(x) + y^2", -np.pi / 2), ("1/(1 + x^2) + y^2", 0.0), ("log(1 + exp(-x - y))", 0.0),
    ("exp(-x^2 - y^2)", 0.0), ("tanh(10*(x + y)) + (x - y)^2", -1.0), ("exp(x) + exp(y)", 0.0),
    ("softplus(x) - x + y^2", 0.0), ("1e8*(log(1 + exp(5*x)) - 5*x) + y^2", 0.0),
    ("exp(-exp(x)) + y^2", 0.0), ("(exp(9*x) - 1)/(exp(9*x) + 1) + y^2", -1.0)])
def test_where_f_levels_off_there_is_no_minimum(f, level):
    spec = Function(f=f, start=(1, 1))
    assert spec.minimisers == ()
    assert spec.found.value is None
    assert spec.level == pytest.approx(level, abs=1e-4)
    assert any("levels off" in fact for fact in facts(spec))
    trace = race(f, "newton", start=(1, 1), steps=5)
    assert trace.plane["minimiser"].size == 0
    if spec.signed:
        assert spec.lowest is None


@pytest.mark.parametrize(("f", "value", "points"), [
    ("(x^2 + y^2)^0.75", 0.0, [(0, 0)]), ("((x - 1)^2 + (y + 0.5)^2)^1.25", 0.0, [(1, -0.5)]),
    ("x^4 + y^4", 0.0, [(0, 0)]), ("exp(10*x) + exp(-10*x) - 2 + y^2", 0.0, [(0, 0)]),
    ("tanh(x)^2 + y^2", 0.0, [(0, 0)]), ("(x^2 - 2)^2 + y^2", 0.0, [(2**0.5, 0), (-2**0.5, 0)]),
    ("x^2*exp(-x^2) + y^2 + 1e-30", 1e-30, [(0, 0)]),
    # f = ln(2 cosh(t/2)), t = x − y: a valley, none of whose points stands alone
    ("log(exp(x) + exp(y)) - x/2 - y/2", np.log(2), [])])
def test_a_flat_minimum_is_where_it_is_and_not_beside_it(f, value, points):
    # the search comes to rest at 1e-60 or so: "loss 0, within 1e-9 of the lowest known, 6.2e-120"
    found = Function(f=f).found
    assert found.value == (value if value != np.log(2) else pytest.approx(value, rel=1e-15))
    np.testing.assert_allclose(sorted(found.points), sorted(points), atol=1e-15)


def test_a_page_says_what_no_value_is_below():
    bounded, falls = (facts(Function(f=f))[1] for f in ("sqrt(x^2 + y^2)", "x + y"))
    assert bounded.startswith("no lowest value found")
    assert bounded.endswith("none is below 0")
    assert falls.startswith("no lowest value found")
    assert "below" not in falls


@given(st.floats(-30, 30), st.sampled_from([
    ("x^4 - 2*x^2 + y^2", 2), ("tanh(10*x) + y^2", 0), ("x^4 + y^4", 1), ("(x*y - 1)^2 + x", 0)]))
@settings(max_examples=12, deadline=None)
def test_a_factor_changes_no_minimum(power, case):
    f, count = case
    c = 10.0 ** round(power)
    one, other = (Function(f=text).found for text in (f"({f})*1", f"({f})*10^{round(power / 2)}"
                                                        f"*10^{round(power) - round(power / 2)}"))
    assert len(one.points) == len(other.points) == count
    np.testing.assert_allclose(sorted(one.points), sorted(other.points), atol=1e-9)
    assert (one.value is None) == (other.value is None)
    if one.value is not None:
        assert other.value / c == pytest.approx(one.value, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("f", "start"), [
    ("x^4 - 2*x^2 + y^2", (0.1, 0.1)), ("(x - 20)^2 + (y - 30)^2 + x", (0, 0)),
    ("x^4 - 5000*x^2 + y^2", (0.01, 0)), ("x^2 + y^2", (0, 0)), ("sin(x)*cos(y)", (9, 1)),
    ("(x - 3)^2 + (y + 1)^2 - 1", (40, -60)), ("x^2 - y^2", (1, 1)), ("exp(x) + y^2", (7, 1))])
def test_the_window_holds_minima_and_start_and_little_else(f, start):
    spec = Function(f=f, start=start)
    (x0, x1), (y0, y1) = spec.window
    for x, y in (start, *spec.minimisers):
        assert x0 < x < x1
        assert y0 < y < y1
    held = [*(spec.minimisers or [(0, 0)]), start]
    spread = max(max(side) - min(side) for side in zip(*held, strict=True))
    assert max(x1 - x0, y1 - y0) <= max(6.0, 3 * spread)


@pytest.mark.parametrize(("f", "start", "kind"), [
    ("x^4 - 2*x^2 + y^2", (0, 0), "a saddle"), ("cos(x) + cos(y)", (0, 0), "a maximum"),
    ("-x^2", (0, 3), "no minimum"), ("1e-12*(x^2 - y^2)", (0, 0), "a saddle"),
    ("(x - 3)(y - 2)", (3, 2), "a saddle"), ("x^2 + y^2", (0, 0), None),
    ("x^4 - 2*x^2 + y^2", (1, 0), None), ("x^4 - 2*x^2 + y^2", (0, 0.1), None),
    ("sqrt(x^2 + y^2)", (0, 0), None), ("x + y", (0, 0), None)])
def test_a_start_that_is_no_minimum_is_known_and_a_point_beside_it_is_lower(f, start, kind):
    spec = Function(f=f, start=start)
    found = spec.stationary
    assert (found and found.kind) == kind
    if found:
        problem = spec.build(F64, CPU)
        here, beside = problem.forward(torch.tensor([start, found.beside], dtype=F64),
                                       problem.reference()).f
        assert beside < here
        (x0, x1), (y0, y1) = spec.window
        assert x0 < found.beside[0] < x1
        assert y0 < found.beside[1] < y1
        assert spec.model_copy(update={"start": found.beside}).stationary is None


def test_what_f_lacks_at_a_point():
    assert Function(f="sqrt(x^2 + y^2)").lacks(0, 0)[:3] == ("gradient", "sqrt of 0", 1)
    assert Function(f="x + ln(y)").lacks(0, 0)[:3] == ("value", "ln of 0", 5)
    assert Function(f="(x^8)^2 + y^2").lacks(1e20, 0)[:2] == ("value", "a square that is too large")
    assert Function().lacks(0, 0) is None


def test_a_power_of_0_is_a_start():
    assert race("x^1.5 + y^2", "sgd", start=(0, 1), steps=3)["sgd"]["loss"][0, 0] == 1
    c = race("(x^2)^1.5 + y^2", "newton", start=(0, 1), steps=30, stop_grad=1e-9)["newton"]
    assert c["status"][0] == "converged"


def test_a_window_that_was_chosen_stays():
    spec = Function(f="x^4 - 2*x^2 + y^2", start=(0, 0), mid_x=2, mid_y=-1, half_width=1.5)
    np.testing.assert_allclose(spec.window, ((-0.075, 3.5), (-2.5, 0.5)))
    assert spec.minimisers == ((1.0, 0.0),)
    address = {"f": "x^4 - 2*x^2 + y^2", "half_width": "5.5", "mid_x": "0", "mid_y": "0"}
    chosen = read_query(address, FUNCTION)
    assert chosen.faults == ()
    assert chosen.spec().problem.window == ((-5.5, 5.5), (-5.5, 5.5))
    assert write_query(chosen, FUNCTION) == address


def test_without_a_minimum_there_is_none():
    spec = Function(f="x*y")
    assert spec.minimisers == ()
    assert spec.lowest is None
    with pytest.raises(ExpressionError, match="No minimum"):
        spec.minimiser          # noqa: B018
    assert Function(f="x;exp(x)").lowest is not None


# --- what is seen ---------------------------------------------------------------------------------

def test_all_minima_are_drawn_and_the_axes_have_their_names():
    trace = race(Function().f, "newton", "adam", start=(0, 0))
    picture = trajectory(RaceView(trace, THEME))
    stars = [d for d in picture.figure["data"] if d.get("marker", {}).get("symbol") == "star"]
    assert len(stars[0]["x"]) == 4
    assert picture.figure["layout"]["xaxis"]["title"]["text"] == "x"
    assert picture.alt.count(" and (") == 3


def test_a_known_lowest_value_is_what_the_loss_is_drawn_above():
    trace = race(PLAIN, "newton", "adam", start=(-2.0, -2.0))
    picture = loss(RaceView(trace, THEME))
    layout = picture.figure["layout"]
    assert layout["yaxis"]["type"] == "log"
    assert "above its lowest, −78.3" in layout["yaxis"]["title"]["text"]
    f = trace["adam"]["loss"][:, 0]
    drawn = next(d for d in picture.figure["data"] if d["name"] == "Adam")["y"]
    np.testing.assert_allclose(drawn, f + 78.33233140754282, rtol=1e-9)
    surface = trajectory(RaceView(trace, THEME)).figure["data"][0]
    assert "log₁₀ (f + 78.3)" in surface["hovertemplate"]


@pytest.mark.parametrize("f", ["log(x)*y", "sqrt(x) + y^2", "x^2 - y^2", "1/(x + y)", "exp(9*x)",
                               "x*y; x - y", "-exp(5*y)*x", "x^20 - 1e9*y"])
@pytest.mark.parametrize("theme", THEMES)
def test_every_picture_can_be_drawn_of_whatever_was_typed(f, theme):
    trace = race(f, "newton", {"name": "sgd", "lr": 1.0}, "newton_krylov", start=(0.5, 0.7),
                 steps=40)
    payload = linked(RaceView(trace, THEMES[theme]))
    for panel in payload["panels"]:
        assert panel["title"]
        assert panel["alt"]
    for name in ("loss", "path"):
        panel = next(p for p in payload["panels"] if p["id"] == name)
        for axis in ("xaxis", "yaxis"):
            assert np.isfinite(panel["figure"]["layout"][axis]["range"]).all()
    surface = trajectory(RaceView(trace, THEMES[theme])).figure["data"][0]
    assert np.isfinite([surface["zmin"], surface["zmax"], *(
        surface["contours"][k] for k in ("start", "end", "size"))]).all()


# --- addresses and sweeps -------------------------------------------------------------------------

def test_an_address_typed_by_hand():
    # as it arrives: the browser has made spaces of the pluses
    s = read_query({"f": "(x^2 y-11)^2 (x y^2-7)^2", "start": "0,0"}, FUNCTION)
    assert s.faults == ()
    assert s.problem["f"] == "(x^2+y-11)^2+(x+y^2-7)^2"
    assert s.spec().problem.classic is FUNCTION.spec().problem.classic
    assert write_query(s, FUNCTION) == {"f": "(x^2+y-11)^2+(x+y^2-7)^2"}


@pytest.mark.parametrize(("f", "said"), [
    ("x3", "f: Column 1: 'x3' can be read in several ways"), ("abs(x)", "not holomorphic"),
    ("x,y", "Functions take one argument"), ("x" * 500, "300 characters"),
    ("__import__('os')", "'__import__' is not known"), ("", "no function yet")])
def test_a_bad_function_in_an_address_gets_a_sentence_and_the_default(f, said):
    s = read_query({"f": f, "seed": "3"}, FUNCTION)
    assert said in s.faults[0]
    assert s.problem["f"] == FUNCTION.problem["f"]
    assert s.seed == 3
    assert s.spec() is not None


def test_a_function_can_be_swept_over_its_starts():
    spec = parse_sweep({"problem": {"name": "function", "f": "x^2 - 2*y^2 + y^4"},
                        "methods": [{"name": "newton"}], "steps": 60, "stop_loss": 1e-9,
                        "sweep": {"x": {"field": "start.0", "from": -1.5, "to": 1.5, "points": 7},
                                  "y": {"field": "start.1", "from": -1.1, "to": 1.3, "points": 6}}})
    rows = compute(spec, tiles(spec)[0])
    assert (rows["status"] == CONVERGED).all()
    np.testing.assert_allclose(np.abs(rows["end"][:, 1]), 1, atol=1e-4)
    alone = run(spec.at(4, 2))["newton"]
    cell = 4 * 7 + 2
    assert rows["stopped"][cell] == alone["stopped"][0]
    endless = parse_sweep(spec.model_dump(mode="json") | {
        "problem": {"name": "function", "f": "x^2 - y^2"}})
    falls = compute(endless, tiles(endless)[0])
    assert (falls["status"] == DIVERGED).all()


def test_the_field_declares_itself():
    q = next(q for q in parameters(Function) if q.name == "f")
    assert q.kind == "expression"
    assert q.range == "see its description"
    assert Function(start=(100, -100), half_width=50).window[0][1] <= 100
