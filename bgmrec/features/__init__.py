"""Staged entities → what the encoders eat: fixed-width vectors and token ids, fitted on training entities."""
