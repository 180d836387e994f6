"""Random numbers are right, reproducible, and independent of who else draws."""

import numpy as np
import pytest
import torch
from scipy import stats

from qnviz.problems import philox

RUNS, STEPS = torch.arange(40), torch.arange(25)
ONES = 0xFFFFFFFF


@pytest.mark.parametrize(("counter", "key", "expected"), [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ONES,) * 4, (ONES,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    ((0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0),
     (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
])
def test_known_answers_of_the_authors(counter, key, expected):
    words = philox.philox(tuple(torch.tensor([c]) for c in counter), key)
    assert tuple(int(w) for w in words) == expected


@pytest.mark.parametrize("draw", [philox.uniform, philox.normal])
def test_a_runs_numbers_do_not_depend_on_the_other_runs(draw):
    everyone = draw(3, philox.NOISE, RUNS, STEPS, 5)
    some = torch.tensor([31, 7])
    assert torch.equal(draw(3, philox.NOISE, some, STEPS, 5), everyone[:, some])
    assert torch.equal(draw(3, philox.NOISE, RUNS, STEPS[11:12], 5), everyone[11:12])


def test_uniform_numbers_do_not_depend_on_how_many_are_drawn():
    longer = philox.uniform(3, philox.NOISE, RUNS, STEPS, 9)
    assert torch.equal(philox.uniform(3, philox.NOISE, RUNS, STEPS, 4), longer[..., :4])


def test_seed_stream_step_run_and_place_all_change_the_numbers():
    u = philox.uniform(0, philox.START, RUNS, STEPS, 6)
    others = [philox.uniform(seed, stream, RUNS, STEPS, 6)
              for seed, stream in ((1, philox.START), (1 << 40, philox.START),
                                   (0, philox.NOISE), (0, philox.TARGETS))]
    everything = torch.stack([u, *others]).flatten()
    assert len(everything.unique()) == everything.numel()


def test_each_iteration_of_a_step_has_numbers_of_its_own_and_the_first_are_the_steps():
    draws = [philox.uniform(3, philox.NOISE, RUNS, STEPS, 3, j) for j in range(5)]
    assert torch.equal(draws[0], philox.uniform(3, philox.NOISE, RUNS, STEPS, 3))
    together = torch.stack(draws)
    assert len(together.unique()) == together.numel()
    for j in range(5):
        assert torch.equal(philox.uniform(3, philox.NOISE, RUNS[7:9], STEPS[4:5], 3, j),
                           draws[j][4:5, 7:9])
    far = philox.uniform(3, philox.NOISE, RUNS + (1 << 32), STEPS, 3, 1)
    assert not torch.isin(far, together).any()


def test_runs_beyond_32_bits_are_told_apart():
    near, far = torch.tensor([5]), torch.tensor([5 + (1 << 32)])
    zero = torch.zeros(1, dtype=torch.int64)
    assert not torch.equal(philox.uniform(0, 0, near, zero, 4), philox.uniform(0, 0, far, zero, 4))


# The draws are fixed by the seed, so these cannot fail by chance once they pass.

def test_uniform_is_uniform():
    u = philox.uniform(11, philox.NOISE, RUNS, STEPS, 50).flatten().numpy()
    assert u.min() >= 0
    assert u.max() < 1
    assert stats.kstest(u, "uniform").pvalue > 0.01
    scaled = u * 2.0**53
    assert np.array_equal(scaled, np.floor(scaled))       # 53 bits, so exactly representable
    assert np.mean(scaled % 2) == pytest.approx(0.5, abs=0.01)          # and the last is used


def test_normal_is_normal():
    z = philox.normal(12, philox.NOISE, RUNS, STEPS, 50).flatten().numpy()
    assert stats.kstest(z, "norm").pvalue > 0.01
    assert z.mean() == pytest.approx(0, abs=4 / len(z)**0.5)            # 4 standard errors
    assert z.var() == pytest.approx(1, abs=4 * (2 / len(z))**0.5)
    assert stats.skew(z) == pytest.approx(0, abs=4 * (6 / len(z))**0.5)
    assert stats.kurtosis(z) == pytest.approx(0, abs=4 * (24 / len(z))**0.5)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_neighbours_in_step_run_and_place_are_uncorrelated(axis):
    u = philox.uniform(13, philox.NOISE, RUNS, STEPS, 50).numpy() - 0.5
    a, b = np.delete(u, 0, axis).ravel(), np.delete(u, -1, axis).ravel()
    assert abs(np.corrcoef(a, b)[0, 1]) < 4 / len(a)**0.5               # 4 standard errors
