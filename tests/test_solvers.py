"""Solvers reach the minimum."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from qnviz.curvature.krylov import Reason
from qnviz.methods.bfgs import BFGS
from qnviz.methods.lbfgs import LBFGS
from qnviz.methods.levenberg_marquardt import LevenbergMarquardt
from qnviz.methods.newton import Newton
from qnviz.methods.newton_krylov import NewtonKrylov
from qnviz.methods.registry import METHODS
from qnviz.problems.autoencoder import Autoencoder
from qnviz.problems.linear_net import LinearNet
from qnviz.problems.typed import CLASSICS, Function
from qnviz.runs.loop import run
from qnviz.runs.spec import parse
from tests.helpers import (
    CPU,
    F64,
    Net,
    assert_close,
    drive,
    first_batch,
    normal,
    plain_gauss_newton,
    plain_gradient,
    plain_hessian,
    plain_loss,
    rosenbrock,
)

# --- solvers reach the minimum --------------------------------------------------------------------

STARTS = torch.tensor([[-1.2, 1.0], [-0.25, -0.25], [0.0, 0.0], [2.0, -1.0], [-2.0, 2.0],
                       [1.5, 2.5]], dtype=F64)


def started_at(points, problem=None):
    problem = problem or rosenbrock()
    problem.start = lambda seed, runs: points[runs].clone()
    return problem


def first_small_gradient(path, problem, below):
    """The step at which each run's gradient is first that small; T where never."""
    T, R, P = path.theta.shape
    g = problem.join(problem.gradient(problem.forward(path.theta.reshape(-1, P),
                                                      problem.reference())))
    small = g.norm(dim=1).view(T, R) < below
    return torch.where(small.any(0), small.int().argmax(0), T)


@pytest.mark.parametrize("method", [
    BFGS(), LBFGS(), LBFGS(memory=3), Newton(), LevenbergMarquardt(),
    LevenbergMarquardt(scaling="diagonal"), NewtonKrylov(), NewtonKrylov(forcing="superlinear")],
    ids=lambda m: m.name)
def test_solvers_reach_scipys_minimum_from_every_start(method):
    problem = started_at(STARTS)
    # Newton-Krylov's steps are short along the bent valley from (−2, 2); the others need 50
    steps = 300 if isinstance(method, NewtonKrylov) else 80
    path = drive(method, problem, len(STARTS), steps)
    assert (first_small_gradient(path, problem, 1e-8) <= steps).all()
    for r, start in enumerate(STARTS):
        theirs = minimize(lambda x, r=r: plain_loss(problem, torch.tensor(x), problem.reference(),
                                                    r).item(),
                          start.numpy(), method="BFGS", options={"gtol": 1e-7},
                          jac=lambda x, r=r: plain_gradient(problem, torch.tensor(x),
                                                            problem.reference(), r).numpy())
        # ‖x − x*‖ ≤ ‖g‖/λ_min, with λ_min = 0.4 at the minimum
        assert_close(path.theta[-1, r], torch.tensor(theirs.x), 1e-6)
        assert_close(path.theta[-1, r], torch.ones(2, dtype=F64), 1e-7)


@pytest.mark.parametrize("name", METHODS)
def test_second_order_methods_solve_logistic_regression(name, available):
    problem = Net((4, 2), "identity", "bce", samples=30)
    method = METHODS[name]()
    if method.family not in ("Newton", "quasi-Newton", "outside") or name in ("kfac", "kbfgs",
                                                                             "kbfgs_l"):
        pytest.skip("its fixed step size makes no such promise")
    available(method, problem, None)
    path = drive(method, problem, 5, 200)
    assert (first_small_gradient(path, problem, 1e-4) <= 200).all()


def test_newton_krylov_solves_every_random_start():
    starts = 4 * torch.rand(200, 2, generator=torch.Generator().manual_seed(5), dtype=F64) - 2
    problem = started_at(starts)
    steps = first_small_gradient(drive(NewtonKrylov(), problem, 200, 250), problem, 1e-6).double()
    assert (steps <= 250).all()
    assert 12 < steps.mean() < 36                    # 24 was measured by another program


def test_newton_krylov_accepts_only_what_its_rule_allows():
    problem, method = rosenbrock(3.0), NewtonKrylov()
    path = drive(method, problem, 30, 12)
    a, error = path.event("step_size"), path.event("taylor_error")
    trials = [e["trial_step"] for e in path.events]
    taken = a > 0
    assert taken.float().mean() > 0.5
    assert (error[taken] <= method.tau).all()
    moved = (path.theta.diff(dim=0) != 0).any(-1)
    assert torch.equal(moved, taken)
    previous, bare = torch.ones(30, dtype=F64), [e["residual"].isnan().all(1) for e in path.events]
    for t, tried in enumerate(trials):
        assert_close(tried[:, 0], torch.clamp_max(2 * previous, 1), 0)
        for r in range(30):
            seen = tried[r][~tried[r].isnan()]
            assert_close(seen, seen[0] * 0.5**torch.arange(len(seen)), 0)
            assert not taken[t, r] or seen[-1] == a[t, r]
        previous = torch.where(taken[t] & ~bare[t], a[t], 1.0)     # −g's length says nothing
    losses, models = ([e[n] for e in path.events] for n in ("trial_loss", "trial_model"))
    batches = problem.batches(0, 12, 0, torch.arange(30))
    for t, batch in enumerate(batches):
        f = problem.forward(path.theta[t], batch).f
        err = (losses[t] - models[t]).abs() / (f[:, None] - models[t]).abs()
        for r in range(30):
            last = int((~trials[t][r].isnan()).sum()) - 1
            # the model is stored as f + change: its rounding is relative to f
            assert not taken[t, r] or err[r, last] == pytest.approx(error[t, r].item(), rel=1e-3,
                                                                    abs=1e-6)
            if taken[t, r]:
                assert losses[t][r, last] < f[r]


@pytest.mark.parametrize("derivative", sorted(
    set(NewtonKrylov.model_fields["derivative"].annotation.__args__)))
def test_newton_krylov_walks_the_same_path_with_every_exact_product(derivative):
    tolerance = 1e-4 if derivative == "finite_difference" else 1e-9       # what the products allow
    problem = rosenbrock(start_noise=0.1)
    assert_close(drive(NewtonKrylov(derivative=derivative), problem, 4, 8).theta,
          drive(NewtonKrylov(), problem, 4, 8).theta, tolerance)


def test_newton_krylovs_first_direction_solves_newtons_system():
    problem = started_at(torch.tensor([[1.1, 1.1], [0.9, 0.7]], dtype=F64))
    batch = first_batch(problem, 2)
    path = drive(NewtonKrylov(eta=1e-9), problem, 2, 1)
    assert (path.events[0]["krylov_reason"] == Reason.CONVERGED).all()
    for r in range(2):
        theta = path.theta[0, r]
        d = torch.linalg.solve(plain_hessian(problem, theta, batch, r),
                               -plain_gradient(problem, theta, batch, r))
        assert_close(path.theta[1, r] - theta, path.events[0]["step_size"][r] * d, 1e-8)


# --- a fresh batch for every product --------------------------------------------------------------

@pytest.mark.parametrize("solver", ["cg", "minres"])
@pytest.mark.parametrize("curvature", ["hessian", "gauss_newton"])
def test_fresh_batches_are_the_runs_own_and_their_passes_are_charged(curvature, solver):
    problem = rosenbrock(2.0)
    method = NewtonKrylov(krylov_batches="fresh", eta=1e-3, solver=solver, curvature=curvature)
    path = drive(method, problem, 6, 8)
    assert (path.event("krylov_iterations") > 1).any()
    for r in (0, 4):                                               # alone as in the batch
        alone = drive(method, problem, torch.tensor([r]), 8)
        assert_close(alone.theta[:, 0], path.theta[:, r], 1e-9)
    # forward and gradient; per product its own forward, and for H v a backward pass; the trials
    per_product = 1 + (2 + 6 if curvature == "hessian" else 3)
    for e, work in zip(path.events, path.work, strict=True):
        tried = (~e["trial_step"].isnan()).sum(1)
        assert torch.equal(work, 3.0 + per_product * e["krylov_iterations"] + tried)


def test_without_noise_fresh_batches_are_the_same():
    problem = rosenbrock()
    paths = [drive(NewtonKrylov(krylov_batches=b), problem, 4, 8) for b in ("same", "fresh")]
    assert torch.equal(paths[0].theta, paths[1].theta)
    assert all(torch.equal(a, b) for a, b in zip(paths[0].work, paths[1].work, strict=True))


def test_every_fresh_product_is_of_another_function():
    """The curvature that a first iteration sees is that of the first fresh ε, not of the step's."""
    problem = rosenbrock(2.0)
    path = drive(NewtonKrylov(krylov_batches="fresh", budget=1), problem, 5, 3)
    for k, batch in enumerate(problem.batches(0, 3, 0, torch.arange(5))):
        fresh = problem.fresh(batch, 1)
        for r in range(5):
            theta = path.theta[k, r]
            g = plain_gradient(problem, theta, batch, r)
            H = plain_hessian(problem, theta, fresh, r)
            seen = path.events[k]["rayleigh"][r, 0].item()
            assert seen == pytest.approx(float(g @ H @ g / (g @ g)), rel=1e-9)


# --- at a minimum that is reached to rounding -----------------------------------------------------

ROUNDED = ("3*(cos(x) + cos(y))", "x^4 - 5000*x^2 + y^2", "2 + cosh(x - 0.3) + cosh(3*x + y)",
           "10 + sin(x) + sin(x + y)^2 + 0.1*x^2 + 0.2*y^2", "1000 + exp(x) - x + y^2 - 2*y")


@pytest.mark.parametrize("name", ["newton_krylov", "newton", "bfgs", "lbfgs"])
@pytest.mark.parametrize("text", ROUNDED)
def test_at_a_minimum_reached_to_rounding_the_words_say_so(text, name):
    trace = run(parse({"problem": {"name": "function", "f": text, "start": [1.0, 0.8]},
                       "methods": [{"name": name}], "steps": 60, "stop_grad": None,
                       "stop_loss": None}))
    c = trace[name]
    stays = np.flatnonzero(c["step_size"][:, 0] == 0)
    assert len(stays) or name != "newton_krylov"
    for k in stays:
        said = trace.words[name][k].lower()
        assert ("at this precision" in said) or ("∇f = 0" in said)
        assert "every step size" not in said
        assert c["loss"][k, 0] - c["loss"][:, 0].min() <= 1e-13 * (1 + abs(c["loss"][k, 0]))


def test_a_step_that_is_refused_for_its_model_is_not_called_rounding():
    # a Taylor error no step can meet, as τ is far below what curvature of third order leaves
    trace = run(parse({"problem": {"name": "function", "f": "exp(x) + y^2", "start": [1.0, 1.0]},
                       "methods": [{"name": "newton_krylov", "tau": 1e-300}], "steps": 2}))
    assert all("every step size was refused" in w for w in trace.words["newton_krylov"])


@pytest.mark.parametrize("lam", [0.0, 0.05])
@pytest.mark.parametrize("regularization", ["gradient", "fixed"])
def test_newtons_step_is_damped_newton_where_the_hessian_is_positive(regularization, lam):
    problem = started_at(torch.tensor([[1.1, 1.1], [0.9, 0.7]], dtype=F64))
    batch = first_batch(problem, 2)
    path = drive(Newton(lam=lam, regularization=regularization), problem, 2, 1)
    for r in range(2):
        theta = path.theta[0, r]
        g = plain_gradient(problem, theta, batch, r)
        shift = lam * g.norm() if regularization == "gradient" else lam
        H = plain_hessian(problem, theta, batch, r) + shift * torch.eye(2, dtype=F64)
        assert_close(path.theta[1, r] - theta,
                     path.events[0]["step_size"][r] * torch.linalg.solve(H, -g), 1e-10)
        assert path.events[0]["lam"][r].item() == pytest.approx(float(shift), rel=1e-12)


# their minimum is 0: losses near it are known to sixteen digits, errors down to rounding
ZERO_AT = {"rosenbrock": (rosenbrock, (1.0, 1.0), 1000.0), **{
    name: (lambda name=name: started_at(
        torch.tensor(CLASSICS[name].minimisers[0], dtype=F64) + 0.05 * normal(3, 6, 2),
        Function(f=CLASSICS[name].f).build(F64, CPU)), CLASSICS[name].minimisers[0], 100.0)
    for name in ("himmelblau", "beale")}}               # constants about 1 / λ_min


@pytest.mark.parametrize("method", [Newton(), Newton(lam=0.0), Newton(lam=0.1)],
                         ids=lambda m: str(m.lam))
@pytest.mark.parametrize("name", ZERO_AT)
def test_newtons_digits_double_down_to_rounding(name, method):
    make, minimiser, constant = ZERO_AT[name]
    errors = (drive(method, make(), 6, 60).theta - torch.tensor(minimiser, dtype=F64)).norm(dim=-1)
    for r in range(6):
        near = errors[int((errors[:, r] < 1e-2).int().argmax()):, r]
        assert near[0] > 1e-9                                  # there are digits left to double
        assert (near[1:] <= torch.clamp_min(constant * near[:-1]**2, 2e-15)).all()
        assert near[-1] < 2e-15


def test_with_a_fixed_damping_newtons_error_shrinks_by_one_factor():
    lam = 1e-3
    path = drive(Newton(lam=lam, regularization="fixed"), rosenbrock(), 6, 60)
    errors = (path.theta - 1).norm(dim=-1)
    low = plain_hessian(rosenbrock(), torch.ones(2, dtype=F64), rosenbrock().reference(), 0)
    factor = lam / (torch.linalg.eigvalsh(low)[0] + lam)
    for r in range(6):
        ratio = errors[1:, r] / errors[:-1, r]
        late = (errors[:-1, r] < 1e-7) & (errors[1:, r] > 1e-13)
        assert late.any()
        assert_close(ratio[late], factor.expand(int(late.sum())), 0.02)


def test_newton_is_quadratic_on_the_linear_net_whose_hessian_is_singular():
    problem = LinearNet(samples=60).build(F64, CPU)
    path = drive(Newton(), problem, 3, 60)
    f = torch.stack([problem.forward(theta, problem.reference()).f for theta in path.theta])
    for r in range(3):
        near = f[int((f[:, r] < 1e-9).int().argmax()):, r]
        assert near[0] > 1e-13
        assert (near[1:] <= torch.clamp_min(1e7 * near[:-1]**2, 1e-26)).all()
        assert near[-1] < 1e-26


@pytest.mark.parametrize("lam", [0.0, 1e-3, 1.0])
@pytest.mark.parametrize("power", [-70, -13, 14, 70])
def test_newton_walks_the_same_path_whatever_f_is_multiplied_by(lam, power):
    c = 2.0**(power // 2)
    for text in ("(x^2+y-11)^2+(x+y^2-7)^2", "x^4-2*x^2+y^2+x*y+3"):
        small, large = (Function(f=f, start=(1.3, -0.7), start_noise=1.0).build(F64, CPU)
                        for f in (text, f"{c!r}*({c!r}*({text}))"))
        a, b = (drive(Newton(lam=lam), p, 10, 12).theta for p in (small, large))
        assert (a[-1] - a[0]).norm() > 1
        assert_close(a, b, 1e-9)


@pytest.mark.parametrize("regularization", ["gradient", "fixed"])
@pytest.mark.parametrize("lam", [0.0, 1e-3])
def test_newton_without_curvature_goes_downhill(lam, regularization):
    problem = Function(f="3*x-4*y", start=(1, 1)).build(F64, CPU)
    path = drive(Newton(lam=lam, regularization=regularization), problem, 1, 1)
    step = path.theta[1, 0] - path.theta[0, 0]
    assert step.norm() > 0
    assert_close(step / step.norm(), torch.tensor([-0.6, 0.8], dtype=F64), 1e-12)


@pytest.mark.parametrize("scaling", ["identity", "diagonal"])
def test_levenberg_marquardt_solves_the_damped_normal_equations_and_gauges_its_gain(scaling):
    problem, method = rosenbrock(), LevenbergMarquardt(scaling=scaling, lam=0.01)
    path, batch = drive(method, problem, 6, 25), problem.reference()
    lam, gain = path.event("lam"), path.event("gain")
    taken, largest = 0, torch.zeros(6, 2, dtype=F64)
    for t in range(25):
        for r in range(6):
            theta = path.theta[t, r]
            g, G = plain_gradient(problem, theta, batch, r), plain_gauss_newton(
                problem, theta, batch, r)
            largest[r] = torch.maximum(largest[r], G.diagonal())
            if g.norm() < 1e-6:
                continue
            if t == 0:
                start = G.diagonal().max() if scaling == "identity" else 1.0
                assert lam[0, r].item() == pytest.approx(0.01 * float(start), rel=1e-12)
            D = torch.eye(2, dtype=F64) if scaling == "identity" else torch.diag(largest[r])
            d = torch.linalg.solve(G + lam[t, r] * D, -g)
            f, f_d = (plain_loss(problem, x, batch, r) for x in (theta, theta + d))
            rho = (f - f_d) / -(g @ d + 0.5 * d @ G @ d)
            assert gain[t, r].item() == pytest.approx(rho.item(), rel=1e-6)
            assert_close(path.theta[t + 1, r], theta + d if rho > 0 else theta, 1e-9)
            taken += int(rho > 0)
    assert taken > 20


# sums of squares, some with a column of J that is 0 or vanishes, and some with a minimum above 0
RESIDUALS = {
    "x-1;x-1": 0.0, "x-1;0*y": 0.0, "x^2+y-11;x+y^2-7": 0.0, "10*(y-x^2);1-x": 0.0,
    "x*y-1;x^2+y^2-4": 0.0, "exp(x)-1;x*y;y-2": None, "sin(x);cos(y)+2": 1.0,
    "1e6*x;y^2+1;x*y": 1.0, "exp(x+y);exp(-x-y);1": 3.0, "1e-8*x+1;y-2;x*y": None}


@pytest.mark.parametrize("scaling", ["identity", "diagonal"])
@pytest.mark.parametrize("f", RESIDUALS)
def test_levenberg_marquardt_rests_at_a_minimum_with_a_finite_damping(f, scaling):
    problem = Function(f=f, start=(1.3, -0.7), start_noise=1.0).build(F64, CPU)
    method = LevenbergMarquardt(scaling=scaling)
    path = drive(method, problem, 10, 400)
    lam, done = path.event("lam"), path.event("at_precision")
    assert done[-1].all()
    assert torch.isfinite(lam).all()
    assert lam.max() < 1e15
    still = done[:-1] & done[1:]
    assert torch.equal(path.theta[2:][still], path.theta[1:-1][still])
    assert torch.equal(lam[1:][still], lam[:-1][still])
    for r in range(10):
        tape = problem.forward(path.theta[-1, r:r + 1], problem.reference())
        if RESIDUALS[f] is not None:
            assert abs(tape.f.item() - RESIDUALS[f]) < 1e-12
        # nor does anybody else lower it
        better = minimize(lambda x: problem.forward(
            torch.tensor(x)[None], problem.reference()).f.item(), path.theta[-1, r].numpy(),
            method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 0, "maxfev": 200})
        assert better.fun >= tape.f.item() * (1 - 1e-9) - 1e-28
    words = [method.describe({name: a[r].item() for name, a in e.items()})
             for e in path.events for r in range(10)]
    assert not any(bad in w for w in words for bad in ("undefined", "∞"))
    assert words[-1].endswith("no step along d lowers f any more at this precision: W and λ stay.")


@pytest.mark.parametrize("scaling", ["identity", "diagonal"])
def test_levenberg_marquardt_says_truly_where_damping_goes(scaling):
    path = drive(LevenbergMarquardt(scaling=scaling), rosenbrock(), 20, 40)
    lam, then, gain, good = (path.event(n) for n in ("lam", "lam_next", "gain", "accepted"))
    assert torch.equal(lam[1:], then[:-1])             # here λ is never below what can be seen
    assert ((then < lam) == (good & (gain > 0.5)))[good].all()
    assert (then > lam)[good & (gain < 0.5)].any()     # a step is taken, and λ rises
    assert (then > lam)[~good & ~path.event("at_precision")].all()
    method = LevenbergMarquardt(scaling=scaling)
    for t, e in enumerate(path.events):
        words = method.describe({name: a[0].item() for name, a in e.items()})
        assert ("λ falls" in words) == bool(then[t, 0] < lam[t, 0])
        assert ("λ rises" in words) == bool(then[t, 0] > lam[t, 0])


@pytest.mark.parametrize("scaling", ["identity", "diagonal"])
def test_levenberg_marquardt_moves_where_some_pixels_are_always_0(scaling):
    spec = Autoencoder(widths=(64, 4, 2, 4, 64), activation="tanh", loss="mse", batch=None)
    problem = spec.build(F64, CPU)
    assert (problem.reference().x == 0).all(1).any()
    path = drive(LevenbergMarquardt(scaling=scaling), problem, 1, 2)
    f = [problem.forward(theta, problem.reference()).f.item() for theta in path.theta]
    assert f[2] <= f[1] < f[0] / 2


@pytest.mark.parametrize("scaling", ["identity", "diagonal"])
@pytest.mark.parametrize("power", [-35, -7, 9, 35])
def test_levenberg_marquardt_walks_the_same_path_whatever_f_is_multiplied_by(scaling, power):
    # residuals times a power of 2 round alike: f is multiplied by its square
    c = repr(2.0**power)
    small, large = (Function(f=f, start=(1.3, -0.7), start_noise=1.0).build(F64, CPU) for f in (
        "x^2+y-11;x+y^2-7;x-y-1", f"{c}*(x^2+y-11);{c}*(x+y^2-7);{c}*(x-y-1)"))
    a, b = (drive(LevenbergMarquardt(scaling=scaling), p, 10, 30).theta for p in (small, large))
    assert (a[-1] - a[0]).norm() > 1
    assert_close(a, b, 1e-12)


@pytest.mark.parametrize("power", [-20, 20])
def test_marquardts_scaling_makes_the_units_of_a_parameter_nothing(power):
    c = 2.0**power
    one, other = (Function(f=f).build(F64, CPU) for f in (
        "x^2+y-11;x+y^2-7", f"x^2+y*{c!r}-11;x+(y*{c!r})^2-7"))
    begin = torch.tensor([[1.0, 1.5]], dtype=F64)
    a = drive(LevenbergMarquardt(scaling="diagonal"), one, 1, 12, start=begin).theta
    unit = torch.tensor([1.0, c], dtype=F64)
    b = drive(LevenbergMarquardt(scaling="diagonal"), other, 1, 12, start=begin / unit).theta
    assert_close(a, b * unit, 1e-9)
