"""Protocols, the tuning of settings, and the paper's programme."""
