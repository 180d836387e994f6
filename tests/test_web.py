"""The modules that browsers run: what they import is there, is used, and fits into one script."""

import re

import pytest

from qnviz.web.bundle import ROOT, BundleError, bundle, modules, read
from tests.test_architecture import ROOT as TREE

MODULES = {str(p.relative_to(ROOT)): read(p) for p in sorted(ROOT.rglob("*.js"))}
# what is loaded as a module, with all that it exports
LOADED = {"engine/index.js", "engine/worker.js"}
ENTRIES = {name for name, module in MODULES.items() if "default" in module.exports} | {
    "offline.js", "offline_maps.js"} | LOADED
# exported for tests alone
TESTED = {("player/model.js", "indexAt"), ("player/address.js", "queryWith")}
IDENTIFIER = re.compile(r"[\w$]+")
TYPES = re.compile(r'@import \{([^}]*)\} from "([^"]*)"')


def needed(name):
    """A module's imports, by the name of the module."""
    return {str(path.relative_to(ROOT)): names for path, names in MODULES[name].imports.items()}


def types(name):
    """What a module imports in comments: the modules, and the names of types."""
    for names, where in TYPES.findall((ROOT / name).read_text()):
        other = ((ROOT / name).parent / where).resolve().relative_to(ROOT)
        yield from ((str(other), n.strip()) for n in names.split(","))


@pytest.fixture
def folder(tmp_path):
    """Write modules; gives their folder."""
    def written(**texts):
        for name, text in texts.items():
            (tmp_path / f"{name}.js").write_text(text)
        return tmp_path
    return written


@pytest.mark.parametrize("name", MODULES)
def test_every_module_fits_into_a_script(name):
    text = bundle(name)
    assert not re.search(r"^import\b", text, re.M)
    assert text.count("\nexport ") == len(MODULES[name].exports)


def test_whatever_is_exported_is_imported():
    used = {(other, theirs) for name in MODULES for other, names in needed(name).items()
            for theirs in names}
    used |= {pair for name in MODULES for pair in types(name)}
    exported = {(name, export) for name, module in MODULES.items() for export in module.exports
                if export != "default" and name not in LOADED}
    assert exported - used - TESTED == set()


@pytest.mark.parametrize("name", MODULES)
def test_whatever_is_imported_is_used(name):
    body = set(IDENTIFIER.findall(MODULES[name].body))
    ours = [our for names in needed(name).values() for our in names.values()]
    assert [our for our in ours if our not in body] == []


def test_every_module_belongs_to_something_that_is_shown():
    shown = {path for entry in ENTRIES for path in modules(entry)}
    assert {str(p.relative_to(ROOT)) for p in shown} == set(MODULES)


def test_every_entry_is_asked_for():
    python = "".join(p.read_text() for p in (TREE / "qnviz").rglob("*.py"))
    assert [entry for entry in ENTRIES if f'"{entry}"' not in python] == []


def test_computing_knows_of_no_page():
    for name, module in MODULES.items():
        if name.startswith("engine/"):
            assert all(other.startswith("engine/") for other in needed(name))
            # a clock it has, for slices of time: workers have one too
            assert not {"window", "document", "eval", "Function"} & set(
                IDENTIFIER.findall(module.body))


def test_components_of_streamlit_are_thin():
    for name in MODULES:
        if name.endswith("/component.js"):
            assert set(needed(name)) >= {"component.js"}
            assert len(MODULES[name].body.splitlines()) <= 12


# --- the bundle -----------------------------------------------------------------------------------

def test_equal_names_do_not_meet(folder):
    """Each module is a function of its own, whatever its names."""
    root = folder(
        a='import { one } from "./b.js";\nimport { one as two } from "./c.js";\n\n'
          "const secret = 3;\nexport const sum = () => one + two + secret;\n",
        b="const secret = 1;\nexport const one = secret;\n",
        c="const secret = 2;\nexport const one = secret;\n")
    assert bundle("a.js", root) == """const $module0 = (() => {
const secret = 1;
const one = secret;
return { one };
})();
const $module1 = (() => {
const secret = 2;
const one = secret;
return { one };
})();
const $module2 = (() => {
const { one } = $module0;
const { one: two } = $module1;
const secret = 3;
const sum = () => one + two + secret;
return { sum };
})();
export const sum = $module2.sum;
"""


def test_a_module_that_two_import_stands_once(folder):
    root = folder(a='import { b } from "./b.js";\nimport { c } from "./c.js";\n'
                    "export default b + c;\n",
                  b='import { c } from "./c.js";\nexport const b = c;\n',
                  c="let count = 0;\nexport const c = ++count;\n")
    text = bundle("a.js", root)
    assert text.count("++count") == 1
    assert text.endswith("const $default = b + c;\nreturn { default: $default };\n})();\n"
                         "export default $module2.default;\n")


def test_comments_of_whole_lines_stay_at_home(folder):
    root = folder(a='// What it is.\n\n/**\n * Words, export them.\n */\n'
                    'export const a = "// kept"; // kept\n/** @type {number} */ const b = 1;\n')
    body = read(root / "a.js", root).body
    assert body == 'const a = "// kept"; // kept\n/** @type {number} */ const b = 1;'


REFUSED = {
    "a circle": ({"a": 'import { b } from "./b.js";\nexport const a = b;\n',
                  "b": 'import { a } from "./a.js";\nexport const b = a;\n'},
                 "in a circle: a.js → b.js → a.js"),
    "no such module": ({"a": 'import { b } from "./b.js";\n'}, "There is no module b.js"),
    "no such name": ({"a": 'import { b, c } from "./b.js";\n', "b": "export const b = 1;\n"},
                     "a.js imports c from b.js, which does not export that"),
    "outside": ({"a": 'import { b } from "../../b.js";\n'}, "b.js lies outside"),
    "a package": ({"a": 'import { b } from "b";\n'}, 'does not read: import { b } from "b";'),
    "a namespace": ({"a": 'import * as b from "./b.js";\n'}, "does not read: import * as b"),
    "a variable": ({"a": "export let a = 1;\n"}, "does not read: export let a"),
    "names": ({"a": "const a = 1;\nexport { a };\n"}, "does not read: export { a };"),
    "a template": ({"a": "const a = `\n// no comment\n`;\n"}, "a template over several lines"),
}


@pytest.mark.parametrize(("texts", "why"), REFUSED.values(), ids=REFUSED)
def test_what_it_does_not_read_it_refuses(folder, texts, why):
    with pytest.raises(BundleError, match=re.escape(why)):
        bundle("a.js", folder(**texts))
