"""Each set of images, made of arrays: digits, curves, MNIST, faces, and a person's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from qnviz.errors import DataError
from qnviz.problems.data import curves, files, formats
from qnviz.problems.data.images import Images, Part, assemble

DIGITS = files.ROOT / "assets" / "digits.npz"
MNIST = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte",
         "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
SHEARED = 165_600                # images of newfaces_rot_single.mat: 40 people × 4,140

TRAINING = ("train", "x_train", "bdata")                 # ours, Keras', digs3pts_1.mat's names
TESTING = ("test", "x_test", "bdatatest")
LABELS = ("labels", "label", "y")
EACH_LABELS = (("train_labels", "y_train"), ("test_labels", "y_test"))


def digits() -> Images:
    """The digits that come with qnviz."""
    found = formats.npz(DIGITS.name, files.read(DIGITS))
    return assemble("digits", DIGITS.name, [Part(found["images"], found["labels"])],
                    "UCI Optical Recognition of Handwritten Digits (E. Alpaydin, C. Kaynak, 1998, "
                    "doi 10.24432/C50P49, CC BY 4.0), its 1,797 test images of 8×8 pixels; 360 of "
                    "them held out by a fixed shuffle.", shape=(8, 8), divisor=16)


def curves_of(where: Path) -> Images:
    """The curves, drawn or from the cache in the data folder."""
    drawn = curves.images(where)
    return assemble("curves", "curves", [Part(drawn[:curves.TRAIN]), Part(drawn[curves.TRAIN:])],
                    "Smooth curves through three random points, drawn by qnviz after Hinton and "
                    "Salakhutdinov (Science 313, 2006): 20,000 for training, 10,000 held out.",
                    shape=(curves.SIDE, curves.SIDE), divisor=255)


def mnist(paths: list[Path]) -> Images:
    """MNIST from two or four of its files.

    Raises:
        DataError: a file is damaged, of another shape, or labels and images differ in number.
    """
    found = {mnist_part(p.name): p for p in paths}
    read = {part: read_mnist_part(p.name, files.read(p)) for part, p in found.items()}
    for images, labels in (MNIST[:2], MNIST[2:]):
        if labels in read and len(read[labels]) != len(read[images]):
            raise DataError(f"{found[images].name} has {len(read[images]):,} images, but "
                            f"{found[labels].name} has {len(read[labels]):,} labels.")
    parts = [Part(read[images], read.get(labels)) for images, labels in (MNIST[:2], MNIST[2:])]
    return assemble("mnist", "MNIST", parts, "MNIST (Y. LeCun, C. Cortes, C. Burges), split by its "
                    f"files: {len(parts[0].images):,} for training, {len(parts[1].images):,} held "
                    "out.", shape=(28, 28), divisor=255)


def read_mnist_part(name: str, content: bytes) -> np.ndarray:
    """One of the four files of MNIST: images (N, 28, 28), or labels (N,), 8-bit.

    Raises:
        DataError: damaged, or of another shape or type.
    """
    array = formats.arrays(name, content)[""]
    labels = "labels" in name
    if array.ndim != (1 if labels else 3):
        what = "labels have 1" if labels else "images have 3"
        raise DataError(f"{name} has {array.ndim} dimensions, but {what}.")
    if array.dtype != np.uint8:
        raise DataError(f"{name} holds values of type {array.dtype}, but MNIST is of 8-bit "
                        "unsigned ones (type 0x08).")
    if not labels and array.shape[1:] != (28, 28):
        raise DataError(f"{name} has images of {array.shape[1]} × {array.shape[2]} pixels, but "
                        "MNIST has 28 × 28.")
    return array


def mnist_part(name: str) -> str | None:
    """Which of MNIST's files is called that, with or without .gz, with dots or dashes."""
    plain = name.removesuffix(".gz").replace(".", "-")
    return plain if plain in MNIST else None


def read_faces(name: str, content: bytes) -> Images:
    """Faces of 25×25 pixels, one per row or per column.

    Raises:
        DataError: the file is damaged, or its images are not of that size.
    """
    parts, _ = _chosen(name, formats.arrays(name, content))
    parts = [Part(_upright(p.images), p.labels) for p in parts]
    split = "every fifth held out by a fixed shuffle"
    if len(parts) == 2:
        split = "split by the file"
    elif len(x := parts[0].images) == SHEARED:
        parts = [Part(x[:SHEARED // 40 * 25]), Part(x[-SHEARED // 40 * 10:])]
        split = "25 people for training, 10 others held out, as Martens (2010) did"
    return assemble("faces", name, parts, "Olivetti faces of 25×25 pixels [Hinton, Salakhutdinov, "
                    f"Science 313, 2006], from {name}; {split}.", shape=(25, 25))


def read_own(name: str, content: bytes) -> Images:
    """Images from the bytes of anybody's file.

    Raises:
        DataError: it is damaged, or does not hold images as they are described in `_chosen`.
    """
    found = formats.arrays(name, content)
    parts, shape = _chosen(name, found)
    split = "every fifth held out by a fixed shuffle" if len(parts) == 1 else "split by the file"
    return assemble(name, name, parts, f"{name} of the data folder, {split}.", shape=shape)


def _upright(images: np.ndarray) -> np.ndarray:
    """One face per row, if they came one per column."""
    sideways = images.ndim == 2 and images.shape[1] != 625 and images.shape[0] == 625
    return images.T if sideways else images


def _chosen(name: str, found: dict[str, np.ndarray]) -> tuple[
        list[Part], tuple[int, int] | None]:
    """Which arrays of a file are images, labels, and their shape.

    Images are arrays named train and test, or the only other array of two dimensions or more, or
    one of several that is named images. Labels are named labels, or train_labels and test_labels.
    """
    found = dict(found)
    shape = _shape(name, found.pop("shape", None))
    labels = _take(found, LABELS)
    each = [_take(found, names) for names in EACH_LABELS]
    split = [_take(found, names) for names in (TRAINING, TESTING)]
    if split[0] is not None and split[1] is not None:
        if labels is not None and labels.size == len(split[0]) + len(split[1]):
            each = [labels.reshape(-1)[:len(split[0])], labels.reshape(-1)[len(split[0]):]]
        elif labels is not None:
            raise DataError(f"{name} has {len(split[0]) + len(split[1]):,} images, but "
                            f"{labels.size:,} labels.")
        return [Part(x, y) for x, y in zip(split, each, strict=True) if x is not None], shape
    rest = {n: x for n, x in found.items() if x.ndim >= 2} | {
        n: x for n, x in zip(("train", "test"), split, strict=True) if x is not None}
    if "images" in rest:
        rest = {"images": rest["images"]}
    if not rest:
        lists = labels is not None or any(x.ndim == 1 for x in found.values())
        raise DataError(f"{name} holds {'labels, not images' if lists else 'no array of images'}.")
    if len(rest) > 1:
        raise DataError(f"{name} holds several arrays ({', '.join(sorted(rest)[:6])}); name the "
                        "images' one images, or two of them train and test.")
    images, = rest.values()
    return [Part(images, labels)], shape


def _take(found: dict[str, np.ndarray], names: tuple[str, ...]) -> np.ndarray | None:
    present = [found.pop(n) for n in names if n in found]
    return present[0] if present else None


def _shape(name: str, given: np.ndarray | None) -> tuple[int, int] | None:
    if given is None:
        return None
    values = given.reshape(-1)
    if len(values) != 2 or not all(1 <= v <= 10_000 and v == int(v) for v in values):
        raise DataError(f"{name} has a shape that is not a height and a width.")
    return int(values[0]), int(values[1])
