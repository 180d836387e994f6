"""Bad descriptions of runs are refused in sentences; good ones mean what they say."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from qnviz.errors import SpecError
from qnviz.fields import parameters
from qnviz.methods.registry import METHODS
from qnviz.problems.registry import PROBLEMS
from qnviz.runs.loop import run
from qnviz.runs.spec import MAX_ENTRANTS, MAX_RUNS, MAX_STEPS, RunSpec, parse, read

GOOD = {"problem": {"name": "rosenbrock", "noise": 3.0}, "methods": [{"name": "kbfgs"}]}


def method(**fields):
    return {"methods": [{"name": "kbfgs"} | fields]}


# what is wrong, and what the sentence must name: field, value, range
BAD = {
    "unknown method": ({"methods": [{"name": "adagrad"}]}, ("methods[0]", "'adagrad'", "'kbfgs'")),
    "method without a name": ({"methods": [{"lr": 1.0}]}, ("methods[0]", "name")),
    "method that is text": ({"methods": ["kbfgs"]}, ("methods[0]", "'kbfgs'", "name")),
    "no methods": ({"methods": []}, ("methods", "at least 1")),
    "methods that are text": ({"methods": "kbfgs"}, ("methods", "'kbfgs'")),
    "too many methods": ({"methods": [{"name": "adam", "label": f"a{i}"}
                                      for i in range(MAX_ENTRANTS + 1)]},
                         ("methods", str(MAX_ENTRANTS + 1), str(MAX_ENTRANTS))),
    "λ = 0": (method(lam=0), ("methods[0].lam", "0", "greater than 0")),
    "λ < 0": (method(lam=-0.5), ("methods[0].lam", "-0.5", "greater than 0")),
    "λ = 1": (method(lam=1), ("methods[0].lam", "1", "less than 1")),
    "λ > 1": (method(lam=2.5), ("methods[0].lam", "2.5", "less than 1")),
    "μ₁ = 1": (method(mu1=1.0), ("methods[0].mu1", "1.0", "less than 1")),
    "NaN": (method(lr=math.nan), ("methods[0].lr", "nan", "finite")),
    "infinity": (method(lr=math.inf), ("methods[0].lr", "inf", "finite")),
    "text": (method(lr="fast"), ("methods[0].lr", "'fast'", "number")),
    "null": (method(lr=None), ("methods[0].lr", "None", "number")),
    "list": (method(lr=[1]), ("methods[0].lr", "[1]", "number")),
    "unknown choice": (method(damping="triple"), ("methods[0].damping", "'triple'", "'powell'")),
    "unknown field of a method": (method(speed=1), ("methods[0].speed", "1", "not a known field")),
    "unknown field": ({"colour": "red"}, ("colour", "'red'", "not a known field")),
    "steps beyond the cap": ({"steps": 10_001}, ("steps", "10001", f"at most {MAX_STEPS}")),
    "no steps": ({"steps": 0}, ("steps", "0", "at least 1")),
    "half a step": ({"steps": 1.5}, ("steps", "1.5", "whole number")),
    "steps in words": ({"steps": "many"}, ("steps", "'many'", "whole number")),
    "runs beyond the cap": ({"runs": 70_000}, ("runs", "70000", f"at most {MAX_RUNS}")),
    "negative seed": ({"seed": -1}, ("seed", "-1", "at least 0")),
    "negative tolerance": ({"stop_loss": -1e-4}, ("stop_loss", "-0.0001", "at least 0")),
    "unknown dtype": ({"dtype": "float16"}, ("dtype", "'float16'", "'float32'")),
    "unknown device": ({"device": "tpu"}, ("device", "'tpu'", "'cuda'")),
    "problem missing": ({"problem": ...}, ("problem", "missing")),
    "methods missing": ({"methods": ...}, ("methods", "missing")),
    "problem that is text": ({"problem": "rosenbrock"}, ("problem", "'rosenbrock'")),
    "unknown problem": ({"problem": {"name": "banana"}}, ("problem.name", "'banana'",
                                                         "'rosenbrock'")),
    "nameless problem": ({"problem": {}}, ("problem.name", "'rosenbrock'")),
    "list for a problem's name": ({"problem": {"name": ["x"]}}, ("problem.name", "['x']")),
    "noise beyond the cap": ({"problem": {"name": "rosenbrock", "noise": 11}},
                             ("problem.noise", "11", "at most 10")),
    "start of three": ({"problem": {"name": "rosenbrock", "start": [1, 2, 3]}},
                       ("problem.start", "3")),
    "start of one": ({"problem": {"name": "rosenbrock", "start": [1]}}, ("problem.start[1]",
                                                                        "missing")),
    "start far away": ({"problem": {"name": "rosenbrock", "start": [0, 11]}},
                       ("problem.start[1]", "11", "at most 10")),
    "duplicate methods": ({"methods": [{"name": "adam"}, {"name": "adam"}]},
                          ("methods[1]", "'adam'", "label")),
    "duplicate labels": ({"methods": [{"name": "adam", "label": "x"},
                                      {"name": "sgd", "label": "x"}]},
                         ("methods[1]", "'x'", "label")),
    "label that is another's name": ({"methods": [{"name": "adam", "label": "sgd"},
                                                  {"name": "sgd"}]}, ("methods[1]", "'sgd'")),
    "label with a slash": (method(label="a/b"), ("methods[0].label", "'a/b'")),
    "empty label": (method(label="  "), ("methods[0].label",)),
    "unavailable method": ({"methods": [{"name": "adam"}, {"name": "scipy_bfgs"}]},
                           ("methods[1]", "SciPy BFGS", "noise")),
    "too much memory": ({"steps": 10_000, "runs": 65_536}, ("steps", "runs", "GB")),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named_with_its_value_and_its_range(case):
    change, named = BAD[case]
    data = {k: v for k, v in (GOOD | change).items() if v is not ...}
    with pytest.raises(SpecError) as error:
        parse(data)
    assert len(error.value.faults) == 1, error.value.faults
    sentence = error.value.faults[0]
    assert sentence.endswith(".")
    assert all(part in sentence for part in named), sentence
    assert "pydantic" not in sentence
    assert "rosenbrock." not in sentence         # no person has written a union's tags
    assert "kbfgs." not in sentence


def test_every_fault_gets_its_sentence():
    with pytest.raises(SpecError) as error:
        parse(GOOD | {"steps": 0, "seed": -1, "methods": [{"name": "kbfgs", "lam": 2, "lr": "x"}]})
    assert len(error.value.faults) == 4


@pytest.mark.parametrize("data", [None, 3, "run", [], [GOOD], True])
def test_what_is_no_object_is_refused(data):
    with pytest.raises(SpecError, match="JSON object"):
        parse(data)


def with_a_file(model, q):
    """What a field needs beside it that says how a file is read."""
    return {"data": "file:x.npz"} if q.name in getattr(model, "reads", ()) else {}


NUMBERS = [(name, model, q) for name, model in (METHODS | PROBLEMS).items()
           for q in parameters(model) if q.kind in ("float", "int")]


@pytest.mark.parametrize(("model", "q"), [c[1:] for c in NUMBERS],
                         ids=[f"{n}.{q.name}" for n, _, q in NUMBERS])
def test_the_declared_range_is_the_enforced_one(model, q):
    step = 1 if q.kind == "int" else 1e-9
    # the linear net's batch must not exceed its samples either: take as many as there can be
    most = {"samples": 100_000} if q.name == "batch" and "samples" in model.model_fields else {}
    most |= with_a_file(model, q)

    def accepted(value):
        try:
            return getattr(model(**(most | {q.name: value})), q.name) == value
        except ValidationError:
            return False

    assert accepted(q.default)
    assert q.low is not None
    assert accepted(int(q.low) if q.kind == "int" else q.low) == (not q.low_open)
    assert not accepted(q.low - step)
    if q.high is not None:
        assert accepted(int(q.high) if q.kind == "int" else q.high) == (not q.high_open)
        assert not accepted(q.high + max(step, 1e-9 * q.high))
    for bad in (math.nan, math.inf, -math.inf, "x"):
        assert not accepted(bad)
    assert accepted(None) == q.optional
    assert f"{q.low:g}" in q.range
    assert q.name in q.range


CHOICES = [(name, model, q) for name, model in (METHODS | PROBLEMS).items()
           for q in parameters(model) if q.kind == "choice"]


@pytest.mark.parametrize(("model", "q"), [c[1:] for c in CHOICES],
                         ids=[f"{n}.{q.name}" for n, _, q in CHOICES])
def test_every_option_of_a_choice_is_accepted(model, q):
    assert q.default in q.options
    rest = with_a_file(model, q)
    assert [getattr(model(**rest | {q.name: o}), q.name) for o in q.options] == list(q.options)
    assert all(o in q.range for o in q.options)


def test_specs_are_frozen():
    spec = parse(GOOD)
    for target, field, value in ((spec, "steps", 3), (spec.methods[0], "lam", 0.5),
                                 (spec.problem, "noise", 0.0)):
        with pytest.raises(ValidationError):
            setattr(target, field, value)
    assert isinstance(spec.methods, tuple)


def test_parse_leaves_its_argument_alone():
    data = {"problem": {"name": "rosenbrock"}, "methods": [{"name": "adam"}]}
    copy = {"problem": {"name": "rosenbrock"}, "methods": [{"name": "adam"}]}
    parse(data)
    assert data == copy


@pytest.mark.parametrize("name", METHODS)
def test_a_run_records_no_more_than_was_planned(name):
    problem = {"name": "rosenbrock", "noise": 0.0 if METHODS[name].family == "outside" else 3.0}
    spec = parse({"problem": problem, "methods": [{"name": name}], "steps": 100, "runs": 20})
    assert run(spec).nbytes <= spec.bytes


def test_memory_is_planned_in_proportion_to_steps_and_runs():
    def planned(steps, runs):
        return parse(GOOD | {"steps": steps, "runs": runs}).bytes

    per_ten_runs = planned(99, 11) - planned(99, 1)       # the clock is shared by all runs
    assert planned(99, 21) - planned(99, 11) == per_ten_runs > 9 * planned(99, 1)
    assert planned(199, 1) - planned(99, 1) == planned(299, 1) - planned(199, 1)


# --- files ----------------------------------------------------------------------------------------

@pytest.mark.parametrize(("content", "named"), [
    (b"{", ("not valid JSON", "line 1")), (b"", ("not valid JSON",)),
    (b"\xff\xfe\x00", ("UTF-8",)), (b"[]", ("JSON object",)),
    (b"[" * 100_000, ("deep",)), (b'{"methods": []}', ("problem", "missing")),
    (b'{"steps": NaN}', ("steps", "nan")), (b'{"steps": 1e999}', ("steps", "inf"))])
def test_broken_files_are_refused(tmp_path, content, named):
    path = tmp_path / "race.json"
    path.write_bytes(content)
    with pytest.raises(SpecError) as error:
        read(path)
    assert all(part in str(error.value) for part in named), str(error.value)


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path):
    for path in (tmp_path / "race.json", tmp_path):
        with pytest.raises(SpecError, match=path.name):
            read(path)


def test_a_huge_whole_number_is_refused(tmp_path):
    path = tmp_path / "race.json"
    path.write_text('{"steps": ' + "9" * 5000 + "}")
    with pytest.raises(SpecError):
        read(path)


# --- anything at all ----------------------------------------------------------------------------

names = st.sampled_from([*METHODS, *PROBLEMS, *RunSpec.model_fields, "name", "label", "lam", "lr",
                         "noise", "start", "damping"])
leaves = (st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | names)
anything = st.recursive(leaves, lambda inner: st.lists(inner, max_size=4)
                        | st.dictionaries(names | st.text(max_size=5), inner, max_size=4),
                        max_leaves=20)
nearly = st.fixed_dictionaries(
    {"problem": st.fixed_dictionaries({"name": st.sampled_from([*PROBLEMS])},
                                      optional={"noise": anything, "start": anything}),
     "methods": st.lists(st.fixed_dictionaries(
         {"name": st.sampled_from([*METHODS])},
         optional={"lam": anything, "lr": anything, "label": anything}), max_size=3)},
    optional={f: anything for f in RunSpec.model_fields if f not in ("problem", "methods")})


@settings(deadline=None, derandomize=True, max_examples=150)
@given(anything | nearly | st.dictionaries(names, anything))
def test_parse_raises_nothing_but_spec_errors(data):
    refused, spec = [], None
    try:
        spec = parse(data)
    except SpecError as error:
        refused = error.faults
    assert all(f.endswith(".") for f in refused)
    assert refused or parse(spec.model_dump(mode="json")).key() == spec.key()
