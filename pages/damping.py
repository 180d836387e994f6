from qnviz.ui.labs.stage import opened

stage = opened("damping", first="damping", layout="damping")

from qnviz.ui.labs.damping import (  # noqa: E402  torch comes with it: after the first picture
    EXPLAIN,
    LABS,
    OWN,
    PRESETS,
    after,
    clicked,
    plane,
)
from qnviz.ui.labs.lab import lab  # noqa: E402

lab(stage, LABS, PRESETS, explain=EXPLAIN, above=plane, after=after, event=clicked, own=OWN)
