"""Numbers leave as they were recorded: every bit, every entrant, nothing made up."""

import csv
import io
import math

import numpy as np
import pytest

from qnviz.export.tables import columns, csv_text
from qnviz.runs.loop import run
from tests.helpers import spec
from tests.net_traces import autoencoder


@pytest.fixture(scope="module")
def race():
    return run(spec({"name": "newton_krylov"}, {"name": "adam"}, steps=12, runs=3,
                    problem={"name": "rosenbrock", "noise": 1.0}))


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def number(text):
    return float(text) if text else math.nan


def test_every_number_reads_back_bit_by_bit(race):
    read = rows(csv_text(race, runs=[1]))
    for e in race.entrants:
        mine = [r for r in read if r["method"] == e.label]
        expected = columns(race, e.label, 1)
        assert [int(r["step"]) for r in mine] == list(range(len(expected["loss"])))
        for name, values in expected.items():
            np.testing.assert_array_equal([number(r[name]) for r in mine], values, err_msg=name)


def test_columns_are_those_of_the_trace(race):
    c, found = race["adam"], columns(race, "adam", 2)
    stop = int(c["stopped"][2])
    np.testing.assert_array_equal(found["loss"], c["loss"][:stop + 1, 2])
    np.testing.assert_array_equal(found["theta[1]"], c["theta"][:stop + 1, 2, 1])
    np.testing.assert_array_equal(found["move"][1:], c["move"][:stop, 2])
    assert math.isnan(found["move"][0]), "no step led to the start"


def test_what_an_entrant_lacks_is_empty(race):
    read = rows(csv_text(race))
    assert {r["method"] for r in read} == {"newton_krylov", "adam"}
    assert all(r["krylov_iterations"] == "" for r in read if r["method"] == "adam")
    assert all(r["krylov_iterations"] for r in read
               if r["method"] == "newton_krylov" and r["step"] != "0")
    assert {r["method"] for r in rows(csv_text(race, ["adam"]))} == {"adam"}


def test_several_runs_have_a_column_that_says_which(race):
    read = rows(csv_text(race, ["adam"], [0, 2]))
    assert {r["run"] for r in read} == {"0", "2"}
    alone = rows(csv_text(race, ["adam"], [2]))
    assert [r["loss"] for r in read if r["run"] == "2"] == [r["loss"] for r in alone]
    assert "run" not in alone[0]


def test_rare_looks_leave_gaps_and_wide_vectors_are_left_out():
    trace = autoencoder()
    c = trace["e0"]
    c["step"], c["loss"], c["error"] = np.array([0, 5, 12]), np.arange(3.0)[:, None], c["error"][:3]
    c["long"] = np.ones((12, 1, 9))
    found = columns(trace, "e0")
    assert np.flatnonzero(~np.isnan(found["loss"])).tolist() == [0, 5, 12]
    assert not [name for name in found if name.startswith(("long", "view_"))]
