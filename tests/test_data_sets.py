"""The sets of images: digits, curves, MNIST and faces, and how they are split."""

import gzip
import zlib

import numpy as np
import pytest
from scipy.ndimage import label as components

from qnviz.errors import DataError
from qnviz.problems import data
from qnviz.problems.data import curves, formats, images, sets
from tests.image_files import PARTS, check_mnist, idx, mat, npy, npz, pixels, together, unit

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
    assert repr(where.name) in str(error.value)
    assert str(where) not in str(error.value)              # a visitor may read it
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


def test_missing_faces_say_where_to_get_them(where):
    with pytest.raises(DataError, match="newfaces_rot_single") as error:
        data.load("faces")
    assert repr(where.name) in str(error.value)
    assert str(where) not in str(error.value)
