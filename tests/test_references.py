"""K-BFGS, KFAC and CurveBall against dense references that are plainly right, and their facts."""

import pytest
import torch

from qnviz.methods.curveball import CurveBall
from qnviz.methods.kbfgs import KBFGS
from qnviz.methods.kbfgs_l import KBFGSL
from qnviz.methods.kfac import KFAC
from qnviz.methods.sgd import SGD
from qnviz.problems import philox
from qnviz.problems.autoencoder import Autoencoder
from tests.helpers import (
    CPU,
    F64,
    PLAIN_LOSSES,
    TINY,
    Net,
    assert_close,
    drive,
    net,
    plain_backward,
    plain_gauss_newton,
    plain_gradient,
    plain_hessian,
    plain_jacobian,
    plain_layers,
    plain_loss,
    rosenbrock,
    samples_of,
)

# --- against dense references -------------------------------------------------------------------

def blocks(problem, theta):
    """W_l of one run."""
    parts, at = [], 0
    for layer in problem.layers:
        parts.append(theta[at:at + layer.size].reshape(layer.shape))
        at += layer.size
    return parts


def flat(parts):
    return torch.cat([x.reshape(-1) for x in parts])


def moment(a):
    return sum(torch.outer(x, x) for x in a) / len(a)


def dd(s, y, H, mu1, mu2, damping):
    """Double damping of one pair, MATH §2 word by word."""
    yHy, sy = y @ H @ y, s @ y
    if not (s @ s > 0 and yHy > 0):
        return s, y
    if damping in ("double", "powell") and sy < mu1 * yHy:
        t = (1 - mu1) * yHy / (yHy - sy)
        s = t * s + (1 - t) * (H @ y)
    if damping == "double" and s @ y < mu2 * (s @ s):
        t = (1 - mu2) * (s @ s) / (s @ s - s @ y)
        y = t * y + (1 - t) * s
    return s, y


def refused(s, y, scale):
    sy, ss = s @ y, s @ s
    return not (torch.isfinite(sy) and torch.isfinite(ss) and sy > 0 and sy > 1e-4 * ss * scale)


def bfgs(H, s, y):
    rho, eye = 1 / (s @ y), torch.eye(len(s), dtype=F64)
    V = eye - rho * torch.outer(s, y)
    return V @ H @ V.T + rho * torch.outer(s, s)


def from_pairs(pairs, n):
    """The dense L-BFGS inverse from H₀ = I: the two-loop recursion applied to every unit vector."""
    columns = []
    for v in torch.eye(n, dtype=F64):
        q, back = v.clone(), []
        for s, y in reversed(pairs):
            back.append((s @ q) / (s @ y))
            q = q - back[-1] * y
        for (s, y), a in zip(pairs, reversed(back), strict=True):
            q = q + (a - (y @ q) / (s @ y)) * s
        columns.append(q)
    return torch.stack(columns, 1)


def slow_kbfgs(method, problem, start, steps, seed, r, runs):
    """K-BFGS and K-BFGS(L) of one run, layer by layer [MATH §3]."""
    memory = getattr(method, "memory", None)
    root, L = method.lam**0.5, range(len(problem.layers))
    theta, path = start, [start]
    a, _, _ = plain_backward(problem, theta, problem.reference(), 0)
    A = [moment(x) for x in a]
    H_a = [torch.linalg.inv(X + root * torch.eye(len(X), dtype=F64)) for X in A]
    outs = [layer.fan_out for layer in problem.layers]
    H_g, pairs = [torch.eye(n, dtype=F64) for n in outs], [[] for _ in outs]
    M = [torch.zeros_like(W) for W in blocks(problem, theta)]
    s_avg, y_avg = ([torch.zeros(n, dtype=F64) for n in outs] for _ in range(2))
    for k, batch in enumerate(problem.batches(0, steps, seed, runs)):
        a, h, g = plain_backward(problem, theta, batch, r)
        for l in L:
            G = g[l].T @ a[l] / len(a[l]) + problem.tau * blocks(problem, theta)[l]
            M[l] = method.momentum * M[l] + (1 - method.momentum) * G
            if k:
                A[l] = method.momentum * A[l] + (1 - method.momentum) * moment(a[l])
        theta = theta - method.lr * flat([H_g[l] @ M[l] @ H_a[l] for l in L])
        path.append(theta)
        _, h1, g1 = plain_backward(problem, theta, batch, r)
        beta = 0.0 if batch.full else method.momentum
        for l in L:
            s_avg[l] = beta * s_avg[l] + (1 - beta) * (h1[l].mean(0) - h[l].mean(0))
            y_avg[l] = beta * y_avg[l] + (1 - beta) * (g1[l].mean(0) - g[l].mean(0))
            s, y = dd(s_avg[l], y_avg[l], H_g[l], method.mu1, root, method.damping)
            if not refused(s, y, g[l].mean(0).norm()):
                if memory:
                    pairs[l] = [*pairs[l], (s, y)][-memory:]
                    H_g[l] = from_pairs(pairs[l], outs[l])
                else:
                    H_g[l] = bfgs(H_g[l], s, y)
            s = H_a[l] @ a[l].mean(0)
            y = (A[l] + root * torch.eye(len(A[l]), dtype=F64)) @ s
            if not refused(s, y, a[l].mean(0).norm()):
                H_a[l] = bfgs(H_a[l], s, y)
    return torch.stack(path)


def sampled_moments(problem, theta, batch, r, seed, run, k):
    """E[ĝ ĝᵀ] per layer, for targets that the model draws by the random numbers of step k."""
    u = plain_layers(problem, theta, batch, r)[2].detach()
    uniform, gauss = (draw(seed, philox.TARGETS, run, torch.tensor([k]), u.numel())[0, 0].view(
        u.shape) for draw in (philox.uniform, philox.normal))
    if problem.loss_name == "bce":
        target = (uniform < torch.sigmoid(u)).double()
    else:                                  # loss c‖u − t‖² is −log of a Gaussian of variance 1/2c
        c = {"squares": 1.0, "mse": 0.5}[problem.loss_name]
        target = u - gauss / (2 * c)**0.5
    return [moment(g) for g in plain_backward(problem, theta, batch, r, target)[2]]


def slow_kfac(method, problem, start, steps, seed, r, runs):
    """KFAC of one run by the rule of [G20]'s authors [MATH §7]."""
    root, L, run = method.lam**0.5, range(len(problem.layers)), runs[r:r + 1]
    theta, path, inverses, b = start, [start], None, method.momentum
    whole = problem.reference()
    A = [moment(x) for x in plain_backward(problem, theta, whole, 0)[0]]
    G = sampled_moments(problem, theta, whole, 0, seed, run, -1)
    M = [torch.zeros_like(W) for W in blocks(problem, theta)]
    for k, batch in enumerate(problem.batches(0, steps, seed, runs)):
        a, _, g = plain_backward(problem, theta, batch, r)
        sampled = sampled_moments(problem, theta, batch, r, seed, run, k)
        for l in L:
            decay = problem.tau * blocks(problem, theta)[l]
            M[l] = b * M[l] + (1 - b) * (g[l].T @ a[l] / len(a[l]) + decay)
            A[l] = b * A[l] + (1 - b) * moment(a[l])
            G[l] = b * G[l] + (1 - b) * sampled[l]
        if k % method.period == 0 or k <= method.period:
            inverses = [tuple(torch.linalg.inv(X + root * torch.eye(len(X), dtype=F64))
                              for X in (G[l], A[l])) for l in L]
        theta = theta - method.lr * flat([inverses[l][0] @ M[l] @ inverses[l][1] for l in L])
        path.append(theta)
    return torch.stack(path)


def slow_curveball(*args):
    return slow_curveball_and_lambda(*args)[0]


def slow_curveball_and_lambda(method, problem, start, steps, seed, r, runs):
    """CurveBall of one run on dense J, H_u and Ĥ [MATH §4], and λ after each step."""
    theta, z, lam, path, lams = start, torch.zeros_like(start), method.lam, [start], []
    eye = torch.eye(len(start), dtype=F64)
    for k, batch in enumerate(problem.batches(0, steps, seed, runs)):
        J = plain_jacobian(problem, theta, batch, r)
        u = plain_layers(problem, theta, batch, r)[2].detach()
        with torch.enable_grad():
            leaf = u.clone().requires_grad_()
            target = samples_of(batch, r)[1].expand_as(u)
            df, = torch.autograd.grad(PLAIN_LOSSES[problem.loss_name](leaf, target).sum(), leaf)
        g = torch.einsum("nop,no->p", J, df) / len(J) + problem.tau * theta
        B = {"gauss_newton": lambda t=theta, b=batch: plain_gauss_newton(problem, t, b, r),
             "hessian": lambda t=theta, b=batch: plain_hessian(problem, t, b, r),
             "none": lambda: 0 * eye}[method.curvature]()
        H, dz = B + lam * eye, B @ z + g + lam * z
        if method.tuning == "automatic":
            Z = torch.stack([dz, z], 1)
            b = Z.T @ g
            c = torch.linalg.pinv(Z.T @ H @ Z, hermitian=True) @ b
            beta, rho, model = c[0], -c[1], -0.5 * (c @ b)
        else:
            beta, rho = method.beta, method.rho
        z = rho * z - beta * dz
        before = plain_loss(problem, theta, batch, r)
        theta = theta + z
        path.append(theta)
        if method.tuning == "automatic" and k % 5 == 0:
            ratio = (plain_loss(problem, theta, batch, r) - before) / model
            lam = lam / 0.999**5 if ratio < 0.5 else lam * 0.999**5 if ratio > 1.5 else lam
        lams.append(lam)
    return torch.stack(path), torch.tensor(lams, dtype=F64)


WHERE = {
    "rosenbrock": lambda: rosenbrock(0.0, start_noise=0.3),
    "rosenbrock-noisy": lambda: rosenbrock(1.0, start_noise=0.3),
    "tanh-mse": lambda: Net((4, 5, 3, 2), "tanh", "mse", biases=(True, False, True), samples=9),
    "sigmoid-bce-minibatch": lambda: Net((4, 5, 3, 2), "sigmoid", "bce", samples=30, minibatch=6),
    "softplus-mse-decay": lambda: Net((4, 5, 3, 2), "softplus", "mse", samples=30, minibatch=6,
                                      tau=0.05)}
DENSE = {
    "kbfgs": (KBFGS(lr=0.1), slow_kbfgs),
    "kbfgs-powell": (KBFGS(lr=0.01, damping="powell"), slow_kbfgs),
    "kbfgs-undamped": (KBFGS(lr=0.03, lam=0.5, damping="none"), slow_kbfgs),
    "kbfgs-small-lam": (KBFGS(lr=0.01, lam=0.05, mu1=0.4, momentum=0.5), slow_kbfgs),
    "kbfgs_l": (KBFGSL(lr=0.1, memory=4), slow_kbfgs),
    "kbfgs_l-one": (KBFGSL(lr=0.01, memory=1), slow_kbfgs),
    "kbfgs_l-all": (KBFGSL(lr=0.1, memory=40), slow_kbfgs),
    "kfac": (KFAC(lr=0.05, period=7), slow_kfac),
    "kfac-each": (KFAC(lr=0.05, lam=0.3, period=1, momentum=0.5), slow_kfac),
    "curveball": (CurveBall(), slow_curveball),
    "curveball-hessian": (CurveBall(curvature="hessian", lam=2000.0), slow_curveball),
    "curveball-fixed": (CurveBall(tuning="fixed", rho=0.8, beta=2e-3), slow_curveball),
    "curveball-none": (CurveBall(curvature="none", tuning="fixed"), slow_curveball)}


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("case", DENSE)
def test_fast_paths_are_their_dense_references(case, where):
    (method, slow), problem = DENSE[case], WHERE[where]()
    # without step 2 of the damping, or with one pair, H_g reaches 1e4 and amplifies rounding
    calm = getattr(method, "damping", "double") == "double" and getattr(method, "memory", 9) > 1
    runs, steps = torch.tensor([5, 2]), 30 if calm else 12
    ours = drive(method, problem, runs, steps, seed=9).theta
    for r in range(2):
        theirs = slow(method, problem, ours[0, r], steps, 9, r, runs)
        assert theirs.abs().max() < 100, "a run that diverges amplifies rounding"
        assert_close(ours[:, r], theirs, 1e-8)
        assert (theirs[-1] - theirs[0]).norm() > 1e-3            # it went somewhere


# --- on autoencoders ------------------------------------------------------------------------------

IMAGES = {
    "relu-bce": {"activation": "relu", "loss": "bce"},
    "tanh-mse-decay": {"activation": "tanh", "loss": "mse", "tau": 0.02},
    "sigmoid-bce-decay": {"activation": "sigmoid", "loss": "bce", "tau": 1e-3},
    "softplus-mse": {"activation": "softplus", "loss": "mse"}}
ON_IMAGES = {
    "kbfgs": (KBFGS(lr=0.1), slow_kbfgs),
    "kbfgs_l": (KBFGSL(lr=0.1, memory=4), slow_kbfgs),
    "kfac": (KFAC(lr=0.05, period=7), slow_kfac),
    "curveball": (CurveBall(), slow_curveball),
    "curveball-hessian": (CurveBall(curvature="hessian", lam=50.0), slow_curveball)}


@pytest.mark.usefixtures("tiny_images")
@pytest.mark.parametrize("where", IMAGES)
@pytest.mark.parametrize("case", ON_IMAGES)
def test_fast_paths_on_an_autoencoder_with_minibatches(case, where):
    (method, slow), runs, steps = ON_IMAGES[case], torch.tensor([5, 0, 2]), 30
    widths = (16, 3, 2, 3, 16) if slow is slow_curveball else (16, 5, 2, 5, 16)  # dense J and Ĥ
    problem = Autoencoder(**(TINY | IMAGES[where] | {"widths": widths}), batch=8).build(F64, CPU)
    ours = drive(method, problem, runs, steps, seed=9).theta
    for r in (1,) if "hessian" in case else range(3):                 # autograd's takes seconds
        theirs = slow(method, problem, ours[0, r], steps, 9, r, runs)
        assert_close(ours[:, r], theirs, 1e-8)
        assert (theirs[-1] - theirs[0]).norm() > 1e-3


# --- K-BFGS and KFAC ------------------------------------------------------------------------------

@pytest.mark.parametrize("model", [KBFGS, KBFGSL])
def test_with_a_constant_h_a_stays_the_inverse_for_ever(model):
    problem = Net((4, 2), "identity", "mse", samples=9)   # the inputs of layer 1 never change
    method = model(lr=0.05, lam=0.2)
    path = drive(method, problem, 3, 50)
    a = problem.forward(path.theta[0], problem.reference()).a[0]
    A_lm = moment(a[0]) + 0.2**0.5 * torch.eye(5, dtype=F64)
    assert (path.theta[-1] - path.theta[0]).norm() > 0.1
    for state in path.states:
        for H in state.H_a[0]:
            assert_close(H @ A_lm, torch.eye(5, dtype=F64), 1e-11)


@pytest.mark.parametrize("noise", [0.0, 3.0])
@pytest.mark.parametrize("model", [KBFGS, KBFGSL])
def test_on_rosenbrock_h_a_is_one_over_one_plus_root_lambda_for_ever(model, noise):
    for state in drive(model(lam=0.3), rosenbrock(noise), 4, 100).states:
        assert_close(state.H_a[0], torch.full((4, 1, 1), 1 / (1 + 0.3**0.5), dtype=F64), 1e-13)


def test_h_a_follows_a_where_inputs_change():
    problem = Net((4, 5, 2), "tanh", "mse", samples=9)
    path = drive(KBFGS(lr=0.3), problem, 1, 40)
    first, last = path.states[0].H_a[1], path.states[-1].H_a[1]
    assert (first - last).norm() > 1e-2 * first.norm()
    assert torch.equal(path.states[1].A[1], path.states[0].A[1])       # not at the first step


@pytest.mark.parametrize("noise", [0.0, 3.0])
@pytest.mark.parametrize("lam", [0.01, 1.0])
def test_kfac_on_rosenbrock_inverts_when_the_authors_do(lam, noise):
    method, problem = KFAC(lam=lam), rosenbrock(noise, start=(-1.2, 1.0), start_noise=0.3)
    runs, steps = torch.tensor([5, 2]), 45
    path = drive(method, problem, runs, steps, seed=9)
    for r in range(2):
        assert_close(path.theta[:, r],
                     slow_kfac(method, problem, path.theta[0, r], steps, 9, r, runs), 1e-10)
    inverted = path.event("inverted")[:, 0].nonzero()[:, 0].tolist()
    assert inverted == [*range(21), 40]


def test_kfac_with_a_small_damping_arrives_on_rosenbrock():
    problem = rosenbrock(start=(-1.2, 1.0), start_noise=0.0)
    path = drive(KFAC(lam=0.01), problem, 30, 300)
    f = problem.forward(path.theta[-1], problem.reference()).f
    assert f.max() < 1e-3
    assert f.median() < 1e-4


def test_kfacs_g_is_the_identity_in_expectation_on_a_linear_layer_with_half_squares():
    problem = Net((3, 2), "identity", "mse", samples=2)
    many = 10_000
    G = drive(KFAC(), problem, many, 1).states[-1].G[0]
    error = (G.mean(0) - torch.eye(2, dtype=F64)).abs()
    assert (error < 5 * G.std(0) / many**0.5).all()                    # 5 standard errors
    # with it, one undamped step without momentum is the exact natural gradient: Newton's step
    exact = G.mean(0).round()
    batch, theta = problem.reference(), problem.start(0, torch.arange(1))
    A = moment(batch_inputs(problem, theta, batch))
    g = plain_gradient(problem, theta[0], batch, 0)
    step = torch.linalg.inv(exact) @ blocks(problem, g)[0] @ torch.linalg.pinv(A)
    H = plain_hessian(problem, theta[0], batch, 0)
    assert_close(flat([step]), torch.linalg.pinv(H) @ g, 1e-10)


def batch_inputs(problem, theta, batch):
    return problem.forward(theta, batch).a[0][0]


# --- CurveBall ----------------------------------------------------------------------------------

@pytest.mark.parametrize("lam", [0.0, 0.5])
def test_curveball_without_curvature_is_heavy_ball(lam):
    # Δz = g + λz, so z ← (ρ − βλ) z − β g: at λ = 0 exactly SGD's momentum
    for problem in (rosenbrock(), rosenbrock(1.0), net("tanh", "bce")):
        method = CurveBall(curvature="none", tuning="fixed", rho=0.9, beta=1e-3)
        ours = drive(method, problem, 3, 100, lam=torch.full((3,), lam, dtype=F64)).theta
        ball = SGD(lr=1e-3, momentum=0.9 - 1e-3 * lam)
        assert_close(ours, drive(ball, problem, 3, 100).theta, 1e-12)


def test_curveball_on_linear_least_squares_minimises_f_over_the_plane_it_sees():
    problem = Net((7, 1), "identity", "mse", samples=20)               # 8 unknowns with the bias
    R = 5
    path = drive(CurveBall(), problem, R, 40, lam=torch.zeros(R, dtype=F64))
    batch = problem.reference()
    f = torch.stack([problem.forward(t, batch).f for t in path.theta])
    best = plain_loss(problem, path.theta[0, 0] - torch.linalg.solve(
        plain_hessian(problem, path.theta[0, 0], batch, 0),
        plain_gradient(problem, path.theta[0, 0], batch, 0)), batch, 0)
    assert (f.diff(dim=0) <= 1e-15 * f[:-1]).all()                     # never rises
    gap = (f - best) / (f[0] - best)

    for r in range(R):
        H = plain_hessian(problem, path.theta[0, r], batch, r)
        x = path.theta[0, r]
        g = plain_gradient(problem, x, batch, r)
        p, cg = -g, [x]
        for _ in range(8):
            a = (g @ g) / (p @ H @ p)
            x, new = x + a * p, g + a * (H @ p)
            p, g = -new + (new @ new) / (g @ g) * p, new
            cg.append(x)
        for k in (1, 2):
            assert_close(path.theta[k, r], cg[k], 1e-11)
        for k in (3, 4):
            assert (path.theta[k, r] - cg[k]).norm() > 1e-6 * cg[k].norm()
        done = (plain_loss(problem, cg[8], batch, r) - best) / (f[0, r] - best)
        assert abs(done) < 1e-10                                       # CG has ended after 8 steps
        assert gap[8, r] > 1e-8                                        # CurveBall has not


# not from 0.1: Rosenbrock's minimum is reached in 5 steps then, and what follows is rounding
@pytest.mark.parametrize("lam", [1.0, 3.0, 10.0])
@pytest.mark.parametrize("where", WHERE)
def test_curveball_over_thirty_steps_is_the_authors(where, lam):
    method, problem, runs = CurveBall(lam=lam), WHERE[where](), torch.tensor([5, 2])
    path = drive(method, problem, runs, 30, seed=9)
    for r in range(2):
        theta, lams = slow_curveball_and_lambda(
            method, problem, path.theta[0, r], 30, 9, r, runs)
        assert_close(path.theta[:, r], theta, 1e-10)
        assert_close(path.event("lam")[:, r], lams, 1e-15)


def test_curveballs_lambda_moves_every_fifth_step_by_the_ratio():
    R = 2000
    start = torch.logspace(-3, 1, R, dtype=F64)
    path = drive(CurveBall(), rosenbrock(), R, 15, lam=start)
    lam, ratio = path.event("lam"), path.event("ratio")
    before = torch.cat([start[None], lam[:-1]])
    looked = torch.zeros(15, dtype=torch.bool)
    looked[::5] = True
    assert ratio[~looked].isnan().all()
    assert not ratio[0].isnan().any()                      # later, at the minimum, it may be 0/0
    for low, high in ((0.4, 0.5), (0.5, 0.6), (1.3, 1.5), (1.5, 2.0)):
        assert ((ratio > low) & (ratio < high)).any()              # both thresholds are approached
    up, down = before / 0.999**5, before * 0.999**5
    assert_close(lam, torch.where(ratio < 0.5, up, torch.where(ratio > 1.5, down, before)), 0)
