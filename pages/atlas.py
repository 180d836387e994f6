from qnviz.ui.state.form import started

started()

from qnviz.ui.maps.atlas import atlas  # noqa: E402  torch comes with it

atlas()
