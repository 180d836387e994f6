from qnviz.ui.labs.stage import opened

stage = opened("function", first="function")

from qnviz.ui.labs import function  # noqa: E402  torch comes with it: after the first picture
from qnviz.ui.labs.lab import lab  # noqa: E402

lab(stage, function.LABS, function.PRESETS, explain=function.EXPLAIN, above=function.above)
