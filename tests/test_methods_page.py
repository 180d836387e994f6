"""The methods page: what it says of each method is read off the method, and is true."""

import re
from types import SimpleNamespace

import pytest
import torch
from streamlit.testing.v1 import AppTest

from qnviz.methods.registry import METHODS
from qnviz.methods.scipy_reference import FAMILY
from qnviz.problems.autoencoder import Autoencoder
from qnviz.problems.linear_net import LinearNet
from qnviz.problems.rosenbrock import Rosenbrock
from qnviz.problems.spec import Layer
from qnviz.ui.catalogue.costs import LARGE, NEEDS, PROBLEMS, costs, drive, needs, numbers, refusals
from qnviz.ui.catalogue.methods import FAMILIES, cited

NETS = {"rosenbrock": Rosenbrock(), "linear": LinearNet(), "wide": LinearNet(width=40),
        "digits": Autoencoder(), "two": Autoencoder(widths=(64, 2, 64), loss="mse"),
        "uneven": Autoencoder(widths=(64, 2, 2, 2, 2, 2, 64), loss="mse")}


@pytest.mark.parametrize("name", METHODS)
def test_an_idea_is_three_sentences_and_a_reference_is_complete(name):
    method = METHODS[name]
    assert len(re.findall(r"[.!?](?:\s|$)", method.idea)) == 3
    assert method.fails.endswith(".")
    assert method.reference.endswith(".")
    assert re.search(r"\b(19|20)\d\d\b", method.reference)


def test_references_become_links():
    assert cited("A, 2015, arXiv 1412.6980.") == (
        "A, 2015, [arXiv 1412.6980](https://arxiv.org/abs/1412.6980).")
    assert "(https://doi.org/10.1016/0041-5553%2864%2990137-5)." in cited(
        METHODS["sgd"].reference)
    assert cited("B, 1983.") == "B, 1983."


@pytest.mark.parametrize("problem", NETS)
@pytest.mark.parametrize("name", METHODS)
def test_a_state_holds_no_more_than_declared_and_not_far_less(name, problem):
    method, spec = METHODS[name](), NETS[problem]
    if why := method.unavailable(spec):
        pytest.skip(why)
    _, state, _ = drive(method, spec, 3)
    state_holds, declared = numbers(state), method.footprint(spec)
    assert state_holds <= declared
    if not method.dense and method.family != FAMILY:      # these make what they do not keep
        assert declared <= 12 * state_holds


def test_numbers_are_counted_in_all_that_a_state_is_made_of():
    x = torch.zeros(1, 3)
    assert numbers([x, (x, x), SimpleNamespace(a=x), 7, None, "x"]) == 12


@pytest.mark.parametrize("name", METHODS)
def test_counted_work_is_near_what_is_declared(name):
    for c in costs(name):
        assert (c.mean is None) == (c.why_not is not None or c.where == LARGE)
        if c.mean is not None:
            assert 0 < c.mean <= 1.1 * c.declared
    assert [c.where for c in costs(name)] == list(PROBLEMS)


def test_the_large_net_is_calculated_and_not_built():
    large = PROBLEMS[LARGE]
    assert large.size == 2_837_314
    assert all(isinstance(layer, Layer) for layer in large.layers)


def test_needs_and_refusals_are_what_methods_say():
    assert needs(METHODS["sgd"]) == "–"
    assert needs(METHODS["kbfgs"]) == "layers"
    assert "a sum of squares" in needs(METHODS["levenberg_marquardt"])
    assert needs(METHODS["scipy_bfgs"]) == "a function without noise"
    for name, method in METHODS.items():
        whys = list(refusals(method).values())
        assert len(set(whys)) == len(whys)
        assert bool(whys) == (needs(method).replace("layers", "–") != "–"), name
    assert set(NEEDS) <= {"a function without noise", "a sum of squares", "few parameters"}


SCRIPT = """
import streamlit as st
from qnviz.ui.state.form import started
started()
from qnviz.ui.catalogue.methods import methods
methods()
"""


def opened(of=None):
    app = AppTest.from_string(SCRIPT, default_timeout=60)
    if of is not None:
        app.query_params["of"] = of
    return app.run()


def test_the_overview_lists_all_methods():
    app = opened()
    assert not app.exception
    links = [link.proto.label for link in app.get("page_link")]
    for method in METHODS.values():
        assert links.count(method.title) == 2              # in the index and in the table
        assert method.family in FAMILIES


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_its_page(name):
    app = opened(name)
    assert not app.exception
    assert app.header[0].value == METHODS[name].title
    assert len(app.latex) >= 1
    codes = [block.value for block in app.code]
    assert "class " in codes[0]
    assert len(codes) == 1 + METHODS[name].twin
    assert all(f'static method = "{name}"' in twin for twin in codes[1:])
    assert any("When it fails" in m.value for m in app.markdown)


def test_an_unknown_method_gets_a_sentence_and_the_overview():
    app = opened("<b>nobody</b>")
    assert not app.exception
    assert "must be one of" in app.warning[0].value
    assert "at a glance" in app.header[0].value
