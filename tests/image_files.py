"""Images and files of them, made for tests of reading them back."""

import io

import numpy as np
import pytest
import scipy.io

from qnviz.errors import DataError
from qnviz.problems import data
from qnviz.problems.data import sets

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
