"""Imports point down only: the floors of the building, read off the syntax trees."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLOORS = ("problems", "curvature", "methods", "runs", "jobs")  # each may import those before it
SHARED = ("archive", "fields", "errors", "environment", "saving")        # anybody may import these
PACKAGE = sorted((ROOT / "qnviz").rglob("*.py"))
FRONT = [p for p in [ROOT / "app.py", *sorted((ROOT / "pages").glob("*.py"))] if p.exists()]
LIGHT = ["qnviz.runs.trace", *(
    ".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for p in sorted((ROOT / "qnviz" / "figures").rglob("*.py")))]


def imports(path: Path) -> set[str]:
    """Dotted names of all that a file imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module)
            found |= {f"{node.module}.{a.name}" for a in node.names}
    return found


def reaches(names: set[str], package: str) -> bool:
    return any(n == package or n.startswith(package + ".") for n in names)


def floor(path: Path) -> str:
    parts = path.relative_to(ROOT / "qnviz").parts
    return parts[0].removesuffix(".py")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def forbidden(path: Path) -> list[str]:
    """What a module of the package must not import."""
    here = floor(path)
    upper = ["qnviz.ui", "qnviz.figures", "qnviz.export", "qnviz.optim"]
    if here in SHARED or here == "__init__":
        return [f"qnviz.{f}" for f in FLOORS] + upper + ["streamlit", "torch", "plotly"]
    if here in FLOORS:
        above = FLOORS[FLOORS.index(here) + 1:]
        upper += [f"qnviz.{room}" for room in ("sweeps", "scoreboard", "studies", "cli")]
        return [f"qnviz.{f}" for f in above] + upper + ["streamlit", "plotly"]
    if here == "figures":
        return ["torch", "streamlit", "qnviz.ui", "qnviz.export", "qnviz.optim",
                "qnviz.problems", "qnviz.curvature", "qnviz.methods"]
    if here == "export":
        return ["streamlit", "qnviz.ui"]
    if here == "optim":
        return ["streamlit", "plotly", "qnviz.runs", "qnviz.ui", "qnviz.figures", "qnviz.export"]
    if here == "ui":
        return []
    return ["streamlit"]


@pytest.mark.parametrize("path", PACKAGE, ids=name)
def test_imports_point_down(path):
    found = imports(path)
    wrong = [package for package in forbidden(path) if reaches(found, package)]
    assert not wrong, f"{name(path)} must not import {wrong}"


@pytest.mark.parametrize("path", [p for p in PACKAGE if floor(p) == "figures"], ids=name)
def test_figures_know_traces_only(path):
    ours = {n for n in imports(path) if reaches({n}, "qnviz.runs") and n != "qnviz.runs"}
    assert all(reaches({n}, "qnviz.runs.trace") for n in ours), ours


@pytest.mark.parametrize("path", PACKAGE, ids=name)
def test_streamlit_is_imported_in_ui_only(path):
    assert floor(path) == "ui" or not reaches(imports(path), "streamlit")


@pytest.mark.parametrize("path", FRONT, ids=name)
def test_pages_are_prose(path):
    found = imports(path)
    assert not [p for p in ("torch", "numpy", "plotly") if reaches(found, p)]


@pytest.mark.parametrize("path", [*PACKAGE, *FRONT], ids=name)
def test_no_module_is_longer_than_400_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_drawing_and_reading_a_trace_load_no_torch():
    code = ("import sys, importlib\n"
            f"for name in {LIGHT}:\n"
            "    importlib.import_module(name)\n"
            "    assert 'torch' not in sys.modules, name + ' loads torch'\n")
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_floors_are_there():
    assert {floor(p) for p in PACKAGE} >= {*FLOORS, *SHARED}
    assert reaches(imports(ROOT / "qnviz" / "methods" / "kbfgs.py"), "qnviz.curvature")


def test_the_walk_finds_imports_within_functions(tmp_path):
    file = tmp_path / "x.py"
    file.write_text("def f():\n    from qnviz.methods import sgd\n    import streamlit as st\n")
    assert imports(file) >= {"qnviz.methods", "qnviz.methods.sgd", "streamlit"}
