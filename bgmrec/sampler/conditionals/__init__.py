"""Conditional distributions of the sampler's small parameters, and their sums. NumPy only, no Spark."""
