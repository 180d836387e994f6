"""Shared settings of all tests: one thread, and the warnings that are not ours."""

import pytest
import torch

from tests.helpers import facts


def pytest_configure(config):
    # torch 2.13 (2026-10) warns about its own torch.jit.script when torch.func.jvp is first used
    config.addinivalue_line("filterwarnings",
                            "ignore:`torch.jit.script`:DeprecationWarning")


@pytest.fixture(autouse=True)
def _one_thread():
    """Small problems are slower on several threads, and other tests run beside this one."""
    torch.set_num_threads(1)


@pytest.fixture
def available():
    """Skips what a method says it cannot do."""
    def check(method, problem, spec):
        if why := method.unavailable(spec or facts(problem)):
            assert why.endswith(".")
            pytest.skip(why)
    return check
