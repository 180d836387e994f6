"""The driver of runs: its recorders agree on how runs end, and a new one is all a new use takes."""

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from qnviz.errors import Interrupted
from qnviz.methods.registry import METHODS
from qnviz.runs.ends import STATUS
from qnviz.runs.loop import run
from qnviz.runs.record import Columns
from qnviz.runs.spec import RunSpec, parse
from qnviz.runs.step import Chunk, Recorder, Runs, Step, Stepper
from qnviz.runs.totals import totals
from tests.helpers import CPU, F64, not_here

PROBLEMS = {
    "converging": ({"name": "rosenbrock", "start_noise": 0.3}, {"stop_loss": 1e-3}),
    "by gradient": ({"name": "rosenbrock", "start_noise": 0.3}, {"stop_grad": 1e-1}),
    "noisy": ({"name": "rosenbrock", "noise": 3.0, "start_noise": 0.5}, {"stop_loss": 1e-2}),
    "a kink": ({"name": "function", "f": "sqrt(x^2+y^2)", "start": (1, 0)}, {"stop_loss": 1e-9}),
    "at a kink": ({"name": "function", "f": "sqrt(x^2+y^2)", "start": (0, 0)}, {}),
    "no second derivative": ({"name": "function", "f": "x^1.5+y^2", "start": (0, 1)}, {}),
    "out of its domain": ({"name": "function", "f": "sqrt(x)+1/y^2", "start": (1, 1),
                           "start_noise": 0.2}, {}),
    "falling": ({"name": "function", "f": "x^3-3*x+y^2", "start": (-2.5, 0.3),
                 "start_noise": 0.2}, {}),
    "a net": ({"name": "linear_net", "samples": 30, "width": 4, "batch": 10}, {"stop_loss": 3.0})}


def entrant(problem, name, steps=25, runs=4, seed=2, **more) -> RunSpec:
    fields = {"name": name}
    if name in ("curveball", "newton_krylov") and ";" not in problem.get("f", ";"):
        fields["curvature"] = "hessian"
    method = METHODS[name].model_validate(fields)
    spec = parse({"problem": problem, "methods": [{"name": "sgd"}], "steps": steps, "runs": runs,
                  "seed": seed} | more)
    if why := not_here(method, spec.problem):
        pytest.skip(why)
    return spec.model_copy(update={"methods": (method,)})


@pytest.mark.parametrize("where", PROBLEMS)
@pytest.mark.parametrize("name", METHODS)
def test_columns_and_totals_agree_on_how_runs_end(name, where):
    problem, rules = PROBLEMS[where]
    spec = entrant(problem, name, **rules)
    method, built = spec.methods[0], spec.problem.build(F64, CPU)
    c = run(spec)[method.entrant]
    rows = totals(spec, method, built, Runs.alike(method, built, spec.seed, spec.runs))
    assert [STATUS[code] for code in rows["status"]] == c["status"].tolist()
    np.testing.assert_array_equal(rows["stopped"], c["stopped"])
    np.testing.assert_array_equal(rows["work"], c["work"][c["stopped"], range(spec.runs)])
    there = c["status"] != "diverged"
    np.testing.assert_allclose(rows["final_loss"][there], c["loss"][-1, there], rtol=1e-6,
                               atol=1e-12)
    assert np.isnan(rows["final_loss"][~there]).all()


def test_the_matrix_knows_every_kind_of_end():
    seen = set()
    for where, name in (("converging", "bfgs"), ("noisy", "sgd"), ("at a kink", "adam"),
                        ("falling", "newton"), ("a kink", "scipy_bfgs"),
                        ("by gradient", "scipy_bfgs"), ("converging", "adam")):
        problem, rules = PROBLEMS[where]
        spec = entrant(problem, name, steps=100, **rules)
        seen |= set(run(spec)[name]["status"])
    assert seen >= set(STATUS) - {"running", "ended"}


# --- a third recorder -----------------------------------------------------------------------------

@dataclass
class Paths(Recorder):
    """Where each of R runs went: what a player of runs along one setting needs."""

    runs: int
    theta: list[np.ndarray] = field(default_factory=list)
    lengths: list[np.ndarray] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def keep(self, step: Step) -> torch.Tensor:
        self.calls.append(f"keep {step.k}")
        return step.after.theta - step.before.theta

    def record(self, chunk: Chunk) -> None:
        self.calls.append(f"record {chunk.first}+{chunk.count}")
        alive = chunk.runs.numpy()
        assert len(chunk.kept) == chunk.count
        assert chunk.seen["theta"].shape[:2] == (len(chunk.at), len(alive))
        for into, rows in ((self.theta, chunk.seen["theta"]), (self.lengths, torch.stack(
                chunk.kept).norm(dim=-1) if chunk.kept else None)):
            if rows is not None:
                full = np.full((len(rows), self.runs, *rows.shape[2:]), np.nan)
                full[:, alive] = rows.numpy()
                into.append(full)


RATES = torch.tensor([1e-4, 3e-4, 1e-3, 3e-3, 1.0], dtype=F64)


def family(spec, recorder=None, check=lambda: None):
    """Runs along one setting: one start, one noise, one step size each."""
    method, problem = spec.methods[0], spec.problem.build(F64, CPU)
    number = torch.zeros(1, dtype=torch.int64)
    theta = problem.start(spec.seed, number).repeat(len(RATES), 1)
    p = method.tensors(len(RATES), theta)
    p.lr = RATES.clone()
    return Stepper(spec, method, problem, Runs(theta, p, spec.seed, number),
                   recorder or Paths(len(RATES)), check)


def test_a_family_of_runs_is_one_more_recorder():
    spec = entrant({"name": "rosenbrock", "noise": 1.0, "start_noise": 0.3}, "sgd", runs=1)
    stepper = family(spec)
    while stepper.alive:
        stepper.advance()
    theta, lengths = (np.concatenate(parts) for parts in (
        stepper.recorder.theta, stepper.recorder.lengths))
    for r, lr in enumerate(RATES):
        alone = run(spec.model_copy(update={"methods": (METHODS["sgd"](lr=float(lr)),)}))["sgd"]
        rows = int(alone["stopped"][0]) + int(alone["status"][0] != "diverged")
        np.testing.assert_array_equal(theta[:rows, r], alone["theta"][:rows, 0])
        np.testing.assert_allclose(lengths[:rows - 1, r], np.linalg.norm(
            np.diff(theta[:rows, r], axis=0), axis=1))
    assert alone["status"][0] == "diverged"            # the last one left the others early
    assert np.isnan(theta[-1, -1]).all()


def test_a_recorder_hears_of_each_step_and_then_of_its_chunk():
    spec = entrant({"name": "rosenbrock"}, "sgd", steps=6, runs=1)
    stepper = family(spec)
    assert stepper.recorder.calls == ["record 0+0"]
    stepper.advance()
    assert stepper.recorder.calls[1:] == [*(f"keep {k}" for k in range(4)), "record 0+4"]
    assert stepper.k == 4


def test_an_interrupted_chunk_is_taken_again_as_if_nothing_had_been():
    spec = entrant({"name": "rosenbrock"}, "sgd", steps=20, runs=1)
    whole, calls, stop = family(spec), [], [False]

    def check():
        calls.append(1)
        if stop[0] and len(calls) % 3 == 0:
            raise Interrupted

    cut = family(spec, check=check)
    for stepper in (whole, cut):
        stepper.fixed, stepper.chunk = True, 4
    while whole.alive:
        whole.advance()
    while cut.alive:
        before, stop[0] = cut.k, True
        with pytest.raises(Interrupted):
            cut.advance()
        assert cut.k == before
        stop[0] = False
        cut.advance()
    np.testing.assert_array_equal(*(np.concatenate(s.recorder.theta) for s in (whole, cut)))


def test_columns_record_runs_with_settings_of_their_own():
    spec = entrant({"name": "rosenbrock", "start_noise": 0.3}, "sgd", runs=1)
    columns = Columns(spec, spec.methods[0], spec.problem.build(F64, CPU), len(RATES))
    stepper = family(spec, columns)
    while stepper.alive:
        stepper.advance()
    c = columns.columns()
    for r, lr in enumerate(RATES):
        alone = run(spec.model_copy(update={"methods": (METHODS["sgd"](lr=float(lr)),)}))["sgd"]
        assert c["status"][r] == alone["status"][0]
        for name in ("theta", "loss", "work", "hessian_min"):
            np.testing.assert_allclose(c[name][:, r], alone[name][:, 0], rtol=1e-12)
    assert set(c["status"]) == {"budget", "diverged"}
