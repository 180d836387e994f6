"""What can be taken home from a run: a player in one file, pictures, numbers, scripts."""
