"""The page on derivatives: errors against h, costs, and the code of each kind."""

from __future__ import annotations

import inspect
import textwrap

import streamlit as st

from qnviz.curvature import hessian_vector as hv
from qnviz.errors import QnvizError
from qnviz.figures.system import derivatives as figures
from qnviz.figures.theme import THEMES, Picture, Theme
from qnviz.numbers import say
from qnviz.problems.problem import Problem
from qnviz.studies.derivatives import DIGITS, Answer, Costs, Question, answer, costs
from qnviz.ui.components.share import share
from qnviz.ui.state.form import Form
from qnviz.ui.state.session import theme_name

FUNCTIONS = {"autoencoder": "autoencoder", "rosenbrock": "Rosenbrock",
             "squire_trapp": "eˣ / √(sin³x + cos³x)", "exp_relu": "e^relu(x), a kink at 0",
             "exp_softplus": "e^softplus(x), no kink"}
PRESETS = {
    "The V and the floor": {},
    "A relu kink at distance 0.001": {"function": "exp_relu", "x": 1e-3},
    "Underflow in float32": {"precision": "float32", "decades": 48}}
EXPLAIN = r"""
**A finite difference** subtracts two nearly equal numbers. A large $h$ truncates Taylor's series, a
small $h$ leaves only rounding: its error is a V, and its best digits are lost whatever $h$ is.

**The complex step** evaluates at $\theta + ihv$ and reads the derivative off the imaginary part.
Nothing is subtracted, so $h$ may be tiny; what is left is a floor at rounding level.

**Dual numbers** are its limit $h \to 0$: pairs (value, derivative), without an $h$ at all.

Errors are against a calculation with 80 digits. Thin lines are theory.
"""
SERIES = r"""\begin{aligned}
f(\theta + hv) &= f + h f' + \tfrac{h^2}{2} f'' + \tfrac{h^3}{6} f''' + \dots \\
\mathrm{Im}\, f(\theta + ihv) &= h f' - \tfrac{h^3}{6} f''' + \dots \end{aligned}"""
DERIVATION = r"""
| kind | formula | truncation | rounding |
|---|---|---|---|
| forward | $(f(\theta + hv) - f)/h$ | $\tfrac h2 f''$ | $\varepsilon f / h$ |
| central | $(f(\theta + hv) - f(\theta - hv))/2h$ | $\tfrac{h^2}6 f'''$ | $\varepsilon f / 2h$ |
| complex | $\mathrm{Im}\, f(\theta + ihv)/h$ | $\tfrac{h^2}6 f'''$ | $\varepsilon f'/2$ |
| dual | pairs $(a, a')$ | 0 | $\varepsilon f'/2$ |

The first two have their best $h$ where truncation and rounding balance, near $\varepsilon^{1/2}$
and $\varepsilon^{1/3}$. With $\nabla f$ in place of $f$ the same gives $Hv$. For the complex step
every operation must be holomorphic along the real axis: no conjugation, and
$\mathrm{relu}(z) = z\,[\mathrm{Re}\, z > 0]$.
"""
CODE = {
    "Complex step": (hv.slope_complex_step, hv.complex_step),
    "Dual numbers": (hv.slope_dual_numbers, hv.pairs, Problem.hessian_vector),
    "Forward difference": (hv.slope_forward_difference, hv.forward_difference),
    "Central difference": (hv.slope_central_difference, hv.finite_difference),
    "Forward over reverse": (hv.forward_over_reverse,),
    "Double backward": (hv.slope_backward, hv.double_backward)}
HEIGHT = 390                                   # pixels: controls and both pictures on one screen


def complex_step() -> None:
    """Run the page once."""
    form = Form("complex_step", Question)
    q = form.remember()
    share("complex_step")
    theme = THEMES[theme_name()]
    _controls(form, q)
    try:
        with st.spinner(f"Calculating with {DIGITS} digits …"):
            found = answer(q)                  # type: ignore[arg-type]  frozen models hash
    except QnvizError as error:
        form.complaints([str(error)])
    else:
        form.complaints(found.notes)
        _errors(theme, found, q)
    measured, words = st.columns(2, gap="medium")
    with words:
        st.markdown("**Why a V, and why a floor**")
        st.markdown("Taylor's series along $v$, once with $h$ and once with $ih$:")
        st.latex(SERIES)
        st.markdown(DERIVATION)
    _code()
    with measured:                             # last: it takes a second
        _costs(theme, q)


def _controls(form: Form[Question], q: Question) -> None:
    with form.row():
        form.presets(PRESETS)
        form.explain(EXPLAIN)
        form.choice("function", FUNCTIONS, width=230)
        if q.function == "autoencoder":
            form.controls("activation", "loss")
        else:
            form.box("x", 0.1)
        if q.function == "rosenbrock":
            form.box("y", 0.1)
        form.controls("precision")
        if q.function in ("autoencoder", "rosenbrock"):
            form.controls("seed")
        form.more("length", "decades")


def _errors(theme: Theme, found: Answer, q: Question) -> None:
    left, right = st.columns(2, gap="medium")
    for place, e, id, name in ((left, found.slope, "slope", "First derivative"),
                               (right, found.product, "product", "Hessian-vector product")):
        with place:
            _draw(figures.errors(figures.ErrorsView(e, id, name, theme)), HEIGHT)
    size = f"{found.parameters:,} parameters" if found.parameters > 1 else "One variable"
    st.caption(f"{size}, {q.precision} (ε = {say(found.slope.eps)}), {len(found.slope.h)} steps h "
               "in one batch. Dots: the best h. Thin lines: truncation + rounding in theory. "
               "Without a step, "
               f"{figures.agreement(found.product)}. Judged by {DIGITS} digits.")


def _draw(picture: Picture, height: int) -> None:
    st.markdown(f"**{picture.title}**")
    st.plotly_chart(picture.plotly(), width="stretch", height=height, theme=None, alt=picture.alt,
                    key=f"complex_step/{picture.id}", config={"displayModeBar": False})


@st.fragment
def _costs(theme: Theme, q: Question) -> None:
    """What each kind costs, measured when this visitor first asks for it, and again on demand."""
    measured = st.session_state.setdefault("complex_step/costs", {})
    asked = q.activation, q.loss, q.precision
    if asked not in measured:
        with st.spinner("Measuring on this machine …"):
            measured[asked] = costs(*asked)
    c: Costs = measured[asked]
    _draw(figures.costs(figures.CostsView(c, theme)), 300)
    st.caption("Measured just now on the machine that serves this page: medians of "
               f"{len(c.seconds)} repeats in turns on {c.threads} thread"
               f"{'s' if c.threads > 1 else ''}, whiskers the quartiles, on {c.net}.")
    st.button("Measure again", on_click=measured.pop, args=(asked,), type="tertiary")


def _code() -> None:
    st.markdown("**The code that ran**")
    for tab, functions in zip(st.tabs(list(CODE), key="complex_step/code"), CODE.values(),
                              strict=True):
        with tab:
            st.code("\n\n".join(textwrap.dedent(inspect.getsource(f)) for f in functions),
                    language="python")
