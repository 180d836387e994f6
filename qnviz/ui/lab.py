"""A lab: controls, the run they describe, its pictures under one playhead, its numbers and code."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from qnviz.errors import QnvizError, SpecError
from qnviz.fields import parameters
from qnviz.methods.registry import METHODS
from qnviz.problems.registry import PROBLEMS
from qnviz.runs.loop import stream
from qnviz.runs.spec import RunSpec
from qnviz.runs.trace import Trace
from qnviz.ui.controls import control
from qnviz.ui.details import details
from qnviz.ui.settings import AXES, LAB_STEPS, Settings, base, read_query, write_query
from qnviz.ui.stage import Stage
from qnviz.ui.store import STORE

NARROW = 300                                   # pixels of a popover: the picture stays in sight
PATIENCE = 0.25                                # seconds after which progress is shown


def lab(stage: Stage, default: Settings, presets: dict[str, Settings]) -> None:
    """Run a lab page once: read the URL, draw controls, run, draw pictures, write the URL."""
    page = Page(stage, default)
    with stage.controls:
        settings = page.remember(page.controls(presets))
    if settings.faults:
        stage.faults.warning(_listed(settings.faults))
    unavailable = settings.unavailable()
    for e, why in unavailable.items():
        stage.faults.info(f"{settings.title(e)} sits out: {why}")
    try:
        spec = settings.spec()
        trace = _trace(spec, stage) if spec else None
    except SpecError as error:
        stage.faults.warning(_listed(error.faults))
        return
    except QnvizError as error:
        stage.faults.error(str(error))
        return
    if trace is None or spec is None:
        stage.status.text("No method is left that can run here: choose one above.")
        return
    stage.draw(trace, settings.axis, settings.frame, page.took_start, page.took_frame)
    with stage.below:
        details(trace, spec, settings)


def _listed(faults: Sequence[str]) -> str:
    """Sentences as one message; what a visitor typed is shown as typed, not as Markdown."""
    plain = (re.sub(r"([\\`*_{}\[\]()#+\-!|<>$:~])", r"\\\1", f) for f in faults)
    return "  \n".join(plain)


def _trace(spec: RunSpec, stage: Stage) -> Trace:
    """The run of a spec, from the store or computed now with its progress shown."""
    found = STORE.get(spec.key())
    began = time.monotonic()
    if found is None:
        progress = None
        for progress in stream(spec):
            # every chunk touches the page: that is where a changed control interrupts the run
            late = time.monotonic() - began > PATIENCE
            stage.status.text(f"Computing: {progress.fraction:.0%} of {spec.steps} steps × "
                              f"{len(spec.methods)} methods" if late else "Computing …")
        assert progress is not None            # a stream yields at least its end
        found = progress.trace()
        STORE.put(found)
        told = f"in {time.monotonic() - began:.1f} s"
    else:
        told = "from the cache"
    stage.status.text(f"{len(spec.methods)} methods, up to {spec.steps} steps, computed "
                      f"{found.device}, {told}. Click the surface to start from there; space "
                      "plays, ← → step.")
    return found


class Page:
    """One visitor's lab page: the URL, the widgets' values, and how each follows the other."""

    def __init__(self, stage: Stage, default: Settings):
        self.name, self.default = stage.page, default
        self.memory = f"{self.name}/query"
        asked = st.query_params.to_dict()
        known = st.session_state.get(self.memory)
        if not asked and known:                # back from another page: nothing is lost
            asked = known
        self.seeded = asked != known or self.key("seed") not in st.session_state
        if self.seeded:
            self.seed(read_query(asked, default))

    def key(self, name: str) -> str:
        """The widget key of a field."""
        return f"{self.name}:{name}"

    def seed(self, s: Settings) -> None:
        """Put settings into the widgets' values, before any widget is drawn."""
        state = st.session_state
        for name, value in self._problem(s).items():
            state[self.key(name)] = value
        for name in ("steps", "seed", "stop_loss", "axis"):
            state[self.key(name)] = getattr(s, name)
        state[self.key("m")] = list(s.entrants)
        state[self.key("frame")] = s.frame
        for e in s.entrants:
            for q in parameters(METHODS[base(e)]):
                state[self.key(f"{e}.{q.name}")] = s.value(e, q)
        state[self.key("faults")] = s.faults

    def _problem(self, s: Settings) -> dict[str, Any]:
        model = PROBLEMS[s.problem["name"]].model_validate(s.problem)
        fields = {q.name: getattr(model, q.name) for q in parameters(type(model))}
        if model.plane:
            (x, y) = s.problem.get("start", type(model).model_fields["start"].default)
            fields |= {"start.0": x, "start.1": y}
        return fields

    def controls(self, presets: dict[str, Settings]) -> Settings:
        """Draw all controls and return what they say."""
        state, name = st.session_state, self.default.problem["name"]
        model = PROBLEMS[name]
        problem: dict[str, Any] = {"name": name}
        with st.container(horizontal=True, vertical_alignment="bottom", key="problem"):
            for q in parameters(model):
                problem[q.name] = control(q, self.key(q.name))
            if model.plane:
                problem["start"] = [
                    st.number_input(f"start $x_{i + 1}$", -10.0, 10.0, step=0.05, format="%.4g",
                                    key=self.key(f"start.{i}"), width=120,
                                    help="Or click the surface.") for i in (0, 1)]
            seed = st.number_input("seed", 0, 2**31 - 1, step=1, key=self.key("seed"), width=120,
                                   help="Noise and random starts are functions of the seed.")
            axis = st.segmented_control("axis", AXES, key=self.key("axis"), required=True,
                                        help="Compare by iterations alone and costly steps look "
                                        "cheap. Work counts forward passes of the batch.")
            with st.popover("More"), st.container(width=NARROW):
                steps = st.number_input("steps", 1, LAB_STEPS, step=50, key=self.key("steps"))
                stop = st.number_input("stop at loss", 0.0, 1.0, format="%.3g",
                                       key=self.key("stop_loss"), help="A method that gets this "
                                       "low has converged; 0 lets it go on.")
        with st.container(horizontal=True, key="entrants"):
            self._presets(presets)
            self._choose()
            chosen = {e: self._entrant(e) for e in state[self.key("m")]}
        return Settings(problem, chosen, steps, seed, stop, axis or AXES[0],
                        state[self.key("frame")], state[self.key("faults")])

    def _presets(self, presets: dict[str, Settings]) -> None:
        with st.popover("Presets"), st.container(width=NARROW):
            for title, preset in presets.items():
                st.button(title, on_click=self.seed, args=(preset,), width="stretch",
                          type="tertiary")

    def _choose(self) -> None:
        """Which methods take part, in the registry's order; a twin to compare settings."""
        key, pick = self.key("m"), self.key("pick")
        chosen = st.session_state[key]
        st.session_state[pick] = [n for n in METHODS if n in map(base, chosen)]
        with st.popover(f"Methods ({len(chosen)})"), st.container(width=NARROW):
            st.pills("Methods in the race", list(METHODS), selection_mode="multi", key=pick,
                     format_func=lambda n: METHODS[n].title, on_change=self._picked)
            st.selectbox("Enter a method a second time, to compare settings",
                         [n for n in METHODS if n in map(base, chosen)], index=None,
                         format_func=lambda n: METHODS[n].title, key=self.key("twin"),
                         on_change=self._twin, placeholder="choose a method")

    def _picked(self) -> None:
        state = st.session_state
        wanted, chosen = state[self.key("pick")], state[self.key("m")]
        stay = [e for e in chosen if base(e) in wanted]
        new = [n for n in wanted if n not in map(base, chosen)]
        self._enter(stay + new if stay + new else chosen)

    def _twin(self) -> None:
        state = st.session_state
        name, chosen = state[self.key("twin")], state[self.key("m")]
        state[self.key("twin")] = None
        if name:
            number = next(i for i in range(2, 100) if f"{name}~{i}" not in chosen)
            at = max(i for i, e in enumerate(chosen) if base(e) == name) + 1
            self._enter([*chosen[:at], f"{name}~{number}", *chosen[at:]])

    def _leave(self, e: str) -> None:
        chosen = [x for x in st.session_state[self.key("m")] if x != e]
        self._enter(chosen or [e])

    def _now(self) -> Settings:
        """The entrants as the widgets' values stand before they are drawn."""
        state = st.session_state
        return Settings(self.default.problem, {
            e: {q.name: state.get(self.key(f"{e}.{q.name}"), q.default)
                for q in parameters(METHODS[base(e)])} for e in state[self.key("m")]})

    def _enter(self, entrants: list[str]) -> None:
        st.session_state[self.key("m")] = entrants

    def _entrant(self, e: str) -> dict[str, Any]:
        """One entrant's hyper-parameters, in a popover under its name."""
        method = METHODS[base(e)]
        usual = self.default.usual(e)
        for q in parameters(method):
            st.session_state.setdefault(self.key(f"{e}.{q.name}"), usual.get(q.name, q.default))
        values = {q.name: st.session_state[self.key(f"{e}.{q.name}")] for q in parameters(method)}
        with (st.popover(self._now().title(e), key=self.key(f"{e}/open")),
              st.container(width=NARROW)):
            st.caption(method.idea)
            for q in parameters(method):
                values[q.name] = control(q, self.key(f"{e}.{q.name}"))
            if not parameters(method):
                st.write("This method has nothing to set.")
            st.button("Take it out", key=self.key(f"{e}/out"), on_click=self._leave, args=(e,),
                      type="tertiary", disabled=len(st.session_state[self.key("m")]) == 1)
        return values

    def remember(self, s: Settings) -> Settings:
        """Write the URL, and keep it for when the visitor comes back to this page.

        What was wrong with the link stays on the page until the first change after it.
        """
        query = write_query(s, self.default)
        if not self.seeded and query != st.session_state.get(self.memory):
            st.session_state[self.key("faults")] = ()
        st.session_state[self.memory] = query
        if st.query_params.to_dict() != query:
            st.query_params.from_dict(query)
        return replace(s, faults=st.session_state[self.key("faults")])

    def took_start(self) -> None:
        """The visitor clicked the surface."""
        x, y = st.session_state[f"{self.name}/player"]["start"]
        st.session_state[self.key("start.0")], st.session_state[self.key("start.1")] = x, y

    def took_frame(self) -> None:
        """The playhead came to rest."""
        frame = st.session_state[f"{self.name}/player"]["frame"]
        st.session_state[self.key("frame")] = None if frame is None else int(frame)


def preset(default: Settings, **changes: Any) -> Settings:
    """A variation of a page's default state."""
    problem = default.problem | changes.pop("problem", {})
    return replace(default, problem=problem, **changes)
