from qnviz.ui.state.form import started

started()

from qnviz.ui.catalogue.methods import methods  # noqa: E402  torch comes with it

methods()
