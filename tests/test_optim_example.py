"""The example trains; and what docs/optim.md shows runs as it stands there."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.helpers import generator

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "train_digits.py"
SNIPPETS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "optim.md").read_text("utf-8"), re.S)


def test_the_example_runs_quickly():
    done = subprocess.run([sys.executable, "-m", "examples.train_digits", "--quick"], check=False,
                          cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for method in ("kbfgs", "kbfgs_l", "curveball", "newton_krylov", "adam"):
        assert len(re.findall(rf"^{method} ", done.stdout, re.M)) == 2         # in both tables
    assert "nan" not in done.stdout


def test_the_example_s_methods_learn_to_read(capsys):
    rows = runpy.run_path(str(EXAMPLE))["main"](["--task", "classifier", "--epochs", "6"])
    assert len(rows) == 5
    shown = capsys.readouterr().out
    for row in rows:
        assert row["held out"] > 0.8, row["method"]        # of ten classes
        assert row["method"] in shown


@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_what_the_page_shows_runs(number):
    """Each on a small net `model`, with inputs x and labels t."""
    draw = generator(0)
    x = torch.randn(64, 20, generator=draw)
    t = torch.randint(0, 3, (64,), generator=draw)
    model = nn.Sequential(nn.Linear(20, 16), nn.Tanh(), nn.Linear(16, 3))
    exec(SNIPPETS[number], {"model": model, "x": x, "t": t, "loader": [(x, t), (x, t)],
                            "torch": torch, "nn": nn})


def test_the_page_shows_every_class():
    text = "".join(SNIPPETS)
    assert all(f"{name}(" in text for name in ("KBFGS", "KBFGSL", "CurveBall", "NewtonKrylov"))
