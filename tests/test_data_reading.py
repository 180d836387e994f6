"""How a file of images is read: scale, axes, arrays, tables, folders, and a person's choices.

Right values are computed apart from the readers: images that are known, written in every layout and
on every scale, must come back as they are.
"""

import gzip
import itertools
import json
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from qnviz.__main__ import main
from qnviz.errors import DataError, UndecidedError
from qnviz.problems import data
from qnviz.problems.autoencoder import Autoencoder
from qnviz.problems.data import choose, formats, images, layout, scale, sets, uploads
from qnviz.problems.data.reading import area_means, reduced_shape
from qnviz.runs.loop import run
from qnviz.runs.spec import parse
from qnviz.ui.state.defaults import IMAGES
from qnviz.ui.state.settings import read_query, write_query
from tests.image_files import (
    PARTS,
    check_mnist,
    fault,
    idx,
    mat,
    mnist_parts,
    npy,
    npz,
    pixels,
    portraits,
    strokes,
    table,
    together,
    unit,
)

SLOW = settings(max_examples=40, deadline=None,
                suppress_health_check=[HealthCheck.function_scoped_fixture])
DIGITS = np.load(sets.DIGITS)["images"].reshape(-1, 8, 8)          # 0 … 16
STROKES = strokes(1600)
LETTERS = np.random.default_rng(5).permutation(DIGITS)[:400]


def read(array, name="x.npy", **choices):
    return data.read_upload(name, npy(array), data.Reading(**choices))


def same(set_, x):
    """Whether a set holds just these images (N, H, W), 8-bit."""
    return set_.shape == x.shape[1:] and np.allclose(together(set_), unit(x), atol=1e-6)


# scale --------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("white", "kinds"), [
    (1, ("u1", "i8", "f4", "f8")), (16, ("u1", "i4", "f8")), (100, ("i2", "f4", "f8")),
    (255, ("u1", "u2", "i4", "f4", "f8")), (1023, ("u2", "f8")), (4095, ("u2", "i4", "f8")),
    (16383, ("u2", "f4")), (65535, ("u2", "i4", "f4", "f8"))])
def test_a_scale_that_is_plain_is_found_and_said(white, kinds):
    levels = np.rint(white * (DIGITS / 16))
    for kind in kinds:
        found = read(levels.astype(kind))
        right = np.sort((levels / white).astype(np.float32).ravel())
        np.testing.assert_allclose(np.sort(together(found).ravel()), right, atol=1e-6)
        assert any(f"{white:g} is white, by their type and range" in n for n in found.notes)
    assert scale.usual(1.0, {np.dtype(bool)}) == 1


def test_the_digits_of_scikit_learn_are_not_nearly_black():
    """The issue's own case: load_digits().images are 0 … 16 as float64."""
    found = data.read_upload("digits.npz", npz(images=DIGITS.astype(np.float64)))
    assert found.train.max() == 1
    assert found.train.mean() == pytest.approx((DIGITS / 16).mean(), rel=0.02)


@pytest.mark.parametrize(("highest", "kind"), [
    (2, "u1"), (14, "u1"), (17, "u1"), (100, "u1"), (127, "u1"), (1.5, "f8"), (94, "f8"),
    (110, "f8"), (256, "f8"), (300, "i2"), (1000, "i4"), (10_000, "u2"), (30_000, "u2"),
    (65_536, "i4"), (1e6, "f8"), (0.06, "f8"), (0.19, "f4")])
def test_a_scale_that_is_ambiguous_is_asked_for(highest, kind):
    x = (DIGITS / 16 * highest).astype(kind)
    x[0, 0, 0] = highest
    with pytest.raises(UndecidedError, match="does not say which value is white. Choose white "
                                             "under \"Your data\", or as \"white\""):
        read(x)
    chosen = read(x, white=2.0 * highest)
    assert chosen.train.max() == pytest.approx(0.5, rel=1e-6)
    assert f"{2 * highest:g} is white, as chosen" in " ".join(chosen.notes)
    with pytest.raises(DataError, match="at least as bright as the brightest pixel"):
        read(x, white=0.9 * highest)


@SLOW
@given(st.floats(1e-6, 1e9), st.sampled_from(["f4", "f8"]))
def test_a_guessed_white_is_never_far_above_the_brightest_pixel(highest, kind):
    """What is not asked for is at most twice the brightest pixel, or 1 for numbers up to 1."""
    white = scale.usual(highest, {np.dtype(kind)})
    if white is not None:
        assert highest <= white * (1 + 1e-6)
        assert white <= 2 * highest or white == 1 and highest >= scale.DARKEST
    assert white is None or white in scale.CHOICES


def test_an_ambiguous_file_is_kept_and_offered_so_that_it_can_be_read(where):
    x = (DIGITS * 3).astype(np.uint8)                                # up to 48
    assert data.save_upload("dark.npy", npy(x)) == "file:dark.npy"
    assert "file:dark.npy" in data.available()
    with pytest.raises(UndecidedError):
        data.load("file:dark.npy")
    assert data.load("file:dark.npy", reading=data.Reading(white=48)).train.max() == 1


# axes ---------------------------------------------------------------------------------------------

LAYOUTS = {
    "rows": lambda x: x.reshape(len(x), -1), "columns": lambda x: x.reshape(len(x), -1).T,
    "NHW": lambda x: x, "HWN": lambda x: np.moveaxis(x, 0, -1),
    "N1HW": lambda x: x[:, None], "NHW1": lambda x: x[..., None],
    "HW1N": lambda x: np.moveaxis(x, 0, -1)[:, :, None],
    "Dnk": lambda x: x.reshape(-1, 10, x[0].size).transpose(2, 0, 1),
    "nkD": lambda x: x.reshape(-1, 10, x[0].size)}


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("count", [200, 400, 780, 1600])
@pytest.mark.parametrize("pictures", [STROKES, LETTERS * 15, strokes(780, 16)],
                         ids=["strokes", "letters", "small"])
def test_every_layout_gives_the_same_images(name, count, pictures):
    x = np.resize(pictures, (count, *pictures.shape[1:]))
    rough = name == "nkD" and x.shape[1] == 8              # two neighbours differ as images do
    found = read(LAYOUTS[name](x), height=8 if rough else None)
    assert same(found, x)
    assert f"{count:,} images of {x.shape[1]} × {x.shape[2]} pixels" in found.notes[0]


@pytest.mark.parametrize(("name", "shape"), [("columns", (784, 1600)), ("HWN", (28, 28, 1600)),
                                             ("columns", (784, 784)), ("HWN", (28, 28, 28))])
def test_the_issues_own_shapes(name, shape):
    x = STROKES[:shape[-1]]
    array = LAYOUTS[name](x)
    assert array.shape == shape
    assert same(read(array), x)


def test_ten_thousand_columns_are_ten_thousand_images():
    x = np.tile(STROKES[:1000], (10, 1, 1))
    found = read(x.reshape(10_000, 784).T)
    assert same(found, x)
    assert "784 × 10,000 values are 10,000 images of 28 × 28 pixels, one per column" in \
        found.notes[0]


def test_two_axes_that_count_give_classes():
    """256 × 1100 × 10, as USPS digits are stored: 1,100 images of each of ten classes."""
    x = np.resize(strokes(550, 16), (11_000, 16, 16))
    stored = x.reshape(1100, 10, 256).transpose(2, 0, 1)
    assert stored.shape == (256, 1100, 10)
    found = data.read_upload("usps.mat", mat(data=stored))
    assert same(found, x)
    assert np.bincount(np.r_[found.train_labels, found.test_labels]).tolist() == [1100] * 10
    assert "10 classes" in " ".join(found.notes)
    kinds = dict(zip(map(bytes, x.reshape(-1, 256)), np.arange(11_000) % 550 % 10, strict=True))
    stored = np.rint(255 * found.train).astype(np.uint8)
    assert all(kinds[bytes(i)] == k for i, k in zip(stored, found.train_labels, strict=True))


def test_labels_beside_decide_where_pixels_do_not_tell():
    noise = np.random.default_rng(0).integers(0, 256, (100, 400), dtype=np.uint8)
    by_rows = data.read_upload("x.npz", npz(a=noise, y=np.arange(100) % 3))
    by_columns = data.read_upload("x.npz", npz(a=noise, y=np.arange(400) % 3))
    assert by_rows.shape == (20, 20)
    assert by_columns.shape == (10, 10)
    assert "so many labels" in by_rows.notes[0]
    assert "so many labels" in by_columns.notes[0]
    neither = data.read_upload("x.npy", npy(noise))
    assert neither.shape == (20, 20)
    assert "neighbouring pixels do not tell" in neither.notes[0]
    size = data.read_upload("x.npy", npy(np.resize(noise, (784, 1600))))     # 28² and 40²
    assert size.shape == (28, 28)


def test_training_and_held_out_arrays_agree_on_the_axis_of_the_pixels():
    noise = np.random.default_rng(0).integers(0, 256, (400, 100), dtype=np.uint8)
    found = data.read_upload("x.npz", npz(train=noise, test=noise[:, :64]))
    assert (len(found.train), len(found.test), found.shape) == (100, 64, (20, 20))


def slow_roughness(x):
    """The definition, pixel by pixel and pair by pair."""
    worst = 0.0
    pairs = np.mean([(a - b) ** 2 for image in x for a, b in itertools.combinations(
        image.ravel(), 2)])
    for step in ((0, 1), (1, 0)):
        near = [(image[i, j] - image[i + step[0], j + step[1]]) ** 2 for image in x
                for i in range(x.shape[1] - step[0]) for j in range(x.shape[2] - step[1])]
        worst = max(worst, np.mean(near) / pairs)
    return worst


@pytest.mark.parametrize("x", [DIGITS[:7].astype(float), strokes(5, 9) / 255.0,
                               np.random.default_rng(0).random((6, 4, 7))])
def test_roughness_is_what_it_says(x):
    c = layout.Layout(True, False, x.shape[1:])
    assert layout._roughness(c, [x]) == pytest.approx(slow_roughness(x), rel=1e-12)


def test_a_wrong_order_of_pixels_is_as_rough_as_chance():
    x = STROKES.reshape(1600, 784)
    right, wrong = (layout.Layout(first, True, shape) for first, shape in (
        (True, (28, 28)), (False, (40, 40))))
    assert layout._roughness(right, [x]) < 0.5
    assert layout._roughness(wrong, [x]) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("shape", [(24, 16), (20, 14), (16, 24)])
def test_images_that_are_no_squares_are_found_where_a_picture_is_seen(shape):
    x = np.rint(area_means(STROKES[:400], shape)).astype(np.uint8)
    for flat in (x.reshape(400, -1), x.reshape(400, -1).T):
        assert same(read(flat), x)


def test_a_few_pictures_are_not_read_as_lines_of_others():
    for array in (strokes(10), strokes(10).reshape(10, 784), np.moveaxis(strokes(12), 0, -1)):
        with pytest.raises(DataError, match=r"has 1[02] images of 28 × 28 pixels, but at least 20"):
            read(array)


def test_columns_that_could_be_no_image_are_none():
    pictures = strokes(400)
    beside = {"u": np.ones((400, 3)), "v": np.ones((3, 400)), "p": np.arange(400)}
    found = data.read_upload("x.npz", npz(faces=pictures.reshape(400, -1).T, **beside))
    assert same(found, pictures)


def test_a_header_of_numbers_is_one_where_they_count_columns():
    pictures = strokes(40, 8)
    for header in (",".join(map(str, range(65))), "," + ",".join(map(str, range(65)))):
        with_index = header.startswith(",")
        lines = table(pictures).decode().splitlines()
        lines = [f"{i},{line}" for i, line in enumerate(lines)] if with_index else lines
        found = data.read_upload("x.csv", "\n".join([header, *lines]).encode())
        assert len(found.train) + len(found.test) == 40
        assert found.shape == (8, 8)


def test_a_height_that_is_chosen_is_taken():
    x = pixels(40, 5, 4)
    with pytest.raises(DataError, match="20 pixels, which is no square; choose their height"):
        read(x.reshape(40, 20))
    assert same(read(x.reshape(40, 20), height=5), x)
    assert same(read(x.reshape(40, 20), height=4), x.reshape(40, 4, 5))
    with pytest.raises(DataError, match="no square"):
        read(x.reshape(40, 20), height=3)


def test_an_axis_that_is_chosen_is_taken():
    x = STROKES[:784].reshape(784, 784)
    assert same(read(x, along="first"), STROKES[:784])
    assert same(read(x, along="last"), x.T.reshape(784, 28, 28))
    assert "as chosen" in read(x, along="last").notes[0]
    with pytest.raises(DataError, match="no images along the last axis"):
        read(DIGITS[:, :, :7], along="last", height=None)


@SLOW
@given(turns=st.integers(0, 3), mirror=st.booleans())
def test_turns_and_mirrors_are_those_of_numpy(turns, mirror):
    x = pixels(40, 5, 4)
    found = read(x, turn=90 * turns, mirror=mirror)
    right = np.stack([np.rot90(np.fliplr(i) if mirror else i, turns) for i in x])
    assert same(found, right)
    assert (len(found.notes) == 3) == bool(turns or mirror)


def test_emnist_is_set_upright_by_a_turn_and_a_mirror():
    """EMNIST's images are stored transposed."""
    found = read(STROKES[:60].transpose(0, 2, 1), mirror=True, turn=90)
    assert same(found, STROKES[:60])


def test_colours_are_refused_with_what_to_do():
    x = np.repeat(STROKES[:60, None], 3, 1)
    for form in (x, x.transpose(0, 2, 3, 1), x.transpose(2, 3, 1, 0), x.reshape(60, -1)):
        assert "make them grey" in fault("x.npy", npy(form))


# contents -----------------------------------------------------------------------------------------

def test_olivetti_faces_are_found_beside_other_arrays(where):
    """As on S. Roweis' page: faces 4096 × 400, with p, u, v beside; pixels run down the columns."""
    x = portraits()
    stored = x.transpose(0, 2, 1).reshape(400, 4096).T
    assert stored.shape == (4096, 400)
    content = mat(faces=stored, p=np.array([[64]]), u=np.array([[1.0]]), v=np.eye(2))
    assert data.save_upload("olivettifaces.mat", content) == "faces"
    assert {"faces", "file:olivettifaces.mat"} <= set(data.available())
    whole = data.load("file:olivettifaces.mat")
    assert same(whole, x)
    small = data.load("faces")
    assert small.shape == (25, 25)
    assert "Reduced from 64 × 64 to 25 × 25 pixels by area means." in small.notes
    right = slow_means(x[:3] / 255, (25, 25)).reshape(3, -1)
    everything = np.concatenate([small.train, small.test])
    for image in right:
        assert np.abs(everything - image).max(1).min() < 1e-3
    assert Autoencoder(data="faces").shape == (625, 2000, 1000, 500, 30, 500, 1000, 2000, 625)
    assert Autoencoder(data="file:olivettifaces.mat").shape == (4096, 128, 32, 6, 32, 128, 4096)


def test_photographs_that_stand_are_left_standing():
    x = portraits(10, 10)
    for form in (x, x.reshape(100, -1), x.reshape(100, -1).T):
        assert same(read(form), x)


def test_what_is_offered_can_be_loaded(where):
    (where / "faces.npy").write_bytes(npy(pixels(40, 24, 24)))
    (where / PARTS[0]).write_bytes(idx(pixels(60, 28, 27)))
    (where / PARTS[2]).write_bytes(idx(pixels(60, 28, 28)))
    assert data.available() == ["digits", "curves"]


def slow_means(x, shape, times=64):
    """Means over a grid of points within each new pixel."""
    h, w = x.shape[1:]
    rows = ((np.arange(shape[0] * times) + 0.5) * h / (shape[0] * times)).astype(int)
    columns = ((np.arange(shape[1] * times) + 0.5) * w / (shape[1] * times)).astype(int)
    fine = x[:, rows][:, :, columns]
    return fine.reshape(len(x), shape[0], times, shape[1], times).mean((2, 4))


@SLOW
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 12), st.integers(1, 12))
def test_area_means(h, w, new_h, new_w):
    shape = min(h, new_h), min(w, new_w)
    x = np.random.default_rng(h).random((3, h, w))
    means = area_means(x, shape)
    np.testing.assert_allclose(means, slow_means(x, shape), atol=0.05)
    np.testing.assert_allclose(means.mean((1, 2)), x.mean((1, 2)), rtol=1e-5)   # no light is lost
    if h % shape[0] == w % shape[1] == 0:
        blocks = x.reshape(3, shape[0], h // shape[0], shape[1], w // shape[1]).mean((2, 4))
        np.testing.assert_allclose(means, blocks, rtol=1e-5)


def test_large_images_are_reduced_and_it_is_said():
    x = np.repeat(np.repeat(STROKES[:30], 4, 1), 4, 2)                          # 112 × 112
    found = read(x)
    assert found.shape == (56, 56)
    assert "Reduced from 112 × 112 to 56 × 56 pixels by area means." in found.notes
    np.testing.assert_allclose(together(found), unit(x[:, ::2, ::2]), atol=1e-6)
    assert reduced_shape((64, 64)) == (64, 64)
    assert reduced_shape((112, 92)) == (56, 46)
    assert reduced_shape((4097, 1)) == (2048, 1)


@pytest.mark.parametrize(("name", "part", "labels"), [
    ("X_train", "train", False), ("train_images", "train", False), ("trainX", "train", False),
    ("xtrain", "train", False), ("images_train", "train", False), ("bdata", "train", False),
    ("y_train", "train", True), ("train-labels", "train", True), ("trainY", "train", True),
    ("X_test", "test", False), ("test_labels", "test", True), ("bdatatest", "test", False),
    ("t10k-images", "test", False), ("t10k-labels-idx1-", "test", True), ("ytest", "test", True),
    ("val_images", "valid", False), ("images", "", False), ("labels", "", True), ("y", "", True),
    ("X", "", False), ("contest", "", False), ("gnd", "", True)])
def test_what_names_say(name, part, labels):
    assert choose.role(name) == (part, labels)


@pytest.mark.parametrize("names", [
    ("X_train", "y_train", "X_test", "y_test"), ("x_train", "y_train", "x_test", "y_test"),
    ("train_images", "train_labels", "test_images", "test_labels"),
    ("trainX", "trainY", "testX", "testY"), ("train", "train_labels", "test", "test_labels")])
def test_parts_are_found_by_their_names(names):
    a, b = STROKES[:60], STROKES[100:130]
    arrays = dict(zip(names, (a, np.arange(60) % 10, b, np.arange(30) % 7), strict=True))
    found = data.read_upload("x.npz", npz(**arrays))
    assert np.array_equal(np.rint(255 * found.train).reshape(-1, 28, 28), a)
    assert np.array_equal(np.rint(255 * found.test).reshape(-1, 28, 28), b)
    assert np.array_equal(found.train_labels, np.arange(60) % 10)
    assert np.array_equal(found.test_labels, np.arange(30) % 7)
    more = data.read_upload("x.npz", npz(**arrays, val_images=a[:25]))
    assert "Left out: val_images." in more.notes
    assert len(more.train) == 60


def test_a_list_that_looks_like_labels_is_said_to_be_taken():
    kinds = np.repeat(np.arange(6), 10)
    found = data.read_upload("x.npz", npz(pictures=STROKES[:60], who=kinds, order=np.arange(60)))
    assert "who is taken as their labels." in found.notes
    assert np.bincount(np.r_[found.train_labels, found.test_labels]).tolist() == [10] * 6


# tables -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("separator", [",", ";", "\t", " "])
@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_mnist_as_a_table(separator, header, pack):
    x, kinds = STROKES[:60], np.arange(60) % 10
    names = separator.join(["label", *(f"pixel{i}" for i in range(784))]) if header else ""
    found = data.read_upload("train.csv", pack(table(x, names, kinds, separator)))
    assert same(found, x)
    assert np.bincount(np.r_[found.train_labels, found.test_labels]).tolist() == [6] * 10
    by_image = dict(zip(map(bytes, x), kinds, strict=True))
    for image, kind in zip(np.rint(255 * found.train).astype(np.uint8), found.train_labels,
                           strict=True):
        assert by_image[bytes(image)] == kind


def test_a_table_with_labels_last_or_counted_lines():
    x, kinds = DIGITS[:300], np.arange(300) % 7
    last = b"\n".join(b",".join(b"%d" % v for v in [*row.ravel(), k])
                      for row, k in zip(x, kinds, strict=True))
    found = formats.arrays("optdigits.txt", last)
    assert np.array_equal(found["images"].reshape(x.shape), x)
    assert np.array_equal(found["labels"], kinds)
    counted = b"," + b",".join(b"p%d" % i for i in range(64)) + b",target\n" + b"\n".join(
        b"%d," % i + line for i, line in enumerate(last.split(b"\n")))
    again = formats.arrays("frame.csv", counted)
    assert np.array_equal(again["images"].reshape(x.shape), x)
    assert np.array_equal(again["labels"], kinds)


@SLOW
@given(st.integers(1, 6), st.integers(1, 9), st.integers(0, 99))
def test_every_table_is_read_back(rows, columns, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 10.0 ** rng.integers(-3, 5), (rows, columns))
    text = "\r\n".join(",".join(map(repr, row)) for row in x.tolist())
    found = formats.arrays("x.csv", b"\xef\xbb\xbf" + text.encode())
    assert sum(a.size for a in found.values()) == x.size
    if "" in found:
        np.testing.assert_allclose(found[""], x, rtol=1e-6)


# folders and several files ------------------------------------------------------------------------

@pytest.mark.parametrize("place", ["MNIST/raw", "a/b/c", "archive/train-images-idx3-ubyte",
                                   "mnist_data/MNIST/raw"])
def test_mnist_is_found_in_folders(where, place):
    parts = mnist_parts()
    (where / place).mkdir(parents=True)
    for name, array in parts.items():
        (where / place / name).write_bytes(idx(array))
    assert "mnist" in data.available()
    check_mnist(data.load("mnist"), parts)


def test_a_file_in_a_folder_of_its_own_name(where):
    parts = mnist_parts()
    for name, array in parts.items():
        (where / name).mkdir()
        (where / name / name).write_bytes(gzip.compress(idx(array)))      # and without .gz
    check_mnist(data.load("mnist"), parts)


def test_sets_that_are_named_as_mnist_stay_apart(where):
    parts = mnist_parts()
    for folder in ("FashionMNIST/raw", "k-mnist"):
        (where / folder).mkdir(parents=True)
        for name, array in parts.items():
            (where / folder / name).write_bytes(idx(array))
    assert data.available() == ["digits", "curves", "file:FashionMNIST", "file:k-mnist"]
    fashion = data.load("file:FashionMNIST")
    check_mnist(fashion, parts)
    assert fashion.name == "FashionMNIST"
    assert data.identity("file:FashionMNIST") not in ("", "absent")
    with pytest.raises(DataError, match="MNIST is not there"):
        data.load("mnist")


def test_folders_are_not_followed_out_of_the_data_folder(where, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    for name, array in mnist_parts().items():
        (outside / name).write_bytes(idx(array))
    (where / "MNIST").symlink_to(outside)
    assert data.available() == ["digits", "curves"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_hides_no_other(where):
    (where / "closed").mkdir(mode=0)
    (where / "x.npy").write_bytes(npy(STROKES[:60]))
    assert "file:x.npy" in data.available()


def test_only_some_folders_are_looked_into(where):
    deep = where.joinpath(*"abcdef")
    deep.mkdir(parents=True)
    for name, array in mnist_parts().items():
        (deep / name).write_bytes(idx(array))
    assert data.available() == ["digits", "curves"]


@pytest.mark.parametrize("missing", [0, 2])
def test_the_file_that_is_missing_is_named(where, missing):
    for n, (name, array) in enumerate(mnist_parts().items()):
        if n != missing:
            data.save_upload(name, idx(array))
    with pytest.raises(DataError) as error:
        data.load("mnist")
    first = str(error.value).split(".")[0]
    assert f"MNIST is not whole: {PARTS[missing]} is missing" in first
    assert PARTS[2 - missing] not in first


def test_mnists_files_in_one_upload(where):
    parts = mnist_parts()
    sent = [(f"{name}.gz", idx(array)) for name, array in parts.items()]   # unpacked by a browser
    assert data.save_uploads(sent) == "mnist"
    check_mnist(data.load("mnist"), parts)


def test_other_files_in_one_upload_become_one_set(where):
    parts = mnist_parts()
    sent = [(f"emnist-letters-{name.replace('t10k', 'test')}.gz", gzip.compress(idx(array)))
            for name, array in parts.items()]
    name = data.save_uploads(sent)
    assert name == "file:emnist-letters.npz"
    check_mnist(data.load(name), parts)
    assert data.save_uploads(sent) == name                       # the same bytes, whenever
    assert len(list(where.iterdir())) == 1
    tables_ = [(f"{n}.csv", table(parts[images], "", parts[labels])) for n, images, labels in (
        ("mnist_train", PARTS[0], PARTS[1]), ("mnist_test", PARTS[2], PARTS[3]))]
    check_mnist(data.load(data.save_uploads(tables_)), parts)
    arrays = [(f"{n}.npy", npy(parts[p])) for n, p in zip(
        ("X_train", "y_train", "X_test", "y_test"), PARTS, strict=True)]
    check_mnist(data.load(data.save_uploads(arrays)), parts)


def test_several_files_of_which_one_is_missing(where):
    parts = {f"emnist-{n}": idx(a) for n, a in mnist_parts().items()}
    labels, test = f"emnist-{PARTS[1]}", f"emnist-{PARTS[2]}"
    with pytest.raises(DataError, match=f"{labels} holds labels, and emnist-{PARTS[0]} is missing"):
        data.save_uploads([(labels, parts[labels]), (test, parts[test])])
    with pytest.raises(DataError, match=f"send it together with emnist-{PARTS[0]}"):
        data.save_uploads([(labels, parts[labels])])
    assert not list(where.iterdir())


def test_several_files_keep_the_limits_of_uploads(where, monkeypatch):
    sent = [("a-train.npy", npy(pixels())), ("a-test.npy", npy(pixels(seed=1)))]
    monkeypatch.setattr(uploads.files, "UPLOAD", 800)
    with pytest.raises(DataError, match="the limit for uploads"):
        data.save_uploads(sent)
    monkeypatch.setattr(uploads.files, "UPLOAD", 10_000)
    monkeypatch.setattr(uploads.files, "UNPACKED", 1500)
    with pytest.raises(DataError, match="which is the limit"):
        data.save_uploads(sent)
    monkeypatch.undo()
    with pytest.raises(DataError, match="truncated"):
        data.save_uploads([sent[0], ("a-test.npy", npy(pixels())[:-1])])


# choices travel with the run ----------------------------------------------------------------------

CHOICES = {"white": 48.0, "along": "last", "turn": "90", "mirror": True}


@pytest.fixture
def odd(where):
    """A file that needs choices: dark, square in both ways, lying."""
    x = LETTERS[:64] * 3
    (where / "odd.npy").write_bytes(npy(x.reshape(64, 64).T))
    return np.stack([np.rot90(np.fliplr(i)) for i in x])


def test_a_run_is_a_function_of_its_choices(odd):
    spec = parse({"problem": {"name": "autoencoder", "data": "file:odd.npy", "batch": 8, **CHOICES},
                  "methods": [{"name": "adam"}], "steps": 3})
    assert parse(spec.short()) == spec
    problem = spec.problem
    assert same(data.load("file:odd.npy", reading=problem.reading), odd * (255 / 48))
    first, again = run(spec), run(parse(spec.model_dump(mode="json")))
    assert first.key == again.key
    assert np.array_equal(first["adam"]["loss"], again["adam"]["loss"])
    keys = {spec.key()}
    for name, other in (("white", 60.0), ("along", "first"), ("turn", "0"), ("mirror", False)):
        changed = spec.model_copy(update={"problem": problem.model_copy(update={name: other})})
        keys.add(changed.key())
        assert not np.array_equal(run(changed)["adam"]["loss"], first["adam"]["loss"])
    assert len(keys) == 5


def test_the_command_line_says_how_a_file_was_read(odd, tmp_path, capsys):
    asked = {"problem": {"name": "autoencoder", "data": "file:odd.npy", "batch": 8, **CHOICES},
             "methods": [{"name": "adam"}], "steps": 2}
    (tmp_path / "spec.json").write_text(json.dumps(asked))
    assert main(["run", str(tmp_path / "spec.json"), "--out", str(tmp_path / "out.npz")]) == 0
    said = capsys.readouterr().out
    assert "64 × 64 values are 64 images of 8 × 8 pixels, one per column: as chosen." in said
    assert "Mirrored and turned by 90° counter-clockwise, as chosen." in said
    assert "48 is white, as chosen" in said
    del asked["problem"]["white"]
    (tmp_path / "spec.json").write_text(json.dumps(asked))
    assert main(["run", str(tmp_path / "spec.json"), "--out", str(tmp_path / "out.npz")]) != 0
    assert "Choose white" in capsys.readouterr().err


def test_an_address_with_choices_brings_them_back(odd):
    query = {"data": "file:odd.npy", "white": "48", "along": "last", "turn": "90", "mirror": "true",
             "batch": "8"}
    found = read_query(query, IMAGES)
    assert found.faults == ()
    assert write_query(found, IMAGES) == query
    assert found.spec().problem.reading == data.Reading(48.0, "last", None, 90, True)
    undecided = read_query({"data": "file:odd.npy", "steps": "5", "batch": "8"}, IMAGES)
    with pytest.raises(UndecidedError):
        undecided.spec()
    refused = read_query({"white": "16"}, IMAGES)
    assert "white says how a file is read" in refused.faults[0]
    assert refused.problem_spec() == IMAGES.problem_spec()


@pytest.mark.parametrize("name", ["digits", "curves", "mnist"])
def test_known_sets_are_read_in_one_way(name):
    for field, value in CHOICES.items():
        with pytest.raises(ValidationError, match=f"{field} says how a file is read, but the "
                                                  f"images of {name} are known"):
            Autoencoder(data=name, **{field: value})


def test_a_strip_shows_the_images_as_they_are_read(where):
    (where / "x.npy").write_bytes(npy(STROKES[:60]))
    found = data.load("file:x.npy")
    shown = images.strip(found, count=16, per_row=8, side=36)
    assert shown.shape == (2 * 58 - 2, 8 * 58 - 2)               # 28 pixels twice, and gaps of 2
    last = found.train[-1].reshape(28, 28).repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(shown[58:, -56:], np.rint(255 * last))
