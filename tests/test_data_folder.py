"""The data folder: which names lead into it, what it offers, keeps and takes as an upload."""

import gzip
import os
import subprocess
import sys
import threading

import pytest

from qnviz.errors import DataError
from qnviz.problems import data
from qnviz.problems.data import files, images, library, uploads
from tests.image_files import (
    PARTS,
    check_mnist,
    fault,
    idx,
    mnist_parts,
    npy,
    pixels,
    together,
    unit,
)

# the folder ---------------------------------------------------------------------------------------

@pytest.fixture
def saved(where):
    """x.npy, a file of 40 images in the data folder."""
    path = where / "x.npy"
    path.write_bytes(npy(pixels()))
    return path


@pytest.fixture
def inner(where):
    """A data folder within the one that the environment names."""
    (where / "inner").mkdir()
    return where / "inner"


@pytest.mark.parametrize("name", ["../x.npy", "/etc/passwd", "a/b.npy", "..", "", ".x.npy",
                                  "a\\b.npy", "a\0.npy", "a..npy", "x" * 300])
def test_no_name_leads_out_of_the_folder(saved, inner, name):
    with pytest.raises(DataError, match="not the name of a file in the data folder"):
        data.load(f"file:{name}", inner)


def test_no_link_leads_out_of_the_folder(saved, inner):
    (inner / "y.npy").symlink_to(saved)
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
def test_a_file_that_may_not_be_read(saved):
    saved.chmod(0)
    with pytest.raises(DataError, match=r"x\.npy cannot be read"):
        data.load("file:x.npy")


def test_a_file_that_the_system_refuses(saved, monkeypatch):
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


def test_sets_are_kept_and_read_only(where, saved):
    first = data.load("file:x.npy")
    assert data.load("file:x.npy") is first
    for name in ("train", "test", "train_labels", "test_labels"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(first, name)[0] = 0
    saved.write_bytes(npy(pixels(50)))
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


def test_mnist_and_faces_can_be_uploaded(where):
    parts = mnist_parts(60, 30)
    for name, array in parts.items():
        assert data.save_upload(f"{name}.gz", gzip.compress(idx(array), mtime=0)) == "mnist"
    check_mnist(data.load("mnist"), parts)
    data.save_upload(f"{PARTS[0]}.gz", gzip.compress(idx(parts[PARTS[0]]), mtime=0))
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


def test_too_much_is_refused(saved, monkeypatch):
    monkeypatch.setattr(images, "MOST_PIXELS", 799)
    with pytest.raises(DataError, match="800 pixels in all; the limit is 799"):
        data.load("file:x.npy")
    monkeypatch.setattr(files, "UNPACKED", 900)
    with pytest.raises(DataError, match="limit"):
        data.load("file:x.npy")
    monkeypatch.setattr(files, "UPLOAD", 800)
    assert "928 bytes; the limit for uploads is 800 bytes" in fault("x.npy", npy(pixels()))
    with pytest.raises(DataError, match="uploads"):
        data.save_upload("x.npy", npy(pixels()))


def test_reading_images_loads_no_torch():
    code = ("import sys\nfrom qnviz.problems import data\ndata.load('digits')\n"
            "assert not {'torch', 'streamlit'} & set(sys.modules)")
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=files.ROOT,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
