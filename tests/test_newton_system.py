"""A system taken apart is the one that the run solved, number by number; and what was saved."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from qnviz.curvature.krylov import Reason
from qnviz.errors import TraceError
from qnviz.problems.registry import PROBLEMS
from qnviz.runs.loop import run
from qnviz.runs.spec import parse
from qnviz.studies.newton_system import (
    DENSE_LIMIT,
    Counts,
    krylov_labels,
    longest,
    never_early,
    newton_system,
)
from qnviz.ui.labs.krylov import (
    EXPLAIN,
    LABS,
    PRESETS,
    KrylovState,
    disturbance,
    heading,
    work_saved,
)
from qnviz.ui.labs.state import LabState, read_state
from tests.helpers import CPU, F64, assert_close, plain_gradient, plain_hessian

LINEAR = {"name": "linear_net", "samples": 60}
PROBLEM = {
    "linear": LINEAR, "minibatch": LINEAR | {"batch": 9}, "narrow": LINEAR | {"width": 2},
    "rosenbrock": {"name": "rosenbrock", "start": [-0.5, 2.5]},
    "noisy": {"name": "rosenbrock", "start": [-0.5, 2.5], "noise": 2.0},
    "images": {"name": "autoencoder", "data": "file:tiny.npz", "widths": [16, 5, 2, 5, 16],
               "batch": 8}}
NK = "newton_krylov"


def raced(problem, steps=12, seed=0, **fields):
    chosen = PROBLEM[problem] if isinstance(problem, str) else problem
    return run(parse({"problem": chosen, "methods": [{"name": NK} | fields], "steps": steps,
                      "seed": seed, "stop_loss": 1e-12}))


def plain_system(trace, step):
    """θ, g and H + λI of run 0's outer step by autograd, on the step's own batch."""
    spec = parse(trace.spec)
    problem = spec.problem.build(F64, CPU)
    theta = torch.as_tensor(trace[NK]["theta"][step - 1, 0])
    batch = next(iter(problem.batches(step - 1, 1, spec.seed, torch.zeros(1, dtype=torch.int64))))
    lam = spec.methods[0].lam
    H = plain_hessian(problem, theta, batch, 0) + lam * torch.eye(len(theta), dtype=F64)
    return theta, plain_gradient(problem, theta, batch, 0), H


@pytest.mark.parametrize("batches", ["same", "fresh"])
@pytest.mark.parametrize("solver", ["cg", "minres"])
@pytest.mark.parametrize("problem", list(PROBLEM))
def test_the_system_at_a_step_is_the_one_that_the_run_solved(problem, solver, batches,
                                                             tiny_images):
    trace = raced(problem, solver=solver, eta=1e-3, krylov_batches=batches,
                  forcing="superlinear" if problem == "noisy" else "fixed")
    c = trace[NK]
    checked = 0
    for step in range(1, int(c["stopped"][0]) + 1):
        s = newton_system(trace, NK, step)
        if s.step != step:
            continue                       # of nets, some iterates are not looked at
        own = next(x for x in s.solves if x.solver == s.own == solver)
        k, checked = step - 1, checked + 1
        J = c["krylov_iterations"][k, 0]
        assert own.iterations == J
        assert own.reason == Reason(int(c["krylov_reason"][k, 0])).words
        for name in ("curvature", "rayleigh"):
            np.testing.assert_array_equal(getattr(own, name), c[name][k, 0, :J])
        for name in ("residual", "model"):
            row = c[name][k, 0]
            np.testing.assert_array_equal(getattr(own, name)[1:], row[np.isfinite(row)])
        assert s.tolerance == pytest.approx(c["tolerance"][k, 0], rel=1e-15)
        assert s.gradient == c["grad_norm_batch"][k, 0]
        assert s.step_size == c["step_size"][k, 0]
        if k + 1 in c["step"]:
            rows = np.searchsorted(c["step"], [k, k + 1])
            move = np.diff(c["theta"][rows, 0], axis=0)[0]
            np.testing.assert_allclose(s.step_size * own.d, move, rtol=0,
                                       atol=1e-15 * (1 + np.abs(c["theta"][rows, 0]).max()))
    assert checked >= 8


@pytest.mark.parametrize("problem", ["linear", "minibatch", "noisy"])
def test_its_matrix_step_and_residuals_are_those_of_autograd(problem):
    trace = raced(problem, lam=0.02, eta=1e-3, steps=6)
    for step in (1, 3, 6):
        theta, g, H = plain_system(trace, step)
        s = newton_system(trace, NK, step)
        values = torch.linalg.eigvalsh(H)
        assert_close(s.eigenvalues, values, 1e-9)
        assert s.exact
        for x in s.solves:
            path = torch.as_tensor(x.path)
            assert_close(x.residual, (path @ H + g).norm(dim=1), 1e-7)
            assert_close(x.model, path @ g + 0.5 * ((path @ H) * path).sum(1), 1e-9)
            within = np.concatenate(x.ritz)
            assert within.min() >= values[0] - 1e-8 * values[-1]
            assert within.max() <= values[-1] * (1 + 1e-8)
        if problem == "noisy":                         # the whole plane: Newton's step itself
            newton = torch.linalg.solve(H, -g)
            assert_close(s.plane.newton, theta + newton, 1e-9)
            assert s.plane.newton_held == pytest.approx(1)
            assert s.plane.newton_length == pytest.approx(
                float(newton.norm()) / np.linalg.norm(_own(s).d))


def _own(s):
    return next(x for x in s.solves if x.solver == s.own)


def test_both_solvers_find_the_same_ritz_values_and_the_one_that_turns_negative():
    s = newton_system(raced("linear", eta=1e-6), NK, 1)
    cg, minres = s.solves
    assert cg.reason == minres.reason == "negative curvature"
    assert cg.iterations == minres.iterations == len(cg.ritz) == len(minres.ritz)
    for j, (a, b) in enumerate(zip(cg.ritz, minres.ritz, strict=True), 1):
        assert len(a) == j
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8 * s.eigenvalues[-1])
        assert (a[0] < 0) == (j == cg.iterations)


def test_directions_of_conjugate_gradients_and_residuals_of_minres_are_parallel():
    """So both see the same curvature, until rounding takes CG's and MINRES's vectors apart."""
    s = newton_system(raced("minibatch", eta=1e-3), NK, 2)
    cg, minres = (x.rayleigh[:6] for x in s.solves)
    np.testing.assert_allclose(cg, minres, rtol=1e-6)


def test_in_two_dimensions_the_plane_is_that_of_the_parameters():
    trace = raced("rosenbrock")
    c = trace[NK]
    for step in (1, 5):
        s = newton_system(trace, NK, step)
        assert s.plane.exact
        assert s.plane.share == pytest.approx({"cg": 1.0, "minres": 1.0})
        np.testing.assert_allclose(s.plane.paths["cg"][0], c["theta"][step - 1, 0])
        np.testing.assert_allclose(s.plane.taken, c["theta"][step, 0], atol=1e-14)
        _, g, H = plain_system(trace, step)
        i, j = 17, 60                                  # the surface is the model's
        d = torch.tensor([s.plane.x[j], s.plane.y[i]]) - torch.as_tensor(c["theta"][step - 1, 0])
        assert s.plane.z[i, j] == pytest.approx(float(g @ d + 0.5 * d @ H @ d), rel=1e-9)


def test_the_plane_of_a_net_holds_the_gradient_and_the_direction_and_says_what_it_loses():
    trace = raced("linear", eta=1e-3)
    s = newton_system(trace, NK, 4)
    _, g, H = plain_system(trace, 4)
    plane, own = s.plane, _own(s)
    assert not plane.exact
    assert plane.share["cg"] == pytest.approx(1)
    assert 0 < plane.share["minres"] <= 1
    first = -g / g.norm()
    across = torch.as_tensor(own.d) - (torch.as_tensor(own.d) @ first) * first
    axes = torch.stack([first, across / across.norm()])
    for x in s.solves:
        assert_close(plane.paths[x.solver], torch.as_tensor(x.path) @ axes.T, 1e-9)
    cauchy = float(g @ g / (g @ H @ g))
    length = cauchy if cauchy > 0 else float(g.norm() / (H @ g).norm())
    assert_close(plane.steepest, axes @ (-length * g), 1e-9)
    d = plane.x[10] * axes[0] + plane.y[70] * axes[1]
    assert plane.z[70, 10] == pytest.approx(float(g @ d + 0.5 * d @ H @ d), rel=1e-8)


def test_conjugate_gradients_first_iterate_is_the_lowest_point_along_the_gradient():
    s = newton_system(raced("minibatch", lam=5.0), NK, 2)
    assert_close(s.plane.paths["cg"][1], torch.as_tensor(s.plane.steepest), 1e-10)


# --- the work saved -------------------------------------------------------------------------------

def fewest(H, g, eta, budget):
    """The smallest j at which a Krylov space K_j holds a d with ‖Hd + g‖ ≤ η‖g‖, or the budget."""
    Q = [g / g.norm()]
    for j in range(1, min(budget, len(g)) + 1):
        B = torch.stack(Q, 1)
        d = B @ torch.linalg.lstsq(H @ B, -g[:, None], driver="gelsd").solution[:, 0]
        if (H @ d + g).norm() <= eta * g.norm():
            return j
        v = H @ Q[-1]
        for _ in range(2):
            v = v - B @ (B.T @ v)
        Q.append(v / v.norm())
    return budget


@pytest.mark.parametrize("problem", ["linear", "minibatch", "noisy"])
def test_never_ending_early_costs_the_fewest_products_of_any_krylov_method(problem):
    trace = raced(problem, eta=0.05, steps=10, budget=20)
    counts = never_early(trace, NK)
    c, last = trace[NK], int(trace[NK]["stopped"][0])
    assert counts.steps == counts.of == last
    assert counts.used == c["krylov_iterations"][:last, 0].sum()
    early = c["krylov_reason"][:last, 0] == Reason.NEGATIVE_CURVATURE
    assert counts.ended_early == early.sum()
    assert not counts.fresh
    slow = 0
    for k in range(last):
        used = int(c["krylov_iterations"][k, 0])
        least = fewest(*plain_system(trace, k + 1)[:0:-1], 0.05, 20) if early[k] else 0
        slow += max(used, least)
    assert abs(counts.never_early - slow) <= last // 5           # ties with the tolerance: rounding
    assert counts.never_early >= counts.used
    assert counts.saved == pytest.approx(1 - counts.used / counts.never_early)


@pytest.mark.parametrize("problem", ["noisy", "minibatch", "images"])
def test_disturbing_directions_are_counted_against_going_on(problem, tiny_images):
    """Going on, on the same fresh batches, by another loop, and judged by a dense matrix."""
    trace = raced(problem, eta=0.05, steps=10, budget=12, krylov_batches="fresh")
    counts = never_early(trace, NK)
    c, last = trace[NK], int(trace[NK]["stopped"][0])
    assert counts.fresh
    spec = parse(trace.spec)
    plain = spec.problem.build(F64, CPU)
    run0 = torch.zeros(1, dtype=torch.int64)
    needed, disturbing, lower = 0, 0, 0
    for k in range(last):
        reason, used = int(c["krylov_reason"][k, 0]), int(c["krylov_iterations"][k, 0])
        if reason not in (Reason.NEGATIVE_CURVATURE, Reason.DISTURBING):
            needed += used
            continue
        theta, g, H = plain_system(trace, k + 1)
        batch = next(iter(plain.batches(k, 1, spec.seed, run0)))
        fresh = [plain_hessian(plain, theta, plain.fresh(batch, j + 1), 0) for j in range(12)]
        d, r, p, path = torch.zeros_like(g), -g, -g, []
        for Hj in fresh:                                          # no test but the tolerance
            alpha = (r @ r) / (p @ Hj @ p)
            d, r1 = d + alpha * p, r - alpha * Hj @ p
            p, r = r1 + (r1 @ r1) / (r @ r) * p, r1
            path.append(d)
            if r.norm() <= 0.05 * g.norm():
                break
        needed += len(path)
        if reason == Reason.DISTURBING:
            disturbing += 1
            kept = path[used - 2] if used > 1 else -g * g.norm() / (fresh[0] @ g).norm()
            went, ended = (float(g @ x + 0.5 * x @ H @ x) for x in (path[-1], kept))
            lower += not went < ended
    assert disturbing > 0
    assert (counts.disturbing, counts.lower) == (disturbing, lower)
    assert abs(counts.never_early - needed) <= 1
    assert lower > 0


def test_work_is_saved_on_the_linear_net_and_none_where_no_curvature_is_negative():
    assert never_early(raced("linear", eta=1e-3), NK).saved > 0.2
    counts = never_early(raced("linear", lam=200.0, steps=5), NK)
    assert counts.ended_early == 0
    assert counts.used == counts.never_early
    assert counts.saved == 0


def test_with_minres_it_counts_minres(tiny_images):
    trace = raced("images", solver="minres", eta=1e-3, steps=8)
    counts = never_early(trace, NK)
    assert counts.used == trace[NK]["krylov_iterations"][:8, 0].sum()
    assert counts.never_early >= counts.used


# --- degenerate systems ---------------------------------------------------------------------------

def test_negative_curvature_at_the_first_iteration_is_said():
    trace = raced({"name": "rosenbrock", "start": [1.0, 5.0]}, steps=2)
    s = newton_system(trace, NK, 1)
    own = _own(s)
    assert own.iterations == 1 and own.bare              # noqa: PT018
    assert "very first direction" in s.notes[0] and "Steepest descent" in s.notes[0]  # noqa: PT018
    assert len(own.residual) == 1
    _, g, H = plain_system(trace, 1)
    np.testing.assert_allclose(own.d, -g * g.norm() / (H @ g).norm())
    assert np.isfinite(s.plane.steepest).all()


def test_zero_curvature_is_said_and_is_not_negative():
    """f = x² + y bends along x alone: once x is right there is nothing left but a slope."""
    trace = raced({"name": "function", "f": "x^2 + y", "start": [1.0, 1.0]}, steps=3, eta=1e-6)
    s = newton_system(trace, NK, 1)
    own = _own(s)
    assert own.reason == "zero curvature"
    assert "zero curvature" in own.end
    assert own.iterations == 2
    assert work_saved("x", never_early(trace, NK)).startswith("**0 % of the work")


def test_a_gradient_of_zero_is_said():
    trace = raced({"name": "rosenbrock", "start": [1.0, 1.0]}, steps=2)
    assert int(trace[NK]["stopped"][0]) == 0
    assert krylov_labels(trace) == []
    trace = run(parse({"problem": {"name": "rosenbrock", "start": [1.0, 1.0]},
                       "methods": [{"name": NK}], "steps": 2}))
    s = newton_system(trace, NK, longest(trace, NK))
    assert s.plane is None
    assert "gradient is 0" in s.notes[0]
    assert never_early(trace, NK).saved == 0


def test_a_singular_matrix_is_said_with_its_rank():
    # ξ ~ U[0, s] scales one residual only: at ε → 0 the Hessian of Rosenbrock is singular
    trace = raced({"name": "rosenbrock", "start": [0.5, 0.5], "noise": 1e-9}, steps=2)
    s = newton_system(trace, NK, 1)
    assert any("singular: 1 of its 2" in note for note in s.notes)
    assert np.isfinite(s.plane.newton).all()


def test_a_large_net_is_seen_through_lanczos():
    trace = run(parse({"problem": LINEAR | {"width": 100, "depth": 2, "init": "scaled"},
                       "methods": [{"name": NK, "budget": 10}], "steps": 2}))
    assert PROBLEMS["linear_net"](width=100).size <= DENSE_LIMIT
    wide = run(parse({"problem": LINEAR | {"width": 50, "depth": 3, "init": "scaled"},
                      "methods": [{"name": NK, "budget": 10}], "steps": 2}))
    s, small = newton_system(wide, NK, 1), newton_system(trace, NK, 1)
    assert small.exact and not s.exact                   # noqa: PT018
    assert s.plane.newton is None
    assert "3,300 parameters" in s.notes[-1]
    _, _, H = plain_system(wide, 1)
    values = torch.linalg.eigvalsh(H)
    assert s.eigenvalues[-1] == pytest.approx(float(values[-1]), rel=1e-6)


@pytest.mark.parametrize("width", [6, 50])
def test_a_matrix_that_overflows_is_said(width):
    trace = raced(LINEAR | {"width": width, "depth": 3, "init": "scaled"}, steps=1, budget=3)
    for scale, words in ((1e80, "curvature matrix is not finite"), (1e200, "gradient is not")):
        c = trace[NK]
        broken = replace(trace, columns={NK: c | {"theta": scale * c["theta"]}})
        s = newton_system(broken, NK, 1)
        assert s.plane is None
        assert any(words in note for note in s.notes)


def test_parameters_that_were_not_kept_and_other_methods_are_refused():
    trace = raced("linear", steps=4)
    with pytest.raises(TraceError, match="not kept"):
        newton_system(trace.light(), NK, 2)
    other = run(parse({"problem": LINEAR, "methods": [{"name": "adam"}], "steps": 2}))
    with pytest.raises(TraceError, match="solves no Newton system"):
        newton_system(other, "adam", 1)
    assert krylov_labels(other) == []


# --- what the page says ---------------------------------------------------------------------------

def test_the_work_saved_is_said_with_its_numbers():
    text = work_saved("Newton-Krylov", Counts(33, 33, 30, 724, 1633))
    assert text.startswith("**56 % of the work saved.**")
    for words in ("used 724 products", "would have used 1,633", "the 33 systems", "30 ended early"):
        assert words in text
    assert "21 of the 60 systems" in work_saved("x", Counts(21, 60, 5, 362, 420))
    assert "Nothing to save" in work_saved("x", Counts(9, 9, 0, 40, 40))


def test_what_disturbing_directions_saved_is_said_or_why_there_are_none():
    same = disturbance(Counts(33, 33, 30, 724, 1633))
    assert "No direction can be disturbing" in same
    assert "krylov_batches: fresh" in same
    told = disturbance(Counts(33, 33, 30, 724, 1633, True, 20, 14))
    assert "ended 20 systems" in told
    assert "In 14 of them" in told
    assert "No direction was disturbing" in disturbance(Counts(9, 9, 1, 40, 50, True))
    assert "nor a disturbing direction" in work_saved("x", Counts(9, 9, 0, 40, 40, True))
    assert "MINRES" in work_saved("x", Counts(9, 9, 1, 40, 50))
    assert "MINRES" not in work_saved("x", Counts(9, 9, 1, 40, 50, True))


def test_a_step_whose_parameters_were_not_kept_is_shown_by_the_last_one_before(tiny_images):
    spec = parse({"problem": PROBLEM["images"], "methods": [{"name": NK, "budget": 5}],
                  "steps": 400})
    trace = run(spec)
    kept = trace[NK]["step"]
    assert spec.snapshot_every > 1
    s = newton_system(trace, NK, int(kept[3]))
    assert s.step == kept[2] + 1
    assert f"Of step {kept[3]} the parameters were not kept" in heading(s, int(kept[3]))
    assert "not kept" not in heading(s, s.step)
    assert "most iterations" in heading(s, None)
    assert longest(trace, NK) - 1 in kept
    counts = never_early(trace, NK)
    assert counts.steps == len(kept) - 1 < counts.of == 400


def test_a_wrong_iteration_in_the_link_gets_a_sentence():
    assert read_state({"j": "12"}, LABS, KrylovState) == (
        LabState(next(iter(LABS.values())), KrylovState(j=12)), ())
    for raw in ("-1", "abc", "501", "1.5", "", "²"):
        state, faults = read_state({"j": raw}, LABS, KrylovState)
        assert "must be a whole number from 0 to 500" in " ".join(faults)
        assert state.own.j is None


def test_presets_describe_runs_and_the_explanation_is_short():
    assert len(PRESETS) == 4
    assert list(PRESETS.values())[0] == next(iter(LABS.values()))
    for name, settings in LABS.items():
        assert settings.problem["name"] == name
        assert settings.spec() is not None
    assert len(EXPLAIN.split()) < 120


def test_in_its_default_run_most_systems_end_early_and_half_of_the_work_is_saved():
    counts = never_early(run(next(iter(LABS.values())).spec()), "Newton-Krylov")
    assert counts.ended_early > 0.8 * counts.steps
    assert counts.saved > 0.4


def test_in_the_preset_with_fresh_noise_disturbing_directions_end_systems_to_advantage():
    counts = never_early(run(list(PRESETS.values())[-1].spec()), "Newton-Krylov")
    assert counts.fresh
    assert counts.disturbing > 0.2 * counts.steps
    assert counts.lower > counts.disturbing / 2
    assert counts.saved > 0.3
