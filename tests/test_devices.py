"""Where runs compute: Apple GPUs are refused, as they have no float64; drop-ins do without it."""

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from qnviz.__main__ import main
from qnviz.errors import DeviceError
from qnviz.optim import KBFGS, KBFGSL, CurveBall, NewtonKrylov
from qnviz.runs.device import resolve
from qnviz.runs.loop import run
from tests.helpers import spec


class NoFloat64(TorchDispatchMode):
    """A device that refuses float64, as Apple's do."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for x in tree_leaves(out):
            if isinstance(x, torch.Tensor) and x.dtype in (torch.float64, torch.complex128):
                raise TypeError(f"{func} makes {x.dtype}")
        return out


@pytest.fixture
def apple(monkeypatch):
    """A computer with an Apple GPU, and no other."""
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.usefixtures("apple")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_apple_gpu_is_refused_and_auto_takes_the_processor(dtype):
    with pytest.raises(DeviceError, match="Apple GPUs have no float64.*use 'auto' or 'cpu'"):
        run(spec("kbfgs", dtype=dtype, device="mps"))
    trace = run(spec("kbfgs", dtype=dtype, runs=1, steps=3))
    assert trace.device.startswith("on the CPU, as Apple GPUs have no float64")


@pytest.mark.usefixtures("apple")
def test_the_command_line_says_so(tmp_path, capsys):
    file = tmp_path / "run.json"
    file.write_text(spec("kbfgs", dtype="float32", device="mps").model_dump_json())
    assert main(["run", str(file), "--out", str(tmp_path / "run.npz")]) == 1
    assert "Apple GPUs have no float64" in capsys.readouterr().err


def test_elsewhere_no_apple_gpu_is_mentioned(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve("auto") == (torch.device("cpu"), "on the CPU")
    with pytest.raises(DeviceError, match="no float64"):
        resolve("mps")
    with pytest.raises(DeviceError, match="finds no CUDA device"):
        resolve("cuda")


def test_the_reason_is_true():
    """A run in float32 draws its noise, and judges its matrices, in float64."""
    with pytest.raises(TypeError, match="float64"), NoFloat64():
        run(spec("kbfgs", dtype="float32", device="cpu", runs=2, steps=3))


@pytest.mark.parametrize("kind", [KBFGS, KBFGSL, CurveBall, NewtonKrylov])
def test_drop_ins_in_float32_need_no_float64(kind):
    """They draw nothing and look at nothing, so that a model may stay on its device."""
    torch.manual_seed(0)
    x, y = torch.randn(20, 4), torch.randn(20, 2)
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2))
    opt = kind(model if kind in (KBFGS, KBFGSL) else model.parameters())

    def closure():
        output = model(x)
        loss = nn.functional.mse_loss(output, y)
        if kind not in (KBFGS, KBFGSL):
            return loss, output
        opt.zero_grad()
        loss.backward()
        return loss

    with NoFloat64():
        for _ in range(7):
            opt.step(closure)
    assert all(torch.isfinite(p).all() for p in model.parameters())
