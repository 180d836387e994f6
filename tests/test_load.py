"""What a class leaves behind, what it waits for, and the client that plays it."""

import asyncio
import gc
import gzip
import json
import time
import urllib.request
import weakref

import pytest
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse

from benchmarks import load
from benchmarks.chromium import server
from benchmarks.load import Class, _changed, percentile
from qnviz.jobs.running import Run
from qnviz.jobs.service import Service
from qnviz.ui.frame.server import PLOTLY_URL, Early, _plotly, _script
from qnviz.ui.labs import stage
from qnviz.ui.privates import BUNDLE, PLOTLY_JS
from qnviz.ui.state.store import shipped
from tests.helpers import awaited, spec

APP = """
import asyncio, gc
from contextlib import asynccontextmanager

import streamlit as st
from starlette.responses import JSONResponse
from starlette.routing import Route

from qnviz.ui.frame import tidy

tidy.EVERY = 0.2

@asynccontextmanager
async def life(app):
    task = asyncio.create_task(tidy.tidy())
    yield
    task.cancel()

async def held(request):
    from streamlit.runtime.app_session import AppSession
    return JSONResponse(sum(isinstance(o, AppSession) for o in gc.get_objects()))

app = st.App("page.py", routes=[Route("/held", held)], lifespan=life)
"""
PAGE = """
import streamlit as st
from streamlit.components import v2

from qnviz.ui.state import widgets as held

st.session_state.setdefault("race:n", 0)
n = held.number("n", 0, 9, key="race:n")         # as the app's own pages make their controls
v2.component("tiny", js="export default () => {}")(
    data=b'{"id": "%d", "frame": null}' % n, key="race/player")
if n == 9:
    raise ValueError("nine")
"""


def held(url):
    with urllib.request.urlopen(f"{url}/held", timeout=10) as answer:
        return json.loads(answer.read())


def test_a_class_gets_its_answers_and_leaves_no_session_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(load, "SPREAD", 0.2)
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "page.py").write_text(PAGE)
    monkeypatch.setenv("STREAMLIT_SERVER_DISCONNECTED_SESSION_TTL", "1")
    with server(str(tmp_path / "app.py")) as (url, _):
        async def lecture():
            there = Class(url, 2, 0)
            await there.arrive("first picture", "/")
            await there.do("changed", _changed("race:n", lambda i: {"double_value": i + 1}))
            assert [v.shown("race/player") for v in there.viewers] == ["1", "2"]
            assert held(url) == 2
            assert not any(there.errors.values())
            await there.do("broken", _changed("race:n", lambda _: {"double_value": 9}))
            await asyncio.gather(*(v.until(lambda v=v: v.runs > 2) for v in there.viewers))
            await there.do("after it", _changed("race:n", lambda _: {"double_value": 0}))
            await there.leave()
            return there

        there = awaited(lecture())
        end = time.monotonic() + 30
        while held(url) > 1:                   # Streamlit's own loop holds on to one of the last
            assert time.monotonic() < end, "the sessions are still there"
            time.sleep(0.1)
    assert sum(there.errors.values()) == 2             # each saw the exception once
    assert {r["what"]: r["times"] for r in there.rows()} == {
        "first picture": 2, "changed": 2, "broken": 2, "after it": 2}


def test_a_finished_job_is_forgotten_with_its_trace_once_its_viewers_have_left():
    jobs, here = Service(), {"me": True, "you": True}
    wanted = spec("adam", steps=5)
    for who in here:
        job = jobs.watch(who, Run(wanted), lambda who=who: here[who])
    assert job.over.wait(30)
    trace = weakref.ref(job.snapshot().value)
    del job
    here["me"] = False
    assert jobs.forget() == 1                          # one of them still looks at it
    assert trace() is not None
    here["you"] = False
    assert jobs.forget() == 0
    gc.collect()
    assert trace() is None


def test_a_job_that_computes_is_not_forgotten():
    jobs = Service()
    job = jobs.watch("me", Run(spec("adam", steps=9_000, runs=40)), lambda: False)
    assert jobs.forget() == 1
    jobs.leave("me")
    assert job.over.wait(20)
    assert jobs.forget() == 0


@pytest.mark.parametrize("accepted", ["gzip, deflate, br", ""])
def test_plotly_is_packed_once_for_browsers_that_take_it(accepted):
    request = Request({"type": "http", "method": "GET", "headers": [
        (b"accept-encoding", accepted.encode())]})
    answer = awaited(_plotly(request))
    if accepted:
        assert answer.headers["content-encoding"] == "gzip"
        assert gzip.decompress(answer.body) == _script()
    else:
        assert "content-encoding" not in answer.headers
        assert answer.path == PLOTLY_JS


def test_plotlys_one_function_is_in_brackets_and_nothing_else_is_changed():
    """An update whose script has another form is noticed here; it would still be served."""
    script = _script()
    for plain, bracketed in BUNDLE:
        assert script.count(bracketed) == 1
        script = script.replace(bracketed, plain)
    assert script == PLOTLY_JS.read_bytes()


@pytest.mark.parametrize(("kind", "root"), [(HTMLResponse, ""), (HTMLResponse, "/under"),
                                            (PlainTextResponse, "")])
def test_pages_and_only_they_name_plotlys_script_at_once(kind, root):
    sent = []

    async def send(message):
        sent.append(message)

    awaited(Early(kind("text"))({"type": "http", "root_path": root, "method": "GET"},
                                    None, send))
    link = dict(sent[0]["headers"]).get(b"link", b"").decode()
    assert link == (f"<{root}{PLOTLY_URL}>; rel=preload; as=script" if kind is HTMLResponse else "")


def test_all_who_look_at_a_run_share_its_bytes_but_for_the_playhead(monkeypatch):
    made, linked = [], stage.linked
    monkeypatch.setattr(stage, "linked", lambda *a, **k: made.append(1) or linked(*a, **k))
    stage.payload.cache_clear()
    stage._whole.cache_clear()
    trace = shipped("home")
    at = [json.loads(stage.written(trace, "light", None, False, stage.Playing("work", frame)))
          for frame in (None, 7, 0)]
    assert [one.pop("frame") for one in at] == [None, 7, 0]
    assert at[0] == at[1] == at[2]
    assert len(made) == 1


def test_percentiles_are_nearest_ranks():
    seconds = [float(i) for i in range(1, 31)]
    assert percentile(seconds, 0.95) == 29.0
    assert percentile(seconds, 1.0) == 30.0
    assert percentile([2.0], 0.95) == 2.0
    assert percentile([], 0.95) is None
