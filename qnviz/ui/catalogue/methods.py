"""The methods page: what each method is, costs and needs, and when it fails, from its own file."""

from __future__ import annotations

import inspect
import re
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import streamlit as st

from qnviz.fields import Frozen, Parameter, choice, parameters
from qnviz.figures.race import RaceView
from qnviz.figures.race.trajectory import trajectory
from qnviz.figures.theme import THEMES
from qnviz.methods.base import Method
from qnviz.methods.registry import METHODS
from qnviz.numbers import say
from qnviz.paths import PAGES
from qnviz.problems.rosenbrock import Rosenbrock
from qnviz.runs.loop import run
from qnviz.runs.spec import parse
from qnviz.runs.trace import Trace
from qnviz.ui.catalogue.costs import (
    DIGITS,
    LARGE,
    LINEAR,
    Cost,
    Pace,
    costs,
    declared,
    needs,
    pace,
    refusals,
)
from qnviz.ui.catalogue.failures import link_to_failure
from qnviz.ui.components.share import share
from qnviz.ui.state.defaults import RACE
from qnviz.ui.state.form import Form, plain
from qnviz.ui.state.links import link_to
from qnviz.ui.state.session import theme_name
from qnviz.web import text

PAGE = "methods"
ALL = "overview"
FAMILIES = {"quasi-Newton": "Quasi-Newton", "Newton": "Newton", "first order": "First order",
            "outside": "SciPy's, beside ours"}
HEIGHT = 330                                   # pixels of the picture
CODE = 520                                     # … of a method's code
if TYPE_CHECKING:
    AnyMethod = str
else:                                          # read off the registry of methods
    AnyMethod = Literal[(ALL, *METHODS)]


class Which(Frozen):
    """The state of the page."""

    of: AnyMethod = choice(ALL, "The method that is shown.")


def methods() -> None:
    """Run the page once."""
    form = Form(PAGE, Which, links_only=True)
    of = form.remember().of
    share(PAGE)
    index, body = st.columns([1, 5], gap="medium")
    with index:
        _index(of)
    with body:
        form.complaints()
        if of == ALL:
            _overview()
        else:
            _method(of)


def _index(of: str) -> None:
    """All methods by family, as links."""
    with st.container(key="methods-index", gap=None):
        _link(ALL, "All methods", of)
        for family, words in FAMILIES.items():
            st.caption(words)
            for name, method in METHODS.items():
                if method.family == family:
                    _link(name, method.title, of)


def _link(name: str, title: str, of: str) -> None:
    with st.container(key=f"methods-{'here' if name == of else 'to'}-{name}"):
        st.page_link(_page(), label=title, query_params={"of": name})


def _page() -> Any:
    return st.Page(PAGES / "methods.py", url_path=PAGE)


# --- all methods ----------------------------------------------------------------------------------


def _overview() -> None:
    st.header(f"{len(METHODS)} methods at a glance")
    st.markdown("**Work** is in forward passes of the batch: a gradient costs 3, a product with "
                "the Hessian 6. **Memory** is in numbers for each parameter. Both are what a step "
                "takes at most as a rule, for the digits autoencoder, or for the linear net where "
                "a method cannot run there. What was counted stands on each method's page.")
    with st.container(key="methods-table", gap=None):
        _row("**method**", "**family**", "**work per step**", "**memory**", "**needs**")
        for family in FAMILIES:
            for name, method in METHODS.items():
                if method.family == family:
                    told, star = _declared(name)
                    _row(name, family, f"{say(told.declared)}{star}", f"{say(told.held)}{star}",
                         needs(method))
    st.caption("¹ On the linear net with 96 parameters. Layers: a Kronecker factor is kept for "
               "each. Few parameters: at most 2,000, as a dense matrix over all of them is made.")


def _row(first: str, *cells: str) -> None:
    """A row whose first cell is a link where it names a method: Markdown's open a new tab."""
    places = st.columns([3, 2, 2, 2, 4], vertical_alignment="center")
    with places[0]:
        if first in METHODS:
            st.page_link(_page(), label=METHODS[first].title, query_params={"of": first})
        else:
            st.markdown(first)
    for place, cell in zip(places[1:], cells, strict=True):
        place.markdown(cell)


def _declared(name: str) -> tuple[Cost, str]:
    """What is declared where a method is at home: on the digits if it can, else the linear net."""
    digits = declared(name, DIGITS)
    return (digits, "") if digits.why_not is None else (declared(name, LINEAR), " ¹")


# --- one method -----------------------------------------------------------------------------------


def _method(name: str) -> None:
    method = METHODS[name]
    words, picture = st.columns([1, 1], gap="large")
    with words:
        st.header(method.title)
        st.markdown(plain(method.idea))
        lines = re.split(r",\s*\\q?quad\s*", method.equations)
        st.latex(r"\begin{gathered}" + r" \\[0.7em] ".join(lines) + r"\end{gathered}")
        if method.ours:
            st.markdown(f"**Our own choice.** {plain(method.ours)}")
        st.markdown(f"**When it fails.** {plain(method.fails)}")
        link_to_failure(method)
        for where, why in refusals(method).items():
            st.markdown(f"**Not on: {where}.** {plain(why)}")
        st.markdown(f"**Reference.** {cited(method.reference)}")
    with picture:
        _path(name)
    _settings(method)
    _costs(name)
    _code(method)


def cited(reference: str) -> str:
    """A reference in Markdown, its arXiv number or DOI as a link."""
    text = re.sub(r"arXiv (\d{4}\.\d{4,5})", r"[arXiv \1](https://arxiv.org/abs/\1)", reference)
    return re.sub(r"doi (10\.[^\s,;]+[^\s,;.])", lambda m: (
        f"[doi {m[1]}](https://doi.org/{m[1].replace('(', '%28').replace(')', '%29')})"), text)


@lru_cache(maxsize=64)
def _race(name: str) -> Trace:
    """A method alone on Rosenbrock's function, as in the race."""
    return run(_spec(name))


def _spec(name: str) -> Any:
    return parse({"problem": Rosenbrock().model_dump(), "steps": RACE.steps,
                  "methods": [{"name": name} | RACE.usual(name)], "stop_loss": RACE.stop_loss})


def _path(name: str) -> None:
    trace = _race(name)
    picture = trajectory(RaceView(trace, THEMES[theme_name()]))
    st.markdown(f"**On Rosenbrock's function.** {plain(trace.ends[name][0])}")
    st.plotly_chart(picture.plotly(), width="stretch", height=HEIGHT, theme=None, alt=picture.alt,
                    key=f"{PAGE}/path/{name}", config={"displayModeBar": False})
    link_to(_spec(name), "Watch this run in the lab")


def _settings(method: type[Method]) -> None:
    st.markdown("**What can be set**")
    declared = parameters(method)
    if not declared:
        st.markdown("Nothing: it is used as it comes.")
        return
    rows = ["| symbol | name | default | allowed | meaning |", "|:--|:--|:--|:--|:--|"]
    rows += [f"| {f'${q.symbol}$' if q.symbol else ''} | `{q.name}` | {_default(q)} | "
             f"{plain(_range(q))} | {plain(q.help)} |" for q in declared]
    st.markdown("\n".join(rows))


def _default(q: Parameter) -> str:
    return plain(say(q.default) if isinstance(q.default, float) else
                 str(q.default).replace("_", " "))


def _range(q: Parameter) -> str:
    return ", ".join(o.replace("_", " ") for o in q.options) if q.options else q.range


def _costs(name: str) -> None:
    st.markdown("**What a step costs**")
    rows = ["| on | parameters | work, declared | work, counted | memory, at most | "
            "state, counted |", "|:--|--:|--:|--:|--:|--:|"]
    for c in costs(name):
        if c.why_not:
            rows.append(f"| {c.where} | {c.parameters:,} | cannot run there | | | |")
            continue
        counted = "–" if c.mean is None or c.most is None else say(c.mean) + (
            f" (at most {say(c.most)})" if c.most > 1.01 * c.mean else "")
        rows.append(f"| {c.where} | {c.parameters:,} | {say(c.declared)} | {counted} | "
                    f"{say(c.held)} | {'–' if c.state is None else say(c.state)} |")
    st.markdown("\n".join(rows))
    st.caption("Work in forward passes of the batch (a gradient costs 3), counted over 20 steps "
               "with the labs' settings; memory in numbers per parameter, the state being what "
               f"stays from step to step. {LARGE.partition(',')[0]}'s row is calculated, not run.")
    _pace(name)


@st.fragment
def _pace(name: str) -> None:
    """Time per step on the machine that serves the page, when somebody asks."""
    held: dict[str, Pace] = st.session_state.setdefault(f"{PAGE}/pace", {})
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Measure its time here", key=f"{PAGE}/measure"):
            with st.spinner("Measuring in turns with SGD …"):
                held[name] = pace(name)
        if name in held:
            p = held[name]
            st.markdown(f"On {p.where}: **{say(p.own / p.sgd)} ×** a step of SGD, "
                        f"{say(1e3 * p.own)} ms against {say(1e3 * p.sgd)} ms.")


def _code(method: type[Method]) -> None:
    """Both codes, side by side: what the server runs, and its twin in the browser's engine."""
    parents = [m.title for m in METHODS.values() if m is not method and issubclass(method, m)]
    rest = f"; what is not in it is as in {' and '.join(parents)}" if parents else ""
    python = inspect.getsource(sys.modules[method.__module__])
    if not method.twin:
        st.markdown(f"**The code that runs**{rest}")
        st.code(python, language="python", height=CODE)
        return
    ours, twin = st.columns(2, gap="medium")
    with ours:
        st.markdown(f"**The code that runs**{rest}")
        st.code(python, language="python", height=CODE)
    with twin:
        st.markdown("**Its twin in the browser**, which follows your hand on problems in the plane")
        st.code(text(f"engine/methods/{method.model_fields['name'].default}.js"),
                language="javascript", height=CODE)
