"""Metrics by slice, and baselines that go through the same scores and lists as the model."""
