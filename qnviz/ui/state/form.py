"""A page that is one declared model: its fields are its controls, and its address holds them.

    started()                                  # waits for the numeric core, in words
    form = Form("complex_step", Question)      # the address, or what the visitor left here
    question = form.remember()                 # what the widgets say; writes the address
    with form.row():
        form.presets({"A relu kink": {"function": "exp_relu", "x": 1e-3}})
        form.controls("seed", "length")

Fields at their default are left out of the address. A bad value costs only itself: it gets a
sentence and the default. Torch comes with the controls, so it is imported when they are drawn.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar

import streamlit as st
from pydantic import ValidationError
from streamlit.delta_generator import DeltaGenerator

from qnviz.fields import Frozen, Parameter, faults, parameters
from qnviz.ui.state import widgets as held
from qnviz.ui.state.query import taken
from qnviz.ui.state.ready import load, ready

M = TypeVar("M", bound=Frozen)
NARROW = 300                                   # pixels of a popover: the picture stays in sight


def started() -> None:
    """Wait for the numeric core, and say so, on a server that has not imported it yet."""
    if not ready():
        words = st.empty()
        words.text("Starting the numeric core …")
        load()
        words.empty()


def read(query: Mapping[str, str], model: type[M]) -> tuple[M, tuple[str, ...]]:
    """An address's fields as a model, and a sentence for each that is refused."""
    chosen, known = {}, model.model_fields
    fields, notes = taken(query)
    for name, raw in fields.items():
        if name not in known:
            notes.append(f"The link's field {name!r} is not known here and was left out.")
            continue
        try:
            valid = model.model_validate({name: _value(raw)})
        except ValidationError as error:
            notes += [f"{fault} The default is used." for fault in faults(error)]
        else:
            chosen[name] = getattr(valid, name)
    try:
        return model.model_validate(chosen), tuple(notes)
    except ValidationError as error:           # each is allowed, but not all of them together
        return model(), (*notes, *faults(error), "The defaults are used.")


def write(value: Frozen) -> dict[str, str]:
    """A model as an address's fields, without those at their default."""
    usual = type(value)()
    return {name: _text(here) for name in type(value).model_fields
            if (here := getattr(value, name)) != getattr(usual, name)}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):               # the shortest text that reads back as the same
        return repr(value).removesuffix(".0")
    return "all" if value is None else str(value)


def _value(raw: str) -> Any:
    return None if raw == "all" else raw


def plain(text: str) -> str:
    """What a visitor typed, as typed: Markdown's signs lose their meaning, addresses are no links.

    Markdown makes links of bare addresses, escaped or not; an invisible sign within keeps it off.
    """
    text = re.sub(r"(?<=://)|(?<=www)(?=\.)|(?<=@)", "\N{WORD JOINER}", text, flags=re.IGNORECASE)
    return re.sub(r"([\\`*_{}\[\]()#+\-!|<>$:~])", r"\\\1", text)


class Form(Generic[M]):
    """One visitor's state of a page: the address, the widgets' values, and how each follows."""

    def __init__(self, page: str, model: type[M]):
        self.page, self.model = page, model
        self.fields = {q.name: q for q in parameters(model)}
        state, self.memory = st.session_state, f"{page}/query"
        asked, known = st.query_params.to_dict(), state.get(self.memory)
        if not asked and known:                # back from another page: nothing is lost
            asked = known
        self.seeded = asked != known
        if self.seeded:
            value, notes = read(asked, model)
            self.seed(value)
            state[self.key("faults")] = notes

    def key(self, name: str) -> str:
        """The widget key of a field."""
        return f"{self.page}:{name}"

    def seed(self, value: M) -> None:
        """Put a model into the widgets' values, before any widget is drawn."""
        values = value.model_dump()
        for name in self.fields:
            st.session_state[self.key(name)] = values[name]
        st.session_state[self.key("held")] = values
        st.session_state[self.key("faults")] = ()

    def remember(self) -> M:
        """What the widgets say; the address follows, also for when the visitor comes back.

        What was wrong with the link stays said until the first change after it.
        """
        state = st.session_state
        said = {name: state[self.key(name)] for name in self.fields}
        refused: tuple[str, ...] = ()
        try:
            value = self.model.model_validate(state[self.key("held")] | said)
        except ValidationError as error:
            value = self.model.model_validate(state[self.key("held")])
            refused = tuple(faults(error))
        query = write(value)
        if refused or (not self.seeded and query != state.get(self.memory)):
            state[self.key("faults")] = refused
        state[self.memory], state[self.key("held")] = query, value.model_dump()
        if st.query_params.to_dict() != query:
            st.query_params.from_dict(query)
        return value

    # --- what is drawn --------------------------------------------------------------------------

    def row(self) -> DeltaGenerator:
        """A row for controls."""
        return st.container(horizontal=True, vertical_alignment="bottom", key=f"{self.page}-row")

    def complaints(self, more: Iterable[str] = ()) -> None:
        """What was wrong with the link, and what else is to be said."""
        if wrong := st.session_state[self.key("faults")]:
            st.warning("  \n".join(map(plain, wrong)))
        if said := [plain(sentence) for sentence in more]:
            st.info("  \n".join(said))

    def presets(self, presets: Mapping[str, dict[str, Any]]) -> None:
        """States to jump to, by name: what each changes of the defaults."""
        with st.popover("Presets"), st.container(width=NARROW):
            for title, changes in presets.items():
                st.button(title, on_click=self._jump, args=(changes,),
                          width="stretch", type="tertiary", key=self.key(f"preset/{title}"))

    def _jump(self, changes: dict[str, Any]) -> None:
        self.seed(self.model(**changes))

    def explain(self, text: str) -> None:
        """A few words about the page, one click away."""
        with st.popover("Explain"), st.container(width=420):
            st.markdown(text)

    def controls(self, *names: str) -> None:
        """Fields as controls in a row, as they are declared."""
        from qnviz.ui.state.controls import control

        for name in names:
            control(self.fields[name], self.key(name), in_row=True)

    def more(self, *names: str) -> None:
        """Fields that are seldom changed, one click away."""
        from qnviz.ui.state.controls import control

        with st.popover("More"), st.container(width=NARROW):
            for name in names:
                control(self.fields[name], self.key(name))

    def choice(self, name: str, words: Mapping[str, str], width: int = 150) -> None:
        """A choice whose options read otherwise than they are written in the address."""
        q = self.fields[name]
        held.choice(_label(q), q.options, key=self.key(name), help=q.help, width=width,
                    format_func=lambda option: words[option])

    def box(self, name: str, step: float, width: int = 120) -> None:
        """A number to be typed, where a slider would be too coarse."""
        q = self.fields[name]
        held.number(_label(q), q.low, q.high, step=step, format="%.6g", key=self.key(name),
                    help=f"{q.help} Allowed: {q.range}.", width=width)


def _label(q: Parameter) -> str:
    symbol = f"${q.symbol}$ " if q.symbol and q.symbol != q.name else ""
    return f"{symbol}{q.name.replace('_', ' ')}"
