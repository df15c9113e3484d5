"""Metrics by slice, and baselines that are scored and listed by the same code as the model."""
