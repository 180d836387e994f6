"""The double-damping page: one update to drag, the run it may come from, and forks of that run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any, get_args

import streamlit as st
from pydantic import Field

from qnviz.curvature.double_damping import Damping
from qnviz.errors import QnvizError, SpecError, TraceError
from qnviz.fields import Frozen
from qnviz.figures.player import linked
from qnviz.figures.race import RaceView
from qnviz.figures.race.raster import nearest_event, raster_rows
from qnviz.figures.theme import THEMES
from qnviz.jobs.running import Run
from qnviz.jobs.service import JOBS
from qnviz.methods.kbfgs import KBFGS, damping_in_words
from qnviz.numbers import say
from qnviz.runs.spec import RunSpec, parse
from qnviz.runs.trace import Trace
from qnviz.studies.update import InPlane, in_plane, update_at
from qnviz.ui.components.pair import pair
from qnviz.ui.components.player import player
from qnviz.ui.frame.server import PLOTLY_URL
from qnviz.ui.labs.page import Page
from qnviz.ui.labs.state import Lab, Own
from qnviz.ui.privates import connected
from qnviz.ui.state.codec import decode, described, text
from qnviz.ui.state.defaults import (
    IMAGES,
    IMAGES_DAMPINGS,
    LAB,
    LINEAR_DAMPINGS,
    LINEAR_NET,
    THREE_DAMPINGS,
)
from qnviz.ui.state.messages import PAIR, received
from qnviz.ui.state.session import theme_name
from qnviz.ui.state.settings import Settings
from qnviz.ui.state.store import STORE

PAGE = "damping"
TICK = 0.05                                    # seconds between two reports of a fork's progress
USUAL_PAIR = "The plane shows its usual pair."
AS_BEFORE = "The fork goes on as before in this."

LABS = {
    "rosenbrock": Settings(LAB.problem, THREE_DAMPINGS, tuned=LAB.tuned),
    "linear_net": Settings(LINEAR_NET | {"batch": 50}, LINEAR_DAMPINGS),
    "autoencoder": Settings(IMAGES.problem, IMAGES_DAMPINGS, stop_loss=0.0, tuned=IMAGES.tuned)}
PRESETS = {
    "Rosenbrock, ε ~ U[0, 1]: one bad pair is enough": LABS["rosenbrock"],
    "Rosenbrock, ε ~ U[0, 3]: one run is an anecdote": Settings(
        LAB.problem | {"noise": 3.0}, THREE_DAMPINGS, tuned=LAB.tuned),
    "Rosenbrock without noise: damping at every other step": Settings(
        LAB.problem | {"noise": 0.0}, THREE_DAMPINGS, tuned=LAB.tuned),
    "Autoencoder: six layers, six matrices": LABS["autoencoder"],
    "Linear net: flat directions": LABS["linear_net"]}
EXPLAIN = r"""
BFGS learns $H \approx$ inverse Hessian from pairs: a step $s$ and the change $y$ of the gradient.
$H^+$ stays positive definite only if $s^\top y > 0$, and it explodes where $s^\top y$ is tiny.

**Damping** moves the pair before it is used. Step 1 (Powell) moves $s$ towards $Hy$ until
$\tilde s^\top y \ge \mu_1 y^\top Hy$; step 2 moves $y$ towards $\tilde s$ until
$\tilde s^\top\tilde y \ge \mu_2 \|\tilde s\|^2$. Then the eigenvalues of $H^+$ cannot leave the
circles.

**Try this.** Drag $y$ across the line. Then click a dark cell of the raster below: its update opens
in the plane. Fork the run there and continue without damping.
"""
# opens where both steps of damping act
START = {"H": [1.0, 0.35, 0.5], "s": [1.0, 0.35], "y": [-0.6, 0.9], "mu1": 0.2, "mu2": 0.55}
PAIRS: list[dict[str, Any]] = [
    {"title": title} | START | {"s": s, "y": y} for title, s, y in (
        ("Good pair", [0.9, 0.35], [0.8, 0.55]),
        ("Negative curvature", START["s"], START["y"]),
        ("Tiny sᵀy", [1.0, 0.4], [-0.35, 0.9]),
        ("Huge y", [0.5, 0.2], [2.6, 2.2]),
        # H⁻¹s = (0.87, 0.09) with noise on it: what a mini-batch makes of a good pair
        ("Noise", [0.9, 0.35], [0.46, -0.62]))]
PAIR_FIELDS = ("H", "s", "y", "mu1", "mu2")
LARGEST = 1e6                                  # of a number of the drag view in an address
Coordinate = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]
Place = Annotated[int, Field(ge=0, le=99_999)]
DAMPINGS = get_args(Damping)
POSITIONAL = ("of", "step", "damping", "lr", "lam", "mu1")     # of forks in earlier addresses


class Fork(Frozen):
    """Where a run is forked, and what goes on otherwise: None is as before."""

    of: str = described("", "an entrant of this race", instead="", max_length=80)
    step: int | None = described(None, "the step of a fork", instead="Nothing is forked.", ge=0,
                                 le=99_999)
    damping: Damping | None = described(None, f"one of {', '.join(DAMPINGS)}", instead=AS_BEFORE)
    lr: float | None = described(None, instead=AS_BEFORE, gt=0, le=10)
    lam: float | None = described(None, instead=AS_BEFORE, gt=0, lt=1)
    mu1: float | None = described(None, instead=AS_BEFORE, gt=0, lt=1)

    @property
    def changes(self) -> dict[str, Any]:
        """What goes on otherwise."""
        return self.model_dump(exclude={"of", "step"}, exclude_none=True)


class DampingState(Own):
    """The reader's own update, or the run's that is shown in its place, and a fork of the run."""

    former = ("fork",)

    H: tuple[Coordinate, Coordinate, Coordinate] | None = described(
        None, "3 numbers, such as 1,0.35,0.5", instead=USUAL_PAIR)
    s: tuple[Coordinate, Coordinate] | None = described(
        None, "2 numbers, such as 1,0.35", instead=USUAL_PAIR)
    y: tuple[Coordinate, Coordinate] | None = described(
        None, "2 numbers, such as -0.6,0.9", instead=USUAL_PAIR)
    mu1: float | None = described(None, "a number between 0 and 1", gt=0, lt=1)
    mu2: float | None = described(None, "a number between 0 and 1", gt=0, lt=1)
    of: tuple[Place, Place, Place] | None = described(
        None, "entrant, layer and step of an update, such as 1,1,120", instead=USUAL_PAIR)
    fork: Fork = Fork()

    @classmethod
    def renewed(cls, query: dict[str, str], settings: Settings) -> tuple[dict[str, str], list[str]]:
        """An address with its fork by names; earlier ones had entrant, step and so on in a row."""
        if (raw := query.pop("fork", None)) is None:
            return query, []
        fields = {f"fork.{name}": value for name, value in zip(POSITIONAL, raw.split(","),
                                                               strict=False)}
        number = fields.get("fork.of", "")
        try:
            running = settings.running
        except QnvizError:                     # shown already, with what is wrong with the settings
            running = list(settings.entrants)
        counted = number.isascii() and number.isdigit()
        if counted and 1 <= int(number[:6]) <= len(running):
            fields["fork.of"] = running[int(number) - 1]
        if not counted or raw.count(",") != len(POSITIONAL) - 1 or decode(fields, cls())[1]:
            return query, [f"fork is {raw!r}, but must be entrant, step, damping, α, λ and μ₁, "
                           "such as 1,60,none,0.1,0.3,0.2. Nothing is forked."]
        return query | fields, []

    @property
    def pair(self) -> dict[str, Any]:
        """What the reader set of the update."""
        return self.model_dump(include=set(PAIR_FIELDS), exclude_none=True)

    def shown(self, spec: RunSpec | None, opened: Callable[[RunSpec, tuple[int, int, int]], InPlane]
              ) -> tuple[dict[str, Any], str]:
        """The update to be drawn, and where it comes from in words.

        Raises:
            QnvizError: the run has no such update.
        """
        if self.of is None or spec is None:
            return START | self.pair, ""
        seen = opened(spec, self.of)
        return {name: getattr(seen, name) for name in PAIR_FIELDS} | self.pair, seen.words


# --- one update in the plane --------------------------------------------------------------------

def plane(page: Page, spec: RunSpec | None) -> None:
    """The update to drag: the reader's own, one of the run's, or the one it opens with."""
    own: DampingState = page.own
    try:
        shown, note = own.shown(spec, _opened)
    except QnvizError as error:
        shown, note = START | own.pair, str(error)
    name = None if own.of is None else text(own.of)
    pair(shown | {"theme": theme_name(), "note": note, "presets": PAIRS, "shows": name},
         key=f"{PAGE}/pair", on_pair=partial(_dragged, page))


def _dragged(page: Page) -> None:
    """The reader let go of a handle: from here on the pair is theirs, not the run's."""
    seen = received(f"{PAGE}/pair", "pair", PAIR)
    if seen is None:
        return
    values = {name: _rounded(getattr(seen, name)) for name in PAIR_FIELDS}
    if any(abs(v) > LARGEST for name in ("H", "s", "y") for v in values[name]):
        return                                 # no handle reaches there
    page.change(of=None, **values)


def _rounded(value: Any) -> Any:
    """A value with six digits, as the drag view shows it."""
    return tuple(map(_rounded, value)) if isinstance(value, tuple) else float(f"{value:.6g}")


def opened(spec: RunSpec, of: tuple[int, int, int]) -> InPlane:
    """An update of the run by entrant, layer and step, each counted from 1, computed again.

    Raises:
        TraceError: there is none.
    """
    entrant, layer, frame = of
    if not 1 <= entrant <= len(spec.methods):
        raise TraceError(f"The race has no entrant {entrant}.")
    return in_plane(update_at(spec, spec.methods[entrant - 1].entrant, frame - 1, layer - 1))


def _opened(spec: RunSpec, of: tuple[int, int, int]) -> InPlane:
    """The same, once per visit."""
    known = st.session_state.get(f"{PAGE}/opened")
    if not known or known[0] != (spec.key(), of):
        known = st.session_state[f"{PAGE}/opened"] = (spec.key(), of), opened(spec, of)
    return known[1]


def clicked(page: Page, trace: Trace, frame: int, row: int) -> int:
    """A cell of the raster was clicked: the update opens; returns the frame that was meant."""
    race = RaceView(trace)
    rows = raster_rows(race)
    if not 0 <= row < len(rows):
        return frame
    at = nearest_event(race, rows[row], frame)
    _open(page, rows[row].entrant + 1, rows[row].layer + 1, at)
    state = st.session_state                   # the words below are about the same update
    state[f"{PAGE}/entrant"], state[f"{PAGE}/layer"] = rows[row].owner.label, rows[row].layer + 1
    return at


def _open(page: Page, entrant: int, layer: int, frame: int) -> None:
    page.change(of=(entrant, layer, frame), **dict.fromkeys(PAIR_FIELDS))


# --- under the run ------------------------------------------------------------------------------

def below(page: Page, trace: Trace, spec: RunSpec) -> None:
    """The update at the playhead, in words; and a fork from there."""
    settings = page.settings
    damped = {m.entrant: i for i, m in enumerate(spec.methods, 1) if isinstance(m, KBFGS)}
    if not damped:
        return
    _start_at_opened(page, spec, list(damped))
    with st.container(horizontal=True, vertical_alignment="bottom", key="fork"):
        label = st.selectbox("Update of", list(damped), key=f"{PAGE}/entrant", width=210)
        layers = trace[label]["theta1"].shape[2] if "theta1" in trace[label] else 0
        last = int(trace[label]["stopped"][0])
        frame = last if settings.frame is None else min(settings.frame, last)
        if st.session_state.get(f"{PAGE}/layer", 1) > max(layers, 1):
            del st.session_state[f"{PAGE}/layer"]
        layer = 1 if layers <= 1 else int(st.selectbox(
            "layer", range(1, layers + 1), key=f"{PAGE}/layer", width=90))
        if frame >= 1 and layers:
            st.button(f"Open step {frame} in the plane", on_click=_open,
                      args=(page, damped[label], layer, frame))
        _fork_controls(page, spec, settings.running[damped[label] - 1], label, frame, last)
    if frame >= 1 and layers:
        st.markdown(f"**{label}, layer {layer}, step {frame}.** "
                    + _explained(trace, spec, label, frame - 1, layer - 1))
    _futures(page, spec)


def _start_at_opened(page: Page, spec: RunSpec, damped: list[str]) -> None:
    """On a link to an update, the words below are about it."""
    if st.session_state.get(f"{PAGE}/entrant") not in (None, *damped):
        del st.session_state[f"{PAGE}/entrant"]                # it has left the race
    entrant, layer, _ = page.own.of or (0, 1, 0)
    if f"{PAGE}/entrant" in st.session_state or not 1 <= entrant <= len(spec.methods):
        return
    if (label := spec.methods[entrant - 1].entrant) in damped:
        st.session_state[f"{PAGE}/entrant"] = label
        if 1 <= layer <= len(spec.problem.layers):
            st.session_state[f"{PAGE}/layer"] = layer


def _explained(trace: Trace, spec: RunSpec, label: str, step: int, layer: int) -> str:
    """One update in words, with its numbers."""
    method = next(m for m in spec.methods if m.entrant == label)
    assert isinstance(method, KBFGS)
    e = {n: a[layer:layer + 1] for n, a in trace.row(label, step, 0).items() if a.ndim == 1}
    text = damping_in_words(e, method.mu1, method.lam**0.5, method.damping)
    return (text[0].upper() + text[1:]
            + f" c₁ = {say(e['c1'][0])}, c₂ = {say(e['c2'][0])}.").replace("~", r"\~")


def _fork_controls(page: Page, spec: RunSpec, entrant: str, label: str, frame: int,
                   last: int) -> None:
    method = next(m for m in spec.methods if m.entrant == label)
    assert isinstance(method, KBFGS)
    with st.popover(f"Fork at step {frame}", disabled=not frame < last), st.container(width=300):
        st.caption("Continue from the same weights, matrices and batches with different damping.")
        damping = st.selectbox("damping", DAMPINGS, key=f"{PAGE}/fork.damping",
                               index=2 if method.damping == "double" else 0)
        name = f"{PAGE}/fork/{label}"
        lr = st.number_input(r"$\alpha$ step size", 1e-4, 10.0, method.lr, format="%.4g",
                             key=f"{name}.lr")
        lam = st.number_input(r"$\lambda$, with $\mu_2 = \sqrt\lambda$", 1e-6, 0.99, method.lam,
                              format="%.4g", key=f"{name}.lam")
        mu1 = st.number_input(r"$\mu_1$", 0.01, 0.99, method.mu1, format="%.4g",
                              key=f"{name}.mu1")
        wanted = {"damping": damping, "lr": lr, "lam": lam, "mu1": mu1}
        fork = Fork(of=entrant, step=frame, **{
            name: value for name, value in wanted.items() if value != getattr(method, name)})
        st.button("Fork", on_click=page.change, kwargs={"fork": fork}, type="primary",
                  width="stretch")


def _futures(page: Page, spec: RunSpec) -> None:
    """The run as it was and as it goes on after the fork, drawn over each other."""
    fork: Fork = page.own.fork
    if fork.step is None:
        return
    try:
        forked = fork_spec(spec, page.settings.running, fork)
    except QnvizError as error:
        st.warning(str(error))
        return
    assert forked.fork is not None
    trace = STORE.get(forked.key()) or _computed(forked)
    if trace is None:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**Two futures from step {forked.fork.step}.** " + futures_in_words(trace))
        st.button("Close the fork", on_click=page.change, kwargs={"fork": Fork()},
                  type="tertiary")
    pictures = linked(RaceView(trace, THEMES[theme_name()]), "fork")
    player(pictures | {"plotly_url": PLOTLY_URL, "autoplay": False, "frame": forked.fork.step},
           key=f"{PAGE}/fork/player")


def fork_spec(spec: RunSpec, entrants: Sequence[str], fork: Fork) -> RunSpec:
    """The run of a fork: an entrant as before, and with other settings from a step on.

    Args:
        spec: the run that is forked.
        entrants: the names by which an address knows its methods, in their order.
        fork: where, and what goes on otherwise.

    Raises:
        SpecError: the entrant or step is not there, or the settings cannot be.
    """
    method = dict(zip(entrants, spec.methods, strict=True)).get(fork.of)
    if not isinstance(method, KBFGS):
        raise SpecError([f"The fork names the entrant {fork.of!r}, but no entrant of that name "
                         "damps its updates here."])
    before, changes = method.model_dump(), fork.changes
    words = [f"{name}={say(changes[name])}" for name in ("lr", "lam", "mu1")
             if changes.get(name, before[name]) != before[name]]
    damping = changes.get("damping", before["damping"])
    if damping != before["damping"] or not words:
        words.insert(0, damping)
    as_before = f"{before['damping']}, as before"
    return parse(spec.model_dump(mode="json") | {
        "methods": [before | {"label": as_before},
                    before | changes | {"label": f"from {fork.step}: {', '.join(words)}"[:40]}],
        "fork": {"method": before, "step": fork.step}})


def futures_in_words(trace: Trace) -> str:
    """Where both futures lead, in a sentence from the run."""
    parts = [f"*{e.title}*: " + trace.ends[e.label][0][0].lower() + trace.ends[e.label][0][1:]
             for e in trace.entrants]
    return " ".join(parts).replace("~", r"\~")


def _computed(spec: RunSpec) -> Trace | None:
    """The fork's run, waited for; a changed control ends the wait."""
    job = JOBS.watch(st.session_state["viewer"], Run(spec), connected(), slot="fork")
    place = st.empty()
    while not job.over.wait(TICK):
        place.progress(job.snapshot().fraction, "Computing both futures")
    place.empty()
    trace = job.snapshot().value
    if isinstance(job.error, QnvizError):
        st.warning(str(job.error))
    elif job.error:
        raise job.error
    elif trace is not None and job.complete:
        STORE.put(trace.key, trace)
    return trace


DAMPING = Lab(LABS, PRESETS, explain=EXPLAIN, own=DampingState, above=plane, below=below,
              event=clicked)
