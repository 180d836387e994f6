"""Methods and their twins in the browser's engine: which there are, and what both record."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from qnviz.methods.base import Method
from qnviz.methods.registry import METHODS
from qnviz.runs.loop import run
from qnviz.runs.portable import LARGEST_SEED, portable
from qnviz.runs.spec import parse
from qnviz.runs.trace import is_event
from qnviz.sweeps.spec import parse_sweep
from qnviz.web import text

FOLDER = Path(__file__).parents[1] / "qnviz" / "web" / "engine" / "methods"
# who is computed by the server alone, and why
WITHOUT = dict.fromkeys(("scipy_bfgs", "scipy_newton_cg", "scipy_trust_krylov"),
                        "It is SciPy's own code that runs, and a browser has none of it.")
NOISY = {"batch_loss", "batch_hessian_min", "batch_hessian_max"}
TWINS = [name for name, method in METHODS.items() if method.twin]


def test_methods_without_a_twin_have_a_reason() -> None:
    """All others follow the hand."""
    assert {name for name, method in METHODS.items() if not method.twin} == set(WITHOUT)


def test_twins_are_where_they_are_said_to_be() -> None:
    """A file of the method's name, which the engine's registry lists under the spec's name."""
    files = {path.stem for path in FOLDER.glob("*.js")} - {"method", "registry"}
    assert files == set(TWINS)
    registry = text("engine/methods/registry.js")
    listed = re.search(r"^const ALL = \[(.*?)^\];", registry, re.M | re.S)
    assert listed is not None
    classes = re.findall(r"\b[A-Z]\w+", listed[1])
    imports = dict(re.findall(r'import \{ (\w+) \} from "\./(\w+)\.js"', registry))
    assert sorted(imports[name] for name in classes) == sorted(TWINS)
    for name in TWINS:
        assert f'static method = "{name}";' in text(f"engine/methods/{name}.js")


def declared(name: str, kind: str) -> set[str] | None:
    """The events that a twin's file declares; None where it takes its parent's."""
    source = text(f"engine/methods/{name}.js")
    found = re.search(rf"static {kind} = \[(.*?)\];", source, re.S)
    if found is None:
        return set() if "extends Method " in source else None
    return set(re.findall(r'"([^"]+)"', found[1]))


def inherited(name: str, kind: str) -> set[str]:
    """The same, with the parent's where it is that of another method."""
    found = declared(name, kind)
    if found is not None:
        return found
    parent = re.search(r"extends (\w+)", text(f"engine/methods/{name}.js"))
    assert parent is not None
    return inherited(parent[1].lower(), kind)


@pytest.mark.parametrize("name", TWINS)
def test_twins_declare_the_events_that_python_records(name: str) -> None:
    """With the shapes that these have."""
    spec = parse({"problem": {"name": "rosenbrock", "noise": 1.0}, "methods": [{"name": name}],
                  "steps": 3, "runs": 2})
    recorded = {n: a for n, a in run(spec)[name].items() if is_event(n) and n not in NOISY}
    ragged = {n for n in recorded if n in METHODS[name].ragged}
    assert inherited(name, "ragged") == ragged
    assert inherited(name, "scalar") == {n for n, a in recorded.items() if a.ndim == 2}
    assert inherited(name, "layered") == {n for n, a in recorded.items() if a.ndim == 3} - ragged


@pytest.mark.parametrize("name", TWINS)
def test_twins_have_the_summaries_of_python(name: str) -> None:
    """Under the same names, folded alike."""
    source = text(f"engine/methods/{name}.js")
    found = re.findall(r'name: "(\w+)",\s+how: "(\w+)"', source)
    if "static summaries" not in source and "extends Method " not in source:
        return                                                 # its parent's
    assert found == [(s.name, s.how) for s in METHODS[name].summaries]


RACE: dict[str, Any] = {"problem": {"name": "rosenbrock"}, "methods": [{"name": "kbfgs"}]}


def test_what_the_engine_gets_is_complete() -> None:
    """All fields of the spec, with those of the method, and of a typed function its program."""
    spec = parse(RACE)
    assert portable(spec) == spec.model_dump(mode="json")
    function = portable(parse({**RACE, "problem": {"name": "function", "f": "x^2 - 4*y; y"}}))
    assert function is not None
    problem = function["problem"]
    assert (problem["loss"], problem["lowest"]) == ("squares", 0.0)
    assert [op for op, _, _ in problem["program"]["steps"]][:2] == ["variable", "variable"]
    sweep = portable(parse_sweep({
        **RACE, "methods": [{"name": "kbfgs_l"}],
        "sweep": {"x": {"field": "memory", "from": 1, "to": 9, "points": 3},
                  "y": {"field": "lr", "from": 0.1, "to": 1, "points": 3}}}))
    assert sweep is not None
    assert sweep["sweep"]["whole"] == ["memory"]


ELSEWHERE: dict[str, dict[str, Any]] = {
    "a net": {"problem": {"name": "autoencoder"}, "steps": 20},
    "more than a plane": {"problem": {"name": "rosenbrock_n"}},
    "single precision": {"dtype": "float32"},
    "a seed that JavaScript has no number for": {"seed": LARGEST_SEED},
    "SciPy": {"methods": [{"name": "kbfgs"}, {"name": "scipy_bfgs"}]},
}


@pytest.mark.parametrize("case", ELSEWHERE)
def test_the_server_computes_all_else(case: str) -> None:
    assert portable(parse({**RACE, **ELSEWHERE[case]})) is None


def test_seeds_below_are_the_engine_s() -> None:
    assert portable(parse({**RACE, "seed": LARGEST_SEED - 1})) is not None


def test_no_method_is_called_a_twin_by_accident() -> None:
    """The flag stands in the method's own class: a subclass is another method."""
    for method in METHODS.values():
        assert "twin" in vars(method) or not method.twin
    assert not Method.twin
