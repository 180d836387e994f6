"""Autoencoders: nets that squeeze an image through a few units and draw it again.

    fully connected with biases, a linear code layer, target = input                     (MATH §1)
    f = mean over images of the cross-entropy of logits, summed over pixels,  or  ½ ‖u − x‖²

The published shapes are those on which K-BFGS was measured [Goldfarb, Ren, Bahamou 2020], after
[Hinton, Salakhutdinov 2006].
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, field_validator, model_validator
from torch import Tensor

from qnviz.errors import DataError
from qnviz.fields import choice, number, optional_number, optional_whole, text
from qnviz.problems import data, philox
from qnviz.problems.minibatches import Minibatches
from qnviz.problems.problem import Problem
from qnviz.problems.spec import Layer, ProblemSpec
from qnviz.problems.tape import Batch

PUBLISHED: dict[str, tuple[int, ...]] = {
    "digits": (64, 32, 16, 6, 16, 32, 64),
    "curves": (784, 400, 200, 100, 50, 25, 6, 25, 50, 100, 200, 400, 784),
    "mnist": (784, 1000, 500, 250, 30, 250, 500, 1000, 784),
    "faces": (625, 2000, 1000, 500, 30, 500, 1000, 2000, 625)}
WIDEST, LARGEST = 4096, 20_000_000      # units of a layer; parameters
REFERENCE = 2000                        # training images on which the loss is reported
HELD_OUT = 1000                         # held-out images on which the loss is reported
CODES = 300                             # … whose codes are kept
STRIP = 10                              # … whose reconstructions are kept

HIGHEST = 2.0**32                        # value of white

Width = Annotated[int, Field(ge=1, le=WIDEST)]


class Autoencoder(ProblemSpec):
    """An autoencoder on images."""

    title: ClassVar[str] = "Autoencoder"
    summary: ClassVar[str] = ("A net that squeezes an image through a few units, its code, and "
                              "draws it again. Deep ones are a standard test of second-order "
                              "methods: curvature differs by orders of magnitude from direction "
                              "to direction.")
    reference: ClassVar[str] = ("G. E. Hinton, R. R. Salakhutdinov, Reducing the Dimensionality of "
                                "Data with Neural Networks, Science 313, 2006; shapes as in "
                                "arXiv 2006.08877.")
    loss_name: ClassVar[str] = "training loss"
    equation: ClassVar[str] = (r"f(\theta) = \tfrac1N\sum_n \ell\big(u_\theta(x_n), x_n\big) + "
                               r"\tfrac\tau2\|\theta\|^2,\qquad \ell = -\sum_i x_i\log\sigma(u_i) "
                               r"+ (1-x_i)\log(1-\sigma(u_i))\ \text{ or }\ \tfrac12\|u-x\|^2")
    rare: ClassVar[tuple[str, ...]] = ("tau",)
    most_snapshots: ClassVar[int | None] = 100
    most_views: ClassVar[int] = 50
    reads: ClassVar[tuple[str, ...]] = ("white", "along", "height", "turn", "mirror")

    name: Literal["autoencoder"] = "autoencoder"
    data: str = text("digits", "The images: digits, curves, mnist, faces, or file:NAME of the data "
                     "folder.", "data")
    widths: tuple[Width, ...] = text((), "Units per layer, first and last the number of pixels, "
                                     "such as 64-32-16-6-16-32-64; empty for the published ones.",
                                     "widths")
    activation: Literal["tanh", "sigmoid", "relu", "softplus"] = choice(
        "relu", "What hidden units do; the code and the output are linear.", r"\varphi")
    loss: Literal["bce", "mse"] = choice(
        "bce", "Cross-entropy of every pixel, or half the squared error.", r"\ell")
    batch: int | None = optional_whole(256, "b", "Images per step; empty for all of them.", ge=1,
                                       le=100_000)
    white: float | None = optional_number(
        None, "", "The value of a file's pixels that is white; empty to take it from their type "
        "and range.", gt=0, le=HIGHEST, empty="as found")
    along: Literal["auto", "first", "last"] = choice(
        "auto", "The axis of a file's array along which one image follows another: first (one per "
        "row), last (one per column), or found from labels and neighbouring pixels.")
    height: int | None = optional_whole(
        None, "", "Pixels from top to bottom of an image that a file has as one row or column; "
        "empty to find it.", ge=1, le=10_000, empty="as found")
    turn: Literal["0", "90", "180", "270"] = choice(
        "0", "Degrees by which a file's images are turned counter-clockwise.")
    mirror: bool = choice(False, "Whether left and right of a file's images change places, before "
                          "they are turned.")
    tau: float = number(0.0, r"\tau", "Weight decay: ½τ‖θ‖² is added to the loss.", ge=0, le=1)

    @field_validator("widths", mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        """64-32-6-32-64, as a person writes it."""
        if isinstance(value, str):
            parts = [p for p in value.replace(",", "-").replace(" ", "-").split("-") if p]
            return [int(p) if p.isascii() and p.isdigit() else p for p in parts]
        return value

    @field_validator("data")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in PUBLISHED and not value.startswith("file:"):
            names = ", ".join(map(repr, PUBLISHED))
            raise ValueError(f"{value!r} is not one of {names}, or 'file:NAME' of a file in the "
                             "data folder")
        return value

    @model_validator(mode="after")
    def _reads_files_alone(self) -> Autoencoder:
        chosen = [n for n in self.reads if getattr(self, n) != type(self).model_fields[n].default]
        if chosen and not data.readable(self.data):
            raise ValueError(f"{' and '.join(chosen)} {'says' if len(chosen) == 1 else 'say'} how "
                             f"a file is read, but the images of {self.data} are known")
        return self

    @model_validator(mode="after")
    def _fits(self) -> Autoencoder:
        widths = self.widths
        if not widths:
            return self
        if len(widths) < 3 or widths[0] != widths[-1]:
            raise ValueError("widths must be at least three numbers, the first and the last of "
                             "them the same: what goes in shall come out")
        pixels = PUBLISHED[self.data][0] if self.data in PUBLISHED else None
        if pixels is not None and widths[0] != pixels:
            raise ValueError(f"widths starts with {widths[0]}, but an image of {self.data} has "
                             f"{pixels} pixels")
        if self.size > LARGEST:
            raise ValueError(f"these widths make {self.size:,} parameters; the limit is "
                             f"{LARGEST:,}")
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        """The widths as given, or the published ones for the data."""
        if self.widths:
            return self.widths
        if self.data in PUBLISHED:
            return PUBLISHED[self.data]
        pixels = data.dimension(self.data, reading=self.reading)
        return pixels, *((128,) if pixels > 128 else ()), 32, 6, 32, *(
            (128,) if pixels > 128 else ()), pixels

    @property
    def reading(self) -> data.Reading:
        """How the file of the images is read."""
        return data.Reading(self.white, self.along, self.height, int(self.turn), self.mirror)

    def images(self) -> data.Images:
        """The images.

        Raises:
            DataError: they are missing, damaged, or somebody has to choose how to read them.
        """
        return data.load(self.data, reading=self.reading)

    @property
    def notes(self) -> tuple[str, ...]:
        return self.images().notes

    @property
    def code(self) -> int:
        """The layer whose output is the code: the narrowest one."""
        inner = self.shape[1:-1]
        return inner.index(min(inner))

    @property
    def deterministic(self) -> bool:
        return self.batch is None

    @property
    def step_samples(self) -> int:
        return self.batch or len(self.images().train)

    @property
    def layers(self) -> tuple[Layer, ...]:
        sizes, code = self.shape, self.code
        return tuple(Layer(i, o, True, "identity" if l in (code, len(sizes) - 2)
                           else self.activation)
                     for l, (i, o) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)))

    @property
    def content(self) -> str:
        return data.identity(self.data)

    def build(self, dtype: torch.dtype, device: torch.device) -> ImageAutoencoder:
        return ImageAutoencoder(self, dtype, device)


class ImageAutoencoder(Problem):
    """The net and its images on a device."""

    def __init__(self, spec: Autoencoder, dtype: torch.dtype, device: torch.device):
        images = spec.images()
        pixels = images.train.shape[1]
        if spec.shape[0] != pixels:
            raise DataError(f"widths starts with {spec.shape[0]}, but an image of {spec.data} has "
                            f"{pixels} pixels.")
        super().__init__(spec.layers, spec.loss, dtype, device, spec.tau)
        self.spec, self.images = spec, images
        x, held_out = _tensors(spec.data, spec.reading, spec.content, dtype, device)
        self.draw = Minibatches(x, x, spec.batch, spec.data)
        one = torch.ones(1, 1, dtype=dtype, device=device)
        self.part = Batch(x[None, :REFERENCE], x[None, :REFERENCE], one, full=True)
        self.test = Batch(held_out[None, :HELD_OUT], held_out[None, :HELD_OUT], one, full=True)
        chosen = torch.as_tensor(self.chosen, device=device)
        self.strip = Batch(held_out[chosen][None], held_out[chosen][None], one, full=True)
        self.coded = Batch(held_out[None, :CODES], held_out[None, :CODES], one, full=True)

    def start(self, seed: int, runs: Tensor) -> Tensor:
        """Weights N(0, g/in), g = 2 before relu and softplus [He et al. 2015], else 1; biases 0."""
        zeroth = torch.zeros(1, dtype=torch.int64, device=runs.device)
        draws = philox.normal(seed, philox.START, runs, zeroth, self.size)[0].to(self.dtype)
        blocks = []
        for layer, W in zip(self.layers, self.split(draws), strict=True):
            gain = 2.0 if layer.activation in ("relu", "softplus") else 1.0
            W = W * (gain / layer.fan_in) ** 0.5
            blocks.append(torch.cat([W[..., :-1], torch.zeros_like(W[..., :1])], -1))
        return self.join(blocks)

    def batches(self, first: int, count: int, seed: int, runs: Tensor) -> Iterator[Batch]:
        yield from self.draw(first, count, seed, runs)

    def fresh(self, batch: Batch, iteration: int) -> Batch:
        return self.draw.fresh(batch, iteration)

    def reference(self) -> Batch:
        """The first 2,000 training images, or all where there are fewer."""
        return self.part

    def drawn(self, u: Tensor) -> Tensor:
        """The image that the output u stands for."""
        return torch.sigmoid(u) if self.loss_name == "bce" else u

    def report(self, theta: Tensor) -> dict[str, Tensor]:
        """Held-out loss, and squared error per image of the held-out reconstructions, (n,)."""
        tape = self.forward(theta, self.test)
        error = (self.drawn(tape.u) - self.test.target).square().sum(-1).mean(-1)
        return {"test_loss": tape.f, "error": error}

    def views(self, theta: Tensor, start: Tensor) -> dict[str, Tensor]:
        """Reconstructions (n, S, D) of a few held-out images, as bytes, and codes (n, N, d)."""
        images = self.drawn(self.forward(theta, self.strip).u).nan_to_num(0).clamp(0, 1)
        code = self.forward(theta, self.coded).h[self.spec.code]
        return {"reconstruction": (255 * images).round().to(torch.uint8), "code": code.float()}

    def scene(self) -> dict[str, np.ndarray]:
        shown = self.images.test[self.chosen]
        return {"inputs": (255 * shown).round().astype(np.uint8),
                "shape": np.array(self.images.shape),
                "labels": self.images.test_labels[:CODES].astype(np.int64)}

    @property
    def chosen(self) -> np.ndarray:
        """Held-out images to look at: one of each class, filled up from the first ones."""
        labels = self.images.test_labels
        firsts = [int(np.flatnonzero(labels == k)[0]) for k in np.unique(labels[labels >= 0])]
        rest = [i for i in range(len(labels)) if i not in firsts]
        return np.array((firsts + rest)[:STRIP])


@lru_cache(maxsize=4)
def _tensors(name: str, reading: data.Reading, identity: str, dtype: torch.dtype,
             device: torch.device) -> tuple[Tensor, Tensor]:
    """Training and held-out images on a device; entrants, pages and sweeps share them."""
    images = data.load(name, reading=reading)
    with torch.inference_mode(False):                 # the loop asks within it; autograd may too
        return tuple(torch.tensor(x, dtype=dtype, device=device)                 # type: ignore
                     for x in (images.train, images.test))
