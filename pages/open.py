from qnviz.ui.state.form import started

started()

from qnviz.ui.labs.open import open_run  # noqa: E402  torch comes with it

open_run()
