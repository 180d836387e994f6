"""Train a small autoencoder and a classifier on handwritten digits by the four methods and Adam.

    python -m examples.train_digits                       # both, all methods: less than a minute
    python -m examples.train_digits --task classifier --method kbfgs curveball --epochs 30
    python -m examples.train_digits --quick               # one epoch, to see that it runs

in the folder of the repository.

The 1,797 digits of 8×8 pixels come with the repository. The table gives the loss on all training
images at the end and, on the 360 held-out ones, the share of right answers (classifier) or the root
of the mean squared error of a pixel (autoencoder); then steps, calls of the closure, and seconds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qnviz.optim import KBFGS, KBFGSL, CurveBall, NewtonKrylov
from qnviz.problems.data import load

KINDS = {"kbfgs": KBFGS, "kbfgs_l": KBFGSL, "curveball": CurveBall, "newton_krylov": NewtonKrylov,
         "adam": torch.optim.Adam}
EPOCHS = {"autoencoder": 150, "classifier": 20}
# images per step, and settings: about the best of a small grid over seeds 0, 1, 2
SETTINGS: dict[str, dict[str, tuple[int, dict[str, Any]]]] = {
    "autoencoder": {
        "kbfgs": (256, {"lr": 0.3, "lam": 0.1}),
        "kbfgs_l": (256, {"lr": 0.2, "lam": 0.1}),
        "curveball": (256, {"lam": 3.0}),
        "newton_krylov": (239, {"lam": 0.1, "budget": 10, "curvature": "gauss_newton"}),
        "adam": (256, {"lr": 0.02})},
    "classifier": {
        "kbfgs": (256, {"lr": 1.0, "lam": 0.03}),
        "kbfgs_l": (256, {"lr": 1.0, "lam": 0.03}),
        "curveball": (479, {"lam": 0.03}),
        "newton_krylov": (239, {"lam": 0.01, "budget": 10, "curvature": "gauss_newton"}),
        "adam": (256, {"lr": 0.03})}}


def net(task: str) -> nn.Sequential:
    """The autoencoder 64-32-16-6-16-32-64 with a linear code, or the classifier 64-32-16-10."""
    if task == "classifier":
        return nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 16), nn.Tanh(),
                             nn.Linear(16, 10))
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(),
                         nn.Linear(16, 6), nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 32),
                         nn.ReLU(), nn.Linear(32, 64))


def criterion(task: str) -> Callable[[Tensor, Tensor], Tensor]:
    """A mean over images: cross entropy of the class, or of all pixels together."""
    if task == "classifier":
        return F.cross_entropy
    return lambda u, t: F.binary_cross_entropy_with_logits(u, t, reduction="sum") / len(u)


def data(task: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images and targets, to train with and held out."""
    images = load("digits")
    x, test = torch.tensor(images.train), torch.tensor(images.test)
    if task == "classifier":
        return x, torch.tensor(images.train_labels).long(), test, torch.tensor(
            images.test_labels).long()
    return x, x, test, test


def batches(images: int, size: int, epochs: int) -> Iterator[Tensor]:
    """Indices, shuffled anew in every epoch; an incomplete batch at its end is left out."""
    for _ in range(epochs):
        yield from torch.randperm(images)[:images // size * size].split(size)


def train(task: str, method: str, settings: dict[str, Any], size: int, epochs: int,
          seed: int) -> dict[str, Any]:
    """One training, and a row of the table."""
    torch.manual_seed(seed)
    x, t, test_x, test_t = data(task)
    model, loss, calls = net(task), criterion(task), 0
    # K-BFGS looks at layers, so it is given the model; the others take its parameters
    kronecker = method in ("kbfgs", "kbfgs_l")
    opt: Any = KINDS[method](model if kronecker else model.parameters(), **settings)
    if kronecker:
        with opt.warm_start():                          # the first statistics of the inputs
            model(x)
    began, steps = time.perf_counter(), 0
    for rows in batches(len(x), size, epochs):
        def closure(rows: Tensor = rows) -> Any:
            nonlocal calls
            calls += 1
            if method in ("curveball", "newton_krylov"):
                u = model(x[rows])
                return loss(u, t[rows]), u              # these differentiate themselves
            opt.zero_grad()
            f = loss(model(x[rows]), t[rows])
            f.backward()
            return f

        opt.step(closure)
        steps += 1
    seconds = time.perf_counter() - began
    with torch.no_grad():
        u = model(test_x)
        quality = ((u.argmax(1) == test_t).float().mean() if task == "classifier"
                   else (torch.sigmoid(u) - test_t).square().mean().sqrt())
        return {"method": method, "loss": loss(model(x), t).item(), "held out": quality.item(),
                "steps": steps, "calls": calls, "seconds": seconds}


def main(arguments: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Train what is asked for, print the tables, and return their rows."""
    parser = argparse.ArgumentParser(prog="python -m examples.train_digits")
    parser.add_argument("--task", nargs="+", choices=EPOCHS, default=list(EPOCHS))
    parser.add_argument("--method", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--epochs", type=int, help="150 and 20 if not given")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="one epoch of each")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)                            # the nets are small
    rows = []
    for task in asked.task:
        held_out = "right answers" if task == "classifier" else "error of a pixel"
        print(f"\n{task}\n{'method':<15}{'batch':>6}{'training loss':>15}{held_out:>18}"
              f"{'steps':>7}{'calls':>7}{'seconds':>9}  settings")
        for method in asked.method:
            size, settings = SETTINGS[task][method]
            epochs = 1 if asked.quick else asked.epochs or EPOCHS[task]
            row = train(task, method, settings, size, epochs, asked.seed)
            words = ", ".join(f"{name} {value}" for name, value in settings.items())
            print(f"{method:<15}{size:>6}{row['loss']:>15.4f}{row['held out']:>18.4f}"
                  f"{row['steps']:>7}{row['calls']:>7}{row['seconds']:>9.1f}  {words}", flush=True)
            rows.append({"task": task} | row)
    return rows


if __name__ == "__main__":
    main()
