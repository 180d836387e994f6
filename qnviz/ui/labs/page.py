"""One visitor's lab page: its settings and its own fields, bound to widgets and the address."""

from __future__ import annotations

from typing import Any

import streamlit as st

from qnviz.fields import Parameter, parameters
from qnviz.figures.player import LAYOUTS
from qnviz.jobs.job import Job
from qnviz.jobs.running import Run
from qnviz.jobs.service import JOBS
from qnviz.methods.registry import METHODS
from qnviz.problems.registry import PROBLEMS
from qnviz.runs.spec import RunSpec
from qnviz.runs.trace import Trace
from qnviz.ui.labs.stage import Stage
from qnviz.ui.labs.state import Lab, LabState, read_state, write_state
from qnviz.ui.state import codec
from qnviz.ui.state.address import PLAYHEADS, Query
from qnviz.ui.state.binder import Binder
from qnviz.ui.state.controls import misunderstood
from qnviz.ui.state.session import viewer
from qnviz.ui.state.settings import Settings, base
from qnviz.ui.state.store import STORE

RUN = ("steps", "seed", "stop_loss", "axis", "frame", "ends")


class Page(Binder[LabState]):
    """One visitor's lab page.

    Where it has several problems, each has widgets of its own, so that each is found again as it
    was left.
    """

    def __init__(self, stage: Stage, lab: Lab):
        self.lab, self.labs, self.layout = lab, lab.labs, stage.layout
        self.on_key, self.viewer = f"{stage.page}/on", viewer()
        super().__init__(stage.page)
        st.session_state.pop(f"{self.page}/moved", None)       # this run of the script takes it up
        st.session_state.pop(f"{self.page}/placed", None)

    # --- state, session and address -----------------------------------------------------------

    def decode(self, asked: Query, moved: bool) -> tuple[LabState, tuple[str, ...]]:
        """An address as a state; where another problem was chosen, that as it was left."""
        if not moved and asked.get("on", next(iter(self.labs))) != self.on:
            asked = st.session_state.get(f"{self.page}/query/{self.on}", {"on": self.on})
        return read_state(asked, self.labs, self.lab.own)

    def encode(self, value: LabState) -> dict[str, str]:
        """A state as an address's fields."""
        return write_state(value, self.labs)

    def seed(self, value: LabState) -> None:
        """Put a state into the session, before any widget is drawn; it chooses the problem."""
        st.session_state[self.on_key] = value.settings.problem["name"]
        super().seed(value)

    def spread(self, value: LabState) -> dict[str, Any]:
        """The widgets' values of a state."""
        s = value.settings
        model = PROBLEMS[s.problem["name"]].model_validate(s.problem)
        values = {q.name: codec.text(here, q.kind) if q.kind == "widths" else here
                  for q in parameters(type(model)) for here in (getattr(model, q.name),)}
        if model.plane:
            values["start.0"], values["start.1"] = s.problem.get(
                "start", type(model).model_fields["start"].default)
        values |= {name: getattr(s, name) for name in RUN}
        values |= {f"{e}.{q.name}": s.value(e, q) for e in s.entrants
                   for q in parameters(METHODS[base(e)])}
        return values | {"m": list(s.entrants), "own": value.own}

    def names(self) -> tuple[str, ...]:
        """The widgets of the problem and the run; those of entrants come and go."""
        model = PROBLEMS[self.on]
        point = ("start.0", "start.1") if model.plane else ()
        return *(q.name for q in parameters(model)), *point, *RUN, "m", "own"

    def gather(self) -> tuple[LabState, tuple[str, ...]]:
        """What the widgets say."""
        return LabState(self.settings, self.own), ()

    @property
    def settings(self) -> Settings:
        """What the widgets say of the run."""
        state, name = st.session_state, self.on
        problem = {"name": name} | {q.name: state[self.key(q.name)]
                                    for q in parameters(PROBLEMS[name])}
        if PROBLEMS[name].plane:
            problem["start"] = [state[self.key(f"start.{i}")] for i in (0, 1)]
        entrants = {e: {q.name: state.get(self.key(f"{e}.{q.name}"), self.usual(e, q))
                        for q in parameters(METHODS[base(e)])} for e in state[self.key("m")]}
        return Settings(problem, entrants, **{n: state[self.key(n)] for n in RUN})

    @property
    def own(self) -> Any:
        """The page's own fields, as its `Lab` declares them."""
        return st.session_state[self.key("own")]

    def change(self, **fields: Any) -> None:
        """Set some of the page's own fields; the others stay as they are."""
        st.session_state[self.key("own")] = self.own.model_copy(update=fields)

    def follow_playheads(self, asked: Query) -> None:
        """Take over where a player stands, unless Python has just placed it elsewhere."""
        state = st.session_state
        if state.get(f"{self.page}/placed") or asked.get("on", next(iter(self.labs))) != self.on:
            return
        there = read_state(asked, self.labs, self.lab.own)[0]
        state[self.key("frame")] = there.settings.frame
        self.change(**{name: getattr(there.own, name) for name in PLAYHEADS
                       if name in self.lab.own.model_fields})

    def remember(self) -> LabState:
        """The page's state; the address follows, also for when the visitor comes back."""
        value = super().remember()
        st.session_state[f"{self.page}/query/{self.on}"] = self.address.known
        return value

    @property
    def scope(self) -> str:
        """What the keys of its widgets begin with: each problem has its own."""
        return f"{self.page}/{self.on}" if len(self.labs) > 1 else self.page

    @property
    def on(self) -> str:
        """The problem that is chosen."""
        return st.session_state.get(self.on_key, next(iter(self.labs)))

    @property
    def default(self) -> Settings:
        """The state in which the page opens on this problem."""
        return self.labs[self.on]

    def usual(self, e: str, q: Parameter) -> Any:
        """Where an entrant's hyper-parameter stands when it enters."""
        return self.default.usual(e).get(q.name, q.default)

    # --- what happens to it ---------------------------------------------------------------------

    def jump(self, s: Settings) -> None:
        """Go to a preset, which may be on another problem."""
        self.seed(LabState(s, self.lab.own()))

    def enter(self, entrants: list[str]) -> None:
        """Change who takes part; an entrant that comes back later has its usual values."""
        state = st.session_state
        for e in state[self.key("m")]:
            for q in parameters(METHODS[base(e)]) if e not in entrants else ():
                state.pop(self.key(f"{e}.{q.name}"), None)
        state[self.key("m")] = entrants

    def start_from(self, point: tuple[float, float]) -> None:
        """Begin at another point of the plane."""
        st.session_state[self.key("start.0")], st.session_state[self.key("start.1")] = point

    def reset_reading(self) -> None:
        """Other data were chosen: how the ones before were read says nothing about them."""
        model = PROBLEMS[self.on]
        for q in parameters(model):
            if q.name in model.reads:
                st.session_state[self.key(q.name)] = q.default

    def misunderstood(self) -> tuple[str, ...]:
        """What was typed and is not understood, in a sentence each."""
        typed = (misunderstood(q, self.key(q.name)) for q in parameters(PROBLEMS[self.on]))
        return tuple(sentence for sentence in typed if sentence)

    def hint(self, follows: bool) -> str:
        """What can be done with the pictures, which may follow the hand."""
        rows = LAYOUTS[self.layout or self.on]
        if not (PROBLEMS[self.on].plane and any("path" in row for row in rows)):
            return "Space plays, ← → step."
        start = "Drag the start, or click the surface" if follows else (
            "Click the surface to start from there")
        return f"{start}; space plays, ← → step."

    # --- the runs that this visitor has ---------------------------------------------------------

    def finished_run(self, spec: RunSpec | None) -> Trace | None:
        """The finished run of a spec, or what there was of it when this visitor stopped it."""
        if spec is None:
            return None
        wanted, known = spec.key(), STORE.get(spec.key())
        if known and not known.whole and st.session_state.get(self.key("whole")) == wanted:
            return None                        # a shipped run, asked to be computed here
        key, trace = st.session_state.get(self.key("stopped"), (None, None))
        return known or (trace if key == wanted else None)

    def keep(self, job: Job[Run]) -> Trace | None:
        """What a job that is over leaves: kept for everybody if whole, else for this visitor."""
        trace = job.snapshot().value
        if trace is not None and job.complete:
            STORE.put(trace.key, trace)
        else:
            st.session_state[self.key("stopped")] = job.computation.spec.key(), trace
        return trace

    def run_again(self) -> None:
        """Forget that a run was stopped."""
        st.session_state.pop(self.key("stopped"), None)
        JOBS.leave(self.viewer)

    def offer_to_compute(self, spec: RunSpec) -> None:
        """A button for what needs the parameters, where a run is here with its pictures alone."""
        if spec.keeps_parameters:
            st.button("Compute this run here", type="tertiary", on_click=self._want_whole,
                      args=(spec.key(),))

    def _want_whole(self, key: str) -> None:
        st.session_state[self.key("whole")] = key
