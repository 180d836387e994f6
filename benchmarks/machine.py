"""Where a benchmark runs: processor, cores, memory, GPU, and the versions of what it measures."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
from importlib import metadata
from pathlib import Path

from benchmarks.chromium import executable
from benchmarks.memory import children
from benchmarks.results import Setting
from qnviz import __version__

PACKAGES = ("torch", "numpy", "scipy", "streamlit", "plotly", "curvlinops-for-pytorch",
            "pytorch-minimize")
ABSENT = "not installed"


def setting() -> Setting:
    """This machine, and what is installed."""
    return Setting(machine={
        "processor": _processor(), "cores": str(os.cpu_count()), "memory": _memory(),
        "GPU": _gpu(), "system": f"{platform.system()} {platform.release()}"},
        versions={"qnviz": __version__, "Python": platform.python_version(),
                  **{name: _version(name) for name in PACKAGES}, "Chromium": _chromium()})


def _processor() -> str:
    """As Linux names it; what Python knows elsewhere."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def _memory() -> str:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return "unknown"
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"


def _gpu() -> str:
    import torch  # seconds, and the report alone does not need it

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "none"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ABSENT


def _chromium() -> str:
    path = executable()
    if path is None:
        return ABSENT
    told = subprocess.run([path, "--version"], check=False, capture_output=True, text=True)
    return next((word for word in told.stdout.split() if word[0].isdigit()), "unknown")


def processor_seconds() -> float:
    """Of this process and of all that it started, ended or not; on Linux alone the latter."""
    ended = sum(sum(resource.getrusage(who)[:2])
                for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    running = 0
    for pid in children(os.getpid()):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        except OSError:                        # it ended meanwhile
            continue
        running += sum(map(int, fields[11:15]))
    return ended + running / os.sysconf("SC_CLK_TCK")
