"""Errors against h and costs: judged by mpmath and autograd, made by the runs' functions."""

import mpmath
import numpy as np
import pytest
import torch

from qnviz.curvature import hessian_vector as hv
from qnviz.errors import SpecError
from qnviz.problems.one_variable import OneVariable
from qnviz.problems.problem import Problem
from qnviz.studies import derivatives as d
from qnviz.studies.derivatives import Question, answer, case, costs, steps, truth
from tests.helpers import (
    NETS,
    assert_close,
    first_batch,
    net,
    normal,
    plain_gradient,
    rosenbrock,
)

R = 3
MAKES = [pytest.param(lambda a=a, l=l: net(a, l, tau=0.1), id=f"{a}-{l}") for a, l in NETS]
MAKES.append(pytest.param(lambda: rosenbrock(3.0), id="rosenbrock"))
QUESTIONS = [Question(activation=a, loss=l) for a in ("tanh", "sigmoid", "relu", "softplus")
             for l in ("bce", "mse")] + [
    Question(function="rosenbrock", x=-1.2), Question(function="squire_trapp"),
    Question(function="exp_relu", x=0.3), Question(function="exp_softplus", x=-2.0)]


def name(q: Question) -> str:
    return f"{q.function}-{q.activation}-{q.loss}"


def slopes(problem: Problem, theta: torch.Tensor, batch, v: torch.Tensor) -> torch.Tensor:
    """gᵀv of each run, (R,), by autograd of the plain loss."""
    return torch.stack([plain_gradient(problem, theta[r], batch, r) @ v[r]
                        for r in range(len(theta))])


# --- the kinds themselves -------------------------------------------------------------------------


@pytest.mark.parametrize("make", MAKES)
def test_slopes_equal_autograd(make):
    problem = make()
    batch, theta = first_batch(problem, R), problem.start(0, torch.arange(R))
    tape, v = problem.forward(theta, batch), normal(5, R, problem.size)
    true = slopes(problem, theta, batch, v)
    for kind in hv.SLOPES.values():
        assert_close(kind(problem, tape, v)[:, None], true[:, None], 1e-12)
    assert_close(hv.slope_complex_step(problem, tape, v)[:, None], true[:, None], 1e-12)
    assert_close(hv.slope_central_difference(problem, tape, v)[:, None], true[:, None], 1e-6)
    assert_close(hv.slope_forward_difference(problem, tape, v)[:, None], true[:, None], 1e-4)


@pytest.mark.parametrize("make", MAKES)
def test_one_sided_differences_of_gradients_find_half_of_the_digits(make):
    problem = make()
    tape = problem.forward(problem.start(0, torch.arange(R)), first_batch(problem, R))
    v = normal(5, R, problem.size)
    Hv = hv.double_backward(problem, tape, v)
    assert_close(hv.forward_difference(problem, tape, v), Hv, 1e-4)
    assert not torch.equal(hv.forward_difference(problem, tape, v), Hv)


@pytest.mark.parametrize("table", [hv.STEPPED, hv.SLOPES_STEPPED], ids=["products", "slopes"])
def test_a_step_per_run_is_each_runs_own_step(table):
    problem = net("tanh", "bce")
    tape = problem.forward(problem.start(0, torch.arange(R)), problem.reference())
    v, h = normal(5, R, problem.size), torch.tensor([1e-2, 1e-3, 1e-4], dtype=torch.float64)
    for kind in table.values():
        together = kind(problem, tape, v, h)
        for r in range(R):
            alone = kind(problem, tape, v, float(h[r]))[r]
            assert_close(together[r].reshape(1, -1), alone.reshape(1, -1), 1e-9)


F = {"squire_trapp": lambda x: mpmath.exp(x) / mpmath.sqrt(mpmath.sin(x)**3 + mpmath.cos(x)**3),
     "exp_relu": lambda x: mpmath.exp(x) if x > 0 else mpmath.mpf(1),
     "exp_softplus": lambda x: mpmath.exp(mpmath.log(1 + mpmath.exp(x)))}


@pytest.mark.parametrize("x", [-0.5, 0.3, 1.5])
@pytest.mark.parametrize("function", F)
def test_functions_of_one_variable_equal_mpmath(function, x):
    problem = OneVariable(function, x, torch.float64)
    batch, theta = problem.reference(), problem.start(0, torch.arange(1))
    tape, one = problem.forward(theta, batch), torch.ones(1, 1, dtype=torch.float64)
    with mpmath.workdps(40):
        f, slope, bend = (float(mpmath.diff(F[function], mpmath.mpf(x), n)) for n in range(3))
    assert tape.f.item() == pytest.approx(f, rel=1e-14)
    for kind in hv.SLOPES.values():
        assert kind(problem, tape, one).item() == pytest.approx(slope, rel=1e-13, abs=1e-15)
    for kind in ("pairs", "complex_step", "forward_over_reverse", "double_backward"):
        product = hv.KINDS[kind](problem, tape, one).item()
        assert product == pytest.approx(bend, rel=1e-13, abs=1e-15)


# --- the reference --------------------------------------------------------------------------------


@pytest.mark.parametrize("q", QUESTIONS, ids=name)
def test_the_reference_equals_autograd(q):
    c = case(q)
    true = truth(q, c).astype(float)
    tape = c.problem.forward(c.theta, c.batch)
    assert true[0, 0] == pytest.approx(tape.f.item(), rel=1e-14)
    t = c.theta.clone().requires_grad_()
    g, = torch.autograd.grad(c.problem.forward(t, c.batch).f.sum(), t)
    assert_close(g, torch.tensor(true[0, 1:])[None], 1e-13)
    assert true[1, 0] == pytest.approx((g * c.v).sum().item(), rel=1e-12)
    Hv = hv.double_backward(c.problem, tape, c.v)
    assert_close(Hv, torch.tensor(true[1, 1:])[None], 1e-13)


@pytest.mark.parametrize("q", [QUESTIONS[0], QUESTIONS[3], *QUESTIONS[8:]], ids=name)
def test_the_references_own_error_is_far_below_what_counts(q):
    """Another step leaves it where it is: its error is nobody's rounding."""
    c = case(q)
    first, second = truth(q, c)[1], truth(q, c, tiny=1e-19)[1]
    for part in (slice(0, 1), slice(1, None)):
        gap = d._norm(first[part] - second[part])
        assert gap <= 1e-3 * d.CERTAIN * d._norm(first[part])


def test_higher_derivatives_of_the_reference_are_rosenbrocks():
    q = Question(function="rosenbrock", x=-1.2, y=1.0, seed=4)
    c = case(q)
    x, _ = c.theta[0].tolist()
    v, w = c.v[0].tolist()
    true = truth(q, c).astype(float)
    # f = 100 (y − x²)² + (1 − x)²
    assert true[2, 0] == pytest.approx((1200 * x * x - 398) * v * v - 800 * x * v * w + 200 * w * w)
    assert true[3, 0] == pytest.approx(2400 * x * v**3 - 1200 * v * v * w)
    assert true[2, 1:] == pytest.approx([2400 * x * v * v - 800 * v * w, -400 * v * v])


# --- errors against h -----------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("q", [QUESTIONS[0], QUESTIONS[2], QUESTIONS[8], QUESTIONS[9]], ids=name)
def test_the_pages_numbers_are_those_of_the_runs_functions(q, precision):
    q = q.model_copy(update={"precision": precision})
    found, c = answer(q), case(q)
    true = truth(q, c)

    def error(value: torch.Tensor, part: slice) -> float:
        """In 80 digits throughout, one value at a time."""
        gap = d._exact(value.double().numpy().ravel()) - true[1, part]
        return d._norm(gap) / d._norm(true[1, part])

    with torch.inference_mode():               # as the loop computes
        compare(found, c, error)


def compare(found, c, error) -> None:
    tape = c.problem.forward(c.theta, c.batch)
    for kind in ("pairs", "forward_over_reverse", "double_backward"):
        mine = error(hv.KINDS[kind](c.problem, tape, c.v), slice(1, None))
        assert found.product.without_step[kind] == pytest.approx(mine, rel=1e-6)
    for kind, f in hv.SLOPES.items():
        mine = error(f(c.problem, tape, c.v), slice(0, 1))
        assert found.slope.without_step[kind] == pytest.approx(mine, rel=1e-6, abs=1e-25)
    for k in (6, 12):                          # 1e-2 and 1e-3, where batching changes no digit
        h = float(found.product.h[k])
        for kind, f in hv.STEPPED.items():
            mine = error(f(c.problem, tape, c.v, h), slice(1, None))
            assert found.product.by_step[kind][k] == pytest.approx(mine, rel=0.05, abs=c_eps(c))


def c_eps(c) -> float:
    """Batched products may sum in another order; the difference divided by h is below this."""
    return 2e3 * torch.finfo(c.v.dtype).eps


@pytest.mark.parametrize("q", [QUESTIONS[0], QUESTIONS[3], *QUESTIONS[8:]], ids=name)
def test_the_v_the_floor_and_their_theory(q):
    for e in (answer(q).slope, answer(q).product):
        assert e.relative
        assert e.kink is None or e.kink > 0.01
        for kind, power in (("forward_difference", 1), ("finite_difference", 2)):
            errors = e.by_step[kind]
            best = e.h[np.argmin(e.expected[kind])]    # theory's
            smallest = {"forward_difference": 1e-11, "finite_difference": 1e-14}[kind]
            assert np.nanmin(errors) > smallest        # something is subtracted: never all digits
            right = (e.h > 10 * best) & (e.h < min(3e-2, e.kink or 1))
            assert right.sum() >= 5
            ratio = errors[right] / e.expected[kind][right]
            assert np.all((ratio > 0.5) & (ratio < 2.0))
            slope = np.polyfit(np.log10(e.h[right]), np.log10(errors[right]), 1)[0]
            assert slope == pytest.approx(power, abs=0.1)
            left = (e.h < best / 30) & (e.expected[kind] < 0.1)
            assert np.median(errors[left] / e.expected[kind][left]) < 10
            assert errors[e.h < 1e-22] == pytest.approx(1, rel=1e-12)      # θ + hv = θ
        small = e.by_step["complex_step"][e.h < 1e-9]
        assert small.max() < 3e-14
        assert e.holds is not None
        assert e.holds[0] == e.h[-1]
        assert max(e.without_step.values()) < 3e-14


def test_exact_kinds_agree_to_the_last_bits():
    assert all(answer(q).product.spread < 1e-14 for q in QUESTIONS)


def test_a_kink_spoils_differences_from_its_distance_on_and_the_complex_step_nowhere():
    q = Question(function="exp_relu", x=1e-3)
    for e in (answer(q).slope, answer(q).product):
        assert e.kink == pytest.approx(1e-3)
        across, before = e.h > 1.4 * e.kink, e.h < 0.99 * e.kink
        assert e.by_step["finite_difference"][across].min() > 0.1
        assert e.by_step["finite_difference"][before & (e.h > 1e-5)].max() < 1e-6
        # it stays on the side of Re z: truncation only, as if there were no kink
        smooth = e.expected["complex_step"]
        assert np.all(e.by_step["complex_step"] < 2 * smooth)
    left = answer(Question(function="exp_relu", x=-1e-3)).slope
    assert not left.relative
    assert left.kink == pytest.approx(1e-3, rel=0.5)
    assert np.all(left.by_step["complex_step"] == 0)


def test_a_net_of_relus_crosses_kinks_where_its_signs_change():
    q = Question(activation="relu", length=30.0)
    e, c = answer(q).product, case(q)
    assert e.kink is not None

    def signs(h: float) -> list[torch.Tensor]:
        return [z > 0 for z in c.problem.forward(c.theta + h * c.v, c.batch).h[:-1]]

    def same(h: float) -> bool:
        return all(torch.equal(a, b) for t in (h, -h)
                   for l, (a, b) in enumerate(zip(signs(0.0), signs(t), strict=True))
                   if c.problem.layers[l].activation == "relu")

    at = int(np.flatnonzero(e.h == e.kink)[0])
    assert not same(e.h[at])
    assert all(same(h) for h in e.h[at + 1:at + 20])


def test_float32_underflow_is_found_and_said():
    found = answer(Question(precision="float32", decades=48))
    for e in (found.slope, found.product):
        assert e.holds is not None
        assert 1e-40 < e.holds[0] < 1e-34
        gone = np.float32(e.h) == 0
        assert gone.any()
        assert np.isnan(e.by_step["complex_step"][gone]).all()
        below = (e.h < e.holds[0] / 1e3) & ~gone
        assert e.by_step["complex_step"][below].min() > 100 * e.floor
    assert any("every h below 1.4e−45 is 0" in n for n in found.notes)
    assert any("complex step underflows" in n for n in found.notes)
    assert answer(Question(precision="float32")).notes == ()


def test_a_point_on_the_kink_a_flat_point_and_an_edge_are_said():
    at = answer(Question(function="exp_relu", x=0.0))
    assert any("exactly on a relu's kink" in n for n in at.notes)
    assert any("slope gᵀv is 0" in n for n in at.notes)
    assert np.all(at.slope.by_step["complex_step"] == 0)
    e = at.slope                               # right of the kink 1, both sides 1/2
    wide = (e.h > 1e-8) & (e.h < 1e-4)
    assert e.by_step["forward_difference"][wide] == pytest.approx(1, abs=1e-4)
    assert e.by_step["finite_difference"][wide] == pytest.approx(0.5, abs=1e-4)
    flat = answer(Question(function="rosenbrock", x=1.0, y=1.0))
    assert not flat.slope.relative
    assert flat.product.relative
    assert any("slope gᵀv is 0" in n for n in flat.notes)
    edge = answer(Question(function="squire_trapp", x=2.3))
    assert any("leaves the region" in n for n in edge.notes)
    assert np.isnan(edge.slope.by_step["finite_difference"][0])
    assert np.isfinite(edge.slope.by_step["complex_step"]).all()


@pytest.mark.parametrize(("question", "words"), [
    (Question(length=0.0), "The direction v is 0: there is nowhere to step"),
    (Question(length=1e-46, precision="float32"), "The direction v is 0 in float32"),
    (Question(function="squire_trapp", x=-3.0), "The function has no value at x = -3")])
def test_what_cannot_be_differentiated_is_said(question, words):
    with pytest.raises(SpecError, match=words):
        answer(question)


@pytest.mark.parametrize("decades", [16, 30, 48, 320])
def test_steps_are_even_and_end_where_asked(decades):
    h = steps(decades)
    assert h[0] == 0.1
    assert -np.log10(h[-1]) == pytest.approx(decades, rel=1e-6)
    assert len(h) <= max(d.MOST_STEPS, decades)
    assert np.allclose(np.diff(-np.log10(h)), -np.log10(h[1]) - 1, atol=1e-4)


# --- costs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_costs_are_measured_in_turns_for_every_kind_of_the_runs(precision):
    c = costs("tanh", "bce", precision, budget=0.0)
    assert c.kinds[0] == "gradient"
    assert set(hv.KINDS) <= set(c.kinds)
    assert ("complex_step_denormal" in c.kinds) == (precision == "float32")
    assert c.seconds.shape == (3, len(c.kinds))
    assert (c.seconds > 0).all()
    assert c.ratios.shape == (3, len(c.kinds))
    assert c.ratios[1, 0] == 1
    assert (np.diff(c.ratios, axis=0) >= 0).all()
    assert c.units.tolist() == [3] + [6] * (len(c.kinds) - 1)
