"""Layers in one padded part or each alone: the same numbers, layer by layer."""

import pytest
import torch
from torch.testing import assert_close

from qnviz.curvature.kronecker import (
    BLOCK,
    Layers,
    damped,
    hessian_action,
    joined,
    means,
    second_moment,
    second_moments,
    times,
)
from qnviz.curvature.oracle import Oracle
from qnviz.problems.rosenbrock import Rosenbrock
from qnviz.problems.spec import Layer

F64 = torch.float64
SIZES, R = (2, 4, 3), 5
BOTH = pytest.mark.parametrize("join", [True, False], ids=["joined", "alone"])


def random(*shape):
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(sum(shape)))


def vectors():
    return [random(R, n) for n in SIZES]


def matrices():
    return [x @ x.mT + torch.eye(n, dtype=F64) for n in SIZES for x in (random(R, n, n),)]


@BOTH
@pytest.mark.parametrize("own", [vectors, matrices])
def test_layers_come_back_without_the_padding(own, join):
    plain = own()
    layers = Layers.of(plain, join)
    assert layers.joined == join
    assert len(layers.parts) == (1 if join else len(SIZES))
    for l, (mine, theirs) in enumerate(zip(layers, plain, strict=True)):
        assert_close(mine, theirs, rtol=0, atol=0)
        assert_close(layers[l], theirs, rtol=0, atol=0)


@BOTH
def test_what_is_done_to_layers_is_done_to_each(join):
    a, b = vectors(), [2 * v for v in vectors()]
    weight = torch.linspace(0, 1, R, dtype=F64)
    x, y = Layers.of(a, join), Layers.of(b, join)
    for mixed, u, v in zip(x.lerp(y, weight), a, b, strict=True):
        assert_close(mixed, (1 - weight)[:, None] * u + weight[:, None] * v)
    low, high = x.map(lambda u, v: (torch.minimum(u, v), torch.maximum(u, v)), y).unzip()
    for l in range(len(SIZES)):
        assert_close(low[l], torch.minimum(a[l], b[l]))
        assert_close(high[l], torch.maximum(a[l], b[l]))
    lengths = x.map(lambda v: v.norm(dim=-1)).cat()
    assert_close(lengths, torch.stack([v.norm(dim=-1) for v in a], -1))


class Factor:
    """A matrix that is kept as something else than a tensor."""

    def __init__(self, diagonal):
        self.diagonal = diagonal                                # (R, k, n)

    def layer(self, at, n):
        return self.diagonal[:, at, :n]


@BOTH
def test_parts_that_are_no_tensors_say_themselves_what_a_layer_is(join):
    layers = Layers.of(vectors(), join).map(Factor)
    for mine, theirs in zip(layers, vectors(), strict=True):
        assert_close(mine, theirs, rtol=0, atol=0)


@BOTH
def test_moments_are_those_of_each_layer(join):
    samples = [random(R, 7, n) for n in SIZES]
    for mine, x in zip(means(samples, join), samples, strict=True):
        assert_close(mine, x.sum(1) / 7)
    for mine, x in zip(second_moments(samples, join), samples, strict=True):
        assert_close(mine, torch.einsum("rni,rnj->rij", x, x) / 7)


def test_a_wide_second_moment_is_made_of_blocks():
    a = random(2, 3, BLOCK + 41)
    assert_close(second_moment(a), torch.einsum("rni,rnj->rij", a, a) / 3)


def test_small_nets_are_joined_and_wide_ones_are_not():
    assert joined((Layer(10, 10), Layer(10, 3)))
    assert not joined((Layer(784, 1000), Layer(1000, 10)))


@BOTH
def test_an_action_of_the_damped_factor_is_one_dense_bfgs_update(join):
    """H⁺ y = s, and H⁺ is the update written with whole matrices [NW06, eq. 6.17]."""
    A, H, mean = (Layers.of(x(), join) for x in (matrices, matrices, vectors))
    lam = torch.linspace(0.1, 0.9, R, dtype=F64)
    after = H.map(lambda H, A, m: hessian_action(H, A, lam.sqrt(), m), A, mean)
    for new, H_l, A_l, m in zip(after, H, A, mean, strict=True):
        s = times(H_l[:, None], m[:, None])[:, 0]
        y = (damped(A_l, lam) @ s[..., None])[..., 0]
        rho = 1 / (s * y).sum(-1)[:, None, None]
        left = torch.eye(len(s[0]), dtype=F64) - rho * s[:, :, None] * y[:, None, :]
        dense = left @ H_l @ left.mT + rho * s[:, :, None] * s[:, None, :]
        assert_close(new, dense)
        assert_close((new @ y[..., None])[..., 0], s)


def test_a_move_is_taken_from_every_layer():
    problem = Rosenbrock().build(F64, torch.device("cpu"))
    oracle = Oracle(problem, problem.reference(), R)
    theta, move = random(R, 2), random(R, 2)
    lr = torch.linspace(0.1, 1, R, dtype=F64)
    shaped = move.reshape(R, *problem.layers[0].shape)
    assert_close(oracle.moved(theta, lr, [shaped]), theta - lr[:, None] * move)
