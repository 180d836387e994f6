"""Sets of images by name: where their files are, and how they become Images."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from qnviz.errors import DataError, UndecidedError
from qnviz.problems.data import curves, files, formats, sets
from qnviz.problems.data.images import Images
from qnviz.problems.data.reading import USUAL, Reading
from qnviz.problems.data.sets import DIGITS, MNIST, mnist_part

DIMENSIONS = {"digits": 64, "curves": curves.PIXELS, "mnist": 784, "faces": 625}
FACES = ("faces.mat", "faces.npz", "faces.npy", "olivettifaces.mat", "newfaces_rot_single.mat")
SMALL_FACES = FACES[:3] + FACES[4:]      # others are offered at their own size as well
OWN = "file:"
REMEMBERED = 4                   # sets kept in memory
CHECKED = 256                    # files whose soundness is remembered
DEEPEST, MOST_FOLDERS = 4, 200   # folders that are looked into: levels, and of each so many

Stamp = tuple[tuple[Path, int, int], ...]                # file, time of change, size

_one_at_a_time = threading.Lock()


def load(name: str, folder: Path | None = None, reading: Reading = USUAL) -> Images:
    """The images of that name. The last few sets are kept, so many runs share one copy.

    Args:
        name: "digits", "curves", "mnist", "faces", or "file:NAME" for a file in the data folder,
            or for a folder there with files that are named as MNIST's are.
        folder: the data folder, if it is not the usual one.
        reading: how faces and files of one's own are to be read.

    Raises:
        UndecidedError: the file may be read in several ways; `reading` has to choose.
        DataError: unknown name, or files that are missing, damaged, or do not hold images.
    """
    where = folder or files.folder()
    with _one_at_a_time:                     # two runs that start together wait for one copy
        return _loaded(name, where, _stamp(_present(name, where)), reading)


def dimension(name: str, folder: Path | None = None, reading: Reading = USUAL) -> int:
    """Pixels per image; only for a file of one's own is anything read.

    Raises:
        DataError: as load does.
    """
    if name in DIMENSIONS:
        return DIMENSIONS[name]
    return load(name, folder, reading).train.shape[1]


def readable(name: str) -> bool:
    """Whether a person may choose how the images of that name are read."""
    return name == "faces" or name.startswith(OWN)


def identity(name: str, folder: Path | None = None) -> str:
    """What tells these images from others of the same name: a hash of their files.

    It is "" for images that come with qnviz, and "absent" for files that are not there.

    Raises:
        DataError: unknown name, or files that cannot be read.
    """
    paths = _files(name, folder or files.folder())
    if name == "digits":
        return ""
    if name == "curves":
        return f"curves {curves.VERSION}"
    return _digest(_stamp(paths)) if paths else "absent"


def available(folder: Path | None = None) -> list[str]:
    """Names that can be loaded now: what is in the data folder was read once and found sound.

    Raises:
        DataError: the data folder cannot be read.
    """
    where = folder or files.folder()
    names = ["digits", "curves", *(n for n in ("mnist", "faces") if _is_sound(n, where))]
    try:
        there = sorted(where.iterdir()) if where.is_dir() else []
        own = [p.name for p in there if not mnist_part(p.name) and (
            formats.known(p.name) and p.name not in SMALL_FACES if not p.is_dir() else
            MNIST[0] in _parts_within(p) and _is_another(p.name))]
    except OSError as error:
        raise files.unreadable(where, error) from None
    return names + [OWN + n for n in own if _is_sound(OWN + n, where)]


def find_mnist_part(part: str, where: Path) -> Path | None:
    """One of MNIST's files in the data folder, or in a folder within it.

    Folders that are called after another set, such as FashionMNIST, are left out.
    """
    return _parts_within(where, apart=_is_another).get(part)


def _parts_within(where: Path, apart: Callable[[str], bool] = lambda name: False) -> dict[
        str, Path]:
    """Files that are named as MNIST's are, by these names; those in the fewest folders win.

    Raises:
        DataError: the folder itself cannot be read; what cannot be within it is left out.
    """
    found: dict[str, Path] = {}
    level = [where] if where.is_dir() else []
    for depth in range(DEEPEST + 1):
        below: list[Path] = []
        for folder in level[:MOST_FOLDERS]:
            try:
                with os.scandir(folder) as entries:
                    inner = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                if depth == 0:
                    raise files.unreadable(where, error) from None
                continue
            for entry in inner:
                part = mnist_part(entry.name)
                if part and part not in found and files.exists(Path(entry.path)):
                    found[part] = folder / entry.name
                if (entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")
                        and not apart(entry.name)):
                    below.append(folder / entry.name)
        level = below
    return found


def _is_another(folder: str) -> bool:
    """Whether a folder is called after a set like MNIST: FashionMNIST, k-mnist, emnist."""
    letters = re.sub("[^a-z]", "", folder.lower())
    return "mnist" in letters and not letters.startswith("mnist")


def _files(name: str, where: Path) -> list[Path]:
    """The files that a name stands for; none where something is missing, or none is needed."""
    if name == "digits":
        return [DIGITS]
    if name == "curves":
        return []
    if name == "mnist":
        return _whole(_parts_within(where, apart=_is_another))
    if name == "faces":
        return [p for p in (where / n for n in FACES) if files.exists(p)][:1]
    if name.startswith(OWN):
        path = _inside(name.removeprefix(OWN), where)
        if path.is_dir():
            parts = _parts_within(path)
            return [parts[p] for p in MNIST if p in parts] if MNIST[0] in parts else []
        return [path] if files.exists(path) else []
    raise DataError(f"Unknown images {name!r}; known are {', '.join(DIMENSIONS)}, and "
                    f"{OWN}NAME of a file in the data folder.")


def _present(name: str, where: Path) -> list[Path]:
    """The files that a name stands for, or the error that says what is missing and what to do."""
    paths = _files(name, where)
    if paths or name == "curves":
        return paths
    if name == "mnist":
        there = _parts_within(where, apart=_is_another)
        missing = [p for p in (MNIST[0], MNIST[2]) if p not in there]
        raise DataError(
            f"MNIST is not {'whole' if there else 'there'}: {' and '.join(missing)} "
            f"{'are' if len(missing) > 1 else 'is'} missing in the data folder {where.name!r}. "
            f"If classes shall be shown it needs {MNIST[1]} and {MNIST[3]} as well; each may be "
            "packed with gzip and lie in a folder, such as MNIST/raw. Their home, "
            "yann.lecun.com/exdb/mnist, often does not answer; "
            "storage.googleapis.com/cvdf-datasets/mnist has the same files. They can also be "
            "uploaded in the app, all at once.")
    if name == "faces":
        raise DataError(
            f"The faces are not in the data folder {where.name!r}. They need one of "
            f"{', '.join(FACES)} there, with images of 25 × 25 pixels, or larger squares, which "
            "are reduced; www.cs.toronto.edu/~jmartens has the last one. A file can also be "
            "uploaded in the app.")
    raise DataError(f"{name.removeprefix(OWN)} is not in the data folder {where.name!r}.")


def _whole(parts: dict[str, Path]) -> list[Path]:
    """MNIST's files in their order, if both files of images are there."""
    whole = MNIST[0] in parts and MNIST[2] in parts
    return [parts[p] for p in MNIST if p in parts] if whole else []


def _inside(name: str, where: Path) -> Path:
    """The path of a file in the folder, and never of one outside."""
    if not name.isprintable() or not 0 < len(name) <= 200 or name.startswith(".") or \
            ".." in name or "/" in name or "\\" in name:
        raise DataError(f"{name[:80]!r} is not the name of a file in the data folder.")
    path = where / name
    if path.is_symlink() and not path.resolve().is_relative_to(where.resolve()):
        raise DataError(f"{name} is a link that leads out of the data folder.")
    return path


def _stamp(paths: list[Path]) -> Stamp:
    """What changes when a file is written: cheap, where a hash of its bytes is not."""
    stamp = []
    for path in paths:
        try:
            status = path.stat()
        except OSError as error:
            raise files.unreadable(path, error) from None
        stamp.append((path, status.st_mtime_ns, status.st_size))
    return tuple(stamp)


@lru_cache(maxsize=CHECKED)
def _digest(stamp: Stamp) -> str:
    digest = hashlib.sha256()
    for path, _, size in stamp:
        digest.update(f"{path.name} {size} ".encode())
        digest.update(files.read(path))
    return digest.hexdigest()[:32]


@lru_cache(maxsize=CHECKED)
def _sound(name: str, where: Path, stamp: Stamp) -> bool:
    try:
        if name == "mnist":                  # at 60,000 images, checking is a tenth of loading
            sets.mnist_parts([p for p, _, _ in stamp])
        else:
            _read(name, stamp, USUAL)
    except UndecidedError:                   # sound, once somebody has chosen
        return True
    except DataError:
        return False
    return True


def _is_sound(name: str, where: Path) -> bool:
    """Whether there are images of that name; files that hold none are simply not offered."""
    try:
        paths = _files(name, where)
        return bool(paths) and _sound(name, where, _stamp(paths))
    except DataError:
        return False


@lru_cache(maxsize=REMEMBERED)
def _loaded(name: str, where: Path, stamp: Stamp, reading: Reading) -> Images:
    if name == "digits":
        return sets.digits()
    if name == "curves":
        return sets.curves_of(where)
    return _read(name, stamp, reading)


def _read(name: str, stamp: Stamp, reading: Reading) -> Images:
    """Images from files."""
    paths = [p for p, _, _ in stamp]
    if name == "mnist":
        return sets.mnist(paths)
    own = name.removeprefix(OWN)
    if name != "faces" and own != paths[0].name:               # a folder
        return sets.read_folder(own, {mnist_part(p.name) or "": p for p in paths}, reading)
    read = sets.read_faces if name == "faces" else sets.read_own
    return read(paths[0].name, files.read(paths[0]), reading)
