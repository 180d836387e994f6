"""Open a run: a saved trace or a spec file, seen by the visitor who opened it alone."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field, replace

import streamlit as st

from qnviz.errors import QnvizError, SpecError, TraceError
from qnviz.jobs import running
from qnviz.jobs.service import JOBS
from qnviz.runs.check import checked
from qnviz.runs.spec import RunSpec, json_of, parse
from qnviz.runs.trace import Trace
from qnviz.ui.frame.quota import OPENED
from qnviz.ui.labs.live import waited_for, watched
from qnviz.ui.labs.open_view import Run, show_run
from qnviz.ui.labs.stage import Stage
from qnviz.ui.privates import connected
from qnviz.ui.state.address import LONGEST_VALUE, Address
from qnviz.ui.state.form import plain
from qnviz.ui.state.session import viewer

PAGE = "open"
FIELD = "file"                                 # of the address: the name of what is open
UPLOAD = 200                                   # megabytes of a file,
UNPACKED = 600_000_000                         # … bytes of a trace that it holds,
TEXT = 1_000_000                               # … of a spec
MOST_BYTES = 1_000_000_000                     # a spec may record,
MOST_LIVE = 1_000_000_000                      # … hold, and
MOST_MINUTES = 30                              # … compute, on a server that others use as well
ZIP = b"PK\x03\x04"
LOCAL = "`python -m qnviz run FILE --out run.npz` runs it on your own machine."
TELL = """
- A **trace** (`.npz`) is shown as it was saved. It comes from a lab's Export tab, or from
  `python -m qnviz run SPEC.json --out run.npz`; it may hold many runs.
- A **spec** (`.json`) is run here. It comes from the Export tab, or is written by hand.

Drop the file on the field above. You alone see it, and it is forgotten when you leave the app.
"""


@dataclass
class Opened:
    """What a visitor opened: a trace, or a spec to be run; or what is wrong with the file."""

    name: str
    fault: str = ""
    spec: RunSpec | None = None
    trace: Trace | None = None
    notes: list[str] = field(default_factory=list)


def open_run() -> None:
    """Run the page once."""
    stage = Stage(PAGE)
    opened: Opened | None = st.session_state.get(f"{PAGE}/opened")
    address = Address(PAGE)
    asked = address.asked().get(FIELD, "")[:LONGEST_VALUE]
    if opened is None or opened.fault:
        with stage.controls:
            _uploader()
        if opened is None and asked:
            stage.faults.info(plain(f"{asked} is no longer open: a file stays with the "
                                    "page that opened it until that page is reloaded or the server "
                                    "restarts. Drop it on the field again."))
        if opened is not None:
            address.remember({})
            stage.faults.error(plain(f"{opened.name}: {opened.fault}"))
        with stage.below.container(width=760):
            st.markdown(TELL)
        return
    address.remember({FIELD: opened.name[:LONGEST_VALUE]})
    for note in opened.notes:
        stage.faults.info(plain(note))
    assert opened.spec is not None
    if opened.trace is None:
        opened.trace = _computed(opened, stage)
        if opened.trace is None:               # it goes on, or came to nothing
            with stage.controls:
                _uploader()
            return
    show_run(stage, Run(opened.name, opened.trace, opened.spec), _compute, _close, _uploader)


def _uploader() -> None:
    st.file_uploader("A trace (.npz) or a spec (.json)", key=f"{PAGE}/file", on_change=_take,
                     max_upload_size=UPLOAD)


def _take() -> None:
    """A file was dropped, or taken away, which closes nothing."""
    file = st.session_state[f"{PAGE}/file"]
    if file is not None:
        _close()                               # what was open frees memory for it
        st.session_state[f"{PAGE}/opened"] = opened(file.name, file.getvalue())


def opened(name: str, content: bytes) -> Opened:
    """What a file holds; what is wrong with it is reported, not raised."""
    try:
        return _trace(name, content) if content.startswith(ZIP) else _spec(name, content)
    except QnvizError as error:
        return Opened(name, fault=str(error))


def _trace(name: str, content: bytes) -> Opened:
    try:
        trace, spec, left_out = checked(Trace.load(io.BytesIO(content), "This file", UNPACKED))
    except TraceError as error:
        more = (" The Atlas draws maps, and `python -m qnviz sweep` goes on with this one."
                if "sweep" in str(error) else "")
        raise TraceError(f"{error}{more}") from None
    notes = []
    if spec.key() != trace.key:
        notes.append("This run was made by another version of qnviz, or on other data: what is "
                     "here is drawn as it was saved, but computed again it may come out "
                     "differently.")
    if left_out:
        notes.append(f"Left out, as this version does not know it: {', '.join(left_out[:8])}"
                     + (" …" if len(left_out) > 8 else "") + ".")
    # a name of its own: a file may claim any key, and caches go by it
    own = "file-" + hashlib.sha256(content).hexdigest()[:20]
    return Opened(name, spec=spec, trace=OPENED.admit(replace(trace, key=own)), notes=notes)


def _spec(name: str, content: bytes) -> Opened:
    if len(content) > TEXT:
        raise SpecError(["This is neither a trace saved by qnviz nor a spec: a spec is a short "
                         "JSON text."])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SpecError(["This is neither a trace saved by qnviz (.npz) nor a spec (JSON in "
                         "UTF-8)."]) from None
    data = json_of(text, "This file")
    if isinstance(data, dict) and "sweep" in data:
        raise SpecError(["This describes a sweep, a map of many runs. The Atlas draws maps, and "
                         "`python -m qnviz sweep` computes this one."])
    spec = parse(data)
    if spec.bytes > MOST_BYTES:
        raise SpecError([f"This run would record {spec.bytes / 1e6:,.0f} MB; a page takes "
                         f"{MOST_BYTES / 1e6:,.0f} MB. {LOCAL}"])
    live = max(spec.itemsize * spec.runs * m.footprint(spec.problem) for m in spec.methods)
    if live > MOST_LIVE:
        raise SpecError([f"This run would hold {live / 1e9:.1f} GB at once; a page takes "
                         f"{MOST_LIVE / 1e9:.0f} GB. {LOCAL}"])
    if (minutes := sum(spec.minutes(m) for m in spec.methods)) > MOST_MINUTES:
        raise SpecError([f"This run would take about {minutes:,.0f} minutes; a page takes "
                         f"{MOST_MINUTES}. {LOCAL}"])
    return Opened(name, spec=spec)


# --- running a spec -------------------------------------------------------------------------------


def _computed(opened: Opened, stage: Stage) -> Trace | None:
    """The run of a spec, or None while it goes on, or where there is none."""
    assert opened.spec is not None
    job = waited_for(JOBS.watch(viewer(), running.Run(opened.spec), connected()), stage)
    if job.error:
        if not isinstance(job.error, QnvizError):
            raise job.error
        stage.faults.error(plain(f"{opened.name}: {job.error}"))
        return None
    if not job.over.is_set():
        with stage.picture:
            watched(stage, job)
        return None
    if (trace := job.snapshot().value) is None:
        with stage.status.container():
            st.button("Run again", on_click=_again, args=(opened,), type="tertiary",
                      help="It was stopped before its first step.")
        return None
    return trace


def _again(opened: Opened) -> None:
    opened.trace = None
    JOBS.leave(viewer())


def _compute(spec: RunSpec) -> None:
    """A button for what needs the parameters, where a file holds the pictures alone."""
    opened: Opened = st.session_state[f"{PAGE}/opened"]
    if spec.keeps_parameters and spec.bytes <= MOST_BYTES:
        st.button("Compute this run here", type="tertiary", on_click=_again, args=(opened,))


def _close() -> None:
    """Forget what was opened."""
    JOBS.leave(viewer())
    for name in ("opened", "frame", "drawn"):
        st.session_state.pop(f"{PAGE}/{name}", None)
    Address(PAGE).remember({})
