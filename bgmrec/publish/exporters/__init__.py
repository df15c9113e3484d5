"""Exporters: they copy the newest published tables to the stores that serve them."""
