"""What README, docs, pages and methods say of the program, held to what it computes."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from qnviz import archive
from qnviz.curvature.double_damping import double_damping
from qnviz.curvature.oracle import dense
from qnviz.curvature.secant import bfgs_update
from qnviz.methods.registry import METHODS
from qnviz.problems.data import files, images, uploads
from qnviz.problems.registry import PROBLEMS
from qnviz.problems.typed import CLASSICS, Function
from qnviz.runs import spec
from qnviz.runs.loop import run
from qnviz.runs.plane import plane
from qnviz.scoreboard.table import COLUMNS, ROWS
from qnviz.studies import derivatives
from qnviz.studies.spectra import hessian_spectrum
from qnviz.sweeps import spec as sweep_spec
from qnviz.sweeps import sweeping
from qnviz.sweeps.result import SweepResult
from qnviz.sweeps.tiles import compute, tiles
from qnviz.ui.frame import quota
from qnviz.ui.labs import damping, function, open
from qnviz.ui.lessons import facts, file
from qnviz.ui.maps import basins, scoreboard
from qnviz.ui.maps.atlas_question import AtlasQuestion
from qnviz.ui.state import address, store
from qnviz.ui.state.defaults import RACE, classic
from tests.helpers import F64
from tests.helpers import spec as small

ROOT = Path(__file__).resolve().parents[1]


def text(path):
    return " ".join((ROOT / path).read_text(encoding="utf-8").split())


def megabytes(size):
    return f"{size / 1e6:g} MB" if size < 1e9 else f"{size / 1e9:g} GB"


# --- documents ------------------------------------------------------------------------------------

LIMITS = {
    "docs/deployment.md": [
        f"finished runs ({megabytes(store.MAX_BYTES)} for everybody)",
        f"finished maps ({megabytes(sweeping.KEPT)} for everybody)",
        f"traces that visitors opened ({megabytes(quota.OPENED.limit)} for everybody)",
        f"one spec that a visitor opened (at most {megabytes(open.MOST_BYTES)})",
        f"the data folder ({megabytes(uploads.MOST_BYTES)})",
        f"Files of up to {megabytes(files.UPLOAD)} are uploaded"],
    "docs/security.md": [
        f"{address.MOST_FIELDS} fields, {address.LONGEST_NAME} characters of a name, "
        f"{address.LONGEST_VALUE} of a value",
        f"{megabytes(open.UNPACKED)} unpacked, {archive.MOST_ARRAYS:,} arrays",
        f"all opened traces together {megabytes(quota.OPENED.limit)}",
        f"{megabytes(open.TEXT)} of text, {megabytes(open.MOST_BYTES)} of records, "
        f"{megabytes(open.MOST_LIVE)} at once, {open.MOST_MINUTES} minutes",
        f"{sweep_spec.MAX_SWEEP_RUNS / 1e6:g} million runs",
        f"{megabytes(files.UPLOAD)} each, {megabytes(files.UNPACKED)} unpacked and together, "
        f"{images.MOST_PIXELS / 1e6:g} million pixels, no pickle",
        f"{uploads.MOST_FILES} files and {megabytes(uploads.MOST_BYTES)} in the data folder",
        f"{file.LARGEST // 1000} kB, {file.MOST_STEPS} steps"],
    "lessons/README.md": [f"At most {file.MOST_STEPS} steps."],
    "docs/MATH.md": [f"s up to {PROBLEMS['rosenbrock'].model_fields['noise'].metadata[1].le:g}"],
    "README.md": [
        f"{ {6: 'six'}[len(RACE.entrants)]} methods on one bent valley",
        f"one of { {7: 'eight'}[len(CLASSICS)]} classics",     # with Rosenbrock's in n dimensions
        f"colours 2 × {basins.FINE} × {basins.FINE} starts",
        f"compares { {11: 'eleven', 12: 'twelve'}[len({row.name for row in ROWS.values()})]} "
        "methods on five valleys and two linear nets"]}


@pytest.mark.parametrize("path", LIMITS)
def test_figures_in_documents_are_those_of_the_code(path):
    for words in LIMITS[path]:
        assert words in text(path)
    assert [c.problem["name"] for c in COLUMNS.values()] == ["rosenbrock"] * 5 + ["linear_net"] * 2


def test_who_leads_on_the_digits_is_what_was_measured():
    parts = json.loads((ROOT / "benchmarks" / "results.json").read_text())["parts"]
    table = next(t for t in parts["autoencoder"]["tables"] if t["key"] == "losses")
    loss = {(row["name"], row["case"]): row["value"] for row in table["rows"]}
    names = {name for name, _ in loss}
    factored = {"kbfgs", "kbfgs_l", "kfac"}
    for case in ("30 epochs", "60 epochs"):
        assert max(loss[n, case] for n in factored) < min(loss[n, case] for n in names - factored)
    assert min(names, key=lambda n: loss[n, "in the time of SGD"]) == "adam"
    assert ("after 30 epochs and after 60 the Kronecker-factored methods lead; within the seconds "
            "that SGD's 60 take on a CPU, Adam does") in text("README.md")


@pytest.mark.parametrize(("precision", "table", "slack"), [
    ("float64", (2.5e-8, 1e-7, 4.2e-11, 2.2e-5, 3.3e-16, 2.2e-7), 1.03),
    ("float32", (7e-4, None, 2e-5, None, 2.4e-7, 5e-3), 1.5)])
def test_the_errors_that_the_mathematics_quotes_are_the_pages(precision, table, slack):
    product = derivatives.answer(derivatives.Question(precision=precision, decades=60)).product
    forward, central = (product.by_step[n] for n in ("forward_difference", "finite_difference"))
    found = (np.nanmin(forward), product.h[np.nanargmin(forward)], np.nanmin(central),
             product.h[np.nanargmin(central)], product.floor, product.holds[1])
    for ours, quoted in zip(found, table, strict=True):
        assert quoted is None or quoted / slack < ours < quoted * slack
    for quoted in ("2.5e-8 at h = 1e-7", "4.2e-11 at 2.2e-5", "3.3e-16 at every h ≤ 2.2e-7",
                   "about 7e-4, 2e-5, and 2.4e-7 from h ≈ 5e-3 to 2.2e-38"):
        assert quoted in text("docs/MATH.md")


# --- methods --------------------------------------------------------------------------------------

@pytest.mark.parametrize(("method", "limit"), [
    ("sgd", lambda mu: 2 * (1 + mu)),
    ("nesterov", lambda mu: 2 * (1 + mu) / (1 + 2 * mu))])
@pytest.mark.parametrize("mu", [0.0, 0.5, 0.9])
def test_momentum_bears_the_step_sizes_that_its_page_says(method, limit, mu):
    """On f = ½ 8 (x² + y²); the sentences of `fails`."""
    for share, ends in ((0.97, "converged"), (1.03, "diverged")):
        trace = run(spec.parse({
            "problem": {"name": "function", "f": "4*x^2 + 4*y^2", "start": (1, 1)}, "steps": 5000,
            "methods": [{"name": method, "momentum": mu, "lr": share * limit(mu) / 8}],
            "stop_loss": 1e-12}))
        assert trace[method]["status"][0] == ends


def test_without_damping_k_bfgs_skips_what_would_make_it_indefinite():
    noisy = small({"name": "kbfgs", "damping": "none", "lr": 0.1, "lam": 0.3}, steps=300, runs=20,
                  problem={"name": "rosenbrock", "noise": 3.0})
    c = run(noisy)["kbfgs"]
    negative = c["ratio1_before"][..., 0] < 0
    assert negative.sum() > 20
    assert c["skipped"][negative].astype(bool).all()
    assert np.nanmin(c["eig_min"]) > 0


def test_one_over_mu_two_bounds_what_an_update_adds_and_not_what_comes_out():
    s, y = torch.tensor([[-0.30, 0.75]], dtype=F64), torch.tensor([[0.125, -0.0635]], dtype=F64)
    mu1, mu2 = torch.tensor([0.2], dtype=F64), torch.tensor([0.3], dtype=F64).sqrt()
    H = torch.eye(2, dtype=F64)[None]
    pair = double_damping(s, y, lambda v: v, mu1, mu2)
    after, _ = bfgs_update(H, pair.s, pair.Hy, pair.sy, pair.c1 * pair.sy,
                           torch.tensor([False]))
    assert float(pair.c2) <= float(1 / mu2) * (1 + 1e-15)
    assert float(torch.linalg.eigvalsh(after)[0, -1]) == pytest.approx(10.78, abs=0.005)


# --- pages ----------------------------------------------------------------------------------------

def events(settings):
    return run(settings.spec()).columns["K-BFGS (double)"]


def test_presets_of_the_damping_page_show_what_their_titles_say():
    titles = {title.partition(": ")[2]: s for title, s in damping.PRESETS.items()}
    undamped = run(titles["one bad pair is enough"].spec()).columns["K-BFGS (none)"]
    largest = undamped["eig_max"][:, 0, 0]
    k = int(largest.argmax())
    assert largest[k] > 100 * largest[k - 1]
    assert undamped["loss"][k + 2, 0] > 1e4 > 1e4 * undamped["loss"][k, 0]
    c = events(titles["damping at every other step"])
    k = int(c["stopped"][0])
    acted = ((c["theta1"] < 1) | (c["theta2"] < 1))[:k, 0].mean()
    assert 0.5 < acted < 0.75


def ends(settings):
    """Steps and last points of a race's methods."""
    trace = run(settings.spec())
    last = {label: int(c["stopped"][0]) for label, c in trace.columns.items()}
    return last, {label: trace.theta(label)[k, 0] for label, k in last.items()}


def test_classics_show_what_their_titles_say():
    titles = {title.partition(":")[0]: s for title, s in function.PRESETS.items()}
    steps, _ = ends(titles["Booth"])
    assert steps["Newton"] == 1 < steps["BFGS"] <= 6
    _, points = ends(titles["Styblinski-Tang"])
    lowest = np.array(CLASSICS["styblinski_tang"].minimisers[0])
    assert all(np.linalg.norm(p - lowest) > 5 for p in points.values())
    for name, kappa in (("booth", 9), ("narrow", 1000)):
        assert curvatures(name, CLASSICS[name].minimisers[0])[1] == pytest.approx(kappa)
    assert curvatures("saddle", (0.0, 0.0))[0] < 0
    q = Function.model_validate(classic("goldstein_price").problem)
    z = plane(q, q.build(F64, torch.device("cpu")))["z"]
    assert CLASSICS["goldstein_price"].minimum == 3
    assert 5e5 < z.max() < 2e6


def curvatures(name, point):
    """The smallest eigenvalue of a classic's Hessian at a point, and the largest over it."""
    problem = Function.model_validate(classic(name).problem).build(F64, torch.device("cpu"))
    tape = problem.forward(torch.tensor([point], dtype=F64), problem.reference())
    low, high = torch.linalg.eigvalsh(dense(problem, tape, "hessian"))[0].tolist()
    return low, high / low


def test_maps_show_what_their_titles_say():
    left, right = (SweepResult.load(store.ASSETS / f"basins-{side}.npz")["status"]
                   for side in ("left", "right"))                # BFGS, SGD
    assert (left == "converged").all()
    assert (right == "diverged").any()
    damped, undamped = (swept(p.spec) for p in AtlasQuestion(
        problem="linear_net", seeds=1, points=8).plans()[0])
    assert 0 < 2 * (undamped == "converged").sum() <= (damped == "converged").sum()


def swept(s):
    result = SweepResult(s)
    for tile in tiles(s):
        result.put(tile, compute(s, tile))
    return result["status"]


def test_the_scoreboard_says_what_is_tuned():
    said = " ".join(scoreboard.EXPLAIN.replace("`", "").split())
    for words in ("SGD + momentum (lr, momentum)", "Nesterov (lr, momentum)",
                  "Adam (lr, beta1, beta2; or lr alone)", "RMSprop (lr, beta)",
                  "K-BFGS (lr, momentum, lam)", "lr from 1.0e−5 to 1 in 1-2-5 steps",
                  "beta2 and beta in 0.9, 0.99, 0.999", "lam in 0.01, 0.1, 0.5",
                  "momentum and beta1 in 0, 0.5, 0.8, 0.9, 0.95, 0.98"):
        assert words in said
    for row in ROWS.values():
        assert (f" {METHODS[row.name].title} (" in said) == any(
            r.tuned for r in ROWS.values() if r.name == row.name)
    assert {c.steps for c in COLUMNS.values() if c.sets} == {3000}
    assert {c.steps for c in COLUMNS.values() if not c.sets} == {10_000}


def test_the_autoencoders_curvature_differs_by_orders_of_magnitude():
    trace = run(small("kbfgs", steps=20, problem={"name": "autoencoder"}))
    sizes = np.abs(hessian_spectrum(trace, "kbfgs", 20).values)
    assert sizes.max() > 1e4 * sizes.min()


def test_the_readme_quotes_what_the_home_page_says():
    said = run(RACE.spec().model_copy(update={"steps": 8})).words["K-BFGS"][7]
    assert f"> {said}" in (ROOT / "README.md").read_text(encoding="utf-8")


# --- what lessons ask for -------------------------------------------------------------------------

def test_pairs_are_counted_as_the_columns_have_them():
    settings = damping.PRESETS["Rosenbrock, ε ~ U[0, 3]: one run is an anecdote"]
    trace = run(settings.spec())
    c = trace.columns["K-BFGS (double)"]
    k = int(c["stopped"][0])
    expected = {"updates": k, "powell": (c["theta1"][:k] < 1).sum(),
                "second": (c["theta2"][:k] < 1).sum(),
                "negative": (c["ratio1_before"][:k] < 0).sum(), "skipped": 0}
    assert 0 < expected["negative"] < expected["powell"]
    for name, value in expected.items():
        assert facts.run_fact(trace, settings, f"kbfgs.{name}") == value
    assert facts.run_fact(trace, settings, "kbfgs.work@7") == c["work"][7, 0]
    undamped = facts.run_fact(trace, settings, "kbfgs~3.negative")
    assert undamped == facts.run_fact(trace, settings, "kbfgs~3.skipped") > 0
