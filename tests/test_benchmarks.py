"""What the GPU benchmark promises: torch, numpy and pydantic are enough for it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CODE = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {missing}:
            raise ImportError(name + " is not installed on this machine")
sys.meta_path.insert(0, Missing())
from benchmarks import gpu
from qnviz.runs.spec import parse
for problem, _ in gpu.CASES.values():
    for method in gpu.METHODS:
        rows = gpu._fleet(parse({"problem": problem, "methods": [method], "steps": 2,
                                 "dtype": "float32", "device": "cpu"}), 3)
        assert len(rows["final_loss"]) == 3
"""
OTHERS = {"streamlit", "plotly", "pandas", "scipy", "mpmath", "tqdm", "loky", "dask", "distributed"}


def test_the_gpu_benchmark_needs_torch_numpy_and_pydantic_alone():
    done = subprocess.run([sys.executable, "-c", CODE.replace("{missing}", repr(OTHERS))],
                          check=False, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
