"""Measurements. Each prints medians with their spread; tests never assert a time."""
