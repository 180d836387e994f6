"""Lanczos with full reorthogonalisation, and the spectral density it gives."""

import numpy as np
import pytest
import torch

from qnviz.curvature.krylov import leading_spectra
from qnviz.curvature.lanczos import lanczos, ritz
from qnviz.errors import TraceError
from qnviz.figures.system.density import SpectrumView, density
from qnviz.figures.theme import DARK, LIGHT
from qnviz.runs.loop import run
from qnviz.runs.spec import parse
from qnviz.studies.spectra import hessian_spectrum
from tests.helpers import F64, assert_close, normal

P = 60


def matrix(values) -> torch.Tensor:
    Q = torch.linalg.qr(normal(1, P, P))[0]
    return (Q * torch.as_tensor(values, dtype=F64)) @ Q.mT


def test_as_many_steps_as_unknowns_give_all_eigenvalues():
    H = matrix(np.linspace(-3, 40, P))
    values, weights = ritz(*lanczos(lambda v: v @ H, normal(2, 3, P), P))
    for r in range(3):
        assert_close(values[r], torch.linspace(-3, 40, P, dtype=F64), 1e-9)
    assert_close(weights.sum(1), torch.ones(3, dtype=F64), 1e-12)


def test_the_quadrature_is_exact_for_polynomials_up_to_degree_2m_minus_1():
    H, v, m = matrix(np.linspace(-1, 2, P)), normal(3, 2, P), 5
    values, weights = ritz(*lanczos(lambda x: x @ H, v, m))
    for degree in range(2 * m):
        power = torch.linalg.matrix_power(H, degree)
        moment = torch.einsum("rp,pq,rq->r", v, power, v) / (v * v).sum(1)
        assert_close((weights * values**degree).sum(1), moment, 1e-10)


def test_few_distinct_eigenvalues_end_the_krylov_space_without_ghosts():
    H = matrix([0.0] * 40 + [1.0] * 15 + [5.0] * 5)
    values, weights = ritz(*lanczos(lambda v: v @ H, normal(4, 2, P), 20))
    seen = weights > 1e-12
    for r in range(2):
        assert_close(values[r][seen[r]], torch.tensor([0.0, 1.0, 5.0], dtype=F64), 1e-10)
    share = weights.clone()
    share[values.abs() > 0.5] = 0
    assert (share.sum(1) - 2 / 3).abs().max() < 0.25             # two probes see it roughly


def test_a_tridiagonal_matrix_that_is_not_finite_gives_nan_and_disturbs_no_other():
    alpha, beta = normal(7, 3, 5).abs() + 2, normal(8, 3, 4)
    for bad in (torch.nan, torch.inf):
        alpha[1, 2] = bad
        values, weights = ritz(alpha, beta)
        assert values[1].isnan().all()
        assert weights[1].isnan().all()
        for r in (0, 2):
            T = torch.diag(alpha[r]) + torch.diag(beta[r], 1) + torch.diag(beta[r], -1)
            assert_close(values[r], torch.linalg.eigvalsh(T), 1e-12)
    diagonal, off = np.array([2.0, np.nan, 1.0]), np.array([0.5, 0.1])
    first, *others = leading_spectra(diagonal, off)
    assert first.tolist() == [2.0]
    assert all(np.isnan(v).all() for v in others)


@pytest.mark.parametrize("scale", [1e-250, 1e250])
def test_lanczos_does_not_mind_the_size_of_the_matrix(scale):
    H = matrix(np.linspace(1, 40, P))
    plain = ritz(*lanczos(lambda v: v @ H, normal(2, 2, P), 20))[0]
    assert_close(ritz(*lanczos(lambda v: v @ (scale * H), normal(2, 2, P), 20))[0] / scale, plain,
                 1e-9)


@pytest.mark.parametrize("limit", [2000, 10])
def test_a_run_that_has_diverged_has_no_spectrum_and_says_so(limit, monkeypatch):
    monkeypatch.setattr("qnviz.studies.spectra.DENSE_LIMIT", limit)
    trace = race(name="linear_net")
    c = trace["adam"]
    c["theta"][-1] = np.nan
    s = hessian_spectrum(trace, "adam", 6)
    assert len(s.values) == len(s.weights) == 0
    picture = density(SpectrumView(s.values, s.weights, s.size, s.exact, "Adam at step 6",
                                   "#0072B2"))
    assert "no eigenvalues" in picture.title
    assert "not finite" in picture.alt
    picture.plotly()


def test_a_probe_without_an_answer_counts_for_nothing(monkeypatch):
    monkeypatch.setattr("qnviz.studies.spectra.DENSE_LIMIT", 10)
    trace = race(name="linear_net")
    whole = hessian_spectrum(trace, "adam", 6)

    def broken(product, start, steps):
        alpha, beta = lanczos(product, start, steps)
        alpha[2, 5] = torch.nan
        return alpha, beta

    monkeypatch.setattr("qnviz.studies.spectra.lanczos", broken)
    part = hessian_spectrum(trace, "adam", 6)
    assert len(part.values) == len(whole.values) * 3 // 4
    assert part.weights.sum() == pytest.approx(1)
    assert part.values[-1] == pytest.approx(whole.values[-1], rel=1e-6)


def race(**problem):
    return run(parse({"problem": problem, "methods": [{"name": "adam"}], "steps": 6}))


def test_small_nets_get_all_eigenvalues_as_autograd_has_them():
    trace = race(name="linear_net")
    s = hessian_spectrum(trace, "adam", 6)
    assert s.exact
    assert len(s.values) == s.size == 96
    row = trace["adam"]
    np.testing.assert_allclose(s.values, row["view_hessian"][-1], rtol=1e-8, atol=1e-8)
    assert s.step == 6


def test_above_the_limit_the_density_has_the_extremes_and_the_trace(monkeypatch):
    trace = race(name="autoencoder", widths=[64, 6, 64], batch=64)
    exact = hessian_spectrum(trace, "adam", 6)
    monkeypatch.setattr("qnviz.studies.spectra.DENSE_LIMIT", 10)
    monkeypatch.setattr("qnviz.studies.spectra.STEPS", 120)
    rough = hessian_spectrum(trace, "adam", 6)
    assert exact.exact
    assert not rough.exact
    assert rough.samples == exact.samples
    assert rough.weights.sum() == pytest.approx(1)
    assert rough.values[-1] == pytest.approx(exact.values[-1], rel=1e-6)
    assert rough.values[0] == pytest.approx(exact.values[0], rel=1e-3)
    # Hutchinson's estimate of the trace from four probes: variance at most 2 ‖H‖²_F / 4
    spread = np.sqrt(0.5 * (exact.values**2).sum()) / exact.size
    mean = (exact.values * exact.weights).sum()
    assert (rough.values * rough.weights).sum() == pytest.approx(mean, abs=4 * spread)
    assert 4 * spread < 0.6 * mean


def test_a_light_trace_says_that_its_parameters_are_gone():
    trace = race(name="autoencoder", widths=[64, 8, 64], batch=64).light()
    assert len(trace["adam"]["theta"]) == 1
    with pytest.raises(TraceError, match="not kept"):
        hessian_spectrum(trace, "adam", 6)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_the_picture_counts_what_it_says(theme):
    values = np.sort(np.concatenate([-np.ones(3), np.zeros(5), np.linspace(1, 90, 12)]))
    weights = np.full(20, 1 / 20)
    picture = density(SpectrumView(values, weights, 20, True, "K-BFGS at step 9", "#0072B2", theme))
    assert "from −1 to 90" in picture.title
    assert "3 lie below" in picture.title
    assert "5 within" in picture.title
    flat = density(SpectrumView(np.zeros(4), np.full(4, 0.25), 4, True, "x", "#0072B2", theme))
    assert "4 within" in flat.title
