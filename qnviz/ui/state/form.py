"""A page that is one declared model: its fields are its controls, and its address holds them.

    started()                                  # waits for the numeric core, in words
    form = Form("complex_step", Question)      # the address, or what the visitor left here
    question = form.remember()                 # what the widgets say; writes the address
    with form.row():
        form.presets({"A relu kink": {"function": "exp_relu", "x": 1e-3}})
        form.controls("seed", "length")

Torch comes with the controls, so it is imported when they are drawn.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import streamlit as st
from pydantic import ValidationError
from streamlit.delta_generator import DeltaGenerator

from qnviz.fields import Frozen, Parameter, faults, parameters
from qnviz.ui.state import widgets
from qnviz.ui.state.address import Query
from qnviz.ui.state.binder import Binder
from qnviz.ui.state.codec import decode, encode
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


def plain(text: str) -> str:
    """What a visitor typed, as typed: Markdown's signs lose their meaning, addresses are no links.

    Markdown makes links of bare addresses, escaped or not; an invisible sign within keeps it off.
    """
    text = re.sub(r"(?<=://)|(?<=www)(?=\.)|(?<=@)", "\N{WORD JOINER}", text, flags=re.IGNORECASE)
    return re.sub(r"([\\`*_{}\[\]()#+\-!|<>$:~])", r"\\\1", text)


class Form(Binder[M]):
    """One visitor's state of a page that is one model, and its controls."""

    def __init__(self, page: str, model: type[M], links_only: bool = False):
        self.model, self.fields = model, {q.name: q for q in parameters(model)}
        super().__init__(page, links_only)

    def decode(self, asked: Query, moved: bool) -> tuple[M, tuple[str, ...]]:
        """An address as the model, and a sentence for each field that is refused."""
        return decode(asked, self.model())

    def encode(self, value: M) -> dict[str, str]:
        """The model as an address's fields."""
        return encode(value)

    def names(self) -> Iterable[str]:
        """All fields of the model, and the last model that was valid."""
        return *self.model.model_fields, "valid"

    def spread(self, value: M) -> dict[str, Any]:
        """A model's fields, and the model itself."""
        return value.model_dump() | {"valid": value}

    def gather(self) -> tuple[M, tuple[str, ...]]:
        """The model that the widgets describe; where there is none, the last one that was valid."""
        state = st.session_state
        try:
            value = self.model.model_validate(
                {name: state[self.key(name)] for name in self.model.model_fields})
        except ValidationError as error:
            return state[self.key("valid")], tuple(faults(error))
        state[self.key("valid")] = value
        return value, ()

    # --- what is drawn --------------------------------------------------------------------------

    def row(self) -> DeltaGenerator:
        """A row for controls."""
        return st.container(horizontal=True, vertical_alignment="bottom", key=f"{self.page}-row")

    def complaints(self, more: Iterable[str] = ()) -> None:
        """What was wrong with the link, and what else is to be said."""
        if wrong := self.faults:
            st.warning("  \n".join(map(plain, wrong)))
        if notes := [plain(sentence) for sentence in more]:
            st.info("  \n".join(notes))

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
        from qnviz.ui.state.controls import control  # torch comes with it

        for name in names:
            control(self.fields[name], self.key(name), in_row=True)

    def more(self, *names: str) -> None:
        """Fields that are seldom changed, one click away."""
        from qnviz.ui.state.controls import control  # torch comes with it

        with st.popover("More"), st.container(width=NARROW):
            for name in names:
                control(self.fields[name], self.key(name))

    def choice(self, name: str, words: Mapping[str, str], width: int = 150) -> None:
        """A choice whose options read otherwise than they are written in the address."""
        q = self.fields[name]
        widgets.choice(_label(q), q.options, key=self.key(name), help=q.help, width=width,
                    format_func=lambda option: words[option])

    def box(self, name: str, step: float, width: int = 120) -> None:
        """A number to be typed, where a slider would be too coarse."""
        q = self.fields[name]
        widgets.number(_label(q), q.low, q.high, step=step, format="%.6g", key=self.key(name),
                    help=f"{q.help} Allowed: {q.range}.", width=width)


def _label(q: Parameter) -> str:
    symbol = f"${q.symbol}$ " if q.symbol and q.symbol != q.name else ""
    return f"{symbol}{q.name.replace('_', ' ')}"
