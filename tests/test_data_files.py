"""Image files: what is read is what was written, and what is wrong is told in a sentence."""

import gzip
import io
import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st

from qnviz.errors import DataError
from qnviz.problems import data
from qnviz.problems.data import files, formats, matlab, tables
from tests.image_files import (
    PARTS,
    H,
    N,
    W,
    fault,
    idx,
    mat,
    npy,
    npz,
    pixels,
    table,
    together,
    unit,
)

# forms --------------------------------------------------------------------------------------------

FORMS = {
    "a.npy": npy, "a.npz": lambda x: npz(pictures=x), "a-idx3-ubyte": idx, "a.idx": idx,
    "a-idx3-ubyte.gz": lambda x: gzip.compress(idx(x)),
    "b.mat": lambda x: mat(True, x=x), "c.mat": lambda x: mat(False, x=x.astype(np.float64)),
    "d.mat": lambda x: mat(True, x=x.astype(np.int32), note="a text", s={"a": 1}),
    "f.npy": lambda x: npy(x / 255), "g.npy": lambda x: npy(np.asfortranarray(x)),
    "h.npy": lambda x: npy(x.astype(">f4")),
    "i.npz": lambda x: npz(x=x.reshape(len(x), -1), shape=np.array([H, W])),
    "j.npz": lambda x: npz(images=x, other=x[:2], text=np.array(["a", "b"])),
    "k.idx": lambda x: idx(x.astype(">f8"), 0x0E),
    "l.csv": lambda x: table(x, "label," + ",".join("abcdefghijklmnopqrst")),
    "m.gz": lambda x: gzip.compress(npy(x)), "n-idx3-ubyte.gz": idx,
    "o.npy": lambda x: gzip.compress(idx(x)), "p.npy": lambda x: npy(x[:, None]),
    "q.npz": lambda x: npz(X=x[..., None]), "r.mat": lambda x: mat(x=x[..., None], u=[[1]])}
FLAT = {"l.csv"}                         # that say nothing of height and width


@pytest.mark.parametrize("name", FORMS)
def test_a_file_is_read_back(where, name):
    x = pixels()
    (where / name).write_bytes(FORMS[name](x))
    read = data.load(f"file:{name}", reading=data.Reading(height=H if name in FLAT else None))
    assert (read.name, read.shape, read.train.shape) == (name, (H, W), (32, H * W))
    assert together(read) == pytest.approx(unit(x), abs=1e-7)
    if name not in FLAT:
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


def zipped(packing=zipfile.ZIP_STORED, **entries):
    """A zip file of these entries' bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packing) as z:
        for name, content in entries.items():
            z.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def with_a_long_directory():
    """An .npz whose end says that its directory takes 100 MB."""
    content = bytearray(npz(x=pixels()))
    content[-10:-6] = (100_000_000).to_bytes(4, "little")
    return bytes(content)


def commented(content):
    """An archive whose first entry claims a comment as long as all entries after it."""
    first, second, end = (content.index(b"PK\1\2"), content.rindex(b"PK\1\2"),
                          content.rindex(b"PK\5\6"))
    return content[:first + 32] + (end - second).to_bytes(2, "little") + content[first + 34:]


def packed_text(name):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as z:
        z.writestr(name, "1,2\n")
    return buffer.getvalue()


HDF = (b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM").ljust(512, b"\0") + b"\x89HDF\r\n\x1a\n" * 9
FAULTS = {
    "nan": ("x.npy", npy(np.where(pixels() < 1, np.nan, pixels() / 255)), "NaN or infinite"),
    "inf": ("x.npy", npy(np.where(pixels() < 1, -np.inf, pixels() / 255)), "NaN or infinite"),
    "low": ("x.npy", npy(pixels() / 255 - 0.5), "none may be negative"),
    "high": ("x.npy", npy(pixels() * 2.0), "does not say which value is white. Choose white"),
    "few": ("x.npy", npy(pixels(19)), "has 19 images, but at least 20"),
    "none": ("x.npy", npy(pixels(0)), "empty"),
    "no bytes": ("x.npy", b"", "empty"),
    "constant": ("x.npy", npy(np.full((30, 4), 7, np.uint8)), "one colour"),
    "no square": ("x.npy", npy(pixels().reshape(N, -1)), "20 pixels, which is no square"),
    "1-D": ("x.npy", npy(np.arange(30)), "labels, not images"),
    "colour": ("x.npy", npy(pixels()[..., None].repeat(3, -1)), "colour images; make them grey"),
    "5-D": ("x.npy", npy(pixels().reshape(5, 2, 2, 5, 8)), "5 dimensions"),
    "ones": ("x.npy", npy(pixels().reshape(40, *[1] * 8, 20)), "10 dimensions"),
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
    "npz with a comment's length": ("x.npz", commented(npz(a=pixels(), x=pixels())), "damaged"),
    "short npz": ("x.npz", npz(x=pixels())[:-9], "truncated"),
    "no npz": ("x.npz", b"PK" * 50, "not an .npz"),
    "lzma npz": ("x.npz", zipped(zipfile.ZIP_LZMA, x=npy(pixels())), "numpy does not use"),
    "many entries": ("x.npz", zipped(**{str(i): b"" for i in range(formats.MOST_ARRAYS + 1)}),
                     "1,001 arrays"),
    "long directory": ("x.npz", with_a_long_directory(), "too many arrays"),
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
    "short gz": ("x-idx3-ubyte.gz", gzip.compress(idx(pixels()))[:-12], "end too early"),
    "flipped gz": ("x-idx3-ubyte.gz", gzip.compress(idx(pixels()))[:-8] + b"\0" * 8, "cannot be"),
    "two gz": ("x-idx3-ubyte.gz", gzip.compress(idx(pixels())) * 2, "behind the end"),
    "png": ("x.png", b"\x89PNG", "unknown ending"),
    "plain gz": ("x.gz", gzip.compress(b"hello"), "unknown ending"),
    "a zip": ("x.zip", packed_text("train.csv"), "is a zip archive that holds 'train.csv', not"),
    "an empty cell": ("x.csv", b"1,,3,4\n" + b"1,2,3,4\n" * 30, "line 1 has nothing in column 2"),
    "too wide": ("x.csv", b"1,2,3,4\n" * 30 + b"1,2,3,4,5\n", "line 31 has 5 columns, but the "
                 "first one has 4"),
    "words": ("x.csv", b"a;b\n1;2\nthree;4\n", "line 3 has no number in column 1"),
    "ragged": ("x.csv", b"1,2,3\n4,5\n", "line 2 has 2 columns, but the first one has 3"),
    "header": ("x.csv", b"a,b,c\n", "without a line of numbers"),
    "tabs alone": ("x.csv", b"\t\n \t", "without a line of numbers"),
    "binary csv": ("x.csv", bytes(range(256)) * 9, "not a table of numbers"),
    "nan csv": ("x.csv", b"\n".join([b"1,2,3,nan"] * 30), "NaN or infinite"),
    "nested gz": ("x.gz", gzip.compress(gzip.compress(npy(pixels()))), "unknown ending"),
    "flat faces": ("faces.npy", npy(pixels(40, 24, 24).reshape(40, -1)),
                   "24 × 24 pixels, but they should be 25 × 25"),
    "small faces": ("faces.npy", npy(pixels(40, 24, 24)), "24 × 24"),
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
                                  "c.mat", "l.csv", "m.gz"])
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


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["x.csv", "x.txt", "x.gz", "x.mat", "x", "a-idx3-ubyte.gz"]),
       st.one_of(st.binary(max_size=400), st.text("0123456789.,;-+e \t\r\n\"'#nainf", max_size=400)
                 .map(str.encode)), st.booleans())
def test_no_bytes_bring_anything_but_images_or_a_sentence(name, content, packed):
    content = gzip.compress(content) if packed else content
    said, found = ".", None
    try:
        found = data.read_upload(name, content)
    except DataError as error:
        said = str(error)
    assert said.endswith(".")
    assert found is None or np.isfinite(found.train).all()


# bombs --------------------------------------------------------------------------------------------

def peak(name, content, words):
    """Memory that reading a file took before it was refused."""
    tracemalloc.start()
    assert words in fault(name, content)
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return taken


@pytest.mark.parametrize(("name", "pack"), [
    ("x.csv", lambda x: gzip.compress(b"0," * (x.size // 2) + b"0", 1)),
    ("x.jpg", lambda x: gzip.compress(idx(x), 1)),
    ("x-idx3-ubyte.gz", lambda x: gzip.compress(idx(x), 1)),
    ("x.npz", lambda x: npz(x=x)),
    ("x.mat", lambda x: mat(True, x=x))])
def test_bombs_are_not_unpacked(name, pack, monkeypatch):
    monkeypatch.setattr(files, "UNPACKED", 1_000_000)
    content = pack(np.zeros((100, 1000, 1000), np.uint8))             # 100 MB
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


@pytest.mark.parametrize(("content", "words"), [
    (b"1,2,3,4\n" + b"0," * 2_000_000 + b"0\n", "a line is far longer than its first one"),
    (b"0," * 3_000_000 + b"0\n", "a first line of 6 MB, which is no image's"),
    (b"0," * 150_000 + b"0\n", "150,001 columns; the limit is 100,000"),
    (b"1,2\n" + b"\n" * 3_000_000, "more than 1,000,000 numbers")],
    ids=["line", "first", "columns", "empty"])
def test_a_table_that_would_fill_the_memory_is_refused(content, words, monkeypatch):
    monkeypatch.setattr(tables, "MOST_VALUES", 1_000_000)
    tracemalloc.start()
    assert words in fault("x.csv", content)
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert taken < 4 * len(content)
