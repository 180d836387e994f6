"""Autoencoders: their calculus with weight decay, what is reported, and how they are described."""

import numpy as np
import pytest
import torch

from qnviz.curvature.hessian_vector import KINDS
from qnviz.errors import DataError, SpecError
from qnviz.methods.bfgs import BFGS
from qnviz.methods.kbfgs import KBFGS
from qnviz.methods.levenberg_marquardt import LevenbergMarquardt
from qnviz.methods.newton import Newton
from qnviz.methods.newton_krylov import NewtonKrylov
from qnviz.problems import data
from qnviz.problems.autoencoder import PUBLISHED, Autoencoder, _tensors
from qnviz.runs.loop import run
from qnviz.runs.spec import RunSpec, parse
from tests.helpers import (
    CPU,
    F64,
    TINY,
    Net,
    assert_close,
    drive,
    first_batch,
    normal,
    plain_gauss_newton,
    plain_gradient,
    plain_hessian,
    plain_layers,
    plain_loss,
)

pytestmark = pytest.mark.usefixtures("tiny_images")
NETS = [(a, l, t) for a in ("tanh", "sigmoid", "relu", "softplus") for l in ("bce", "mse")
        for t in (0.0, 0.1)]
R = 3


def tiny(**fields):
    return Autoencoder(**(TINY | {"batch": 8} | fields)).build(F64, CPU)


def each(theta, one):
    return torch.stack([one(theta[r], r) for r in range(R)])


# --- calculus -----------------------------------------------------------------------------------

@pytest.mark.parametrize(("activation", "loss", "tau"), NETS)
def test_derivatives_by_autograd(activation, loss, tau):
    problem = tiny(widths=(16, 4, 2, 4, 16), activation=activation, loss=loss, tau=tau)
    batch, theta = first_batch(problem, R), problem.start(0, torch.arange(R))
    theta = theta + 0.1 * normal(1, *theta.shape)                      # biases start at 0
    tape = problem.forward(theta, batch)
    assert_close(tape.f, each(theta, lambda t, r: plain_loss(problem, t, batch, r)), 1e-12)
    g = each(theta, lambda t, r: plain_gradient(problem, t, batch, r))
    assert_close(problem.join(problem.gradient(tape)), g, 1e-12)
    v = normal(2, R, problem.size)
    H = each(theta, lambda t, r: plain_hessian(problem, t, batch, r))
    Hv = torch.einsum("rpq,rq->rp", H, v)
    for kind, product in KINDS.items():
        # central differences lose half of the digits; relu's kinks may lie within their step
        limit = 1e-12 if kind != "finite_difference" else 1e-6 if activation != "relu" else 1e-2
        assert_close(product(problem, tape, v), Hv, limit)
    G = each(theta, lambda t, r: plain_gauss_newton(problem, t, batch, r))
    assert_close(problem.gauss_newton_vector(tape, v), torch.einsum("rpq,rq->rp", G, v), 1e-12)
    complex_ = problem.forward(torch.complex(theta, 1e-20 * v), batch)
    assert_close(complex_.f.imag / 1e-20, (g * v).sum(1), 1e-11)


@pytest.mark.parametrize("method", [LevenbergMarquardt(), Newton(), BFGS(), NewtonKrylov()],
                         ids=lambda m: m.name)
@pytest.mark.parametrize("tau", [0.01, 0.3])
def test_with_weight_decay_methods_end_where_the_full_gradient_vanishes(method, tau):
    problem = Net((3, 3, 2), "tanh", "mse", samples=12, tau=tau)
    theta = drive(method, problem, R, 200 if method.name == "bfgs" else 120).theta[-1]
    batch = problem.reference()
    for r in range(R):
        g = plain_gradient(problem, theta[r], batch, r)
        start = plain_gradient(problem, problem.start(0, torch.arange(R))[r], batch, r)
        assert g.norm() < 1e-5 * start.norm()
        if tau == 0.01:                      # at 0.3 the minimum is nearly θ = 0
            assert (tau * theta[r]).norm() > 1e-3        # the loss alone would still fall
        assert torch.linalg.eigvalsh(plain_hessian(problem, theta[r], batch, r))[0] > -1e-6


def test_work_and_factors_do_not_see_weight_decay():
    """A and the pairs are those of the loss; only ∇W has τW in it."""
    with_, without = (drive(KBFGS(lr=1e-9), tiny(tau=t), 2, 1) for t in (0.5, 0.0))
    for a, b in zip(with_.states[0].H_a, without.states[0].H_a, strict=True):
        assert torch.equal(a, b)
    assert torch.equal(with_.work[0], without.work[0])


# --- layers, start, report ------------------------------------------------------------------------

@pytest.mark.parametrize("name", PUBLISHED)
def test_published_shapes(name):
    spec = Autoencoder(data=name)
    shape, layers = PUBLISHED[name], spec.layers
    assert [(l.fan_in, l.fan_out) for l in layers] == list(zip(shape[:-1], shape[1:], strict=True))
    assert all(l.bias for l in layers)
    middle = len(layers) // 2 - 1
    for l, layer in enumerate(layers):
        linear = l in (middle, len(layers) - 1)
        assert layer.activation == ("identity" if linear else "relu")
    assert layers[spec.code].fan_out == min(shape)
    assert spec.size == sum((i + 1) * o for i, o in zip(shape[:-1], shape[1:], strict=True))


def test_the_start_is_scaled_by_the_inputs_and_biases_are_zero():
    problem, runs = tiny(activation="relu", widths=(16, 9, 4, 9, 16)), torch.arange(500)
    other = tiny(activation="tanh", widths=(16, 9, 4, 9, 16))
    gains = (2.0, 1.0, 2.0, 1.0)                    # the code and the output are linear
    for W, V, gain in zip(problem.split(problem.start(3, runs)), other.split(other.start(3, runs)),
                          gains, strict=True):
        fan_in = W.shape[2] - 1
        assert (W[..., -1] == 0).all()
        weights = W[..., :-1]
        assert weights.std().item() == pytest.approx((gain / fan_in) ** 0.5, rel=0.02)
        assert_close(weights, V[..., :-1] * gain**0.5, 1e-14)


@pytest.mark.parametrize("loss", ["bce", "mse"])
def test_what_is_reported_by_hand(loss):
    tau = 0.02
    spec = RunSpec(problem=Autoencoder(**TINY, batch=8, loss=loss, activation="tanh", tau=tau),
                   methods=({"name": "adam", "lr": 0.01}, {"name": "kbfgs"}), steps=20, runs=2)
    trace, problem, images = run(spec), spec.problem.build(F64, CPU), data.load("file:tiny.npz")
    train, test = (torch.tensor(x, dtype=F64) for x in (images.train, images.test))

    def outputs(theta, x):
        batch = problem.reference()
        batch.x = batch.target = x[None]
        return plain_layers(problem, torch.as_tensor(theta), batch, 0)

    def value(theta, x):
        u = outputs(theta, x)[2]
        each = (torch.nn.functional.binary_cross_entropy_with_logits(u, x, reduction="none")
                if loss == "bce" else 0.5 * (u - x) ** 2)
        return each.sum(1).mean() + 0.5 * tau * (torch.as_tensor(theta) ** 2).sum()

    shown = torch.sigmoid if loss == "bce" else lambda u: u
    for c in trace.columns.values():
        assert c["test_loss"].shape == c["error"].shape == c["loss"].shape == (21, 2)
        for k, r in ((0, 0), (7, 1), (20, 1)):
            theta = c["theta"][k, r]
            assert c["loss"][k, r] == pytest.approx(value(theta, train).item(), rel=1e-12)
            assert c["test_loss"][k, r] == pytest.approx(value(theta, test).item(), rel=1e-12)
            error = (shown(outputs(theta, test)[2]) - test).square().sum(1).mean().item()
            assert c["error"][k, r] == pytest.approx(error, rel=1e-12)
        # views: bytes of the pictures, and the narrowest layer's units
        S, chosen = 10, problem.chosen
        for v, k in enumerate(c["view_step"]):
            _, pre, u = outputs(c["theta"][k, 0], test)
            drawn = (255 * shown(u)[chosen].clamp(0, 1)).round().numpy()
            assert c["view_reconstruction"].dtype == np.uint8
            assert np.abs(c["view_reconstruction"][v] - drawn).max() <= 1      # a tie of rounding
            np.testing.assert_allclose(c["view_code"][v], pre[1].numpy(), rtol=1e-6, atol=1e-6)
        assert c["view_reconstruction"].shape == (len(c["view_step"]), S, 16)
        assert c["view_code"].shape == (len(c["view_step"]), 12, 2)
    scene = trace.scene
    np.testing.assert_array_equal(scene["inputs"], np.round(255 * images.test[chosen]))
    assert scene["shape"].tolist() == [4, 4]
    np.testing.assert_array_equal(scene["labels"], images.test_labels)
    assert {*images.test_labels[chosen][:3]} == {0, 1, 2}                  # one of each class first
    assert len({*chosen}) == S


# --- how they are described -----------------------------------------------------------------------

RACE = {"methods": [{"name": "kbfgs"}], "steps": 5}


@pytest.mark.parametrize("text", ["64-32-6-32-64", "64, 32, 6, 32, 64", "64 32 6 32 64",
                                  "64-32-6--32-64 "])
def test_widths_as_a_person_writes_them(text):
    problem = parse(RACE | {"problem": {"name": "autoencoder", "widths": text}}).problem
    assert problem.widths == (64, 32, 6, 32, 64)
    listed = parse(RACE | {"problem": {"name": "autoencoder", "widths": [64, 32, 6, 32, 64]}})
    assert problem == listed.problem


def test_no_widths_are_the_published_ones():
    for text in ("", [], ()):
        problem = parse(RACE | {"problem": {"name": "autoencoder", "widths": text}}).problem
        assert problem.shape == PUBLISHED["digits"]
    short = parse(RACE | {"problem": {"name": "autoencoder", "widths": "64-9-64"}}).short()
    assert parse(short).problem.widths == (64, 9, 64)


BAD = {
    "words": ({"widths": "wide"}, ("widths", "'wide'", "whole number")),
    "signs": ({"widths": "64-²-64"}, ("widths", "whole number")),
    "zero": ({"widths": "64-0-64"}, ("widths", "0", "at least 1")),
    "too wide": ({"widths": "64-5000-64"}, ("widths", "5000", "at most 4096")),
    "two": ({"widths": "64-64"}, ("widths", "three")),
    "unequal": ({"widths": "64-6-32"}, ("widths", "same")),
    "other pixels": ({"widths": "25-6-25"}, ("widths", "25", "64 pixels")),
    "too many parameters": ({"data": "faces", "widths": "625-4096-4096-4096-625"},
                            ("parameters", "20,000,000")),
    "unknown data": ({"data": "cats"}, ("data", "'cats'", "'digits'", "file:NAME")),
    "no activation": ({"activation": "gelu"}, ("activation", "'gelu'", "'softplus'")),
    "no loss": ({"loss": "hinge"}, ("loss", "'hinge'", "'mse'")),
    "empty batch": ({"batch": 0}, ("batch", "0", "at least 1")),
    "much decay": ({"tau": 2}, ("tau", "2", "at most 1")),
    "half a width": ({"widths": [64, 3.5, 64]}, ("widths[1]", "3.5", "whole number"))}


@pytest.mark.parametrize("case", BAD)
def test_bad_descriptions_are_told_in_a_sentence(case):
    fields, named = BAD[case]
    with pytest.raises(SpecError) as error:
        parse(RACE | {"problem": {"name": "autoencoder"} | fields})
    assert len(error.value.faults) == 1, error.value.faults
    sentence = error.value.faults[0]
    assert sentence.endswith(".")
    assert ".." not in sentence
    assert all(part in sentence for part in named), sentence


@pytest.mark.parametrize("name", ["nothing.npz", "../tiny.npz", "", ".hidden.npz", "a/b.npz"])
def test_a_file_that_is_not_there_is_told_where_it_matters(name):
    """With widths nothing is read to describe a run; the data are missed when it starts."""
    problem = {"name": "autoencoder", "data": f"file:{name}", "widths": "16-3-16", "batch": 8}
    with pytest.raises((DataError, SpecError)) as error:
        run(parse(RACE | {"problem": problem}))
    assert str(error.value).endswith(".")


def test_widths_that_do_not_fit_ones_own_images_are_told_when_it_starts():
    problem = {"name": "autoencoder", "data": "file:tiny.npz", "widths": "25-3-25", "batch": 8}
    with pytest.raises(DataError, match="25.*16 pixels"):
        run(parse(RACE | {"problem": problem}))


def test_ones_own_images_get_widths_by_themselves():
    spec = parse(RACE | {"problem": {"name": "autoencoder", "data": "file:tiny.npz", "batch": 8}})
    assert spec.problem.shape[0] == spec.problem.shape[-1] == 16
    c = run(spec)["kbfgs"]
    assert np.isfinite(c["loss"]).all()


def test_the_key_knows_the_contents_of_a_file(tiny_images, tmp_path, monkeypatch):
    spec = parse(RACE | {"problem": {"name": "autoencoder", **TINY, "batch": 8}})
    first = spec.key()
    assert spec.key() == first
    with np.load(tiny_images / "tiny.npz") as file:
        np.savez(tmp_path / "tiny.npz", images=255 - file["images"], labels=file["labels"])
    monkeypatch.setenv("QNVIZ_DATA", str(tmp_path))
    assert spec.key() != first
    assert run(spec)["kbfgs"]["loss"][0, 0] > 0


def test_a_missing_file_without_widths_is_a_fault_of_the_description():
    problem = {"name": "autoencoder", "data": "file:nothing.npz", "batch": 8}
    with pytest.raises(SpecError, match=r"nothing\.npz"):
        parse(RACE | {"problem": problem})


def test_images_are_fit_for_autograd_whoever_asked_for_them_first():
    _tensors.cache_clear()
    with torch.inference_mode():
        tiny()
    try:
        assert not tiny().reference().x.is_inference()
    finally:
        _tensors.cache_clear()
