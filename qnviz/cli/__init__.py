"""The command line: `python -m qnviz run`, `sweep`, `export`, `scoreboard`, `list`."""
