"""Each method fails as it says, in the very run that its page links to."""

import numpy as np
import pytest

from qnviz.methods.registry import METHODS
from qnviz.runs.loop import run
from qnviz.ui.catalogue.failures import SHOWN, failing
from qnviz.ui.state.defaults import LABS
from qnviz.ui.state.settings import read_query, write_query

FAR, STALLED, JUMP = 10, 2, 100                 # times a loss


def shows(trace, label):
    """Which of the ways to fail an entrant's run shows."""
    c = trace[label]
    loss = c["loss"][:int(c["stopped"][0]) + 1, 0]
    others = [trace[e.label]["loss"][-1, 0] for e in trace.entrants if e.label != label]
    half = len(loss) // 2
    with np.errstate(over="ignore"):
        jumps = (loss[1:] / loss[:-1]).max() >= JUMP
    spent = c["status"][0] in ("budget", "ended", "failed")         # SciPy's end by its own rules
    return {name for name, true in (
        ("diverged", c["status"][0] == "diverged"),
        ("slow", spent and loss[-1] > FAR * min(others)),
        ("stalls", spent and loss[half:].min() > loss[:half].min() / STALLED),
        ("jumps", bool(jumps))) if true}


@pytest.mark.parametrize("name", METHODS)
def test_the_linked_run_shows_what_the_method_says_of_itself(name):
    method = METHODS[name]
    settings = failing(method)
    spec = settings.spec()
    assert spec is not None
    assert not settings.unavailable()
    trace = run(spec)
    seen = shows(trace, trace.entrants[0].label)
    assert method.failure.shows in seen
    # beside it stands somebody for whom the same run goes well
    assert any(method.failure.shows not in shows(trace, e.label) for e in trace.entrants[1:])


@pytest.mark.parametrize("name", METHODS)
def test_the_link_opens_that_run(name):
    settings = failing(METHODS[name])
    default = LABS[settings.problem["name"]]
    query = write_query(settings, default)
    opened = read_query(query, default)
    assert not opened.faults
    assert opened.spec() == settings.spec()
    assert len(str(query)) < 300


def test_every_method_has_words_of_its_own():
    assert set(SHOWN) >= {m.failure.shows for m in METHODS.values()}
    words = [m.fails for m in METHODS.values()]
    assert len(set(words)) == len(words), "what one method inherits may not be true of it"
    failures = [m.failure for m in METHODS.values()]
    assert all(a is not b for i, a in enumerate(failures) for b in failures[:i])


def test_inverting_at_every_step_mends_what_kfac_fails_by():
    spec = failing(METHODS["kfac"]).spec()
    trace = run(spec.model_copy(update={"runs": 20}))
    stale, fresh, calm = ((trace[e.label]["status"] == "diverged").sum() for e in trace.entrants)
    assert stale >= 10
    assert fresh == calm == 0


def test_a_run_that_goes_well_shows_no_failure():
    settings = failing(METHODS["curveball"])
    trace = run(settings.spec())
    assert shows(trace, trace.entrants[1].label) == set()
