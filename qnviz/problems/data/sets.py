"""Each set of images, made of arrays: digits, curves, MNIST, faces, and a person's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from qnviz.errors import DataError
from qnviz.paths import ASSETS
from qnviz.problems.data import curves, files, formats, images, layout
from qnviz.problems.data.choose import Chosen, choose, counterpart, role
from qnviz.problems.data.images import Images, Part, assemble
from qnviz.problems.data.layout import squeezed, times
from qnviz.problems.data.reading import USUAL, Reading, area_means, reduced_shape, turned

DIGITS = ASSETS / "digits.npz"
MNIST = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte",
         "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
SHEARED = 165_600                # images of newfaces_rot_single.mat: 40 people × 4,140

FACE = (25, 25)                  # height and width of the published faces


def digits() -> Images:
    """The digits that come with qnviz."""
    found = formats.npz(DIGITS.name, files.read(DIGITS))
    return assemble("digits", DIGITS.name, [Part(found["images"], found["labels"])],
                    "UCI Optical Recognition of Handwritten Digits (E. Alpaydin, C. Kaynak, 1998, "
                    "doi 10.24432/C50P49, CC BY 4.0), its 1,797 test images of 8×8 pixels; 360 of "
                    "them held out by a fixed shuffle.", shape=(8, 8), white=16)


def curves_of(where: Path) -> Images:
    """The curves, drawn or from the cache in the data folder."""
    drawn = curves.images(where)
    return assemble("curves", "curves", [Part(drawn[:curves.TRAIN]), Part(drawn[curves.TRAIN:])],
                    "Smooth curves through three random points, drawn by qnviz after Hinton and "
                    "Salakhutdinov (Science 313, 2006): 20,000 for training, 10,000 held out.",
                    shape=(curves.SIDE, curves.SIDE), white=255)


def mnist(paths: list[Path]) -> Images:
    """MNIST from two or four of its files.

    Raises:
        DataError: as `mnist_parts` does.
    """
    parts = mnist_parts(paths)
    return assemble("mnist", "MNIST", parts, "MNIST (Y. LeCun, C. Cortes, C. Burges), split by its "
                    f"files: {len(parts[0].images):,} for training, {len(parts[1].images):,} held "
                    "out.", shape=(28, 28), white=255)


def mnist_parts(paths: list[Path]) -> list[Part]:
    """Training and held-out images of MNIST with their labels.

    Raises:
        DataError: a file is damaged, of another shape, or labels and images differ in number.
    """
    found = {mnist_part(p.name): p for p in paths}
    read = {part: read_mnist_part(p.name, files.read(p)) for part, p in found.items()}
    for x, y in (MNIST[:2], MNIST[2:]):
        if y in read and len(read[y]) != len(read[x]):
            raise DataError(f"{found[x].name} has {len(read[x]):,} images, but {found[y].name} has "
                            f"{len(read[y]):,} labels.")
    return [Part(read[x], read.get(y)) for x, y in (MNIST[:2], MNIST[2:])]


def read_mnist_part(name: str, content: bytes) -> np.ndarray:
    """One of the four files of MNIST: images (N, 28, 28), or labels (N,), 8-bit.

    Raises:
        DataError: damaged, or of another shape or type.
    """
    array = formats.unpacked_idx(name, content)
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


def read_faces(name: str, content: bytes, reading: Reading = USUAL) -> Images:
    """Faces of 25×25 pixels; larger ones are reduced to that, as the published net has it.

    Raises:
        UndecidedError: a person has to say what is white.
        DataError: the file is damaged, or its images are smaller, or not square.
    """
    chosen = choose(name, formats.arrays(name, content))
    known = FACE if any(FACE[0] * FACE[1] in p.images.shape for p in chosen.parts) else None
    parts, notes = _laid(name, chosen, reading, known)
    (height, width), split = parts[0].images.shape[1:], "every fifth held out by a fixed shuffle"
    if height != width or height < FACE[0]:
        raise DataError(f"{name} has images of {times((height, width))} pixels, but they should be "
                        f"{times(FACE)}, or larger squares, which are reduced.")
    if (height, width) != FACE:
        parts, notes = _reduced(parts, FACE, notes)
    if len(parts) == 2:
        split = "split by the file"
    elif len(x := parts[0].images) == SHEARED:
        parts = [Part(x[:SHEARED // 40 * 25]), Part(x[-SHEARED // 40 * 10:])]
        split = "25 people for training, 10 others held out, as Martens (2010) did"
    return assemble("faces", name, parts, "Olivetti faces of 25×25 pixels [Hinton, Salakhutdinov, "
                    f"Science 313, 2006], from {name}; {split}.", white=reading.white, notes=notes)


def read_own(name: str, content: bytes, reading: Reading = USUAL) -> Images:
    """Images from the bytes of anybody's file.

    Raises:
        UndecidedError: a person has to say what is white.
        DataError: it is damaged, or does not hold images as `choose` finds them.
    """
    return _own(name, choose(name, formats.arrays(name, content)), reading, f"{name} of the data "
                "folder")


def read_folder(name: str, paths: dict[str, Path], reading: Reading = USUAL) -> Images:
    """Images from a folder with files that are named as MNIST's are.

    Args:
        name: the folder's name.
        paths: its files by the names that MNIST's have.
        reading: what somebody chose.

    Raises:
        UndecidedError: a person has to say what is white.
        DataError: a file is damaged, or they do not fit together.
    """
    found = {part: formats.arrays(p.name, files.read(p))[""] for part, p in paths.items()}
    return _own(name, choose(name, found), reading, f"the folder {name} of the data folder")


def combined(sent: Sequence[tuple[str, bytes]]) -> dict[str, np.ndarray]:
    """The arrays of several files that make one set, by names that say what they are.

    Args:
        sent: names and contents.

    Raises:
        DataError: one is damaged; labels come without their images; or they are no one set.
    """
    by_file = {name: {f"{formats.stem(name)} {inner}".strip(): array
                      for inner, array in formats.arrays(name, content).items()}
               for name, content in sent}
    for name, here in by_file.items():
        if _images(here):
            continue
        parts = {role(n)[0] for n in here}
        beside = [n for other in by_file.values() for n in _images(other)]
        if not any(role(n)[0] in parts or "" in parts for n in beside):
            missing = counterpart(name) or "the file of the images that they belong to"
            raise DataError(f"{name} holds labels, and {missing} is missing: send both together.")
    found = {n: array for here in by_file.values() for n, array in here.items()}
    return choose(", ".join(name for name, _ in sent), found).arrays()


def _images(found: dict[str, np.ndarray]) -> list[str]:
    """Names of arrays that are not labels."""
    return [n for n, x in found.items() if not role(n)[1] and squeezed(x).ndim >= 2]


def _own(name: str, chosen: Chosen, reading: Reading, source: str) -> Images:
    parts, notes = _laid(name, chosen, reading, chosen.shape)
    height, width = parts[0].images.shape[1:]
    if (shape := reduced_shape((height, width))) != (height, width):
        parts, notes = _reduced(parts, shape, notes)
    split = "every fifth held out by a fixed shuffle" if len(parts) == 1 else "split by the file"
    return assemble(name, name, parts, f"{source}, {split}.", white=reading.white, notes=notes)


def _laid(name: str, chosen: Chosen, reading: Reading, shape: tuple[int, int] | None) -> tuple[
        list[Part], tuple[str, ...]]:
    """Parts as images (N, H, W), turned as chosen, and what was decided."""
    arrays = [squeezed(p.images) for p in chosen.parts]
    if (total := sum(x.size for x in arrays)) > images.MOST_PIXELS:
        raise DataError(f"{name} has {total:,} pixels in all; the limit is {images.MOST_PIXELS:,}.")
    counts = [None if p.labels is None else p.labels.size for p in chosen.parts]
    layouts, said = layout.decide(name, arrays, counts, reading, shape)
    notes, parts = (said, *chosen.notes), []
    for part, array, laid in zip(chosen.parts, arrays, layouts, strict=True):
        labels = part.labels
        if labels is None and (labels := layout.classes(laid, array)) is not None:
            notes += (f"The shorter axis that counts gives {labels.max() + 1} classes.",)
        parts.append(Part(turned(laid.images(array), reading), labels))
    if reading.turn or reading.mirror:
        notes += (f"{'Mirrored' if reading.mirror else 'Turned'}"
                  + (f"{' and turned' if reading.mirror else ''} by {reading.turn}° "
                     "counter-clockwise" if reading.turn else "") + ", as chosen.",)
    return parts, notes


def _reduced(parts: list[Part], shape: tuple[int, int], notes: tuple[str, ...]) -> tuple[
        list[Part], tuple[str, ...]]:
    """The images made smaller, and the sentence that says so."""
    old = parts[0].images.shape[1:]
    smaller = [Part(area_means(p.images, shape), p.labels) for p in parts]
    return smaller, (*notes, f"Reduced from {times(old)} to {times(shape)} pixels by area means.")
