from qnviz.ui.form import started

started()

from qnviz.ui.atlas import atlas  # noqa: E402  torch comes with it

atlas()
