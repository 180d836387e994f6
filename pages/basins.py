from qnviz.ui.form import started

started()

from qnviz.ui.basins import basins  # noqa: E402  torch comes with it

basins()
