from qnviz.ui.labs.stage import opened

stage = opened("function")

from qnviz.ui.labs.function import YOUR_FUNCTION  # noqa: E402  torch comes with it
from qnviz.ui.labs.lab import lab  # noqa: E402

lab(stage, YOUR_FUNCTION)
