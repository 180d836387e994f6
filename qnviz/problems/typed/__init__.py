"""Functions that visitors type: read, compiled, bounded, and minimised."""
