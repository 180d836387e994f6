"""Links that cannot be followed as they are: each page says what is wrong, and shows the rest."""

import time
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from streamlit.testing.v1 import AppTest

from qnviz.ui.frame.later import COME

PAGES = Path(__file__).resolve().parents[1] / "pages"


def opened(link):
    """The page of a link, run once, and all messages on it."""
    name, _, query = link.partition("?")
    app = AppTest.from_file(str(PAGES / f"{name}.py"), default_timeout=60)
    for field, value in parse_qsl(query, keep_blank_values=True):
        app.query_params[field] = value
    app.session_state[COME] = True             # no browser will tell when the pictures are drawn
    app.run()
    assert not app.exception
    return app, [alert.value for alert in (*app.warning, *app.info, *app.error)]


@pytest.mark.parametrize(("link", "sentence"), [
    ("autoencoder?data=mnist", "MNIST is not there"),
    ("autoencoder?data=nothing", "'nothing' is not one of"),
    ("autoencoder?widths=64-32-63", "the first and the last of them the same"),
    ("autoencoder?batch=5000", "has only 1,437 training samples"),
    ("autoencoder?m=levenberg_marquardt,adam&steps=5", "Levenberg-Marquardt sits out"),
    ("autoencoder?m=bfgs,adam&steps=5", "BFGS sits out"),
    ("linear_net?width=0", "width is '0', but must be at least 1"),
    ("linear_net?batch=2000", "batch is 2000, but there are only 1000 samples"),
    ("linear_net?m=kbfgs,adam&steps=5&ends=kbfgs,sgd", "must name two entrants of this race"),
    ("race?noise=1&m=scipy_bfgs,adam&steps=5", "SciPy BFGS sits out"),
    ("function?f=log(x)^2%2By^2&start=-1,0&steps=5", "f has no value at the start"),
    ("damping?on=banana", "on is 'banana'"), ("damping?H=1,2", "H is '1,2'"),
    ("damping?of=x&fork=1,2", "fork is '1,2'"), ("damping?mu2=1", "mu2 is '1'"),
    ("krylov?step=12&j=abc", "must be a whole number from 0 to 500"),
    ("complex_step?length=0", "The direction v is 0: there is nowhere to step"),
    ("complex_step?function=squire_trapp&x=-3", "The function has no value at x = -3"),
    ("complex_step?function=rosenbrock&x=1", "The true slope gᵀv is 0 here"),
    ("complex_step?function=exp_relu&x=0", "exactly on a relu's kink"),
    ("complex_step?function=squire_trapp&x=2.3",
     "leaves the region where the function has a value"),
    ("atlas?points=banana&points=3&a=nobody&b=sgd&steps=5&seeds=1", "'nobody'"),
    ("atlas?a=levenberg_marquardt&b=newton&problem=autoencoder", "cannot run"),
    ("basins?points=0&a=nobody&target=7", "a is 'nobody'"),
    ("scoreboard?rows=nobody&unit=furlongs", "unit is 'furlongs'"),
    ("lessons?of=none", "There is no lesson called 'none'"),
    ("lessons?of=../README", "There is no lesson called"),
    ("lessons?of=why-curvature&at=99", "so there is no step 99"),
    ("lessons?of=why-curvature&at=x<b>", "at is 'x<b>'"),
    ("methods?of=nobody", "of is 'nobody'")])
def test_what_is_wrong_with_a_link_is_said(link, sentence):
    _, said = opened(link)
    assert any(sentence in text.replace("\\", "") for text in said), said


@pytest.mark.parametrize("page", [
    "race", "rosenbrock", "linear_net", "autoencoder", "function", "damping", "krylov"])
def test_every_labs_link_is_its_state(page):
    """Seed, methods, steps and the step that is shown."""
    query = "seed=3&m=curveball,adam&steps=40&step=7"
    app, said = opened(f"{page}?{query}")
    assert dict(app.query_params) == dict(parse_qsl(query))
    assert not said or page == "krylov"        # which has no system to show without its method
    done, until = "2 methods, up to 40 steps", time.monotonic() + 60
    while not any(text.value.startswith(done) for text in app.text):
        assert time.monotonic() < until
        app.run()                              # a run that takes longer is shown growing


@pytest.mark.parametrize(("link", "words"), [
    ("krylov?on=rosenbrock&start=1,1", "No step was taken: converged at step 0"),
    ("krylov?m=adam&steps=5", "Add Newton-Krylov to the methods above"),
    ("krylov?on=rosenbrock&start=1,5&step=1", "ended in its very first direction"),
    ("krylov?on=rosenbrock&start=0.5,0.5&noise=0.000000001&steps=3&step=1",
     "The matrix is singular")])
def test_a_system_with_nothing_to_take_apart_is_told(link, words):
    app, said = opened(link)
    told = [*said, *(e.value for e in (*app.markdown, *app.caption, *app.text))]
    assert any(words in text for text in told), told


@pytest.mark.parametrize("link", [
    "H=1,1,1", "s=0,0", "y=0,0", "mu2=0.999999", "of=1,1,999", "of=7,1,5"])
def test_a_pair_that_damping_cannot_help_costs_nothing_else(link):
    """What the plane says of such pairs is told by tests/browser/test_pair.py."""
    app, _ = opened(f"damping?{link}&step=1")
    assert app.tabs
