"""Products over runs, also where oneDNN makes them."""

import pytest
import torch

from qnviz.problems import products
from qnviz.problems.products import mean_outer, product
from tests.helpers import assert_close, normal

R, N, K, M = 3, 40, 30, 50
ROUNDING = 2e-6                                     # float32


@pytest.fixture
def wide(monkeypatch):
    """Every product in float32 counts as wide."""
    monkeypatch.setattr(products, "WIDE", 1)


def tensors():
    """X, Y, their sum so far, and samples; views whose memory is not in order among them."""
    return (normal(1, R, N, K), normal(2, R, M, K + 1)[..., :K].mT, normal(3, R, N, M),
            normal(4, R, N, M))


@torch.inference_mode()
def test_wide_products_in_float32_are_the_products(wide):
    x, y, onto, g = tensors()
    x_s, y_s, onto_s, g_s = (t.float() for t in (x, y, onto, g))
    assert_close(product(x_s, y_s).double(), x @ y, ROUNDING)
    assert_close(product(x_s, y_s, onto=onto_s).double(), onto + x @ y, ROUNDING)
    assert_close(mean_outer(g_s, x_s).double(), g.mT @ x / N, ROUNDING)
    assert_close(product(x_s[:1], y_s).double(), x[:1] @ y, ROUNDING)       # one X for all runs


@torch.inference_mode()
def test_a_wide_product_is_the_same_alone_and_in_a_batch(wide):
    x, y, _, g = (t.float() for t in tensors())
    for r in range(R):
        own = slice(r, r + 1)
        assert torch.equal(product(x, y)[own], product(x[own], y[own]))
        assert torch.equal(mean_outer(g, x)[own], mean_outer(g[own], x[own]))


def test_autograd_looks_through_a_wide_product(wide):
    x, y, _, _ = (t.float() for t in tensors())
    x.requires_grad_()
    g, = torch.autograd.grad(product(x, y).sum(), x)
    assert_close(g, y.sum(-1)[:, None].expand_as(x), ROUNDING)
