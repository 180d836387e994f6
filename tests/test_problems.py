"""The calculus written by hand equals what autograd makes of a plain forward, run by run."""

import pytest
import torch

from qnviz.curvature.hessian_vector import COMPLEX_STEP
from qnviz.curvature.oracle import dense
from qnviz.problems import philox
from qnviz.problems.activations import ACTIVATIONS
from qnviz.problems.losses import LOSSES
from qnviz.problems.registry import PROBLEMS
from qnviz.problems.rosenbrock import Rosenbrock
from qnviz.problems.tape import Tape
from tests.helpers import (
    CPU,
    F64,
    NETS,
    PLAIN_ACTIVATIONS,
    PLAIN_LOSSES,
    assert_close,
    first_batch,
    net,
    normal,
    plain_gauss_newton,
    plain_gradient,
    plain_hessian,
    plain_jacobian,
    plain_layers,
    plain_loss,
    plain_output_hessian,
    rosenbrock,
)

R = 4
CASES = [pytest.param(lambda a=a, l=l, m=m: net(a, l, minibatch=m),
                      id=f"{a}-{l}-{'minibatch' if m else 'full'}")
         for a, l in NETS for m in (0, 5)]
CASES += [pytest.param(lambda s=s: rosenbrock(s), id=f"rosenbrock-{s}") for s in (0.0, 1.0, 3.0)]
CASES += [pytest.param(lambda: rosenbrock(3.0, noise_in="function"), id="rosenbrock-in-f")]


@pytest.fixture(params=CASES)
def case(request):
    """A problem, a batch and four runs at different points."""
    problem = request.param()
    batch = first_batch(problem, R, step=3)
    return problem, batch, problem.start(0, torch.arange(R))


def each(theta, one):
    """The plain version, for each run on its own."""
    return torch.stack([one(theta[r], r) for r in range(R)])


def test_forward(case):
    problem, batch, theta = case
    tape = problem.forward(theta, batch)
    assert_close(tape.f, each(theta, lambda t, r: plain_loss(problem, t, batch, r)), 1e-13)
    assert_close(tape.u, each(theta, lambda t, r: plain_layers(problem, t, batch, r)[2]), 1e-13)
    for l in range(len(problem.layers)):
        for seen, which in ((tape.a[l], 0), (tape.h[l], 1)):
            assert_close(seen.expand(R, -1, -1),
                  each(theta, lambda t, r, w=which, l=l: plain_layers(problem, t, batch, r)[w][l]),
                  1e-13)


def test_gradient(case):
    problem, batch, theta = case
    g = problem.join(problem.gradient(problem.forward(theta, batch)))
    assert_close(g, each(theta, lambda t, r: plain_gradient(problem, t, batch, r)), 1e-12)


def test_gradients_in_the_preactivations_average_to_the_weights_gradient(case):
    problem, batch, theta = case
    tape = problem.forward(theta, batch)
    blocks = problem.gradient(tape)
    for g, a, block in zip(tape.g, tape.a, blocks, strict=True):
        by_sample = torch.einsum("rno,rni->roi", g, a.expand(R, -1, -1)) / g.shape[1]
        assert_close(block, by_sample, 1e-13)


def test_jacobian_products(case):
    problem, batch, theta = case
    tape = problem.forward(theta, batch)
    v, w = normal(5, R, problem.size), normal(6, *tape.u.shape)
    J = each(theta, lambda t, r: plain_jacobian(problem, t, batch, r))       # (R, N, out, P)
    assert_close(problem.jvp(tape, v), torch.einsum("rnop,rp->rno", J, v), 1e-12)
    assert_close(problem.vjp(tape, w), torch.einsum("rnop,rno->rp", J, w) / J.shape[1], 1e-12)


def test_curvature_products(case):
    problem, batch, theta = case
    tape = problem.forward(theta, batch)
    v = normal(5, R, problem.size)
    G = each(theta, lambda t, r: plain_gauss_newton(problem, t, batch, r))
    H = each(theta, lambda t, r: plain_hessian(problem, t, batch, r))
    assert_close(problem.gauss_newton_vector(tape, v), torch.einsum("rpq,rq->rp", G, v), 1e-12)
    assert_close(problem.hessian_vector(tape, v), torch.einsum("rpq,rq->rp", H, v), 1e-12)


def test_a_complex_step_carries_the_directional_derivative(case):
    problem, batch, theta = case
    v, h = normal(7, R, problem.size), 1e-20
    real, tape = problem.forward(theta, batch), problem.forward(torch.complex(theta, h * v), batch)
    g = each(theta, lambda t, r: plain_gradient(problem, t, batch, r))
    assert_close(tape.f.imag / h, (g * v).sum(1), 1e-12)
    J = each(theta, lambda t, r: plain_jacobian(problem, t, batch, r))
    assert_close(tape.u.imag / h, torch.einsum("rnop,rp->rno", J, v), 1e-12)
    # h² = 1e-40 is below rounding, so the real parts are those of the real pass
    assert_close(tape.f.real, real.f, 1e-14)
    assert_close(problem.join(problem.gradient(tape)).real,
                 problem.join(problem.gradient(real)), 1e-14)


def test_a_repeated_tape_is_the_tape_of_repeated_runs(case):
    problem, batch, theta = case
    tape = problem.forward(theta, batch)
    problem.gradient(tape)
    many = tape.repeat(3)
    again = torch.arange(R).repeat_interleave(3)
    assert_close(many.f, tape.f[again], 0)
    v = normal(8, 3 * R, problem.size)
    slow = problem.forward(theta[again], batch.take(again))
    assert isinstance(many, Tape)
    assert_close(problem.hessian_vector(many, v), problem.hessian_vector(slow, v), 1e-13)
    assert_close(many.g[0], tape.g[0][again], 0)


def test_a_batch_of_chosen_runs_is_their_part_of_the_batch(case):
    problem, batch, theta = case
    index = torch.tensor([2, 0])
    assert_close(problem.forward(theta[index], batch.take(index)).f,
          problem.forward(theta, batch).f[index], 1e-15)
    assert batch.take(index).runs.tolist() == [2, 0]


def test_split_and_join_are_inverse(case):
    problem, _, theta = case
    assert torch.equal(problem.join(problem.split(theta)), theta)
    assert problem.size == theta.shape[1] == sum(layer.size for layer in problem.layers)


def slope_of(act, h, a):
    return act.times_slope(torch.ones_like(h), h, a)


def curve_of(act, h, a):
    return torch.zeros_like(h) if act.curve is None else act.curve(h, a)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_derivatives(name):
    act, h = ACTIVATIONS[name], torch.linspace(-50, 50, 1001, dtype=F64) + 1e-3
    leaf = h.clone().requires_grad_()
    value = PLAIN_ACTIVATIONS[name](leaf)
    slope, = torch.autograd.grad(value.sum(), leaf, create_graph=True)
    # relu and the identity are linear: autograd has no graph to differentiate again
    curve = (torch.autograd.grad(slope.sum(), leaf)[0] if slope.requires_grad
             else torch.zeros_like(h))
    a = act.value(h)
    w = normal(4, len(h))
    assert_close(act.times_slope(w, h, a), w * slope_of(act, h, a), 1e-15)
    assert torch.equal(act.into(h, out=torch.full_like(h, torch.nan)), a)
    for seen, expected in ((a, value), (slope_of(act, h, a), slope), (curve_of(act, h, a), curve)):
        # 1 − a² cancels where |a| is near 1: absolute rounding
        torch.testing.assert_close(seen, expected.detach(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_holomorphic_and_do_not_overflow(name, dtype):
    act, step = ACTIVATIONS[name], COMPLEX_STEP[dtype]
    h = torch.linspace(-800, 800, 16001, dtype=dtype) + 1e-3
    z = act.value(torch.complex(h, torch.full_like(h, step)))
    a = act.value(h)
    assert torch.isfinite(torch.view_as_real(z)).all()
    assert torch.isfinite(slope_of(act, h, a)).all()
    assert torch.isfinite(curve_of(act, h, a)).all()
    eps = 8 * torch.finfo(dtype).eps
    torch.testing.assert_close(z.real, a, rtol=eps, atol=eps)
    torch.testing.assert_close(z.imag / step, slope_of(act, h, a), rtol=eps, atol=eps)
    there = torch.complex(h, torch.full_like(h, step))
    complex_slope = act.times_slope(torch.ones_like(z), there, z)
    torch.testing.assert_close(complex_slope.real, slope_of(act, h, a), rtol=eps, atol=eps)


@pytest.mark.parametrize("name", LOSSES)
def test_loss_derivatives_in_the_output(name):
    problem = net("tanh", name)
    u, t = 3 * normal(1, 2, 6, 4), torch.sigmoid(normal(2, 2, 6, 4))
    leaf = u.clone().requires_grad_()
    value = PLAIN_LOSSES[name](leaf, t)
    g, = torch.autograd.grad(value.sum(), leaf)
    v = normal(3, *u.shape)
    assert_close(LOSSES[name].value(u, t), value.detach(), 1e-14)
    assert_close(LOSSES[name].gradient(u, t), g, 1e-14)
    assert_close(LOSSES[name].hessian(u) * v, plain_output_hessian(problem, u, t) * v, 1e-14)


@pytest.mark.parametrize("name", LOSSES)
def test_squares_says_what_multiple_of_the_squared_norm_a_loss_is(name):
    u, t = normal(1, 2, 6, 4), torch.sigmoid(normal(2, 2, 6, 4))
    c = LOSSES[name].squares
    norms = (u - t).square().sum(-1)
    value = LOSSES[name].value(u, t)
    assert torch.allclose(value, (c or 1.0) * norms) == (c is not None)


@pytest.mark.parametrize("make", [
    *(pytest.param(lambda l=l: net("tanh", l, samples=2), id=l) for l in LOSSES),
    pytest.param(lambda: rosenbrock(3.0), id="rosenbrock")])
def test_sampled_gradients_have_the_gauss_newton_matrix_as_second_moment(make):
    # E[∇∇ᵀ] over targets drawn from the model is the Fisher matrix; for these losses it is Jᵀ H_u J
    problem, many = make(), 10_000
    batch = first_batch(problem, many)
    one = problem.start(0, torch.arange(1))
    batch.xi = batch.xi[:1]                               # the same function in every run
    tape = problem.forward(one.expand(many, -1), batch)
    g = problem.sampled_gradient(tape)
    N = tape.u.shape[1]
    per_sample = torch.cat([torch.einsum("rno,rni->rnoi", g_l, a_l.expand(many, -1, -1)).flatten(2)
                            for g_l, a_l in zip(g, tape.a, strict=True)], -1)     # (R, N, P)
    moments = torch.einsum("rnp,rnq->rpq", per_sample, per_sample) / N
    G = plain_gauss_newton(problem, one[0], batch, 0)
    error = (moments.mean(0) - G).abs()
    standard = moments.std(0) / many**0.5
    # 6 standard errors: P² entries are compared, and the draws are fixed by the seed
    assert (error <= 6 * standard + 1e-12 * G.abs().max()).all()
    assert standard.max() < 0.05 * G.abs().max()          # sharp enough to mean something


def test_sampled_gradients_change_with_step_and_run():
    problem = net("tanh", "mse")
    runs = torch.arange(2)
    theta = problem.start(0, runs)[:1].expand(2, -1)
    draws = [problem.sampled_gradient(problem.forward(theta, batch))[-1]
             for batch in problem.batches(0, 2, 0, runs)]
    flat = torch.stack(draws).flatten()
    assert len(flat.unique()) == flat.numel()


# --- Rosenbrock -----------------------------------------------------------------------------------

def test_rosenbrock_by_formula():
    problem, theta = rosenbrock(), normal(3, 50, 2)
    tape = problem.forward(theta, problem.reference())
    x, y = theta.unbind(1)
    assert_close(tape.f, 100 * (y - x**2)**2 + (1 - x)**2, 1e-14)
    assert_close(problem.join(problem.gradient(tape)), torch.stack(
        [-400 * x * (y - x**2) - 2 * (1 - x), 200 * (y - x**2)], 1), 1e-14)


def test_rosenbrocks_minimum_is_0_at_1_1():
    problem = rosenbrock()
    tape = problem.forward(torch.tensor([Rosenbrock().minimiser], dtype=F64), problem.reference())
    assert tape.f.item() == 0
    assert problem.join(problem.gradient(tape)).abs().max() == 0
    H = plain_hessian(problem, tape.theta[0], problem.reference(), 0)
    assert torch.linalg.eigvalsh(H).min() > 0


@pytest.mark.parametrize("noise", [1.0, 2.5])
def test_rosenbrocks_noise_is_uniform_up_to_s_and_new_at_each_step(noise):
    problem, runs = rosenbrock(noise), torch.arange(50)
    eps = torch.stack([b.xi for b in problem.batches(0, 200, 4, runs)]).flatten()
    assert 0 <= eps.min() < 0.01 * noise
    assert 0.99 * noise < eps.max() < noise
    assert eps.mean().item() == pytest.approx(noise / 2, rel=0.03)
    assert len(eps.unique()) == eps.numel()


def test_rosenbrocks_fresh_noise_is_uniform_and_new_in_each_iteration_of_a_step():
    problem, runs = rosenbrock(2.5), torch.arange(50)
    batches = list(problem.batches(0, 8, 4, runs))
    eps = torch.stack([problem.fresh(b, j).xi for b in batches for j in range(1, 30)])
    every = torch.cat([eps.flatten(), *[b.xi.flatten() for b in batches]])
    assert len(every.unique()) == every.numel()
    assert 0 <= eps.min() < 0.01
    assert 2.49 < eps.max() < 2.5
    assert eps.mean().item() == pytest.approx(1.25, rel=0.03)
    alone = next(iter(problem.batches(3, 1, 4, runs[7:8])))
    assert torch.equal(problem.fresh(alone, 11).xi[0], problem.fresh(batches[3], 11).xi[7])
    still = rosenbrock()
    batch = first_batch(still, 2)
    assert still.fresh(batch, 1) is batch


@pytest.mark.parametrize(("noise_in", "power"), [("residual", 2), ("function", 1)])
def test_noise_stands_in_the_residual_or_in_front_of_the_term(noise_in, power):
    """f, ∇f, the Hessian and the Gauss-Newton matrix by autograd, from the same drawn ε."""
    problem, runs = rosenbrock(3.0, noise_in=noise_in), torch.arange(6)
    eps = 3.0 * philox.uniform(0, philox.NOISE, runs, torch.tensor([5]), 1)[0, :, 0]
    batch, theta = first_batch(problem, 6, step=5), normal(3, 6, 2)
    tape = problem.forward(theta, batch)

    def residuals(w, e):
        return torch.stack([10 * e ** (power / 2) * (w[1] - w[0] ** 2), 1 - w[0]])

    def f(w, e):
        return 100 * e**power * (w[1] - w[0] ** 2) ** 2 + (1 - w[0]) ** 2

    gradient = problem.join(problem.gradient(tape))
    hessian, gauss_newton = dense(problem, tape, "hessian"), dense(problem, tape, "gauss_newton")
    for r, (w, e) in enumerate(zip(theta, eps, strict=True)):
        assert_close(tape.f[r], f(w, e), 1e-14)
        assert_close(tape.u[r, 0], residuals(w, e), 1e-14)
        assert_close(gradient[r], torch.func.grad(f)(w, e), 1e-13)
        assert_close(hessian[r], torch.func.hessian(f)(w, e), 1e-13)
        J = torch.func.jacrev(residuals)(w, e)
        assert_close(gauss_newton[r], 2 * J.mT @ J, 1e-13)
    again = 3.0 * philox.uniform(0, philox.NOISE, runs, torch.tensor([5]), 1, 2)[0, :, 0]
    assert_close(problem.forward(theta, problem.fresh(batch, 2)).f, f(theta.mT, again), 1e-14)
    clean = problem.forward(theta, problem.reference())
    assert_close(clean.f, f(theta.mT, torch.ones(6, dtype=F64)), 1e-14)


def test_the_formula_says_where_the_noise_stands():
    told = {n: Rosenbrock(noise=3.0, noise_in=n).formula for n in ("residual", "function")}
    assert r"\big(10\,\varepsilon\," in told["residual"]
    assert r"100\,\varepsilon\,(x_2 - x_1^2)^2" in told["function"]
    assert all(r"U[0, 3]" in text for text in told.values())
    assert Rosenbrock(noise_in="function").formula == Rosenbrock.equation


def test_the_same_batches_come_in_any_chunks():
    problem, runs = rosenbrock(3.0), torch.arange(5)
    whole = [b.xi for b in problem.batches(0, 9, 4, runs)]
    parts = [b.xi for first, count in ((0, 2), (2, 6), (8, 1))
             for b in problem.batches(first, count, 4, runs)]
    assert all(torch.equal(a, b) for a, b in zip(whole, parts, strict=True))


def test_start_noise_is_normal_about_the_start_and_the_same_for_every_noise():
    runs = torch.arange(20_000)
    theta = Rosenbrock(start=(0.5, -2.0), start_noise=0.3).build(F64, CPU).start(9, runs)
    assert theta.mean(0).tolist() == pytest.approx([0.5, -2.0], abs=4 * 0.3 / 20_000**0.5)
    assert theta.std(0).tolist() == pytest.approx([0.3, 0.3], rel=0.02)
    noisy = Rosenbrock(start=(0.5, -2.0), start_noise=0.3, noise=3.0).build(F64, CPU)
    assert torch.equal(noisy.start(9, runs), theta)
    still = Rosenbrock(start=(0.5, -2.0)).build(F64, CPU).start(9, runs)
    assert torch.equal(still, torch.tensor([[0.5, -2.0]], dtype=F64).expand(20_000, 2))


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_problem_says_what_it_is(name):
    spec = PROBLEMS[name]()
    problem = spec.build(F64, CPU)
    assert problem.size == spec.size
    assert problem.start(0, torch.arange(3)).shape == (3, spec.size)
    assert spec.deterministic == all(b.full for b in problem.batches(0, 2, 0, torch.arange(1)))
    assert all(len(text) > 10 for text in (spec.summary, spec.reference, spec.equation))
    if spec.plane:
        (x0, x1), (y0, y1) = spec.window
        x, y = spec.minimiser
        assert x0 < x < x1
        assert y0 < y < y1
    f = problem.forward(problem.start(0, torch.arange(3)), problem.reference()).f
    assert torch.isfinite(f).all()


@pytest.mark.parametrize("corner", [(-10, -10), (10, 10), (-1.2, 1.0), (3, -2)])
def test_the_window_holds_start_and_minimiser(corner):
    spec = Rosenbrock(start=corner)
    (x0, x1), (y0, y1) = spec.window
    for x, y in (corner, spec.minimiser):
        assert x0 < x < x1
        assert y0 < y < y1
