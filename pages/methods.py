from qnviz.ui.form import started

started()

from qnviz.ui.methods import methods  # noqa: E402  torch comes with it

methods()
