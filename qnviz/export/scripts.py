"""Python to take home: the run itself, and its methods on a model of the reader's own."""

from __future__ import annotations

import importlib
import inspect
import json
import textwrap
from typing import Any

from qnviz import __version__
from qnviz.export import words
from qnviz.fields import parameters
from qnviz.methods.base import DropIn, Method
from qnviz.methods.registry import METHODS
from qnviz.runs.spec import RunSpec
from qnviz.scoreboard.words import listed

WIDTH = 92
OWN_DATA = "file:"


def run_script(spec: RunSpec) -> str:
    """Python that computes a run with qnviz, says where each method ended, and saves it."""
    names = ", ".join(m.entrant for m in spec.methods)
    data = str(getattr(spec.problem, "data", ""))
    needs = (f"\nIt reads {data.removeprefix(OWN_DATA)!r} from qnviz's data folder.\n"
             if data.startswith(OWN_DATA) else "")
    about = textwrap.fill(f"{words.problem_title(spec.short())}: {names}.", WIDTH)
    return f'''"""{about}

Computes the run with qnviz (made with {__version__}) and saves it as qnviz-run.npz.
{needs}"""

from qnviz.runs.loop import stream
from qnviz.runs.spec import parse

# What stands at its default is left out; `python -m qnviz list` names all that can be set.
SPEC = {literal(spec.short())}

progress = None
for progress in stream(parse(SPEC)):     # chunk by chunk; progress.trace() is the run so far
    pass
trace = progress.trace()

for entrant in trace.entrants:
    # Numpy arrays by name: loss (looks, runs), work (steps + 1, runs), theta (looks, runs, P), ...
    columns = trace[entrant.label]
    print(f"{{entrant.title}}: {{trace.ends[entrant.label][0]}}")
    print(f"    loss {{columns['loss'][-1, 0]:.6g}} after {{columns['stopped'][0]}} steps")

trace.save("qnviz-run.npz")              # python -m qnviz export qnviz-run.npz --out run.html
'''


def literal(value: Any, indent: int = 0) -> str:
    """JSON as Python writes it, broken where a line would be too long."""
    flat = _flat(value)
    if len(flat) + indent <= WIDTH or not isinstance(value, (dict, list, tuple)) or not value:
        return flat
    inner = indent + 4
    if isinstance(value, dict):
        parts = [f"{_flat(name)}: {literal(item, inner)}" for name, item in value.items()]
        left, right = "{", "}"
    else:
        parts, (left, right) = [literal(item, inner) for item in value], "[]"
    lines = "".join(f"{' ' * inner}{part},\n" for part in parts)
    return f"{left}\n{lines}{' ' * indent}{right}"


def _flat(value: Any) -> str:
    """A value in one line, texts in double quotes."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flat(n)}: {_flat(v)}" for n, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_flat, value)) + "]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


# --- the same method on a model of one's own ------------------------------------------------------

CLOSURES = {
    "backward": '''    def closure():
        optimizer.zero_grad()
        loss = criterion(model(inputs), wanted)
        loss.backward()
        return loss
    return optimizer.step(closure)
''',
    "output": '''    def closure():
        output = model(inputs)
        return criterion(output, wanted), output         # without backward
    return optimizer.step(closure)
''',
    "loss": '''    def closure():
        return criterion(model(inputs), wanted)          # without backward
    return optimizer.step(closure)
''',
    "none": '''    optimizer.zero_grad()
    loss = criterion(model(inputs), wanted)
    loss.backward()
    optimizer.step()
    return loss
''',
}


def no_drop_in(method: Method) -> str:
    """Why there is no script for a method, in a sentence."""
    found: dict[str, list[str]] = {}
    for other in METHODS.values():
        if way := other().drop_in():
            found.setdefault(way.module, []).append(other.title)
    has = ", ".join(f"{module} has {listed(titles)}" for module, titles in found.items())
    return f"{method.title} has no drop-in here: {has}."


def model_script(method: Method) -> str | None:
    """Python that trains a model with a method and its settings; None where there is no drop-in.

    A small made-up model stands where the reader's goes, so the script runs as it is.
    """
    way = method.drop_in()
    if way is None:
        return None
    arguments, left = _arguments(method, way)
    missing = (f"\nWithout a counterpart here: {', '.join(left)}." if left else "")
    batches = ("[(x, target)]" if way.full_batch else
               "DataLoader(TensorDataset(x, target), batch_size=128, shuffle=True)")
    loader = ("" if way.full_batch else
              "from torch.utils.data import DataLoader, TensorDataset\n")
    ours = (f"\nfrom {way.module} import {way.name}\n" if way.module != "torch.optim" else "")
    name = way.name if ours else f"torch.optim.{way.name}"
    call = _call(name, [way.takes, *arguments])
    about = textwrap.fill(f"{way.note}{missing}", WIDTH)
    needs = "qnviz and torch" if ours else "torch alone"
    return f'''"""{method.title} with the settings of a qnviz run, on a model of your own.

{about}
Needs {needs}.
"""

import torch
from torch import nn
{loader}{ours}
torch.manual_seed(0)

# --- Your model, data and loss go here. The loss is a mean over the samples of a batch. ---
model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 1))
x = torch.randn(512, 8)
target = torch.sin(x).sum(1, keepdim=True)
criterion = nn.MSELoss()
batches = {batches}
# ------------------------------------------------------------------------------------------

{call}


def step(inputs, wanted):
    """One step on one batch; gives the loss before it."""
{CLOSURES[way.closure]}

for epoch in range(5):
    losses = [step(inputs, wanted).item() for inputs, wanted in batches]
    print(f"epoch {{epoch + 1}}: mean loss {{sum(losses) / len(losses):.4g}}")
'''


def _arguments(method: Method, way: DropIn) -> tuple[list[str], list[str]]:
    """The optimizer's arguments, and the settings that it does not have."""
    known = inspect.signature(getattr(importlib.import_module(way.module), way.name)).parameters
    given: dict[str, list[Any]] = {}
    left = []
    for q in parameters(type(method)):
        value, name = getattr(method, q.name), way.renamed.get(q.name, q.name)
        if name in known:
            given.setdefault(name, []).append(value)
        elif value != q.default:
            left.append(f"{q.name} = {value}")
    texts = [f"{name}={_flat(values[0]) if len(values) == 1 else repr(tuple(values))}"
             for name, values in given.items()]
    return sorted(texts, key=lambda text: not text.startswith("lr=")) + [
        f"{name}={_flat(value)}" for name, value in way.fixed.items()], left


def _call(name: str, arguments: list[str]) -> str:
    head = f"optimizer = {name}("
    return textwrap.fill(f"{head}{', '.join(arguments)})", WIDTH,
                         subsequent_indent=" " * len(head), break_long_words=False)
