"""Sets of images by name: where their files are, and how they become Images."""

from __future__ import annotations

import hashlib
import threading
from functools import lru_cache
from pathlib import Path

from qnviz.errors import DataError
from qnviz.problems.data import curves, files, formats, sets
from qnviz.problems.data.images import Images
from qnviz.problems.data.sets import DIGITS, MNIST, mnist_part

DIMENSIONS = {"digits": 64, "curves": curves.PIXELS, "mnist": 784, "faces": 625}
FACES = ("faces.mat", "faces.npz", "faces.npy", "olivettifaces.mat", "newfaces_rot_single.mat")
OWN = "file:"
REMEMBERED = 4                   # sets kept in memory
CHECKED = 256                    # files whose soundness is remembered

Stamp = tuple[tuple[Path, int, int], ...]                # file, time of change, size

_one_at_a_time = threading.Lock()


def load(name: str, folder: Path | None = None) -> Images:
    """The images of that name. The last few sets are kept, so many runs share one copy.

    Args:
        name: "digits", "curves", "mnist", "faces", or "file:NAME" for a file in the data folder.
        folder: the data folder, if it is not the usual one.

    Raises:
        DataError: unknown name, or files that are missing, damaged, or do not hold images.
    """
    where = folder or files.folder()
    with _one_at_a_time:                     # two runs that start together wait for one copy
        return _loaded(name, where, _stamp(_present(name, where)))


def dimension(name: str, folder: Path | None = None) -> int:
    """Pixels per image; only for a file of one's own is anything read.

    Raises:
        DataError: as load does.
    """
    return DIMENSIONS[name] if name in DIMENSIONS else load(name, folder).train.shape[1]


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
    """Names that can be loaded now: each file of one's own was read once and found sound.

    Raises:
        DataError: the data folder cannot be read.
    """
    where = folder or files.folder()
    names = ["digits", "curves", *(n for n in ("mnist", "faces") if _files(n, where))]
    try:
        there = sorted(p.name for p in where.iterdir()) if where.is_dir() else []
    except OSError as error:
        raise files.unreadable(where, error) from None
    own = [n for n in there if formats.known(n) and n not in FACES and not mnist_part(n)]
    return names + [OWN + n for n in own if _is_sound(n, where)]


def find_mnist_part(part: str, where: Path) -> Path | None:
    """The file in the data folder, or in its sub-folder mnist, if it is there."""
    dotted = part.replace("-idx", ".idx")
    names = [n + packed for n in (part, dotted) for packed in ("", ".gz")]
    places = (f / n for f in (where, where / "mnist") for n in names)
    return next(filter(files.exists, places), None)


def _files(name: str, where: Path) -> list[Path]:
    """The files that a name stands for; none where something is missing, or none is needed."""
    if name == "digits":
        return [DIGITS]
    if name == "curves":
        return []
    if name == "mnist":
        parts = [find_mnist_part(p, where) for p in MNIST]
        return [p for p in parts if p] if parts[0] and parts[2] else []
    if name == "faces":
        return [p for p in (where / n for n in FACES) if files.exists(p)][:1]
    if name.startswith(OWN):
        path = _inside(name.removeprefix(OWN), where)
        return [path] if files.exists(path) else []
    raise DataError(f"Unknown images {name!r}; known are {', '.join(DIMENSIONS)}, and "
                    f"{OWN}NAME of a file in the data folder.")


def _present(name: str, where: Path) -> list[Path]:
    """The files that a name stands for, or the error that says what is missing and what to do."""
    paths = _files(name, where)
    if paths or name == "curves":
        return paths
    if name == "mnist":
        raise DataError(
            f"MNIST is not in the data folder {where.name!r}. It needs {MNIST[0]} and {MNIST[2]} "
            f"there, and if classes shall be shown {MNIST[1]} and {MNIST[3]}, each with or without "
            ".gz. Their home, yann.lecun.com/exdb/mnist, often does not answer; "
            "storage.googleapis.com/cvdf-datasets/mnist has the same files. They can also be "
            "uploaded in the app.")
    if name == "faces":
        raise DataError(
            f"The faces are not in the data folder {where.name!r}. They need one of "
            f"{', '.join(FACES)} there, with images "
            "of 25 × 25 pixels; www.cs.toronto.edu/~jmartens has the last one. A file can also be "
            "uploaded in the app.")
    raise DataError(f"{name.removeprefix(OWN)} is not in the data folder {where.name!r}.")


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
        sets.read_own(name, files.read(stamp[0][0]))
    except DataError:
        return False
    return True


def _is_sound(name: str, where: Path) -> bool:
    """Whether a file of the folder holds images; a file that does not is simply not offered."""
    try:
        paths = _files(OWN + name, where)
        return bool(paths) and _sound(name, where, _stamp(paths))
    except DataError:
        return False


@lru_cache(maxsize=REMEMBERED)
def _loaded(name: str, where: Path, stamp: Stamp) -> Images:
    paths = [p for p, _, _ in stamp]
    if name == "digits":
        return sets.digits()
    if name == "curves":
        return sets.curves_of(where)
    if name == "mnist":
        return sets.mnist(paths)
    path, = paths
    return (sets.read_faces if name == "faces" else sets.read_own)(path.name, files.read(path))
