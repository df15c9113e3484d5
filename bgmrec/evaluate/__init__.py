"""Metrics by slice, baselines that go through them, the protocols of published studies, and the report."""
