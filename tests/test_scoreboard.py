"""The scoreboard: cells, tuning on the declared grid, comparison, saving, jobs, command line."""

import json
import subprocess
import sys
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from qnviz.__main__ import main
from qnviz.errors import SpecError, TraceError
from qnviz.fields import parameters
from qnviz.jobs.store import Store
from qnviz.methods.registry import METHODS
from qnviz.problems.registry import PROBLEMS
from qnviz.runs.loop import run
from qnviz.runs.spec import RunSpec
from qnviz.scoreboard import MAIN, scoring
from qnviz.scoreboard import tuning as scoreboard
from qnviz.scoreboard.board import UNITS, Board, Cell, Figures, load, written
from qnviz.scoreboard.reference import (
    MISSING,
    REFERENCE,
    agrees,
    compared,
    differences,
)
from qnviz.scoreboard.rows import DECLARED
from qnviz.scoreboard.scoring import Scoreboard, board, chosen_in
from qnviz.scoreboard.table import COLUMNS, GRID, ROWS, TUNING_SEED, settings
from qnviz.scoreboard.tuning import compute, measure, tune
from qnviz.scoreboard.words import champions, stragglers, turns

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ROOT / "assets" / "scoreboard.json"


class Here:
    """A pool that computes at once, in this thread."""

    size = 2

    def __init__(self):
        self.asked = []

    def submit(self, function, *args):
        self.asked.append(args[:2])
        future = Future()
        try:
            future.set_result(function(*args))
        except Exception as error:
            future.set_exception(error)
        return future


@pytest.fixture
def here(monkeypatch):
    pool = Here()
    monkeypatch.setattr("qnviz.jobs.workers.pool", lambda: pool)
    return pool


@pytest.fixture(scope="module")
def shipped():
    return load(SHIPPED)


def cell(row="sgd", column="rosenbrock", iterations=(10, 20, 30), status=(1, 1, 1), **more):
    taken = np.array(iterations)
    return Cell(row, column, np.array(status), taken, more.pop("work", 3.0 * taken),
                more.pop("seconds", 0.001 * taken), {}, ("#000000", "circle"), **more)


# --- the table ------------------------------------------------------------------------------------

@pytest.mark.parametrize("row", DECLARED.values(), ids=lambda r: r.key)
def test_rows_are_valid_methods_and_tune_fields_of_theirs_within_the_allowed_range(row):
    model = METHODS[row.name]
    model.model_validate(dict(row.settings))
    fields = {q.name for q in parameters(model)}
    assert set(row.tuned) <= fields & (set(GRID) | set(row.grid)), (
        f"give the row {row.key!r} values for all that it tunes: grid={{…}}")
    for chosen in settings(row):
        model.model_validate(dict(row.settings) | chosen)
    assert not set(row.tuned) & set(row.settings)


@pytest.mark.parametrize("column", COLUMNS.values(), ids=lambda c: c.key)
def test_columns_are_valid_problems(column):
    PROBLEMS[column.problem["name"]].model_validate(dict(column.problem))
    assert column.repeats(100) == (20 if column.sets else 100)
    assert column.repeats(10) >= 2


def test_both_readings_of_the_noise_have_columns_and_only_one_a_reference():
    readings = {key: (c.problem["noise"], c.problem["noise_in"]) for key, c in COLUMNS.items()
                if c.problem["name"] == "rosenbrock" and c.problem["noise"]}
    assert sorted(readings.values()) == [(s, n) for s in (1.0, 3.0)
                                         for n in ("function", "residual")]
    for key, (_, noise_in) in readings.items():
        assert ((ROWS["lm"].key, key) in REFERENCE) == (noise_in == "residual")
        assert ("in f" in COLUMNS[key].title) == (noise_in == "function")
    assert "in front" in MISSING


def test_an_older_table_without_the_new_columns_still_opens(tmp_path, shipped):
    old = {c: "" for c in COLUMNS if not c.endswith("_f")}
    kept = Board(shipped.seed, shipped.repeats,
                 {(r, c): cell for (r, c), cell in shipped.cells.items() if c in old})
    kept.save(tmp_path / "old.json")
    again = load(tmp_path / "old.json")
    assert {c for _, c in again.cells} == set(old)
    assert again.best("noise_1_f", "iterations", MAIN) is None
    assert chosen_in(again)("sgd", "noise_1_f") is None                 # it is tuned anew


def test_the_grid_has_every_combination_once():
    found = settings(ROWS["sgd"])
    assert len(found) == len(GRID["lr"]) * len(GRID["momentum"])
    assert len({tuple(c.items()) for c in found}) == len(found)
    assert settings(ROWS["bfgs"]) == [{}]


# --- computing ------------------------------------------------------------------------------------

@pytest.mark.parametrize(("row", "column"), [("newton_krylov", "noise_1"), ("bfgs", "net_10")])
def test_a_cells_first_run_is_what_a_lab_shows(row, column):
    c = COLUMNS[column]
    problem = dict(c.problem) | ({"data_seed": 3} if c.sets else {})
    trace = run(RunSpec.model_validate({
        "problem": problem, "methods": [{"name": ROWS[row].name} | dict(ROWS[row].settings)],
        "steps": 300, "seed": 3, "stop_loss": 1e-4}))
    alone = next(iter(trace.columns.values()))
    assert compute(row, column, 10, 3).iterations[0] == alone["stopped"][0]


def test_a_cell_is_a_function_of_its_seed():
    first, again, other = (compute("curveball_1", "noise_1", 12, s) for s in (0, 0, 1))
    assert (first.iterations == again.iterations).all()
    assert (first.work == again.work).all()
    assert (first.iterations != other.iterations).any()
    more = compute("curveball_1", "noise_1", 20, 0)
    assert (more.iterations[:12] == first.iterations).all()


def test_tuning_finds_the_grids_best_on_other_seeds(monkeypatch):
    asked = []
    real = scoreboard.measure

    def spying(row, column, chosen, runs, steps, seed, quick=False):
        asked.append((len(chosen), seed))
        return real(row, column, chosen, runs, min(steps, 1500), seed, quick)

    monkeypatch.setattr(scoreboard, "measure", spying)
    chosen, told = tune(ROWS["sgd"], COLUMNS["rosenbrock"], TUNING_SEED)
    assert chosen in settings(ROWS["sgd"])
    assert asked[0][0] == told["settings"] == len(settings(ROWS["sgd"]))
    assert all(seed >= TUNING_SEED for _, seed in asked)
    failed = [b["failed"] for b in told["best"]]
    assert failed == sorted(failed)
    assert told["best"][0]["settings"] == chosen
    alone = real(ROWS["sgd"], COLUMNS["rosenbrock"], settings(ROWS["sgd"]), 4, 1500, TUNING_SEED)
    good = (alone["status"] == 1).all(1)
    means = np.where(good, alone["stopped"].mean(1), np.inf)
    mine = means[settings(ROWS["sgd"]).index(chosen)]
    assert mine <= np.sort(means)[scoreboard.KEPT - 1]


def test_the_seven_points_of_tuning_are_the_thousand_samples():
    row, column = ROWS["kbfgs"], COLUMNS["net_10"]
    chosen = [{"lr": 0.2, "momentum": 0.5, "lam": 0.01}, {"lr": 0.1, "momentum": 0.5, "lam": 0.1}]
    whole, quick = (measure(row, column, chosen, 4, 60, 5, quick=q) for q in (False, True))
    assert (whole["status"] == quick["status"]).all()
    assert np.abs(whole["stopped"] - quick["stopped"]).max() <= 1


def test_repeats_of_a_net_have_data_of_their_own():
    rows = measure(ROWS["curveball_1"], COLUMNS["net_10"], [{}], 6, 400, 0)
    assert rows["stopped"].shape == (1, 6)
    assert len(set(rows["stopped"][0])) > 3


def test_a_board_has_the_tables_order_and_takes_settings_over(here, shipped):
    told = []
    found = board(10, 0, ("sgd", "curveball_1"), ("noise_1", "rosenbrock"), shipped,
                  lambda c, done, of: told.append((done, of)))
    assert list(found.cells) == [(r, c) for r in ("sgd", "curveball_1")
                                 for c in ("noise_1", "rosenbrock")]
    assert told == [(k, 4) for k in range(1, 5)]
    assert not found.tuned_anew
    for at, c in found.cells.items():
        assert c.settings == shipped.cells[at].settings


@pytest.mark.parametrize(("wrong", "sentence"), [
    ({"rows": ("foo",)}, "There is no row 'foo'"), ({"columns": ("bar",)}, "no column 'bar'"),
    ({"repeats": 3}, "repeats is 3, but must be from 10"), ({"seed": -1}, "seed is -1")])
def test_what_cannot_be_computed_gets_a_sentence(here, wrong, sentence):
    with pytest.raises(SpecError, match=sentence):
        board(**wrong)
    assert here.asked == []


# --- numbers --------------------------------------------------------------------------------------

def test_means_are_of_runs_that_reached_the_target():
    f = cell(status=(1, 2, 1)).figures("iterations")
    assert f == Figures(20.0, 10.0, 1, 3)
    assert written(f, "iterations") == "20 ± 10 (1F)"
    assert np.isnan(cell(status=(2, 3, 2)).figures("work").mean)
    assert written(cell(status=(2, 3, 2)).figures("work"), "work") == "all 3 failed"


def test_times_have_their_unit():
    assert written(Figures(0.0123, 0.001, 0, 5), "seconds") == "12.3 ± 1.0 ms"
    assert written(Figures(3e-5, 2e-6, 0, 5), "seconds") == "30.0 ± 2.0 µs"
    assert written(Figures(2.5, 0.25, 2, 5), "seconds") == "2.50 ± 0.25 s (2F)"
    assert written(Figures(12345.6, 2, 0, 5), "work") == "12,346 ± 2"


def test_the_best_has_the_fewest_failures_first():
    b = Board(cells={("sgd", "rosenbrock"): cell(status=(1, 1, 2)),
                     ("adam", "rosenbrock"): cell("adam", iterations=(90, 90, 90)),
                     ("lm", "rosenbrock"): cell("lm", status=(2, 2, 2))})
    assert b.best("rosenbrock", "iterations", MAIN) == "adam"
    assert b.order("rosenbrock", "iterations", MAIN) == ["adam", "sgd"]
    assert b.best("noise_1", "iterations", MAIN) is None


@pytest.mark.parametrize(("ours", "theirs", "verdict"), [
    (Figures(14.6, 1.0, 0, 100), Figures(13, 1, 0, 100), (True, True)),
    (Figures(8.7, 1.9, 0, 20), Figures(4, 0, 0, 20), (False, True)),
    (Figures(86.4, 0.0, 0, 100), Figures(86, 0, 0, 100), (True, True)),
    (Figures(19, 2, 0, 20), Figures(19, 2, 7, 20), (True, False)),
    (Figures(500, 9, 0, 100), Figures(500, 9, 2, 100), (True, True)),
    (Figures(np.nan, np.nan, 20, 20), Figures(500, 9, 2, 20), (False, False))])
def test_cells_agree_within_both_spreads_and_two_errors(ours, theirs, verdict):
    assert agrees(ours, theirs) == verdict


def test_every_reference_cell_belongs_to_the_table():
    assert set(REFERENCE) == {(r, c) for r in MAIN for c, column in COLUMNS.items()
                              if column.problem.get("noise_in", "residual") == "residual"}


def test_a_board_survives_its_file(tmp_path):
    b = Board(3, 10, {("sgd", "noise_1"): cell(column="noise_1", status=(1, 2, 3))}, False)
    b.save(tmp_path / "b.json")
    again = load(tmp_path / "b.json")
    assert json.dumps(again.plain()) == json.dumps(b.plain())
    assert (again.seed, again.repeats, again.tuned_anew) == (3, 10, False)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"cells": [{"row": 1}]}'])
def test_what_is_no_board_gets_a_sentence(tmp_path, text):
    path = tmp_path / "b.json"
    path.write_text(text)
    with pytest.raises(TraceError, match="is no scoreboard"):
        load(path)
    with pytest.raises(TraceError, match="cannot be read"):
        load(tmp_path / "none.json")


# --- what comes with the project ------------------------------------------------------------------

def test_the_shipped_board_is_whole_and_is_this_versions(shipped):
    assert ROWS == DECLARED, "methods declare other rows than the board has: run `make home`"
    assert set(shipped.cells) == {(r, c) for r in ROWS for c in COLUMNS}
    for (r, c), found in shipped.cells.items():
        assert len(found.status) == COLUMNS[c].repeats(shipped.repeats)
        held = {n: found.settings[n] for n in ROWS[r].tuned}
        assert held in settings(ROWS[r])
    known = chosen_in(shipped)
    # short runs: late steps of long ones differ with a processor's rounding
    for r, c in (("bfgs", "rosenbrock"), ("lm", "noise_1"), ("curveball_0.1", "noise_3")):
        again = compute(r, c, shipped.repeats, shipped.seed, known(r, c))
        assert (again.iterations == shipped.cells[r, c].iterations).all(), "run `make home`"
        assert (again.status == shipped.cells[r, c].status).all(), "run `make home`"


def test_every_shipped_cell_agrees_with_the_reference_or_says_why(shipped):
    told = differences(shipped)
    assert {(d.row, d.column) for d in told} == {
        at for at, c in shipped.cells.items() if (v := compared(c)) is not None and not all(v)}
    assert len(told) <= len(REFERENCE) // 5
    for d in told:
        assert "No cause is known" not in d.why
        assert "No run reached" not in d.why
        assert "{" not in d.words


@pytest.mark.parametrize(("row", "column", "twin"), [
    ("adam", "rosenbrock", "adam_lr"), ("lm", "net_10", "lm_1"),
    ("bfgs", "net_6", "bfgs_identity")])
def test_what_is_named_as_a_cause_brings_the_reference_back(shipped, row, column, twin):
    ours = shipped.cells[twin, column].figures("iterations")
    assert all(agrees(ours, REFERENCE[row, column]))


def test_few_runs_are_not_compared_and_causes_are_looked_up_in_the_shipped_board(shipped):
    few = cell("lm", "net_10", (9, 9), (1, 1))
    assert compared(few) is None
    alone = Board(cells={("lm", "net_10"): shipped.cells["lm", "net_10"]})
    assert differences(Board(cells={("lm", "net_10"): few}), shipped) == []
    assert differences(alone, shipped) == [
        d for d in differences(shipped) if (d.row, d.column) == ("lm", "net_10")]


# --- words ----------------------------------------------------------------------------------------

def test_words_follow_the_numbers():
    b = Board(cells={
        ("sgd", "rosenbrock"): cell(iterations=(90, 90, 90), work=np.full(3, 9.0)),
        ("lm", "rosenbrock"): cell("lm", iterations=(5, 5, 5), work=np.full(3, 99.0))})
    both = ("sgd", "lm")
    assert champions(b, "iterations", both, ["rosenbrock"]) == (
        "Fewest iterations: **Levenberg-Marquardt** on ε = 1 (5 ± 0).")
    assert "SGD" in champions(b, "work", both, ["rosenbrock"])
    assert turns(b, both, ["rosenbrock"]) == (
        "On ε = 1, Levenberg-Marquardt is 1st by iterations but 2nd by work.")
    assert champions(b, "work", both, ["noise_1"]) == turns(b, both, ["noise_1"]) == ""
    far = Board(cells={("lm", "rosenbrock"): cell(
        "lm", iterations=(9, 10, 10, 11, 10, 10, 400), status=[1] * 7)})
    assert stragglers(far, ["lm"], ["rosenbrock"]) == [
        "Levenberg-Marquardt on ε = 1: one run took 400 iterations, the others 10 ± 1."]
    assert stragglers(b, both, ["rosenbrock"]) == []


def test_reading_a_board_and_its_words_loads_no_torch():
    code = ("import sys\n"
            "from qnviz.scoreboard import board, reference, words\n"
            "from qnviz.figures.maps import scoreboard\n"
            f"board.load({str(SHIPPED)!r})\nassert 'torch' not in sys.modules\n")
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


# --- jobs -----------------------------------------------------------------------------------------

ROWS_ASKED, COLUMNS_ASKED = ("curveball_1", "curveball_0.1"), ("rosenbrock", "noise_1")


@pytest.fixture
def kept():
    """An own store of cells."""
    return Store(scoring.KEPT)


@pytest.fixture
def asked(shipped, kept):
    """Makes the same scoreboard again and again."""
    return lambda rows=ROWS_ASKED, columns=COLUMNS_ASKED: Scoreboard(
        rows, columns, 10, 0, shipped, kept)


def test_equal_requests_share_a_job_and_cells_are_kept(here, jobs, asked):
    first = jobs.watch("a", asked())
    assert first.over.wait(30)
    assert first.error is None
    assert first.snapshot().fraction == 1
    assert list(first.snapshot().value.cells) == [
        (r, c) for r in ROWS_ASKED for c in COLUMNS_ASKED]
    computed = len(here.asked)
    again = jobs.watch("b", asked(("curveball_1",), ("noise_1",)))
    assert again.over.wait(30)
    assert again.snapshot().fraction == 1
    assert len(here.asked) == computed


def on(monkeypatch, submit):
    """Cells go to a pool of one worker."""
    pool = SimpleNamespace(size=1, note=None, submit=submit)
    monkeypatch.setattr("qnviz.jobs.workers.pool", lambda: pool)


def test_viewers_of_one_request_watch_one_job_and_it_ends_with_the_last(monkeypatch, jobs, asked):
    def endless(function, *args):
        future = Future()
        future.set_running_or_notify_cancel()
        return future

    on(monkeypatch, endless)
    one, two = (jobs.watch(v, asked()) for v in "ab")
    assert one is two
    jobs.leave("a")
    assert not one.over.wait(0.5)
    jobs.leave("b")
    assert one.over.wait(5)
    assert one.snapshot().fraction < 1


def test_closed_boards_have_ended(monkeypatch, jobs, asked):
    on(monkeypatch, lambda *_: Future())
    job = jobs.watch("me", asked())
    jobs.close()
    assert job.over.is_set()
    assert jobs.watch("me", asked()) is not job


def test_a_failing_cell_ends_the_job_with_its_error(monkeypatch, jobs, asked):
    def broken(function, *args):
        future = Future()
        future.set_exception(SpecError(["It broke."]))
        return future

    on(monkeypatch, broken)
    job = jobs.watch("a", asked())
    assert job.over.wait(5)
    assert str(job.error) == "It broke."


# --- the command ----------------------------------------------------------------------------------

def call(capsys, *args):
    status = main(["scoreboard", *map(str, args)])
    return status, *capsys.readouterr()


FEW = ("--quick", "--rows", "curveball_1,sgd", "--columns", "rosenbrock,noise_1")


def test_the_command_prints_a_table_in_all_units(here, capsys):
    status, text, _ = call(capsys, *FEW, "--quiet")
    assert status == 0
    for part in ("ITERATIONS", "WORK", "SECONDS", "CurveBall, λ₀ = 1", "U[0, 1]", "13 ± 0"):
        assert part in text


def test_the_command_gives_everything_as_json_and_saves_it(here, capsys, tmp_path):
    out = tmp_path / "board.json"
    status, text, err = call(capsys, *FEW, "--json", "--out", out)
    assert status == 0
    assert "cell" in err
    data = json.loads(text)
    assert {len(c["iterations"]) for c in data["cells"]} == {10}
    assert set(UNITS) == set(data["units"])
    assert {(c["row"], c["column"]) for c in data["comparison"]["cells"]} == set(load(out).cells)
    assert all(set(c["settings"]) >= set(data["rows"][c["row"]]["tuned"]) for c in data["cells"])
    assert call(capsys, *FEW, "--out", out, "--quiet") == (0, "", "")


@pytest.mark.parametrize(("args", "sentence"), [
    (("--rows", "foo"), "There is no row 'foo'"), (("--columns", ""), "There is no column ''"),
    (("--repeats", "1"), "repeats is 1"), (("--seed", "-3"), "seed is -3"),
    (("--out", "/no/such/folder/b.json"), "the folder 'folder' does not exist")])
def test_wrong_options_end_with_status_2_and_a_sentence(here, capsys, args, sentence):
    status, text, err = call(capsys, *args)
    assert (status, text) == (2, "")
    assert sentence in err
    assert here.asked == []
