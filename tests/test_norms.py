"""Lengths of vectors, at the ends of the range of floating point."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qnviz.problems.norms import norm

ANY = st.floats(allow_nan=False, allow_infinity=False)
USUAL = st.one_of(st.just(0.0), st.floats(1e-140, 1e140), st.floats(-1e140, -1e-140))


@given(st.lists(ANY, min_size=1, max_size=6))
def test_it_is_the_length_at_any_scale(x):
    got = float(norm(torch.tensor(x, dtype=torch.float64)))
    assert got == pytest.approx(math.hypot(*x), rel=1e-14, abs=5e-324)     # it scales, too


@given(st.lists(USUAL, min_size=1, max_size=6))
def test_where_squares_fit_it_is_their_root_to_the_last_bit(x):
    v = torch.tensor(x, dtype=torch.float64)
    assert float(norm(v)) == float(v.norm())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_each_row_has_its_own_scale(dtype):
    top, least = torch.finfo(dtype).max, torch.finfo(dtype).smallest_normal
    x = torch.tensor([[3.0, 4.0], [3e-3 * top, 4e-3 * top], [3 * least, 4 * least], [0, 0],
                      [math.inf, 1], [math.nan, 1], [math.inf, math.nan]], dtype=dtype)
    want = torch.tensor([5, 5e-3 * top, 5 * least, 0, math.inf, math.nan, math.nan], dtype=dtype)
    for got in (norm(x), norm(x.mT, 0), norm(x, keepdim=True)[:, 0]):
        torch.testing.assert_close(got, want, rtol=1e-6 if dtype == torch.float32 else 1e-14,
                                   atol=0, equal_nan=True)
    for r in range(len(x)):
        alone = norm(x[r:r + 1])
        np.testing.assert_array_equal(alone.numpy(), norm(x)[r:r + 1].numpy())
