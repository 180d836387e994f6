"""Sweeps: one run per cell of a grid and seed, as batches of runs; what maps are made of."""
