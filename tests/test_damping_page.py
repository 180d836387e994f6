"""What the double-damping page keeps in its URL, forks, opens and says."""

import pytest
import torch

from qnviz.curvature.pair import update_in_plane
from qnviz.errors import SpecError, TraceError
from qnviz.runs.loop import run
from qnviz.studies.update import in_plane, update_at
from qnviz.ui.labs.damping import (
    EXPLAIN,
    LABS,
    PAIRS,
    PRESETS,
    START,
    DampingState,
    Fork,
    fork_spec,
    futures_in_words,
)
from qnviz.ui.labs.state import read_state, write_state
from tests.helpers import spec

GOOD = {"H": "1,0.2,0.5", "s": "1,2", "y": "-1e-3,4", "mu1": "0.2", "mu2": "0.999",
        "of": "1,6,120", "fork": "1,60,none,0.1,0.3,0.2"}
BAD = {"H": ["1,2", "a,b,c", "1,2,nan", "1e9,0,1", ""], "s": ["1", "1,2,3", "inf,0"],
       "y": ["1;2"], "mu1": ["0", "1", "-0.1", "x"], "mu2": ["1", "2"],
       "of": ["1,1", "a,b,c", "1,1,-3", "1,1,1.5", "٣,1,1"],
       "fork": ["1,60", "1,60,triple,0.1,0.3,0.2", "1,60,none,0.1,1.5,0.2", "1,60,none,0,0.3,0.2",
                "x,60,none,0.1,0.3,0.2", "1,60,none,0.1,0.3"]}


@pytest.mark.parametrize("field", GOOD)
def test_good_values_pass_and_bad_ones_get_a_sentence(field):
    there, notes = read_state({field: GOOD[field]}, LABS, DampingState)
    assert notes == ()
    assert there.own != DampingState()
    for raw in BAD[field]:
        there, (why,) = read_state({field: raw, "seed": "5"}, LABS, DampingState)
        assert there.own == DampingState()
        assert there.settings.seed == 5
        assert why.startswith(f"{field} is {raw!r}")
        assert why.endswith(".")


def test_an_earlier_address_of_a_fork_is_read_and_written_by_names():
    there, notes = read_state({"m": "adam,kbfgs~2", "fork": "2,60,powell,0.1,0.3,0.25"}, LABS,
                              DampingState)
    assert notes == ()
    assert there.own.fork == Fork(of="kbfgs~2", step=60, damping="powell", lr=0.1, lam=0.3,
                                  mu1=0.25)
    assert write_state(there, LABS) == {
        "m": "adam,kbfgs~2", "fork.of": "kbfgs~2", "fork.step": "60", "fork.damping": "powell",
        "fork.lr": "0.1", "fork.lam": "0.3", "fork.mu1": "0.25"}


@pytest.mark.parametrize("query", [
    {"fork.step": "x"}, {"fork.damping": "triple"}, {"fork.lam": "1"}, {"fork.lr": "nan"}])
def test_a_bad_value_of_a_fork_costs_only_itself(query):
    good = {"fork.of": "kbfgs", "fork.step": "60", "fork.damping": "none", "fork.lam": "0.5"}
    there, (why,) = read_state(good | query, LABS, DampingState)
    (name, raw), = query.items()
    assert why.startswith(f"{name} is {raw!r}")
    assert write_state(there, LABS) == {n: v for n, v in good.items() if n != name}


def test_the_explanation_is_short():
    assert 60 < len(EXPLAIN.split()) < 120


def test_every_preset_describes_a_run():
    assert len(PRESETS) >= 3
    for settings in (*PRESETS.values(), *LABS.values()):
        described = settings.spec()
        assert described is not None
        assert [m.damping for m in described.methods] == ["double", "powell", "none"]


def of_preset(title):
    state = START | next(p for p in PAIRS if p["title"] == title)
    (h11, h12, h22), s, y = (torch.tensor(state[n], dtype=torch.float64) for n in ("H", "s", "y"))
    H = torch.stack([torch.stack([h11, h12]), torch.stack([h12, h22])])
    mu1, mu2 = (torch.tensor(state[n], dtype=torch.float64) for n in ("mu1", "mu2"))
    return update_in_plane(H, s, y, mu1, mu2)


@pytest.mark.parametrize(("title", "one", "two", "undamped"), [
    ("Good pair", False, False, True), ("Negative curvature", True, True, False),
    ("Tiny sᵀy", True, True, True), ("Huge y", True, False, True), ("Noise", False, True, True)])
def test_each_pair_shows_what_its_title_says(title, one, two, undamped):
    seen = of_preset(title)
    assert (seen.double.pair.theta1 < 1) == one
    assert (seen.double.pair.theta2 < 1) == two
    assert (seen.none.low > 0) == undamped
    assert seen.double.low > 0


def test_tiny_curvature_blows_the_undamped_matrix_up():
    seen = of_preset("Tiny sᵀy")
    assert seen.none.high > 10 * seen.double.high


THREE = [{"name": "kbfgs", "lr": 0.1, "label": d, "damping": d} for d in ("double", "none")]
IDS = ["kbfgs", "kbfgs~2"]


def test_a_fork_keeps_one_future_and_changes_the_other():
    forked = fork_spec(spec(*THREE, runs=1), IDS, Fork(of="kbfgs", step=10, damping="powell"))
    assert [m.damping for m in forked.methods] == ["double", "powell"]
    assert [m.label for m in forked.methods] == ["double, as before", "from 10: powell"]
    trace = run(forked)
    said = futures_in_words(trace)
    for e in trace.entrants:
        assert e.title in said
        assert trace.ends[e.label][0][1:].replace("~", r"\~") in said


def test_a_fork_without_a_change_still_has_two_names():
    forked = fork_spec(spec(*THREE, runs=1), IDS, Fork(of="kbfgs~2", step=10, damping="none"))
    assert len({m.label for m in forked.methods}) == 2


@pytest.mark.parametrize(("of", "step", "sentence"), [
    ("kbfgs~3", 10, "entrant 'kbfgs~3'"), ("", 10, "entrant ''"), ("kbfgs", 30, "only 30 steps")])
def test_forks_that_cannot_be(of, step, sentence):
    with pytest.raises(SpecError, match=sentence):
        fork_spec(spec(*THREE, runs=1), IDS, Fork(of=of, step=step))


def test_an_update_of_a_net_opens_with_its_own_thetas():
    net = {"name": "autoencoder", "widths": [64, 8, 4, 8, 64], "batch": 50, "activation": "tanh"}
    wanted = spec(*THREE, problem=net, runs=1)
    trace = run(wanted)
    step = int(trace["double"]["theta2"][:, 0, 0].argmin())
    u = update_at(wanted, "double", step, 0)
    seen = in_plane(u)
    H = torch.tensor([[seen.H[0], seen.H[1]], [seen.H[1], seen.H[2]]], dtype=torch.float64)
    plane = update_in_plane(H, torch.tensor(seen.s, dtype=torch.float64),
                            torch.tensor(seen.y, dtype=torch.float64),
                            torch.tensor(seen.mu1), torch.tensor(seen.mu2)).double.pair
    for name in ("theta1", "theta2", "ratio1_before", "ratio2_before"):
        assert getattr(plane, name).item() == pytest.approx(
            trace["double"][name][step, 0, 0], rel=1e-6)
    assert seen.words == (f"Layer 1 at step {step + 1}, in the plane of s and Hy: a cut through 8 "
                          "dimensions.")


def test_a_pair_without_a_direction_has_no_plane():
    at_minimum = {"name": "rosenbrock", "start": [1.0, 1.0]}
    with pytest.raises(TraceError, match="no plane"):
        in_plane(update_at(spec("kbfgs", problem=at_minimum, runs=1), "kbfgs", 0, 0))
