"""The command line: `python -m qnviz run`, `sweep`, `export`, `scoreboard`, `list`.

`parser` declares all options; each command is a module with a function `command`, which takes the
options and returns the exit status. What they write, and how they report it, stands in `output`.
"""
