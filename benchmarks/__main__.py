"""`make bench`: run every benchmark and print one report."""

import argparse
import platform

import torch

from benchmarks import core, lab
from qnviz import __version__


def main() -> None:
    """Run all, or those named."""
    parser = argparse.ArgumentParser(prog="benchmarks")
    parser.add_argument("names", nargs="*", choices=["core", "lab", []], default=[])
    names = parser.parse_args().names or ["core", "lab"]
    print(f"qnviz {__version__}, torch {torch.__version__}, Python {platform.python_version()}, "
          f"{torch.get_num_threads()} threads\n")
    for name, module in (("core", core), ("lab", lab)):
        if name in names:
            module.main()


if __name__ == "__main__":
    main()
