"""The Export tab of a lab: a page that plays, pictures for slides, numbers, scripts."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from qnviz.errors import ExportError
from qnviz.export import words
from qnviz.export.html import player_html
from qnviz.export.pictures import FORMATS, RENDERER, SIZES, picture
from qnviz.export.scripts import model_script, no_drop_in, run_script
from qnviz.export.tables import csv_text
from qnviz.figures.player import PICTURES, linked
from qnviz.figures.playhead import Playhead
from qnviz.figures.race import RaceView
from qnviz.figures.theme import THEMES
from qnviz.runs.spec import RunSpec
from qnviz.runs.trace import Trace
from qnviz.ui.labs.stage import payload
from qnviz.ui.state.session import theme_name

TYPES = {"png": "image/png", "svg": "image/svg+xml", "pdf": "application/pdf"}
COLOURS = {"light": "Light", "dark": "Dark"}
RUN = "This run, computed by qnviz"
CODE_HEIGHT = 300
PREVIEW = 240                      # pixels: what is below stays in sight


@dataclass(frozen=True)
class Shown:
    """What the player on the page shows of a run."""

    trace: Trace                       # with its paths in the plane that the page shows
    layout: str | None = None
    axis: str = "iterations"
    frame: int | None = None           # where the playhead came to rest, if it did
    run: int | None = None             # which of several, if that was chosen already


@st.fragment
def export(trace: Trace, spec: RunSpec, shown: Shown, compute: Callable[[RunSpec], None]) -> None:
    """Everything that can be downloaded from a run.

    `compute` offers to run a spec here, where a trace holds its pictures alone.
    """
    runs = len(trace[trace.entrants[0].label]["status"])
    run = shown.run or 0
    if runs > 1 and shown.run is None:
        run = int(st.number_input(f"Which of the {runs:,} runs", 0, runs - 1, key="export/run",
                                  width=180))
    left, right = st.columns([2, 3], gap="large")
    with left:
        _page(spec, shown, run)
        _numbers(trace, spec, run, compute)
    with right:
        _picture(spec, shown, run)
    _scripts(spec)


def _named(spec: RunSpec, ending: str) -> str:
    """What a file is called."""
    return f"qnviz-{spec.problem.name.replace('_', '-')}.{ending}"


def _page(spec: RunSpec, shown: Shown, run: int) -> None:
    st.markdown("**Everything moving**")
    st.download_button(
        "One HTML file", lambda: player_html(
            shown.trace, layout=shown.layout, axis=shown.axis, frame=shown.frame, run=run),
        _named(spec, "html"), "text/html", on_click="ignore", type="primary",
        icon=":material/download:", help="The pictures above with their playhead, light and dark, "
        "and what run it is. About 5 MB, as all it needs is inside.")
    st.caption("Opens by a double click in any browser, without network or server: plays, steps "
               "by keys, hides methods. For a memory stick, an e-mail, a course page.")


def _numbers(trace: Trace, spec: RunSpec, run: int, compute: Callable[[RunSpec], None]) -> None:
    def archive() -> bytes:
        file = io.BytesIO()
        trace.save(file)
        return file.getvalue()

    st.markdown("**Numbers**")
    with st.container(horizontal=True):
        st.download_button("CSV", lambda: csv_text(trace, runs=[run]), _named(spec, "csv"),
                           "text/csv", on_click="ignore", help="All methods, a row per step.")
        st.download_button("Trace (.npz)", archive, _named(spec, "npz"),
                           "application/octet-stream", on_click="ignore",
                           help="All that was recorded, as numpy arrays; Open a run takes it.")
        st.download_button("Spec (JSON)", json.dumps(spec.short(), indent=1),
                           _named(spec, "json"), "application/json", on_click="ignore",
                           help="What was asked for: a few lines that compute the same run again.")
    if not trace.whole:
        st.caption("This run was saved with its pictures alone: of the parameters of its nets only "
                   "the last ones are in these files.")
        compute(spec)


def _picture(spec: RunSpec, shown: Shown, run: int) -> None:
    st.markdown("**A picture for a slide**")
    now = _payload(shown, theme_name(), run)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        panels = {p["id"]: p for p in now["panels"]}
        panel = st.selectbox("Picture", [n for row in now["rows"] for n in row if n in panels],
                             format_func=lambda n: _title(panels[n], now), width=210,
                             key="export/panel")
        labels = [p["label"] for p in (panels[panel], *panels[panel]["choices"]) if p["label"]]
        choice = st.selectbox("Shown in it", labels, key=f"export/{panel}", width=170
                              ) if len(labels) > 1 else None
        size = st.selectbox("Size", list(SIZES), key="export/size", width=190,
                            format_func=lambda n: f"{n}  ({SIZES[n].width} × {SIZES[n].height})",
                            help=", ".join(f"{n}: {s.title}" for n, s in SIZES.items()) + ".")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        form = st.segmented_control("Format", FORMATS, default="png", required=True,
                                    format_func=str.upper, key="export/form")
        theme = st.segmented_control("Colours", list(COLOURS), default=theme_name(), required=True,
                                     format_func=COLOURS.__getitem__, key="export/light")
        clear = st.checkbox("transparent", key="export/clear",
                            help="No background, for slides of any colour.")
        drawn = st.button("Draw", key="export/draw", icon=":material/brush:")
    head = Playhead.at(now, shown.frame)
    wanted = (shown.trace.key, shown.layout, shown.axis, run, panel, choice, head.frame, form,
              size, theme, clear)
    if drawn:
        st.session_state["export/wanted"] = wanted
    if st.session_state.get("export/wanted") != wanted:
        st.caption(f"As it is at {head.words}, where the playhead "
                   f"{'ends' if shown.frame is None else 'rests'}, with title and legend in large "
                   "type. SVG and PDF stay sharp at any size.")
        return
    try:
        with st.spinner("Drawing …" if RENDERER.warm else
                        "Starting the browser that draws: a few seconds …"):
            data = _drawn(wanted, _payload(shown, theme, run), words.caption(spec.short()))
    except ExportError as error:
        st.session_state.pop("export/wanted")
        st.error(str(error))
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if form != "pdf":
            st.image(data.decode() if form == "svg" else data, width=PREVIEW)
        st.download_button(f"Download {form.upper()}, {max(1, round(len(data) / 1e3)):,} kB", data,
                           f"qnviz-{panel}-{head.frame}.{form}", TYPES[form], on_click="ignore",
                           type="primary", icon=":material/download:", key="export/picture")
        if form == "pdf":
            st.caption("A PDF page of the picture's own size.")


def _title(panel: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What a panel is about, and of whom where every method has one."""
    kind, _, number = panel["id"].partition("-")
    of = f", {now['entrants'][int(number)]['title']}" if number.isdigit() else ""
    return f"{PICTURES[kind].name if kind in PICTURES else panel['title']}{of}"


def _payload(shown: Shown, theme: str, run: int) -> dict[str, Any]:
    """What the player draws; of the first run it is there already."""
    if run == 0:
        return payload(shown.trace, theme, shown.axis, shown.layout)
    return linked(RaceView(shown.trace, THEMES[theme], shown.axis, run), shown.layout, False)


@st.cache_data(max_entries=32, show_spinner=False)
def _drawn(wanted: tuple[Any, ...], _payload: Mapping[str, Any], _caption: str) -> bytes:
    *_, panel, choice, frame, form, size, _, clear = wanted
    return picture(_payload, panel, frame, choice=choice, form=form, size=size, caption=_caption,
                   transparent=clear)


def _scripts(spec: RunSpec) -> None:
    methods = {m.entrant: m for m in spec.methods}
    st.markdown("**Python**")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        which = st.selectbox("Script", [RUN, *methods], key="export/script", width=360,
                             label_visibility="collapsed", format_func=lambda name: name
                             if name == RUN else f"{name} on a model of your own")
        script = run_script(spec) if which == RUN else model_script(methods[which])
        if script is not None:
            name = "run" if which == RUN else methods[which].name.replace("_", "-")
            st.download_button("Download", script, f"qnviz-{name}.py", "text/x-python",
                               on_click="ignore", icon=":material/download:", key="export/code")
    if script is None:
        st.info(no_drop_in(methods[which]))
    else:
        st.code(script, language="python", height=CODE_HEIGHT)
