"""Which lesson, which step, presented or not: the state of the page of lessons, and its address.

/lessons?of=why-curvature&at=3&present=1
"""

from __future__ import annotations

from qnviz.fields import Frozen
from qnviz.ui.state.codec import described


class Place(Frozen):
    """Where the reader is: a lesson's id ("" for the index), a step from 1 on, presented or not."""

    of: str = described("", "the name of a lesson", max_length=100,
                        instead="Here are all there are.")
    at: int = described(1, "the number of a step", ge=1, le=99_999, always=True,
                        instead="The lesson begins at its first.")
    present: int = described(0, "0 or 1", ge=0, le=1, instead="The lesson is not presented.")
