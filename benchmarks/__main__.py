"""`make bench`: run every benchmark and print one report."""

import argparse
import platform

import torch

from benchmarks import autoencoder, core, lab, nets, sweeps
from qnviz import __version__

PARTS = {"core": core, "nets": nets, "autoencoder": autoencoder, "lab": lab, "sweeps": sweeps}


def main() -> None:
    """Run all, or those named."""
    parser = argparse.ArgumentParser(prog="benchmarks")
    parser.add_argument("names", nargs="*", choices=[*PARTS, []], default=[])
    names = parser.parse_args().names or list(PARTS)
    print(f"qnviz {__version__}, torch {torch.__version__}, Python {platform.python_version()}, "
          f"{torch.get_num_threads()} threads\n")
    for name in names:
        PARTS[name].main()


if __name__ == "__main__":
    main()
