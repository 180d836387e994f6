"""One visitor's lab page: the URL, the widgets' values, and how each follows the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

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
from qnviz.ui.privates import went_back
from qnviz.ui.state import widgets as held
from qnviz.ui.state.address import LONGEST_VALUE, write
from qnviz.ui.state.controls import control, misunderstood
from qnviz.ui.state.messages import EVENT, FRAME, POINT, Message, received
from qnviz.ui.state.session import viewer
from qnviz.ui.state.settings import (
    AXES,
    LIMITS,
    Settings,
    as_text,
    base,
    read_query,
    write_query,
)
from qnviz.ui.state.store import STORE

T = TypeVar("T")
NARROW = 300                                   # pixels of a popover: the picture stays in sight
STALE = 10.0                                   # seconds for which a replaced address may come in
WIDE = 440                                     # … of one that is read


class Page:
    """One visitor's lab page: the URL, the widgets' values, and how each follows the other."""

    def __init__(self, stage: Stage, labs: Mapping[str, Settings],
                 own: Mapping[str, Callable[[str], str | None]]):
        self.name, self.labs, self.layout = stage.page, labs, stage.layout
        self.memory, self.on_key = f"{self.name}/query", f"{self.name}/on"
        state, first = st.session_state, next(iter(labs))
        asked, known = st.query_params.to_dict(), state.get(self.memory)
        if not asked and known:                # back from another page: nothing is lost
            asked = known
        if known is not None and self._stale(asked):
            asked = known
        moved, notes = asked != known, []
        if moved or self.on_key not in state:
            on = asked.get("on", first)
            if on not in labs:
                notes.append(f"on is {on!r}, but must be one of {', '.join(labs)}.")
            state[self.on_key] = on if on in labs else first
        self.seeded = moved or not self._held()
        if self.seeded:
            # another problem was chosen: how it was left, or its own opening state
            query = asked if moved or asked.get("on", first) == self.on else state.get(
                f"{self.memory}/{self.on}", {})
            query = {n: value for n, value in query.items() if n != "on"}
            notes += take_own(page_extra(self.name), query, own)
            s = read_query({n: v for n, v in query.items() if n not in own}, self.default)
            self.seed(replace(s, faults=(*notes, *s.faults)))
        state.pop(f"{self.name}/moved", None)                  # this run takes it up
        self.viewer = viewer()

    def _held(self) -> bool:
        """Whether all of this problem's values are there: an interrupted run leaves some."""
        names = [*self._problem(self.default), "steps", "seed", "stop_loss", "axis", "m"]
        return all(self.key(name) in st.session_state for name in names)

    def _stale(self, asked: dict[str, str]) -> bool:
        """Whether a query is one that we have just replaced: the browser had not heard of it yet.

        What a visitor does while a page is being drawn is sent with the address of before.
        """
        left, now = st.session_state.get(f"{self.memory}/left", ()), time.monotonic()
        return not went_back() and any(q == asked and now - at < STALE for q, at in left)

    @property
    def on(self) -> str:
        """The problem that is chosen."""
        return st.session_state[self.on_key]

    @property
    def default(self) -> Settings:
        """The state in which the page opens on this problem."""
        return self.labs[self.on]

    @property
    def hint(self) -> str:
        """What can be done with the pictures."""
        rows = LAYOUTS[self.layout or self.on]
        click = "Click the surface to start from there; " if PROBLEMS[self.on].plane and any(
            "path" in row for row in rows) else ""
        return f"{click}{'s' if click else 'S'}pace plays, ← → step."

    def kept(self, spec: RunSpec | None) -> Trace | None:
        """The finished run of a spec, or what there was of it when this visitor stopped it."""
        if spec is None:
            return None
        wanted, known = spec.key(), STORE.get(spec.key())
        if known and not known.whole and st.session_state.get(self.key("whole")) == wanted:
            return None                        # a shipped run, asked to be computed here
        key, trace = st.session_state.get(self.key("stopped"), (None, None))
        return known or (trace if key == wanted else None)

    def compute(self, spec: RunSpec) -> None:
        """A button for what needs the parameters, where a run is here with its pictures alone."""
        if spec.keeps_parameters:
            st.button("Compute this run here", type="tertiary", on_click=self._want_whole,
                      args=(spec.key(),))

    def _want_whole(self, key: str) -> None:
        st.session_state[self.key("whole")] = key

    def again(self) -> None:
        """Forget that a run was stopped."""
        st.session_state.pop(self.key("stopped"), None)
        JOBS.leave(self.viewer)

    def finished(self, job: Job[Run]) -> Trace | None:
        """What a job that is over leaves: kept for everybody if whole, else for this visitor."""
        trace = job.snapshot().value
        if trace is not None and job.complete:
            STORE.put(trace.key, trace)
        else:
            st.session_state[self.key("stopped")] = job.computation.spec.key(), trace
        return trace

    def key(self, name: str) -> str:
        """The widget key of a field."""
        scope = f"{self.name}/{self.on}" if len(self.labs) > 1 else self.name
        return f"{scope}:{name}"

    def jump(self, s: Settings) -> None:
        """Go to a preset, which may be on another problem."""
        page_extra(self.name).clear()
        self.seed(s)

    def seed(self, s: Settings) -> None:
        """Put settings into the widgets' values, before any widget is drawn."""
        state = st.session_state
        state[self.on_key] = s.problem["name"]
        for name, value in self._problem(s).items():
            state[self.key(name)] = value
        for name in ("steps", "seed", "stop_loss", "axis"):
            state[self.key(name)] = getattr(s, name)
        state[self.key("m")] = list(s.entrants)
        state[self.key("frame")], state[self.key("ends")] = s.frame, s.ends
        for e in s.entrants:
            for q in parameters(METHODS[base(e)]):
                state[self.key(f"{e}.{q.name}")] = s.value(e, q)
        state[self.key("faults")] = s.faults

    def _problem(self, s: Settings) -> dict[str, Any]:
        model = PROBLEMS[s.problem["name"]].model_validate(s.problem)
        fields = {q.name: as_text(value) if q.kind == "widths" else value
                  for q in parameters(type(model)) for value in (getattr(model, q.name),)}
        if model.plane:
            (x, y) = s.problem.get("start", type(model).model_fields["start"].default)
            fields |= {"start.0": x, "start.1": y}
        return fields

    def settings(self) -> Settings:
        """What the widgets say: their values stand in the session's state before they are drawn."""
        state, name = st.session_state, self.default.problem["name"]
        problem = {"name": name} | {q.name: state[self.key(q.name)]
                                    for q in parameters(PROBLEMS[name])}
        if PROBLEMS[name].plane:
            problem["start"] = [state[self.key(f"start.{i}")] for i in (0, 1)]
        entrants = {e: {q.name: state.get(self.key(f"{e}.{q.name}"), self.usual(e, q))
                        for q in parameters(METHODS[base(e)])} for e in state[self.key("m")]}
        return Settings(problem, entrants, **{n: state[self.key(n)] for n in (
            "steps", "seed", "stop_loss", "axis", "frame", "ends", "faults")})

    def usual(self, e: str, q: Parameter) -> Any:
        """Where an entrant's hyper-parameter stands when it enters."""
        return self.default.usual(e).get(q.name, q.default)

    def controls(self, presets: dict[str, Settings], explain: str,
                 more: Callable[[Page], None] | None) -> None:
        """Draw all controls."""
        model = PROBLEMS[self.default.problem["name"]]
        with st.container(horizontal=True, vertical_alignment="bottom", key="problem"):
            if len(self.labs) > 1:
                held.choice("problem", list(self.labs), key=self.on_key, width=140,
                            format_func=lambda n: n.replace("_", " "))
            aside = [q for q in parameters(model) if q.name in model.rare]
            for q in parameters(model):
                if q not in aside and q.name not in model.reads:
                    control(q, self.key(q.name), in_row=True, then=self.read_anew)
            if model.plane:
                for i in (0, 1):
                    held.number(f"start ${model.axes[i]}$", -model.reach, model.reach,
                                step=0.05, format="%.4g", key=self.key(f"start.{i}"), width=120,
                                help="Or click the surface.")
            if model.plane:
                self._seed()
            held.segments("axis", AXES, key=self.key("axis"),
                          help="Compare by iterations alone and costly steps look cheap. "
                          "Work counts forward passes of the batch.")
            if more:
                with st.popover("Your data"), st.container(width=NARROW):
                    more(self)
            with st.popover("More"), st.container(width=NARROW):
                for q in aside:
                    control(q, self.key(q.name))
                if not model.plane:
                    self._seed()
                held.number("steps", 1, LIMITS["steps"], step=50, key=self.key("steps"))
                held.number("stop at loss", 0.0, LIMITS["stop_loss"], format="%.3g",
                            key=self.key("stop_loss"), help="A method that gets this low "
                            "has converged; 0 lets it go on.")
                if not model.plane:
                    self._plane()
        with st.container(horizontal=True, key="entrants"):
            if explain:
                with st.popover("Explain"), st.container(width=WIDE):
                    st.markdown(explain)
            self._presets(presets)
            self._choose()
            settings = self.settings()
            for e in st.session_state[self.key("m")]:
                self._entrant(e, settings.title(e))

    def read_anew(self) -> None:
        """Other data were chosen: how the ones before were read says nothing about them."""
        model = PROBLEMS[self.on]
        for q in parameters(model):
            if q.name in model.reads:
                st.session_state[self.key(q.name)] = q.default

    def _seed(self) -> None:
        held.number("seed", 0, LIMITS["seed"], step=1, key=self.key("seed"), width=120,
                    help="Starts, noise and batches are functions of the seed.")

    def _plane(self) -> None:
        """Through which directions the plane of the paths is laid."""
        entrants = list(st.session_state[self.key("m")])
        chosen = [e for e in st.session_state[self.key("ends")] if e in entrants]
        st.session_state[self.key("ends")] = tuple(chosen) if len(chosen) == 2 else ()
        picked = [e for e in st.session_state.get(self.key("pick_ends"), ()) if e in entrants]
        held.several("Lay the plane through the ends of two methods", entrants,
                     picked if len(picked) < 2 and not chosen else chosen,
                     key=self.key("pick_ends"), then=self._picked_ends, draw=st.multiselect,
                     max_selections=2, format_func=self.settings().title,
                     placeholder="their principal components",
                     help="From the start to where each of the two ended.")

    def _picked_ends(self) -> None:
        chosen = tuple(st.session_state[self.key("pick_ends")])
        st.session_state[self.key("ends")] = chosen if len(chosen) == 2 else ()

    def _presets(self, presets: dict[str, Settings]) -> None:
        with st.popover("Presets"), st.container(width=NARROW):
            for title, preset in presets.items():
                st.button(title, on_click=self.jump, args=(preset,), width="stretch",
                          type="tertiary")

    def _choose(self) -> None:
        """Which methods take part, in the registry's order; a twin to compare settings."""
        key, pick = self.key("m"), self.key("pick")
        chosen = st.session_state[key]
        with st.popover(f"Methods ({len(chosen)})"), st.container(width=NARROW):
            held.several("Methods in the race", list(METHODS),
                         [n for n in METHODS if n in map(base, chosen)], key=pick,
                         then=self._picked, selection_mode="multi",
                         format_func=lambda n: METHODS[n].title)
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
        if name in map(base, chosen):
            number = next(i for i in range(2, 100) if f"{name}~{i}" not in chosen)
            at = max(i for i, e in enumerate(chosen) if base(e) == name) + 1
            self._enter([*chosen[:at], f"{name}~{number}", *chosen[at:]])

    def _leave(self, e: str) -> None:
        chosen = [x for x in st.session_state[self.key("m")] if x != e]
        self._enter(chosen or [e])

    def _enter(self, entrants: list[str]) -> None:
        """Change who takes part; who comes back later has its usual values."""
        state = st.session_state
        for e in state[self.key("m")]:
            for q in parameters(METHODS[base(e)]) if e not in entrants else ():
                state.pop(self.key(f"{e}.{q.name}"), None)
        state[self.key("m")] = entrants

    def _entrant(self, e: str, title: str) -> None:
        """One entrant's hyper-parameters, in a popover under its name."""
        method = METHODS[base(e)]
        for q in parameters(method):
            st.session_state.setdefault(self.key(f"{e}.{q.name}"), self.usual(e, q))
        with (st.popover(title, key=self.key(f"{e}/open")),
              st.container(width=NARROW)):
            st.caption(method.idea)
            for q in parameters(method):
                control(q, self.key(f"{e}.{q.name}"))
            if not parameters(method):
                st.write("This method has nothing to set.")
            st.button("Take it out", key=self.key(f"{e}/out"), on_click=self._leave, args=(e,),
                      type="tertiary", disabled=len(st.session_state[self.key("m")]) == 1)

    def remember(self, s: Settings) -> Settings:
        """Write the URL, and keep it for when the visitor comes back to this page.

        What was wrong with the link stays on the page until the first change after it.
        """
        own = write_query(s, self.default) | page_extra(self.name)
        query = ({} if self.on == next(iter(self.labs)) else {"on": self.on}) | own
        if not self.seeded and query != st.session_state.get(self.memory):
            st.session_state[self.key("faults")] = ()
        state, now = st.session_state, time.monotonic()
        if (before := state.get(self.memory)) not in (None, query):
            left = [(q, at) for q, at in state.get(f"{self.memory}/left", ())
                    if now - at < STALE and q != query]
            state[f"{self.memory}/left"] = [*left, (before, now)]
        state[self.memory] = query
        state[f"{self.memory}/{self.on}"] = own
        write(query)
        return replace(s, faults=(*st.session_state[self.key("faults")], *self.misunderstood()))

    def misunderstood(self) -> list[str]:
        """What was typed and is not understood, in a sentence each."""
        typed = (misunderstood(q, self.key(q.name)) for q in parameters(PROBLEMS[self.on]))
        return [said for said in typed if said]

    def took_start(self) -> None:
        """The visitor clicked the surface."""
        point, reach = self._received("start", POINT), PROBLEMS[self.on].reach
        if point is None or not PROBLEMS[self.on].plane:
            return
        if max(map(abs, point)) > reach:
            st.toast(f"A start has coordinates from -{reach:g} to {reach:g}.")
            return
        self.start_from(point)
        st.session_state[f"{self.name}/moved"] = True

    def start_from(self, point: tuple[float, float]) -> None:
        """Begin at another point of the plane."""
        st.session_state[self.key("start.0")], st.session_state[self.key("start.1")] = point

    def took_event(self, trace: Trace, taken: Callable[[Trace, int, int], int]) -> None:
        """The visitor clicked an event."""
        if (event := self._received("event", EVENT)) is None:
            return
        st.session_state[self.key("frame")] = taken(trace, *event)
        st.session_state[f"{self.name}/moved"] = True

    def took_frame(self) -> None:
        """The playhead came to rest."""
        st.session_state[self.key("frame")] = self._received("frame", FRAME)
        st.session_state[f"{self.name}/moved"] = True

    def _received(self, name: str, message: Message[T]) -> T | None:
        return received(f"{self.name}/player", name, message)


def page_extra(page: str) -> dict[str, str]:
    """What a page keeps in its URL beside a lab's settings, as text by field; may be changed."""
    return st.session_state.setdefault(f"{page}/own", {})


def take_own(held: dict[str, str], query: Mapping[str, str],
             own: Mapping[str, Callable[[str], str | None]]) -> list[str]:
    """Take a page's own fields from a query; says what is wrong with those that are left out."""
    held.clear()
    notes = []
    for name, complaint in own.items():
        if name not in query:
            continue
        if why := complaint(query[name][:LONGEST_VALUE]):
            notes.append(why)
        else:
            held[name] = query[name]
    return notes
