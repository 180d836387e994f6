from qnviz.ui.labs.stage import opened

stage = opened("damping", layout="damping")

from qnviz.ui.labs.damping import DAMPING  # noqa: E402  torch comes with it: after the first picture
from qnviz.ui.labs.lab import lab  # noqa: E402

lab(stage, DAMPING)
