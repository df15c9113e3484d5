"""Conditional distributions of the sampler's hyperparameters, and the sums they need. NumPy only; no Spark."""
