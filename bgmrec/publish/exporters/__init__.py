"""Copies of the published tables in the stores that serve them."""
