"""Shared settings of all tests: one thread, and the warnings that are not ours."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from qnviz.jobs.service import Service
from tests.helpers import facts, not_here
from tests.image_files import idx, mnist_parts
from tests.leaks import nothing_left

# What generated cases have found is kept outside the tree, as pytest's own cache is.
os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY",
                      str(Path(__file__).resolve().parents[1] / ".venv" / "cache" / "hypothesis"))


def pytest_configure(config):
    # torch 2.13 (2026-10) warns about its own torch.jit.script when torch.func.jvp is first used
    config.addinivalue_line("filterwarnings",
                            "ignore:`torch.jit.script`:DeprecationWarning")


# What the app's pages share, and a server keeps: nobody leaves a page that streamlit.testing ran.
SHARED = ("qnviz.jobs.service", "JOBS"), ("qnviz.jobs.workers", "_SWITCH")


def _close_shared():
    for module, name in SHARED:
        if module in sys.modules:
            getattr(sys.modules[module], name).close()


@pytest.fixture(autouse=True)
def _nothing_left():
    """Jobs, threads, processes and servers of a test end with it."""
    with nothing_left(close=_close_shared):
        yield


@pytest.fixture(autouse=True)
def _one_thread():
    """Small problems are slower on several threads, and other tests run beside this one."""
    torch.set_num_threads(1)


@pytest.fixture
def available():
    """Skips what a method says it cannot do."""
    def check(method, problem, spec):
        if why := not_here(method, spec) if spec else method.unavailable(facts(problem)):
            assert why.endswith(".")
            pytest.skip(why)
    return check


@pytest.fixture
def services():
    """Makes services whose jobs are stopped after the test."""
    made = []

    def make(**options):
        made.append(Service(**options))
        return made[-1]

    yield make
    for service in made:
        service.close()


@pytest.fixture
def jobs(services):
    """A service whose jobs are stopped after the test."""
    return services()


@pytest.fixture(scope="session")
def _tiny_folder(tmp_path_factory):
    """A data folder with tiny.npz: 60 images of 4×4 pixels in three classes, 48 for training."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    y, x = np.mgrid[:4, :4] / 3
    strokes = np.stack([x, y, (x - y) ** 2])[labels]
    images = 0.9 * strokes * rng.uniform(0.3, 1, (60, 1, 1)) + 0.1 * rng.random((60, 4, 4))
    np.savez(folder / "tiny.npz", images=np.round(255 * images).astype(np.uint8), labels=labels)
    return folder


@pytest.fixture
def tiny_images(_tiny_folder, monkeypatch):
    """The data folder that the small autoencoders of `variants()` read."""
    monkeypatch.setenv("QNVIZ_DATA", str(_tiny_folder))
    return _tiny_folder


@pytest.fixture
def where(tmp_path, monkeypatch):
    """An empty data folder."""
    monkeypatch.setenv("QNVIZ_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture
def mnist(where):
    """A small MNIST in the data folder; images and labels by their file's name."""
    parts = mnist_parts()
    for name, array in parts.items():
        (where / name).write_bytes(idx(array))
    return parts
