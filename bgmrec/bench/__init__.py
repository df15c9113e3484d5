"""Measured speed: bgmrec against its peers on the same machine."""
