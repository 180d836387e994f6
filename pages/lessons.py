from qnviz.ui.state.form import started

started()

from qnviz.ui.lessons.page import lessons  # noqa: E402  torch comes with it

lessons()
