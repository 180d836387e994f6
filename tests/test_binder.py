"""Every page's state survives its address, and no late address undoes what a visitor chose."""

import math

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from streamlit.testing.v1 import AppTest

from qnviz.fields import parameters
from qnviz.methods.registry import METHODS
from qnviz.problems.registry import PROBLEMS
from qnviz.problems.typed import CLASSICS
from qnviz.runs.spec import MAX_ENTRANTS
from qnviz.studies.derivatives import Question
from qnviz.ui.catalogue.methods import Which
from qnviz.ui.labs.damping import DAMPING, DampingState, Fork
from qnviz.ui.labs.function import YOUR_FUNCTION
from qnviz.ui.labs.krylov import KRYLOV, KrylovState
from qnviz.ui.labs.state import Lab, LabState, Own, read_state, write_state
from qnviz.ui.lessons.address import Place
from qnviz.ui.maps.atlas_question import AtlasQuestion
from qnviz.ui.maps.basins import BasinQuestion
from qnviz.ui.maps.scoreboard_view import Shown
from qnviz.ui.state.codec import decode, encode, number
from qnviz.ui.state.defaults import IMAGES, LAB, LINEAR, RACE
from qnviz.ui.state.settings import AXES, Settings, base

FEW = settings(max_examples=40, deadline=None, derandomize=True,
               suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
LABS = {"race": Lab({"rosenbrock": RACE}, {}), "rosenbrock": Lab({"rosenbrock": LAB}, {}),
        "linear_net": Lab({"linear_net": LINEAR}, {}),
        "autoencoder": Lab({"autoencoder": IMAGES}, {}), "function": YOUR_FUNCTION,
        "damping": DAMPING, "krylov": KRYLOV}
FORMS = (Question, AtlasQuestion, BasinQuestion, Shown, Which, Place)


def values(q):
    """What a declared field may be."""
    if q.kind in ("choice", "bool"):
        return st.booleans() if q.kind == "bool" else st.sampled_from(q.options)
    if q.kind == "int":
        found = st.integers(int(q.low or 0), int(q.high or 1000))
    elif q.kind == "float":
        low = -1e6 if q.low is None else q.low
        high = 1e6 if q.high is None else q.high
        found = st.floats(low, high, exclude_min=q.low_open, exclude_max=q.high_open)
    elif q.kind == "expression":
        found = st.sampled_from([c.f for c in CLASSICS.values()])
    else:
        return st.just(q.default)
    return st.none() | found if q.optional else found


def models(model):
    """Any valid state of a page's model."""
    return st.fixed_dictionaries({q.name: values(q) for q in parameters(model)}).map(
        lambda fields: valid(model, fields))


def valid(model, fields):
    try:
        return model(**fields)
    except ValidationError:
        assume(False)


coordinates = st.floats(-1e6, 1e6)
shares = st.floats(0, 1, exclude_min=True, exclude_max=True)
OWN = {
    Own: st.just(Own()),
    KrylovState: st.builds(KrylovState, j=st.none() | st.integers(0, 500)),
    DampingState: st.builds(
        DampingState, H=st.none() | st.tuples(*[coordinates] * 3),
        s=st.none() | st.tuples(coordinates, coordinates),
        y=st.none() | st.tuples(coordinates, coordinates), mu1=st.none() | shares,
        mu2=st.none() | shares, of=st.none() | st.tuples(*[st.integers(0, 99_999)] * 3),
        fork=st.just(Fork()) | st.builds(
            Fork, of=st.sampled_from(["kbfgs", "kbfgs~2"]), step=st.integers(0, 99_999),
            damping=st.none() | st.sampled_from(["double", "powell", "none"]),
            lr=st.none() | st.floats(0, 10, exclude_min=True), lam=st.none() | shares,
            mu1=st.none() | shares))}


@st.composite
def states(draw, lab):
    """Any state of a lab: a problem, methods and twins with any settings, and its own fields."""
    on = draw(st.sampled_from(list(lab.labs)))
    model = PROBLEMS[on]
    problem = {q.name: draw(values(q)) for q in parameters(model)} | {"name": on}
    if model.plane:
        problem["start"] = [draw(st.floats(-model.reach, model.reach)) for _ in range(2)]
    valid(model, problem)
    names = draw(st.lists(st.sampled_from(list(METHODS)), min_size=1, max_size=4))
    entrants = {}
    for name in names[:MAX_ENTRANTS]:
        twins = sum(base(e) == name for e in entrants)
        entrants[f"{name}~{twins + 1}" if twins else name] = {
            q.name: draw(values(q)) for q in parameters(METHODS[name])}
    for e, chosen in entrants.items():
        valid(METHODS[base(e)], chosen)
    ends = tuple(entrants)[:2] if len(entrants) > 1 and draw(st.booleans()) else ()
    return LabState(Settings(
        problem, entrants, steps=draw(st.integers(1, 3000)),
        seed=draw(st.integers(0, 2**31 - 1)), stop_loss=draw(st.floats(0, 1)),
        axis=draw(st.sampled_from(AXES)), frame=draw(st.none() | st.integers(0, 3000)),
        ends=ends), draw(OWN[lab.own]))


def content(state):
    """What a state says, whether or not it stands in its dictionaries."""
    s = state.settings
    return (state.own, PROBLEMS[s.problem["name"]].model_validate(s.problem),
            {e: METHODS[base(e)].model_validate(s.method(e)) for e in s.entrants},
            s.steps, s.seed, s.stop_loss, s.axis, s.frame, s.ends)


@pytest.mark.parametrize("page", LABS)
@FEW
@given(data=st.data())
def test_every_state_of_a_lab_survives_its_address(page, data):
    lab = LABS[page]
    state = data.draw(states(lab))
    query = write_state(state, lab.labs)
    again, notes = read_state(query, lab.labs, lab.own)
    assert notes == ()
    assert content(again) == content(state)
    assert write_state(again, lab.labs) == query


@pytest.mark.parametrize("page", LABS)
def test_a_lab_opens_with_an_empty_address(page):
    lab = LABS[page]
    state, notes = read_state({}, lab.labs, lab.own)
    assert notes == ()
    assert write_state(state, lab.labs) == {}


@pytest.mark.parametrize("model", FORMS)
@FEW
@given(data=st.data())
def test_every_state_of_a_form_survives_its_address(model, data):
    places = st.builds(Place, of=st.text(max_size=100), at=st.integers(1, 99_999),
                       present=st.integers(0, 1)).filter(lambda p: p.of or p == Place())
    value = data.draw(places if model is Place else models(model))
    assert decode(encode(value), model()) == (value, ())


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_read_back_as_they_were(value):
    text = number(value)
    assert float(text) == value
    assert math.copysign(1, float(text)) == math.copysign(1, value)
    assert len(text) <= len(repr(value))
    assert "+" not in text                     # which browsers hand over as a space


@pytest.mark.parametrize(("value", "text"), [
    (0.1, "0.1"), (2.0, "2"), (-0.0, "-0"), (1e-6, "1e-06"), (1e16, "1e16"), (1 / 3, repr(1 / 3))])
def test_numbers_are_short(value, text):
    assert number(value) == text


# --- addresses that come in late ------------------------------------------------------------------

FORM_PAGE = """
from qnviz.ui.state.form import Form
from tests.test_binder import TWO

model = next(m for m in TWO if m.__name__ == {name!r})
Form("test", model).remember()
"""
LAB_PAGE = """
from qnviz.ui.labs.page import Page
from qnviz.ui.labs.stage import Stage
from tests.test_binder import LABS

Page(Stage("damping"), LABS["damping"]).remember()
"""
# of each form a field with two values that are not its default, and another field
TWO = {Question: ("length", 2.0, 3.0, "seed", 7), AtlasQuestion: ("seeds", 2, 4, "seed", 7),
       BasinQuestion: ("steps", 100, 200, "seed", 7), Shown: ("repeats", "10", "50", "seed", 7),
       Place: ("of", "one", "two", "at", 2)}


def run(app, chosen=None, address=None):
    """A run of the page, after widgets were changed, with the address that the browser shows."""
    for key, value in (chosen or {}).items():
        app.session_state[key] = value
    if address is not None:
        for name in list(app.query_params):
            del app.query_params[name]
        for name, value in address.items():
            app.query_params[name] = value
    app.run()
    assert not app.exception
    return {name: value[0] if isinstance(value, list) else value
            for name, value in app.query_params.items()}


@pytest.mark.parametrize("model", TWO, ids=lambda model: model.__name__)
def test_an_address_of_before_undoes_nothing_on_a_form(model):
    field, first, second, other, value = TWO[model]
    app = AppTest.from_string(FORM_PAGE.format(name=model.__name__), default_timeout=30)
    run(app)
    before = run(app, {f"test:{field}": first})
    assert before == encode(model(**{field: first}))
    run(app, {f"test:{field}": second})
    after = run(app, {f"test:{other}": value}, address=before)
    assert after == encode(model(**{field: second, other: value}))


@pytest.fixture
def lab():
    app = AppTest.from_string(LAB_PAGE, default_timeout=30)
    run(app, address={"seed": "1", "H": "1,0,1"})
    return app


def key(name):
    return f"damping/rosenbrock:{name}"


def test_an_address_of_before_undoes_nothing_in_a_lab(lab):
    run(lab, {key("seed"): 2})
    after = run(lab, {key("steps"): 100}, address={"seed": "1", "H": "1,0,1"})
    assert after == {"seed": "2", "steps": "100", "H": "1,0,1"}


def test_where_the_player_stands_is_taken_from_the_address_and_costs_no_change(lab):
    after = run(lab, {key("seed"): 2}, address={"seed": "1", "H": "1,0,1", "step": "12"})
    assert after == {"seed": "2", "H": "1,0,1", "step": "12"}
    # also from an address that is late by a seed
    after = run(lab, {key("steps"): 100}, address={"seed": "1", "H": "1,0,1", "step": "13"})
    assert after == {"seed": "2", "steps": "100", "H": "1,0,1", "step": "13"}


def test_each_problem_is_found_as_it_was_left(lab):
    run(lab, {"damping/on": "linear_net"})
    assert run(lab, {"damping/linear_net:seed": 5}) == {"on": "linear_net", "seed": "5"}
    assert run(lab, {"damping/on": "rosenbrock"}) == {"seed": "1", "H": "1,0,1"}
    assert run(lab, {"damping/on": "linear_net"}) == {"on": "linear_net", "seed": "5"}
