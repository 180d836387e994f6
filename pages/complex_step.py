from qnviz.ui.state.form import started

started()

from qnviz.ui.labs.complex_step import complex_step  # noqa: E402  torch comes with it

complex_step()
