"""The scoreboard page: the shipped table at once, the same computed live, and what it says."""

from __future__ import annotations

import json
import logging
from functools import cache
from typing import TYPE_CHECKING

import streamlit as st

from qnviz.errors import QnvizError, TraceError
from qnviz.figures.maps import scoreboard as figures
from qnviz.figures.theme import THEMES
from qnviz.jobs.job import Job
from qnviz.jobs.service import JOBS
from qnviz.paths import ASSETS
from qnviz.scoreboard.board import Board, load
from qnviz.scoreboard.reference import MISSING, PUBLISHED, RULE, SOURCE, differences
from qnviz.scoreboard.table import COLUMNS, ROWS
from qnviz.scoreboard.words import champions, grid, listed, stragglers, tuned, turns
from qnviz.ui.components.share import share
from qnviz.ui.maps.scoreboard_view import Shown, choose_several, drawn, link_table
from qnviz.ui.privates import connected
from qnviz.ui.state import widgets
from qnviz.ui.state.form import Form, plain, started
from qnviz.ui.state.session import theme_name, viewer

if TYPE_CHECKING:
    from qnviz.scoreboard.scoring import Scoreboard

LOG = logging.getLogger(__name__)
JOB, SLOT = "scoreboard/job", "scoreboard"
REFRESH = 1.0                                  # seconds between two snapshots of a growing table
EXPLAIN = f"""
**Counted** is what a run needs until the loss, without noise, is below $10^{{-4}}$: iterations,
work (forward passes of the batch; a gradient is 3), or seconds (a run's share of the time of its
batch of runs; these differ from time to time). Mean ± standard deviation over the runs that got
there; **2F** means two did not. Each dot is one run, a cross one that failed. The frame marks the
best of a column: fewest failures, then the least mean.

**Rosenbrock** starts at (−0.25, −0.25) + N(0, 0.1²), 10,000 steps at most. Its noise
$\\varepsilon \\sim U[0, s]$ stands in the residual, $100\\,\\varepsilon^2 (x_2 - x_1^2)^2$, or,
where a column says *in f*, in front of the term, $100\\,\\varepsilon\\,(x_2 - x_1^2)^2$. The
**linear net** has two starts on each data set, 3,000 steps at most.

**Tuned** for each problem, on other seeds, are {listed(tuned(ROWS.values()))},
from one grid for all: {'; '.join(grid(ROWS.values()))}. Fewest
failures win, then fewest iterations. The others run with their declared settings.

A click on a number opens that method on that problem.
"""


@cache
def shipped() -> Board:
    """The table that comes with the project; an empty one where its file is damaged."""
    try:
        return load(ASSETS / "scoreboard.json")
    except TraceError as error:
        LOG.warning("The table that is shown first cannot be used: %s", error)
        return Board()


def scoreboard() -> None:
    """Run the page once."""
    form = Form("scoreboard", Shown)
    q = form.remember()
    share("scoreboard")
    job: Job[Scoreboard] | None = st.session_state.get(JOB)
    with form.row():
        form.explain(EXPLAIN)
        choose_several(form, "rows", "Methods", {k: r.title for k, r in ROWS.items()})
        choose_several(form, "columns", "Problems", {k: c.title for k, c in COLUMNS.items()})
        widgets.segments("unit", figures.TITLES, key=form.key("unit"),
                      help="Compare by iterations alone and costly steps look cheap.")
        _live_controls(form, q, job)
    form.complaints()
    if job is not None and not job.over.is_set():
        _growing(q, job)
        return
    board = shipped() if job is None else job.snapshot().value or Board()
    if job is not None and job.error is not None:
        if not isinstance(job.error, QnvizError):
            raise job.error
        st.error(plain(str(job.error)))
    _table(q, board)
    _said(q, board)


@st.fragment(run_every=REFRESH)
def _growing(q: Shown, job: Job[Scoreboard]) -> None:
    if job.over.is_set():
        st.rerun()
    now = job.snapshot()
    board = now.value or Board()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(now.fraction, f"{len(board.cells)} of {len(job.computation.wanted)} cells")
        if st.button("Stop", on_click=_stop, key="scoreboard/stop"):
            st.rerun()
    _table(q, board)


def _table(q: Shown, board: Board) -> None:
    theme = THEMES[theme_name()]
    picture = drawn(theme, q, board)
    rows = len(q.chosen_rows)
    st.plotly_chart(picture.plotly(), width="stretch", height=figures.height(rows), theme=None,
                    alt=picture.alt, key="scoreboard/table", config={"displayModeBar": False})


def _said(q: Shown, board: Board) -> None:
    """What the table shows, where it differs from the reference, and the numbers as text."""
    rows, columns = q.chosen_rows, q.chosen_columns
    about = (f"{board.repeats} runs on Rosenbrock, {COLUMNS['net_6'].repeats(board.repeats)} on "
             f"the nets, seed {board.seed}"
             + ("." if board.tuned_anew else "; tuned settings taken from the shipped table."))
    st.markdown(champions(board, q.unit, rows, columns) + " "
                + turns(board, rows, columns) + f" :gray[{about}]")
    others = differences(board, shipped())
    compared, numbers = st.container(), st.container()     # a table half as wide would scroll
    with compared:
        st.markdown(f"**Beside {SOURCE}**")
        verdict = "All cells agree." if not others else (
            "These do not, and are marked ≠ where iterations are shown:")
        st.markdown(f"{RULE} {verdict}\n" + "".join(f"\n- {d.words}" for d in others))
        if alone := stragglers(board, rows, columns):
            st.markdown("**Single runs that make a spread**" + "".join(f"\n- {s}" for s in alone))
        st.caption(f"{MISSING} {PUBLISHED}")
    with numbers:
        st.markdown("**The same as text**, with the reference and the chosen settings")
        link_table(q, board)
        st.download_button("All runs (JSON)", lambda: _json(board), "qnviz-scoreboard.json",
                           "application/json", on_click="ignore")
        st.caption("Without the app: `python -m qnviz scoreboard --json`")


def _json(board: Board) -> str:
    return json.dumps(board.plain(), ensure_ascii=False)


# --- computing it live ----------------------------------------------------------------------------

def _live_controls(form: Form[Shown], q: Shown, job: Job[Scoreboard] | None) -> None:
    with st.popover("Compute it live"), st.container(width=300):
        widgets.choice("runs of each cell", form.fields["repeats"].options, key=form.key("repeats"),
                    help="A linear net is run a fifth as often.")
        widgets.number("seed", 0, 2**31 - 1, step=1, key=form.key("seed"))
        widgets.toggle("Tune again", key=form.key("anew"),
                    help="Off: the settings that the shipped table's tuning chose. On: the whole "
                       "grid on other seeds, which takes minutes.")
        st.caption(f"{len(q.chosen_rows)} methods on {len(q.chosen_columns)} problems: those "
                   "that are shown.")
        st.button("Compute", on_click=_start, args=(q,), type="primary", width="stretch")
        if job is not None:
            st.button("Show the shipped table", on_click=_drop, type="tertiary")


def _start(q: Shown) -> None:
    started()
    from qnviz.scoreboard.scoring import Scoreboard  # torch comes with it

    _drop()
    wanted = Scoreboard(q.chosen_rows, q.chosen_columns, int(q.repeats), q.seed,
                        None if q.anew else shipped())
    st.session_state[JOB] = JOBS.watch(viewer(), wanted, connected(), SLOT)


def _stop() -> None:
    """What is there stays."""
    if stopped := JOBS.stop(viewer(), SLOT):
        st.session_state[JOB] = stopped


def _drop() -> None:
    """This visitor has no table of their own any more."""
    if st.session_state.pop(JOB, None):
        JOBS.leave(viewer(), SLOT)
