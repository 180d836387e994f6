"""Images to learn from: shipped digits, generated curves, MNIST, faces, and a person's own files.

    images = load("digits")            # or "curves", "mnist", "faces", "file:NAME"
    images.train, images.test          # (N, D), (M, D) float32 in [0, 1], one image per row
    load("file:NAME", reading=Reading(white=16, turn=90))       # what a file leaves open

Files are taken from nobody on trust: sizes are counted before anything is unpacked, pickled
objects are never loaded, and every fault is a DataError with a sentence for people. This package
imports neither torch nor Streamlit.
"""

from qnviz.problems.data.files import folder
from qnviz.problems.data.images import Images, strip
from qnviz.problems.data.library import available, dimension, identity, load, readable
from qnviz.problems.data.reading import Reading
from qnviz.problems.data.uploads import read_upload, save_upload, save_uploads

__all__ = ["Images", "Reading", "available", "dimension", "folder", "identity", "load",
           "read_upload", "readable", "save_upload", "save_uploads", "strip"]
