"""Which arrays of a file are images and which are labels: by what they hold, then by their names.

Images are arrays of two dimensions or more that could be 20 images. Where there are several, names
say which are for training and which are held out (X_train, train_images, bdata, …), or which one is
called images. Labels are called so (y, labels, gnd, …), or are the only list of whole numbers that
repeat and of which there are as many as images.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from qnviz.errors import DataError
from qnviz.problems.data.images import Part
from qnviz.problems.data.layout import holds_images, squeezed

WORDS = {"train": "train", "training": "train", "tr": "train", "bdata": "train",
         "test": "test", "testing": "test", "te": "test", "heldout": "test", "bdatatest": "test",
         "val": "valid", "valid": "valid", "validation": "valid", "dev": "valid"}
LABELS = frozenset(("y", "label", "labels", "target", "targets", "class", "classes", "gnd"))
GLUED = re.compile(r"(x|y)(train|test|valid|val)|(train|test|valid|val)(x|y)")     # xtrain, testy
LISTED = 6                       # names of arrays in an error
PARTS = ("train", "test")


@dataclass(frozen=True)
class Chosen:
    """A file's images and labels, and what there is to say about the choice."""

    parts: list[Part]
    shape: tuple[int, int] | None
    notes: tuple[str, ...] = ()

    def arrays(self) -> dict[str, np.ndarray]:
        """The same by names that are read back as what they are."""
        two = len(self.parts) == 2
        found = {} if self.shape is None else {"shape": np.array(self.shape)}
        for part, name in zip(self.parts, PARTS if two else ("images",), strict=True):
            found[name] = part.images
            if part.labels is not None:
                found[f"{name}_labels" if two else "labels"] = part.labels
        return found


def role(name: str) -> tuple[str, bool]:
    """What an array is for ("train", "test", "valid" or ""), and whether it holds labels."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower().replace("t10k", "test")
    words = []
    for word in re.findall(r"[a-z]+", spaced):
        glued = GLUED.fullmatch(word)
        words += [g for g in glued.groups() if g] if glued else [word]
    part = next((WORDS[w] for w in words if w in WORDS), "")
    return part, not LABELS.isdisjoint(words)


def choose(file: str, found: dict[str, np.ndarray]) -> Chosen:
    """Find images and labels among a file's arrays.

    Args:
        file: the file's name, for errors.
        found: its arrays of numbers by name.

    Raises:
        DataError: there are no images, or several arrays that may be.
    """
    found = {name: x for name, x in found.items() if x.size}
    shape = _shape(file, found.pop("shape", None))
    roles = {name: role(name) for name in found}
    images = {n: x for n, x in found.items() if not roles[n][1] and squeezed(x).ndim >= 2}
    labels = {n: x for n, x in found.items() if roles[n][1]}
    if not images:
        lists = labels or any(squeezed(x).ndim == 1 for x in found.values())
        missing = counterpart(file)
        raise DataError(f"{file} holds {'labels, not images' if lists else 'no array of images'}"
                        + (f"; send it together with {missing}." if missing and lists else "."))
    by_part = {part: {n: x for n, x in images.items() if roles[n][0] == part}
               for part in ("train", "test", "valid")}
    held_out = "test" if by_part["test"] else "valid"
    if all(len(by_part[p]) == 1 for p in ("train", held_out)):
        (train, x), = by_part["train"].items()
        (test, held), = by_part[held_out].items()
        notes = _left_out(n for n in images if n not in (train, test))
        own = [next((y for n, y in labels.items() if roles[n][0] == p), None)
               for p in ("train", held_out)]
        common = next((y for n, y in labels.items() if not roles[n][0]), None)
        return Chosen(_paired(file, x, held, own, common), shape, notes)
    name = _only(file, images)
    y = next((y for n, y in labels.items() if roles[n][0] in ("", roles[name][0])), None)
    notes = _left_out(n for n, x in images.items() if n != name and holds_images(x))
    if y is None:
        listed, y = _list_of_classes(found, images[name])
        notes += (f"{listed} is taken as their labels.",) if listed else ()
    return Chosen([Part(images[name], y)], shape, notes)


def counterpart(file: str) -> str | None:
    """The file of images beside a file of labels that is named as MNIST's are."""
    if "labels" not in file:
        return None
    return file.replace("labels", "images").replace("idx1", "idx3")


def _paired(file: str, train: np.ndarray, test: np.ndarray, own: list[np.ndarray | None],
            common: np.ndarray | None) -> list[Part]:
    """Both parts with their labels: own ones, or one list for training and then the others."""
    if common is not None and own == [None, None]:
        flat = common.reshape(-1)
        for axis in (0, -1):
            if (n := train.shape[axis]) + test.shape[axis] == len(flat):
                return [Part(train, flat[:n]), Part(test, flat[n:])]
        raise DataError(f"{file} has {len(train) + len(test):,} images, but {len(flat):,} labels.")
    return [Part(train, own[0]), Part(test, own[1])]


def _only(file: str, images: dict[str, np.ndarray]) -> str:
    """The one array that holds the images."""
    for several in (images, {n: x for n, x in images.items() if holds_images(x)},
                    {n: x for n, x in images.items() if "images" in n.lower()}):
        if len(several) == 1:
            return next(iter(several))
    raise DataError(f"{file} holds several arrays ({', '.join(sorted(images)[:LISTED])}); name the "
                    "images' one images, or two of them train and test.")


def _list_of_classes(found: dict[str, np.ndarray], images: np.ndarray) -> tuple[
        str, np.ndarray | None]:
    """A list that may be labels by its values, and its name."""
    lists = {n: x for n, x in found.items() if x.size in images.shape
             and squeezed(x).ndim == 1 and _repeats(x)}
    return next(iter(lists.items())) if len(lists) == 1 else ("", None)


def _repeats(x: np.ndarray) -> bool:
    """Whether values are whole numbers of which most occur more than once."""
    if x.dtype.kind not in "iufb" or not np.isfinite(x).all() or (x != np.floor(x)).any():
        return False
    return bool(x.min() >= 0 and x.max() < 2**15) and 2 <= len(np.unique(x)) <= x.size // 2


def _left_out(names: Iterable[str]) -> tuple[str, ...]:
    listed = ", ".join(sorted(names)[:LISTED])
    return (f"Left out: {listed}.",) if listed else ()


def _shape(name: str, given: np.ndarray | None) -> tuple[int, int] | None:
    if given is None:
        return None
    values = given.reshape(-1)
    if len(values) != 2 or not all(1 <= v <= 10_000 and v == int(v) for v in values):
        raise DataError(f"{name} has a shape that is not a height and a width.")
    return int(values[0]), int(values[1])
