"""Browser components: the Python side of what `qnviz/web` runs there."""
