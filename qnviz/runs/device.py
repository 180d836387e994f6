"""Which device a run uses, and how many threads."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from qnviz.errors import DeviceError
from qnviz.problems.problem import Problem
from qnviz.runs.spec import RunSpec

NO_FLOAT64 = "Apple GPUs have no float64, in which noise is drawn and spectra are judged"
DTYPES = {"float64": torch.float64, "float32": torch.float32}

# Above this many numbers in a step's largest matrices, several threads pay; below, they cost
# 10-40 times the step under contention.
THREADING_SIZE = 200_000


def resolve(device: str) -> tuple[torch.device, str]:
    """The device for a request, and a sentence that says which it is and why.

    Raises:
        DeviceError: the device asked for is not there, or has no float64.
    """
    cuda = torch.cuda.is_available()
    if device == "cuda" and not cuda:
        raise DeviceError("device is 'cuda', but torch finds no CUDA device here; use 'auto'.")
    if device == "mps":
        raise DeviceError(f"device is 'mps', but {NO_FLOAT64}, also in float32 runs; use 'auto' or "
                          "'cpu'.")
    if device == "cuda" or (device == "auto" and cuda):
        return torch.device("cuda"), f"on {torch.cuda.get_device_name()}"
    why = f", as {NO_FLOAT64}" if device == "auto" and torch.backends.mps.is_available() else ""
    return torch.device("cpu"), f"on the CPU{why}"


def built(spec: RunSpec) -> tuple[Problem, str]:
    """The problem of a run on its device, and a sentence that says which that is and why.

    Raises:
        DeviceError: as `resolve` does.
        DataError: the problem's data are missing or damaged.
    """
    device, words = resolve(spec.device)
    return spec.problem.build(DTYPES[spec.dtype], device), words


@contextmanager
def enough_memory(spec: RunSpec) -> Iterator[None]:
    """Say in a sentence what does not fit the memory of a run's device.

    Raises:
        DeviceError: it does not.
    """
    try:
        yield
        return
    except (RuntimeError, MemoryError) as error:
        # of a processor's memory torch has no class of errors
        if not isinstance(error, torch.OutOfMemoryError | MemoryError) and (
                "DefaultCPUAllocator" not in str(error)):
            raise
    raise DeviceError(
        f"The memory of {resolve(spec.device)[0]} does not hold this run: "
        f"{spec.runs:,} run{'s' * (spec.runs > 1)} of {len(spec.methods)} "
        f"method{'s' * (len(spec.methods) > 1)} with {spec.problem.size:,} parameters. Fewer "
        "runs, smaller batches or narrower layers take less.")


def set_threads(largest: int) -> None:
    """One intra-op thread for small problems, all cores for steps with large matrices."""
    wanted = 1 if largest < THREADING_SIZE else (os.cpu_count() or 1)
    if torch.get_num_threads() != wanted:
        torch.set_num_threads(wanted)
