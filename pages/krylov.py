from qnviz.ui.labs.stage import opened

stage = opened("krylov", layout="krylov")

from qnviz.ui.labs.krylov import KRYLOV  # noqa: E402  torch comes with it: after the first picture
from qnviz.ui.labs.lab import lab  # noqa: E402

lab(stage, KRYLOV)
