"""What we use of Streamlit and Plotly without their promise: it is there, and it is all listed."""

import re
from pathlib import Path

import pytest
from streamlit.runtime.memory_session_storage import MemorySessionStorage
from streamlit.runtime.runtime import Runtime
from streamlit.runtime.scriptrunner import ScriptRunContext
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequests, ScriptRequestType
from streamlit.runtime.session_manager import SessionManager

from qnviz.ui.privates import BUNDLE, CLASSES, HISTORY, PLOTLY, PLOTLY_JS, STATIC, TEST_IDS, index

ROOT = Path(__file__).resolve().parents[1]
OURS = {path: path.read_text(encoding="utf-8") for end in ("css", "js")
        for path in (ROOT / "qnviz").rglob(f"*.{end}")}
PRIVATE = re.compile(r"(?<![\w$])_[a-z]\w*|\b[dlpcr]2[dlpcr]\b")   # fields, and axes' conversions


@pytest.fixture(scope="module")
def streamlit():
    return "\n".join(path.read_text(encoding="utf-8") for path in (STATIC / "static").rglob("*.js"))


@pytest.fixture(scope="module")
def plotly():
    return PLOTLY_JS.read_text(encoding="utf-8")


def test_streamlits_server_has_what_we_ask_of_it():
    assert "is_history_navigation" in ScriptRunContext.__annotations__
    assert "script_requests" in ScriptRunContext.__annotations__
    assert ScriptRequests()._state == ScriptRequestType.CONTINUE
    assert not ScriptRequests()._rerun_data.is_auto_rerun
    assert callable(Runtime.is_active_session)
    assert callable(SessionManager.num_active_sessions)
    assert hasattr(MemorySessionStorage(), "_cache")


def test_streamlits_page_has_one_script_of_its_own():
    assert len(re.findall(r"<script>(.*?)</script>", index(), re.DOTALL)) == 1


@pytest.mark.parametrize("name", TEST_IDS)
def test_streamlit_names_its_elements_as_our_styles_do(name, streamlit):
    assert re.search(rf"[\"'`]{name}[\"'`]", streamlit)


@pytest.mark.parametrize("name", CLASSES)
def test_streamlit_has_the_classes_that_our_styles_use(name, streamlit):
    assert re.search(rf"[\"'` ]{name}[\"'` ]", streamlit)


def test_our_styles_and_scripts_use_no_other_names_of_streamlits():
    found = {name for text in OURS.values() for name in re.findall(
        r"data-testid=[\"']?(st\w+)", text)}
    assert found == TEST_IDS.keys()
    classes = {name for path, text in OURS.items() if path.suffix == ".css"
               for name in re.findall(r"\.(st[A-Z]\w+)", text)}
    assert classes == CLASSES.keys()


@pytest.mark.parametrize("words", HISTORY)
def test_streamlit_writes_the_history_as_we_know_it(words, streamlit):
    assert words in streamlit


@pytest.mark.parametrize("name", PLOTLY)
def test_plotly_has_what_the_player_asks_of_it(name, plotly):
    assert re.search(rf"\.{name}\b", plotly)


def test_our_scripts_use_nothing_else_of_plotlys():
    # the engine knows of no page (test_web); its arguments that a subclass alone uses begin with _
    found = {name.lstrip(".") for path, text in OURS.items()
             if path.suffix == ".js" and path.parent.name not in ("engine", "methods", "problems")
             for name in PRIVATE.findall(text)}
    assert found == PLOTLY.keys()


def test_plotlys_bundle_has_the_form_that_we_know(plotly):
    for plain, _ in BUNDLE:
        assert plotly.encode().count(plain) == 1
