"""The double-damping page: one update to drag, the run it may come from, and forks of that run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from qnviz.errors import QnvizError, SpecError, TraceError
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
from qnviz.ui.privates import connected
from qnviz.ui.state.defaults import (
    IMAGES,
    IMAGES_DAMPINGS,
    LAB,
    LINEAR_DAMPINGS,
    LINEAR_NET,
    THREE_DAMPINGS,
)
from qnviz.ui.state.messages import PAIR, received
from qnviz.ui.state.page import Page, page_extra
from qnviz.ui.state.session import theme_name
from qnviz.ui.state.settings import Settings
from qnviz.ui.state.store import STORE

PAGE = "damping"
LARGEST = 1e6                                  # of a number of the drag view in the URL
TICK = 0.05

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
in the plane. Fork the run there and go on without damping.
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
FIELDS = {"H": 3, "s": 2, "y": 2, "mu1": 1, "mu2": 1}


# --- the URL ------------------------------------------------------------------------------------

def _numbers(name: str, count: int) -> Callable[[str], str | None]:
    def complaint(raw: str) -> str | None:
        values = _floats(raw)
        one = "a number" if count == 1 else f"{count} numbers, such as {_text(START[name])}"
        if len(values) != count or not all(abs(v) <= LARGEST for v in values):
            return f"{name} is {raw!r}, but must be {one}. The plane shows its usual pair."
        if name in ("mu1", "mu2") and not 0 < values[0] < 1:
            return f"{name} is {raw!r}, but must lie between 0 and 1. The usual one is used."
        return None
    return complaint


def _floats(raw: str) -> list[float]:
    try:
        values = [float(part) for part in raw.split(",")]
    except ValueError:
        return []
    return values if all(map(math.isfinite, values)) else []


def _whole(raw: str, count: int) -> list[int]:
    parts = raw.split(",")
    good = len(parts) == count and all(p.isascii() and p.isdigit() and len(p) < 6 for p in parts)
    return [int(p) for p in parts] if good else []


def _of(raw: str) -> str | None:
    if _whole(raw, 3):
        return None
    return (f"of is {raw!r}, but must be entrant, layer and step of an update, such as 1,1,120. "
            "The plane shows its usual pair.")


def _fork(raw: str) -> str | None:
    entrant, _, rest = raw.partition(",")
    step, _, change = rest.partition(",")
    values = _floats(change.partition(",")[2])
    good = (_whole(f"{entrant},{step}", 2) and change.partition(",")[0] in DAMPINGS
            and len(values) == 3 and 0 < values[0] <= 10 and all(0 < v < 1 for v in values[1:]))
    return None if good else (
        f"fork is {raw!r}, but must be entrant, step, damping, α, λ and μ₁, such as "
        "1,60,none,0.1,0.3,0.2. Nothing is forked.")


DAMPINGS = ("double", "powell", "none")
OWN: dict[str, Callable[[str], str | None]] = {
    **{name: _numbers(name, count) for name, count in FIELDS.items()}, "of": _of, "fork": _fork}


def _text(value: float | Sequence[float]) -> str:
    values = value if isinstance(value, Sequence) else [value]
    return ",".join(f"{v:.6g}" for v in values)


# --- one update in the plane --------------------------------------------------------------------

def plane(spec: RunSpec | None, _: Page) -> None:
    """The update to drag: the reader's own, one of the run's, or the one it opens with."""
    own, note = page_extra(PAGE), ""
    shown: dict[str, Any] = dict(START)
    if "of" in own and spec:
        try:
            seen = _opened(spec, own["of"])
        except QnvizError as error:
            note = str(error)
        else:
            note = seen.words
            shown = {"H": seen.H, "s": seen.s, "y": seen.y, "mu1": seen.mu1, "mu2": seen.mu2}
    for name, count in FIELDS.items():
        if name in own:
            values = _floats(own[name])
            shown[name] = values if count > 1 else values[0]
    theme = theme_name()
    pair(shown | {"theme": theme, "note": note, "presets": PAIRS, "shows": own.get("of")},
         key=f"{PAGE}/pair", on_pair=_dragged)


def _dragged() -> None:
    """The reader let go of a handle: from here on the pair is theirs, not the run's."""
    seen, own = received(f"{PAGE}/pair", "pair", PAIR), page_extra(PAGE)
    if seen is None:
        return
    said = {name: _text(getattr(seen, name)) for name in FIELDS}
    if any(OWN[name](text) for name, text in said.items()):
        return                                 # no handle reaches there
    own.pop("of", None)
    own.update(said)


def _opened(spec: RunSpec, of: str) -> InPlane:
    """An update of the run, taken again once per visit."""
    known = st.session_state.get(f"{PAGE}/opened")
    if known and known[0] == (spec.key(), of):
        return known[1]
    entrant, layer, frame = _whole(of, 3)
    if not 1 <= entrant <= len(spec.methods):
        raise TraceError(f"The race has no entrant {entrant}.")
    seen = in_plane(update_at(spec, spec.methods[entrant - 1].entrant, frame - 1, layer - 1))
    st.session_state[f"{PAGE}/opened"] = (spec.key(), of), seen
    return seen


def clicked(trace: Trace, frame: int, row: int) -> int:
    """A cell of the raster was clicked: the update opens; returns the frame that was meant."""
    race = RaceView(trace)
    rows = raster_rows(race)
    if not 0 <= row < len(rows):
        return frame
    at = nearest_event(race, rows[row], frame)
    _open(rows[row].entrant + 1, rows[row].layer + 1, at)
    state = st.session_state                   # the words below are about the same update
    state[f"{PAGE}/entrant"], state[f"{PAGE}/layer"] = rows[row].owner.label, rows[row].layer + 1
    return at


def _open(entrant: int, layer: int, frame: int) -> None:
    own = page_extra(PAGE)
    for name in FIELDS:
        own.pop(name, None)
    own["of"] = f"{entrant},{layer},{frame}"


# --- under the run ------------------------------------------------------------------------------

def after(trace: Trace, spec: RunSpec, settings: Settings) -> None:
    """The update at the playhead, in words; and a fork from there."""
    damped = {m.entrant: i for i, m in enumerate(spec.methods, 1) if isinstance(m, KBFGS)}
    if not damped:
        return
    _start_at_opened(spec, list(damped))
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
                      args=(damped[label], layer, frame))
        _fork_controls(spec, damped[label], label, frame, last)
    if frame >= 1 and layers:
        st.markdown(f"**{label}, layer {layer}, step {frame}.** "
                    + _explained(trace, spec, label, frame - 1, layer - 1))
    _futures(spec)


def _start_at_opened(spec: RunSpec, damped: list[str]) -> None:
    """On a link to an update, the words below are about it."""
    if st.session_state.get(f"{PAGE}/entrant") not in (None, *damped):
        del st.session_state[f"{PAGE}/entrant"]                # it has left the race
    entrant, layer, _ = _whole(page_extra(PAGE).get("of", ""), 3) or [0, 1, 0]
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


def _fork_controls(spec: RunSpec, entrant: int, label: str, frame: int, last: int) -> None:
    method = next(m for m in spec.methods if m.entrant == label)
    with st.popover(f"Fork at step {frame}", disabled=not frame < last), st.container(width=300):
        st.caption("Go on from the same weights, matrices and batches with other damping.")
        damping = st.selectbox("damping", DAMPINGS, key=f"{PAGE}/fork.damping",
                               index=2 if method.damping == "double" else 0)
        name = f"{PAGE}/fork/{label}"
        lr = st.number_input(r"$\alpha$ step size", 1e-4, 10.0, method.lr, format="%.4g",
                             key=f"{name}.lr")
        lam = st.number_input(r"$\lambda$, with $\mu_2 = \sqrt\lambda$", 1e-6, 0.99, method.lam,
                              format="%.4g", key=f"{name}.lam")
        mu1 = st.number_input(r"$\mu_1$", 0.01, 0.99, method.mu1, format="%.4g",
                              key=f"{name}.mu1")
        change = ",".join(f"{v:.6g}" for v in (lr, lam, mu1))
        st.button("Fork", on_click=_set_fork, type="primary", width="stretch",
                  args=(f"{entrant},{frame},{damping},{change}",))


def _set_fork(text: str | None) -> None:
    own = page_extra(PAGE)
    own.pop("fork", None)
    if text:
        own["fork"] = text


def _futures(spec: RunSpec) -> None:
    """The run as it was and as it goes on after the fork, drawn over each other."""
    raw = page_extra(PAGE).get("fork")
    if raw is None:
        return
    try:
        forked = fork_spec(spec, raw)
    except QnvizError as error:
        st.warning(str(error))
        return
    assert forked.fork is not None
    trace = STORE.get(forked.key()) or _computed(forked)
    if trace is None:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**Two futures from step {forked.fork.step}.** " + futures_in_words(trace))
        st.button("Close the fork", on_click=_set_fork, args=(None,), type="tertiary")
    pictures = linked(RaceView(trace, THEMES[theme_name()]), "fork")
    player(pictures | {"plotly_url": PLOTLY_URL, "autoplay": False, "frame": forked.fork.step},
           key=f"{PAGE}/fork/player")


def fork_spec(spec: RunSpec, raw: str) -> RunSpec:
    """The run that a URL's fork asks for: an entrant as before, and with other settings.

    Raises:
        SpecError: the entrant or step is not there, or the settings cannot be.
    """
    entrant, step, damping, lr, lam, mu1 = raw.split(",")
    if not 1 <= int(entrant) <= len(spec.methods) or not isinstance(
            spec.methods[int(entrant) - 1], KBFGS):
        raise SpecError([f"The fork names entrant {entrant}, which damps nothing here."])
    method = spec.methods[int(entrant) - 1]
    plain = method.model_dump()
    changed = plain | {"damping": damping, "lr": float(lr), "lam": float(lam), "mu1": float(mu1)}
    words = [f"{n}={say(changed[n])}" for n in ("lr", "lam", "mu1") if changed[n] != plain[n]]
    if damping != plain["damping"] or not words:
        words.insert(0, damping)
    before = f"{plain['damping']}, as before"
    return parse(spec.model_dump(mode="json") | {
        "methods": [plain | {"label": before},
                    changed | {"label": f"from {step}: {', '.join(words)}"[:40]}],
        "fork": {"method": plain, "step": int(step)}})


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
