"""One script out of ES modules: what a Streamlit component and an exported page are given.

Both take a single script. Streamlit sends a component's script as text, and a page opened from a
disk may not import modules from files. Served one by one, the modules would also cost the first
picture a round trip for each level of imports. So the modules below `qnviz/web` stay as browsers
and editors read them, and this file puts one of them and all that it imports into one module.

Each module becomes a function of its own that returns what it exports, so no two can disturb each
other's names. They stand in the order of their imports. Only the forms that our modules use are
read, each beginning a line:

    import { decode, indexAt as find } from "../columns.js";
    export function …    export class …    export const …    export default …;

Everything else (a cycle, a name that is not exported, a module outside the folder) is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from qnviz.errors import QnvizError

ROOT = Path(__file__).parent

_IMPORT = re.compile(r'^import \{([^}]*)\} from "(\.{1,2}/[^"]+\.js)";\n', re.M)
_EXPORT = re.compile(r"^export (default |(?:async )?function |class |const )(\w+)?", re.M)
_OTHER = re.compile(r"^(?:import|export)\b.*", re.M)
_COMMENT = re.compile(r"^[ \t]*(?:/\*(?:(?!\*/).)*\*/[ \t]*|//[^\n]*)\n", re.M | re.S)


class BundleError(QnvizError):
    """A module that cannot be put into a bundle."""


class Module(NamedTuple):
    """A module of ours, read: names are as the importing module calls them."""

    imports: dict[Path, dict[str, str]]       # by module: its name for the value, ours for it
    exports: tuple[str, ...]                  # "default" among them
    body: str                                 # the rest, as statements without import and export


@cache
def bundle(entry: str, root: Path = ROOT) -> str:
    """An ES module without imports that exports what `entry` exports.

    Args:
        entry: a module's path below `root`, such as "player/component.js".
        root: the folder that holds all modules.

    Raises:
        BundleError: a module or a name that is imported is not there, modules import each other in
            a circle, or an import or export has a form that is not read here.
    """
    found = modules(entry, root)
    numbers = {path: f"$module{i}" for i, path in enumerate(found)}
    parts = [_wrapped(module, numbers, numbers[path]) for path, module in found.items()]
    last = found[root / entry]
    names = [f"export const {name} = {numbers[root / entry]}.{name};"
             for name in last.exports if name != "default"]
    if "default" in last.exports:
        names.append(f"export default {numbers[root / entry]}.default;")
    return "\n".join([*parts, *names, ""])


def modules(entry: str, root: Path = ROOT) -> dict[Path, Module]:
    """A module and all that it imports, each after those that it needs.

    Raises:
        BundleError: see `bundle`.
    """
    found: dict[Path, Module] = {}
    _collect(root / entry, root, (), found)
    return found


def _collect(path: Path, root: Path, above: tuple[Path, ...], found: dict[Path, Module]) -> None:
    if path in found:
        return
    if path in above:
        circle = " → ".join(p.name for p in (*above[above.index(path):], path))
        raise BundleError(f"The modules import each other in a circle: {circle}.")
    module = read(path, root)
    for needed, names in module.imports.items():
        _collect(needed, root, (*above, path), found)
        missing = sorted(names.keys() - set(found[needed].exports))
        if missing:
            raise BundleError(f"{path.name} imports {', '.join(missing)} from {needed.name}, "
                              "which does not export that.")
    found[path] = module


def read(path: Path, root: Path = ROOT) -> Module:
    """A module's imports, exports and body.

    Raises:
        BundleError: it is not there, or says something in a form that is not read here.
    """
    if not path.is_relative_to(root):
        raise BundleError(f"{path.name} lies outside {root.name}/.")
    if not path.is_file():
        raise BundleError(f"There is no module {path.relative_to(root)}.")
    text = _COMMENT.sub("", path.read_text(encoding="utf-8"))
    for line in text.splitlines():
        if line.count("`") % 2:            # a comment's sign within it would be taken for one
            raise BundleError(f"{path.name} has a template over several lines: {line.strip()}")
    imports: dict[Path, dict[str, str]] = {}
    for names, where in _IMPORT.findall(text):
        imports.setdefault((path.parent / where).resolve(), {}).update(_names(names))
    exports = [("default" if kind == "default " else name)
               for kind, name in _EXPORT.findall(text)]
    body = _EXPORT.sub(_declared, _IMPORT.sub("", text))
    other = _OTHER.search(body)
    if other:
        raise BundleError(f"{path.name} has an import or export of a form that the bundle does "
                          f"not read: {other[0]}")
    return Module(imports, tuple(exports), body.strip("\n"))


def _names(text: str) -> Iterator[tuple[str, str]]:
    """What stands in an import's braces: the exporting module's name and our own."""
    for part in filter(None, (p.strip() for p in text.split(","))):
        theirs, _, ours = part.partition(" as ")
        yield theirs, ours or theirs


def _declared(found: re.Match[str]) -> str:
    """An exported declaration as a plain one."""
    kind, name = found[1], found[2] or ""
    return f"const $default = {name}" if kind == "default " else f"{kind}{name}"


def _wrapped(module: Module, numbers: dict[Path, str], number: str) -> str:
    """A module as a constant: an object of what it exports."""
    given = [f"const {{ {', '.join(a if a == b else f'{a}: {b}' for a, b in names.items())} }} = "
             f"{numbers[path]};" for path, names in module.imports.items()]
    exports = ", ".join("default: $default" if name == "default" else name
                        for name in module.exports)
    lines = [*given, module.body, f"return {{ {exports} }};"]
    return "\n".join([f"const {number} = (() => {{", *lines, "})();"])
