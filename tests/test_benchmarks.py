"""The benchmarks' report says what was measured, and the README says what the report says."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks import aims, readme, report
from benchmarks.aims import Aim, verdict
from benchmarks.results import Measurement, Part, Ratio, Results, Setting, Table, deviation, spread
from benchmarks.timing import interleaved, rows
from benchmarks.words import quantity

ROOT = Path(__file__).resolve().parents[1]
CODE = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {missing}:
            raise ImportError(name + " is not installed on this machine")
sys.meta_path.insert(0, Missing())
from benchmarks import gpu
from qnviz.runs.spec import parse
for problem, _ in gpu.CASES.values():
    for method in gpu.METHODS:
        rows = gpu.many(parse({"problem": problem, "methods": [method], "steps": 2,
                                "dtype": "float32", "device": "cpu"}), 3)
        assert len(rows["final_loss"]) == 3
"""
OTHERS = {"streamlit", "plotly", "pandas", "scipy", "mpmath", "tqdm", "loky", "dask", "distributed"}
HERE = Setting(machine={"processor": "one", "cores": "2"}, versions={"torch": "2"})


def part(value: float = 2.0, setting: Setting = HERE, hour: int = 1) -> Part:
    step = Measurement(name="kbfgs", unit="s", value=0.002, low=0.001, high=0.003, repeats=5,
                       ratio=Ratio(to="torch.nn SGD", value=value, low=1.5, high=2.5, repeats=5))
    return Part(when=datetime(2026, 1, 2, hour, tzinfo=UTC), took_s=60, processor_s=90,
                setting=setting, missing=("no peer",),
                tables=(Table(key="mnist", title="A step", rows=(step,)),))


def test_the_gpu_benchmark_needs_torch_numpy_and_pydantic_alone():
    done = subprocess.run([sys.executable, "-c", CODE.replace("{missing}", repr(OTHERS))],
                          check=False, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_turns_are_interleaved_and_ratios_are_of_one_round():
    turns: list[str] = []
    seconds = interleaved({n: lambda n=n: turns.append(n) for n in "abc"}, 3, {"b": 2})
    assert "".join(turns) == "abbc" + "abbc" + "bbca" + "cabb"      # the first warms up
    assert {name: len(s) for name, s in seconds.items()} == dict.fromkeys("abc", 3)
    a, b = rows({"a": seconds["a"], "b": 3 * seconds["a"]}, "a", per={"b": 2})
    assert a.ratio is None
    assert b.ratio is not None
    assert (b.ratio.low, b.ratio.value, b.ratio.high) == (1.5, 1.5, 1.5)


def test_a_report_holds_every_measurement_with_its_spread_and_what_is_missing():
    text = report.markdown(Results().with_part("nets", part()))
    assert "| kbfgs | 2.00 ms (1.00 ms … 3.00 ms) | 2.00 × (1.50 … 2.50) | 5" in text
    assert "- no peer" in text
    assert "processor one, cores 2; torch 2" in text
    assert all(aim.text in text for aim in aims.AIMS)


def test_cases_become_columns():
    cells = tuple(Measurement(name=n, case=c, unit="B", value=v, low=v, high=v, repeats=1)
                  for n, c, v in (("/", "raw", 2e6), ("/", "sent", 5e5), ("/atlas", "sent", 10)))
    lines = report.table(Table(key="t", title="T", rows=cells)).splitlines()
    assert [cell.strip() for cell in lines[-2].split("|")[1:-1]] == ["/", "2.00 MB", "500 kB"]
    assert [cell.strip() for cell in lines[-1].split("|")[1:-1]] == ["/atlas", "", "10.0 B"]


@pytest.mark.parametrize(("limit", "least", "words"), [
    (3, False, "met"), (1, False, "**missed** by 100%"), (2.4, False, "met, within the spread"),
    (4, True, "**missed** by 50%"), (1, True, "met"), (2.5, True, "**missed** by 20%, within the "
                                                                 "spread")])
def test_verdicts_follow_from_the_numbers(limit, least, words):
    aim = Aim("A step", aims.ratio("nets", "mnist", "kbfgs"), limit, "×", least)
    found = verdict(aim, Results().with_part("nets", part()))
    assert found.words == words
    assert found.measured == "2.00 × (1.50 × … 2.50 ×)"
    assert verdict(aim, Results()).words == "not measured"


def test_every_aim_has_a_place_in_the_report_of_the_last_run():
    """An aim whose number is looked for under a wrong name would never be met nor missed."""
    last = Results.load()
    unseen = [aim.text for aim in aims.AIMS[:-3] if aim.find(last, None) is None]
    assert unseen == []


def test_load_is_told_where_it_was_measured():
    load = {"when": "today", "machine": "one", "memory": {
        "bare_mb": 90, "start_mb": 100, "peak_mb": 300, "after_mb": 130}, "rows": [
            {"viewers": 30, "what": "lesson, changed control", "p50_s": 1, "p95_s": 3.0,
             "errors": 0}]}
    found = [verdict(aim, Results(), load).words for aim in aims.AIMS[-3:]]
    assert found == ["**missed** by 50%", "met", "**missed** by 8%"]
    assert "130 MB after all had left" in report.markdown(Results(), load)


def test_a_part_that_runs_again_replaces_itself_alone(tmp_path):
    there = Setting(machine={"processor": "other"}, versions={"torch": "3"})
    Results().with_part("nets", part()).with_part("maps", part(hour=2)).save(tmp_path)
    Results.load(tmp_path).with_part("nets", part(4.0, there, hour=3)).save(tmp_path)
    both = Results.load(tmp_path)
    assert both.parts["maps"] == part(hour=2)
    step = both.find("nets", "mnist", "kbfgs")
    assert step is not None
    assert step.ratio is not None
    assert step.ratio.value == 4
    head = report.markdown(both).split("## Aims")[0]
    assert "processor other; torch 3.\n" in head
    assert "processor one, cores 2; torch 2" in next(
        line for line in head.splitlines() if line.startswith("| maps"))


def test_means_count_finite_seeds_alone():
    import numpy as np

    assert deviation(np.array([1.0, 3.0, np.nan])) == {
        "value": 2, "low": 1, "high": 3, "repeats": 3}
    assert deviation(np.array([np.inf]))["value"] is None
    assert spread([1, 2, 3, 4, 5]) == {"value": 3, "low": 2, "high": 4, "repeats": 5}


@pytest.mark.parametrize(("x", "unit", "words"), [
    (0.0604, "s", "60.4 ms"), (2.345e-6, "s", "2.35 µs"), (12_345_678, "B", "12.3 MB"),
    (34.04, "×", "34.0 ×"), (0.0123, "", "0.0123"), (1234, "", "1,230"), (0, "", "0")])
def test_numbers_have_three_digits(x, unit, words):
    assert quantity(x, unit) == words


def test_the_reports_are_those_of_the_results():
    last, load = Results.load(), report.read_load(ROOT / "benchmarks")
    assert (ROOT / "benchmarks" / report.FILE).read_text() == report.markdown(last, load)
    text = readme.README.read_text()
    assert text == readme.rewritten(text, last)
    assert "times" in readme.paragraph(last)
