"""What the other tests of qnviz.curvature leave out, each against its definition."""

import mpmath
import pytest
import torch

from qnviz.curvature.hessian_vector import SLOPES, SLOPES_STEPPED, STEPPED
from qnviz.curvature.kronecker import (
    BLOCK,
    Layers,
    damped,
    hessian_action,
    joined,
    means,
    pad,
    second_moment,
)
from qnviz.curvature.oracle import Oracle
from qnviz.curvature.secant import CompactLBFGS
from qnviz.curvature.spectrum import (
    definite_eigenvalues,
    definite_extremes,
    eigenvalues,
    extremes,
    gram_eigenvalues,
    pseudo_solve,
    two_sided,
)
from qnviz.problems import lapack
from qnviz.problems.rosenbrock import Rosenbrock
from qnviz.problems.spec import Layer
from tests.helpers import (
    F64,
    assert_close,
    first_batch,
    net,
    normal,
    plain_gauss_newton,
    plain_gradient,
    plain_hessian,
    plain_jacobian,
    plain_output_hessian,
    spd,
)

R = 3


@pytest.mark.parametrize("n", [3, BLOCK + 41])
def test_a_second_moment_is_the_mean_outer_product_also_when_it_is_made_in_blocks(n):
    a = normal(n, 2, 9, n)
    A = second_moment(a)
    assert_close(A, torch.einsum("rni,rnj->rij", a, a) / 9, 1e-13)
    assert_close(A, A.mT, 1e-15)


@pytest.mark.parametrize("layers", [
    pytest.param((Layer(3, 5), Layer(5, 2)), id="joined"),
    pytest.param((Layer(300, 5), Layer(5, 300)), id="apart")])
def test_padded_layers_give_back_what_went_in(layers):
    sizes = tuple(layer.fan_out for layer in layers)
    H = [spd(l, R, n) for l, n in enumerate(sizes)]
    h = [normal(l, R, 4, n) for l, n in enumerate(sizes)]
    join = joined(layers)
    padded = Layers(pad(H, join), sizes)
    assert padded.joined == join
    for l, n in enumerate(sizes):
        assert torch.equal(padded[l], H[l])
        mean = means(h, join)[l]
        assert_close(mean[:, :n], h[l].mean(1), 1e-15)
        assert not mean[:, n:].any()


def test_hessian_action_learns_the_inverse_of_the_damped_factor_along_its_pair():
    mean = normal(3, R, 2, 4)
    A, H = (spd(seed, 2 * R, 4, 9.0).view(R, 2, 4, 4) for seed in (1, 2))
    lam = torch.tensor([0.1, 0.4, 0.9], dtype=F64)
    new = hessian_action(H, A, lam.sqrt(), mean)
    s = (H @ mean[..., None])[..., 0]
    y = (damped(A, lam) @ s[..., None])[..., 0]
    assert_close((new @ y[..., None])[..., 0], s, 1e-12)                   # the secant equation
    assert (torch.linalg.eigvalsh(new) > 0).all()


def test_every_way_to_a_slope_is_the_gradient_times_the_direction():
    problem = net("tanh", "bce", tau=0.1)
    batch, theta = first_batch(problem, R), problem.start(0, torch.arange(R))
    tape, v = problem.forward(theta, batch), normal(4, R, problem.size)
    slope = torch.stack([plain_gradient(problem, theta[r], batch, r) @ v[r] for r in range(R)])
    for kind in SLOPES.values():
        assert_close(kind(problem, tape, v), slope, 1e-13)
    coarse = {"forward_difference": 1e-6, "finite_difference": 1e-9, "complex_step": 1e-13}
    for name, kind in SLOPES_STEPPED.items():
        assert_close(kind(problem, tape, v, None), slope, coarse[name])
        if name != "complex_step":
            assert_close(kind(problem, tape, v, torch.full((R,), 1e-5, dtype=F64)), slope, 1e-3)


def test_stepped_products_with_the_hessian_are_as_exact_as_each_can_be():
    problem = net("tanh", "bce")
    batch, theta = first_batch(problem, R), problem.start(0, torch.arange(R))
    tape, v = problem.forward(theta, batch), normal(4, R, problem.size)
    Hv = torch.stack([plain_hessian(problem, theta[r], batch, r) @ v[r] for r in range(R)])
    coarse = {"forward_difference": 1e-6, "finite_difference": 1e-8, "complex_step": 1e-13}
    for name, kind in STEPPED.items():
        assert_close(kind(problem, tape, v, None), Hv, coarse[name])


def test_a_fresh_batch_is_charged_to_who_asks_and_a_full_one_is_kept():
    noisy, exact = (Rosenbrock(noise=s).build(F64, torch.device("cpu")) for s in (3.0, 0.0))
    theta, runs = normal(3, 4, 2), torch.arange(4)
    active = torch.tensor([True, False, True, True])
    batch = next(noisy.batches(7, 1, 1, runs))
    oracle = Oracle(noisy, batch, 4)
    tape = oracle.forward(theta)
    first, again, second = (oracle.fresh(tape, i, active) for i in (1, 1, 2))
    x, y = theta.unbind(1)
    for there in (tape, first, second):        # f tells ε² by its definition
        assert_close((there.f - (1 - x)**2) / (100 * (y - x**2)**2), there.batch.xi[:, 0]**2, 1e-12)
    assert torch.equal(first.f, again.f)
    assert not any(torch.isclose(a.f, b.f).any() for a, b in (
        (tape, first), (tape, second), (first, second)))
    assert oracle.work.tolist() == [4, 1, 4, 4]
    oracle = Oracle(exact, next(exact.batches(7, 1, 1, runs)), 4)
    tape = oracle.forward(theta)
    assert oracle.fresh(tape, 1) is tape
    assert oracle.work.tolist() == [1, 1, 1, 1]


def test_an_oracle_answers_as_autograd_does_and_counts_its_units():
    problem = net("softplus", "bce")
    batch, theta = first_batch(problem, R), problem.start(0, torch.arange(R))
    oracle, spent = Oracle(problem, batch, R), 0
    tape, v = oracle.forward(theta), normal(5, R, problem.size)
    w = normal(6, *tape.u.shape)
    J = torch.stack([plain_jacobian(problem, theta[r], batch, r) for r in range(R)])
    g = torch.stack([plain_gradient(problem, theta[r], batch, r) for r in range(R)])
    for answer, plain, units in (
            (oracle.jvp(tape, v), torch.einsum("rnup,rp->rnu", J, v), 1),
            (oracle.vjp(tape, w), torch.einsum("rnup,rnu->rp", J, w) / w.shape[1], 2),
            (oracle.vjp(tape, oracle.output_gradient(tape)), g, 2),
            (oracle.gradient(tape), g, 2)):
        assert_close(answer, plain, 1e-12)
        spent += units
    seen = tape.g
    oracle.backward(tape)
    for before, after in zip(seen, tape.g, strict=True):
        assert torch.equal(before, after)
    H_u = plain_output_hessian(problem, tape.u, batch.target)
    assert_close(oracle.output_hessian_vector(tape, w), H_u * w, 1e-12)
    sampled = oracle.sampled_gradient(tape)
    assert [x.shape for x in sampled] == [x.shape for x in seen]
    assert torch.equal(oracle.work, torch.full((R,), 1.0 + spent + 2 + 2, dtype=F64))


@pytest.mark.parametrize(("product", "plain", "units"), [
    ("hessian", plain_hessian, 6), ("gauss_newton", plain_gauss_newton, 3)])
def test_a_dense_matrix_is_charged_as_one_product_per_column(product, plain, units):
    problem = net("sigmoid", "mse")
    batch, theta = first_batch(problem, R), problem.start(0, torch.arange(R))
    oracle = Oracle(problem, batch, R)
    H = oracle.dense(oracle.forward(theta), product)
    assert_close(H, torch.stack([plain(problem, theta[r], batch, r) for r in range(R)]), 1e-12)
    assert torch.equal(oracle.work, torch.full((R,), 1 + units * problem.size, dtype=F64))


@pytest.mark.parametrize("n", [5, 12])                   # below and above twice the memory
def test_the_extremes_of_a_compact_inverse_are_those_of_its_matrix(n):
    H = CompactLBFGS.empty(R, 3, n, normal(0, 1))
    for seed in range(4):                                # one more than it can hold
        s = normal(seed, R, n)
        y = (spd(seed + 9, R, n) @ s[..., None])[..., 0]
        H = H.push(s, y, torch.tensor([False, seed == 2, False]))
    H = H.rescaled(s, y, torch.tensor([True, False, False]))
    values = torch.linalg.eigvalsh(H.dense)
    for found, plain in zip(H.extremes, (values[:, 0], values[:, -1]), strict=True):
        assert_close(found, plain, 1e-10)


def test_one_layer_of_compact_inverses_is_its_own_inverse():
    S, n = normal(1, R, 2, 3, 5), 4                          # two layers; the second has 4 units
    S[:, 1, :, n:] = 0
    Y = 2 * S + 0.01 * normal(2, *S.shape) * (S != 0)
    H = CompactLBFGS(S, Y, torch.ones(R, 2, dtype=F64))
    alone = CompactLBFGS(S[:, 1, :, :n], Y[:, 1, :, :n], torch.ones(R, dtype=F64))
    assert_close(H.layer(1, n).dense, alone.dense, 1e-12)


def test_a_matrix_that_is_not_finite_has_no_spectrum_and_disturbs_no_other():
    H = spd(6, R, 4)
    H[1, 2, 3] = torch.nan
    values = eigenvalues(H)
    assert values[1].isnan().all()
    for r in (0, 2):
        assert_close(values[r], torch.linalg.eigvalsh(H[r]), 1e-12)
    low, high = extremes(H)
    assert torch.equal(low.nan_to_num(7), values[:, 0].nan_to_num(7))
    assert torch.equal(high.nan_to_num(7), values[:, -1].nan_to_num(7))


@pytest.mark.parametrize("kind", ["eigvalsh", "eigh", "svdvals"])
def test_a_matrix_that_lapack_gives_up_on_disturbs_no_other(kind, monkeypatch):
    real = getattr(torch.linalg, kind)
    H = spd(6, R, 4)

    def gives_up(A):
        if ((A[..., 0, 0] == A[..., 0, 1]) & (A[..., 0, 0] != 0)).any():
            raise torch.linalg.LinAlgError("did not converge")
        return real(A)

    monkeypatch.setattr(torch.linalg, kind, gives_up)
    H[1, 0, 1] = H[1, 1, 0] = H[1, 0, 0]
    parts = getattr(lapack, kind)(H)
    plain = [real(H[r]) for r in range(R)]
    for found, expected in (zip(parts, zip(*plain, strict=True), strict=True) if kind == "eigh"
                            else [(parts, plain)]):
        assert found[1].isnan().all()
        for r in (0, 2):
            assert_close(found[r], expected[r], 1e-12)


@pytest.mark.parametrize("size", [1e-300, 1.0, 1e307, 1.7e308])
def test_spectra_of_the_largest_and_smallest_numbers_are_those_of_the_scaled_matrix(size):
    """LAPACK alone does not converge on entries of 1e308: its own arithmetic overflows."""
    H = spd(6, 2, 40, 1e3)
    H = H / H.abs().amax()
    H[1] = torch.eye(40, dtype=F64)
    values = eigenvalues(H * size)
    plain = torch.linalg.eigvalsh(H)
    finite = plain * size < torch.inf
    assert_close(values[finite] / size, plain[finite], 1e-12)
    assert (values[~finite] == torch.inf).all()
    assert finite[1].all()


def exact(H):
    """Eigenvalues of a stored symmetric matrix, to 60 digits."""
    with mpmath.workdps(60):
        values = mpmath.eigsy(mpmath.matrix(H.double().tolist()), eigvals_only=True)
        return torch.tensor(sorted(float(v) for v in values), dtype=F64)


def graded(seed, n, decades):
    """D A D with A well conditioned: as positive definite as A, however small D is."""
    D = torch.logspace(0, -decades / 2, n, dtype=F64).roll(n // 2)        # in no order
    return D[:, None] * spd(seed, 1, n, 10.0)[0] * D


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("n", [2, 3, 7])
@pytest.mark.parametrize("decades", [4, 12, 20, 30])
def test_a_positive_definite_matrix_has_positive_eigenvalues(n, decades, dtype):
    """LAPACK gives a λ_min below 0 to such matrices; the sign and the digits are kept here."""
    H = torch.stack([graded(seed, n, decades) for seed in range(8)]).to(dtype)
    values = definite_eigenvalues(H)
    assert values.dtype == dtype
    assert (values > 0).all()
    for got, matrix in zip(values, H, strict=True):
        want = exact(matrix)
        # ends are exact to rounding; in the middle of 30 decades half of the digits are left
        torch.testing.assert_close(got[[0, -1]].double(), want[[0, -1]], atol=0,
                                   rtol=1e-12 if dtype is torch.float64 else 1e-6)
        torch.testing.assert_close(got.double(), want, rtol=1e-5, atol=0)
    if n > 3 and decades >= 20:
        assert (torch.linalg.eigvalsh(H)[..., 0] <= 0).any()
    low, high = definite_extremes(H)
    assert torch.equal(low, values[:, 0])
    assert torch.equal(high, values[:, -1])


@pytest.mark.parametrize("n", [2, 3, 7])
def test_a_matrix_that_has_lost_its_definiteness_is_shown_so(n):
    """Entries near 1 whose last digits make the exact λ_min negative: no rounding of LAPACK's."""
    H = torch.ones(3, n, n, dtype=F64)
    for r, off in enumerate((1e-15, 1e-9, -1e-15)):        # the third is positive semi-definite
        H[r] += off * (1 - torch.eye(n, dtype=F64))
    low, high = definite_extremes(H)
    want = torch.stack([exact(h) for h in H])
    assert (want[:2, 0] < 0).all()
    assert (low[:2] < 0).all()
    assert (high > 0).all()
    torch.testing.assert_close(low[1], want[1, 0], rtol=1e-6, atol=0)
    assert (low[2] > -1e-14) & (want[2, 0] > 0)


@pytest.mark.parametrize("eps", [1e-15, 1e-16, -1e-16, -1e-15, 1e-300])
def test_the_smaller_eigenvalue_of_two_has_the_sign_of_the_determinant(eps):
    """Its digits, too: LAPACK's error is the last digit of the larger one."""
    for scale in (1e-150, 1e-3, 1.0, 1e3, 1e150):
        b = 1.0 / 3
        H = scale * torch.tensor([[b * b, b], [b, 1 + eps]], dtype=F64)
        low, high = definite_extremes(H)
        want = exact(H)
        torch.testing.assert_close(torch.stack([low, high]), want, rtol=1e-14, atol=0)


def test_entries_near_the_end_of_the_range_still_have_eigenvalues():
    H = torch.tensor([[1e308, 0], [0, 1e-300]], dtype=F64)
    low, high = extremes(H)
    assert (float(low), float(high)) == (pytest.approx(1e-300), 1e308)
    zero = torch.zeros(2, 2, dtype=F64)
    assert [float(v) for v in extremes(zero)] == [0, 0]


def test_a_matrix_that_is_not_finite_is_left_out_of_definite_ones():
    H = spd(6, R, 4)
    H[1, 2, 3] = torch.nan
    H[0] = graded(3, 4, 24)
    values = definite_eigenvalues(H)
    assert values[1].isnan().all()
    assert (values[0] > 0).all()
    assert_close(values[2], torch.linalg.eigvalsh(H[2]), 1e-12)
    G = normal(1, R, 5, 3)
    G[2, 0, 0] = torch.inf
    found = gram_eigenvalues(G)
    assert found[2].isnan().all()
    assert_close(found[:2], torch.linalg.svdvals(G[:2]).square().flip(-1), 1e-13)
    assert_close(gram_eigenvalues(1e150 * G[:2]), 1e300 * found[:2], 1e-13)
    assert (gram_eigenvalues(0 * G[:2]) == 0).all()


def test_each_eigenvalue_is_taken_from_where_it_is_large():
    """Between conditions of 10³² neither the matrix nor its inverse has anything of the middle."""
    large = torch.tensor([-1e-17, 3e-17, 1e-3, 1.0], dtype=F64)
    small = torch.tensor([1e-20, 1e-9, -1e-5, -1e-4], dtype=F64)
    assert two_sided(large, small).tolist() == [1e-20, 1e-9, 1e-3, 1.0]
    both = two_sided(torch.tensor([-1.0, -1e-17, 1.0]), torch.tensor([1e-40, -1e-24, 1.0]))
    assert both[0] > 0
    assert both[1].isnan()
    assert both[2] == 1


def test_a_pseudo_solve_leaves_out_what_the_matrix_does_not_reach():
    U, b = normal(7, R, 4, 2), normal(8, R, 4)
    M = U @ U.mT                                                              # of rank 2
    plain = (torch.linalg.pinv(M, hermitian=True) @ b[..., None])[..., 0]
    assert_close(pseudo_solve(M, b), plain, 1e-9)
