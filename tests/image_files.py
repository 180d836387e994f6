"""Images and files of them, made for tests of reading them back."""

import io

import numpy as np
import pytest
import scipy.io

from qnviz.errors import DataError
from qnviz.problems import data
from qnviz.problems.data import curves, sets
from qnviz.problems.data.reading import area_means

N, H, W = 40, 5, 4
PARTS = sets.MNIST


def pixels(count=N, height=H, width=W, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, height, width), dtype=np.uint8)


def idx(array, code=0x08):
    sizes = b"".join(int(n).to_bytes(4, "big") for n in array.shape)
    return bytes([0, 0, code, array.ndim]) + sizes + array.tobytes()


def npy(array, **kwargs):
    buffer = io.BytesIO()
    np.save(buffer, array, **kwargs)
    return buffer.getvalue()


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def mat(compressed=True, **arrays):
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, arrays, do_compression=compressed)
    return buffer.getvalue()


def table(images, header="", labels=None, separator=","):
    """Images as lines of numbers, labels first."""
    labels = np.arange(len(images)) % 10 if labels is None else labels
    rows = np.column_stack([labels, images.reshape(len(images), -1)])
    lines = [separator.join(f"{v:g}" for v in row) for row in rows]
    return "\n".join([*([header] if header else []), *lines, ""]).encode()


def strokes(count, side=28):
    """Pictures whose neighbouring pixels resemble each other, none the same as another's."""
    drawn = curves.draw(count).reshape(-1, 28, 28)
    return drawn if side == 28 else np.rint(area_means(drawn, (side, side))).astype(np.uint8)


def portraits(people=40, each=10, side=64, seed=0):
    """Upright photographs that are nearly symmetric, those of one person in a row, uint8."""
    rng = np.random.default_rng(seed)
    y, x = (np.mgrid[:side, :side] + 0.5) / side - 0.5
    out = []
    for _ in range(people):
        wide, tall, eyes, tone = rng.uniform((0.25, 0.35, 0.06, 0.5), (0.35, 0.45, 0.12, 0.8))
        for _ in range(each):
            dx, dy = rng.normal(0, 0.02, 2)
            u, v = x - dx, y - dy
            face = tone / (1 + np.exp(40 * ((u / wide) ** 2 + (v / tall) ** 2 - 1))) + 0.2
            for at in (-eyes, eyes):
                face -= 0.3 * np.exp(-((u - 1.3 * at) ** 2 + (v + 0.12) ** 2) / 0.002)
            face -= 0.2 * np.exp(-(u / 0.12) ** 2 - ((v - 0.22) / 0.03) ** 2)
            out.append(np.clip(face + rng.normal(0, 0.01, face.shape), 0, 1))
    return np.rint(255 * np.array(out)).astype(np.uint8)


def fault(name, content):
    """The sentence about a file that somebody sent."""
    with pytest.raises(DataError) as error:
        data.read_upload(name, content)
    text = str(error.value)
    assert text.endswith(".")
    assert name in text
    return text


def together(set_):
    """Training and held-out images in one sorted list, so that sets can be compared."""
    both = np.concatenate([set_.train, set_.test])
    return both[np.lexsort(both.T)]


def unit(x):
    """What images (N, H, W) or (N, D) of 8 bits become, sorted as in `together`."""
    flat = (x.reshape(len(x), -1) / 255).astype(np.float32)
    return flat[np.lexsort(flat.T)]


def mnist_parts(train_classes=10, test_classes=7):
    """A small MNIST: images and labels by their file's name."""
    arrays = (pixels(60, 28, 28), np.arange(60, dtype=np.uint8) % train_classes,
              pixels(30, 28, 28, 1), np.arange(30, dtype=np.uint8) % test_classes)
    return dict(zip(PARTS, arrays, strict=True))


def check_mnist(x, parts):
    """The set `x` is the MNIST of `parts`."""
    assert np.array_equal(np.rint(x.train * 255).reshape(-1, 28, 28), parts[PARTS[0]])
    assert np.array_equal(np.rint(x.test * 255).reshape(-1, 28, 28), parts[PARTS[2]])
    assert np.array_equal(x.train_labels, parts[PARTS[1]])
    assert np.array_equal(x.test_labels, parts[PARTS[3]])
