"""What the code must never do: run what came from outside, or build markup from it."""

import ast
import re
import tomllib
from pathlib import Path

import streamlit
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from qnviz.ui.frame.headers import INLINE, Headers, policy
from tests.helpers import awaited

ROOT = Path(__file__).resolve().parents[1]
CODE = sorted([ROOT / "app.py", *(ROOT / "pages").glob("*.py"), *(ROOT / "qnviz").rglob("*.py")])
SCRIPTS = sorted((ROOT / "qnviz").rglob("*.js"))
FORBIDDEN = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "yaml.load",
             "yaml.unsafe_load", "yaml.full_load", "marshal.loads", "shelve.open", "st.html",
             "np.load", "np.lib.format.read_array", "npy.read_array", "torch.load",
             "pickle.load", "pickle.loads", "subprocess.run", "subprocess.Popen"}
# our own bytes alone: a style sheet, marks for tests, arrays with allow_pickle=False, and what
# crosses between our own processes on a cluster that is trusted
ALLOWED = {("qnviz/ui/frame/site.py", "st.html"), ("qnviz/ui/lessons/page.py", "st.html"),
           ("qnviz/sweeps/result.py", "np.load"),
           ("qnviz/jobs/cluster.py", "pickle.loads")}
MARKUP = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextual"
                    r"Fragment|\beval\(|new Function|srcdoc|javascript:|setTimeout\(\s*[\"'`]")


def short(path):
    return str(path.relative_to(ROOT))


TREES = {short(path): ast.parse(path.read_text(encoding="utf-8")) for path in CODE}


def calls(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {k.arg: ast.unparse(k.value) for k in node.keywords}


def test_nothing_from_outside_is_run():
    for path, tree in TREES.items():
        for name, given in calls(tree):
            assert name not in FORBIDDEN or (path, name) in ALLOWED, f"{path} calls {name}"
            if name in ("np.load", "npy.read_array"):
                assert given["allow_pickle"] == "False", path
            for word in ("unsafe_allow_html", "unsafe_allow_javascript", "shell"):
                assert given.get(word, "False") == "False", path


def test_pickle_is_imported_for_the_cluster_alone():
    found = {path for path, tree in TREES.items() for node in ast.walk(tree)
             if isinstance(node, ast.Import) and {a.name for a in node.names} & {
                 "pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}}
    assert found == {"qnviz/jobs/cluster.py"}


def test_the_scan_finds_what_it_is_for():
    found = dict(calls(ast.parse("import os; os.system('x'); eval(y); f(shell=True)")))
    assert {"os.system", "eval"} <= set(found) & FORBIDDEN
    assert found["f"] == {"shell": "True"}
    assert MARKUP.search("root.innerHTML = name")


def test_marks_for_tests_hold_no_text_from_outside():
    asked, = (node for node in ast.walk(TREES["qnviz/ui/lessons/page.py"])
              if isinstance(node, ast.Call) and ast.unparse(node.func) == "st.html")
    names = {ast.unparse(v.value) for v in ast.walk(asked) if isinstance(v, ast.FormattedValue)}
    assert names == {"place.at", "'' if answer is None else '!'"}


def test_no_script_builds_markup_from_data():
    assert len(SCRIPTS) > 10
    for path in SCRIPTS:
        assert not MARKUP.findall(path.read_text(encoding="utf-8")), path


def test_streamlit_keeps_its_own_doors_shut():
    said = tomllib.loads((ROOT / ".streamlit/config.toml").read_text(encoding="utf-8"))
    assert said["client"]["showErrorDetails"] == "none"
    server = said["server"]
    assert server["maxUploadSize"] <= 200
    assert server["maxWidgetStateSize"] <= 5
    assert server["address"] == "127.0.0.1"
    for name, safe in (("enableXsrfProtection", True), ("enableCORS", True),
                       ("enableStaticServing", False), ("enableAgentApi", False)):
        assert server.get(name, safe) is safe


# --- headers --------------------------------------------------------------------------------------

def answered(headers, frames=()):
    async def page(request):
        return PlainTextResponse("x", headers=headers)

    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b"",
             "root_path": ""}
    app = Headers(Starlette(routes=[Route("/", page)]), frames=frames)
    awaited(app(scope, receive, send))
    return [(n.decode(), v.decode()) for n, v in sent[0]["headers"]]


def test_every_answer_says_what_may_run():
    said = dict(answered({}, ("https://moodle.example.org",)))
    rules = dict(rule.split(" ", 1) for rule in said["content-security-policy"].split("; "))
    assert rules["frame-ancestors"] == "'self' https://moodle.example.org"
    assert "'unsafe-inline'" not in rules["script-src"]
    assert "'unsafe-eval'" not in rules["script-src"]
    assert rules["worker-src"] == "'self' blob:"
    assert rules["object-src"] == "'none'"
    assert said["x-content-type-options"] == "nosniff"


def test_an_answer_may_say_otherwise():
    said = answered({"Referrer-Policy": "no-referrer"})
    assert [v for n, v in said if n.lower() == "referrer-policy"] == ["no-referrer"]


def test_streamlits_own_script_is_known_by_its_hash():
    page = (Path(streamlit.__file__).parent / "static/index.html").read_text(encoding="utf-8")
    assert len(INLINE.findall(page)) == page.count("<script>") >= 1
    assert policy(page).count("'sha256-") == len(INLINE.findall(page))


# --- the container --------------------------------------------------------------------------------

def test_the_container_runs_without_rights_and_without_secrets():
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users
    assert users[-1] not in ("root", "0")
    assert all(re.fullmatch(r"FROM python:3\.\d+-slim( AS \w+)?", line) for line in lines
               if line.startswith("FROM"))
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[1] == "*", "what goes into the image is named, file by file"
    kept = [line[1:] for line in ignored if line.startswith("!")]
    assert all((ROOT / name).exists() for name in kept)
