from qnviz.ui.form import started

started()

from qnviz.ui.open import open_run  # noqa: E402  torch comes with it

open_run()
