"""One Newton system taken apart: its pictures under one playhead."""
