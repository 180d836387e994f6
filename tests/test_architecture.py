"""The floor plan: imports point down, rooms keep to themselves, nothing goes in a circle.

All read off the syntax trees, so that an import hidden within a function counts too.
"""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = sorted((ROOT / "qnviz").rglob("*.py"))
FRONT = [p for p in [ROOT / "app.py", *sorted((ROOT / "pages").glob("*.py"))] if p.exists()]

# From the ground up. What stands in one row are rooms of one floor, which do not import each other.
FLOORS = (
    ("", "archive", "environment", "errors", "fields", "handles", "numbers", "paths", "saving",
     "web"),
    ("problems",),
    ("curvature",),
    ("methods",),
    ("runs", "optim"),
    ("jobs",),
    ("sweeps", "scoreboard", "studies"),
    ("figures",),
    ("figures.race", "figures.maps", "figures.system"),
    ("figures.player", "figures.still"),
    ("export",),
    ("cli",),
    ("__main__",),
    ("ui", "ui.privates", "ui.components"),
    ("ui.state",),
    ("ui.frame",),
    ("ui.labs", "ui.maps", "ui.catalogue"),
    ("ui.lessons",),
)
PLACE = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
GROUND = FLOORS[0]                             # modules that may import each other
# what a room must not import although it lies below
NEVER = {
    "figures": ("torch", "qnviz.problems", "qnviz.curvature", "qnviz.methods", "qnviz.studies",
                "qnviz.sweeps", "qnviz.scoreboard", "qnviz.jobs"),
    "optim": ("plotly",),
    **dict.fromkeys(("problems", "curvature", "methods", "runs", "jobs", "sweeps", "scoreboard",
                     "studies"), ("plotly",)),
    **dict.fromkeys(GROUND, ("torch", "plotly")),
}


def module(path: Path) -> str:
    """The dotted name of a file below qnviz, such as runs.trace."""
    return ".".join(path.relative_to(ROOT / "qnviz").with_suffix("").parts).removesuffix(
        "__init__").rstrip(".")


MODULES = {module(p): p for p in PACKAGE}


@cache
def nodes(path: Path) -> list[ast.AST]:
    """All of a file's syntax but what it imports for the checker of types alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    return list(ast.walk(tree))


def imports(path: Path) -> set[str]:
    """Dotted names of all that a file imports, also inside functions."""
    found = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module)
            found |= {f"{node.module}.{a.name}" for a in node.names}
    return found


def reaches(names: set[str], package: str) -> bool:
    return any(n == package or n.startswith(package + ".") for n in names)


def ours(path: Path) -> set[str]:
    """The modules of qnviz that a file imports, without the packages on the way to them."""
    found = {n.removeprefix("qnviz").lstrip(".") for n in imports(path) if reaches({n}, "qnviz")}
    within = {n.rpartition(".")[0] for n in found}          # "from package import module"
    return {n for n in found if n in MODULES and not (n in within and _only_modules(path, n))}


def _only_modules(path: Path, package: str) -> bool:
    """Whether a file takes nothing from a package but its modules."""
    full = f"qnviz.{package}".rstrip(".")
    return all(f"{package}.{a.name}".lstrip(".") in MODULES
               for node in nodes(path) if isinstance(node, ast.ImportFrom)
               and node.module == full for a in node.names)


def room(name: str) -> str:
    """The room of a module: the longest name in FLOORS that it begins with."""
    parts = name.split(".")
    return next(r for n in range(len(parts), 0, -1) if (r := ".".join(parts[:n])) in PLACE)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", PACKAGE, ids=name)
def test_imports_point_down_and_rooms_keep_to_themselves(path):
    here = room(module(path))
    wrong = {other for other in ours(path) if (there := room(other)) != here
             and PLACE[there] >= PLACE[here] and not {here, there} <= set(GROUND)}
    wrong |= {package for package in NEVER.get(here.split(".")[0], ())
              if reaches(imports(path), package)}
    assert not wrong, f"{name(path)} must not import {sorted(wrong)}"


def test_nothing_goes_in_a_circle():
    graph = {m: ours(p) for m, p in MODULES.items()}
    left = dict(graph)
    while free := [m for m, below in left.items() if not below & left.keys()
                   or not any(m in graph[other] for other in left)]:
        for m in free:
            left.pop(m)
    assert not left, f"in a circle, or between two: {sorted(left)}"


@pytest.mark.parametrize("path", [p for p in PACKAGE if room(module(p)).startswith("figures")],
                         ids=name)
def test_figures_know_traces_only(path):
    of_runs = {n for n in ours(path) if room(n) == "runs"}
    assert of_runs <= {"runs.trace"}


@pytest.mark.parametrize("path", PACKAGE, ids=name)
def test_streamlit_is_imported_in_ui_only(path):
    assert room(module(path)).startswith("ui") or not reaches(imports(path), "streamlit")


@pytest.mark.parametrize("path", FRONT, ids=name)
def test_pages_are_prose(path):
    found = imports(path)
    assert not [p for p in ("torch", "numpy", "plotly") if reaches(found, p)]


@pytest.mark.parametrize("path", [p for p in PACKAGE if p.name == "__init__.py"], ids=name)
def test_every_room_says_what_it_is(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_drawing_and_reading_a_trace_load_no_torch():
    light = ["qnviz.runs.trace", *(f"qnviz.{m}" for m in MODULES if room(m).startswith("figures"))]
    code = ("import sys, importlib\n"
            f"for name in {light}:\n"
            "    importlib.import_module(name)\n"
            "    assert 'torch' not in sys.modules, name + ' loads torch'\n")
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_room_of_the_plan_is_there():
    assert {room(m) for m in MODULES} == set(PLACE)
    assert "curvature.kronecker" in ours(MODULES["methods.kbfgs"])


def test_the_walk_finds_imports_within_functions(tmp_path):
    file = tmp_path / "x.py"
    file.write_text("def f():\n    from qnviz.methods import sgd\n    import streamlit as st\n")
    assert imports(file) >= {"qnviz.methods", "qnviz.methods.sgd", "streamlit"}
