"""Browser components: each a folder of scripts and a style sheet with its Python side."""
