from qnviz.ui.state.form import started

started()

from qnviz.ui.maps.basins import basins  # noqa: E402  torch comes with it

basins()
