"""Staged entities → inputs of the encoders: fixed-width vectors and token ids, fitted on training entities."""
