"""Copies of the newest published tables in the stores that serve them."""
