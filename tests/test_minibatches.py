"""Batches of finite data: permutations, anew per run and epoch, whoever asks and when."""

import pytest
import torch

from qnviz.errors import DataError
from qnviz.problems.autoencoder import Autoencoder
from qnviz.problems.linear_net import LinearNet
from qnviz.problems.minibatches import Minibatches
from qnviz.runs.loop import run
from qnviz.runs.spec import RunSpec
from tests.helpers import CPU, F64, TINY

N = 23


def source(size, target=None):
    x = torch.arange(N, dtype=F64)[:, None]
    return Minibatches(x, x if target is None else target, size, "numbers")


def drawn(draw, first, count, runs, seed=0):
    """The samples' numbers, (count, R, size)."""
    return torch.stack([b.x[..., 0] for b in draw(first, count, seed, torch.tensor(runs))]).long()


@pytest.mark.parametrize("size", [1, 5, 11, 12, 22, N])
def test_an_epoch_shows_no_sample_twice(size):
    draw = source(size)
    assert draw.per_epoch == N // size
    seen = drawn(draw, 0, 3 * draw.per_epoch, [0, 4])
    for epoch in seen.split(draw.per_epoch):
        for r in range(2):
            numbers = epoch[:, r].flatten()
            assert len(numbers.unique()) == len(numbers) == draw.per_epoch * size
            assert 0 <= numbers.min() <= numbers.max() < N


def test_epochs_and_runs_and_seeds_are_shuffled_differently():
    draw = source(N)
    orders = [*drawn(draw, 0, 3, [0, 1, 7]).flatten(0, 1), drawn(draw, 0, 1, [0], seed=1)[0, 0]]
    for i, a in enumerate(orders):
        assert (a != torch.arange(N)).any()
        assert all((a != b).any() for b in orders[:i])


def test_fresh_batches_of_a_step_hold_other_samples_each_and_no_sample_twice():
    draw, runs = source(7), torch.tensor([0, 4, 9])
    batch = next(iter(draw(5, 1, 3, runs)))
    fresh = torch.stack([draw.fresh(batch, j).x[..., 0] for j in range(1, 60)]).long()
    assert fresh.shape == (59, 3, 7)
    sets = {tuple(sorted(row.tolist())) for row in fresh.flatten(0, 1)}
    assert len(sets) == 59 * 3
    assert all(len(set(row)) == 7 for row in sets)
    counts = fresh.flatten().bincount(minlength=N)
    assert counts.min() > 0.7 * counts.double().mean()
    alone = next(iter(draw(5, 1, 3, runs[1:2])))                        # alone as in the batch
    assert torch.equal(draw.fresh(alone, 8).x[0], draw.fresh(batch, 8).x[1])
    other = next(iter(draw(6, 1, 3, runs)))
    assert not torch.equal(draw.fresh(other, 8).x, draw.fresh(batch, 8).x)
    pairs = source(7, target=10 * torch.arange(N, dtype=F64)[:, None])
    b = pairs.fresh(next(iter(pairs(5, 1, 3, runs))), 2)
    assert torch.equal(b.target, 10 * b.x)
    assert (b.seed, b.step, b.full) == (3, 5, False)


def test_a_full_batch_is_never_another():
    draw = source(None)
    batch = next(iter(draw(0, 1, 0, torch.tensor([0]))))
    assert draw.fresh(batch, 3) is batch


def test_every_order_is_about_equally_likely():
    x = torch.arange(3, dtype=F64)[:, None]
    draw = Minibatches(x, x, 3, "three")
    orders = drawn(draw, 0, 6000, [0])[:, 0] @ torch.tensor([9, 3, 1])
    kinds, counts = orders.unique(return_counts=True)
    assert len(kinds) == 6
    assert ((counts - 1000).abs() < 5 * (1000 * 5 / 6)**0.5).all()          # 5 standard deviations


def test_a_run_draws_the_same_alone_and_among_others_and_in_any_chunks():
    whole = drawn(source(5), 0, 30, [0, 1, 2, 3])
    alone, draw = drawn(source(5), 0, 30, [2]), source(5)
    assert torch.equal(whole[:, 2:3], alone)
    parts = [drawn(draw, first, count, [3, 1]) for first, count in
             ((0, 3), (3, 1), (4, 17), (21, 9))]
    assert torch.equal(torch.cat(parts), whole[:, [3, 1]])
    later = source(5)                              # out of turn, and with more epochs than are kept
    assert torch.equal(drawn(later, 25, 5, [0, 1]), whole[25:, :2])
    assert torch.equal(drawn(later, 0, 30, [0, 1]), whole[:, :2])


def test_entrants_in_turn_see_the_same_batches():
    problem = LinearNet(samples=30, batch=7).build(F64, CPU)
    runs = torch.arange(3)
    a, b = [], []
    for first in range(0, 20, 4):
        a += list(problem.batches(first, 4, 0, runs))
        b += list(problem.batches(first, 4, 0, runs))
    for one, other in zip(a, b, strict=True):
        assert torch.equal(one.x, other.x)
        assert torch.equal(one.target, one.x @ problem.A.T)
        assert not one.full
    twins = [{"name": "adam", "label": label} for label in "ab"]
    trace = run(RunSpec(problem=problem.spec, methods=tuple(twins), steps=20, runs=3))
    assert (trace["a"]["theta"] == trace["b"]["theta"]).all()
    assert (trace["a"]["batch_loss"] == trace["b"]["batch_loss"]).all()


def test_a_batch_that_is_all_of_the_data_is_the_full_function_in_another_order():
    every, all_of = (LinearNet(samples=30, batch=b).build(F64, CPU) for b in (None, 30))
    runs = torch.arange(2)
    theta = every.start(0, runs)
    a, b = (next(iter(p.batches(0, 1, 0, runs))) for p in (every, all_of))
    assert a.full
    assert not b.full                             # it is a batch, and methods average over steps
    torch.testing.assert_close(every.forward(theta, a).f, all_of.forward(theta, b).f, rtol=1e-13,
                               atol=0)
    assert torch.equal(b.x.sort(1).values, every.draw.x.sort(0).values.expand(2, -1, -1))


def test_with_no_size_every_batch_is_all_of_it():
    draw = source(None)
    for k, batch in enumerate(draw(3, 4, 0, torch.arange(2))):
        assert batch.full
        assert batch.step == 3 + k
        assert torch.equal(batch.x[0, :, 0], torch.arange(N, dtype=F64))


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(DataError, match="batch is 24, but numbers has only 23 training samples: "):
        source(N + 1)


@pytest.mark.usefixtures("tiny_images")
def test_an_autoencoders_batch_larger_than_its_images_is_refused_when_it_starts():
    fits, large = (Autoencoder(**TINY, batch=b) for b in (48, 49))
    assert fits.build(F64, CPU).draw.per_epoch == 1
    with pytest.raises(DataError, match=r"batch is 49, but .*tiny\.npz has only 48"):
        large.build(F64, CPU)
    spec = RunSpec(problem=large, methods=({"name": "adam"},), steps=3)
    with pytest.raises(DataError, match="batch is 49"):
        run(spec)


@pytest.mark.usefixtures("tiny_images")
def test_images_are_their_own_targets():
    problem = Autoencoder(**TINY, batch=8).build(F64, CPU)
    for batch in problem.batches(0, 7, 0, torch.arange(2)):
        assert batch.target is batch.x
        assert batch.x.shape == (2, 8, 16)
