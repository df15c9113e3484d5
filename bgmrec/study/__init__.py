"""Measured accuracy: protocols, the search for settings, and the experiments of the paper."""
