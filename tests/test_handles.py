"""Settings at the chips: what the player is sent, and what becomes of an edit."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from streamlit.testing.v1 import AppTest

from qnviz.fields import in_unicode, parameters
from qnviz.methods.registry import METHODS
from qnviz.problems.registry import PROBLEMS
from qnviz.runs.handles import LAST_SEED
from qnviz.ui.labs.handles import handles
from qnviz.ui.state.defaults import FUNCTION, LABS, ROSENBROCK_N
from qnviz.ui.state.messages import EDIT, LARGEST
from qnviz.ui.state.settings import LIMITS, RunFields, Settings
from qnviz.web import encoded

EVERYBODY = {name: {} for name in METHODS}
ON = {problem: Settings(lab.problem, EVERYBODY) for problem, lab in (
    LABS | {"function": FUNCTION, "rosenbrock_n": ROSENBROCK_N}).items()}


# --- symbols --------------------------------------------------------------------------------------

@pytest.mark.parametrize(("latex", "text"), [
    (r"\alpha", "α"), (r"\mu_1", "μ₁"), (r"\lambda_0", "λ₀"), (r"\lambda_k", "λₖ"), ("H_0", "H₀"),
    (r"j_{\max}", "jₘₐₓ"), (r"\hat H", "Ĥ"), (r"\mathrm{DD}", "DD"), (r"\varepsilon", "ε"),
    ("W(0)", "W(0)"), ("Hv", "Hv"), ("", "")])
def test_symbols_are_written_without_latex(latex, text):
    assert in_unicode(latex) == text


@pytest.mark.parametrize("model", [*METHODS.values(), *PROBLEMS.values()], ids=lambda m: m.__name__)
def test_every_declared_symbol_can_be_written(model):
    for q in parameters(model):
        text = in_unicode(q.symbol)
        assert not set("\\_{}^ ") & set(text)
        assert len(text) <= 4 + q.symbol.count("(") * 3
        assert bool(text) == bool(q.symbol)


# --- the payload ----------------------------------------------------------------------------------

@pytest.mark.parametrize("problem", ON)
def test_every_setting_of_every_method_has_a_handle(problem):
    sent = json.loads(encoded(handles(ON[problem])))
    assert [e["entrant"] for e in sent["entrants"]] == list(METHODS)
    for e in sent["entrants"]:
        model = METHODS[e["entrant"]]
        assert e["label"] == model.title
        assert e["idea"] == model.idea
        assert e["removable"]
        assert [f["name"] for f in e["fields"]] == [q.name for q in parameters(model)]
        for f in e["fields"]:
            fits(model, f)
            assert f["value"] == model().model_dump()[f["name"]]


@pytest.mark.parametrize("problem", ON)
def test_noise_seed_and_steps_are_handles_of_the_run(problem):
    sent = handles(ON[problem])["run"]
    for f in sent:
        fits(PROBLEMS[problem] if f["of"] == "problem" else RunFields, f)
    names = [f["name"] for f in sent]
    assert names[-2:] == ["seed", "steps"]
    if PROBLEMS[problem].plane:
        assert "start_noise" in names
    assert ("noise" in names) == (problem == "rosenbrock")
    assert sent[-2]["last"] == LAST_SEED
    assert (sent[-1]["first"], sent[-1]["last"]) == (1, LIMITS["steps"])


def fits(model, f):
    """Both ends of a slider, or all options, are values that the field takes."""
    assert f["label"].endswith(f["name"].replace("_", " ")) or "(" in f["label"]
    assert f["help"].endswith(".")
    if f["kind"] == "choice":
        ends = [value for value, _ in f["options"]]
        assert f["value"] in ends
    else:
        ends = [f["first"], f["last"]]
        assert f["first"] <= f["value"] <= f["last"]
        assert f["first"] < f["last"]
        assert f["log"] <= (f["first"] > 0)
        assert f["log"] or f["step"] > 0
        assert f["refusal"].startswith(f"{f['name']} must be a ")
    for end in ends:
        assert getattr(model.model_validate({f["name"]: end}, strict=True), f["name"]) == end


@pytest.mark.parametrize(("name", "value"), [("lr", 10.0), ("lr", 1e-9), ("lam", 0.999),
                                             ("momentum", 0.995)])
def test_a_slider_reaches_a_value_that_was_typed(name, value):
    sent = handles(Settings({"name": "rosenbrock"}, {"kbfgs": {name: value}}))
    field, = (f for f in sent["entrants"][0]["fields"] if f["name"] == name)
    assert field["first"] <= value <= field["last"]
    assert not sent["entrants"][0]["removable"], "the last one stays"


def test_settings_without_effect_are_marked():
    def idle(tuning):
        sent = handles(Settings({"name": "rosenbrock"}, {"curveball": {"tuning": tuning}}))
        return {f["name"] for f in sent["entrants"][0]["fields"] if f["idle"]}

    assert idle("automatic") == {"rho", "beta"}
    assert idle("fixed") == set()


def test_one_who_sits_out_has_handles_to_come_back_by():
    s = Settings(FUNCTION.problem | {"f": "x^4 + y^2 - x"},
                 {"newton_krylov": {"curvature": "gauss_newton"}, "adam": {}})
    assert list(s.unavailable()) == ["newton_krylov"]
    assert [e["entrant"] for e in handles(s)["entrants"]] == ["newton_krylov", "adam"]


def test_twins_are_told_apart_by_their_ids():
    s = Settings({"name": "rosenbrock"}, {"kbfgs": {}, "kbfgs~2": {"lr": 0.1}})
    assert [(e["entrant"], e["label"]) for e in handles(s)["entrants"]] == [
        ("kbfgs", "K-BFGS (lr=0.3)"), ("kbfgs~2", "K-BFGS (lr=0.1)")]


# --- the message ----------------------------------------------------------------------------------

WORTH = st.none() | st.booleans() | st.integers(-10**20, 10**20) | st.floats() | st.text(
    max_size=100) | st.lists(st.floats(), max_size=3)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(["start", "problem", "run", "entrants", "remove", "x"]),
                       WORTH | st.dictionaries(st.text(max_size=90), WORTH | st.dictionaries(
                           st.text(max_size=5), WORTH, max_size=3), max_size=3)))
def test_no_edit_brings_anything_but_what_it_may_say(value):
    try:
        edit = EDIT.read(value)
    except ValidationError:
        return
    values = [v for part in (edit.problem, edit.run, *edit.entrants.values())
              for v in part.values()]
    for v in [*values, *(edit.start or ()), *edit.entrants, edit.remove]:
        assert v is None or (len(v) <= 80 if isinstance(v, str) else
                             math.isfinite(v) and abs(v) <= LARGEST)


def test_an_edit_is_taken_as_it_was_sent():
    edit = EDIT.read({"entrants": {"K-BFGS": {"lr": 0.1, "damping": "none"}}, "run": {"seed": 3},
                      "start": [1, -0.5]})
    assert edit.entrants == {"K-BFGS": {"lr": 0.1, "damping": "none"}}
    assert type(edit.run["seed"]) is int
    assert edit.start == (1.0, -0.5)


def _edited(value, entrants, later):
    """A lab page on which an edit arrives, after its entrants' settings have changed."""
    import streamlit

    from qnviz.ui.labs import edits
    from qnviz.ui.labs.page import Page
    from qnviz.ui.labs.stage import Stage
    from qnviz.ui.labs.state import Lab
    from qnviz.ui.state.messages import EDIT
    from qnviz.ui.state.settings import Settings

    default = Settings({"name": "rosenbrock"}, entrants)
    page = Page(Stage("t"), Lab({"rosenbrock": default}, {}))
    edits.name_entrants(page, page.settings)
    streamlit.session_state.update({page.key(name): x for name, x in later.items()})
    for sentence in edits.take(page, EDIT.read(value)):
        streamlit.text(sentence)
    s = page.settings
    streamlit.json({"problem": s.problem, "entrants": s.entrants, "seed": s.seed,
                    "steps": s.steps})


def edited(value, entrants=None, later=None):
    """What an edit refuses, and the settings after it."""
    at = AppTest.from_function(_edited, args=(value, entrants or {"kbfgs": {}, "adam": {}},
                                              later or {})).run()
    assert not at.exception
    return [t.value for t in at.text], json.loads(at.json[0].value)


def test_an_edit_changes_what_it_names_and_nothing_else():
    refused, there = edited({"entrants": {"K-BFGS": {"lr": 0.7}, "Adam": {"beta1": 0.5}},
                             "problem": {"noise": 2}, "run": {"seed": 4, "steps": 50},
                             "start": [0.5, -1]})
    assert refused == []
    _, before = edited({})
    assert there["entrants"]["kbfgs"] == before["entrants"]["kbfgs"] | {"lr": 0.7}
    assert there["entrants"]["adam"] == before["entrants"]["adam"] | {"beta1": 0.5}
    assert there["problem"] == before["problem"] | {"noise": 2.0, "start": [0.5, -1.0]}
    assert (there["seed"], there["steps"]) == (4, 50)


@pytest.mark.parametrize(("value", "sentence"), [
    ({"entrants": {"K-BFGS": {"lr": 20}}}, "K-BFGS: lr is 20, but must be at most 10."),
    ({"entrants": {"K-BFGS": {"lam": 1.0}}}, "K-BFGS: lam is 1.0, but must be less than 1."),
    ({"entrants": {"K-BFGS": {"lr": "0.1"}}}, "K-BFGS: lr is '0.1', but must be a number."),
    ({"entrants": {"K-BFGS": {"lr": True}}}, "K-BFGS: lr is True, but must be a number."),
    ({"entrants": {"K-BFGS": {"damping": "triple"}}}, "K-BFGS: damping is 'triple', but must be"),
    ({"entrants": {"K-BFGS": {"label": "x"}}}, "K-BFGS: label is no setting that can be changed"),
    ({"entrants": {"SGD": {"lr": 0.1}}}, "SGD takes no part in this race any more."),
    ({"problem": {"noise": 11}}, "noise is 11, but must be at most 10."),
    ({"problem": {"noise_in": "function"}}, "noise_in is no setting that can be changed here."),
    ({"problem": {"start": 1.0}}, "start is no setting that can be changed here."),
    ({"run": {"steps": 3001}}, "steps is 3001, but must be at most 3000."),
    ({"run": {"seed": 1.5}}, "seed is 1.5, but must be a whole number."),
    ({"run": {"axis": "work"}}, "axis is no setting that can be changed here."),
    ({"start": [11, 0]}, "Coordinates of the start must lie between −10 and 10."),
    ({"remove": "SGD"}, "SGD takes no part in this race any more.")])
def test_what_is_wrong_with_an_edit_costs_only_itself(value, sentence):
    value = {**value, "run": {**value.get("run", {}), "seed": value.get("run", {}).get("seed", 9)}}
    (said,), there = edited(value)
    assert said.startswith(sentence)
    _, before = edited({})
    seed = 0 if "seed" in sentence else 9
    assert there == before | {"seed": seed}


def test_an_entrant_leaves_but_for_the_last():
    assert list(edited({"remove": "K-BFGS"})[1]["entrants"]) == ["adam"]
    (said,), there = edited({"remove": "Adam"}, {"adam": {}})
    assert said == "Adam is the only method: add another one before it leaves."
    assert list(there["entrants"]) == ["adam"]


def test_a_twin_is_known_by_the_name_that_it_had_when_it_was_drawn():
    twins = {"kbfgs": {"lr": 0.2}, "kbfgs~2": {"lr": 0.1}}
    refused, there = edited({"entrants": {"K-BFGS (lr=0.1)": {"lam": 0.5}}}, twins,
                            {"kbfgs~2.lr": 0.4})
    assert refused == []
    assert there["entrants"]["kbfgs~2"]["lam"] == 0.5
    assert there["entrants"]["kbfgs"]["lam"] == 0.3
