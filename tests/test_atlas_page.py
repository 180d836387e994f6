"""Questions of the atlas and the basins: addresses, what suits a method, and what is shipped."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qnviz.sweeps.result import SweepResult
from qnviz.sweeps.tiles import compute, tiles
from qnviz.ui.maps import atlas, basins
from qnviz.ui.maps.atlas_question import AtlasQuestion
from qnviz.ui.maps.basins import BasinQuestion
from qnviz.ui.maps.page import drawn
from qnviz.ui.maps.variants import MAPPED, VARIANTS, axis_title, symbol, usual_range
from qnviz.ui.maps.view import shipped
from qnviz.ui.state.codec import decode, encode
from qnviz.ui.state.defaults import LABS
from qnviz.ui.state.links import lab_query
from qnviz.ui.state.settings import read_query

SHIPPED = {"atlas": AtlasQuestion().plans()[0], "basins": BasinQuestion().plans()[0]}


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_maps_are_the_pages_default_state(name):
    """`make home` is due when this fails. First tiles are computed again; all are of this spec."""
    for plan, path in zip(SHIPPED[name], shipped(name), strict=True):
        held = SweepResult.load(path)
        assert held.complete
        assert held.spec == plan.spec
        tile = tiles(plan.spec)[0]
        fresh = SweepResult(plan.spec)
        fresh.put(tile, compute(plan.spec, tile))
        at = np.unravel_index(tile.cells, plan.spec.shape[:2])
        same = held["status"][at][:, tile.seed] == fresh["status"][at][:, tile.seed]
        # another processor rounds differently, and a run at the edge may end otherwise
        assert same.mean() > 0.9


def test_the_default_states_have_empty_addresses():
    assert encode(AtlasQuestion()) == {}
    assert encode(BasinQuestion()) == {}
    assert AtlasQuestion().plans()[1] == ()


@pytest.mark.parametrize(("query", "sentence"), [
    ({"problem": "quadratic"}, "problem is 'quadratic', but must be one of"),
    ({"a": "kbfgs.nope"}, "a is 'kbfgs.nope', but must be one of"),
    ({"points": "65"}, "points is '65', but must be at most 64."),
    ({"seeds": "0"}, "seeds is '0', but must be at least 1."),
    ({"x_from": "nan"}, "x_from is 'nan', but must be a finite number."),
    ({"color": "blue"}, "color is 'blue', but must be one of"),
    ({"colour": "steps"}, "The link's field 'colour' is not known here"),
    ({"x": "memory"}, "x is 'memory', which K-BFGS, double damping does not have"),
    ({"x": "lr", "y": "lr"}, "x and y are both 'lr'; the vertical axis is 'lam' instead."),
    ({"x_from": "0"}, "x_from: lam is 0, but on a log axis it must be greater than 0."),
    ({"x_to": "1"}, "x_to: lam is 1.0, but must be less than 1."),
    ({"x_from": "0.1", "x_to": "0.1"}, "x_from and x_to are both 0.1")])
def test_a_bad_value_costs_only_itself(query, sentence):
    q, notes = decode(query | {"seed": "5"}, AtlasQuestion())
    found, more = q.plans()
    assert any(n.startswith(sentence) for n in (*notes, *more)), (notes, more)
    assert q.seed == 5
    assert len(found) == 2


def test_reversed_ends_are_the_same_map():
    there = AtlasQuestion(x_from=1e-3, x_to=0.5).plans()[0]
    back = AtlasQuestion(x_from=0.5, x_to=1e-3).plans()[0]
    assert [p.spec for p in there] == [p.spec for p in back]


@pytest.mark.parametrize("problem", LABS)
@pytest.mark.parametrize("id", MAPPED)
def test_every_method_has_a_map_or_a_reason(id, problem):
    found, notes = AtlasQuestion(a=id, problem=problem).plans()
    assert [p.variant.id for p in found][:1] == [id] or any(
        note.startswith(f"{MAPPED[id].title} cannot run") for note in notes)
    for p in found:
        assert p.y.values.shape == (p.spec.shape[2 if p.by_seed else 0],)
        assert p.x.values.shape == (p.spec.shape[1],)


@pytest.mark.parametrize("v", MAPPED.values(), ids=MAPPED)
def test_fields_have_symbols_titles_and_ranges(v):
    for q in v.fields.values():
        assert "\\" not in symbol(q)
        assert symbol(q) in axis_title(q)
        low, high = usual_range(v, q)
        assert low < high
        assert not q.log or low > 0


def test_another_method_takes_the_same_axes_only_if_it_can():
    same = AtlasQuestion(x="lr", y="momentum").plans()[0]
    assert [(p.x.label, p.y.label) for p in same] == [("α", "β")] * 2
    own = AtlasQuestion(a="kfac", b="kbfgs").plans()[0]      # K-FAC's λ may exceed 1
    assert own[0].x.values[-1] > 1 > own[1].x.values[-1]


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.builds(
    AtlasQuestion, problem=st.sampled_from(list(LABS)), a=st.sampled_from(list(MAPPED)),
    b=st.sampled_from(list(MAPPED)), color=st.sampled_from(["steps", "loss", "work", "damped"]),
    seeds=st.integers(1, 8), points=st.none() | st.integers(1, 64),
    x_from=st.none() | st.floats(-1, 20), y_to=st.none() | st.floats(-1, 20)))
def test_every_state_survives_the_address_and_is_drawn(q):
    assert decode(encode(q), AtlasQuestion()) == (q, ())
    found, _ = q.plans()
    if found:
        for theme in ("light", "dark"):
            assert drawn(q, (None,) * len(found), theme)


def cell_of(q, points=4):
    plan = q.plans()[0][0]
    return plan, plan.spec.at(*plan.place(points // 2, 1))


@pytest.mark.parametrize("q", [
    AtlasQuestion(points=4), AtlasQuestion(points=4, problem="linear_net", noise=0, seed=3),
    AtlasQuestion(points=4, a="curveball"), AtlasQuestion(points=4, a="lbfgs", steps=17),
    AtlasQuestion(points=4, problem="autoencoder", batch=None, a="adam")],
    ids=["rosenbrock", "linear_net", "by seed", "whole numbers", "autoencoder"])
def test_a_cells_address_is_its_run(q):
    _, run = cell_of(q)
    s = read_query(lab_query(run), LABS[q.problem])
    assert s.faults == ()
    got = s.spec()
    assert got is not None
    assert (got.steps, got.seed, got.stop_loss) == (run.steps, run.seed, run.stop_loss)
    assert got.problem == run.problem
    ours, theirs = (m.model_dump() | {"label": None} for m in (run.methods[0], got.methods[0]))
    assert theirs == {n: pytest.approx(v, rel=1e-5) if isinstance(v, float) else v
                      for n, v in ours.items()}


def test_rows_by_seed_open_their_own_seed():
    plan, run = cell_of(AtlasQuestion(points=4, a="curveball", seed=10))
    assert plan.by_seed
    assert run.seed == 12


@pytest.mark.parametrize("page", [atlas, basins])
def test_presets_say_something_and_differ(page):
    model = AtlasQuestion if page is atlas else BasinQuestion
    states = [model(**changes) for changes in page.PRESETS.values()]
    assert len(set(map(str, states))) == len(states) >= 3
    assert all(len(q.plans()[0]) == 2 and q.plans()[1] == () for q in states)
    assert len(page.EXPLAIN.split()) <= 130


def test_a_basin_row_is_a_second_coordinate():
    q = BasinQuestion(points=5, x_from=-2, x_to=2, y_from=0, y_to=1)
    (plan, _), _ = q.plans()
    assert plan.spec.at(4, 1).problem.start == (-1.0, 1.0)
    assert plan.y.values[4] == 1.0
    assert lab_query(plan.spec.at(4, 1))["start"] == "-1,1"


@pytest.mark.parametrize("changes", [
    {"points": 1}, {"x_from": 2.0, "x_to": -2.0}, {"x_from": 1.0, "x_to": 1.0}, {"target": 0.0},
    {"a": "kfac", "b": "lbfgs"}])
def test_degenerate_basins_are_drawn(changes):
    q = BasinQuestion(**({"points": 3, "steps": 5} | changes))
    found, _ = q.plans()
    assert len(found) == 2
    results = []
    for p in found:
        r = SweepResult(p.spec)
        for tile in tiles(p.spec):
            r.put(tile, compute(p.spec, tile))
        results.append(r)
    assert drawn(q, tuple(results), "light")


def test_all_methods_but_references_are_offered():
    assert "bfgs" in VARIANTS
    assert not any(name.startswith("scipy") for name in VARIANTS)

