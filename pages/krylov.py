from qnviz.ui.labs.stage import opened

stage = opened("krylov", first="krylov", layout="krylov")

from qnviz.ui.labs import krylov  # noqa: E402  torch comes with it: after the first picture
from qnviz.ui.labs.lab import lab  # noqa: E402

lab(stage, krylov.LABS, krylov.PRESETS, explain=krylov.EXPLAIN, after=krylov.after,
    own=krylov.OWN)
