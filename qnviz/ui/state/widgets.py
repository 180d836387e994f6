"""Widgets whose values belong to Python, which may change them while a closed popover hides them.

Streamlit keeps a value under its widget's key, in the browser too. A widget within a popover is
created when that opens: if the script has run again by then, it shows its default, not the value
that Python has set, and the next run takes that default for the visitor's choice. A widget that was
open before has kept its value, and undoes a preset that was chosen meanwhile.

So here the value is stored under a key of its own, which is no widget's. The widget has it as its
default, reports each change, and is replaced by a new one wherever Python has changed the value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

Then = Callable[..., None] | None


def number(label: str, low: Any, high: Any, *, key: str, then: Then = None,
           args: Sequence[Any] = (), **more: Any) -> Any:
    """A number to be typed; `then(*args)` is called after a change."""
    value = st.session_state[key]
    if value is not None and any(isinstance(x, float) for x in (low, high, more.get("step"))):
        value = float(value)
    return st.number_input(label, low, high, value, **_own(key, then, args), **more)


def slider(label: str, low: float, high: float, *, key: str, **more: Any) -> Any:
    """A number to be dragged."""
    return st.slider(label, low, high, st.session_state[key], **_own(key), **more)


def marks(label: str, options: Sequence[Any], *, key: str, **more: Any) -> Any:
    """One of a row of values to be dragged to."""
    return st.select_slider(label, options, st.session_state[key], **_own(key), **more)


def choice(label: str, options: Sequence[Any], *, key: str, then: Then = None,
           args: Sequence[Any] = (), **more: Any) -> Any:
    """One of a list; none where the value is None."""
    value = st.session_state[key]
    return st.selectbox(label, options, None if value is None else list(options).index(value),
                        **_own(key, then, args), **more)


def segments(label: str, options: Any, *, key: str, **more: Any) -> Any:
    """One of a few that stand side by side."""
    return st.segmented_control(label, options, default=st.session_state[key], required=True,
                                **_own(key), **more)


def toggle(label: str, *, key: str, **more: Any) -> Any:
    """Yes or no."""
    return st.toggle(label, st.session_state[key], **_own(key), **more)


def text(label: str, *, key: str, **more: Any) -> Any:
    """A line of text."""
    return st.text_input(label, st.session_state[key], **_own(key), **more)


def several(label: str, options: Sequence[Any], value: Sequence[Any], *, key: str, then: Then,
            args: Sequence[Any] = (), draw: Callable[..., Any] = st.pills, **more: Any) -> Any:
    """Some of a few. The visitor's order of choosing is kept while it is the same choice."""
    state = st.session_state
    if set(state.get(key, ())) != set(value) or key not in state:
        state[key] = list(value)
    return draw(label, options, default=state[key], **_own(key, then, args), **more)


def _own(key: str, then: Then = None, args: Sequence[Any] = ()) -> dict[str, Any]:
    """The widget's own key, and what it does with a change."""
    state, name = st.session_state, _present(key)
    if state.get(name, state[key]) != state[key]:
        state[f"{key}@"] = state.get(f"{key}@", 0) + 1
        name = _present(key)
    return {"key": name, "on_change": _took, "args": (key, name, then, tuple(args))}


def _present(key: str) -> str:
    """The key of the widget that shows the value now."""
    return f"{key}@{st.session_state.get(f'{key}@', 0)}"


def _took(key: str, name: str, then: Then, args: tuple[Any, ...]) -> None:
    """The visitor chose another value: nobody did at a widget that has been replaced.

    A browser that has not yet taken such a one away may send its value, which Streamlit, having
    forgotten it, takes for a change.
    """
    if name != _present(key):
        return
    st.session_state[key] = st.session_state[name]
    if then:
        then(*args)
