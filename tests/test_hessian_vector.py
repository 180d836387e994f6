"""All five ways to multiply the Hessian by a vector agree, as far as each can."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from qnviz.curvature.hessian_vector import KINDS, complex_step, finite_difference
from qnviz.curvature.oracle import Oracle, dense
from tests.helpers import (
    NETS,
    assert_close,
    first_batch,
    net,
    normal,
    plain_gauss_newton,
    plain_hessian,
    rosenbrock,
)

R = 3
EXACT = sorted(set(KINDS) - {"finite_difference"})
CASES = [pytest.param(lambda dtype, a=a, l=l: net(a, l, dtype=dtype), id=f"{a}-{l}")
         for a, l in NETS]
CASES += [pytest.param(lambda dtype, s=s: rosenbrock(s, dtype), id=f"rosenbrock-{s}")
          for s in (0.0, 3.0)]


@pytest.fixture(params=CASES)
def case(request):
    problem = request.param(torch.float64)
    batch = first_batch(problem, R)
    theta = problem.start(0, torch.arange(R))
    H = torch.stack([plain_hessian(problem, theta[r], batch, r) for r in range(R)])
    v = normal(5, R, problem.size)
    return problem, problem.forward(theta, batch), v, torch.einsum("rpq,rq->rp", H, v), H


@pytest.mark.parametrize("kind", EXACT)
def test_exact_kinds_equal_the_dense_hessian_by_autograd(case, kind):
    problem, tape, v, Hv, _ = case
    assert_close(KINDS[kind](problem, tape, v), Hv, 1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_needs_gradients_to_be_on(case, kind):
    problem, tape, v, Hv, _ = case
    with torch.no_grad():
        assert_close(KINDS[kind](problem, tape, v), Hv, 1e-5)   # finite differences are coarsest


def test_finite_differences_lose_digits_but_not_all(case):
    problem, tape, v, Hv, _ = case
    assert_close(finite_difference(problem, tape, v), Hv, 1e-5)


@pytest.mark.parametrize("make", [
    pytest.param(lambda: net("tanh", "bce"), id="tanh-bce"),
    pytest.param(rosenbrock, id="rosenbrock")])
def test_finite_differences_have_a_v_where_the_complex_step_has_a_floor(make):
    problem = make()
    batch, theta = problem.reference(), problem.start(0, torch.arange(1))
    tape, v = problem.forward(theta, batch), normal(5, 1, problem.size)
    Hv = plain_hessian(problem, theta[0], batch, 0) @ v[0]

    def error(kind, h):
        return ((kind(problem, tape, v, h)[0] - Hv).norm() / Hv.norm()).item()

    steps = [10.0**-k for k in range(0, 16)]
    finite = [error(finite_difference, h) for h in steps]
    assert min(finite) > 1e-13                  # never at rounding level: something is subtracted
    assert min(finite) < 1e-8
    assert finite[-1] > 1e3 * min(finite)       # right arm of the V: cancellation
    assert finite[0] > 1e3 * min(finite)        # left arm: truncation
    assert all(error(complex_step, 10.0**-k) < 1e-13 for k in range(9, 100, 10))
    assert error(complex_step, 1e-1) > 1e-5     # O(h²) while h² is seen


@pytest.mark.parametrize("kind", EXACT)
@pytest.mark.parametrize("make", CASES)
def test_float32_is_accurate_to_its_rounding(make, kind):
    problem = make(torch.float32)
    precise = make(torch.float64)
    batch, theta = first_batch(problem, R), problem.start(0, torch.arange(R))
    v = normal(5, R, problem.size).float()
    # the reference starts from the same rounded numbers
    wide = first_batch(precise, R)
    for name in ("x", "target", "xi"):
        setattr(wide, name, getattr(batch, name).double())
    H = torch.stack([plain_hessian(precise, theta[r].double(), wide, r) for r in range(R)])
    Hv = KINDS[kind](problem, problem.forward(theta, batch), v)
    assert Hv.dtype == torch.float32
    # 1.2e-7 rounding, over sums of some dozens of terms; Rosenbrock cancels one digit more
    assert_close(Hv.double(), torch.einsum("rpq,rq->rp", H, v.double()), 5e-6)


def test_dense_matrices_from_one_batched_pass(case):
    problem, tape, _, _, H = case
    assert_close(dense(problem, tape, "hessian"), H, 1e-12)
    G = torch.stack([plain_gauss_newton(problem, tape.theta[r], tape.batch, r) for r in range(R)])
    assert_close(dense(problem, tape, "gauss_newton"), G, 1e-12)
    assert torch.equal(dense(problem, tape, "hessian"), dense(problem, tape, "hessian").mT)


def test_dense_leaves_the_tape_of_a_fresh_forward_usable(case):
    problem, tape, _, _, H = case
    fresh = problem.forward(tape.theta, tape.batch)
    assert_close(dense(problem, fresh, "hessian"), H, 1e-12)
    assert_close(problem.join(problem.gradient(fresh)), problem.join(problem.gradient(tape)), 0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_product_costs_six_units_whatever_its_kind(kind):
    problem = rosenbrock()
    oracle = Oracle(problem, problem.reference(), R)
    tape = oracle.forward(problem.start(0, torch.arange(R)))
    oracle.hessian_vector(tape, normal(1, R, 2), kind, torch.tensor([True, False, True]))
    assert oracle.work.tolist() == [7, 1, 7]


def test_threads_do_not_disturb_each_other():
    """A server's visitors are threads: all kinds at once give what each gives alone."""
    problem = net("tanh", "bce")
    tape = problem.forward(problem.start(0, torch.arange(R)), first_batch(problem, R))
    problem.gradient(tape)
    v = normal(5, R, problem.size)
    alone = {kind: product(problem, tape, v) for kind, product in KINDS.items()}
    asked = [kind for kind in KINDS for _ in range(8)]
    with ThreadPoolExecutor(len(asked)) as threads:
        found = list(threads.map(lambda kind: [KINDS[kind](problem, tape, v) for _ in range(20)],
                                 asked))
    for kind, products in zip(asked, found, strict=True):
        assert all(torch.equal(p, alone[kind]) for p in products), kind
