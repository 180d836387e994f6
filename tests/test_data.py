"""Images: what is read is what was written, and what is wrong is told in a sentence."""

import gzip
import io
import os
import pickle
import subprocess
import sys
import threading
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest
import scipy.io
from scipy.ndimage import label as components

from qnviz.errors import DataError
from qnviz.problems import data
from qnviz.problems.data import curves, files, formats, images, library, matlab, sets, uploads

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


@pytest.fixture
def where(tmp_path, monkeypatch):
    monkeypatch.setenv("QNVIZ_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture
def mnist(where):
    """A small MNIST; images and labels by their file's name."""
    arrays = (pixels(60, 28, 28), np.arange(60, dtype=np.uint8) % 10,
              pixels(30, 28, 28, 1), np.arange(30, dtype=np.uint8) % 7)
    parts = dict(zip(PARTS, arrays, strict=True))
    for name, array in parts.items():
        (where / name).write_bytes(idx(array))
    return parts


# digits -------------------------------------------------------------------------------------------

def test_the_digits_are_the_known_ones():
    x = data.load("digits")
    assert (x.train.shape, x.test.shape, x.shape) == ((1437, 64), (360, 64), (8, 8))
    both, classes = np.concatenate([x.train, x.test]), np.r_[x.train_labels, x.test_labels]
    assert np.bincount(classes).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert np.array_equal(np.unique(both * 16), np.arange(17))
    assert both.dtype == np.float32
    assert classes.dtype == np.int16
    first = np.array([0, 0, 5, 13, 9, 1, 0, 0]) / 16               # the first row of UCI's first 0
    row = np.flatnonzero((both[:, :8] == first).all(1))
    assert 0 in classes[row]
    assert "CC BY 4.0" in x.source


def test_labels_stay_with_their_images():
    """The mean images of train and test look alike, class by class."""
    x = data.load("digits")
    means = [np.stack([a[b == k].mean(0) for k in range(10)])
             for a, b in ((x.train, x.train_labels), (x.test, x.test_labels))]
    distance = np.linalg.norm(means[0][:, None] - means[1][None], axis=-1)
    assert np.array_equal(distance.argmin(1), np.arange(10))


@pytest.mark.parametrize("count", [20, 21, 1797])
def test_the_split_is_disjoint_and_complete(count):
    x = np.zeros((count, 2), np.float64)
    x[:, 0] = np.arange(count) / count
    split = images.assemble("x", "x", [images.Part(x)], "", shape=(1, 2))
    assert len(split.test) == -(-count // 5)
    seen = np.rint(np.r_[split.train[:, 0], split.test[:, 0]] * count)
    assert np.array_equal(np.sort(seen), np.arange(count))


def test_the_split_never_changes():
    assert images.shuffled(10).tolist() == [3, 2, 1, 8, 6, 0, 7, 4, 5, 9]


# curves -------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def strokes():
    return curves.draw(600)


def test_curves_do_not_depend_on_how_many_are_drawn(strokes, monkeypatch):
    monkeypatch.setattr(curves, "CHUNK", 7)
    assert np.array_equal(curves.draw(100), strokes[:100])


def test_curves_never_change(strokes):
    assert zlib.crc32(strokes[:20].tobytes()) == 2554817125


def test_every_curve_is_one_connected_thin_stroke(strokes):
    for x in strokes.reshape(-1, 28, 28):
        inked = x > 64
        assert components(inked, np.ones((3, 3)))[1] == 1
        assert x.max() > 200
        solid = np.lib.stride_tricks.sliding_window_view(inked, (5, 5)).all((-1, -2))
        assert not solid.any()                      # no blob of 5×5
    assert 0.01 < (strokes > 127).mean() < 0.08
    grey = (strokes > 50) & (strokes < 205)
    assert grey.sum() < 0.3 * (strokes > 0).sum()


def test_no_ink_is_lost_and_its_amount_is_the_length():
    """A straight line of 12 pixels holds 12 · INK, wherever it lies."""
    p = np.array([[[5.3, 9.1], [11.3, 9.1], [17.3, 9.1]], [[8.0, 4.0], [8.0, 13.0], [8.0, 16.0]]])
    assert curves._ink(p).sum(1) == pytest.approx(12 * curves.INK, rel=1e-3)


def test_the_curve_passes_through_its_points_and_stays_inside():
    corners = np.array([[-1, -1], [-1, 1], [1, 1], [1, -1], [0, 1], [0.3, -1]]) * curves.BOX / 2
    triples = np.array([corners[[i, j, k]] for i in range(6) for j in range(i) for k in range(j)])
    triples = triples + 13.5
    ink = curves._ink(triples).reshape(-1, 28, 28)
    assert np.isfinite(ink).all()
    assert not ink[:, [0, -1]].any()
    assert not ink[:, :, [0, -1]].any()
    for image, points in zip(ink, triples, strict=True):
        for x, y in points:
            near = image[int(y) - 1:int(y) + 3, int(x) - 1:int(x) + 3]
            assert near.max() > 0.5


def test_the_pen_takes_the_short_way():
    near, middle, far = [0.0, 0.0], [1.0, 0.2], [3.0, 0.0]
    for triple in ([near, far, middle], [middle, near, far], [near, middle, far]):
        ordered = curves._ordered(np.array([triple]))[0].tolist()
        assert ordered in ([near, middle, far], [far, middle, near])


@pytest.fixture
def few_curves(monkeypatch, where):
    """Thirty curves instead of 30,000, and a count of how often they were drawn."""
    monkeypatch.setattr(curves, "TRAIN", 20)
    monkeypatch.setattr(curves, "TEST", 10)
    drawn, draw = [], curves.draw
    monkeypatch.setattr(curves, "draw", lambda count: drawn.append(count) or draw(count))
    return where / "cache" / f"curves-{curves.VERSION}.npz", drawn


def test_curves_are_drawn_once_and_a_damaged_cache_is_drawn_anew(few_curves, where):
    cache, drawn = few_curves
    first = curves.images(where)
    assert drawn == [30]
    assert np.array_equal(curves.images(where), first)
    assert drawn == [30]
    whole = cache.read_bytes()
    other = npz(images=np.zeros((29, 784), np.uint8))
    for n, damaged in enumerate((whole[:-100], b"", b"nonsense", other, npz(x=first),
                                 whole[:400] + b"\0" * 50 + whole[450:])):
        cache.write_bytes(damaged)
        assert np.array_equal(curves.images(where), first)
        assert len(drawn) == n + 2
        assert formats.npz("cache", cache.read_bytes())["images"].shape == (30, 784)
    assert [p.name for p in cache.parent.iterdir()] == [cache.name]


def test_a_folder_that_cannot_be_written_only_costs_time(few_curves, where):
    (where / "cache").write_text("a file where the folder should be")
    assert len(curves.images(where)) == 30


def test_curves_as_a_set(few_curves, where):
    x = data.load("curves", where)
    assert (x.train.shape, x.test.shape, x.shape) == ((20, 784), (10, 784), (28, 28))
    assert x.train.min() == 0
    assert x.train.max() == 1
    assert np.array_equal(np.rint(x.test * 255), few_curves and curves.draw(30)[20:])
    assert (x.train_labels == -1).all()


# MNIST --------------------------------------------------------------------------------------------

def check_mnist(x, parts):
    assert np.array_equal(np.rint(x.train * 255).reshape(-1, 28, 28), parts[PARTS[0]])
    assert np.array_equal(np.rint(x.test * 255).reshape(-1, 28, 28), parts[PARTS[2]])
    assert np.array_equal(x.train_labels, parts[PARTS[1]])
    assert np.array_equal(x.test_labels, parts[PARTS[3]])


def test_mnist_is_read_back(mnist, where):
    check_mnist(data.load("mnist"), mnist)


@pytest.mark.parametrize("place", ["", "mnist"])
@pytest.mark.parametrize("dotted", [False, True])
def test_mnist_packed_and_named_otherwise(mnist, where, place, dotted):
    for name, array in mnist.items():
        (where / name).unlink()
        (where / place).mkdir(exist_ok=True)
        called = name.replace("-idx", ".idx") if dotted else name
        (where / place / f"{called}.gz").write_bytes(gzip.compress(idx(array)))
    check_mnist(data.load("mnist"), mnist)
    assert "mnist" in data.available()


def test_mnist_without_labels(mnist, where):
    for name in (PARTS[1], PARTS[3]):
        (where / name).unlink()
    x = data.load("mnist")
    assert (x.train_labels == -1).all()
    assert len(x.test_labels) == 30


def test_missing_mnist_says_where_to_get_it(mnist, where):
    (where / PARTS[2]).unlink()
    with pytest.raises(DataError, match="cvdf-datasets/mnist") as error:
        data.load("mnist")
    assert str(where) in str(error.value)
    assert PARTS[2] in str(error.value)
    assert "upload" in str(error.value)
    assert data.available() == ["digits", "curves"]


@pytest.mark.parametrize(("name", "content", "words"), [
    (PARTS[0], idx(pixels(60, 28, 28))[:-1], "truncated: its header says 60 × 28 × 28, which takes "
                                             "47,040 bytes, but 47,039 follow"),
    (PARTS[0], idx(pixels(60, 28, 28)) + b"\0", "too long"),
    (PARTS[0], b"\1" + idx(pixels(60, 28, 28))[1:], "not an IDX file: it starts with 01 00 08 03"),
    (PARTS[0], b"\0\0\x08", "not an IDX file"),
    (PARTS[0], b"\0\0\x07\3", "unknown IDX type 0x07"),
    (PARTS[0], b"\0\0\x08\7", "7 dimensions"),
    (PARTS[0], b"\0\0\x08\3\0\0", "within its header"),
    (PARTS[0], b"\0\0\x08\3" + b"\xff" * 12, "truncated"),
    (PARTS[0], b"", "empty"),
    (PARTS[0], idx(pixels(60, 28, 27)), "28 × 27"),
    (PARTS[0], idx(pixels(60, 28, 28)[:, 0]), "2 dimensions, but images have 3"),
    (PARTS[1], idx(pixels(60, 28, 28)), "3 dimensions, but labels have 1"),
    (PARTS[0], idx(pixels(60, 28, 28).astype(">f4"), 0x0D), "8-bit"),
    (PARTS[1], idx(np.zeros(59, np.uint8)), "59 labels"),
    (PARTS[2], idx(pixels(0, 28, 28)), "empty"),
])
def test_faults_of_mnist(mnist, where, name, content, words):
    (where / name).write_bytes(content)
    with pytest.raises(DataError, match=words) as error:
        data.load("mnist")
    assert name in str(error.value)


# faces --------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("name", "write"), [
    ("faces.npy", lambda x: npy(x.reshape(-1, 625))), ("faces.npy", npy),
    ("faces.npz", lambda x: npz(whatever=x.reshape(-1, 625).T)),
    ("faces.mat", lambda x: mat(faces=x.reshape(-1, 625).T.astype(float))),
    ("olivettifaces.mat", lambda x: mat(faces=x.reshape(-1, 625))),
    ("newfaces_rot_single.mat", lambda x: mat(newfaces_single=x.reshape(-1, 625).T / 255))])
def test_faces_are_read_in_every_form(where, name, write):
    x = pixels(40, 25, 25)
    (where / name).write_bytes(write(x))
    read = data.load("faces")
    assert (read.train.shape, read.test.shape, read.shape) == ((32, 625), (8, 625), (25, 25))
    assert together(read) == pytest.approx(unit(x), abs=1e-6)
    assert "faces" in data.available()


def test_faces_keep_the_split_of_their_file(where):
    a, b = pixels(30, 25, 25), pixels(10, 25, 25, 1)
    (where / "faces.npz").write_bytes(npz(train=a, test=b.reshape(10, 625)))
    x = data.load("faces")
    assert np.array_equal(np.rint(255 * x.train).reshape(-1, 25, 25), a)
    assert np.array_equal(np.rint(255 * x.test).reshape(-1, 25, 25), b)


def test_sheared_faces_are_split_by_person(monkeypatch):
    monkeypatch.setattr(sets, "SHEARED", 400)
    x = pixels(400, 25, 25)
    read = data.read_upload("newfaces_rot_single.mat", mat(newfaces_single=x.reshape(400, 625).T))
    flat = x.reshape(400, 625)
    assert np.array_equal(np.rint(255 * read.train), flat[:250])
    assert np.array_equal(np.rint(255 * read.test), flat[300:])


def test_faults_of_faces(where):
    with pytest.raises(DataError, match="newfaces_rot_single") as error:
        data.load("faces")
    assert str(where) in str(error.value)
    assert "576 pixels, but they should be 25 × 25" in fault("faces.npy", npy(pixels(40, 24, 24)
                                                                             .reshape(40, -1)))
    assert "24 × 24" in fault("faces.npy", npy(pixels(40, 24, 24)))


# one's own files ----------------------------------------------------------------------------------

FORMS = {
    "a.npy": npy, "a.npz": lambda x: npz(pictures=x), "a-idx3-ubyte": idx, "a.idx": idx,
    "a-idx3-ubyte.gz": lambda x: gzip.compress(idx(x)),
    "b.mat": lambda x: mat(True, x=x), "c.mat": lambda x: mat(False, x=x.astype(np.float64)),
    "d.mat": lambda x: mat(True, x=x.astype(np.int32), note="a text", s={"a": 1}),
    "f.npy": lambda x: npy(x / 255), "g.npy": lambda x: npy(np.asfortranarray(x)),
    "h.npy": lambda x: npy(x.astype(">f4")),
    "i.npz": lambda x: npz(x=x.reshape(len(x), -1), shape=np.array([H, W])),
    "j.npz": lambda x: npz(images=x, other=x[:2], text=np.array(["a", "b"])),
    "k.idx": lambda x: idx(x.astype(">f8"), 0x0E)}


@pytest.mark.parametrize("name", FORMS)
def test_a_file_is_read_back(where, name):
    x = pixels()
    (where / name).write_bytes(FORMS[name](x))
    read = data.load(f"file:{name}")
    assert (read.name, read.shape, read.train.shape) == (name, (H, W), (32, H * W))
    assert together(read) == pytest.approx(unit(x), abs=1e-7)
    assert data.dimension(f"file:{name}") == H * W
    assert f"file:{name}" in data.available()


@pytest.mark.parametrize("compressed", [False, True])
def test_our_matlab_reader_agrees_with_scipy(compressed):
    rng = np.random.default_rng(0)
    given = {"a": rng.random((3, 5)), "b": rng.integers(-9, 9, (2, 3, 4)).astype(np.int16),
             "long_name_of_an_array": rng.random((1, 7)).astype(np.float32),
             "c": np.array([[2**40]]), "d": rng.random((4, 4)) > 0.5}
    content = mat(compressed, **given)
    theirs, ours = scipy.io.loadmat(io.BytesIO(content)), matlab.arrays("x.mat", content)
    assert set(ours) == set(given)
    for name, x in ours.items():
        assert np.array_equal(x, theirs[name]), name
        assert x.shape == theirs[name].shape


def test_binary_images_are_not_darkened():
    x = (pixels() > 128)
    for form in (x, x.astype(np.uint8), x.astype(np.float32)):
        assert set(np.unique(together(data.read_upload("x.npy", npy(form))))) == {0, 1}


def test_train_and_test_are_scaled_alike():
    x = np.zeros((40, 2, 2), np.uint8)
    x[:, 0, 0] = 1
    bright = x * 255
    read = data.read_upload("x.npz", npz(train=bright, test=x))
    assert read.test.max() == np.float32(1 / 255)


def test_labels_follow_their_images():
    x = np.repeat(np.arange(N, dtype=np.uint8)[:, None], 4, 1)
    x[:, 0] = 200
    kinds = np.arange(N)
    for content in (npz(x=x, labels=kinds), npz(x=x, label=kinds[:, None].astype(float))):
        read = data.read_upload("x.npz", content)
        assert np.array_equal(np.rint(read.train[:, 1] * 255), read.train_labels)
        assert np.array_equal(np.rint(read.test[:, 1] * 255), read.test_labels)
    read = data.read_upload("x.npz", npz(train=x[:30], test=x[30:], labels=kinds))
    assert np.array_equal(read.test_labels, kinds[30:])
    read = data.read_upload("x.npz", npz(x_train=x[:30], x_test=x[30:], y_test=kinds[30:]))
    assert np.array_equal(read.test_labels, kinds[30:])
    assert (read.train_labels == -1).all()


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_pickles_are_never_loaded(tmp_path, name):
    trap = np.empty(30, object)
    trap[:] = Trap(tmp_path / "sprung")
    content = npy(trap, allow_pickle=True)
    pickle.loads(content[128:])[0].close()                   # the trap works
    (tmp_path / "sprung").unlink()
    if name.endswith("z"):
        content = npz(images=pixels(), extra=trap)
    assert "never loaded" in fault(name, content)
    assert not (tmp_path / "sprung").exists()


def flagged(kind):
    """A MATLAB file whose array says that it is of another class."""
    content = bytearray(mat(False, x=pixels().reshape(N, -1)))
    assert content[144] == 9                                   # uint8
    content[144] = kind
    return bytes(content)


HDF = (b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM").ljust(512, b"\0") + b"\x89HDF\r\n\x1a\n" * 9
FAULTS = {
    "nan": ("x.npy", npy(np.where(pixels() < 1, np.nan, pixels() / 255)), "NaN or infinite"),
    "inf": ("x.npy", npy(np.where(pixels() < 1, -np.inf, pixels() / 255)), "NaN or infinite"),
    "low": ("x.npy", npy(pixels() / 255 - 0.5), "must lie within 0 to 255, or 0 to 1"),
    "high": ("x.npy", npy(pixels() * 2.0), "must lie within"),
    "few": ("x.npy", npy(pixels(19)), "has 19 images, but at least 20"),
    "none": ("x.npy", npy(pixels(0)), "empty"),
    "no bytes": ("x.npy", b"", "empty"),
    "constant": ("x.npy", npy(np.full((30, 4), 7, np.uint8)), "one colour"),
    "no square": ("x.npy", npy(pixels().reshape(N, -1)), "20 pixels, which is no square"),
    "1-D": ("x.npy", npy(np.arange(30)), "labels, not images"),
    "4-D": ("x.npy", npy(pixels()[..., None]), "4 dimensions"),
    "5-D": ("x.npy", npy(pixels()[..., None, None]), "5 dimensions"),
    "text": ("x.npy", npy(np.array(["a"] * 30)), "not real numbers"),
    "complex": ("x.npy", npy(pixels() * 1j), "not real numbers"),
    "complex mat": ("x.mat", mat(x=pixels()[0] * 1j), "complex"),
    "structured": ("x.npy", npy(np.zeros(30, [("a", "i4")])), "not real numbers"),
    "short npy": ("x.npy", npy(pixels())[:-1], "truncated"),
    "long npy": ("x.npy", npy(pixels()) + b"\0", "too long"),
    "no npy": ("x.npy", b"\x93NUMPY\1\0\xff\xff{", "header is damaged"),
    "huge npy": ("x.npy", npy(pixels()).replace(b"(40, 5, 4), }", b"(10**18, 5)}"), "damaged"),
    "shape": ("x.npz", npz(x=pixels().reshape(N, -1), shape=np.array([3, 3])), "should be 3 × 3"),
    "bad shape": ("x.npz", npz(x=pixels(), shape=np.array([np.nan, 3])), "not a height and a"),
    "other shape": ("x.npz", npz(train=pixels(), test=pixels(9, 4, 4)), "held-out ones of 4 × 4"),
    "several": ("x.npz", npz(a=pixels(), b=pixels()), "several arrays (a, b)"),
    "no images": ("x.npz", npz(t=np.array("text")), "no array of images"),
    "labels": ("x.npz", npz(x=pixels(), labels=np.arange(39)), "40 images, but its labels are 39"),
    "labels 2": ("x.npz", npz(train=pixels(), test=pixels(9), labels=np.arange(9)), "49 images"),
    "half labels": ("x.npz", npz(x=pixels(), labels=np.arange(40) / 2), "whole numbers"),
    "nan labels": ("x.npz", npz(x=pixels(), labels=np.full(40, np.nan)), "whole numbers"),
    "square labels": ("x.npz", npz(x=pixels(), labels=np.zeros((8, 5))), "labels are 8 × 5"),
    "short npz": ("x.npz", npz(x=pixels())[:-9], "truncated"),
    "no npz": ("x.npz", b"PK" * 50, "not an .npz"),
    "hdf": ("x.mat", HDF, "7.3"),
    "pure hdf": ("x.mat", HDF[512:], "7.3"),
    "handle": ("x.mat", flagged(16), "function handle, which is never loaded"),
    "object": ("x.mat", flagged(3), "object, which is never loaded"),
    "opaque": ("x.mat", flagged(17), "object, which is never loaded"),
    "class": ("x.mat", flagged(99), "damaged"),
    "struct": ("x.mat", mat(s={"a": 1}), "no array of images"),
    "short mat": ("x.mat", mat(False, x=pixels())[:-20], "damaged or truncated"),
    "short packed mat": ("x.mat", mat(True, x=pixels())[:-20], "damaged or truncated"),
    "no mat": ("x.mat", b"MATLAB" * 40, "not a MATLAB file"),
    "no gz": ("x-idx3-ubyte.gz", idx(pixels()), "not packed with gzip"),
    "short gz": ("x-idx3-ubyte.gz", gzip.compress(idx(pixels()))[:-12], "end too early"),
    "flipped gz": ("x-idx3-ubyte.gz", gzip.compress(idx(pixels()))[:-8] + b"\0" * 8, "cannot be"),
    "two gz": ("x-idx3-ubyte.gz", gzip.compress(idx(pixels())) * 2, "behind the end"),
    "png": ("x.png", b"\x89PNG", "unknown ending"),
    "plain gz": ("x.gz", gzip.compress(b"hello"), "unknown ending"),
    "mnist's labels": (PARTS[1], idx(np.arange(60, dtype=np.uint8)), "labels, not images"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_faults_of_a_file(case):
    name, content, words = FAULTS[case]
    assert words in fault(name, content)


def test_a_fault_is_told_by_the_name_and_place_of_the_image():
    x = pixels() / 255
    x[7, 2, 2] = x[9, 0, 0] = np.nan
    assert "in 2 of its 40 images; the first is image 7" in fault("x.npy", npy(x))


@pytest.mark.parametrize("name", ["a.npy", "j.npz", "a-idx3-ubyte.gz", "a.idx", "b.mat", "d.mat",
                                  "c.mat"])
def test_no_damage_makes_anything_but_a_sentence(name, monkeypatch):
    """Flipped, lost and inserted bytes: the images are sound, or the error is ours."""
    monkeypatch.setattr(files, "UNPACKED", 1_000_000)
    rng = np.random.default_rng(0)
    whole = np.frombuffer(FORMS[name](pixels()), np.uint8)
    told = 0
    for _ in range(250):
        hurt = whole.copy()
        at = rng.integers(0, min(len(hurt), 10**int(rng.integers(1, 5))), rng.integers(1, 4))
        hurt[at] = rng.integers(0, 256, len(at))
        hurt = hurt[:rng.integers(len(hurt))] if rng.random() < 0.2 else hurt
        text = ""
        try:
            read = data.read_upload(name, hurt.tobytes())
        except DataError as error:
            text = str(error)
        if text:
            told += 1
            assert name in text
        else:
            assert np.isfinite(read.train).all()
            assert 0 <= read.train.min() <= read.train.max() <= 1
    assert told > 20


# bombs --------------------------------------------------------------------------------------------

def peak(name, content, words):
    """Memory that reading a file took before it was refused."""
    tracemalloc.start()
    assert words in fault(name, content)
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return taken


def test_bombs_are_not_unpacked(monkeypatch):
    monkeypatch.setattr(files, "UNPACKED", 1_000_000)
    zeros = np.zeros((100, 1000, 1000), np.uint8)                     # 100 MB
    bombs = {"x-idx3-ubyte.gz": gzip.compress(idx(zeros), 1), "x.npz": npz(x=zeros),
             "x.mat": mat(True, x=zeros)}
    for name, content in bombs.items():
        assert len(content) < 1_000_000
        assert peak(name, content, "which is the limit") < 5_000_000


def test_a_zip_that_lies_about_its_size_is_not_unpacked():
    """The directory says 1,000 bytes of what are 100 MB."""
    content = npz(x=np.zeros((100, 1000, 1000), np.uint8))
    info = zipfile.ZipFile(io.BytesIO(content)).infolist()[0]
    true, lie = info.file_size.to_bytes(4, "little"), (1000).to_bytes(4, "little")
    assert content.count(true) >= 1
    liar = content.replace(true, lie)
    assert zipfile.ZipFile(io.BytesIO(liar)).infolist()[0].file_size == 1000
    assert peak("x.npz", liar, "damaged") < 5_000_000


def test_many_arrays_in_one_mat_file_share_one_limit(monkeypatch):
    monkeypatch.setattr(files, "UNPACKED", 1_000_000)
    content = mat(True, **{f"x{i}": np.zeros((300, 1000), np.uint8) for i in range(4)})
    assert "which is the limit" in fault("x.mat", content)


def test_zips_of_other_packings_and_of_many_entries_are_refused():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_LZMA) as z:
        z.writestr("x.npy", npy(pixels()))
    assert "numpy does not use" in fault("x.npz", buffer.getvalue())
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as z:
        for i in range(formats.MOST_ARRAYS + 1):
            z.writestr(f"{i}.npy", b"")
    assert "1,001 arrays" in fault("x.npz", buffer.getvalue())
    end = bytearray(npz(x=pixels()))
    end[-10:-6] = (100_000_000).to_bytes(4, "little")
    assert "too many arrays" in fault("x.npz", bytes(end))


def test_too_much_is_refused(where, monkeypatch):
    (where / "x.npy").write_bytes(npy(pixels()))
    monkeypatch.setattr(images, "MOST_PIXELS", 799)
    with pytest.raises(DataError, match="40 images of 20 pixels; the limit is 799"):
        data.load("file:x.npy")
    monkeypatch.setattr(files, "UNPACKED", 900)
    with pytest.raises(DataError, match="limit"):
        data.load("file:x.npy")
    monkeypatch.setattr(files, "UPLOAD", 800)
    assert "928 bytes; the limit for uploads is 800 bytes" in fault("x.npy", npy(pixels()))
    with pytest.raises(DataError, match="uploads"):
        data.save_upload("x.npy", npy(pixels()))


# the folder ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["../x.npy", "/etc/passwd", "a/b.npy", "..", "", ".x.npy",
                                  "a\\b.npy", "a\0.npy", "a..npy", "x" * 300])
def test_no_name_leads_out_of_the_folder(where, name):
    inner = where / "inner"
    inner.mkdir()
    (where / "x.npy").write_bytes(npy(pixels()))
    with pytest.raises(DataError, match="not the name of a file in the data folder"):
        data.load(f"file:{name}", inner)


def test_no_link_leads_out_of_the_folder(where):
    inner = where / "inner"
    inner.mkdir()
    (where / "x.npy").write_bytes(npy(pixels()))
    (inner / "y.npy").symlink_to(where / "x.npy")
    with pytest.raises(DataError, match="leads out"):
        data.load("file:y.npy", inner)
    assert data.available(inner) == ["digits", "curves"]


def test_unknown_and_absent_names(where):
    with pytest.raises(DataError, match="Unknown images 'cifar'; known are digits, curves"):
        data.load("cifar")
    with pytest.raises(DataError, match=r"x\.npy is not in"):
        data.load("file:x.npy")
    (where / "x.npy").mkdir()
    with pytest.raises(DataError, match=r"x\.npy is not in"):
        data.load("file:x.npy")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(where):
    (where / "x.npy").write_bytes(npy(pixels()))
    (where / "x.npy").chmod(0)
    with pytest.raises(DataError, match=r"x\.npy cannot be read"):
        data.load("file:x.npy")


def test_a_file_that_the_system_refuses(where, monkeypatch):
    (where / "x.npy").write_bytes(npy(pixels()))

    def refuse(*_):
        raise PermissionError(13, "Permission denied")
    monkeypatch.setattr(files.Path, "open", refuse)
    with pytest.raises(DataError, match=r"x\.npy cannot be read: Permission denied\."):
        data.load("file:x.npy")


def test_the_folder_is_chosen_by_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("QNVIZ_DATA", str(tmp_path))
    assert data.folder() == tmp_path
    monkeypatch.delenv("QNVIZ_DATA")
    assert data.folder() == files.ROOT / "data"
    assert (files.ROOT / "pyproject.toml").exists()


def test_only_what_can_be_loaded_is_offered(where):
    assert data.available(where / "missing") == ["digits", "curves"]
    (where / "good.npy").write_bytes(npy(pixels()))
    (where / "bad.npy").write_bytes(npy(pixels())[:-1])
    (where / "notes.txt").write_text("hello")
    (where / ".hidden.npy").write_bytes(npy(pixels()))
    assert data.available() == ["digits", "curves", "file:good.npy"]
    (where / "bad.npy").write_bytes(npy(pixels()))
    assert data.available() == ["digits", "curves", "file:bad.npy", "file:good.npy"]


def test_dimensions_are_known_without_files(where):
    assert {n: data.dimension(n) for n in ("digits", "curves", "mnist", "faces")} == {
        "digits": 64, "curves": 784, "mnist": 784, "faces": 625}
    with pytest.raises(DataError, match="Unknown"):
        data.dimension("cifar")


def test_the_identity_follows_the_bytes(where):
    path = where / "x.npy"
    assert data.identity("file:x.npy") == "absent"
    path.write_bytes(npy(pixels()))
    first = data.identity("file:x.npy")
    path.write_bytes(npy(pixels(seed=1)))
    os.utime(path, ns=(1, 1))
    second = data.identity("file:x.npy")
    path.write_bytes(npy(pixels()))
    os.utime(path, ns=(2, 2))
    assert data.identity("file:x.npy") == first != second
    assert data.identity("digits") == ""
    assert data.identity("curves") != ""
    with pytest.raises(DataError, match="Unknown"):
        data.identity("cifar")


def test_sets_are_kept_and_read_only(where):
    path = where / "x.npy"
    path.write_bytes(npy(pixels()))
    first = data.load("file:x.npy")
    assert data.load("file:x.npy") is first
    for name in ("train", "test", "train_labels", "test_labels"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(first, name)[0] = 0
    path.write_bytes(npy(pixels(50)))
    assert len(data.load("file:x.npy").train) == 40
    for i in range(library.REMEMBERED):
        (where / f"{i}.npy").write_bytes(npy(pixels()))
        data.load(f"file:{i}.npy")
    assert library._loaded.cache_info().currsize == library.REMEMBERED


def test_runs_that_start_together_share_one_copy(where):
    (where / "x.npy").write_bytes(npy(pixels(2000, 20, 20)))
    got = []
    threads = [threading.Thread(target=lambda: got.append(data.load("file:x.npy")))
               for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 6
    assert len({id(x) for x in got}) == 1


# uploads ------------------------------------------------------------------------------------------

def test_an_upload_is_saved_under_a_safe_name(tmp_path):
    inner = tmp_path / "inner"
    name = data.save_upload("../../my pictures (1).npy", npy(pixels()), inner)
    assert name == "file:my-pictures-1-.npy"
    assert [p.name for p in tmp_path.rglob("*.npy")] == ["my-pictures-1-.npy"]
    assert together(data.load(name, inner)) == pytest.approx(unit(pixels()))
    assert uploads.safe_name("a" * 300 + ".npy") == "a" * 76 + ".npy"
    assert uploads.safe_name("C:\\pictures\\..x..npz") == "x.npz"
    assert uploads.safe_name("ä/") == "images"


def test_an_upload_never_replaces_another(where):
    first = data.save_upload("x.npy", npy(pixels()))
    assert data.save_upload("x.npy", npy(pixels())) == first == "file:x.npy"
    second = data.save_upload("x.npy", npy(pixels(seed=1)))
    assert second != first
    assert data.save_upload("x.npy", npy(pixels(seed=1))) == second
    assert together(data.load(first)) == pytest.approx(unit(pixels()))
    assert together(data.load(second)) == pytest.approx(unit(pixels(seed=1)))
    assert len(list(where.iterdir())) == 2


def test_a_bad_upload_leaves_nothing_behind(where):
    with pytest.raises(DataError, match="truncated"):
        data.save_upload("x.npy", npy(pixels())[:-1])
    assert not list(where.iterdir())


def test_mnist_and_faces_can_be_uploaded(where, tmp_path_factory):
    parts = (pixels(60, 28, 28), np.arange(60, dtype=np.uint8), pixels(30, 28, 28, 1),
             np.arange(30, dtype=np.uint8))
    for name, array in zip(PARTS, parts, strict=True):
        assert data.save_upload(f"{name}.gz", gzip.compress(idx(array), mtime=0)) == "mnist"
    check_mnist(data.load("mnist"), dict(zip(PARTS, parts, strict=True)))
    data.save_upload(f"{PARTS[0]}.gz", gzip.compress(idx(parts[0]), mtime=0))
    with pytest.raises(DataError, match="already in the data folder"):
        data.save_upload(PARTS[0], idx(pixels(60, 28, 28, 5)))
    assert data.save_upload("faces.npy", npy(pixels(40, 25, 25))) == "faces"
    with pytest.raises(DataError, match="already in the data folder"):
        data.save_upload("faces.npy", npy(pixels(40, 25, 25, 1)))
    with pytest.raises(DataError, match="28 × 27"):
        data.save_upload(PARTS[0], idx(pixels(60, 28, 27)))
    assert data.available() == ["digits", "curves", "mnist", "faces"]


def test_an_upload_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"x\.npy cannot be written into the data folder"):
        data.save_upload("x.npy", npy(pixels()), tmp_path / "file")


def test_half_a_file_is_never_left_behind(where, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(files.Path, "replace", full)
    with pytest.raises(DataError, match="No space left on device"):
        data.save_upload("x.npy", npy(pixels()))
    assert not list(where.iterdir())


def test_reading_images_loads_no_torch():
    code = ("import sys\nfrom qnviz.problems import data\ndata.load('digits')\n"
            "assert not {'torch', 'streamlit'} & set(sys.modules)")
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=files.ROOT,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
