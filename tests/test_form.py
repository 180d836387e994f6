"""A form is its address: there and back, bad values cost only themselves, nothing is lost."""

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import model_validator
from streamlit.testing.v1 import AppTest

from qnviz.fields import Frozen, choice, number, optional_whole, whole
from qnviz.studies.derivatives import Function, Question
from qnviz.ui.labs.complex_step import CODE, EXPLAIN, FUNCTIONS, PRESETS
from qnviz.ui.state.codec import decode, encode


class Model(Frozen):
    kind: Literal["one", "two"] = choice("one", "Which.")
    size: float = number(1.0, "s", "How much.", ge=0, le=10)
    count: int = whole(3, "n", "How many.", ge=1, le=9)
    batch: int | None = optional_whole(5, "b", "Or all.", ge=1, le=9)
    on: bool = choice(False, "Whether.")

    @model_validator(mode="after")
    def _fits(self) -> "Model":
        if self.kind == "two" and self.count == 9:
            raise ValueError("two does not go with nine")
        return self


def test_defaults_leave_the_address_empty():
    assert encode(Model()) == {}
    assert decode({}, Model()) == (Model(), ())


@given(st.builds(
    Model, kind=st.sampled_from(["one", "two"]), size=st.floats(0, 10), count=st.integers(1, 8),
    batch=st.none() | st.integers(1, 9), on=st.booleans()))
def test_every_state_survives_the_address(model):
    assert decode(encode(model), Model()) == (model, ())


def test_addresses_are_short():
    assert encode(Model(size=0.1, on=True, batch=None, kind="two")) == {
        "size": "0.1", "on": "true", "batch": "all", "kind": "two"}
    assert encode(Model(size=2.0)) == {"size": "2"}
    assert encode(Model(size=1e-6)) == {"size": "1e-06"}


@pytest.mark.parametrize(("query", "sentence"), [
    ({"size": "x"}, "size is 'x', but must be a number."),
    ({"size": "nan"}, "size is 'nan', but must be a finite number."),
    ({"size": "11"}, "size is '11', but must be at most 10."),
    ({"count": "1.5"}, "count is '1.5', but must be a whole number."),
    ({"kind": "three"}, "kind is 'three', but must be one of"),
    ({"nope": "1"}, "The link's field 'nope' is not known here"),
    ({"kind": "two", "count": "9"}, "two does not go with nine")])
def test_a_bad_value_costs_only_itself(query, sentence):
    model, notes = decode(query | {"on": "true"}, Model())
    assert any(n.startswith(sentence) for n in notes)
    assert model == (Model(kind="two", on=True) if len(query) == 2 else Model(on=True))


# --- in a running page ----------------------------------------------------------------------------

PAGE = '''
import streamlit as st
from qnviz.ui.state.form import Form
from tests.test_form import Model

form = Form("test", Model)
model = form.remember()
with form.row():
    form.presets({"Big": {"size": 9.0}, "Plain": {}})
    form.choice("kind", {"one": "One thing", "two": "Two things"})
    if model.kind == "one":
        form.box("size", 0.5)
    form.controls("count")
form.complaints(["A sentence with *stars*."])
st.text(repr(model))
'''


def opened(**query: str) -> AppTest:
    app = AppTest.from_string(PAGE, default_timeout=30)
    for name, value in query.items():
        app.query_params[name] = value
    return shown(app)


def shown(app: AppTest) -> AppTest:
    app.run()
    assert not app.exception
    return app


def address(app: AppTest) -> dict[str, str]:
    return {name: value[0] if isinstance(value, list) else value
            for name, value in app.query_params.items()}


def test_the_address_fills_the_widgets():
    app = opened(size="2.5", count="7")
    assert app.number_input[0].value == 2.5
    assert app.number_input[1].value == 7
    assert app.text[0].value == repr(Model(size=2.5, count=7))
    assert address(app) == {"size": "2.5", "count": "7"}


def test_the_widgets_write_the_address():
    app = opened()
    app.number_input[0].set_value(4.0)
    shown(app)
    assert address(app) == {"size": "4"}
    app.number_input[0].set_value(1.0)
    shown(app)
    assert address(app) == {}


def test_a_field_that_is_hidden_for_a_while_keeps_its_value():
    app = opened(size="2.5")
    app.selectbox[0].set_value("two")
    shown(app)
    assert len(app.number_input) == 1
    assert address(app) == {"kind": "two", "size": "2.5"}
    shown(app)
    app.selectbox[0].set_value("one")
    shown(app)
    assert app.number_input[0].value == 2.5


def test_presets_jump_and_what_was_wrong_is_forgotten():
    app = opened(count="x")
    assert app.warning[0].value.startswith("count is 'x'")
    app.button[0].click()
    shown(app)
    assert app.number_input[0].value == 9
    assert address(app) == {"size": "9"}
    assert not app.warning


def test_faults_stay_until_the_first_change():
    app = opened(count="99", foo="1")
    shown(app)
    assert "but must be at most 9" in app.warning[0].value
    assert "not known here" in app.warning[0].value
    app.number_input[0].set_value(5.0)
    shown(app)
    assert not app.warning


def test_what_does_not_go_together_is_said_and_not_taken():
    app = opened(count="9")
    app.selectbox[0].set_value("two")
    shown(app)
    assert "two does not go with nine" in app.warning[0].value
    assert app.text[0].value == repr(Model(count=9))


def test_coming_back_without_an_address_finds_the_page_as_it_was():
    app = opened(size="2.5", kind="two")
    for name in list(app.query_params):
        del app.query_params[name]
    shown(app)
    assert app.text[0].value == repr(Model(size=2.5, kind="two"))
    assert address(app) == {"size": "2.5", "kind": "two"}


def browser_shows(app: AppTest, **query: str) -> None:
    """The address that the browser sends with what happens next."""
    for name in list(app.query_params):
        del app.query_params[name]
    for name, value in query.items():
        app.query_params[name] = value


def test_an_address_that_comes_in_late_undoes_nothing():
    app = opened(size="3")
    app.number_input[0].set_value(5.0)
    shown(app)
    assert address(app) == {"size": "5"}
    browser_shows(app, size="3")               # it had not heard of 5 yet
    app.number_input[1].set_value(7)
    shown(app)
    assert app.text[0].value == repr(Model(size=5.0, count=7))
    assert address(app) == {"size": "5", "count": "7"}


@pytest.mark.parametrize("how", ["back", "from another page", "after a while"])
def test_the_same_address_is_taken_where_it_is_meant(how, monkeypatch):
    from qnviz.ui.state import address as module

    app = opened(size="3")
    app.number_input[0].set_value(5.0)
    shown(app)
    if how == "back":
        monkeypatch.setattr(module, "went_back", lambda: True)
    elif how == "from another page":
        app.session_state[module.HERE] = "elsewhere"
    else:
        monkeypatch.setattr(module, "LATE", 0.0)
    browser_shows(app, size="3")
    shown(app)
    assert app.text[0].value == repr(Model(size=3.0))


def test_going_back_to_an_address_without_fields_shows_the_defaults(monkeypatch):
    from qnviz.ui.state import address as module

    app = opened(size="3")
    monkeypatch.setattr(module, "went_back", lambda: True)
    browser_shows(app)
    shown(app)
    assert app.text[0].value == repr(Model())


def test_sentences_are_shown_as_they_are_typed():
    assert opened().info[0].value == r"A sentence with \*stars\*."


# --- the complex-step page's own words ------------------------------------------------------------


def test_the_explanation_is_short():
    assert 40 < len(EXPLAIN.split()) < 120


def test_three_presets_are_questions_and_differ():
    questions = [Question(**changes) for changes in PRESETS.values()]
    assert len({q.model_dump_json() for q in questions}) == len(PRESETS) >= 3
    assert questions[0] == Question()
    assert all(decode(encode(q), Question()) == (q, ()) for q in questions)


def test_every_function_and_kind_has_words():
    assert set(FUNCTIONS) == set(Function.__args__)
    shown = {f.__name__ for functions in CODE.values() for f in functions}
    from qnviz.curvature import hessian_vector as hv

    for table in (hv.KINDS, hv.STEPPED, hv.SLOPES, hv.SLOPES_STEPPED):
        assert {f.__name__ for f in table.values()} <= shown
