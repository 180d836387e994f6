"""Specs, the one loop, traces, and what is computed from them."""
