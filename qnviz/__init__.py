"""qnviz: see second-order optimizers for neural networks think."""

__version__ = "0.1.0"
