"""Widgets whose values Python holds: both sides may change them, and the last one counts."""

import pytest
from streamlit.testing.v1 import AppTest

from qnviz.fields import Parameter
from qnviz.handles import shown
from qnviz.ui.state import widgets
from qnviz.ui.state.controls import _decades

PAGE = """
import streamlit as st
from qnviz.ui.state import widgets

state = st.session_state
for key, value in {"n": 2.0, "m": 0.5, "c": "b", "s": "x", "t": False, "w": "hi", "p": ["a"],
                   "told": 0}.items():
    state.setdefault(key, value)

def tell(by):
    state["told"] += by

if st.button("other"):
    state.update({"n": 7.0, "m": 2.0, "c": None, "s": "y", "t": True, "w": "ho", "p": ["b", "c"]})
if st.toggle("shown", True):
    with st.popover("closed"):
        widgets.number("n", 0.0, 10.0, key="n", then=tell, args=(3,))
        widgets.marks("m", [0.1, 0.5, 2.0], key="m")
        widgets.choice("c", ["a", "b"], key="c")
        widgets.segments("s", ["x", "y"], key="s")
        widgets.toggle("t", key="t")
        widgets.text("w", key="w")
        widgets.several("p", ["a", "b", "c"], state["p"], key="picked",
                     then=lambda: state.update(p=state["picked"]), selection_mode="multi")
st.text([state[key] for key in "nmcstwp"])
"""
FIRST = [2.0, 0.5, "b", "x", False, "hi", ["a"]]
OTHER = [7.0, 2.0, None, "y", True, "ho", ["b", "c"]]


@pytest.fixture
def app():
    app = AppTest.from_string(PAGE, default_timeout=30).run()
    agree(app, FIRST)
    return app


def agree(app, values):
    """The widgets show what Python holds."""
    assert not app.exception
    assert app.text[0].value == str(values)
    seen = [app.number_input[0], app.select_slider[0], app.selectbox[0],
            app.get("button_group")[0], app.toggle[1], app.text_input[0],
            app.get("button_group")[1]]
    shown = [w.value for w in seen]
    shown[3] = shown[3][0] if isinstance(shown[3], list) else shown[3]
    assert shown == values


def test_what_the_visitor_changes_is_held_and_told(app):
    app.number_input[0].set_value(3.5)
    app.selectbox[0].set_value("a")
    app.text_input[0].set_value("new")
    app.run()
    agree(app, [3.5, 0.5, "a", "x", False, "new", ["a"]])
    assert app.session_state["told"] == 3
    app.run()
    agree(app, [3.5, 0.5, "a", "x", False, "new", ["a"]])
    assert app.session_state["told"] == 3


def test_what_python_changes_outlives_what_the_browser_remembers(app):
    app.number_input[0].set_value(3.5).run()
    app.button[0].click().run()
    agree(app, OTHER)
    app.run()                                  # the browser tells its old values once more
    agree(app, OTHER)
    app.number_input[0].set_value(1.0).run()
    agree(app, [1.0, *OTHER[1:]])


def test_a_widget_that_was_away_comes_back_with_its_value(app):
    app.number_input[0].set_value(3.5).run()
    app.toggle[0].set_value(False).run()
    assert not app.number_input
    app.toggle[0].set_value(True).run()
    agree(app, [3.5, *FIRST[1:]])


@pytest.mark.parametrize("low_open", [False, True])
def test_a_slider_of_decades_ends_at_0_where_0_is_allowed(low_open):
    q = Parameter("x", "float", 1e-3, "x", "Help.", low=0.0, high=1.0, log=True, low_open=low_open)
    marks = _decades(q, 1e-3)
    assert (marks[0] == 0) == (not low_open)
    assert marks[0 if low_open else 1] > 0
    assert marks[-1] == 1


@pytest.mark.parametrize("value", [0.19999, 0.2, 0.3, 1.0])
def test_no_two_marks_of_a_slider_read_the_same(value):
    """The browser says which mark by its text."""
    q = Parameter("x", "float", 0.3, "x", "Help.", low=1e-3, high=1.0, log=True)
    marks = _decades(q, value)
    assert value in marks
    assert len({shown(m) for m in marks}) == len(marks)


def test_a_widget_that_was_replaced_changes_nothing(monkeypatch):
    state = {"k": "old", "k@0": "old"}
    monkeypatch.setattr(widgets.st, "session_state", state)
    called = []
    state["k"] = "new"                         # Python's choice
    assert widgets._own("k")["key"] == "k@1"
    for late in ("old", "older"):
        state["k@0"] = late
        widgets._took("k", "k@0", called.append, ("late",))
        assert state["k"] == "new"
    state["k@1"] = "chosen"
    widgets._took("k", "k@1", called.append, ("chosen",))
    assert (state["k"], called) == ("chosen", ["chosen"])
    assert widgets._own("k")["key"] == "k@1"
